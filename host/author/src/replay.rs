//! `trimtab policy replay`: decides recorded decisions again, by the core and the components that made them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use trimtab_core::decide::{Decision, Need, decide};
use trimtab_core::members::Seat;
use trimtab_core::ports::Choice;
use trimtab_core::proposal::Slot;
use trimtab_core::record::Revision;
use trimtab_policy_engine::Limits;

use crate::Surroundings;
use crate::bundle::{BundleReader, BundleRecord};
use crate::cli::ReplayArguments;
use crate::environment::Environment;
use crate::error::{AuthorError, FAILED, FINE};
use crate::output::{Outcome, counted, grouped, render};

mod candidate;
mod cast;
mod changes;
mod compare;
mod library;

pub use candidate::{CandidateReport, ChangedExample, Unknown};
pub use changes::{Change, ChangeKind};

use cast::{Cast, Part, Parts, fact};
use library::Library;

/// Records from one report of progress to the next.
const PROGRESS_EVERY: u64 = 50;

/// What came of deciding everything again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayReport {
    /// Whether every decision is the same to the last byte.
    pub is_identical: bool,
    /// Records decided again, the differing one included.
    pub records: u64,
    /// Questions that were put again.
    pub evaluations: u64,
    /// Recorded faults of the clock and the host that were taken as facts.
    pub facts: u64,
    /// Fuel that the questions took.
    pub fuel: u64,
    /// The first difference.
    pub difference: Option<FirstDifference>,
}

/// The first difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FirstDifference {
    /// Number of the record, from 1.
    pub record: u64,
    /// Id of the ledger's entry.
    pub entry: i64,
    /// The remediation: namespace/name.
    pub remediation: String,
    /// The slot whose answer differs; absent where it is the host's own part.
    pub slot: Option<Slot>,
    /// JSON Pointer into the decision.
    pub pointer: String,
    /// What was recorded there.
    pub recorded: String,
    /// What is there now.
    pub now: String,
}

/// Runs the command.
pub(crate) fn run(arguments: &ReplayArguments, surroundings: &mut Surroundings<'_>) -> Result<Outcome, AuthorError> {
    let mut library = Library::new(&surroundings.engine, &arguments.components)?;
    if let Some(policy) = &arguments.policy {
        let report = candidate::replay(arguments, policy, &mut library, surroundings.progress)?;
        let text = render(&report, arguments.output, CandidateReport::table)?;
        return Ok(Outcome::fine(text));
    }
    let report = identity(arguments, &mut library, surroundings.progress)?;
    let exit_code = if report.is_identical { FINE } else { FAILED };
    Ok(Outcome { text: render(&report, arguments.output, table)?, exit_code })
}

fn identity(
    arguments: &ReplayArguments,
    library: &mut Library,
    progress: &mut dyn FnMut(&str),
) -> Result<ReplayReport, AuthorError> {
    let mut reader = BundleReader::open(&arguments.bundle)?;
    let mut known = KnownLimits::default();
    let mut report =
        ReplayReport { is_identical: true, records: 0, evaluations: 0, facts: 0, fuel: 0, difference: None };
    while let Some(record) = reader.next_record()? {
        if record.number.is_multiple_of(PROGRESS_EVERY) {
            progress(&format!("decided {} records again", record.number));
        }
        let environment = reader.held().environment(&record);
        known.learn(&record, &environment);
        let parts = recorded_parts(&record, &environment, &known, library, reader.held())?;
        let mut cast = Cast::new(library, environment.clone(), parts);
        let decided = decide(&record.record.observation, &mut cast, &environment.settings);
        report.records += 1;
        report.facts += cast.facts;
        if let Ok(decision) = &decided {
            report.evaluations += decision.evaluations.len() as u64;
            report.fuel += decision.evaluations.iter().map(|one| one.fuel).sum::<u64>();
        }
        if let Some(difference) = difference(&record, decided) {
            report.is_identical = false;
            report.difference = Some(difference);
            break;
        }
    }
    Ok(report)
}

