//! `trimtab explain`: why a remediation ended as it did, or stands where it is, from the ledger.

use serde::Serialize;
use trimtab_core::observation::Observation;
use trimtab_core::phase::Phase;
use trimtab_core::settings::Settings;
use trimtab_ledger::reader::{EntryContent, StoredEntry, StoredRemediation};

use crate::Surroundings;
use crate::cli::ExplainArguments;
use crate::error::AuthorError;
use crate::ledger::{Named, Source};
use crate::observation::{Length, Time};
use crate::output::{Format, Outcome, render};

mod account;
mod brief;
mod limits;
mod lines;
mod whole;

pub use account::{Account, Decider, EvaluationView, Seen, Settled};
pub use limits::{Giver, LimitView, Origin};

pub(crate) use limits::{expired, in_force};

/// What is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// Why it ended.
    Ending,
    /// Where it stands.
    Present,
}

/// A remediation, as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RemediationView {
    /// Its uid.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The phase that it was brought to or last seen in.
    pub phase: Option<String>,
    /// Its outcome, where it completed.
    pub outcome: Option<String>,
    /// Whether it has ended.
    pub has_ended: bool,
    /// Whether its object is gone.
    pub is_gone: bool,
    /// Whether a step of it is not settled yet.
    pub is_open: bool,
    /// Name of the signal.
    pub signal: String,
    /// Severity as the signal's source spells it.
    pub severity: String,
    /// The object that the signal points at: namespace/Kind/name.
    pub target: String,
    /// When it started.
    pub started_at: Time,
    /// When it ended.
    pub ended_at: Option<Time>,
    /// How long it lasted, or has lasted until the last decision.
    pub lasted: Length,
}

/// A remediation and every decision on it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The remediation.
    pub remediation: RemediationView,
    /// What `explained` explains.
    pub subject: Subject,
    /// Place among `decisions` of the one that ended it or was made last; absent where none is recorded.
    pub explained: Option<usize>,
    /// Every decision that is recorded, in the order in which they were made.
    pub decisions: Vec<Account>,
}

/// Runs the command.
pub(crate) fn run(arguments: &ExplainArguments, surroundings: &mut Surroundings<'_>) -> Result<Outcome, AuthorError> {
    let source = Source::open(surroundings)?;
    let (namespace, uid) = (arguments.namespace.as_deref(), arguments.uid.as_deref());
    let named = Named { name: &arguments.name, namespace, uid };
    let found = source.find(&named, surroundings.tell)?;
    let entries = source.entries(&found.uid)?;
    let explanation = explain(&source, &found, &entries)?;
    let format = if arguments.json { Format::Json } else { arguments.output };
    let table = |it: &Explanation| {
        if arguments.all { whole::text(it, &entries) } else { brief::text(it, &entries, surroundings.now) }
    };
    Ok(Outcome::fine(render(&explanation, format, table)?))
}

/// Retells every entry of a remediation.
pub(crate) fn explain(
    source: &Source,
    found: &StoredRemediation,
    entries: &[StoredEntry],
) -> Result<Explanation, AuthorError> {
    let naming = |digest: &str| source.policy(digest);
    let mut decisions: Vec<Account> = Vec::new();
    for entry in entries {
        if let EntryContent::Settlement(settlement) = &entry.content {
            if let Some(step) = decisions.iter_mut().rfind(|one| one.kind == "step") {
                step.settle(settlement, entry.at);
            }
            continue;
        }
        let environment = entry.environment.as_deref().map(|digest| source.environment(digest)).transpose()?.flatten();
        let settings = environment.as_ref().map_or_else(Settings::default, |it| it.settings.clone());
        let set_revision = environment.and_then(|it| it.set_revision.clone());
        decisions.extend(Account::of(entry, &settings, &naming).map(|one| Account { set_revision, ..one }));
    }
    let ending = decisions.iter().rposition(is_ending);
    let outside = || decisions.iter().position(|one| one.from.is_some_and(is_end));
    let has_ended = found.has_ended || ending.is_some();
    let explained = if has_ended { ending.or_else(outside) } else { None };
    Ok(Explanation {
        remediation: remediation(found, entries, explained.and_then(|place| decisions.get(place)), has_ended),
        subject: if has_ended { Subject::Ending } else { Subject::Present },
        explained: explained.or_else(|| decisions.len().checked_sub(1)),
        decisions,
    })
}

/// Whether a step brought the remediation to its end.
fn is_ending(one: &Account) -> bool {
    one.kind == "step" && !one.is_discarded() && one.to.is_some_and(is_end) && !one.from.is_some_and(is_end)
}

fn is_end(phase: &str) -> bool {
    phase.parse::<Phase>().is_ok_and(Phase::is_terminal)
}

/// What was seen when an entry was decided.
pub(crate) fn seen(entry: &StoredEntry) -> Option<&Observation> {
    match &entry.content {
        EntryContent::Step { record, .. } | EntryContent::Stay { record } => Some(&record.observation),
        EntryContent::Settlement(_) | EntryContent::Adopted(_) => None,
    }
}

fn remediation(
    found: &StoredRemediation,
    entries: &[StoredEntry],
    ending: Option<&Account>,
    has_ended: bool,
) -> RemediationView {
    let last = entries.iter().rev().find_map(seen);
    let started_at = last.and_then(|seen| seen.started_at).unwrap_or(found.began_at);
    let ended_at = ending.map(|one| one.at.0);
    RemediationView {
        uid: found.uid.clone(),
        namespace: found.namespace.clone(),
        name: found.name.clone(),
        phase: ending.and_then(|one| one.to).map(str::to_owned).or_else(|| found.phase.clone()),
        outcome: ending.and_then(|one| one.outcome).map(str::to_owned),
        has_ended,
        is_gone: found.is_gone,
        is_open: found.is_open,
        signal: last.map_or_else(String::new, |seen| seen.signal_name.clone()),
        severity: last.map_or_else(String::new, |seen| seen.severity.clone()),
        target: last.map_or_else(String::new, |seen| seen.target.qualified()),
        started_at: Time(started_at),
        ended_at: ended_at.map(Time),
        lasted: Length(ended_at.unwrap_or(found.last_at).since(started_at)),
    }
}

#[cfg(test)]
mod tests;
