//! Waiting for others: for the target's lock before an execution, and in Blocked for a time or an object.

use super::{Asking, Need, Verdict, Verdicts, after};
use crate::brakes;
use crate::guardrails::deadlines::Limits;
use crate::guardrails::intent::{RECHECK_MIN, Transition};
use crate::observation::{LazyFact, Observation};
use crate::phase::{Move, Phase};
use crate::proposal::Explanation;
use crate::time::{Span, Timestamp};

/// How soon a remediation is looked at again that waits for another object, should that object's change go unnoticed.
pub(super) const AWAITED_RECHECK: Span = Span::from_secs(30);

impl Asking<'_> {
    /// When a remediation that stays is looked at again: at its next deadline, as the policy asks, when the time of its
    /// block is up, and now and then where it waits for another object.
    pub(super) fn wake(&self, limits: &Limits, until: Option<Timestamp>) -> Option<Timestamp> {
        let observation = self.observation;
        let asked = brakes::recheck(observation, until);
        let expiry = limits.next_expiry(observation.now).map(after);
        [expiry, asked, block_ends_at(observation), awaited_at(observation)].into_iter().flatten().min()
    }

    /// The end of a decision to move that has to wait a moment first: for the target's lock, or because a block has only
    /// just begun. `None` where nothing is to be waited for.
    pub(super) fn before_routing(&self, limits: &Limits, change: &Transition) -> Result<Option<Verdicts>, Need> {
        let observation = self.observation;
        if change.to == Phase::Executing {
            // INVARIANT: an execution starts only while its target is locked and was looked at under the lock.
            let Some(page) = &observation.facts.target_executions else {
                return Err(Need::Fact(LazyFact::TargetExecutions));
            };
            if !page.locked {
                let holder = if page.holder.is_empty() { "another remediation" } else { &page.holder };
                let text = format!("The lock of {} is held by {holder}, so no execution starts yet.", page.target);
                let again = observation.now.plus(RECHECK_MIN);
                return Ok(Some(self.waiting(limits, again, Explanation::new("TargetLocked", text))));
            }
        }
        if (change.from, change.how) == (Phase::Blocked, Move::Advance)
            && let Some(again) = observation.phase_entered_at().map(|at| at.plus(RECHECK_MIN))
            && again > observation.now
        {
            // INVARIANT: a policy that blocks and goes on in turn writes no more often than once a second.
            let text = "The remediation goes on when it has been blocked for a second.";
            return Ok(Some(self.waiting(limits, again, Explanation::new("BlockedJustNow", text))));
        }
        Ok(None)
    }

    fn waiting(&self, limits: &Limits, again: Timestamp, why: Explanation) -> Verdicts {
        let expiry = limits.next_expiry(self.observation.now).map(after);
        (Verdict::Stay, expiry.into_iter().chain([again]).min(), why)
    }
}

/// When the time of a block is up; `None` where it is, or where no time ends it.
fn block_ends_at(observation: &Observation) -> Option<Timestamp> {
    let until = observation.facts.routing.blocked_until.filter(|_| observation.phase == Some(Phase::Blocked))?;
    (until > observation.now).then_some(until)
}

/// When to look again for the object that is waited for.
fn awaited_at(observation: &Observation) -> Option<Timestamp> {
    observation.facts.routing.awaited.as_ref().map(|_| observation.now.plus(AWAITED_RECHECK))
}

#[cfg(test)]
mod tests;
