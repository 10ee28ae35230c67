//! Before an execution starts: the state of the object to be healed is known and noted, in a step of its own.

use super::{Asking, Need, Verdicts, step};
use crate::guardrails::deadlines::Limits;
use crate::observation::{LazyFact, TargetHash};
use crate::phase::{FailurePhase, Phase};
use crate::plan::hash;
use crate::proposal::Explanation;

impl Asking<'_> {
    /// What comes before the execution that a remediation in `from` is about to start. `None` where nothing does.
    pub(super) fn before_execution(&self, limits: &Limits, from: Phase) -> Result<Option<Verdicts>, Need> {
        if hash::is_noted(self.observation) {
            return Ok(None);
        }
        let Some(found) = &self.observation.facts.target_hash else { return Err(Need::Fact(LazyFact::TargetHash)) };
        Ok(match found {
            TargetHash::Known(_) | TargetHash::Degraded(_) => hash::note(&self.context(limits), found).map(step),
            // A person has approved, and that is enough.
            TargetHash::Failed(_) if from == Phase::AwaitingApproval => None,
            TargetHash::Failed(why) => {
                let reason = format!("Cannot determine target resource state: {why}");
                let why = Explanation::new("TargetUnreadable", reason.clone());
                Some(self.host_failure(limits, from, FailurePhase::AIAnalysis, &reason, why))
            }
            TargetHash::Absent => None,
        })
    }
}

#[cfg(test)]
mod tests;
