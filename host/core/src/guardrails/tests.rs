//! Each guardrail by what it refuses. Without the check named in a row, that row fails.

use std::collections::BTreeSet;

use super::deadlines::{OnExpiry, Scope};
use super::{Refusal, RefusalReason, creations, deadlines, intent, patch};
use crate::fixtures::{advance, analyzed, awaiting, create, executed, fail, in_phase, stay, with_child};
use crate::observation::{ChildKind, Observation};
use crate::phase::{Move, Phase};
use crate::proposal::{Budget, Creation, Creations, Deadline, Intent, Schedule, Slot};
use crate::settings::Settings;
use crate::time::{Span, Timestamp};

fn deadline(phase: &str, on_expiry: &str) -> Deadline {
    let at = Timestamp::from_millis(0);
    Deadline {
        phase: phase.into(),
        at,
        on_expiry: on_expiry.into(),
        duration: Span::from_secs(1),
        notice: None,
        attributes: Vec::new(),
    }
}

fn refused_schedule(schedule: &Schedule) -> RefusalReason {
    deadlines::check(&in_phase(Phase::Processing), schedule, &Settings::default()).unwrap_err().reason
}

fn refused_intent(observation: &Observation, proposed: &Intent) -> RefusalReason {
    intent::check(observation, proposed, &[]).unwrap_err().reason
}

fn transition_to(to: Phase) -> intent::Transition {
    let (from, how) = match to {
        Phase::Verifying => (Phase::Executing, Move::Verify),
        Phase::Completed => (Phase::Verifying, Move::Complete),
        Phase::Failed => (Phase::Analyzing, Move::Fail),
        _ => (Phase::Analyzing, Move::Advance),
    };
    intent::Transition {
        from,
        how,
        to,
        outcome: None,
        failure_phase: None,
        reason: String::new(),
        message: String::new(),
        next_allowed_at: None,
        manual_review: false,
        block: None,
        source: String::new(),
        why: crate::proposal::Explanation::default(),
    }
}

fn refused_creations(to: Phase, asked: &Creations) -> RefusalReason {
    creations::check(&transition_to(to), asked).unwrap_err().reason
}

fn budget(phase: &str) -> Budget {
    Budget { phase: phase.into(), duration: Span::from_secs(1) }
}

fn schedule(deadlines: Vec<Deadline>, budgets: Vec<Budget>) -> Schedule {
    Schedule { deadlines, budgets, ..Schedule::default() }
}

fn patched(patch: &str) -> Creations {
    let items = vec![Creation { kind: "AIAnalysis".into(), patch: patch.into(), ..Creation::default() }];
    Creations { items, ..Creations::default() }
}

/// What was refused with which reason, and what should have been.
type Rows = Vec<(RefusalReason, RefusalReason)>;

fn schedule_rows() -> Rows {
    use RefusalReason::{Duplicate, OnExpiryUnknown, PhaseUnknown, TooMany};
    vec![
        (refused_schedule(&schedule(vec![deadline("Global", "ask"); 9], vec![])), TooMany),
        (refused_schedule(&schedule(vec![], vec![budget("Global"); 9])), TooMany),
        (refused_schedule(&schedule(vec![deadline("Global", "ask"); 2], vec![])), Duplicate),
        (refused_schedule(&schedule(vec![], vec![budget("Processing"); 2])), Duplicate),
        (refused_schedule(&schedule(vec![deadline("Lunch", "ask")], vec![])), PhaseUnknown),
        (refused_schedule(&schedule(vec![deadline("Completed", "ask")], vec![])), PhaseUnknown),
        (refused_schedule(&schedule(vec![deadline("Global", "explode")], vec![])), OnExpiryUnknown),
    ]
}

