//! The states of audit events: held, waiting, delivered, quarantined, withdrawn.

use std::collections::HashSet;

use rusqlite::{Connection, Row, params};
use serde_json::Value;
use trimtab_core::audit::AuditEvent;
use trimtab_core::time::Timestamp;
use uuid::Uuid;

use super::chain;
use super::fault::StoreFault;
use super::work::{Done, millis, natural, time};
use crate::outbox::{OutboxReport, Outgoing};

/// The events to deliver next, in the order of their steps: at most `count` of at most `bytes` together, one at least.
///
/// One whose row was changed since it was recorded is set aside: it must neither go out nor hold up the others.
pub(crate) fn due(connection: &Connection, count: usize, bytes: usize) -> Result<Vec<Outgoing>, StoreFault> {
    loop {
        let (due, damaged) = read_due(connection, count, bytes)?;
        for (number, why) in &damaged {
            tracing::error!(number, why, "a damaged audit event is set aside");
            let sql = "UPDATE event SET state = 'quarantined', reason = ?2 WHERE number = ?1";
            connection.prepare_cached(sql)?.execute(params![number, why])?;
        }
        if damaged.is_empty() || !due.is_empty() {
            return Ok(due);
        }
    }
}

/// What is due, and the numbers of the damaged ones among it.
type Due = (Vec<Outgoing>, Vec<(i64, String)>);

fn read_due(connection: &Connection, count: usize, bytes: usize) -> Result<Due, StoreFault> {
    let sql = "SELECT number, id, correlation, at, type, was_sent, hash, body FROM event WHERE state = 'waiting' \
               ORDER BY number LIMIT ?1";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([i64::try_from(count.max(1)).unwrap_or(i64::MAX)])?;
    let (mut due, mut damaged, mut taken) = (Vec::new(), Vec::new(), 0_usize);
    while let Some(row) = rows.next()? {
        match outgoing(row) {
            Ok((length, outgoing)) => {
                taken = taken.saturating_add(length);
                if taken > bytes && !due.is_empty() {
                    break;
                }
                due.push(outgoing);
            }
            Err(StoreFault::Body(why)) => damaged.push((row.get(0)?, why)),
            Err(fault) => return Err(fault),
        }
    }
    Ok((due, damaged))
}

/// One event with the length of its body.
fn outgoing(row: &Row<'_>) -> Result<(usize, Outgoing), StoreFault> {
    let id = uuid_of(&row.get::<_, Vec<u8>>(1)?)?;
    let (correlation_id, event_type): (String, String) = (row.get(2)?, row.get(4)?);
    let (at, hash) = (time(row.get(3)?), row.get::<_, Vec<u8>>(6)?);
    let damaged =
        |why: &dyn std::fmt::Display| StoreFault::Body(format!("the body of audit event {id} is damaged: {why}"));
    let text = row.get_ref(7)?.as_str().map_err(|error| damaged(&error))?;
    if hash != chain::event_hash(id.as_bytes(), &correlation_id, &event_type, at, text) {
        return Err(StoreFault::Body(format!("audit event {id} was changed since it was recorded")));
    }
    let body: Value = serde_json::from_str(text).map_err(|error| damaged(&error))?;
    Ok((text.len(), Outgoing { event: AuditEvent { id, at, event_type, correlation_id, body }, was_sent: row.get(5)? }))
}

/// Notes whether events that wait may have arrived.
pub(crate) fn mark_sent(connection: &Connection, ids: &[Uuid], was_sent: bool) -> Result<Done, StoreFault> {
    let mut update = connection.prepare_cached("UPDATE event SET was_sent = ?2 WHERE number = ?1")?;
    for number in waiting(connection, ids)? {
        update.execute(params![number, was_sent])?;
    }
    Ok(Done::Changed)
}

/// Notes that events have arrived; those that do not wait are left as they are.
pub(crate) fn deliver(connection: &Connection, ids: &[Uuid], at: Timestamp) -> Result<Done, StoreFault> {
    let sql = "UPDATE event SET state = 'delivered', delivered_at = ?2 WHERE number = ?1";
    let mut update = connection.prepare_cached(sql)?;
    let mut changed = 0;
    for number in waiting(connection, ids)? {
        changed += update.execute(params![number, millis(at)])?;
    }
    let sql = "UPDATE tally SET count = count + ?1 WHERE name = 'delivered'";
    connection.prepare_cached(sql)?.execute([i64::try_from(changed).unwrap_or(i64::MAX)])?;
    Ok(if changed == 0 { Done::Unchanged } else { Done::Changed })
}

/// Sets an event aside for good.
pub(crate) fn quarantine(connection: &Connection, id: Uuid, reason: &str, at: Timestamp) -> Result<Done, StoreFault> {
    let Some(number) = waiting(connection, &[id])?.pop() else { return Ok(Done::Unchanged) };
    let sql = "UPDATE event SET state = 'quarantined', reason = ?2, settled_at = ?3 WHERE number = ?1";
    connection.prepare_cached(sql)?.execute(params![number, reason, millis(at)])?;
    Ok(Done::Changed)
}

/// The numbers of those of these events that wait. What was handed out for delivery stands at the front, so no more is read
/// than was handed out, unless one of them does not wait any more.
fn waiting(connection: &Connection, ids: &[Uuid]) -> Result<Vec<i64>, StoreFault> {
    let mut wanted: HashSet<&[u8]> = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
    let mut select =
        connection.prepare_cached("SELECT number, id FROM event WHERE state = 'waiting' ORDER BY number")?;
    let mut rows = select.query([])?;
    let mut numbers = Vec::with_capacity(wanted.len());
    while !wanted.is_empty()
        && let Some(row) = rows.next()?
    {
        // What is damaged there is nobody's id.
        if wanted.remove(row.get_ref(1)?.as_blob().unwrap_or_default()) {
            numbers.push(row.get(0)?);
        }
    }
    Ok(numbers)
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
