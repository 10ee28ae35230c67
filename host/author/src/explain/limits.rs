//! The deadlines that were in force when a decision was made, and where each came from.

use serde::Serialize;
use trimtab_core::decide::{Decision, Verdict};
use trimtab_core::guardrails::deadlines::{Limit, OnExpiry, Scope};
use trimtab_core::members::{Given, Rule};
use trimtab_core::observation::Observation;
use trimtab_core::phase::Phase;
use trimtab_core::proposal::Slot;
use trimtab_core::settings::Settings;

use crate::observation::{Length, Time};

/// Where a deadline came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The timeouts policy.
    Policy,
    /// A person's override, where no policy gave one.
    Hand,
    /// The host's ceiling.
    Ceiling,
}

/// One deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitView {
    /// A phase or "Global".
    pub scope: &'static str,
    /// The last moment in time.
    pub at: Time,
    /// The length behind it.
    pub duration: Length,
    /// "time-out", "fail" or "ask".
    pub on_expiry: &'static str,
    /// Where it came from.
    pub origin: Origin,
    /// Whether a person has set the length.
    pub is_by_hand: bool,
    /// Whether it had passed.
    pub has_passed: bool,
    /// Whether the decision rests on that.
    pub decided: bool,
    /// Whose it is; absent where one policy fills the slot, or it is nobody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Giver>,
}

/// Which of several policies a deadline is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Giver {
    /// The rule by which it holds.
    pub rule: Rule,
    /// How many policies the slot has.
    pub policies: u8,
    /// Number of the policy, from 1.
    pub policy: u8,
    /// Place of its answer among the evaluations.
    pub evaluation: usize,
}

/// The limits that held, global first.
pub(crate) fn in_force(seen: &Observation, decision: &Decision, settings: &Settings) -> Vec<Limit> {
    decision.limits(seen, settings).limits
}

/// The policy whose deadline a limit is.
fn source<'a>(decision: &'a Decision, answers: &[Given<'a>], limit: &Limit) -> Option<Given<'a>> {
    let clock = limit.scope.name();
    let is_its = |one: &&Given<'a>| {
        let mut own = one.schedule.deadlines.iter();
        own.any(|own| own.phase == clock && own.at == limit.at && own.on_expiry == word(limit.on_expiry))
    };
    let Some(combined) = &decision.combined else { return answers.first().filter(is_its).cloned() };
    let held = [&combined.deadlines, &combined.endings].map(|all| all.get(clock));
    answers.iter().filter(|one| held.contains(&Some(&one.member))).find(is_its).cloned()
}

/// The deadlines in force, for people.
pub(super) fn views(seen: &Observation, decision: &Decision, settings: &Settings) -> Vec<LimitView> {
    if seen.phase.is_some_and(Phase::is_terminal) {
        return Vec::new();
    }
    let answers = decision.schedules();
    let deciding = deciding(seen, decision);
    let view = |limit: Limit| {
        let name = limit.scope.name();
        let source = source(decision, &answers, &limit);
        let by_hand = seen.overrides.iter().any(|one| one.phase == name && one.duration == limit.duration);
        let has_passed = seen.now > limit.at;
        LimitView {
            scope: name,
            at: Time(limit.at),
            duration: Length(limit.duration),
            on_expiry: word(limit.on_expiry),
            origin: match (source.is_some(), by_hand) {
                (true, _) => Origin::Policy,
                (false, true) => Origin::Hand,
                (false, false) => Origin::Ceiling,
            },
            is_by_hand: by_hand,
            has_passed,
            decided: has_passed && deciding.is_some_and(|decides| decides(&limit)),
            by: source.and_then(|source| giver(decision, &source)),
        }
    };
    in_force(seen, decision, settings).into_iter().map(view).collect()
}

fn giver(decision: &Decision, source: &Given<'_>) -> Option<Giver> {
    let combined = decision.combined.as_ref()?;
    let is_its = |one: &trimtab_core::decide::Evaluation| {
        one.slot == Slot::Timeouts && one.member == source.member && one.fault.is_none()
    };
    let evaluation = decision.evaluations.iter().position(is_its)?;
    let policy = u8::try_from(source.member.place() + 1).unwrap_or(u8::MAX);
    Some(Giver { rule: combined.rule, policies: combined.members, policy, evaluation })
}

/// Whether the decision rests on a deadline that has passed.
pub(crate) fn expired(seen: &Observation, decision: &Decision, settings: &Settings) -> bool {
    views(seen, decision, settings).iter().any(|limit| limit.decided)
}

type Decides = fn(&Limit) -> bool;

/// Which of the limits that have passed the decision rests on.
fn deciding(seen: &Observation, decision: &Decision) -> Option<Decides> {
    let Verdict::Step(plan) = &decision.verdict else { return None };
    match plan.why.rule.as_str() {
        "GlobalTimeout" => Some(|limit| limit.scope == Scope::Global && limit.on_expiry != OnExpiry::Ask),
        "PhaseTimeout" => Some(|limit| limit.scope != Scope::Global && limit.on_expiry != OnExpiry::Ask),
        "StayedPastDeadline" => Some(|limit| limit.on_expiry != OnExpiry::Ask),
        // A policy that was asked about a deadline, and went on where nothing else had happened.
        _ if plan.to != seen.phase && !has_finished(seen) => Some(|limit| limit.on_expiry == OnExpiry::Ask),
        _ => None,
    }
}

fn has_finished(seen: &Observation) -> bool {
    let kind = seen.phase.and_then(trimtab_core::observation::ChildKind::of_phase);
    kind.and_then(|kind| seen.child(kind)).is_some_and(|child| child.found && child.is_finished())
}

const fn word(on_expiry: OnExpiry) -> &'static str {
    match on_expiry {
        OnExpiry::TimeOut => "time-out",
        OnExpiry::Fail => "fail",
        OnExpiry::Ask => "ask",
    }
}
