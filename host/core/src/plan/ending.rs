//! What every end has that a policy or the host decides.

use super::{Context, Effects, Event};
use crate::guardrails::intent::Transition;
use crate::observation::{ChildKind, Observation};
use crate::phase::{FailurePhase, Move, Outcome, Phase};
use crate::status::StatusDraft;
use crate::time::Timestamp;

/// What a failure has beside: where, why, and one more failure in a row, unless it is another's, or the end of a block.
pub(super) fn fail(observation: &Observation, change: &Transition, draft: &mut StatusDraft) {
    if let Some(phase) = change.failure_phase {
        draft.set(&["completionStatus", "failurePhase"], phase.name());
        draft.set(&["completionStatus", "failureReason"], change.reason.clone());
    }
    let is_own = change.how == Move::Fail && change.failure_phase != Some(FailurePhase::Blocked);
    if is_own {
        draft.set(&["routingStatus", "consecutiveFailureCount"], observation.consecutive_failures.saturating_add(1));
    }
}

/// Outcome, review, the suppression of new remediations, retention, and the end's event.
pub(super) fn end(context: &Context<'_>, change: &Transition, draft: &mut StatusDraft, effects: &mut Effects) {
    let observation = context.observation;
    if let Some(outcome) = change.outcome {
        draft.set(&["completionStatus", "outcome"], outcome.name());
    }
    if change.outcome == Some(Outcome::Inconclusive) {
        draft.set(&["routingStatus", "consecutiveFailureCount"], observation.consecutive_failures.saturating_add(1));
    }
    if change.manual_review {
        draft.set(&["completionStatus", "requiresManualReview"], true);
    }
    if is_escalated(observation, change) {
        let note = format!("A person has to look: {}", change.why.text);
        effects.events.push(Event::warning("EscalatedToManualReview", note));
    }
    if let Some(at) = change.next_allowed_at {
        let known = Timestamp::parse(draft.text("/routingStatus/nextAllowedExecution"));
        // A dry run holds back what comes next, but never lets it come earlier.
        let at = if change.outcome == Some(Outcome::DryRun) { known.map_or(at, |known| known.max(at)) } else { at };
        draft.set(&["routingStatus", "nextAllowedExecution"], at.to_string());
    }
    retain(context, draft);
    if change.how == Move::Inherit {
        return;
    }
    if let Some(phase) = change.failure_phase {
        let note = format!("Remediation failed during {}: {}", phase.name(), change.reason);
        effects.events.push(Event::warning("RemediationFailed", note));
    } else if let Some(outcome) = change.outcome.filter(|_| change.from == Phase::Analyzing) {
        effects.events.push(if outcome == Outcome::DryRun {
            Event::normal("DryRunCompleted", "Dry run completed: no workflow was executed")
        } else {
            Event::normal("RemediationCompleted", format!("Remediation completed: {}", outcome.name()))
        });
    }
}

/// Whether a person has to look because the analysis has failed and asks for one, or names no object to be healed.
fn is_escalated(observation: &Observation, change: &Transition) -> bool {
    if !change.manual_review || change.from != Phase::Analyzing {
        return false;
    }
    let has_failed = observation.child(ChildKind::AIAnalysis).is_some_and(|child| child.phase == "Failed");
    observation.facts.analysis.as_ref().is_some_and(|analysis| {
        if has_failed {
            analysis.needs_human_review
        } else {
            change.how == Move::Fail && analysis.remediation_target.is_none()
        }
    })
}

/// Until when the ended remediation is kept.
pub(super) fn retain(context: &Context<'_>, draft: &mut StatusDraft) {
    draft.set(&["retentionExpiryTime"], context.observation.now.plus(context.settings.retention).to_string());
}
