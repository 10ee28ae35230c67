//! `trimtab audit query`: audit events, and where each is on its way.

use std::collections::VecDeque;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;
use trimtab_ledger::reader::StoredEvent;

use super::{each, filter};
use crate::Surroundings;
use crate::cli::QueryArguments;
use crate::error::AuthorError;
use crate::ledger::Source;
use crate::observation::Time;
use crate::output::{Outcome, columns, grouped, render};

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    /// How many events fit; the latest of them are in `events`.
    total: u64,
    events: Vec<EventView>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct EventView {
    id: String,
    at: Time,
    #[serde(rename = "type")]
    event_type: String,
    correlation_id: String,
    uid: String,
    entry: i64,
    state: &'static str,
    was_sent: bool,
    reason: Option<String>,
    settled_at: Option<Time>,
    delivered_at: Option<Time>,
    body: Value,
}

impl EventView {
    fn of(stored: StoredEvent) -> Self {
        Self {
            id: stored.event.id.to_string(),
            at: Time(stored.event.at),
            event_type: stored.event.event_type,
            correlation_id: stored.event.correlation_id,
            uid: stored.uid,
            entry: stored.entry,
            state: stored.state.name(),
            was_sent: stored.was_sent,
            reason: stored.reason,
            settled_at: stored.settled_at.map(Time),
            delivered_at: stored.delivered_at.map(Time),
            body: stored.event.body,
        }
    }
}

/// Runs the command.
pub(crate) fn run(arguments: &QueryArguments, surroundings: &mut Surroundings<'_>) -> Result<Outcome, AuthorError> {
    let source = Source::open(surroundings)?;
    let limit = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let (mut total, mut latest) = (0, VecDeque::new());
    each(&source, filter(&arguments.events, surroundings.now), |event| {
        total += 1;
        if latest.len() >= limit {
            latest.pop_front();
        }
        latest.push_back(event);
        Ok(())
    })?;
    let found = Found { total, events: latest.into_iter().map(EventView::of).collect() };
    Ok(Outcome::fine(render(&found, arguments.output, table)?))
}

fn table(found: &Found) -> String {
    if found.events.is_empty() {
        return "no such event is in the ledger\n".to_owned();
    }
    let mut cells = vec![["AT", "TYPE", "OUTCOME", "STATE", "CORRELATION", "ID"].map(str::to_owned).to_vec()];
    for event in &found.events {
        let outcome = event.body.get("event_outcome").and_then(Value::as_str).unwrap_or_default();
        let state = event
            .reason
            .as_ref()
            .map_or_else(|| event.state.to_owned(), |reason| format!("{} ({reason})", event.state));
        cells.push(vec![
            event.at.to_string(),
            event.event_type.clone(),
            outcome.to_owned(),
            state,
            event.correlation_id.clone(),
            event.id.clone(),
        ]);
    }
    let mut text = columns(&cells, 0);
    let shown = found.events.len() as u64;
    if shown < found.total {
        let (shown, total) = (grouped(shown), grouped(found.total));
        let _ = writeln!(text, "the latest {shown} of {total}: more with --limit");
    }
    text
}
