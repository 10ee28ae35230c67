//! The limits that have passed when a decision is made.

use crate::block::DEDUPLICATED;
use crate::guardrails::deadlines::{Limit, Limits, OnExpiry};
use crate::observation::{AwaitedObject, ChildKind, Observation};
use crate::plan::{escalation, retry};
use crate::time::Timestamp;

/// The limits that have passed.
pub(super) struct Overdue {
    /// Passed, and nobody was done in time.
    pub(super) passed: Vec<Limit>,
    /// Passed, but the phase's child, or a person, was done in time: the policy is asked first.
    excused: Vec<Limit>,
    /// Not passed, but people have to be told of it, since when.
    escalating: Vec<(Limit, Timestamp)>,
}

impl Overdue {
    pub(super) fn of(observation: &Observation, limits: &Limits) -> Self {
        let overdue = limits.limits.iter().filter(|limit| observation.now > limit.at).cloned();
        let (excused, passed) = overdue.partition(|limit| done_by(observation, limit.at));
        let escalating = limits.limits.iter().filter_map(|limit| Some((limit.clone(), untold(observation, limit)?)));
        Self { passed, excused, escalating: escalating.collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.passed.is_empty() && self.excused.is_empty() && self.escalating.is_empty()
    }

    /// The limit that the host ends the remediation for by itself.
    pub(super) fn to_end(&self) -> Option<&Limit> {
        self.passed.iter().find(|limit| limit.on_expiry != OnExpiry::Ask)
    }

    /// The limit that people have to be told of, and since when.
    pub(super) fn to_escalate(&self) -> Option<(&Limit, Timestamp)> {
        self.escalating.first().map(|(limit, since)| (limit, *since))
    }

    /// The limit past which a remediation cannot stay although its child was done in time.
    pub(super) fn excused(&self) -> Option<&Limit> {
        self.excused.iter().find(|limit| limit.on_expiry != OnExpiry::Ask)
    }

    /// Names of the limits that the policy is asked about.
    pub(super) fn asked(&self) -> Vec<String> {
        self.passed.iter().map(|limit| limit.scope.name().to_owned()).collect()
    }
}

/// Since when people have to be told of a limit: its moment has passed, nobody was done by then, nobody was told.
fn untold(observation: &Observation, limit: &Limit) -> Option<Timestamp> {
    let since = limit.escalate_at.filter(|at| observation.now > *at && observation.now <= limit.at)?;
    (!done_by(observation, since) && !escalation::is_told(observation, limit.scope)).then_some(since)
}

/// Whether the current phase's child finished no later than `limit`. One that does not say when counts as in time.
fn done_by(observation: &Observation, limit: Timestamp) -> bool {
    observation.phase.and_then(ChildKind::of_phase).and_then(|kind| observation.child(kind)).is_some_and(|child| {
        if child.reason == DEDUPLICATED {
            // Another execution does its work: it is done when that one is.
            return observation.facts.routing.awaited.as_ref().is_some_and(AwaitedObject::is_over);
        }
        let is_in_time = child.finished_at.is_none_or(|at| at <= limit) && !retry::was_ended(child);
        child.found && child.is_finished() && is_in_time
    })
}