fn intent_rows() -> Rows {
    use RefusalReason::{
        ApprovalMissing, AttemptsExhausted, EdgeIllegal, ExecutionUnsettled, ExpiredDeadlineIgnored, FieldInvalid,
        FieldMissing, IntentUnknown, IntentUnsupported, PhaseUnknown, SourceInvalid, TargetBusy, WorkflowIncomplete,
    };
    let observation = analyzed(false);
    let status = serde_json::json!({"phase": "Completed"});
    let incomplete = with_child(analyzed(false), ChildKind::AIAnalysis, "Completed", &status);
    let late = observation.now.plus(intent::NEXT_ALLOWED_MAX).plus(Span::from_millis(1));
    let of = |kind: &str| crate::fixtures::intent(kind);
    let mut last_attempt = in_phase(Phase::Processing);
    last_attempt.record.attempt = super::retry::ATTEMPTS_MAX;
    let mut busy = analyzed(false);
    busy.facts.target_executions = Some(crate::fixtures::occupied("Running"));
    let wait = crate::fixtures::block("wait-on", "ResourceBusy", "we-nobody");
    let refused = |proposed: Intent| refused_intent(&observation, &proposed);
    vec![
        (refused(of("dance")), IntentUnknown),
        (refused(of("block")), IntentUnsupported),
        (refused_intent(&last_attempt, &of("retry")), AttemptsExhausted),
        (refused_intent(&executed(Phase::Executing, "Completed", None), &of("retry")), ExecutionUnsettled),
        (refused(advance("")), FieldMissing),
        (refused(advance("Lunch")), PhaseUnknown),
        (refused(advance("Verifying")), EdgeIllegal),
        (refused(of("complete")), FieldMissing),
        (refused(Intent { outcome: "Remediated".into(), ..of("complete") }), FieldInvalid),
        (refused(of("fail")), FieldMissing),
        (refused(Intent { failure_phase: "Lunch".into(), ..fail() }), FieldInvalid),
        (refused(Intent { outcome: "Remediated".into(), ..fail() }), FieldInvalid),
        (refused(Intent { next_allowed_at: Some(late), ..fail() }), FieldInvalid),
        (refused_intent(&analyzed(true), &advance("Executing")), ApprovalMissing),
        (refused_intent(&incomplete, &advance("Executing")), WorkflowIncomplete),
        (refused_intent(&busy, &advance("Executing")), TargetBusy),
        (refused_intent(&busy, &wait), SourceInvalid),
        (intent::check(&observation, &stay(), &["Analyzing".into()]).unwrap_err().reason, ExpiredDeadlineIgnored),
    ]
}

