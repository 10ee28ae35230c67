//! What holds of every decision, whatever was observed and proposed.

use std::collections::BTreeSet;

use serde_json::Value;
use trimtab_core::block::BlockReason;
use trimtab_core::decide::{Decision, Verdict};
use trimtab_core::guardrails::creations::CREATIONS_MAX;
use trimtab_core::json::{merge_apply, text};
use trimtab_core::manifest::Manifest;
use trimtab_core::manifest::workflow_execution::selection;
use trimtab_core::observation::{AwaitedObject, ChildKind, Observation};
use trimtab_core::phase::{Move, Phase, is_edge};
use trimtab_core::plan::{Action, Plan};
use trimtab_core::record::{CONDITION_TYPE, RECORD_BYTES_MAX, Record};

/// Panics where a decision breaks a guardrail.
pub(crate) fn check(observation: &Observation, decision: &Decision) {
    if let Some(at) = decision.wake_at {
        assert!(at >= observation.now, "a wake-up that has passed: {at:?}");
    }
    if let Verdict::Step(plan) = &decision.verdict {
        check_plan(observation, plan);
        let text = serde_json::to_string(plan).expect("a plan can be written");
        let again: Plan = serde_json::from_str(&text).expect("a written plan can be read");
        assert!(again == **plan, "a plan survives the ledger");
    }
}

fn check_plan(observation: &Observation, plan: &Plan) {
    assert_eq!((&plan.uid, &plan.name), (&observation.uid, &observation.name), "a step of another remediation");
    assert_eq!(plan.resource_version, observation.resource_version, "a step without its precondition");
    assert_eq!(plan.from, observation.phase, "a step from elsewhere");
    let created: Vec<&Manifest> = plan
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::Create(manifest) => Some(manifest),
            Action::PatchStatus { .. } | Action::Delete { .. } => None,
        })
        .collect();
    assert!(created.len() <= CREATIONS_MAX, "{} objects", created.len());
    match (plan.from, plan.to) {
        (None, to) => assert_eq!(to, Some(Phase::Pending), "every remediation begins in Pending"),
        (Some(from), to) if from.is_terminal() => {
            assert_eq!(to, Some(from), "an ended remediation stays as it ended");
            assert!(created.is_empty(), "an ended remediation creates nothing");
        }
        (Some(from), Some(to)) => {
            let is_lawful = from == to || Move::ALL.into_iter().any(|how| is_edge(from, how, to));
            assert!(is_lawful, "{from} → {to} is no edge");
        }
        (Some(from), None) => panic!("a step from {from} to nowhere"),
    }
    check_routing(observation, plan);
    let written = plan.status.as_ref().and_then(record_in);
    let record = written.unwrap_or_else(|| observation.record.clone());
    for manifest in created {
        check_manifest(observation, &record, manifest);
    }
    if let Some(status) = &plan.status {
        check_status(observation, status);
    }
    // No API server gives an object without a name or a namespace.
    let exists = ![&observation.name, &observation.namespace].into_iter().any(String::is_empty);
    let mut ids = BTreeSet::new();
    for event in &plan.audit {
        if let Err(fault) = trimtab_core::audit::validate(&event.body)
            && exists
        {
            panic!("an audit event that DataStorage refuses: {fault}: {}", event.body);
        }
        assert!(ids.insert(event.id), "two audit events of one id");
    }
}

/// Who is blocked says why, who is let go is blocked by nothing, and an end is inherited only from who has ended so.
fn check_routing(observation: &Observation, plan: &Plan) {
    let Some(change) = plan.status.as_ref().filter(|_| plan.from.is_none_or(|from| !from.is_terminal())) else {
        return;
    };
    let mut status = observation.object.get("status").cloned().unwrap_or_default();
    merge_apply(&mut status, change);
    let member = |name: &str| text(&status, &format!("/routingStatus/{name}"));
    let awaited = observation.facts.routing.awaited.as_ref();
    let (from, to) = (plan.from, plan.to);
    if from != to && to == Some(Phase::Blocked) {
        assert!(BlockReason::parse(member("blockReason")).is_some(), "blocked for no known reason");
    }
    let goes_on = to.is_some_and(|to| !to.is_terminal() && to != Phase::Blocked);
    if from == Some(Phase::Blocked) && goes_on {
        assert_eq!((member("blockReason"), member("blockedUntil")), ("", ""), "it goes on and is blocked");
    }
    let is_inherited = matches!(from, Some(Phase::Blocked | Phase::Executing));
    if is_inherited && to == Some(Phase::Completed) {
        assert!(awaited.is_some_and(AwaitedObject::is_completed), "a completion that nobody came to");
    }
    if is_inherited && text(change, "/completionStatus/failurePhase") == "Deduplicated" {
        let is_lost = awaited.is_some_and(|awaited| awaited.is_over() && !awaited.is_completed());
        // A policy may call its own failure so.
        assert!(is_lost || !plan.events.iter().any(|event| event.reason == "InheritedFailed"), "nobody failed");
    }
}

