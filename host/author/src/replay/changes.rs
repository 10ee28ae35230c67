//! What another policy would change about a decision, by kind.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;
use trimtab_core::decide::{Decision, Verdict};
use trimtab_core::guardrails::deadlines::{Limit, OnExpiry, Scope};
use trimtab_core::json::merge_diff;
use trimtab_core::observation::Observation;
use trimtab_core::phase::{Outcome, Phase};
use trimtab_core::plan::{Action, Plan};
use trimtab_core::settings::Settings;
use trimtab_core::time::Timestamp;

use crate::explain::{expired, in_force};
use crate::observation::Time;

/// What kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// Where the remediation goes.
    Target,
    /// How it ends.
    Outcome,
    /// A deadline in force, or when the remediation is looked at again.
    Deadline,
    /// What is created, or told to a child.
    Creations,
    /// What is written into the status besides.
    Status,
    /// A slot gave no answer that was taken, or gave one again.
    Fault,
}

impl ChangeKind {
    /// Every kind, the weightiest first.
    pub const ALL: [Self; 6] =
        [Self::Target, Self::Outcome, Self::Deadline, Self::Creations, Self::Status, Self::Fault];

    /// The word in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Outcome => "outcome",
            Self::Deadline => "deadline",
            Self::Creations => "creations",
            Self::Status => "status",
            Self::Fault => "fault",
        }
    }
}

/// One change of one decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Its kind.
    pub kind: ChangeKind,
    /// As it was recorded.
    pub recorded: String,
    /// As it would be.
    pub now: String,
}

/// How an expiry moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    /// It expires here, and had not yet.
    Earlier,
    /// It had expired here, and does not yet.
    Later,
}

/// Everything that changes; sentences and fuel are no change.
pub(super) fn changes(seen: &Observation, settings: &Settings, before: &Decision, after: &Decision) -> Vec<Change> {
    let (did, does) = (actions(before), actions(after));
    let mut pairs = vec![
        (ChangeKind::Target, target(seen, before), target(seen, after)),
        (ChangeKind::Outcome, outcome(before), outcome(after)),
        (ChangeKind::Creations, done(&did, &does), done(&does, &did)),
        (ChangeKind::Status, status(before), status(after)),
        (ChangeKind::Fault, faults(before), faults(after)),
    ];
    // A step is followed by another look at once, so that only of a stay it matters until when it may last.
    if is_stay(seen, before) || is_stay(seen, after) {
        pairs.push((ChangeKind::Deadline, deadlines(seen, settings, before), deadlines(seen, settings, after)));
    }
    let goes_elsewhere = target(seen, before) != target(seen, after);
    let change = |(kind, recorded, now): (ChangeKind, String, String)| {
        // Another target implies another status.
        let is_implied = kind == ChangeKind::Status && goes_elsewhere;
        (recorded != now && !is_implied).then(|| {
            let (recorded, now) = if kind == ChangeKind::Status { apart(&recorded, &now) } else { (recorded, now) };
            Change { kind, recorded, now }
        })
    };
    let mut changes: Vec<Change> = pairs.into_iter().filter_map(change).collect();
    changes.sort_by_key(|change| change.kind);
    changes
}

/// Whether the remediation runs into a deadline where it had not, or no longer does. What was seen held until `until`.
pub(super) fn moved(
    seen: &Observation,
    settings: &Settings,
    (before, after): (&Decision, &Decision),
    until: Timestamp,
) -> Option<Moved> {
    match (expired(seen, before, settings), expired(seen, after, settings)) {
        (false, true) => Some(Moved::Earlier),
        (true, false) => Some(Moved::Later),
        (true, true) => None,
        (false, false) if !is_stay(seen, before) || !is_stay(seen, after) => None,
        (false, false) => {
            let next = |decision| in_force(seen, decision, settings).iter().map(|limit| limit.at).min();
            let passes = |decision| next(decision).is_some_and(|at| at < until);
            match (next(before), next(after)) {
                (Some(before), Some(now)) if now < before && passes(after) => Some(Moved::Earlier),
                _ => None,
            }
        }
    }
}

/// Whether a remediation that has not ended stays where it is.
fn is_stay(seen: &Observation, decision: &Decision) -> bool {
    decision.verdict == Verdict::Stay && !seen.phase.is_some_and(Phase::is_terminal)
}

fn plan(decision: &Decision) -> Option<&Plan> {
    match &decision.verdict {
        Verdict::Step(plan) => Some(plan),
        Verdict::Stay => None,
    }
}

