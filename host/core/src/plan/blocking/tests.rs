//! What a block leaves behind, and what an inherited end does.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::audit::of_observed;
use crate::block::BlockReason;
use crate::decide::{Verdict, decide};
use crate::fixtures::carried_out::carried_out;
use crate::fixtures::{
    Fixed, advance, analyzed, awaiting, awaiting_object, block, blocked, create, deduplicated, in_phase, inherit,
    occupied, original,
};
use crate::json::text;
use crate::observation::{ChildKind, Observation};
use crate::phase::Phase;
use crate::plan::counts::{Count, counts_of};
use crate::plan::{Action, Plan};
use crate::proposal::Intent;
use crate::record::{CONDITION_TYPE, Record};
use crate::settings::Settings;
use crate::time::{Span, Timestamp};

fn planned(observation: &Observation, intent: Intent, created: &[&str]) -> Plan {
    let mut judge = Fixed { intent: Ok(intent), creations: Ok(create(created)), ..Fixed::default() };
    let decision = decide(&Arc::new(observation.clone()), &mut judge, &Settings::default()).unwrap();
    match decision.verdict {
        Verdict::Step(plan) => Arc::unwrap_or_clone(plan),
        Verdict::Stay => panic!("a step was expected: {decision:?}"),
    }
}

fn in_the_way(reason: BlockReason, from: Phase) -> (Observation, Intent) {
    let mut observation = if from == Phase::Analyzing { analyzed(false) } else { in_phase(from) };
    let until = observation.now.plus(Span::from_secs(60));
    let intent = match reason.awaited_kind() {
        Some("RemediationRequest") => {
            observation.facts.signal_remediations = Some(original("Executing", true));
            block("wait-on", reason.name(), "rr-0")
        }
        Some(_) => {
            observation.facts.target_executions = Some(occupied("Running"));
            block("wait-on", reason.name(), "we-other")
        }
        None => Intent { until: Some(until), ..block("block", reason.name(), "") },
    };
    (observation, intent)
}

fn notification(plan: &Plan) -> &Value {
    let created = plan.actions.iter().find_map(|action| match action {
        Action::Create(manifest) if manifest.kind == "NotificationRequest" => Some(&manifest.object),
        _ => None,
    });
    created.unwrap_or(&Value::Null)
}

fn reasons(plan: &Plan) -> Vec<&str> {
    plan.events.iter().map(|event| event.reason.as_str()).collect()
}

fn told(plan: &Plan) -> Vec<&str> {
    plan.audit.iter().map(|event| event.event_type.as_str()).collect()
}

#[test]
fn every_block_has_its_event_notice_count_and_audit_event() {
    let rows = [
        (BlockReason::ConsecutiveFailures, Phase::Pending, "ConsecutiveFailureBlocked", true, "Target blocked: "),
        (BlockReason::UnmanagedResource, Phase::Pending, "UnmanagedResourceBlocked", true, "Target blocked: "),
        (BlockReason::DuplicateInProgress, Phase::Pending, "DuplicateBlocked", false, "Remediation deferred: "),
        (BlockReason::ExponentialBackoff, Phase::Pending, "CooldownActive", false, "Remediation deferred: "),
        (BlockReason::ResourceBusy, Phase::Analyzing, "ResourceBusyBlocked", false, "Remediation deferred: "),
        (BlockReason::RecentlyRemediated, Phase::Analyzing, "CooldownActive", false, "Remediation deferred: "),
    ];
    for (reason, from, event, is_warning, intro) in rows {
        let (observation, intent) = in_the_way(reason, from);
        let plan = planned(&observation, intent, &["NotificationRequest:block"]);
        let name = reason.name();
        assert_eq!(reasons(&plan), [event, "NotificationCreated"], "{name}");
        assert_eq!(
            (plan.events[0].is_warning, plan.events[0].note.as_str()),
            (is_warning, &*format!("{intro}in the way"))
        );
        let notice = format!("nr-block-{}-rr", name.to_lowercase());
        assert_eq!(plan.events[1].note, format!("Block notification created: {notice}"));
        let spec = &notification(&plan)["spec"];
        assert_eq!(text(notification(&plan), "/metadata/name"), notice);
        let (kind, priority) = if is_warning { ("Escalation", "High") } else { ("StatusUpdate", "Low") };
        assert_eq!(
            (text(spec, "/type"), text(spec, "/priority"), spec.get("context")),
            (kind, priority, None),
            "{name}"
        );
        assert_eq!(spec["subject"], format!("Remediation Blocked: Oom ({name})"));
        let body = format!(
            "Remediation for signal 'Oom' has been blocked.\n\n**Block Reason:** {name}\n**Details:** in the way\n\n\
             **Target:** Deployment/prod/shop\n"
        );
        assert_eq!(spec["body"], body);
        let is_duplicate = reason == BlockReason::DuplicateInProgress;
        let counts = [
            Count::PhaseTransition { from: Some(from), to: Phase::Blocked },
            Count::Blocked { reason: name.into(), is_duplicate },
        ];
        assert_eq!(counts_of(&plan, &observation), counts, "{name}");
        assert_eq!(told(&plan), ["orchestrator.routing.blocked"], "{name}");
        let after = carried_out(&observation, &plan);
        assert_eq!(of_observed(&after).unwrap().audit, plan.audit, "told again by whoever takes over");
        assert_eq!(counts_of(&plan, &after), counts, "counted the same when it is confirmed later");
    }
}

