//! What a person is shown of a cluster's brakes.

use serde_json::{Value, json};
use trimtab_core::brakes::Rule;
use trimtab_core::brakes::rules::{ActiveLimits, Limits};
use trimtab_core::time::Span;

use super::*;

fn object(kind: &str, name: &str, rest: &Value) -> DynamicObject {
    let mut object = json!({
        "apiVersion": "kubernaut.ai/v1alpha1", "kind": kind,
        "metadata": {"name": name, "namespace": "ns", "uid": format!("uid-{name}"), "resourceVersion": "1"},
    });
    object["spec"] = rest["spec"].clone();
    object["status"] = rest["status"].clone();
    serde_json::from_value(object).expect("an object")
}

fn remediation(name: &str, phase: &str) -> DynamicObject {
    let rest = json!({
        "spec": {"targetResource": {"kind": "Deployment", "name": name, "namespace": "shop"}},
        "status": {
            "overallPhase": phase, "startTime": "2030-01-01T00:00:00Z",
            "timeoutConfig": {"global": "1h0m0s", "analyzing": "10m0s"},
            "phaseProgress": {"analyzingStartTime": "2030-01-01T00:01:00Z"},
        },
    });
    object("RemediationRequest", name, &rest)
}

fn found() -> Found {
    let analysis = json!({"spec": {}, "status": {
        "phase": "Completed", "reason": "AnalysisCompleted", "approval": {"approvalRequired": false},
        "rcaResult": {"selectedWorkflow": {"workflowId": "wf"}},
    }});
    let running = json!({
        "spec": {"targetResource": "shop/Deployment/r", "remediationRequestRef": {"name": "r"}},
        "status": {"phase": "Running"},
    });
    let signal = json!({
        "spec": {"signal": {"targetResource": {"kind": "Deployment", "name": "r", "namespace": "shop"}}},
        "status": {"kubernetesContext": {"ownerChain": [{"kind": "Shop", "name": "all", "namespace": "shop"}]}},
    });
    Found::from([
        (
            Kind::RemediationRequest,
            vec![remediation("a", "Analyzing"), remediation("e", "Completed"), remediation("r", "Executing")],
        ),
        (Kind::AIAnalysis, vec![object("AIAnalysis", "ai-a", &analysis)]),
        (Kind::WorkflowExecution, vec![object("WorkflowExecution", "we-r", &running)]),
        (Kind::SignalProcessing, vec![object("SignalProcessing", "sp-r", &signal)]),
    ])
}

fn now() -> Timestamp {
    Timestamp::parse("2030-01-01T00:05:00Z").expect("a time")
}

#[test]
fn who_waits_for_a_place_is_held_and_its_nearest_deadline_comes_first() {
    let active = ActiveLimits { cluster: Some(1), namespace: Some(3), owner: Some(2) };
    let rules = Rules { limits: Limits { active, ..Limits::default() }, ..Rules::default() };
    let seen = survey(Ok(&rules), &found(), now());
    let [held] = &seen.remediations[..] else { panic!("one is held: {:?}", seen.remediations) };
    assert_eq!((held.name.as_str(), held.hold.as_ref().map(|hold| hold.rule)), ("a", Some(Rule::LimitReached)));
    let scopes: Vec<_> = held.deadlines.iter().map(|one| (one.scope, one.at.since(now()))).collect();
    assert_eq!(scopes, [("Analyzing", Span::from_secs(360)), ("Global", Span::from_secs(3300))]);
    let uses: Vec<_> = seen.uses.iter().map(Use::sentence).collect();
    assert_eq!(
        uses,
        [
            "1 of 1 executions are active",
            "1 of 3 executions are active in namespace shop",
            "1 of 2 executions are active on shop/Shop/all",
        ]
    );
}

#[test]
fn a_pause_concerns_whoever_has_not_ended_and_holds_whoever_would_start() {
    let rules = Rules { pauses: vec![Pause::default()], ..Rules::default() };
    let seen = survey(Ok(&rules), &found(), now());
    let states: Vec<_> = seen.remediations.iter().map(|one| (one.name.as_str(), one.hold.is_some())).collect();
    assert_eq!(states, [("a", true), ("r", false)]);
    let broken = survey(Err("it is no YAML"), &found(), now());
    assert_eq!(broken.remediations.len(), 2);
    assert!(survey(Ok(&Rules::default()), &found(), now()).remediations.is_empty());
}
