//! `trimtab observe`: what an observing controller has found out about another orchestrator.
//!
//! The comparisons lie in the ledger's folder, one JSON object a line, the newest last.

mod journal;
mod report;

use anyhow::Context as _;

use crate::cli::{ObserveArguments, ObserveCommand, ObserveReportArguments};
use crate::{bad_input, paths};

pub(crate) use journal::Journal;
use report::Report;

/// Carries out a command.
pub(crate) fn main(arguments: &ObserveArguments) -> anyhow::Result<()> {
    match &arguments.command {
        ObserveCommand::Report(arguments) => report(arguments),
    }
}

fn report(arguments: &ObserveReportArguments) -> anyhow::Result<()> {
    let data = paths::data(arguments.data.as_deref())?;
    let (comparisons, unread) = journal::read(&data)
        .with_context(|| format!("there are no comparisons in {}: run `trimtab run --observe` first", data.display()))
        .map_err(bad_input)?;
    let report = Report::of(comparisons, unread);
    crate::print(&if arguments.json { report.json()? } else { report.text() })
}
