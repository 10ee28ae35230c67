//! Each rule of routing by what it refuses. Without the check named in a row, that row fails.

use crate::block::{BlockReason, DEDUPLICATED};
use crate::fixtures::{
    advance, analyzed, awaiting, awaiting_object, block, blocked, deduplicated, in_phase, inherit, intent, locked,
    occupied, original,
};
use crate::guardrails::RefusalReason::{
    EdgeIllegal, FieldInvalid, FieldMissing, IntentUnsupported, SourceInvalid, TargetBusy,
};
use crate::guardrails::intent::{NEXT_ALLOWED_MAX, RECHECK_MIN, Step, Transition, check};
use crate::guardrails::{Refusal, RefusalReason};
use crate::observation::{Observation, TargetExecutions};
use crate::phase::{Outcome, Phase};
use crate::proposal::Intent;
use crate::time::{Span, Timestamp};

fn refused(observation: &Observation, proposed: &Intent) -> RefusalReason {
    check(observation, proposed, &[]).map(|step| format!("{step:?}")).unwrap_err().reason
}

fn allowed(observation: &Observation, proposed: &Intent) -> Transition {
    match check(observation, proposed, &[]).map_err(|Refusal { message, .. }| message).unwrap() {
        Step::Move(change) => change,
        Step::Stay { .. } | Step::Await { .. } => panic!("a move was expected"),
    }
}

fn until(mut intent: Intent, at: Timestamp) -> Intent {
    intent.until = Some(at);
    intent
}

/// A pending remediation with another of its signal.
fn duplicate(phase: &str, comes_first: bool) -> Observation {
    let mut observation = in_phase(Phase::Pending);
    observation.facts.signal_remediations = Some(original(phase, comes_first));
    observation
}

/// A blocked duplicate whose original is in this phase; `None` where it is gone.
fn duplicate_of(phase: Option<&str>) -> Observation {
    let observation = blocked(BlockReason::DuplicateInProgress, Phase::Pending);
    awaiting_object(observation, "RemediationRequest", "rr-0", phase)
}

/// An analyzed remediation with another's execution on its target.
fn busy(phase: &str) -> Observation {
    let mut observation = analyzed(false);
    observation.facts.target_executions = Some(occupied(phase));
    observation
}

/// A remediation whose block for want of management ended at this moment.
fn unmanaged(until: Timestamp) -> Observation {
    let mut observation = blocked(BlockReason::UnmanagedResource, Phase::Pending);
    observation.facts.routing.blocked_until = Some(until);
    observation
}

#[test]
fn a_block_needs_a_known_reason_of_its_kind_and_words() {
    let pending = in_phase(Phase::Pending);
    for (kind, reason) in [
        ("block", ""),
        ("block", "Lunch"),
        ("block", "ResourceBusy"),
        ("block", DEDUPLICATED),
        ("wait-on", ""),
        ("wait-on", "Lunch"),
        ("wait-on", "UnmanagedResource"),
    ] {
        assert_eq!(refused(&pending, &block(kind, reason, "x")), IntentUnsupported, "{kind} {reason}");
    }
    let silent = Intent { message: String::new(), ..block("block", "UnmanagedResource", "") };
    assert_eq!(refused(&pending, &silent), FieldMissing);
    let change = allowed(&pending, &block("block", "UnmanagedResource", ""));
    assert_eq!((change.to, change.message.as_str(), change.source.as_str()), (Phase::Blocked, "in the way", ""));
    assert_eq!(change.block.map(|block| (block.reason, block.until)), Some((BlockReason::UnmanagedResource, None)));
}

#[test]
fn a_block_lasts_at_least_a_second_and_at_most_a_month() {
    let pending = in_phase(Phase::Pending);
    let reason = || block("block", "ExponentialBackoff", "");
    let late = pending.now.plus(NEXT_ALLOWED_MAX).plus(Span::from_millis(1));
    assert_eq!(refused(&pending, &until(reason(), late)), FieldInvalid);
    let lasts = |at| allowed(&pending, &until(reason(), at)).block.unwrap().until;
    assert_eq!(lasts(pending.now), Some(pending.now.plus(RECHECK_MIN)));
    assert_eq!(lasts(pending.now.plus(Span::from_secs(60))), Some(pending.now.plus(Span::from_secs(60))));
}

#[test]
fn only_phases_before_an_execution_are_blocked_and_only_an_analysis_by_what_it_finds() {
    for phase in [Phase::Processing, Phase::Executing, Phase::Verifying, Phase::Completed] {
        assert_eq!(refused(&in_phase(phase), &block("block", "UnmanagedResource", "")), EdgeIllegal, "{phase}");
    }
    for reason in ["RecentlyRemediated", "IneffectiveChain"] {
        let proposed = block("block", reason, "");
        assert_eq!(refused(&in_phase(Phase::Pending), &proposed), EdgeIllegal, "{reason}");
        assert_eq!(allowed(&analyzed(false), &proposed).to, Phase::Blocked);
        assert_eq!(allowed(&awaiting("Approved"), &proposed).to, Phase::Blocked);
    }
}

