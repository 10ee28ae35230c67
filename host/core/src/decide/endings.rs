//! How the host itself ends a remediation for which nobody decides.

use std::sync::Arc;

use super::{Asking, Verdict, Verdicts, after, step};
use crate::guardrails::creations::Wanted;
use crate::guardrails::deadlines::{Limit, Limits};
use crate::guardrails::intent::{self, Transition};
use crate::members::Seat;
use crate::phase::{FailurePhase, Move, Outcome, Phase, is_edge};
use crate::plan;
use crate::ports::FailStrategy;
use crate::proposal::Explanation;

impl Asking<'_> {
    /// Nobody gave a lawful answer: the remediation fails where the strategy says so, else it is held.
    pub(super) fn unanswered(&mut self, limits: &Limits, seat: Seat) -> Verdicts {
        let slot = seat.slot;
        let observation = Arc::clone(self.observation);
        let fault = self.evaluations.iter().rev().find(|one| one.slot == slot).and_then(|one| one.fault.clone());
        let (code, line) = fault.unwrap_or_else(|| ("Unavailable".to_owned(), "no revision answered".to_owned()));
        let text = format!("The {slot} policy gave no lawful answer ({code}: {line})");
        if let Some(phase) = observation.phase
            && self.judge.strategy(seat) == FailStrategy::Fail
            && is_edge(phase, Move::Fail, Phase::Failed)
        {
            let why = Explanation::new("PolicyFault", text.clone());
            return self.host_failure(limits, phase, phase.failure_phase(), &text, why);
        }
        let wake = limits.next_expiry(observation.now).map(after);
        (Verdict::Stay, wake, Explanation::new("Held", format!("{text}; the remediation is held where it is.")))
    }

    /// The host itself fails a remediation; the standard escalation goes out, and the signal waits by the host's settings.
    pub(super) fn host_failure(
        &self,
        limits: &Limits,
        from: Phase,
        failure_phase: FailurePhase,
        reason: &str,
        why: Explanation,
    ) -> Verdicts {
        let change = Transition {
            failure_phase: Some(failure_phase),
            reason: reason.chars().take(intent::TEXT_CHARACTERS_MAX).collect(),
            next_allowed_at: plan::backoff::next_allowed_at(self.observation, self.settings),
            ..host_transition(from, why.clone())
        };
        let escalation = [Wanted::Notification { purpose: "escalation", patch: None }];
        match plan::transition(&self.context(limits), &change, &escalation) {
            Ok(plan) => step(plan),
            // INVARIANT: an escalation has no child and no patch, so there is nothing to refuse.
            Err(_) => (Verdict::Stay, None, why),
        }
    }

    /// Ends a remediation whose time is up although its child was done in time: it has not timed out, it was left.
    pub(super) fn give_up(&self, limits: &Limits, limit: &Limit, stayed: &Explanation) -> Verdicts {
        let Some(phase) = self.observation.phase else { return (Verdict::Stay, None, stayed.clone()) };
        let name = limit.scope.name();
        let text = format!(
            "The {name} deadline {} passed and {}: {}",
            limit.at,
            crate::brakes::who_stays(stayed),
            stayed.text
        );
        let why = Explanation::new("StayedPastDeadline", text.clone());
        if is_edge(phase, Move::Fail, Phase::Failed) {
            return self.host_failure(limits, phase, phase.failure_phase(), &text, why);
        }
        // Verifying cannot fail: what was executed was executed.
        let change = Transition {
            how: Move::Complete,
            to: Phase::Completed,
            outcome: Some(Outcome::VerificationTimedOut),
            ..host_transition(phase, why.clone())
        };
        let completion = [Wanted::Notification { purpose: "completion", patch: None }];
        match plan::transition(&self.context(limits), &change, &completion) {
            Ok(plan) => step(plan),
            // INVARIANT: a completion has no child and no patch, so there is nothing to refuse.
            Err(_) => (Verdict::Stay, None, why),
        }
    }
}

/// The host's own failure of a remediation, before its reason is filled in.
fn host_transition(from: Phase, why: Explanation) -> Transition {
    Transition {
        from,
        how: Move::Fail,
        to: Phase::Failed,
        outcome: None,
        failure_phase: None,
        reason: String::new(),
        message: String::new(),
        next_allowed_at: None,
        manual_review: false,
        block: None,
        source: String::new(),
        why,
    }
}