#[test]
fn a_block_is_written_as_the_peer_writes_it_and_what_is_ready_stays() {
    let (observation, intent) = in_the_way(BlockReason::DuplicateInProgress, Phase::Pending);
    let status = planned(&observation, intent, &[]).status.unwrap();
    let expected = json!({"blockReason": "DuplicateInProgress", "blockMessage": "in the way", "duplicateOf": "rr-0"});
    assert_eq!((&status["overallPhase"], &status["routingStatus"]), (&json!("Blocked"), &expected));
    assert_eq!(
        (status.get("message"), status.get("observedGeneration")),
        (None, None),
        "the words are the block's own"
    );
    let conditions = status["conditions"].as_array().unwrap();
    assert!(conditions.iter().all(|condition| condition["type"] != "Ready"), "{conditions:?}");
    let (observation, intent) = in_the_way(BlockReason::ResourceBusy, Phase::Analyzing);
    let plan = planned(&observation, intent, &[]);
    let after = carried_out(&observation, &plan);
    assert_eq!(text(&after.object, "/status/routingStatus/blockingWorkflowExecution"), "we-other");
    assert!(after.object.to_string().contains("AIAnalysisSucceeded"), "the analysis has done its work");
}

#[test]
fn an_ineffective_chain_asks_a_person_to_look() {
    let review = Intent {
        outcome: "ManualReviewRequired".into(),
        manual_review: true,
        ..block("block", "IneffectiveChain", "")
    };
    let plan = planned(&analyzed(false), review, &["NotificationRequest:manual-review"]);
    let status = plan.status.as_ref().unwrap();
    assert_eq!(status["completionStatus"]["outcome"], "ManualReviewRequired");
    assert_eq!(status["completionStatus"]["requiresManualReview"], true);
    assert_eq!(status["routingStatus"].get("blockedUntil"), None);
    assert_eq!(reasons(&plan), ["IneffectiveChainDetected", "NotificationCreated"]);
    let spec = &notification(&plan)["spec"];
    assert_eq!((text(spec, "/type"), text(spec, "/priority")), ("ManualReview", "High"));
    assert_eq!(
        (text(spec, "/reviewSource"), text(spec, "/context/review/reason")),
        ("RoutingEngine", "IneffectiveChain")
    );
}

#[test]
fn a_renewed_block_counts_and_tells_but_notifies_once() {
    let (observation, intent) = in_the_way(BlockReason::UnmanagedResource, Phase::Pending);
    let first = planned(&observation, intent, &["NotificationRequest:block"]);
    let mut after = carried_out(&observation, &first);
    after.now = observation.now.plus(Span::from_secs(61));
    after.facts.routing.block_reason = "UnmanagedResource".into();
    after.facts.routing.blocked_until = Some(observation.now.plus(Span::from_secs(60)));
    after.consecutive_failures = 1;
    let again = Intent { until: Some(after.now.plus(Span::from_secs(10))), ..block("block", "UnmanagedResource", "") };
    let plan = planned(&after, again, &["NotificationRequest:block"]);
    let status = plan.status.as_ref().unwrap();
    assert_eq!(status["routingStatus"]["consecutiveFailureCount"], 2);
    assert_eq!(status["routingStatus"]["blockedUntil"], after.now.plus(Span::from_secs(10)).to_string());
    assert_eq!((reasons(&plan), notification(&plan)), (vec!["UnmanagedResourceBlocked"], &Value::Null));
    assert_eq!(told(&plan), ["orchestrator.routing.blocked"]);
    assert_ne!(plan.audit[0].id, first.audit[0].id);
    let reason = "UnmanagedResource".to_owned();
    assert_eq!(counts_of(&plan, &after), [Count::Blocked { reason, is_duplicate: false }]);
    let observed = carried_out(&after, &plan);
    assert_eq!(of_observed(&observed).unwrap().audit, plan.audit);
}

