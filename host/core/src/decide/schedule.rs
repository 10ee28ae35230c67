//! What the timeouts slot answers: its only policy, or several of which one holds for each clock.

use std::sync::Arc;

use super::{Asking, Decision, Need};
use crate::guardrails::deadlines::{self, Limits};
use crate::members::{self, Combined, Given, Member, Seat};
use crate::observation::Observation;
use crate::phase::{Move, Phase, is_edge};
use crate::ports::FailStrategy;
use crate::proposal::{Explanation, Proposal, Schedule, Slot};
use crate::settings::Settings;

/// What holds of the slot's answers.
pub(super) struct Scheduled {
    pub(super) limits: Limits,
    /// Why, for a step that rests on them alone.
    pub(super) why: Explanation,
    /// The policy for want of whose answer the remediation fails.
    pub(super) failing: Option<Seat>,
}

impl Asking<'_> {
    /// Asks the timeouts slot, one policy after another.
    ///
    /// A policy that gives no lawful answer, and for which nobody else answers, has no say; but where its strategy is to
    /// fail and the phase can, the remediation fails whatever the others say. By the rule `first-that-answers` only the last one's strategy
    /// counts, since after a fault of an earlier one the next one answers.
    pub(super) fn scheduled(&mut self) -> Result<Scheduled, Need> {
        let (observation, settings) = (Arc::clone(self.observation), self.settings);
        let members = self.judge.members(Slot::Timeouts);
        let can_fail = observation.phase.is_none_or(|phase| is_edge(phase, Move::Fail, Phase::Failed));
        let mut answers: Vec<(Member, Schedule)> = Vec::new();
        let mut failing = None;
        for member in members.all() {
            let seat = Seat { slot: Slot::Timeouts, member };
            let passes_on = members.passes_on(member);
            let answer = self.ask(
                seat,
                if passes_on { &[] } else { self.others(seat) },
                |judge, choice| judge.timeouts(member, choice, &observation),
                |schedule| deadlines::check(&observation, schedule, settings).map(|_| schedule.clone()),
            )?;
            match answer {
                Some(schedule) if passes_on && !members::is_answer(&schedule, &observation) => {}
                Some(schedule) => {
                    answers.push((member, schedule));
                    if passes_on {
                        break;
                    }
                }
                None if passes_on => {}
                None if can_fail && self.judge.strategy(seat) == FailStrategy::Fail => {
                    failing = Some(seat);
                    answers.clear();
                    break;
                }
                None => {}
            }
        }
        let given: Vec<_> = answers.iter().map(|(member, schedule)| self.given(*member, schedule)).collect();
        let combined = Combined::of(members, &given);
        let limits = combined.limits(&given, &observation, settings);
        let why = if given.is_empty() {
            let text = "No timeouts policy answered, so only what a person has set and the host's ceiling hold.";
            Explanation::new("CeilingOnly", text)
        } else {
            combined.why(&given, &observation)
        };
        self.combined = members.are_several().then_some(combined);
        Ok(Scheduled { limits, why, failing })
    }

    fn given<'b>(&'b self, member: Member, schedule: &'b Schedule) -> Given<'b> {
        let seat = Seat { slot: Slot::Timeouts, member };
        let revision = self.revisions.iter().find(|(known, _)| *known == seat).map(|(_, revision)| revision);
        Given { member, revision, schedule }
    }
}

impl Combined {
    fn limits(&self, given: &[Given<'_>], observation: &Observation, settings: &Settings) -> Limits {
        let (schedule, endings) = (self.schedule(given), self.endings(given));
        // INVARIANT: each part was checked with the answer that it is of, and there is one of each clock.
        deadlines::check_with(observation, (&schedule, &endings), settings)
            .unwrap_or_else(|_| deadlines::ceiling_only(observation, settings))
    }
}

impl Decision {
    /// The lawful answers of the timeouts slot, in the order of its policies.
    pub fn schedules(&self) -> Vec<Given<'_>> {
        let lawful = self.evaluations.iter().filter(|one| one.slot == Slot::Timeouts && one.fault.is_none());
        let given = lawful.filter_map(|one| match &one.proposal {
            Some(Proposal::Timeouts(schedule)) => {
                Some(Given { member: one.member, revision: one.revision.as_ref(), schedule })
            }
            Some(Proposal::Transitions(_) | Proposal::Children(_)) | None => None,
        });
        given.collect()
    }

    /// The limits that it was made under.
    pub fn limits(&self, observation: &Observation, settings: &Settings) -> Limits {
        let given = self.schedules();
        match &self.combined {
            Some(combined) => combined.limits(&given, observation, settings),
            None => given
                .first()
                .and_then(|one| deadlines::check(observation, one.schedule, settings).ok())
                .unwrap_or_else(|| deadlines::ceiling_only(observation, settings)),
        }
    }
}

#[cfg(test)]
mod tests;