/// The record that a status holds.
fn record_in(status: &Value) -> Option<Record> {
    let conditions = status.get("conditions").and_then(Value::as_array)?;
    let record = conditions.iter().find(|condition| condition["type"] == CONDITION_TYPE)?;
    Record::parse(record["message"].as_str()?)
}

fn check_status(observation: &Observation, status: &Value) {
    assert!(status.get("deduplication").is_none(), "the gateway's field");
    let conditions = status.get("conditions").and_then(Value::as_array).into_iter().flatten();
    let Some(record) = conditions.into_iter().find(|condition| condition["type"] == CONDITION_TYPE) else { return };
    let message = record["message"].as_str().expect("the record is a text");
    let record = Record::parse(message).expect("the host can read what it has written");
    assert!(record.sequence > observation.record.sequence, "steps count up");
    // What was written by another hand may be longer; a step may not make it so.
    if observation.record.message().len() <= RECORD_BYTES_MAX / 2 {
        assert!(message.len() <= RECORD_BYTES_MAX, "the record has {} bytes", message.len());
    }
}

/// `record` is the one that the step leaves behind: a retry counts the attempt up.
fn check_manifest(observation: &Observation, record: &Record, manifest: &Manifest) {
    let metadata = &manifest.object["metadata"];
    assert_eq!(metadata["namespace"], observation.namespace.as_str(), "an object elsewhere");
    assert_eq!(metadata["name"], manifest.name.as_str(), "an object of another name");
    assert_eq!(metadata["ownerReferences"][0]["uid"], observation.uid.as_str(), "an object of another owner");
    assert_eq!(manifest.object["kind"], manifest.kind.as_str(), "an object of another kind");
    match ChildKind::parse(&manifest.kind) {
        Some(kind) => {
            assert_eq!(manifest.name, record.object_name(kind, &observation.name), "a free name");
        }
        None => assert_eq!(manifest.kind, "NotificationRequest", "a kind that nobody creates"),
    }
    if manifest.kind == ChildKind::WorkflowExecution.name() {
        check_execution(observation, &manifest.object["spec"]);
    }
}

fn check_execution(observation: &Observation, spec: &Value) {
    let page = observation.facts.target_executions.as_ref().expect("an execution without a look at its target");
    assert!(page.locked && page.busy_with().is_none(), "an execution beside another");
    assert_eq!(page.target, observation.remediation_target().qualified(), "the lock of another object");
    let analysis = observation.facts.analysis.as_ref().expect("an execution without an analysis");
    let is_found = |kind, phase: &str| observation.child(kind).is_some_and(|child| child.found && child.phase == phase);
    let is_approved = is_found(ChildKind::RemediationApprovalRequest, "Approved");
    let is_concluded = is_found(ChildKind::AIAnalysis, "Completed");
    assert!(is_approved || (is_concluded && !analysis.approval_required), "an execution without its approval");
    let chosen = selection(observation).expect("an execution without a selected workflow");
    assert_eq!(spec["workflowRef"], chosen.workflow, "another workflow");
    // No parameters and none of them are the same; an execution leaves them out.
    let none = Value::Object(serde_json::Map::new());
    let or_none = |parameters: &Value| if parameters.is_null() { none.clone() } else { parameters.clone() };
    assert_eq!(or_none(&spec["parameters"]), or_none(&chosen.parameters), "other parameters");
    assert_eq!(spec["targetResource"], observation.remediation_target().qualified(), "another target");
}