fn creation_rows() -> Rows {
    use RefusalReason::{ChildMissing, CreationUnexpected, Duplicate, PatchForbidden, PatchInvalid, TooMany};
    let notified = create(&["AIAnalysis", "NotificationRequest:completion"]);
    vec![
        (refused_creations(Phase::Analyzing, &create(&["AIAnalysis", "WorkflowExecution"])), CreationUnexpected),
        (refused_creations(Phase::Analyzing, &notified), CreationUnexpected),
        (refused_creations(Phase::Analyzing, &create(&["AIAnalysis", "Secret"])), CreationUnexpected),
        (refused_creations(Phase::Executing, &create(&[])), ChildMissing),
        (refused_creations(Phase::Analyzing, &create(&["AIAnalysis", "AIAnalysis"])), Duplicate),
        (refused_creations(Phase::Failed, &create(&["NotificationRequest:escalation"; 9])), TooMany),
        (refused_creations(Phase::Analyzing, &patched("[]")), PatchInvalid),
        (refused_creations(Phase::Analyzing, &patched("{")), PatchInvalid),
        (refused_creations(Phase::Analyzing, &patched(r#"{"remediationId": "other"}"#)), PatchForbidden),
    ]
}

#[test]
fn every_refusal_has_a_row() {
    let rows = [schedule_rows(), intent_rows(), creation_rows()].concat();
    for (place, (refused, expected)) in rows.iter().enumerate() {
        assert_eq!(refused, expected, "row {place}");
    }
    let covered: BTreeSet<_> = rows.into_iter().map(|(refused, _)| refused).collect();
    assert_eq!(covered, BTreeSet::from(RefusalReason::ALL), "a reason without a row");
}

#[test]
fn an_execution_needs_an_approved_request_where_the_analysis_asks_for_one() {
    let to_executing = advance("Executing");
    assert!(intent::check(&awaiting("Approved"), &to_executing, &[]).is_ok());
    assert!(intent::check(&analyzed(false), &to_executing, &[]).is_ok());
    for decision in ["", "Rejected", "Expired", "approved"] {
        assert_eq!(refused_intent(&awaiting(decision), &to_executing), RefusalReason::ApprovalMissing, "{decision}");
    }
    let mut without_request = awaiting("Approved");
    without_request.children.retain(|child| child.kind != ChildKind::RemediationApprovalRequest);
    assert_eq!(refused_intent(&without_request, &to_executing), RefusalReason::ApprovalMissing);
    let mut without_analysis = analyzed(false);
    without_analysis.facts.analysis = None;
    assert_eq!(refused_intent(&without_analysis, &to_executing), RefusalReason::ApprovalMissing);
}

#[test]
fn an_override_of_a_missing_workflow_is_no_workflow() {
    let mut observation = awaiting("Approved");
    observation.facts.workflow_override = Some(Some(crate::observation::WorkflowOverride {
        workflow_name: "gone".into(),
        ..crate::observation::WorkflowOverride::default()
    }));
    assert_eq!(refused_intent(&observation, &advance("Executing")), RefusalReason::WorkflowIncomplete);
}

#[test]
fn a_deadline_is_never_later_than_the_ceiling_and_never_missing() {
    let settings = Settings::default();
    let observation = in_phase(Phase::Processing);
    let mut late = deadline("Processing", "fail");
    late.at = observation.now.plus(Span::from_secs(30 * 24 * 3600));
    let schedule = Schedule { deadlines: vec![late], ..Schedule::default() };
    let limits = deadlines::check(&observation, &schedule, &settings).unwrap().limits;
    let latest = observation.phase_entered_at().unwrap().plus(settings.deadline_ceiling);
    assert_eq!(limits[1].at, latest);
    assert_eq!(limits[1].on_expiry, OnExpiry::Fail);
    assert_eq!((limits[0].scope, limits[0].on_expiry), (Scope::Global, OnExpiry::TimeOut));
    assert_eq!(limits[0].at, observation.started_at.unwrap().plus(settings.deadline_ceiling));
    let budgets = vec![Budget { phase: "Analyzing".into(), duration: Span::from_secs(u64::MAX / 2000) }];
    let schedule = Schedule { budgets, ..Schedule::default() };
    let limits = deadlines::check(&observation, &schedule, &settings).unwrap();
    assert_eq!(limits.budget(Phase::Analyzing), Some(settings.deadline_ceiling));
}

#[test]
fn asking_ends_at_the_ceiling_whatever_is_answered() {
    let schedule = Schedule { deadlines: vec![deadline("Processing", "ask")], ..Schedule::default() };
    let observation = in_phase(Phase::Processing);
    let limits = deadlines::check(&observation, &schedule, &Settings::default()).unwrap().limits;
    let latest = observation.phase_entered_at().unwrap().plus(Settings::default().deadline_ceiling);
    let of_phase = limits.iter().filter(|limit| limit.scope == Scope::Phase(Phase::Processing));
    let ends: Vec<_> = of_phase.map(|limit| (limit.on_expiry, limit.at)).collect();
    assert_eq!(ends, [(OnExpiry::TimeOut, latest), (OnExpiry::Ask, Timestamp::from_millis(0))]);
}

#[test]
fn a_budget_set_by_hand_holds_where_no_policy_answers() {
    let mut observation = in_phase(Phase::Processing);
    observation.overrides = vec![Budget { phase: "Processing".into(), duration: Span::from_secs(120) }];
    let limits = deadlines::ceiling_only(&observation, &Settings::default()).limits;
    assert_eq!(limits[1].at, observation.phase_entered_at().unwrap().plus(Span::from_secs(120)));
}

#[test]
fn an_analysis_that_has_not_completed_cannot_waive_the_approval() {
    for phase in ["Analyzing", "Failed", ""] {
        let mut observation = analyzed(false);
        observation.children[0].phase = phase.into();
        assert_eq!(refused_intent(&observation, &advance("Executing")), RefusalReason::ApprovalMissing, "{phase}");
    }
}

#[test]
fn a_stay_asks_again_no_sooner_than_a_second_from_now() {
    let observation = in_phase(Phase::Processing);
    let hasty = Intent { until: Some(observation.now), ..stay() };
    let step = intent::check(&observation, &hasty, &[]).unwrap();
    assert_eq!(step, intent::Step::Stay { until: Some(observation.now.plus(intent::RECHECK_MIN)) });
}

#[test]
fn a_patch_touches_only_what_its_kind_allows() {
    let is_allowed = |kind: &str, text: &str| patch::check(Slot::Children, kind, text).is_ok();
    for (kind, text) in [
        ("SignalProcessing", r#"{"enrichmentConfig": {"enableMetrics": true}}"#),
        ("AIAnalysis", r#"{"analysisRequest": {"analysisTypes": ["RootCause"]}}"#),
        ("EffectivenessAssessment", r#"{"config": {"stabilizationWindow": "1m"}}"#),
        (
            "NotificationRequest",
            r#"{"subject": "s", "body": "b", "priority": "Low", "extensions": {}, "retentionDays": 1}"#,
        ),
        ("RemediationApprovalRequest", r#"{"requiredBy": "2026-01-01T00:00:00Z"}"#),
        ("WorkflowExecution", r#"{"rationale": "r"}"#),
        ("WorkflowExecution", "{}"),
    ] {
        assert!(is_allowed(kind, text), "{kind} {text}");
    }
    for (kind, text) in [
        ("SignalProcessing", r#"{"signal": {"name": "x"}}"#),
        ("AIAnalysis", r#"{"analysisRequest": {"signalContext": {}}}"#),
        ("AIAnalysis", r#"{"analysisRequest": null}"#),
        ("EffectivenessAssessment", r#"{"correlationID": "x"}"#),
        ("NotificationRequest", r#"{"type": "Simple"}"#),
        ("RemediationApprovalRequest", r#"{"confidence": 1}"#),
        ("WorkflowExecution", r#"{"parameters": {"A": "b"}}"#),
        ("WorkflowExecution", r#"{"workflowRef": null}"#),
        ("WorkflowExecution", r#"{"targetResource": "other"}"#),
        ("Secret", r#"{"a": 1}"#),
    ] {
        assert!(!is_allowed(kind, text), "{kind} {text}");
    }
    let is_invalid = |kind: &str, text: &str| {
        patch::check(Slot::Children, kind, text).is_err_and(|refusal| refusal.reason == RefusalReason::PatchInvalid)
    };
    for (kind, text) in [
        ("SignalProcessing", r#"{"enrichmentConfig": 5}"#),
        ("AIAnalysis", r#"{"analysisRequest": {"analysisTypes": []}}"#),
        ("AIAnalysis", r#"{"analysisRequest": {"analysisTypes": ["Guess"]}}"#),
        ("EffectivenessAssessment", r#"{"config": {"stabilizationWindow": "-1m"}}"#),
        ("EffectivenessAssessment", r#"{"config": {"other": "1m"}}"#),
        ("NotificationRequest", r#"{"subject": null}"#),
        ("NotificationRequest", r#"{"priority": "urgent"}"#),
        ("NotificationRequest", r#"{"retentionDays": 0}"#),
        ("NotificationRequest", r#"{"extensions": {"a": 1}}"#),
        ("RemediationApprovalRequest", r#"{"requiredBy": "soon"}"#),
        ("WorkflowExecution", r#"{"rationale": ""}"#),
    ] {
        assert!(is_invalid(kind, text), "{kind} {text}");
    }
    let large = format!(r#"{{"rationale": "{}"}}"#, "x".repeat(patch::PATCH_BYTES_MAX));
    assert!(!is_allowed("WorkflowExecution", &large));
}

#[test]
fn nothing_leaves_an_ended_remediation() {
    for phase in Phase::ALL.into_iter().filter(|phase| phase.is_terminal()) {
        for proposed in [advance("Processing"), fail(), crate::fixtures::intent("verify")] {
            assert_eq!(refused_intent(&in_phase(phase), &proposed), RefusalReason::EdgeIllegal, "{phase}");
        }
    }
}

#[test]
fn texts_of_policies_are_cut_and_lose_control_characters() {
    let observation = executed(Phase::Executing, "Failed", None);
    let proposed = Intent { reason: format!("a\u{7}{}", "b".repeat(5000)), ..fail() };
    let Ok(intent::Step::Move(change)) = intent::check(&observation, &proposed, &[]) else {
        panic!("a failure is lawful")
    };
    assert_eq!(change.reason.chars().count(), intent::TEXT_CHARACTERS_MAX);
    assert!(change.reason.starts_with("ab"));
}

#[test]
fn a_refusal_is_one_line_with_its_code() {
    let refusal = Refusal::new(Slot::Children, RefusalReason::TooMany, "9 creations; at most 8");
    assert_eq!(refusal.to_string(), "TooMany: 9 creations; at most 8");
}
