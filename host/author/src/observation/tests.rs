//! The document's defaults, its faults, and that it says everything that a policy can be told.

use proptest::prelude::{prop_assert_eq, proptest};
use trimtab_core::observation::ChildKind;
use trimtab_core::phase::Phase;
use trimtab_core::time::{Span, Timestamp};

use super::*;
use crate::document::parse;

fn document(text: &str) -> ObservationDocument {
    parse("o.yaml", text).unwrap()
}

#[test]
fn an_empty_document_is_a_remediation_that_has_just_entered_processing() {
    let seen = document("").observation().unwrap();
    assert_eq!(seen.now.to_string(), "2026-01-01T12:00:00Z");
    assert_eq!(seen.phase, Some(Phase::Processing));
    assert_eq!(seen.phases, [(Phase::Processing, seen.now)]);
    assert_eq!(seen.started_at, Some(seen.now));
    assert_eq!((seen.target.display().as_str(), seen.severity.as_str()), ("Deployment/shop", "critical"));
    assert_eq!(seen.facts.workflow_override, Some(None), "nothing is left to gather");
    assert!(seen.facts.related_remediations.is_some());
}

#[test]
fn phases_are_a_map_or_a_list_and_the_last_one_is_the_current_one() {
    let map = document(
        "phases: {Pending: 2026-01-01T11:00:00Z, Analyzing: 2026-01-01T11:10:00Z, Processing: 2026-01-01T11:00:00Z}",
    );
    let list = document(
        "phases:\n- {phase: Pending, enteredAt: 2026-01-01T11:00:00Z}\n- {phase: Processing, enteredAt: \
         2026-01-01T11:00:00Z}\n- {phase: Analyzing, enteredAt: 2026-01-01T11:10:00Z}\n",
    );
    let (map, list) = (map.observation().unwrap(), list.observation().unwrap());
    assert_eq!(map, list);
    assert_eq!(
        map.phases.iter().map(|(phase, _)| *phase).collect::<Vec<_>>(),
        [Phase::Pending, Phase::Processing, Phase::Analyzing]
    );
    assert_eq!(map.phase, Some(Phase::Analyzing));
    assert_eq!(map.started_at, Timestamp::parse("2026-01-01T11:00:00Z"));
}

#[test]
fn before_the_first_step_nothing_has_started() {
    let seen = document("phase: ''").observation().unwrap();
    assert_eq!((seen.phase, seen.started_at, seen.phases.len()), (None, None, 0));
}

#[test]
fn facts_follow_from_children_and_a_workflow_is_complete() {
    let seen = document(
        "phase: Analyzing\nchildren: [{kind: AIAnalysis, phase: Completed}]\nfacts: {analysis: {workflowId: restart}}",
    )
    .observation()
    .unwrap();
    let analysis = seen.facts.analysis.as_ref().unwrap();
    assert_eq!((analysis.reason.as_str(), analysis.approval_required), ("AnalysisCompleted", false));
    assert_eq!(analysis.remediation_target.as_ref(), Some(&seen.target));
    let selected = trimtab_core::manifest::workflow_execution::selection(&seen).unwrap();
    assert_eq!(trimtab_core::manifest::workflow_execution::missing_member(&selected.workflow), "");
    let waiting = document("children: [{kind: RemediationApprovalRequest, phase: Approved}]").observation().unwrap();
    assert_eq!(waiting.facts.approval.unwrap().decision, "Approved");
}

#[test]
fn lengths_and_times_are_read_and_written_back() {
    let told =
        document("now: 2026-01-01T12:00:00.250Z\noverrides: {Global: 1h30m}\nphases: {Pending: 2026-01-01T12:00:00Z}");
    let seen = told.observation().unwrap();
    assert_eq!(seen.overrides[0].duration, Span::from_secs(5400));
    let written = serde_json::to_string(&told).unwrap();
    assert!(written.contains("2026-01-01T12:00:00.250Z") && written.contains("1h30m0s"), "{written}");
    assert_eq!(parse::<ObservationDocument>("o.json", &written).unwrap(), told);
}