fn difference(record: &BundleRecord, decided: Result<Decision, Need>) -> Option<FirstDifference> {
    let recorded = &record.record.decision;
    let found = match decided {
        Ok(now) => compare::first(recorded, &now)?,
        Err(need) => compare::Difference {
            slot: None,
            pointer: String::new(),
            recorded: format!("{}: {}", recorded.why.rule, recorded.why.text),
            now: needed(need),
        },
    };
    let seen = &record.record.observation;
    Some(FirstDifference {
        record: record.number,
        entry: record.entry,
        remediation: format!("{}/{}", seen.namespace, seen.name),
        slot: found.slot,
        pointer: found.pointer,
        recorded: found.recorded,
        now: found.now,
    })
}

/// What a decision asks for that the record does not hold.
fn needed(need: Need) -> String {
    match need {
        Need::Fact(fact) => format!("asks for the fact {fact:?}, which the record does not hold"),
        Need::Live => "asks for a live look, which the record is none of".to_owned(),
    }
}

/// Limits that revisions had while they were active. A last good revision keeps those.
#[derive(Debug, Default)]
struct KnownLimits(BTreeMap<(Seat, String, String), Limits>);

impl KnownLimits {
    fn learn(&mut self, record: &BundleRecord, environment: &Environment) {
        for one in record.record.decision.evaluations.iter().filter(|one| one.choice == Choice::Active) {
            if let Some(Revision { digest, config }) = one.revision.clone() {
                self.0.insert((one.seat(), digest, config), environment.limits(one.seat()));
            }
        }
    }

    fn of(&self, seat: Seat, choice: Choice, revision: &Revision, environment: &Environment) -> Limits {
        match choice {
            Choice::Active => environment.limits(seat),
            Choice::Builtin => Limits::DEFAULT,
            Choice::LastGood => {
                let key = (seat, revision.digest.clone(), revision.config.clone());
                self.0.get(&key).copied().unwrap_or_else(|| environment.limits(seat))
            }
        }
    }
}

/// Who answers what was asked when the decision was made.
fn recorded_parts(
    record: &BundleRecord,
    environment: &Environment,
    known: &KnownLimits,
    library: &mut Library,
    held: &crate::bundle::Held,
) -> Result<Parts, AuthorError> {
    let mut parts = Vec::new();
    for one in &record.record.decision.evaluations {
        let struck = fact(one);
        let key = match (&one.revision, &struck) {
            // Who was struck by the clock need not be at hand.
            (Some(revision), Some(_)) => {
                let limits = known.of(one.seat(), one.choice, revision, environment);
                library.recorded(held, revision, limits, &|| record.place()).ok()
            }
            (Some(revision), None) => {
                let limits = known.of(one.seat(), one.choice, revision, environment);
                let why = || format!("{}, {} slot", record.place(), one.slot);
                Some(library.recorded(held, revision, limits, &why)?)
            }
            (None, _) => None,
        };
        let part = match (struck, key) {
            (Some(fault), key) => Part::Fact(fault, key),
            (None, Some(key)) => Part::Policy(key),
            // INVARIANT: what names nobody is a fact.
            (None, None) => continue,
        };
        parts.push(((one.seat(), one.choice), part));
    }
    Ok(parts)
}

fn table(report: &ReplayReport) -> String {
    let mut text = String::new();
    let (records, evaluations) = (counted(report.records, "record"), counted(report.evaluations, "evaluation"));
    let fuel = grouped(report.fuel);
    let facts = match report.facts {
        0 => String::new(),
        count => format!(", {} taken as a fact each", counted(count, "recorded fault")),
    };
    match &report.difference {
        None => {
            let _ = writeln!(
                text,
                "{records} decided again: the same to the last byte ({evaluations}, fuel {fuel}{facts})"
            );
        }
        Some(first) => {
            let slot = first.slot.map_or_else(|| "the host".to_owned(), |slot| format!("the {slot} slot"));
            let pointer = if first.pointer.is_empty() { "the decision" } else { &first.pointer };
            let _ = writeln!(text, "record {} ({}): {slot} differs at {pointer}", first.record, first.remediation);
            let _ = writeln!(text, "  recorded: {}\n  now:      {}", first.recorded, first.now);
        }
    }
    text
}

#[cfg(test)]
mod tests;