#[test]
fn only_an_ineffective_chain_asks_for_a_person() {
    let reviewed = |reason: &str, outcome: &str| Intent {
        outcome: outcome.into(),
        manual_review: true,
        ..block("block", reason, "")
    };
    assert_eq!(refused(&analyzed(false), &reviewed("RecentlyRemediated", "ManualReviewRequired")), FieldInvalid);
    assert_eq!(refused(&analyzed(false), &reviewed("IneffectiveChain", "Remediated")), FieldInvalid);
    let change = allowed(&analyzed(false), &reviewed("IneffectiveChain", "ManualReviewRequired"));
    assert_eq!((change.outcome, change.manual_review), (Some(Outcome::ManualReviewRequired), true));
    assert!(!allowed(&analyzed(false), &reviewed("RecentlyRemediated", "")).manual_review);
}

#[test]
fn a_block_is_renewed_only_when_it_is_over_and_for_the_same_reason() {
    let now = in_phase(Phase::Blocked).now;
    let later = now.plus(Span::from_secs(10));
    let again = || until(block("block", "UnmanagedResource", ""), later);
    assert_eq!(allowed(&unmanaged(now), &again()).from, Phase::Blocked);
    assert_eq!(refused(&unmanaged(now.plus(Span::from_millis(1))), &again()), EdgeIllegal, "it is not over");
    assert_eq!(refused(&unmanaged(now), &block("block", "UnmanagedResource", "")), EdgeIllegal, "for ever");
    assert_eq!(refused(&unmanaged(now), &until(block("block", "ConsecutiveFailures", ""), later)), EdgeIllegal);
    let mut other = unmanaged(now);
    other.facts.routing.block_reason = "ConsecutiveFailures".into();
    assert_eq!(refused(&other, &again()), EdgeIllegal);
}

#[test]
fn a_duplicate_waits_for_one_that_comes_first_and_has_not_ended() {
    let wait = |source: &str| block("wait-on", "DuplicateInProgress", source);
    for phase in ["", "Pending", "Blocked", "Verifying"] {
        assert_eq!(allowed(&duplicate(phase, true), &wait("rr-0")).source, "rr-0", "{phase}");
    }
    assert_eq!(refused(&duplicate("Executing", true), &wait("")), FieldMissing);
    assert_eq!(refused(&duplicate("Executing", true), &wait("rr-9")), SourceInvalid);
    assert_eq!(refused(&duplicate("Executing", false), &wait("rr-0")), SourceInvalid, "two would wait for each other");
    for phase in ["Completed", "Failed", "TimedOut", "Cancelled", "Skipped"] {
        assert_eq!(refused(&duplicate(phase, true), &wait("rr-0")), SourceInvalid, "{phase}");
    }
    let mut unseen = duplicate("Executing", true);
    unseen.facts.signal_remediations = None;
    assert_eq!(refused(&unseen, &wait("rr-0")), SourceInvalid);
}

#[test]
fn a_busy_target_has_an_execution_of_another_that_has_not_ended() {
    let wait = |source: &str| block("wait-on", "ResourceBusy", source);
    for phase in ["", "Pending", "Running"] {
        assert_eq!(allowed(&busy(phase), &wait("we-other")).source, "we-other", "{phase}");
    }
    assert_eq!(refused(&busy("Running"), &wait("")), FieldMissing);
    assert_eq!(refused(&busy("Running"), &wait("we-nobody")), SourceInvalid);
    assert_eq!(refused(&busy("Completed"), &wait("we-other")), SourceInvalid);
    let mut own = busy("Running");
    own.facts.target_executions.iter_mut().flat_map(|page| &mut page.items).for_each(|item| item.own = true);
    assert_eq!(refused(&own, &wait("we-other")), SourceInvalid);
    let mut pending = busy("Running");
    pending.phase = Some(Phase::Pending);
    assert_eq!(refused(&pending, &wait("we-other")), EdgeIllegal, "nothing was analyzed");
}

#[test]
fn a_deduplicated_execution_waits_in_its_phase_for_the_one_that_stands_for_it() {
    let wait = |source: &str| block("wait-on", DEDUPLICATED, source);
    let observation = deduplicated(Some("Running"));
    let expected = Step::Await { source: "we-other".into(), until: None };
    assert_eq!(check(&observation, &wait("we-other"), &[]), Ok(expected));
    assert_eq!(refused(&observation, &wait("")), FieldMissing);
    assert_eq!(refused(&observation, &wait("we-nobody")), SourceInvalid);
    let failed = crate::fixtures::executed(Phase::Executing, "Failed", None);
    assert_eq!(refused(&failed, &wait("we-other")), SourceInvalid);
    assert_eq!(refused(&analyzed(false), &wait("we-other")), EdgeIllegal);
    let expired = check(&observation, &wait("we-other"), &["Executing".into()]).unwrap_err();
    assert_eq!(expired.reason, RefusalReason::ExpiredDeadlineIgnored);
}

