//! What an ended remediation is given, and when it goes.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::audit::of_plan;
use crate::decide::{Decision, Verdict, decide};
use crate::fixtures::carried_out::carried_out;
use crate::fixtures::{Fixed, START, awaiting, executed, in_phase};
use crate::json::{merge_apply, text};
use crate::observation::{Assessment, ChildKind};
use crate::settings::Settings;
use crate::time::Span;

const ENDS: [Phase; 5] = [Phase::Completed, Phase::Failed, Phase::TimedOut, Phase::Skipped, Phase::Cancelled];

fn decided(observation: &Observation) -> Decision {
    decide(&Arc::new(observation.clone()), &mut Fixed::default(), &Settings::default()).unwrap()
}

fn step(observation: &Observation) -> Plan {
    match decided(observation).verdict {
        Verdict::Step(plan) => Arc::unwrap_or_clone(plan),
        Verdict::Stay => panic!("a step was expected"),
    }
}

fn condition<'o>(observation: &'o Observation, kind: &str) -> Option<&'o Value> {
    observation.object.pointer("/status/conditions")?.as_array()?.iter().find(|one| one["type"] == kind)
}

fn kept_until(mut observation: Observation, until: Timestamp) -> Observation {
    let status = json!({"retentionExpiryTime": until.to_string()});
    merge_apply(Arc::make_mut(&mut observation.object), &json!({"status": status}));
    observation
}

#[test]
fn whoever_ended_a_remediation_it_is_kept_for_the_retention_and_says_whether_it_is_ready() {
    for phase in ENDS {
        let observation = in_phase(phase);
        let plan = step(&observation);
        assert_eq!((plan.from, plan.to, plan.audit.len()), (Some(phase), Some(phase), 0));
        let after = carried_out(&observation, &plan);
        let expected = observation.now.plus(Settings::default().retention).whole_seconds();
        assert_eq!(expiry(&after), Some(expected));
        let (status, reason) = match phase {
            Phase::Completed | Phase::Skipped => ("True", "Ready"),
            _ => ("False", "NotReady"),
        };
        let ready = condition(&after, "Ready").unwrap();
        assert_eq!((&ready["status"], &ready["reason"]), (&json!(status), &json!(reason)));
        assert_eq!(ready["message"], format!("Terminal phase: {phase}"));
        let decision = decided(&after);
        assert_eq!(decision.verdict, Verdict::Stay, "once");
        assert_eq!(decision.wake_at, Some(expected.plus(Span::from_millis(1))), "woken when it is to go");
    }
}

#[test]
fn a_ready_condition_that_is_there_is_left_alone() {
    let mut observation = in_phase(Phase::Cancelled);
    let ready = json!([{"type": "Ready", "status": "False", "reason": "Analyzing", "message": "m"}]);
    Arc::make_mut(&mut observation.object)["status"]["conditions"] = ready;
    let after = carried_out(&observation, &step(&observation));
    assert_eq!(condition(&after, "Ready").unwrap()["reason"], "Analyzing");
}

#[test]
fn a_remediation_is_kept_to_the_last_millisecond_and_deleted_one_later() {
    for phase in ENDS {
        let until = START.plus(Span::from_secs(600));
        let mut observation = kept_until(in_phase(phase), until);
        Arc::make_mut(&mut observation.object)["status"]["conditions"] =
            json!([{"type": "Ready", "status": "False", "reason": "NotReady", "message": ""}]);
        observation.now = until;
        assert_eq!(decided(&observation).verdict, Verdict::Stay);
        observation.now = until.plus(Span::from_millis(1));
        let plan = step(&observation);
        assert!(plan.is_removal() && plan.status.is_none() && plan.events.is_empty());
        assert_eq!((plan.sequence, plan.to), (observation.record.sequence + 1, Some(phase)));
        let deleted = Action::Delete {
            kind: "RemediationRequest".into(),
            name: "rr".into(),
            uid: "u-1".into(),
            resource_version: "42".into(),
        };
        assert_eq!(plan.actions, [deleted]);
    }
}

#[test]
fn nothing_is_deleted_before_it_has_ended() {
    let mut observation = kept_until(in_phase(Phase::Verifying), START);
    observation.now = START.plus(Span::from_secs(65));
    assert_eq!(removal(&observation), None);
}

