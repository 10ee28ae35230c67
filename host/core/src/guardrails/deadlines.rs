//! Deadlines: at most the ceiling, one for the global clock and one for the current phase, never none.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Refusal, RefusalReason, patch};
use crate::observation::Observation;
use crate::phase::Phase;
use crate::proposal::{Budget, Deadline, Schedule, Slot};
use crate::settings::Settings;
use crate::time::{Span, Timestamp};

/// Most deadlines, and most budgets, in one answer.
pub const ENTRIES_MAX: usize = 8;

/// Attribute of a deadline: the moment, in milliseconds since 1970-01-01, at which people are told, once, that the clock
/// has run for long.
pub const ESCALATE_AT: &str = "escalate-at";

/// What a clock runs for: the whole remediation or one phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The whole remediation.
    Global,
    /// One phase.
    Phase(Phase),
}

impl Scope {
    /// The word in a proposal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Global => "Global",
            Self::Phase(phase) => phase.name(),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if text == "Global" {
            return Some(Self::Global);
        }
        text.parse::<Phase>().ok().filter(|phase| !phase.is_terminal()).map(Self::Phase)
    }
}

/// What happens when a deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExpiry {
    /// The host ends the remediation as `TimedOut`.
    TimeOut,
    /// The host ends the remediation as Failed.
    Fail,
    /// The transitions slot is asked.
    Ask,
}

/// A lawful deadline.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// What it is for.
    pub scope: Scope,
    /// The last moment in time.
    pub at: Timestamp,
    /// What follows.
    pub on_expiry: OnExpiry,
    /// The length behind it, for messages.
    pub duration: Span,
    /// Changes to the standard notice.
    pub notice: Option<Value>,
    /// When people are told, once, that it lasts long; before `at`.
    pub escalate_at: Option<Timestamp>,
}

/// A lawful schedule: limits of the global clock and of the current phase, each never later than the ceiling; budgets
/// by scope.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Global first.
    pub limits: Vec<Limit>,
    /// For phases not yet entered.
    pub budgets: BTreeMap<Scope, Span>,
}

impl Limits {
    /// The next moment at which a limit passes, or people are to be told of one, if one lies ahead.
    pub fn next_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        let moments = self.limits.iter().flat_map(|limit| [Some(limit.at), limit.escalate_at]).flatten();
        moments.filter(|at| *at >= now).min()
    }

    /// The budget of a phase; `None` where it has none of its own.
    pub fn budget(&self, phase: Phase) -> Option<Span> {
        self.budgets.get(&Scope::Phase(phase)).copied().filter(|span| *span > Span::default())
    }
}

/// Checks a schedule.
pub fn check(observation: &Observation, schedule: &Schedule, settings: &Settings) -> Result<Limits, Refusal> {
    check_with(observation, (schedule, &[]), settings)
}

/// Checks a schedule of several policies, and what ends the remediation beside its deadlines that only ask.
pub fn check_with(
    observation: &Observation,
    (schedule, endings): (&Schedule, &[Deadline]),
    settings: &Settings,
) -> Result<Limits, Refusal> {
    let refuse = |reason, message: String| Refusal::new(Slot::Timeouts, reason, message);
    if schedule.deadlines.len() > ENTRIES_MAX || schedule.budgets.len() > ENTRIES_MAX {
        let (deadlines, budgets) = (schedule.deadlines.len(), schedule.budgets.len());
        let message = format!("{deadlines} deadlines and {budgets} budgets; at most {ENTRIES_MAX} of each");
        return Err(refuse(RefusalReason::TooMany, message));
    }
    let budgets = check_budgets(&schedule.budgets, settings)?;
    let mut proposed: BTreeMap<Scope, Limit> = BTreeMap::new();
    for deadline in &schedule.deadlines {
        let limit = check_deadline(deadline)?;
        if proposed.insert(limit.scope, limit).is_some() {
            let message = format!("two deadlines for \"{}\"", deadline.phase);
            return Err(refuse(RefusalReason::Duplicate, message));
        }
    }
    let endings = endings.iter().map(|ending| check_deadline(ending).map(|limit| (limit.scope, limit)));
    let endings = endings.collect::<Result<_, _>>()?;
    Ok(Limits { limits: bounded(observation, proposed, endings, settings), budgets })
}

/// The schedule that holds where no policy answers: the ceiling, for everything.
pub fn ceiling_only(observation: &Observation, settings: &Settings) -> Limits {
    let none = BTreeMap::new();
    Limits { limits: bounded(observation, none.clone(), none, settings), budgets: BTreeMap::new() }
}