#[test]
fn what_goes_on_is_blocked_by_nothing_any_more() {
    for (reason, to) in
        [(BlockReason::DuplicateInProgress, Phase::Pending), (BlockReason::ResourceBusy, Phase::Analyzing)]
    {
        let observation = blocked(reason, to);
        let plan = planned(&observation, advance(to.name()), &[]);
        let after = carried_out(&observation, &plan);
        let routing = after.object.pointer("/status/routingStatus").cloned().unwrap_or_default();
        assert_eq!((plan.to, routing), (Some(to), Value::Null), "what is empty is left out");
        assert_eq!(
            (reasons(&plan), told(&plan)),
            (vec!["PhaseTransition"], vec!["orchestrator.lifecycle.transitioned"])
        );
        let notified = planned(&observation, advance(to.name()), &[]).actions;
        assert_eq!(notified, [], "its children are there from before");
    }
}

#[test]
fn a_block_whose_time_is_up_fails_without_counting_as_a_failure() {
    let mut observation = blocked(BlockReason::ConsecutiveFailures, Phase::Pending);
    let object = Arc::make_mut(&mut observation.object);
    object["status"]["routingStatus"]["blockedUntil"] = "2023-11-14T22:14:20Z".into();
    let reason = "cooldown expired after blocking due to ConsecutiveFailures".to_owned();
    let expired = Intent { failure_phase: "Blocked".into(), reason, ..crate::fixtures::intent("fail") };
    let plan = planned(&observation, expired, &["NotificationRequest:escalation"]);
    let status = plan.status.as_ref().unwrap();
    assert_eq!(
        status["routingStatus"],
        json!({"blockedUntil": null}),
        "why it was blocked is kept, nothing is counted"
    );
    let ready = status["conditions"].as_array().unwrap().iter().find(|one| one["type"] == "Ready").unwrap();
    assert_eq!((text(ready, "/status"), text(ready, "/reason")), ("False", "RemediationBlocked"));
    assert!(status.get("completedAt").is_some());
    assert_eq!(reasons(&plan), ["NotificationCreated", "RemediationFailed"]);
}

#[test]
fn an_inherited_completion_is_ready_and_its_notice_names_no_analysis_that_never_was() {
    let observation = blocked(BlockReason::DuplicateInProgress, Phase::Pending);
    let observation = awaiting_object(observation, "RemediationRequest", "rr-0", Some("Completed"));
    let plan = planned(&observation, inherit("rr-0", Phase::Completed), &["NotificationRequest:completion"]);
    let status = plan.status.as_ref().unwrap();
    assert_eq!(status["completionStatus"]["outcome"], "Remediated");
    assert_eq!(status.pointer("/routingStatus/consecutiveFailureCount"), None);
    assert_eq!(plan.events.last().unwrap().note, "Remediation completed by RemediationRequest rr-0");
    assert_eq!(plan.audit[0].body["event_data"]["crd_outcome"], "InheritedCompleted");
    let lineage = &notification(&plan)["spec"]["context"]["lineage"];
    assert_eq!(lineage, &json!({"remediationRequest": "rr"}));
}

#[test]
fn an_inherited_failure_is_not_the_remediations_own() {
    for observation in [deduplicated(Some("Failed")), deduplicated(None)] {
        let plan = planned(&observation, inherit("we-other", Phase::Failed), &[]);
        let status = plan.status.as_ref().unwrap();
        assert_eq!(status["completionStatus"]["failurePhase"], "Deduplicated");
        assert_eq!(status.get("routingStatus"), None, "no failure is counted and nothing is held back");
        assert_eq!(plan.events[0].note, "Remediation failed with WorkflowExecution we-other: it failed");
        assert_eq!((reasons(&plan), plan.events[0].is_warning), (vec!["InheritedFailed"], true));
        assert_eq!(told(&plan), ["orchestrator.lifecycle.completed"]);
    }
}

#[test]
fn a_deduplicated_execution_is_noted_once() {
    let observation = deduplicated(Some("Running"));
    let wait = || block("wait-on", "Deduplicated", "we-other");
    let plan = planned(&observation, wait(), &[]);
    assert_eq!((plan.from, plan.to), (Some(Phase::Executing), Some(Phase::Executing)));
    assert_eq!(plan.status.as_ref().unwrap()["routingStatus"], json!({"deduplicatedByWE": "we-other"}));
    assert_eq!((plan.audit.len(), plan.events.len(), counts_of(&plan, &observation).len()), (0, 0, 0));
    let after = carried_out(&observation, &plan);
    let mut judge = Fixed { intent: Ok(wait()), ..Fixed::default() };
    let decision = decide(&Arc::new(after), &mut judge, &Settings::default()).unwrap();
    assert_eq!(decision.verdict, Verdict::Stay);
}

