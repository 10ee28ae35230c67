//! The states of audit events: held, waiting, delivered, quarantined, withdrawn.

use rusqlite::{Connection, params};
use serde_json::Value;
use trimtab_core::audit::AuditEvent;
use trimtab_core::time::Timestamp;
use uuid::Uuid;

use super::fault::StoreFault;
use super::work::{Done, millis, natural, time};
use crate::outbox::{OutboxReport, Outgoing};

/// The events to deliver next, in the order of their steps: at most `count` of at most `bytes` together, one at least.
pub(crate) fn due(connection: &Connection, count: usize, bytes: usize) -> Result<Vec<Outgoing>, StoreFault> {
    let sql = "SELECT id, correlation, at, type, was_sent, body FROM event WHERE state = 'waiting' \
               ORDER BY number LIMIT ?1";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([i64::try_from(count.max(1)).unwrap_or(i64::MAX)])?;
    let (mut due, mut taken) = (Vec::new(), 0_usize);
    while let Some(row) = rows.next()? {
        let text = row.get_ref(5)?.as_str().map_err(rusqlite::Error::from)?;
        taken = taken.saturating_add(text.len());
        if taken > bytes && !due.is_empty() {
            break;
        }
        let id = uuid_of(&row.get::<_, Vec<u8>>(0)?)?;
        let body: Value = serde_json::from_str(text)
            .map_err(|error| StoreFault::Body(format!("the body of audit event {id} is damaged: {error}")))?;
        let event =
            AuditEvent { id, at: time(row.get(2)?), event_type: row.get(3)?, correlation_id: row.get(1)?, body };
        due.push(Outgoing { event, was_sent: row.get(4)? });
    }
    Ok(due)
}

/// Notes whether events that wait may have arrived.
pub(crate) fn mark_sent(connection: &Connection, ids: &[Uuid], was_sent: bool) -> Result<Done, StoreFault> {
    let sql = "UPDATE event SET was_sent = ?2 WHERE id = ?1 AND state <> 'withdrawn' AND state = 'waiting'";
    let mut update = connection.prepare_cached(sql)?;
    for id in ids {
        update.execute(params![id.as_bytes().as_slice(), was_sent])?;
    }
    Ok(Done::Changed)
}

/// Notes that events have arrived; those that do not wait are left as they are.
pub(crate) fn deliver(connection: &Connection, ids: &[Uuid], at: Timestamp) -> Result<Done, StoreFault> {
    let sql = "UPDATE event SET state = 'delivered', delivered_at = ?2 \
               WHERE id = ?1 AND state <> 'withdrawn' AND state = 'waiting'";
    let mut update = connection.prepare_cached(sql)?;
    let mut changed = 0;
    for id in ids {
        changed += update.execute(params![id.as_bytes().as_slice(), millis(at)])?;
    }
    let sql = "UPDATE tally SET count = count + ?1 WHERE name = 'delivered'";
    connection.prepare_cached(sql)?.execute([i64::try_from(changed).unwrap_or(i64::MAX)])?;
    Ok(if changed == 0 { Done::Unchanged } else { Done::Changed })
}

/// Sets an event aside for good.
pub(crate) fn quarantine(connection: &Connection, id: Uuid, reason: &str, at: Timestamp) -> Result<Done, StoreFault> {
    let sql = "UPDATE event SET state = 'quarantined', reason = ?2, settled_at = ?3 \
               WHERE id = ?1 AND state <> 'withdrawn' AND state = 'waiting'";
    let changed = connection.prepare_cached(sql)?.execute(params![id.as_bytes().as_slice(), reason, millis(at)])?;
    Ok(if changed == 0 { Done::Unchanged } else { Done::Changed })
}

/// What waits.
pub(crate) fn report(connection: &Connection) -> Result<OutboxReport, StoreFault> {
    let sql = "SELECT state, count(*), min(at) FROM event \
               WHERE state = 'held' OR state = 'waiting' OR state = 'quarantined' GROUP BY state";
    let mut report = OutboxReport::default();
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let count = natural(row.get(1)?);
        match row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)? {
            "held" => report.held = count,
            "waiting" => (report.waiting, report.oldest) = (count, row.get::<_, Option<i64>>(2)?.map(time)),
            _ => report.quarantined = count,
        }
    }
    report.delivered = tally(connection, "delivered")?;
    Ok(report)
}

/// A total that outlives the rows it counts.
pub(crate) fn tally(connection: &Connection, name: &str) -> Result<u64, StoreFault> {
    let mut select = connection.prepare_cached("SELECT count FROM tally WHERE name = ?1")?;
    Ok(natural(select.query_row([name], |row| row.get(0))?))
}

/// The id in a column.
pub(crate) fn uuid_of(bytes: &[u8]) -> Result<Uuid, StoreFault> {
    Uuid::from_slice(bytes).map_err(|error| StoreFault::Body(format!("the id of an audit event is damaged: {error}")))
}