fn check_deadline(deadline: &Deadline) -> Result<Limit, Refusal> {
    let refuse = |reason, message: String| Refusal::new(Slot::Timeouts, reason, message);
    let Some(scope) = Scope::parse(&deadline.phase) else {
        let message = format!("a deadline for \"{}\", which is no phase that can expire", deadline.phase);
        return Err(refuse(RefusalReason::PhaseUnknown, message));
    };
    let on_expiry = match deadline.on_expiry.as_str() {
        "time-out" => OnExpiry::TimeOut,
        "fail" => OnExpiry::Fail,
        "ask" => OnExpiry::Ask,
        other => {
            let message = format!("on-expiry \"{other}\" of {}: use time-out, fail or ask", deadline.phase);
            return Err(refuse(RefusalReason::OnExpiryUnknown, message));
        }
    };
    let notice = match deadline.notice.as_deref() {
        None | Some("") => None,
        Some(text) => Some(patch::check(Slot::Timeouts, "NotificationRequest", text)?),
    };
    let escalate_at = escalation(deadline)?;
    Ok(Limit { scope, at: deadline.at, on_expiry, duration: deadline.duration, notice, escalate_at })
}

/// When people are to be told that a clock has run for long.
fn escalation(deadline: &Deadline) -> Result<Option<Timestamp>, Refusal> {
    let Some(told) = deadline.attributes.iter().find(|attribute| attribute.key == ESCALATE_AT) else { return Ok(None) };
    let Ok(millis) = told.value.parse() else {
        let (phase, value) = (&deadline.phase, &told.value);
        let message = format!("{ESCALATE_AT} of {phase} is \"{value}\": use milliseconds since 1970-01-01");
        return Err(Refusal::new(Slot::Timeouts, RefusalReason::FieldInvalid, message));
    };
    Ok(Some(Timestamp::from_millis(millis)))
}

fn check_budgets(budgets: &[Budget], settings: &Settings) -> Result<BTreeMap<Scope, Span>, Refusal> {
    let mut checked = BTreeMap::new();
    for budget in budgets {
        let Some(scope) = Scope::parse(&budget.phase) else {
            let message = format!("a budget for \"{}\", which is no phase that can expire", budget.phase);
            return Err(Refusal::new(Slot::Timeouts, RefusalReason::PhaseUnknown, message));
        };
        if checked.insert(scope, budget.duration.min(settings.deadline_ceiling)).is_some() {
            let message = format!("two budgets for \"{}\"", budget.phase);
            return Err(Refusal::new(Slot::Timeouts, RefusalReason::Duplicate, message));
        }
    }
    Ok(checked)
}

/// The budget that a person has set for this scope. Zero means none of its own for a phase.
fn by_hand(observation: &Observation, scope: Scope) -> Option<Span> {
    let set = observation.overrides.iter().find(|budget| budget.phase == scope.name())?;
    (scope == Scope::Global || set.duration > Span::default()).then_some(set.duration)
}

/// The limits that count now, none later than the ceiling. Deadlines of other phases have no effect.
fn bounded(
    observation: &Observation,
    mut proposed: BTreeMap<Scope, Limit>,
    mut endings: BTreeMap<Scope, Limit>,
    settings: &Settings,
) -> Vec<Limit> {
    let mut limits = Vec::new();
    let scopes = [
        (Some(Scope::Global), observation.started_at),
        (observation.phase.map(Scope::Phase), observation.phase_entered_at()),
    ];
    for (scope, since) in scopes {
        let (Some(scope), Some(since)) = (scope, since) else { continue };
        let latest = since.plus(settings.deadline_ceiling);
        let duration = by_hand(observation, scope).unwrap_or(settings.deadline_ceiling).min(settings.deadline_ceiling);
        let ending =
            |at, duration| Limit { scope, at, on_expiry: OnExpiry::TimeOut, duration, notice: None, escalate_at: None };
        let standard = ending(since.plus(duration), duration);
        let capped = |mut limit: Limit| {
            if limit.at > latest {
                limit.at = latest;
                limit.duration = settings.deadline_ceiling;
            }
            // One that comes no sooner than the end tells nobody anything.
            limit.escalate_at = limit.escalate_at.filter(|at| *at < limit.at);
            limit
        };
        let limit = capped(proposed.remove(&scope).unwrap_or(standard));
        if limit.on_expiry == OnExpiry::Ask {
            // Asking may go on and on, but not past another policy's end, nor the ceiling.
            let ceiling = ending(latest, settings.deadline_ceiling);
            limits.push(endings.remove(&scope).map_or(ceiling, capped));
        }
        limits.push(limit);
    }
    limits
}
