//! New entries: steps, stays and adopted steps, with their audit events.

use rusqlite::{Connection, OptionalExtension as _, params};
use trimtab_core::audit::AuditEvent;
use trimtab_core::time::Timestamp;
use uuid::Uuid;

use super::body::Body;
use super::chain::{self, Hash, Link};
use super::fault::StoreFault;
use super::history::Past;
use super::work::{Done, length, millis, whole};

/// Most audit events of one step: their numbers share the step's.
pub(crate) const EVENTS_MAX: usize = 256;

/// What kind of entry it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppendKind {
    /// A decision that leads to a step.
    Step,
    /// A decision that leads to none.
    Stay,
    /// A step that another host has carried out.
    Adopted,
}

impl AppendKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Stay => "stay",
            Self::Adopted => "adopted",
        }
    }
}

/// An audit event, encoded.
#[derive(Debug)]
pub(crate) struct NewEvent {
    id: Uuid,
    at: Timestamp,
    event_type: String,
    correlation: String,
    text: String,
    hash: Hash,
}

impl NewEvent {
    /// Encodes one.
    pub(crate) fn of(event: &AuditEvent) -> Self {
        let text = event.body.to_string();
        Self {
            id: event.id,
            at: event.at,
            event_type: event.event_type.clone(),
            correlation: event.correlation_id.clone(),
            hash: chain::hash_of(event, &text),
            text,
        }
    }
}

/// What a decision was made with.
#[derive(Debug)]
pub(crate) struct Basis {
    /// Hash of the digests.
    pub(crate) key: Hash,
    /// Kinds and digests, sorted.
    pub(crate) digests: Vec<(&'static str, String)>,
}

/// A new entry, encoded.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) kind: AppendKind,
    pub(crate) uid: String,
    pub(crate) correlation: String,
    pub(crate) namespace: String,
    pub(crate) sequence: u64,
    pub(crate) at: Timestamp,
    pub(crate) body: Body,
    pub(crate) basis: Option<Basis>,
    pub(crate) events: Vec<NewEvent>,
    /// What it says, for comparison with later stays.
    pub(crate) says: Option<Hash>,
    /// The observed phase and whether it is a terminal one.
    pub(crate) phase: Option<(&'static str, bool)>,
    /// What it leaves behind, where it is the end of a remediation.
    pub(crate) past: Option<Past>,
    /// Whether the step is known already, so that only new events are a reason to store it.
    pub(crate) is_known: bool,
}

impl Append {
    /// Stores it; see [`super::work::Work::apply`].
    pub(crate) fn apply(&self, connection: &Connection) -> Result<Done, StoreFault> {
        if self.kind == AppendKind::Step {
            self.refuse_a_second_open_step(connection)?;
        }
        let new = self.new_events(connection)?;
        if self.is_known && new.is_empty() {
            return Ok(Done::Unchanged);
        }
        let basis = self.basis.as_ref().map(|basis| basis.id(connection)).transpose()?;
        let hashes: Vec<Hash> = new.iter().map(|event| event.hash).collect();
        let row = Row {
            correlation: &self.correlation,
            uid: &self.uid,
            sequence: self.sequence,
            kind: self.kind.name(),
            at: self.at,
            basis,
            body: &self.body,
        };
        let entry = insert_entry(connection, &row, &hashes)?;
        self.insert_events(connection, entry, &new)?;
        self.note(connection, entry, &new)?;
        if let Some(past) = &self.past {
            past.insert(connection, &self.uid, entry, self.at)?;
        }
        let events_waiting = if self.kind == AppendKind::Adopted { new.len() } else { 0 };
        Ok(Done::Appended { entry, events_waiting })
    }

    fn refuse_a_second_open_step(&self, connection: &Connection) -> Result<(), StoreFault> {
        let sql = "SELECT 1 FROM remediation WHERE uid = ?1 AND open_entry IS NOT NULL";
        if connection.prepare_cached(sql)?.exists([&self.uid])? {
            return Err(StoreFault::Refused(
                "an earlier step of it is not settled yet; settle that one first".to_owned(),
            ));
        }
        Ok(())
    }

    /// The events that are not stored yet. One that is stored with another content is refused, except where another
    /// host's step is taken over: what this host has recorded itself is right then.
    fn new_events(&self, connection: &Connection) -> Result<Vec<&NewEvent>, StoreFault> {
        let mut new = Vec::with_capacity(self.events.len());
        let sql = "SELECT hash FROM event WHERE uid = ?1 AND id = ?2 AND state <> 'withdrawn'";
        let mut known = connection.prepare_cached(sql)?;
        for event in &self.events {
            let stored: Option<Vec<u8>> =
                known.query_row(params![self.uid, event.id.as_bytes().as_slice()], |row| row.get(0)).optional()?;
            match stored {
                None => new.push(event),
                Some(hash) if hash == event.hash || self.kind == AppendKind::Adopted => {}
                Some(_) => {
                    let text = format!("audit event {} is recorded already with another content", event.id);
                    return Err(StoreFault::Refused(text));
                }
            }
        }
        Ok(new)
    }

    fn insert_events(&self, connection: &Connection, entry: i64, new: &[&NewEvent]) -> Result<(), StoreFault> {
        let is_adopted = self.kind == AppendKind::Adopted;
        let (state, settled_at) = if is_adopted { ("waiting", Some(millis(self.at))) } else { ("held", None) };
        let sql = "INSERT INTO event \
                   (number, id, correlation, uid, sequence, at, type, hash, state, was_sent, settled_at, body) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
        let mut insert = connection.prepare_cached(sql)?;
        let (first, _) = numbers_of(entry);
        for (number, event) in (first..).zip(new) {
            insert.execute(params![
                number,
                event.id.as_bytes().as_slice(),
                event.correlation,
                self.uid,
                whole(self.sequence),
                millis(event.at),
                event.event_type,
                event.hash.as_slice(),
                state,
                is_adopted,
                settled_at,
                event.text,
            ])?;
        }
        Ok(())
    }

