//! `trimtab history`: remediations, the latest first, each in a row.

use std::collections::BTreeSet;

use serde::Serialize;
use trimtab_core::observation::Target;
use trimtab_ledger::reader::{EntryContent, RemediationFilter, StoredEntry, StoredRemediation};

use crate::Surroundings;
use crate::cli::HistoryArguments;
use crate::error::AuthorError;
use crate::explain::seen;
use crate::ledger::{Source, short};
use crate::observation::{Length, Time};
use crate::output::{Outcome, columns, render};

/// Remediations read from one report of progress to the next.
const PROGRESS_EVERY: usize = 200;

/// One remediation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// When it started.
    pub started_at: Time,
    /// How long it lasted, or has lasted until now.
    pub lasted: Length,
    /// Whether it has ended.
    pub has_ended: bool,
    /// The object that the signal points at: namespace/Kind/name.
    pub target: String,
    /// Name of the signal.
    pub signal: String,
    /// The phase that it is in.
    pub phase: String,
    /// Its outcome, where it completed.
    pub outcome: Option<String>,
    /// Digests of the components whose answers were taken, sorted.
    pub digests: Vec<String>,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
}

/// Runs the command.
pub(crate) fn run(arguments: &HistoryArguments, surroundings: &mut Surroundings<'_>) -> Result<Outcome, AuthorError> {
    let source = Source::open(surroundings)?;
    let limit = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let is_narrowed = arguments.target.is_some() || arguments.signal.is_some() || arguments.digest.is_some();
    let filter = RemediationFilter {
        namespace: arguments.namespace.clone(),
        since: arguments.since.map(|since| since.at(surroundings.now)),
        // What else narrows the list is only known once a remediation was read.
        limit: (!is_narrowed).then_some(arguments.limit),
        ..RemediationFilter::default()
    };
    let found = source.remediations(&filter)?;
    let mut rows = Vec::new();
    for (place, one) in found.iter().enumerate() {
        if rows.len() >= limit {
            break;
        }
        if place > 0 && place.is_multiple_of(PROGRESS_EVERY) {
            (surroundings.progress)(&format!("read {place} of {} remediations", found.len()));
        }
        let entries = source.entries(&one.uid)?;
        rows.extend(Some(row(one, &entries, surroundings)).filter(|row| is_wanted(arguments, row, &entries)));
    }
    // Recorded last is not started last.
    rows.sort_by_key(|row| std::cmp::Reverse((row.started_at, row.name.clone())));
    Ok(Outcome::fine(render(&rows, arguments.output, |rows| table(rows))?))
}

fn row(found: &StoredRemediation, entries: &[StoredEntry], surroundings: &Surroundings<'_>) -> Row {
    let last = entries.iter().rev().find_map(seen);
    let ending = entries.iter().enumerate().rev().find_map(|(place, entry)| match &entry.content {
        EntryContent::Step { plan, .. } if plan.from != plan.to && is_taken(entries, place) => {
            plan.to.filter(|to| to.is_terminal()).map(|to| (to, plan.outcome, plan.at))
        }
        EntryContent::Step { .. }
        | EntryContent::Stay { .. }
        | EntryContent::Settlement(_)
        | EntryContent::Adopted(_) => None,
    });
    let started_at = last.and_then(|seen| seen.started_at).unwrap_or(found.began_at);
    let has_ended = found.has_ended || ending.is_some();
    let until = match ending {
        Some((_, _, at)) => at,
        None if has_ended => found.last_at,
        None => surroundings.now,
    };
    Row {
        started_at: Time(started_at),
        lasted: Length(until.since(started_at)),
        has_ended,
        target: last.map_or_else(String::new, |seen| seen.target.qualified()),
        signal: last.map_or_else(String::new, |seen| seen.signal_name.clone()),
        phase: ending.map(|(to, _, _)| to.name().to_owned()).or_else(|| found.phase.clone()).unwrap_or_default(),
        outcome: ending.and_then(|(_, outcome, _)| outcome).map(|outcome| outcome.name().to_owned()),
        digests: digests(entries).into_iter().collect(),
        namespace: found.namespace.clone(),
        name: found.name.clone(),
        uid: found.uid.clone(),
    }
}

/// Whether the step at this place was not discarded.
fn is_taken(entries: &[StoredEntry], place: usize) -> bool {
    use trimtab_core::ports::Settlement;
    let settled = entries.iter().skip(place + 1).find_map(|entry| match &entry.content {
        EntryContent::Settlement(settlement) => Some(settlement),
        EntryContent::Step { .. } | EntryContent::Stay { .. } | EntryContent::Adopted(_) => None,
    });
    !matches!(settled, Some(Settlement::Discarded { .. }))
}

/// Digests of the components whose answers were taken.
fn digests(entries: &[StoredEntry]) -> BTreeSet<String> {
    let records = entries.iter().filter_map(|entry| match &entry.content {
        EntryContent::Step { record, .. } | EntryContent::Stay { record } => Some(record),
        EntryContent::Settlement(_) | EntryContent::Adopted(_) => None,
    });
    let answered = records.flat_map(|record| &record.decision.evaluations).filter(|one| one.fault.is_none());
    answered.filter_map(|one| one.revision.as_ref()).map(|revision| revision.digest.clone()).collect()
}

fn is_wanted(arguments: &HistoryArguments, row: &Row, entries: &[StoredEntry]) -> bool {
    let is_of_digest = |wanted: &String| {
        let digits = wanted.strip_prefix("sha256:").unwrap_or(wanted).to_ascii_lowercase();
        row.digests.iter().any(|digest| digest.strip_prefix("sha256:").unwrap_or(digest).starts_with(&digits))
    };
    let is_of_target = |wanted: &String| {
        let is = |target: &Target| {
            target.display().eq_ignore_ascii_case(wanted) || target.qualified().eq_ignore_ascii_case(wanted)
        };
        entries.iter().rev().find_map(seen).is_some_and(|seen| is(&seen.target) || is(seen.remediation_target()))
    };
    arguments.signal.as_ref().is_none_or(|wanted| row.signal == *wanted)
        && arguments.digest.as_ref().is_none_or(is_of_digest)
        && arguments.target.as_ref().is_none_or(is_of_target)
}

fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no such remediation is in the ledger\n".to_owned();
    }
    let head = ["STARTED", "LASTED", "TARGET", "SIGNAL", "OUTCOME", "DECIDED BY", "NAME"].map(str::to_owned);
    let mut cells = vec![head.to_vec()];
    for row in rows {
        let outcome = match (&row.outcome, row.has_ended) {
            (Some(outcome), _) => outcome.clone(),
            (None, true) => row.phase.clone(),
            (None, false) => format!("({})", if row.phase.is_empty() { "not begun" } else { &row.phase }),
        };
        cells.push(vec![
            row.started_at.0.to_string(),
            whole_seconds(row.lasted),
            row.target.clone(),
            row.signal.clone(),
            outcome,
            row.digests.iter().map(|digest| short(digest)).collect::<Vec<_>>().join(","),
            format!("{}/{}", row.namespace, row.name),
        ]);
    }
    columns(&cells, 0)
}

/// Milliseconds matter only of what lasted less than a second.
fn whole_seconds(length: Length) -> String {
    let millis = length.0.as_millis();
    let shown = if millis < 1000 { millis } else { millis - millis % 1000 };
    Length(trimtab_core::time::Span::from_millis(shown)).to_string()
}

#[cfg(test)]
mod tests;
