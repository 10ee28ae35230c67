//! `trimtab audit`: the audit trail as the ledger holds it.

use trimtab_ledger::reader::{EventFilter, StoredEvent};

use crate::cli::EventArguments;
use crate::error::AuthorError;
use crate::ledger::{Source, failed};
use trimtab_core::time::Timestamp;

pub(crate) mod export;
pub(crate) mod query;
pub(crate) mod verify;

/// Events read at once.
const PAGE: u32 = 500;

/// The filter that the arguments mean at `now`.
fn filter(arguments: &EventArguments, now: Timestamp) -> EventFilter {
    EventFilter {
        correlation: arguments.correlation.clone(),
        event_type: arguments.event_type.clone(),
        state: arguments.state,
        since: arguments.since.map(|since| since.at(now)),
        until: arguments.until.map(|until| until.at(now)),
        after: None,
        limit: Some(PAGE),
    }
}

/// Hands over every event that fits, in the order in which they were recorded; a page at a time is held.
fn each(
    source: &Source,
    mut filter: EventFilter,
    mut take: impl FnMut(StoredEvent) -> Result<(), AuthorError>,
) -> Result<(), AuthorError> {
    loop {
        let page = source.reader().events(&filter).map_err(|failure| failed(&failure))?;
        let Some(last) = page.last() else { return Ok(()) };
        filter.after = Some(last.number);
        page.into_iter().try_for_each(&mut take)?;
    }
}

#[cfg(test)]
mod tests;