#[test]
fn a_document_that_is_none_is_refused_with_place_and_mend() {
    for (text, expected) in [
        ("fase: Pending", "o.yaml:1:1: unknown field `fase`"),
        ("now: yesterday", "o.yaml:1:6: \"yesterday\" is no time: write it like 2026-01-01T12:00:00Z"),
        ("overrides:\n  Global: 10", "o.yaml:2:11: missing unit in duration"),
        ("phase: Wating", "o.yaml:1:8: no phase is called \"Wating\": use one of Pending, "),
        ("children:\n- {kind: Pod}", "o.yaml:2:10: no child is of kind \"Pod\": use one of SignalProcessing, "),
    ] {
        let finding = parse::<ObservationDocument>("o.yaml", text).unwrap_err().to_string();
        assert!(finding.starts_with(expected), "{finding}");
    }
    let twice = document("children: [{kind: AIAnalysis}, {kind: AIAnalysis}]").observation().unwrap_err();
    assert_eq!(twice, "two children of kind AIAnalysis: an attempt has at most one");
    assert!(document("overrides: {Globe: 1h}").observation().unwrap_err().contains("or Global"));
    assert!(document("attempt: 0").observation().is_err());
}

#[test]
fn facts_of_routing_have_defaults_and_are_written_back() {
    let plain = document("").observation().unwrap().facts;
    assert_eq!(plain.scope.unwrap().verdict, "managed");
    let page = plain.target_executions.unwrap();
    assert_eq!((page.locked, page.target.as_str(), page.items.len()), (true, "default/Deployment/shop", 0));
    assert!(plain.signal_remediations.is_some() && plain.remediation_history.unwrap().available);
    assert!(plain.routing.is_empty());
    let seen = document(
        "phase: Blocked
facts:
  scope: {verdict: unknown, because: no answer}
  routing:
    blockReason: ResourceBusy
    blockMessage: we-2 is at work
    nextAllowedAt: 2026-01-01T13:00:00Z
    awaited: {kind: WorkflowExecution, name: we-2, phase: Running}
  signalRemediations: {items: [{name: rr-2, phase: Failed, failurePhase: AIAnalysis, comesFirst: true}]}
  targetExecutions: {locked: false, holder: rr-9, items: [{name: we-2, workflowId: w, phase: Running}]}
  remediationHistory: {hours: 24, currentHash: a, items: [{actionType: Restart, signalResolved: false}]}
",
    )
    .observation()
    .unwrap();
    assert_eq!(seen.facts.routing.blocked_from, "Analyzing", "what only an analysis finds");
    assert_eq!(seen.object["status"]["routingStatus"]["blockingWorkflowExecution"], "we-2");
    let written = ObservationDocument::of(&seen).unwrap();
    assert_eq!(written.observation().unwrap().facts, seen.facts);
    let long = document("facts: {remediationHistory: {hours: 169}}").observation().unwrap_err();
    assert_eq!(long, "a history of 169 hours: at most 168 can be asked for");
}

#[test]
fn a_change_names_only_what_changes_and_children_go_by_kind() {
    let base = document("severity: high\nchildren: [{kind: SignalProcessing, phase: Completed}, {kind: AIAnalysis}]");
    let change = document("children: [{kind: AIAnalysis, phase: Completed}]\nfacts: {analysis: {workflowId: w}}");
    let merged = merge(&base, &change).unwrap().observation().unwrap();
    let phase = |kind| merged.child(kind).unwrap().phase.clone();
    assert_eq!(phase(ChildKind::SignalProcessing), "Completed");
    assert_eq!(phase(ChildKind::AIAnalysis), "Completed");
    assert_eq!(merged.severity, "high");
}

#[test]
fn most_of_what_a_search_looks_at_can_be_written_down() {
    let slots = trimtab_core::proposal::Slot::ALL.into_iter().collect();
    let generated = crate::explore::observations(&slots);
    let written = generated.iter().filter(|seen| ObservationDocument::of(seen).is_some()).count();
    assert!(written * 10 >= generated.len() * 8, "{written} of {}", generated.len());
}

proptest! {
    #[test]
    fn every_time_and_length_survives_its_text(at in 0_u64..253_402_207_199_999, length in 0_u64..9_000_000_000_000) {
        let (at, length) = (Time(Timestamp::from_millis(at)), Length(Span::from_millis(length)));
        prop_assert_eq!(serde_json::from_str::<Time>(&serde_json::to_string(&at).unwrap()).unwrap(), at);
        prop_assert_eq!(serde_json::from_str::<Length>(&serde_json::to_string(&length).unwrap()).unwrap(), length);
    }
}