#[test]
fn the_removal_is_told_with_how_long_it_was_due_and_has_an_id_of_its_own() {
    let until = START.plus(Span::from_secs(600));
    let mut observation = kept_until(in_phase(Phase::Completed), until);
    observation.now = until.plus(Span::from_millis(1500));
    let plan = step(&observation);
    assert_eq!(plan.audit, of_plan(&observation, &plan), "it follows from the plan alone");
    let [told] = plan.audit.as_slice() else { panic!("one event was expected: {:?}", plan.audit) };
    let expected = json!({
        "version": "1.0", "event_type": "orchestrator.lifecycle.completed",
        "event_timestamp": observation.now.to_string(), "event_category": "orchestration",
        "event_action": "retention_cleanup", "event_outcome": "success", "actor_type": "service",
        "actor_id": "remediationorchestrator-controller", "resource_type": "RemediationRequest", "resource_id": "rr",
        "correlation_id": "rr", "namespace": "ns", "duration_ms": 1500,
        "event_data": {
            "event_type": "orchestrator.lifecycle.completed", "rr_name": "rr", "namespace": "ns", "duration_ms": 1500,
        },
    });
    assert_eq!(told.body, expected);
    crate::audit::validate(&told.body).unwrap();
    let mut later = observation.clone();
    later.record.sequence += 1;
    assert_ne!(step(&later).audit[0].id, told.id);
    observation.now = observation.now.plus(Span::from_secs(9));
    assert_eq!(step(&observation).audit[0].id, told.id, "planned again, it is the same event");
}

#[test]
fn a_cancelled_remediation_tells_its_children_along_with_it() {
    let observation = executed(Phase::Cancelled, "Running", None);
    let plan = step(&observation);
    assert!(plan.status.is_some());
    assert!(
        matches!(&plan.actions[..], [Action::PatchStatus { kind, is_required: false, .. }] if kind == "WorkflowExecution")
    );
    let mut after = carried_out(&observation, &plan);
    let again = step(&after);
    assert_eq!((again.status, again.actions.len()), (None, 1), "told again until it is done");
    after.children.retain(|child| child.kind != ChildKind::WorkflowExecution);
    assert_eq!(decided(&after).verdict, Verdict::Stay);
}

#[test]
fn a_cascaded_analysis_says_which_generation_it_was() {
    let mut observation = crate::fixtures::analyzed(false);
    observation.phase = Some(Phase::Cancelled);
    observation.children[0].phase = "Analyzing".into();
    let plan = step(&observation);
    let [Action::PatchStatus { status, .. }] = plan.actions.as_slice() else { panic!("{:?}", plan.actions) };
    assert_eq!((&status["reason"], &status["observedGeneration"]), (&json!("ParentCancelled"), &json!(1)));
}

#[test]
fn an_undecided_request_is_closed_when_somebody_else_ends_the_remediation() {
    let mut observation = awaiting("");
    observation.phase = Some(Phase::Cancelled);
    let plan = step(&observation);
    let [Action::PatchStatus { kind, status, resource_version, is_required, .. }] = plan.actions.as_slice() else {
        panic!("{:?}", plan.actions)
    };
    assert_eq!(kind, "RemediationApprovalRequest");
    assert_eq!((&status["decision"], &status["decidedBy"]), (&json!("Expired"), &json!("system")));
    assert_eq!((resource_version.as_deref(), is_required), (Some("5"), &false));
}

#[test]
fn an_assessment_that_ends_after_its_remediation_is_noted_once() {
    let rows = [
        ("Completed", "Full", Some(("True", "AssessmentCompleted"))),
        ("Completed", "Expired", Some(("True", "AssessmentExpired"))),
        ("Failed", "Unrecoverable", Some(("False", "AssessmentFailed"))),
        ("Assessing", "", None),
    ];
    for (phase, reason, expected) in rows {
        let assessment = Assessment { phase: phase.into(), reason: reason.into(), ..Assessment::default() };
        let observation = executed(Phase::Completed, "Completed", Some(assessment));
        let mut observation = kept_until(observation, START.plus(Span::from_secs(90_000)));
        Arc::make_mut(&mut observation.object)["status"]["conditions"] = json!([
            {"type": "Ready", "status": "True", "reason": "Verifying", "message": ""},
            {"type": "EffectivenessAssessed", "status": "False", "reason": "AssessmentInProgress", "message": ""},
        ]);
        let Some((status, reason)) = expected else {
            assert_eq!(decided(&observation).verdict, Verdict::Stay);
            continue;
        };
        let mut after = carried_out(&observation, &step(&observation));
        let assessed = condition(&after, "EffectivenessAssessed").unwrap();
        assert_eq!((text(assessed, "/status"), text(assessed, "/reason")), (status, reason));
        assert_eq!(decided(&after).verdict, Verdict::Stay);
        after.facts.assessment.as_mut().unwrap().reason = "SpecDrift".into();
        assert_eq!(decided(&after).verdict, Verdict::Stay, "it is frozen");
    }
}
