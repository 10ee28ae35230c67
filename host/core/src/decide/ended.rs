//! After the end: a remediation is looked after until it is removed.

use super::{Asking, Verdict, Verdicts, after, step};
use crate::guardrails::deadlines;
use crate::plan::{repair, retention};
use crate::proposal::Explanation;

impl Asking<'_> {
    /// What is left to do for a remediation that has ended, whoever ended it.
    pub(super) fn ended(&self) -> Verdicts {
        if let Some(plan) = retention::removal(self.observation) {
            return step(plan);
        }
        let limits = deadlines::ceiling_only(self.observation, self.settings);
        let removed_at = retention::expiry(self.observation).map(after);
        let left = retention::aftermath(&self.context(&limits)).or_else(|| repair::cascade(self.observation));
        match left {
            Some(plan) => {
                let (verdict, _, why) = step(plan);
                (verdict, removed_at, why)
            }
            None => (Verdict::Stay, removed_at, Explanation::new("Ended", "The remediation has ended.")),
        }
    }
}

#[cfg(test)]
mod tests;
