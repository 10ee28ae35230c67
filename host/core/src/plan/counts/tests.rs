//! Which steps count for what.

use serde_json::json;

use super::*;
use crate::fixtures::{analyzed, awaiting, in_phase, with_child};
use crate::manifest::Manifest;
use crate::proposal::Explanation;
use crate::time::Timestamp;

fn plan(from: Option<Phase>, to: Phase, outcome: Option<Outcome>) -> Plan {
    Plan {
        uid: "u".into(),
        namespace: "ns".into(),
        name: "rr".into(),
        sequence: 1,
        resource_version: "1".into(),
        from,
        to: Some(to),
        outcome,
        actions: Vec::new(),
        status: Some(json!({})),
        events: Vec::new(),
        audit: Vec::new(),
        why: Explanation::default(),
        at: Timestamp::default(),
    }
}

fn transition(from: Phase, to: Phase) -> Count {
    Count::PhaseTransition { from: Some(from), to }
}

#[test]
fn a_step_that_changes_no_phase_or_writes_nothing_counts_for_nothing() {
    let observation = in_phase(Phase::Completed);
    assert_eq!(counts_of(&plan(Some(Phase::Completed), Phase::Completed, None), &observation), []);
    let repair = Plan { status: None, ..plan(Some(Phase::Analyzing), Phase::Completed, None) };
    assert_eq!(counts_of(&repair, &observation), []);
}

#[test]
fn a_timeout_is_a_transition_too() {
    let counts = counts_of(&plan(Some(Phase::Verifying), Phase::TimedOut, None), &in_phase(Phase::Verifying));
    assert_eq!(counts, [transition(Phase::Verifying, Phase::TimedOut), Count::Timeout { phase: Phase::Verifying }]);
}

#[test]
fn only_the_three_kinds_of_the_peer_are_counted() {
    let mut step = plan(Some(Phase::Pending), Phase::Processing, None);
    step.actions = ["SignalProcessing", "NotificationRequest", "EffectivenessAssessment", "RemediationApprovalRequest"]
        .map(|kind| {
            let object = json!({});
            Action::Create(Manifest { kind: kind.into(), name: "n".into(), object, is_required: true })
        })
        .into();
    let expected =
        [transition(Phase::Pending, Phase::Processing), Count::ChildCreated { kind: ChildKind::SignalProcessing }];
    assert_eq!(counts_of(&step, &in_phase(Phase::Pending)), expected);
}

#[test]
fn only_completions_without_an_execution_need_no_action() {
    let reason_of = |outcome, sub_reason: &str| {
        let mut observation = analyzed(false);
        observation.facts.analysis.as_mut().unwrap().sub_reason = sub_reason.into();
        let counts = counts_of(&plan(Some(Phase::Analyzing), Phase::Completed, Some(outcome)), &observation);
        counts.into_iter().find_map(|count| match count {
            Count::NoActionNeeded { reason } => Some(reason),
            _ => None,
        })
    };
    assert_eq!(reason_of(Outcome::NoActionRequired, "").as_deref(), Some("problem_resolved"));
    assert_eq!(reason_of(Outcome::NoActionRequired, "NotActionable").as_deref(), Some("NotActionable"));
    assert_eq!(reason_of(Outcome::ManualReviewRequired, "LowConfidence").as_deref(), Some("manual_review"));
    assert_eq!(reason_of(Outcome::DryRun, "").as_deref(), Some("DryRun"));
    assert_eq!(reason_of(Outcome::Remediated, ""), None);
    let failed = plan(Some(Phase::Analyzing), Phase::Failed, Some(Outcome::ManualReviewRequired));
    let counts = counts_of(&failed, &analyzed(false));
    assert_eq!(counts, [transition(Phase::Analyzing, Phase::Failed)]);
}

#[test]
fn a_decision_counts_once_by_what_was_decided() {
    let waiting = Some(Phase::AwaitingApproval);
    for (decision, to) in [("Approved", Phase::Executing), ("Rejected", Phase::Failed), ("Expired", Phase::Failed)] {
        let counts = counts_of(&plan(waiting, to, None), &awaiting(decision));
        assert!(counts.contains(&Count::ApprovalDecided { decision }), "{counts:?}");
        assert_eq!(counts.len(), 2);
    }
    assert_eq!(counts_of(&plan(waiting, Phase::Failed, None), &awaiting("")).len(), 1, "nobody decided");
    let mut closed = plan(waiting, Phase::TimedOut, None);
    closed.actions.push(Action::PatchStatus {
        kind: "RemediationApprovalRequest".into(),
        name: "rar-rr".into(),
        status: json!({"decision": "Expired"}),
        resource_version: None,
        is_required: true,
    });
    assert!(counts_of(&closed, &awaiting("")).contains(&Count::ApprovalDecided { decision: "Expired" }));
}

#[test]
fn an_override_counts_by_what_was_changed() {
    let rows = [
        (json!({"workflowName": "other"}), Some("workflow")),
        (json!({"workflowName": "other", "parameters": {}}), Some("both")),
        (json!({"parameters": {"A": "1"}}), Some("params")),
        (json!({"rationale": "better"}), None),
    ];
    for (change, expected) in rows {
        let status = json!({"decision": "Approved", "workflowOverride": change});
        let observation = with_child(awaiting("Approved"), ChildKind::RemediationApprovalRequest, "Approved", &status);
        let counts = counts_of(&plan(Some(Phase::AwaitingApproval), Phase::Executing, None), &observation);
        let applied = counts.into_iter().find_map(|count| match count {
            Count::OverrideApplied { what } => Some(what),
            _ => None,
        });
        assert_eq!(applied, expected);
    }
}

#[test]
fn a_block_counts_by_its_reason() {
    let mut step = plan(Some(Phase::Pending), Phase::Blocked, None);
    step.status = Some(json!({"routingStatus": {"blockReason": "DuplicateInProgress", "duplicateOf": "rr-0"}}));
    let counts = counts_of(&step, &in_phase(Phase::Pending));
    assert_eq!(counts[1], Count::Blocked { reason: "DuplicateInProgress".into(), is_duplicate: true });
}
