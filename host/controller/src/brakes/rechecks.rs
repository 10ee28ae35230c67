//! The budget of rechecks: how often a policy that stays is asked again.

use std::collections::{HashMap, VecDeque};

use trimtab_core::decide::{Decision, Verdict};
use trimtab_core::observation::Observation;
use trimtab_core::proposal::{Proposal, Slot};
use trimtab_core::settings::Settings;
use trimtab_core::time::{Span, Timestamp};

use super::metrics::BrakesMetrics;

/// The time for which the budget is.
const PERIOD: Span = Span::from_secs(3600);

/// Rechecks of each remediation, by uid.
#[derive(Debug)]
pub(super) struct Rechecks {
    budget: usize,
    asked: HashMap<String, Asked>,
}

#[derive(Debug, Default)]
struct Asked {
    /// When the policy is asked again.
    due: Option<Timestamp>,
    /// When it was asked again within the period, at most the budget.
    spent: VecDeque<Timestamp>,
    /// Whether its first stretch was logged.
    is_told: bool,
}

impl Rechecks {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { budget: settings.rechecks_per_hour.max(1) as usize, asked: HashMap::new() }
    }

    /// A remediation is looked at. The result is when its policy may be asked again at the earliest, where it has used
    /// up its rechecks.
    pub(super) fn look(&mut self, uid: &str, now: Timestamp) -> Option<Timestamp> {
        let asked = self.asked.get_mut(uid)?;
        if asked.due.is_some_and(|due| now >= due) {
            asked.due = None;
            asked.spent.push_back(now);
        }
        while asked.spent.front().is_some_and(|first| now.since(*first) >= PERIOD) {
            asked.spent.pop_front();
        }
        while asked.spent.len() > self.budget {
            asked.spent.pop_front();
        }
        if asked.spent.len() < self.budget {
            asked.is_told = false;
            return None;
        }
        asked.spent.front().map(|first| first.plus(PERIOD))
    }

    /// Notes what was decided.
    pub(super) fn decided(&mut self, metrics: &BrakesMetrics, seen: &Observation, decision: &Decision) {
        let wanted = decision.evaluations.iter().rev().find_map(|evaluation| match &evaluation.proposal {
            Some(Proposal::Transitions(intent)) if evaluation.fault.is_none() => intent.until,
            _ => None,
        });
        let is_stay = decision.verdict == Verdict::Stay;
        let Some(wanted) = wanted.filter(|_| is_stay) else {
            if let Some(asked) = self.asked.get_mut(&seen.uid) {
                asked.due = None;
            }
            if seen.phase.is_some_and(trimtab_core::phase::Phase::is_terminal) {
                self.forget(&seen.uid);
            }
            return;
        };
        let asked = self.asked.entry(seen.uid.clone()).or_default();
        asked.due = decision.wake_at;
        let from = seen.brakes.as_ref().and_then(|brakes| brakes.recheck_from);
        if from.is_some_and(|from| wanted < from) {
            metrics.recheck_stretched();
            if !std::mem::replace(&mut asked.is_told, true) {
                let slot = Slot::Transitions.name();
                let budget = self.budget;
                tracing::warn!(slot, budget, "a policy has used up its rechecks of an hour; it is asked again later");
            }
        }
    }

    /// A remediation is gone.
    pub(super) fn forget(&mut self, uid: &str) {
        self.asked.remove(uid);
    }
}