/// A remediation whose approved execution found its target busy at `blocked`, back in `AwaitingApproval` after the block.
fn approved_before(observation: &Observation, blocked: &Plan) -> Observation {
    let mut later = observation.clone();
    later.record = record_of(blocked);
    let at = |seconds| observation.now.plus(Span::from_secs(seconds));
    for (phase, seconds) in [(Phase::Analyzing, 30), (Phase::AwaitingApproval, 31)] {
        later.record.sequence += 1;
        later.record.enter(phase, at(seconds));
    }
    later.phases.clone_from(&later.record.phases);
    later.now = at(32);
    later
}

fn record_of(plan: &Plan) -> Record {
    let conditions = plan.status.as_ref().and_then(|status| status["conditions"].as_array()).unwrap();
    let ours = conditions.iter().find(|condition| condition["type"] == CONDITION_TYPE).unwrap();
    Record::parse(text(ours, "/message")).unwrap()
}

fn decided_at(mut observation: Observation, at: Timestamp) -> Observation {
    if let Some(approval) = &mut observation.facts.approval {
        approval.decided_at = Some(at);
    }
    for child in observation.children.iter_mut().filter(|it| it.kind == ChildKind::RemediationApprovalRequest) {
        child.finished_at = Some(at);
        let object = Arc::make_mut(&mut child.object);
        object["status"]["decidedAt"] = at.to_string().into();
        object["status"]["decidedBy"] = "anna".into();
    }
    observation
}

#[test]
fn an_approval_is_told_once_even_where_its_execution_has_to_wait() {
    // The person's clock may be behind the host's, and far ahead of it.
    for decided in [0, 3_600] {
        let observation = awaiting("Approved");
        let observation = decided_at(observation.clone(), observation.now.plus(Span::from_secs(decided)));
        let mut busy = observation.clone();
        busy.facts.target_executions = Some(occupied("Running"));
        let first = planned(&busy, block("wait-on", "ResourceBusy", "we-other"), &["NotificationRequest:block"]);
        assert_eq!(reasons(&first), ["ApprovalGranted", "ResourceBusyBlocked", "NotificationCreated"]);
        assert_eq!(told(&first), ["orchestrator.approval.approved", "orchestrator.routing.blocked"]);
        assert!(counts_of(&first, &busy).contains(&Count::ApprovalDecided { decision: "Approved" }));

        let later = approved_before(&observation, &first);
        let second = planned(&later, advance("Executing"), &["WorkflowExecution"]);
        assert_eq!(reasons(&second), ["PhaseTransition"]);
        assert_eq!(told(&second), ["remediation.workflow_created", "orchestrator.lifecycle.transitioned"]);
        let counts = counts_of(&second, &later);
        assert!(!counts.iter().any(|count| matches!(count, Count::ApprovalDecided { .. })), "{counts:?}");

        let mut asking = later.clone();
        asking.phase = Some(Phase::Analyzing);
        asking.record.enter(Phase::Analyzing, later.now);
        asking.phases.clone_from(&asking.record.phases);
        let created = ["RemediationApprovalRequest", "NotificationRequest:approval"];
        let third = planned(&asking, advance("AwaitingApproval"), &created);
        assert!(!reasons(&third).contains(&"ApprovalRequired"), "{:?}", third.events);
        assert!(
            !third.actions.iter().any(|action| matches!(action, Action::PatchStatus { .. })),
            "the decision stands"
        );
        assert_eq!(told(&third), ["orchestrator.lifecycle.transitioned"]);
    }
}

#[test]
fn another_request_for_approval_is_told_though_one_was_told_before() {
    let observation = awaiting("Approved");
    let mut busy = observation.clone();
    busy.facts.target_executions = Some(occupied("Running"));
    let first = planned(&busy, block("wait-on", "ResourceBusy", "we-other"), &["NotificationRequest:block"]);
    let mut later = approved_before(&observation, &first);
    for child in later.children.iter_mut().filter(|it| it.kind == ChildKind::RemediationApprovalRequest) {
        Arc::make_mut(&mut child.object)["metadata"]["uid"] = "another".into();
    }
    let second = planned(&later, advance("Executing"), &["WorkflowExecution"]);
    assert_eq!(reasons(&second), ["ApprovalGranted", "PhaseTransition"]);
}
