//! The steps of a block: into it, out of it, and to the end of another object that was waited for.

use super::{Context, Effects, Event, Plan};
use crate::block::{Block, BlockReason};
use crate::guardrails::intent::Transition;
use crate::observation::Observation;
use crate::phase::{FailurePhase, Move, Phase};
use crate::proposal::Explanation;
use crate::status::StatusDraft;

/// The members of `status.routingStatus` that tell of a block.
const MEMBERS: [&str; 5] = ["blockReason", "blockMessage", "blockedUntil", "blockingWorkflowExecution", "duplicateOf"];

/// Enters Blocked, or renews a block. What the remediation is ready for does not change by it.
pub(super) fn enter(
    observation: &Observation,
    change: &Transition,
    block: &Block,
    draft: &mut StatusDraft,
    effects: &mut Effects,
) {
    draft.set(&["overallPhase"], Phase::Blocked.name());
    for member in MEMBERS {
        draft.remove(&["routingStatus", member]);
    }
    draft.set(&["routingStatus", "blockReason"], block.reason.name());
    draft.set(&["routingStatus", "blockMessage"], change.message.clone());
    if let Some(until) = block.until {
        draft.set(&["routingStatus", "blockedUntil"], until.to_string());
    }
    if let Some(member) = block.reason.awaited_member() {
        draft.set(&["routingStatus", member], change.source.clone());
    }
    if change.from == Phase::Blocked {
        // Each renewal counts, so that the next one can wait for longer.
        draft.set(&["routingStatus", "consecutiveFailureCount"], observation.consecutive_failures.saturating_add(1));
    }
    if let Some(outcome) = change.outcome {
        draft.set(&["completionStatus", "outcome"], outcome.name());
    }
    if change.manual_review {
        draft.set(&["completionStatus", "requiresManualReview"], true);
    }
    effects.events.push(event(block.reason, &change.message));
}

fn event(reason: BlockReason, message: &str) -> Event {
    let stopped = format!("Target blocked: {message}");
    let deferred = format!("Remediation deferred: {message}");
    match reason {
        BlockReason::ConsecutiveFailures => Event::warning("ConsecutiveFailureBlocked", stopped),
        BlockReason::UnmanagedResource => Event::warning("UnmanagedResourceBlocked", stopped),
        BlockReason::IneffectiveChain => Event::warning("IneffectiveChainDetected", stopped),
        BlockReason::DuplicateInProgress => Event::normal("DuplicateBlocked", deferred),
        BlockReason::ResourceBusy => Event::normal("ResourceBusyBlocked", deferred),
        BlockReason::RecentlyRemediated | BlockReason::ExponentialBackoff => Event::normal("CooldownActive", deferred),
    }
}

/// Leaves Blocked: what goes on is blocked by nothing any more; what ends keeps why it was blocked.
pub(super) fn leave(change: &Transition, draft: &mut StatusDraft) {
    match change.how {
        Move::Advance => MEMBERS.into_iter().for_each(|member| draft.remove(&["routingStatus", member])),
        Move::Fail | Move::Inherit | Move::Complete => draft.remove(&["routingStatus", "blockedUntil"]),
        Move::Block | Move::Verify | Move::TimeOut | Move::Retry => {}
    }
    if change.failure_phase == Some(FailurePhase::Blocked) {
        draft.condition("Ready", false, "RemediationBlocked", "Remediation blocked until its end");
    }
}

/// Ends as the object that was waited for has ended.
pub(super) fn inherit(observation: &Observation, change: &Transition, draft: &mut StatusDraft, effects: &mut Effects) {
    let kind = observation.facts.routing.awaited.as_ref().map_or("", |awaited| awaited.kind.as_str());
    let source = format!("{kind} {}", change.source);
    effects.events.push(if change.to == Phase::Completed {
        draft.condition("Ready", true, "Ready", "Remediation completed");
        Event::normal("InheritedCompleted", format!("Remediation completed by {source}"))
    } else {
        Event::warning("InheritedFailed", format!("Remediation failed with {source}: {}", change.reason))
    });
}

/// The step that notes which execution stands for the remediation's own. `None` where it is noted.
pub(crate) fn note_duplicate(context: &Context<'_>, source: &str, why: &Explanation) -> Option<Plan> {
    let observation = context.observation;
    let mut draft = StatusDraft::of(observation);
    if draft.text("/routingStatus/deduplicatedByWE") == source {
        return None;
    }
    draft.set(&["routingStatus", "deduplicatedByWE"], source);
    let record = context.next_record(None, why);
    Some(context.plan(observation.phase, None, draft.into_patch(&record), Effects::default(), why.clone()))
}

#[cfg(test)]
mod tests;
