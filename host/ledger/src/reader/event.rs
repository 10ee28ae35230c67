//! Audit events, with where each is on its way.

use rusqlite::{Row, params};
use trimtab_core::audit::AuditEvent;
use trimtab_core::ports::LedgerFailure;
use trimtab_core::time::Timestamp;

use super::LedgerReader;
use crate::sqlite::fault::StoreFault;
use crate::sqlite::outgoing::uuid_of;
use crate::sqlite::work::{millis, time};

/// Where an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventState {
    /// Its step is not settled yet.
    Held,
    /// It waits to be delivered.
    Waiting,
    /// The receiver has it.
    Delivered,
    /// The receiver refused it for good.
    Quarantined,
    /// Its step was not carried out, so it never goes out.
    Withdrawn,
}

impl EventState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Held, Self::Waiting, Self::Delivered, Self::Quarantined, Self::Withdrawn];

    /// The name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Quarantined => "quarantined",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Which events are read; the default is all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventFilter {
    /// Only of this correlation id.
    pub correlation: Option<String>,
    /// Only of this type.
    pub event_type: Option<String>,
    /// Only in this state.
    pub state: Option<EventState>,
    /// Only those at or after this time.
    pub since: Option<Timestamp>,
    /// Only those before this time.
    pub until: Option<Timestamp>,
    /// Only those after this [`StoredEvent::number`]: how the next page is asked for.
    pub after: Option<i64>,
    /// At most so many.
    pub limit: Option<u32>,
}

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Its place among all: larger ones were recorded later.
    pub number: i64,
    /// Id of the entry that it was recorded with.
    pub entry: i64,
    /// Uid of the remediation.
    pub uid: String,
    /// The event.
    pub event: AuditEvent,
    /// Where it is.
    pub state: EventState,
    /// Whether it was sent while it waited.
    pub was_sent: bool,
    /// Why it is quarantined.
    pub reason: Option<String>,
    /// When its step was settled, or it was quarantined.
    pub settled_at: Option<Timestamp>,
    /// When it was delivered.
    pub delivered_at: Option<Timestamp>,
}

impl LedgerReader {
    /// Events in the order in which they were recorded.
    pub fn events(&self, filter: &EventFilter) -> Result<Vec<StoredEvent>, LedgerFailure> {
        // Those of a correlation id are found by the numbers of its entries, from the one on that the last page ended with.
        let of_correlation = "entry CROSS JOIN event ON event.number BETWEEN entry.id << 8 AND entry.id << 8 | 255 \
                              WHERE entry.correlation = ?1 AND event.correlation = ?1 AND entry.id >= ?6 >> 8";
        let (some, order) = match filter.correlation {
            Some(_) => (of_correlation, "entry.id, event.number"),
            None => ("event WHERE ?1 IS NULL", "event.number"),
        };
        let sql = format!(
            "SELECT event.number, event.entry, event.uid, event.id, event.correlation, event.at, event.type, event.body, \
             event.state, event.was_sent, event.reason, event.settled_at, event.delivered_at FROM {some} \
             AND (?2 IS NULL OR event.type = ?2) AND (?3 IS NULL OR event.state = ?3) \
             AND (?4 IS NULL OR event.at >= ?4) AND (?5 IS NULL OR event.at < ?5) \
             AND event.number > ?6 ORDER BY {order} LIMIT ?7"
        );
        let parameters = params![
            filter.correlation,
            filter.event_type,
            filter.state.map(EventState::name),
            filter.since.map(millis),
            filter.until.map(millis),
            filter.after.unwrap_or(-1),
            filter.limit.map_or(-1, i64::from),
        ];
        self.all(&sql, parameters, event)
    }
}

fn event(row: &Row<'_>) -> Result<StoredEvent, StoreFault> {
    let id = uuid_of(&row.get::<_, Vec<u8>>(3)?)?;
    let text: String = row.get(7)?;
    let body = serde_json::from_str(&text)
        .map_err(|error| StoreFault::Body(format!("the body of audit event {id} is damaged: {error}")))?;
    let name: String = row.get(8)?;
    let state = EventState::ALL
        .into_iter()
        .find(|state| state.name() == name)
        .ok_or_else(|| StoreFault::Body(format!("audit event {id} is in no known state: \"{name}\"")))?;
    Ok(StoredEvent {
        number: row.get(0)?,
        entry: row.get(1)?,
        uid: row.get(2)?,
        event: AuditEvent { id, at: time(row.get(5)?), event_type: row.get(6)?, correlation_id: row.get(4)?, body },
        state,
        was_sent: row.get(9)?,
        reason: row.get(10)?,
        settled_at: row.get::<_, Option<i64>>(11)?.map(time),
        delivered_at: row.get::<_, Option<i64>>(12)?.map(time),
    })
}