#[test]
fn an_end_is_inherited_from_the_awaited_object_as_it_has_ended() {
    type Waiting = fn(Option<&str>) -> Observation;
    let waiting: [(Waiting, &str); 2] = [(duplicate_of, "rr-0"), (deduplicated, "we-other")];
    for (waiting, source) in waiting {
        let completed = allowed(&waiting(Some("Completed")), &inherit(source, Phase::Completed));
        assert_eq!((completed.to, completed.outcome), (Phase::Completed, Some(Outcome::Remediated)));
        assert_eq!(refused(&waiting(Some("Completed")), &inherit(source, Phase::Failed)), SourceInvalid);
        for phase in [Some("Failed"), None] {
            assert_eq!(allowed(&waiting(phase), &inherit(source, Phase::Failed)).to, Phase::Failed, "{phase:?}");
            assert_eq!(refused(&waiting(phase), &inherit(source, Phase::Completed)), SourceInvalid, "{phase:?}");
        }
        for phase in ["", "Running", "Executing", "Verifying"] {
            for to in [Phase::Completed, Phase::Failed] {
                assert_eq!(refused(&waiting(Some(phase)), &inherit(source, to)), SourceInvalid, "{phase} {to}");
            }
        }
        assert_eq!(refused(&waiting(Some("Completed")), &inherit("another", Phase::Completed)), SourceInvalid);
        assert_eq!(refused(&waiting(Some("Completed")), &inherit("", Phase::Completed)), FieldMissing);
    }
    let other = blocked(BlockReason::ResourceBusy, Phase::Analyzing);
    let other = awaiting_object(other, "WorkflowExecution", "we-other", Some("Completed"));
    assert_eq!(refused(&other, &inherit("we-other", Phase::Completed)), SourceInvalid, "it only waits for its turn");
    let running = crate::fixtures::executed(Phase::Executing, "Running", None);
    let running = awaiting_object(running, "WorkflowExecution", "we-other", Some("Completed"));
    assert_eq!(refused(&running, &inherit("we-other", Phase::Completed)), SourceInvalid, "its own runs");
    assert_eq!(refused(&in_phase(Phase::Pending), &inherit("rr-0", Phase::Completed)), EdgeIllegal);
}

#[test]
fn an_inherited_end_is_a_completion_or_a_failure_and_brings_no_suppression() {
    let observation = deduplicated(Some("Failed"));
    let both = Intent { outcome: "Remediated".into(), ..inherit("we-other", Phase::Failed) };
    assert_eq!(refused(&observation, &both), FieldInvalid);
    assert_eq!(refused(&observation, &Intent { source: "we-other".into(), ..intent("inherit") }), FieldMissing);
    let named = Intent { failure_phase: "Blocked".into(), ..inherit("we-other", Phase::Failed) };
    assert_eq!(refused(&observation, &named), FieldInvalid);
    let unreasoned = Intent { reason: String::new(), ..inherit("we-other", Phase::Failed) };
    assert_eq!(refused(&observation, &unreasoned), FieldMissing);
    let reviewed = Intent { outcome: "DryRun".into(), ..inherit("we-other", Phase::Completed) };
    assert_eq!(refused(&deduplicated(Some("Completed")), &reviewed), FieldInvalid);
    let suppressed = Intent {
        next_allowed_at: Some(observation.now.plus(Span::from_secs(60))),
        manual_review: true,
        ..inherit("we-other", Phase::Failed)
    };
    let change = allowed(&observation, &suppressed);
    assert_eq!((change.next_allowed_at, change.manual_review), (None, false));
}

#[test]
fn a_block_ends_where_it_began() {
    let from_pending = blocked(BlockReason::UnmanagedResource, Phase::Pending);
    assert_eq!(allowed(&from_pending, &advance("Pending")).to, Phase::Pending);
    assert_eq!(refused(&from_pending, &advance("Analyzing")), EdgeIllegal);
    let from_analyzing = blocked(BlockReason::ResourceBusy, Phase::Analyzing);
    assert_eq!(allowed(&from_analyzing, &advance("Analyzing")).to, Phase::Analyzing);
    for to in ["Processing", "AwaitingApproval", "Executing", "Verifying"] {
        assert_eq!(refused(&from_analyzing, &advance(to)), EdgeIllegal, "{to}");
    }
}

#[test]
fn an_execution_has_its_target_for_itself() {
    let to_executing = advance("Executing");
    assert_eq!(allowed(&analyzed(false), &to_executing).to, Phase::Executing);
    for phase in ["", "Pending", "Running"] {
        assert_eq!(refused(&busy(phase), &to_executing), TargetBusy, "{phase}");
    }
    for phase in ["Completed", "Failed"] {
        assert_eq!(allowed(&busy(phase), &to_executing).to, Phase::Executing, "{phase}");
    }
    let mut elsewhere = analyzed(false);
    elsewhere.facts.target_executions = Some(TargetExecutions { target: "prod/Deployment/other".into(), ..locked() });
    assert_eq!(refused(&elsewhere, &to_executing), TargetBusy, "the lock is of another object");
    let mut retried = crate::fixtures::executed(Phase::Executing, "Failed", None);
    retried.facts.target_executions = Some(occupied("Running"));
    assert_eq!(refused(&retried, &intent("retry")), TargetBusy, "another attempt is an execution too");
}