    /// Notes where the remediation is now.
    fn note(&self, connection: &Connection, entry: i64, new: &[&NewEvent]) -> Result<(), StoreFault> {
        let bytes = self.body.packed.len() + new.iter().map(|event| event.text.len()).sum::<usize>();
        let (phase, has_ended) = self.phase.map_or((None, false), |(phase, has_ended)| (Some(phase), has_ended));
        let sql = "INSERT INTO remediation (uid, correlation, namespace, began_at, last_at, first_entry, last_entry, \
                   entries, bytes, sequence, open_entry, phase, has_ended, said_entry, says) \
                   VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?5, 1, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
                   ON CONFLICT (uid) DO UPDATE SET last_at = excluded.last_at, last_entry = excluded.last_entry, \
                   entries = entries + 1, bytes = bytes + excluded.bytes, sequence = max(sequence, excluded.sequence), \
                   open_entry = coalesce(excluded.open_entry, open_entry), phase = coalesce(excluded.phase, phase), \
                   has_ended = max(has_ended, excluded.has_ended), \
                   said_entry = coalesce(excluded.said_entry, said_entry), says = coalesce(excluded.says, says)";
        connection.prepare_cached(sql)?.execute(params![
            self.uid,
            self.correlation,
            self.namespace,
            millis(self.at),
            entry,
            length(bytes),
            if self.kind == AppendKind::Adopted { whole(self.sequence) } else { 0 },
            (self.kind == AppendKind::Step).then_some(entry),
            phase,
            has_ended,
            self.says.map(|_| entry),
            self.says.as_ref().map(<[u8; 32]>::as_slice),
        ])?;
        Ok(())
    }
}

impl Basis {
    /// Sorts the digests and hashes them.
    pub(crate) fn of(mut digests: Vec<(&'static str, String)>) -> Self {
        digests.sort_unstable();
        digests.dedup();
        let parts: Vec<&[u8]> =
            digests.iter().flat_map(|(kind, digest)| [kind.as_bytes(), digest.as_bytes()]).collect();
        Self { key: chain::digest(&parts), digests }
    }

    fn id(&self, connection: &Connection) -> Result<i64, StoreFault> {
        let key = self.key.as_slice();
        let known = connection
            .prepare_cached("SELECT id FROM basis WHERE key = ?1")?
            .query_row([key], |row| row.get(0))
            .optional()?;
        if let Some(id) = known {
            return Ok(id);
        }
        connection.prepare_cached("INSERT INTO basis (key) VALUES (?1)")?.execute([key])?;
        let id = connection.last_insert_rowid();
        let mut name = connection
            .prepare_cached("INSERT INTO blob (kind, digest) VALUES (?1, ?2) ON CONFLICT (kind, digest) DO NOTHING")?;
        let mut link = connection.prepare_cached(
            "INSERT INTO basis_blob (basis, blob) SELECT ?1, id FROM blob WHERE kind = ?2 AND digest = ?3",
        )?;
        for (kind, digest) in &self.digests {
            name.execute(params![kind, digest])?;
            link.execute(params![id, kind, digest])?;
        }
        Ok(id)
    }
}

/// A row of `entry`, before it has a place in its chain.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) correlation: &'a str,
    pub(crate) uid: &'a str,
    pub(crate) sequence: u64,
    pub(crate) kind: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) basis: Option<i64>,
    pub(crate) body: &'a Body,
}

/// Puts an entry at the end of its chain and returns its id.
pub(crate) fn insert_entry(connection: &Connection, row: &Row<'_>, events: &[Hash]) -> Result<i64, StoreFault> {
    let previous = head(connection, row.correlation)?;
    let link = Link {
        previous: &previous,
        kind: row.kind,
        uid: row.uid,
        sequence: row.sequence,
        at: row.at,
        body_hash: &row.body.hash,
        events,
    };
    let sql = "INSERT INTO entry (correlation, uid, sequence, kind, at, basis, previous, hash, body_hash, body) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    connection.prepare_cached(sql)?.execute(params![
        row.correlation,
        row.uid,
        whole(row.sequence),
        row.kind,
        millis(row.at),
        row.basis,
        previous,
        link.hash().as_slice(),
        row.body.hash.as_slice(),
        row.body.packed,
    ])?;
    Ok(connection.last_insert_rowid())
}

/// The last hash of a chain.
fn head(connection: &Connection, correlation: &str) -> Result<Vec<u8>, StoreFault> {
    let last = connection
        .prepare_cached("SELECT hash FROM entry WHERE correlation = ?1 ORDER BY id DESC LIMIT 1")?
        .query_row([correlation], |row| row.get(0))
        .optional()?;
    if let Some(last) = last {
        return Ok(last);
    }
    let anchored = connection
        .prepare_cached("SELECT hash FROM anchor WHERE correlation = ?1")?
        .query_row([correlation], |row| row.get(0))
        .optional()?;
    Ok(anchored.unwrap_or_else(|| chain::genesis(correlation).to_vec()))
}

/// First and last number of an entry's events.
pub(crate) const fn numbers_of(entry: i64) -> (i64, i64) {
    (entry << 8, entry << 8 | 0xff)
}
