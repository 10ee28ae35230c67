//! Requests that are left, closed, or were closed by somebody else.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::decide::{Verdict, decide};
use crate::fixtures::{Fixed, START, advance, awaiting, create, fail, schedule};
use crate::plan::Plan;
use crate::proposal::{Deadline, Intent, Schedule};
use crate::settings::Settings;
use crate::time::Span;

fn step(observation: Observation, intent: Intent, created: &[&str]) -> Plan {
    let judge = &mut Fixed { intent: Ok(intent), creations: Ok(create(created)), ..Fixed::default() };
    match decide(&Arc::new(observation), judge, &Settings::default()).unwrap().verdict {
        Verdict::Step(plan) => Arc::unwrap_or_clone(plan),
        Verdict::Stay => panic!("a step was expected"),
    }
}

fn reasons(plan: &Plan) -> Vec<&str> {
    plan.events.iter().map(|event| event.reason.as_str()).collect()
}

/// The patch of the request: its status, and whether the step needs it.
fn patch(plan: &Plan) -> Option<(&Value, bool)> {
    plan.actions.iter().find_map(|action| match action {
        Action::PatchStatus { kind, status, is_required, .. } if kind == "RemediationApprovalRequest" => {
            Some((status, *is_required))
        }
        _ => None,
    })
}

#[test]
fn a_request_that_somebody_else_closed_is_acknowledged_and_told() {
    let mut observation = awaiting("Expired");
    observation.now = START.plus(Span::from_secs(1000));
    let plan = step(observation, fail(), &[]);
    assert_eq!(reasons(&plan), ["ApprovalExpired", "RemediationFailed"]);
    let (status, is_required) = patch(&plan).unwrap();
    assert!(!is_required && status.get("decision").is_none() && status.get("decidedBy").is_none());
    let conditions = status["conditions"].as_array().unwrap();
    let expired = conditions.iter().find(|one| one["type"] == "ApprovalExpired").unwrap();
    assert_eq!((&expired["status"], &expired["reason"]), (&json!("True"), &json!("Timeout")));
    let told: Vec<_> = plan.audit.iter().map(|event| event.body["event_action"].as_str().unwrap()).collect();
    assert_eq!(told, ["expired", "completed"]);
}

#[test]
fn a_failure_before_the_deadline_closes_the_request_but_no_decision_has_expired() {
    let plan = step(awaiting(""), fail(), &[]);
    let (status, is_required) = patch(&plan).unwrap();
    assert_eq!((&status["decision"], is_required), (&json!("Expired"), true));
    assert_eq!(reasons(&plan), ["RemediationFailed"]);
}

#[test]
fn a_fault_in_the_budgets_closes_the_request_too() {
    let mut observation = awaiting("");
    observation.overrides_fault = Some("ERR_INVALID_TIMEOUT_CONFIG: global is \"-1h\"".into());
    let plan = step(observation, crate::fixtures::stay(), &[]);
    assert_eq!((plan.to, patch(&plan).map(|(_, is_required)| is_required)), (Some(Phase::Failed), Some(true)));
}

#[test]
fn a_passed_deadline_of_the_approval_tells_of_the_expiry() {
    let mut observation = awaiting("");
    (observation.now, observation.is_live) = (START.plus(Span::from_secs(901)), true);
    let deadline = Deadline {
        phase: "AwaitingApproval".into(),
        at: START.plus(Span::from_secs(900)),
        on_expiry: "fail".into(),
        duration: Span::from_secs(900),
        notice: None,
        attributes: Vec::new(),
    };
    let schedule = Schedule { deadlines: vec![deadline], ..schedule() };
    let judge = &mut Fixed { schedule: Ok(schedule), ..Fixed::default() };
    let Verdict::Step(plan) = decide(&Arc::new(observation), judge, &Settings::default()).unwrap().verdict else {
        panic!("a step was expected")
    };
    assert!(reasons(&plan).contains(&"ApprovalExpired"), "{:?}", plan.events);
}

#[test]
fn a_decided_request_is_not_closed() {
    for decision in ["Approved", "Rejected"] {
        let plan = step(awaiting(decision), fail(), &[]);
        let (status, _) = patch(&plan).unwrap();
        assert!(status.get("decision").is_none(), "{decision}");
    }
}

#[test]
fn an_approval_goes_on_and_is_told() {
    let plan = step(awaiting("Approved"), advance("Executing"), &["WorkflowExecution"]);
    assert!(reasons(&plan).contains(&"ApprovalGranted"), "{:?}", plan.events);
    assert_eq!(patch(&plan).map(|(_, is_required)| is_required), Some(false));
}
