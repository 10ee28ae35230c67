//! The hash comes before the execution, once.

use std::sync::Arc;

use serde_json::json;

use crate::decide::{Decision, Need, Verdict, decide};
use crate::fixtures::{Fixed, advance, analyzed, awaiting, create};
use crate::json::merge_apply;
use crate::observation::{LazyFact, Observation, TargetHash};
use crate::phase::Phase;
use crate::plan::Plan;
use crate::settings::Settings;

fn executing() -> Fixed {
    Fixed { intent: Ok(advance("Executing")), creations: Ok(create(&["WorkflowExecution"])), ..Fixed::default() }
}

fn decided(observation: &Observation) -> Result<Decision, Need> {
    decide(&Arc::new(observation.clone()), &mut executing(), &Settings::default())
}

fn planned(mut observation: Observation, hash: TargetHash) -> Plan {
    observation.facts.target_hash = Some(hash);
    match decided(&observation).unwrap().verdict {
        Verdict::Step(plan) => Arc::unwrap_or_clone(plan),
        Verdict::Stay => panic!("a step was expected"),
    }
}

fn condition(plan: &Plan) -> serde_json::Value {
    let conditions = plan.status.as_ref().unwrap()["conditions"].as_array().unwrap();
    conditions.iter().find(|it| it["type"] == "PreRemediationHashCaptured").cloned().unwrap_or_default()
}

/// The observation after a step.
fn after(mut observation: Observation, plan: &Plan) -> Observation {
    let mut object = observation.object.as_ref().clone();
    merge_apply(&mut object, &json!({"status": plan.status}));
    observation.object = Arc::new(object);
    observation.facts.target_hash = None;
    observation
}

#[test]
fn the_hash_is_gathered_only_when_an_execution_is_lawful() {
    let mut observation = analyzed(false);
    observation.facts.target_hash = None;
    assert_eq!(decided(&observation), Err(Need::Fact(LazyFact::TargetHash)));
    let stays = decide(&Arc::new(observation.clone()), &mut Fixed::default(), &Settings::default()).unwrap();
    assert_eq!(stays.verdict, Verdict::Stay, "to stay needs no hash");
    let refused = analyzed(true);
    let refused = decide(&Arc::new(refused), &mut executing(), &Settings::default()).unwrap();
    assert_eq!(refused.verdict, Verdict::Stay, "what is refused needs no hash");
}

#[test]
fn the_hash_is_a_step_of_its_own_and_used_ever_after() {
    let observation = analyzed(false);
    let first = planned(observation.clone(), TargetHash::Known("sha256:aa".into()));
    assert_eq!((first.from, first.to), (Some(Phase::Analyzing), Some(Phase::Analyzing)));
    assert_eq!(first.status.as_ref().unwrap()["operatorAudit"]["preRemediationSpecHash"], "sha256:aa");
    assert_eq!((&condition(&first)["status"], &condition(&first)["reason"]), (&json!("True"), &json!("HashCaptured")));
    assert!(first.actions.is_empty() && first.audit.is_empty() && first.events.is_empty());
    let second = match decided(&after(observation, &first)).unwrap().verdict {
        Verdict::Step(plan) => Arc::unwrap_or_clone(plan),
        Verdict::Stay => panic!("a step was expected"),
    };
    assert_eq!(second.to, Some(Phase::Executing));
    assert_eq!(second.actions.len(), 1);
}

#[test]
fn what_could_not_be_read_is_told_once_and_stops_nothing() {
    for observation in [analyzed(false), awaiting("Approved")] {
        let first = planned(observation.clone(), TargetHash::Degraded("forbidden".into()));
        assert_eq!(first.to, observation.phase);
        let noted = condition(&first);
        assert_eq!(noted["status"], "False");
        assert_eq!((&noted["reason"], &noted["message"]), (&json!("HashCaptureFailed"), &json!("forbidden")));
        assert_eq!(first.events[0].reason, "HashCaptureDegraded");
        assert_eq!(first.events[0].note, "Pre-remediation hash unavailable for Deployment/shop: forbidden");
        assert!(first.status.as_ref().unwrap().get("operatorAudit").is_none());
        let second = decided(&after(observation, &first)).unwrap();
        let Verdict::Step(second) = second.verdict else { panic!("a step was expected") };
        assert_eq!(second.to, Some(Phase::Executing));
    }
}

#[test]
fn an_object_that_is_not_there_has_no_hash_and_no_step() {
    assert_eq!(planned(analyzed(false), TargetHash::Absent).to, Some(Phase::Executing));
}

#[test]
fn what_has_no_hash_fails_a_remediation_unless_a_person_has_approved() {
    let failed = TargetHash::Failed("no JSON object".into());
    let plan = planned(analyzed(false), failed.clone());
    let status = plan.status.as_ref().unwrap();
    assert_eq!(plan.to, Some(Phase::Failed));
    assert_eq!(status["completionStatus"]["failureReason"], "Cannot determine target resource state: no JSON object");
    assert_eq!(status["completionStatus"]["failurePhase"], "AIAnalysis");
    assert!(status["completedAt"].is_string());
    assert!(!plan.audit.is_empty() && !plan.actions.is_empty() && !plan.events.is_empty(), "a failure like any other");
    assert_eq!(planned(awaiting("Approved"), failed).to, Some(Phase::Executing));
}
