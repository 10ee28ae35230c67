//! What the writer is asked to do, and how: each piece is a few cached statements within the writer's transaction.
//!
//! INVARIANT: a piece of work that is refused has written nothing, so the rest of its transaction can be committed.

use rusqlite::{Connection, OptionalExtension as _, params};
use trimtab_core::observation::HistoryEntry;
use trimtab_core::ports::{HistoryQuestion, Settlement};
use trimtab_core::time::Timestamp;
use uuid::Uuid;

use super::append::{self, Append};
use super::body::Body;
use super::chain::Hash;
use super::fault::StoreFault;
use super::history;
use super::outgoing;
use super::retention;
use super::revisions::{RevisionWork, StoredRevision};
use crate::outbox::{OutboxReport, Outgoing};

/// One piece of work. Applied at most once; where its transaction fails it may be applied again.
#[derive(Debug)]
pub(crate) enum Work {
    /// A new step, stay or adopted step.
    Append(Box<Append>),
    /// A stay that says what the last record says.
    Repeat { uid: String, at: Timestamp, wake_at: Option<Timestamp> },
    /// The end of an open step.
    Settle(Box<Settle>),
    /// A remediation's object is gone.
    Gone { uid: String },
    /// The bytes behind a digest, compressed.
    Keep { kind: &'static str, digest: String, packed: Vec<u8> },
    /// Events are about to be sent, or surely were not received.
    MarkSent { ids: Vec<Uuid>, was_sent: bool },
    /// Events were received.
    Deliver { ids: Vec<Uuid>, at: Timestamp },
    /// An event is refused for good, or failed at while others are taken.
    Quarantine { id: Uuid, reason: String, at: Timestamp },
    /// Asks for the events to deliver next.
    Due { count: usize, bytes: usize },
    /// Asks what waits.
    Report,
    /// Asks for the size of the file, in bytes.
    Size,
    /// Asks what was done to an object.
    Past(Box<HistoryQuestion>),
    /// Asks for the bodies of the last decisions before an entry, newest first.
    Recent { before: Option<i64>, count: usize },
    /// Asks which remediations retention may remove.
    Candidates { has_receiver: bool },
    /// Removes the front of chains.
    Prune { fronts: Vec<retention::Front>, at: Timestamp },
    /// Removes what nothing names any more, except these digests, and gives space back.
    Sweep { pinned: Vec<(&'static str, String)>, anchors_before: Timestamp },
    /// Something about revisions of policy sets.
    Revision(Box<RevisionWork>),
    /// Lets a test change the connection.
    #[cfg(test)]
    Probe(fn(&Connection) -> rusqlite::Result<()>),
}

/// The end of an open step.
#[derive(Debug)]
pub(crate) struct Settle {
    pub(crate) uid: String,
    pub(crate) correlation: String,
    pub(crate) sequence: u64,
    /// The open step's entry.
    pub(crate) entry: i64,
    pub(crate) settlement: Settlement,
    pub(crate) at: Timestamp,
    pub(crate) body: Body,
    /// The phase that the remediation is in then, where it is known, and whether it is a terminal one.
    pub(crate) phase: Option<(&'static str, bool)>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Done {
    /// Stored, as this entry.
    Appended { entry: i64, events_waiting: usize },
    /// Stored.
    Changed,
    /// It was so already.
    Unchanged,
    /// Events to deliver.
    Due(Vec<Outgoing>),
    /// What waits.
    Report(OutboxReport),
    /// Bytes in use.
    Size(u64),
    /// What was done to an object.
    Past(Vec<HistoryEntry>),
    /// Entries of decisions, and their bodies, compressed.
    Recent(Vec<(i64, Vec<u8>)>),
    /// What may be removed.
    Candidates(Vec<retention::Candidate>),
    /// So many entries were removed.
    Pruned(u64),
    /// Revisions of a policy set.
    Revisions(Vec<StoredRevision>),
    /// The bytes behind a digest, compressed.
    Blob(Option<Vec<u8>>),
}

impl Work {
    /// Does it, within a transaction that is already open.
    pub(crate) fn apply(&self, connection: &Connection) -> Result<Done, StoreFault> {
        match self {
            Self::Append(append) => append.apply(connection),
            Self::Repeat { uid, at, wake_at } => repeat(connection, uid, *at, *wake_at),
            Self::Settle(settle) => settle.apply(connection),
            Self::Gone { uid } => {
                connection.prepare_cached("UPDATE remediation SET is_gone = 1 WHERE uid = ?1")?.execute([uid])?;
                Ok(Done::Changed)
            }
            Self::Keep { kind, digest, packed } => keep(connection, kind, digest, packed),
            Self::MarkSent { ids, was_sent } => outgoing::mark_sent(connection, ids, *was_sent),
            Self::Deliver { ids, at } => outgoing::deliver(connection, ids, *at),
            Self::Quarantine { id, reason, at } => outgoing::quarantine(connection, *id, reason, *at),
            Self::Due { count, bytes } => outgoing::due(connection, *count, *bytes).map(Done::Due),
            Self::Report => outgoing::report(connection).map(Done::Report),
            Self::Size => retention::size(connection).map(Done::Size),
            Self::Past(question) => history::past(connection, question).map(Done::Past),
            Self::Recent { before, count } => recent(connection, *before, *count),
            Self::Candidates { has_receiver } => retention::candidates(connection, *has_receiver).map(Done::Candidates),
            Self::Prune { fronts, at } => retention::prune(connection, fronts, *at).map(Done::Pruned),
            Self::Sweep { pinned, anchors_before } => retention::sweep(connection, pinned, *anchors_before),
            Self::Revision(work) => work.apply(connection),
            #[cfg(test)]
            Self::Probe(probe) => Ok(probe(connection).map(|()| Done::Changed)?),
        }
    }

    /// The remediation whose memory of what was said last is wrong when this is lost.
    pub(crate) fn says_for(&self) -> Option<&str> {
        match self {
            Self::Append(append) => Some(&append.uid),
            _ => None,
        }
    }
}

fn repeat(connection: &Connection, uid: &str, at: Timestamp, wake_at: Option<Timestamp>) -> Result<Done, StoreFault> {
    let sql = "INSERT INTO repeat (entry, count, last_at, wake_at) \
               SELECT said_entry, 1, ?2, ?3 FROM remediation WHERE uid = ?1 AND said_entry IS NOT NULL \
               ON CONFLICT (entry) DO UPDATE SET count = count + 1, last_at = excluded.last_at, wake_at = excluded.wake_at";
    connection.prepare_cached(sql)?.execute(params![uid, millis(at), wake_at.map(millis)])?;
    Ok(Done::Changed)
}

impl Settle {
    fn apply(&self, connection: &Connection) -> Result<Done, StoreFault> {
        let open: Option<i64> = connection
            .prepare_cached("SELECT open_entry FROM remediation WHERE uid = ?1")?
            .query_row([&self.uid], |row| row.get(0))
            .optional()?
            .flatten();
        if open != Some(self.entry) {
            return Ok(Done::Unchanged);
        }
        let row = append::Row {
            correlation: &self.correlation,
            uid: &self.uid,
            sequence: self.sequence,
            kind: "settlement",
            at: self.at,
            basis: None,
            body: &self.body,
        };
        let entry = append::insert_entry(connection, &row, &[] as &[Hash])?;
        let events_waiting = self.release_events(connection)?;
        self.note_end(connection, entry)?;
        if matches!(self.settlement, Settlement::Discarded { .. }) {
            history::withdraw(connection, &self.uid, self.entry)?;
        }
        if self.settlement == Settlement::Unknown {
            let sql = "UPDATE tally SET count = count + 1 WHERE name = 'unknown'";
            connection.prepare_cached(sql)?.execute([])?;
        }
        Ok(Done::Appended { entry, events_waiting })
    }

    /// Returns how many wait now.
    fn release_events(&self, connection: &Connection) -> Result<usize, StoreFault> {
        let is_confirmed = self.settlement == Settlement::Confirmed;
        let state = if is_confirmed { "waiting" } else { "withdrawn" };
        let sql = "UPDATE event SET state = ?3, settled_at = ?4 \
                   WHERE number BETWEEN ?1 AND ?2 AND state = 'held'";
        let (first, last) = append::numbers_of(self.entry);
        let changed = connection.prepare_cached(sql)?.execute(params![first, last, state, millis(self.at)])?;
        Ok(if is_confirmed { changed } else { 0 })
    }

    fn note_end(&self, connection: &Connection, entry: i64) -> Result<(), StoreFault> {
        // A discarded step was never taken, so its number is free again.
        let sequence = match self.settlement {
            Settlement::Confirmed | Settlement::Unknown => self.sequence,
            Settlement::Discarded { .. } => 0,
        };
        let (phase, has_ended) = self.phase.map_or((None, false), |(phase, has_ended)| (Some(phase), has_ended));
        let sql = "UPDATE remediation SET open_entry = NULL, last_entry = ?2, last_at = ?3, entries = entries + 1, \
                   bytes = bytes + ?4, sequence = max(sequence, ?5), phase = coalesce(?6, phase), \
                   has_ended = max(has_ended, ?7), is_gone = max(is_gone, ?8) WHERE uid = ?1";
        connection.prepare_cached(sql)?.execute(params![
            self.uid,
            entry,
            millis(self.at),
            length(self.body.packed.len()),
            whole(sequence),
            phase,
            has_ended,
            self.settlement == Settlement::Unknown,
        ])?;
        Ok(())
    }
}

fn keep(connection: &Connection, kind: &str, digest: &str, packed: &[u8]) -> Result<Done, StoreFault> {
    let sql = "INSERT INTO blob (kind, digest, bytes) VALUES (?1, ?2, ?3) \
               ON CONFLICT (kind, digest) DO UPDATE SET bytes = excluded.bytes WHERE bytes IS NULL";
    let changed = connection.prepare_cached(sql)?.execute(params![kind, digest, packed])?;
    Ok(if changed == 0 { Done::Unchanged } else { Done::Changed })
}

fn recent(connection: &Connection, before: Option<i64>, count: usize) -> Result<Done, StoreFault> {
    let sql = "SELECT id, body FROM entry WHERE id < ?1 AND kind IN ('step', 'stay') ORDER BY id DESC LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let parameters = (before.unwrap_or(i64::MAX), length(count));
    let bodies = statement.query_map(parameters, |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    Ok(Done::Recent(bodies))
}

/// The file's integers are signed; nothing here comes near the bound.
pub(crate) fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The other way; what is negative was not written by this crate.
pub(crate) fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(crate) fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

pub(crate) fn millis(at: Timestamp) -> i64 {
    whole(at.as_millis())
}

pub(crate) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(natural(millis))
}