/// Where it goes.
pub(super) fn target(seen: &Observation, decision: &Decision) -> String {
    let name = |phase: Option<Phase>| phase.map_or("(new)", Phase::name);
    match plan(decision) {
        None => format!("stays in {}", name(seen.phase)),
        Some(plan) if plan.to == seen.phase => format!("a step within {}", name(plan.to)),
        Some(plan) => format!("goes to {}", name(plan.to)),
    }
}

fn outcome(decision: &Decision) -> String {
    let Some(plan) = plan(decision) else { return "none".to_owned() };
    let completion = plan.status.as_ref().and_then(|status| status.get("completionStatus"));
    let member = |name: &str| completion.and_then(|it| it.get(name)).filter(|value| !value.is_null());
    let mut told: Vec<String> = plan.outcome.map(|outcome| Outcome::name(outcome).to_owned()).into_iter().collect();
    for name in ["failurePhase", "timeoutPhase", "requiresManualReview"] {
        told.extend(member(name).map(|value| format!("{name} {value}")));
    }
    if told.is_empty() { "none".to_owned() } else { told.join(", ") }
}

fn deadlines(seen: &Observation, settings: &Settings, decision: &Decision) -> String {
    let limits = in_force(seen, decision, settings);
    let asks = |scope: Scope| limits.iter().any(|limit| limit.scope == scope && limit.on_expiry == OnExpiry::Ask);
    // The ceiling behind a deadline that asks is always the same.
    let is_ceiling = |limit: &&Limit| asks(limit.scope) && limit.duration == settings.deadline_ceiling;
    let told = limits.iter().filter(|limit| limit.on_expiry == OnExpiry::Ask || !is_ceiling(limit));
    let line = |limit: &Limit| format!("{} until {} ({})", limit.scope.name(), Time(limit.at), limit.duration);
    let mut told: Vec<String> = told.map(line).collect();
    told.extend(decision.wake_at.map(|at| format!("looked at again {}", Time(at))));
    told.join(", ")
}

/// What is done besides the status, by object.
fn actions(decision: &Decision) -> BTreeMap<String, Value> {
    let done = |action: &Action| match action {
        Action::Create(manifest) => {
            (format!("create {} {}", manifest.kind, manifest.name), manifest.object["spec"].clone())
        }
        Action::PatchStatus { kind, name, status, .. } => (format!("patch {kind} {name}"), status.clone()),
        Action::Delete { kind, name, .. } => (format!("delete {kind} {name}"), Value::Null),
    };
    plan(decision).into_iter().flat_map(|plan| plan.actions.iter().map(done)).collect()
}

/// Where what is done differs: objects that only one of them has, and the members that differ in the others.
fn done(mine: &BTreeMap<String, Value>, other: &BTreeMap<String, Value>) -> String {
    let line = |(name, value): (&String, &Value)| match other.get(name) {
        None => Some(name.clone()),
        Some(known) => merge_diff(known, value).map(|members| format!("{name} {members}")),
    };
    let lines: Vec<String> = mine.iter().filter_map(line).collect();
    if lines.is_empty() { "nothing".to_owned() } else { lines.join(", ") }
}

/// What is written, without the host's own record of who decided and why.
fn status(decision: &Decision) -> String {
    let Some(mut status) = plan(decision).and_then(|plan| plan.status.clone()) else { return "nothing".to_owned() };
    if let Some(Value::Array(conditions)) = status.get_mut("conditions") {
        conditions.retain(|one| one["type"] != trimtab_core::record::CONDITION_TYPE);
    }
    // What failed or ended is an outcome.
    trimtab_core::json::remove(&mut status, &["completionStatus"]);
    let members = status.as_object().into_iter().flatten().map(|(name, value)| format!("{name} {value}"));
    members.collect::<Vec<_>>().join("\n")
}

fn faults(decision: &Decision) -> String {
    let told: BTreeSet<String> = decision
        .evaluations
        .iter()
        .filter(|one| one.choice == trimtab_core::ports::Choice::Active)
        .filter_map(|one| one.fault.as_ref().map(|(reason, _)| format!("{} {reason}", one.slot)))
        .collect();
    if told.is_empty() { "none".to_owned() } else { told.into_iter().collect::<Vec<_>>().join(", ") }
}

/// The lines that only one of the two has.
fn apart(recorded: &str, now: &str) -> (String, String) {
    let only = |mine: &str, other: &str| {
        let lines: Vec<_> = mine.lines().filter(|line| !other.lines().any(|known| known == *line)).collect();
        if lines.is_empty() { "nothing".to_owned() } else { lines.join(", ") }
    };
    (only(recorded, now), only(now, recorded))
}
