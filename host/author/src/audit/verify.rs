//! `trimtab audit verify`: whether anything was changed, removed or swapped since it was recorded.

use std::fmt::Write as _;

use serde::Serialize;
use trimtab_ledger::reader::{Damage, Sizes, Verification};

use crate::Surroundings;
use crate::cli::VerifyArguments;
use crate::error::{AuthorError, FAILED, FINE};
use crate::ledger::{Source, failed};
use crate::output::{Outcome, counted, grouped, render};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct VerifyReport {
    is_sound: bool,
    chains: u64,
    entries: u64,
    events: u64,
    damages: Vec<DamageView>,
    /// Of the whole ledger, where all of it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<SizeView>,
}

/// How much space the ledger takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct SizeView {
    file_bytes: u64,
    remediations: u64,
    /// Mean of their entries and audit events.
    bytes_per_remediation: u64,
}

impl SizeView {
    fn of(sizes: &Sizes) -> Self {
        let Sizes { bytes, remediations, bytes_per_remediation, .. } = *sizes;
        Self { file_bytes: bytes, remediations, bytes_per_remediation }
    }
}

/// A damaged row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct DamageView {
    correlation: String,
    entry: Option<i64>,
    event: Option<String>,
    what: String,
}

impl DamageView {
    fn of(damage: &Damage) -> Self {
        Self {
            correlation: damage.correlation.clone(),
            entry: damage.entry,
            event: damage.event.map(|id| id.to_string()),
            what: damage.what.clone(),
        }
    }

    /// The row, for people.
    fn row(&self) -> String {
        let mut names = Vec::new();
        names.extend((!self.correlation.is_empty()).then(|| self.correlation.clone()));
        names.extend(self.entry.map(|id| format!("entry {id}")));
        names.extend(self.event.as_ref().map(|id| format!("event {id}")));
        if names.is_empty() { "the ledger".to_owned() } else { names.join(", ") }
    }
}

/// Runs the command.
pub(crate) fn run(arguments: &VerifyArguments, surroundings: &mut Surroundings<'_>) -> Result<Outcome, AuthorError> {
    let source = Source::open(surroundings)?;
    let found = source.reader().verify(arguments.correlation.as_deref()).map_err(|failure| failed(&failure))?;
    if let Some(name) = arguments.correlation.as_ref().filter(|_| found.entries == 0 && found.is_sound()) {
        return Err(AuthorError::Input(format!("no entry belongs to \"{name}\": name a remediation of this ledger")));
    }
    let sizes = match arguments.correlation {
        Some(_) => None,
        None => Some(source.reader().sizes().map_err(|failure| failed(&failure))?),
    };
    let report = report(&found, sizes.as_ref());
    let exit_code = if report.is_sound { FINE } else { FAILED };
    Ok(Outcome { text: render(&report, arguments.output, table)?, exit_code })
}

fn report(found: &Verification, sizes: Option<&Sizes>) -> VerifyReport {
    VerifyReport {
        is_sound: found.is_sound(),
        chains: found.chains,
        entries: found.entries,
        events: found.events,
        damages: found.damages.iter().map(DamageView::of).collect(),
        size: sizes.map(SizeView::of),
    }
}

fn table(report: &VerifyReport) -> String {
    let mut text = String::new();
    for damage in &report.damages {
        let _ = writeln!(text, "{}: {}", damage.row(), damage.what);
    }
    let entries =
        if report.entries == 1 { "1 entry".to_owned() } else { format!("{} entries", grouped(report.entries)) };
    let (events, chains) = (counted(report.events, "audit event"), counted(report.chains, "chain"));
    let read = format!("{entries} and {events} in {chains}");
    let _ = match report.damages.len() {
        0 => writeln!(text, "{read}: all as they were recorded"),
        count => writeln!(text, "{read}: {count} damaged"),
    };
    if let Some(SizeView { file_bytes, remediations, bytes_per_remediation }) = report.size {
        let (file, each) = (grouped(file_bytes.div_ceil(1024)), grouped(bytes_per_remediation.div_ceil(1024)));
        let remediations = counted(remediations, "remediation");
        let _ = writeln!(text, "{file} KiB in the file, {each} KiB for each of {remediations}");
    }
    text
}
