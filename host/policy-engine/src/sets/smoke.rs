//! A new revision over what was seen lately, before it is put in force: a fault refuses it, and where it answers otherwise is
//! counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use trimtab_core::members::{Combined, Given, Members, Seat, is_answer};
use trimtab_core::observation::Observation;
use trimtab_core::ports::{Choice, Fault, Interruption};
use trimtab_core::proposal::{Deadline, Proposal, Schedule, Slot};
use trimtab_core::record::Revision;

use super::revision::LoadedRevision;
use crate::config::ConfiguredPolicy;
use crate::session::ask_once;

/// How often one question is asked where the machine has no time for it.
const TRIES_MAX: usize = 3;

/// Before the next observation it rests for so many times as long as that took: reconciles need the same cores, and nobody waits
/// for a new revision as they do.
const REST: u32 = 3;

/// Longest such rest.
const REST_MAX: Duration = Duration::from_millis(5);

/// What came of a smoke run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SmokeReport {
    /// Observations that the revision was asked about.
    pub observations: usize,
    /// How many of them each slot answers otherwise than the revision that was active before; slots without a difference
    /// are left out.
    pub differing: BTreeMap<Slot, usize>,
}

/// A fault in a smoke run, and the remediation that was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SmokeFault {
    /// The slot, and which of its policies.
    pub(super) policy: String,
    pub(super) remediation: String,
    pub(super) fault: Box<Fault>,
}

/// Asks every policy of every slot that `fresh` fills otherwise than the active revision, and of all slots where the set selects
/// others than before. A question for a fact that was not recorded cannot be answered here, and is no fault.
pub(super) fn run(
    fresh: &LoadedRevision,
    active: Option<&LoadedRevision>,
    selects_others: bool,
    observations: &[Arc<Observation>],
) -> Result<SmokeReport, SmokeFault> {
    let mut report = SmokeReport { observations: observations.len(), ..SmokeReport::default() };
    let is_asked = |slot: &Slot| selects_others || active.is_none_or(|active| !is_filled_alike(fresh, active, *slot));
    let asked: Vec<Slot> = Slot::ALL.into_iter().filter(is_asked).collect();
    if asked.is_empty() {
        return Ok(SmokeReport::default());
    }
    let mut last_took = Duration::ZERO;
    for observation in observations {
        std::thread::sleep((last_took * REST).min(REST_MAX));
        let began = Instant::now();
        for slot in asked.iter().copied() {
            let answers = answers(fresh, slot, observation);
            for (seat, _, answer) in &answers {
                if let Err(Interruption::Fault(fault)) = answer {
                    let remediation = format!("{}/{}", observation.namespace, observation.name);
                    let (policy, fault) = (fresh.describe(*seat), Box::new(fault.clone()));
                    return Err(SmokeFault { policy, remediation, fault });
                }
            }
            let is_same = |active: &LoadedRevision| {
                let members = [fresh, active].map(|one| one.slots().members(slot));
                if members.iter().any(|members| members.are_several()) {
                    let before = self::answers(active, slot, observation);
                    let [now, then] = members;
                    // Where one of them has given no answer there is nothing to compare.
                    if answers.len() != now.all().count() || before.len() != then.all().count() {
                        return true;
                    }
                    return together(now, &answers, observation) == together(then, &before, observation);
                }
                let alone =
                    |answers: &[Answered]| answers.iter().map(|(_, _, answer)| answer.clone()).collect::<Vec<_>>();
                if answers.is_empty() {
                    return true;
                }
                let before = self::answers(active, slot, observation);
                before.is_empty() || alone(&answers) == alone(&before)
            };
            if !active.is_none_or(is_same) {
                *report.differing.entry(slot).or_default() += 1;
            }
        }
        last_took = began.elapsed();
    }
    Ok(report)
}

type Answered = (Seat, Revision, Result<Proposal, Interruption>);

/// What each policy of a slot answers, in instances of their own.
fn answers(revision: &LoadedRevision, slot: Slot, observation: &Arc<Observation>) -> Vec<Answered> {
    let asked = policies(revision, slot).into_iter().filter_map(|(seat, policy)| {
        let answer = asked(&policy, slot, observation)?;
        Some((seat, policy.revision().clone(), answer))
    });
    asked.collect()
}

/// What a policy answers. A busy machine may have no time for it, which says nothing about the policy: then it is asked again,
/// and in the end there is no answer.
fn asked(
    policy: &Arc<ConfiguredPolicy>,
    slot: Slot,
    observation: &Arc<Observation>,
) -> Option<Result<Proposal, Interruption>> {
    let answers = (0..TRIES_MAX).map(|_| ask_once(policy, slot, observation));
    answers.into_iter().find(|answer| match answer {
        Err(Interruption::Fault(fault)) => !super::settling::is_of_the_machine(fault.reason.code()),
        _ => true,
    })
}

fn policies(revision: &LoadedRevision, slot: Slot) -> Vec<(Seat, Arc<ConfiguredPolicy>)> {
    let seats = revision.slots().members(slot).all().map(|member| Seat { slot, member });
    seats.filter_map(|seat| Some((seat, revision.slots().policy(seat, Choice::Active)?))).collect()
}

/// Whether the same policies answer, by the same rule.
fn is_filled_alike(one: &LoadedRevision, other: &LoadedRevision, slot: Slot) -> bool {
    let (ours, theirs) = (policies(one, slot), policies(other, slot));
    one.slots().members(slot) == other.slots().members(slot)
        && ours.len() == theirs.len()
        && ours.iter().zip(&theirs).all(|((_, one), (_, other))| one.shares_instance_with(other))
}

/// The deadlines and budgets that policies of the timeouts slot make together. Who gives them, and why, does not count.
fn together(
    members: Members,
    answers: &[Answered],
    observation: &Observation,
) -> Result<(Schedule, Vec<Deadline>), Interruption> {
    let mut given: Vec<Given<'_>> = Vec::new();
    for (seat, revision, answer) in answers {
        let schedule = match answer {
            Ok(Proposal::Timeouts(schedule)) => schedule,
            Ok(Proposal::Transitions(_) | Proposal::Children(_)) => continue,
            // What one of them cannot say without a fact, all of them together cannot.
            Err(interruption) => return Err(interruption.clone()),
        };
        if members.passes_on(seat.member) && !is_answer(schedule, observation) {
            continue;
        }
        given.push(Given { member: seat.member, revision: Some(revision), schedule });
        if members.passes_on(seat.member) {
            break;
        }
    }
    let combined = Combined::of(members, &given);
    Ok((combined.schedule(&given), combined.endings(&given)))
}
