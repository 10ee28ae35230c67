//! Retention: which remediations may go, oldest first, and how they go without breaking their chains.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, params};
use trimtab_core::ports::LedgerFailure;
use trimtab_core::time::{Span, Timestamp};

use super::SqliteLedger;
use super::append::numbers_of;
use super::fault::StoreFault;
use super::history;
use super::work::{Done, Work, millis, natural, time};

/// Most fronts of one transaction: other work waits for it.
const FRONTS_MAX: usize = 64;

/// One that never ended, and that nothing was recorded of for so long, is not there any more if nobody knows its object: it went
/// while nobody watched.
const ABANDONED: Span = Span::from_secs(24 * 3600);

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionSettings {
    /// Most bytes of the file.
    pub bytes_max: u64,
    /// Greatest age of a remediation's last entry.
    pub age_max: Span,
}

impl Default for RetentionSettings {
    /// 2 GiB and 30 days.
    fn default() -> Self {
        Self { bytes_max: 2 << 30, age_max: Span::from_secs(30 * 24 * 3600) }
    }
}

/// What retention has removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Remediations.
    pub remediations: u64,
    /// Entries.
    pub entries: u64,
    /// Bytes given back.
    pub bytes: u64,
}

/// A remediation as retention sees it.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    correlation: String,
    uid: String,
    first: i64,
    last: i64,
    last_at: Timestamp,
    /// Its last step is settled, and no event of it is still to go out.
    is_prunable: bool,
    /// It has ended or is gone.
    is_over: bool,
}

/// The next part of a chain that may go: everything up to an entry.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    correlation: String,
    last: i64,
    uids: Vec<String>,
    /// When the last of it, and of all that lies before it, was recorded.
    at: Timestamp,
}

impl SqliteLedger {
    /// Removes what is too old, and then the oldest until the file is small enough.
    ///
    /// Only remediations that `keep` does not name, that have ended or of which nothing was recorded for a day, and whose audit
    /// events have all gone out, or nobody receives them. Keep those whose object still exists: a step that is removed is
    /// not known any more. Calls of this are made off the async workers; appends go on in between.
    pub fn retain(
        &self,
        now: Timestamp,
        settings: RetentionSettings,
        keep: &dyn Fn(&str) -> bool,
    ) -> Result<Removed, LedgerFailure> {
        let failure = |fault: StoreFault| self.failure("remove old records from", &fault);
        let Done::Candidates(mut candidates) =
            self.writer.ask(Work::Candidates { has_receiver: self.settings.has_receiver }).map_err(failure)?
        else {
            return Ok(Removed::default());
        };
        let before = |span: Span| Timestamp::from_millis(now.as_millis().saturating_sub(span.as_millis()));
        let (cutoff, abandoned) = (before(settings.age_max), before(ABANDONED));
        for candidate in &mut candidates {
            let is_over = candidate.is_over || candidate.last_at < abandoned;
            candidate.is_prunable = candidate.is_prunable && is_over && !keep(&candidate.uid);
        }
        let bytes_before = self.size().map_err(failure)?;
        let (mut removed, mut bytes) = (Removed::default(), bytes_before);
        let fronts = fronts(candidates);
        let mut rest = fronts.as_slice();
        while !rest.is_empty() {
            let count = if bytes > settings.bytes_max {
                rest.len().min(FRONTS_MAX)
            } else {
                rest.iter().take(FRONTS_MAX).take_while(|front| front.at < cutoff).count()
            };
            let (batch, later) = rest.split_at(count);
            if batch.is_empty() {
                break;
            }
            let work = Work::Prune { fronts: batch.to_vec(), at: now };
            if let Done::Pruned(entries) = self.writer.ask(work).map_err(failure)? {
                removed.entries += entries;
            }
            for uid in batch.iter().flat_map(|front| &front.uids) {
                removed.remediations += 1;
                self.memory.forget(uid);
            }
            bytes = self.size().map_err(failure)?;
            rest = later;
        }
        self.writer.ask(Work::Sweep { pinned: self.pinned(), anchors_before: cutoff }).map_err(failure)?;
        removed.bytes = bytes_before.saturating_sub(self.size().map_err(failure)?);
        Ok(removed)
    }

    pub(crate) fn size(&self) -> Result<u64, StoreFault> {
        match self.writer.ask(Work::Size)? {
            Done::Size(bytes) => Ok(bytes),
            _ => Ok(0),
        }
    }
}

/// The prunable parts of all chains, oldest first; those of one chain in their order.
///
/// Remediations whose entries are interleaved in one chain can only go together.
fn fronts(candidates: Vec<Candidate>) -> Vec<Front> {
    let mut chains: HashMap<String, Vec<Candidate>> = HashMap::new();
    for candidate in candidates {
        chains.entry(candidate.correlation.clone()).or_default().push(candidate);
    }
    let mut all: Vec<Front> = chains.into_values().flat_map(fronts_of).collect();
    all.sort_by(|a, b| (a.at, &a.correlation, a.last).cmp(&(b.at, &b.correlation, b.last)));
    all
}

fn fronts_of(mut chain: Vec<Candidate>) -> Vec<Front> {
    chain.sort_by_key(|candidate| candidate.first);
    let mut fronts: Vec<(Front, bool)> = Vec::new();
    for one in chain {
        match fronts.last_mut() {
            Some((front, is_prunable)) if one.first <= front.last => {
                front.last = front.last.max(one.last);
                front.at = front.at.max(one.last_at);
                front.uids.push(one.uid);
                *is_prunable = *is_prunable && one.is_prunable;
            }
            previous => {
                let at = previous.map_or(one.last_at, |(front, _)| front.at.max(one.last_at));
                let front = Front { correlation: one.correlation, last: one.last, uids: vec![one.uid], at };
                fronts.push((front, one.is_prunable));
            }
        }
    }
    fronts.into_iter().take_while(|(_, is_prunable)| *is_prunable).map(|(front, _)| front).collect()
}

/// Every remediation, and whether the ledger itself could do without it.
pub(crate) fn candidates(connection: &Connection, has_receiver: bool) -> Result<Vec<Candidate>, StoreFault> {
    let sql = "SELECT correlation, uid, first_entry, last_entry, last_at, \
               open_entry IS NULL AND uid NOT IN \
               (SELECT uid FROM event WHERE (state = 'held' OR state = 'waiting' OR state = 'quarantined') \
               AND (state <> 'waiting' OR ?1)), has_ended OR is_gone FROM remediation";
    let mut select = connection.prepare_cached(sql)?;
    let candidates = select.query_map([has_receiver], |row| {
        Ok(Candidate {
            correlation: row.get(0)?,
            uid: row.get(1)?,
            first: row.get(2)?,
            last: row.get(3)?,
            last_at: time(row.get(4)?),
            is_prunable: row.get(5)?,
            is_over: row.get(6)?,
        })
    })?;
    Ok(candidates.collect::<Result<_, _>>()?)
}

/// Removes fronts and returns how many entries they had. Refused where one has changed since it was looked at.
pub(crate) fn prune(connection: &Connection, fronts: &[Front], at: Timestamp) -> Result<u64, StoreFault> {
    for front in fronts {
        front.check(connection)?;
    }
    connection.prepare_cached("UPDATE guard SET is_pruning = 1")?.execute([])?;
    let mut entries = 0;
    for front in fronts {
        entries += front.remove(connection, at)?;
    }
    connection.prepare_cached("UPDATE guard SET is_pruning = 0")?.execute([])?;
    vacuum(connection)?;
    Ok(entries)
}

impl Front {
    fn check(&self, connection: &Connection) -> Result<(), StoreFault> {
        let sql = "SELECT 1 FROM remediation WHERE uid = ?1 AND (last_entry > ?2 OR open_entry IS NOT NULL)";
        let mut changed = connection.prepare_cached(sql)?;
        for uid in &self.uids {
            if changed.exists(params![uid, self.last])? {
                return Err(StoreFault::Refused(format!("remediation {uid} has gone on meanwhile; try again")));
            }
        }
        Ok(())
    }

    fn remove(&self, connection: &Connection, at: Timestamp) -> Result<u64, StoreFault> {
        let sql = "SELECT id, hash FROM entry WHERE correlation = ?1 AND id <= ?2 ORDER BY id";
        let rows: Vec<(i64, Vec<u8>)> = connection
            .prepare_cached(sql)?
            .query_map(params![self.correlation, self.last], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let Some((_, hash)) = rows.last() else { return Ok(0) };
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let sql = "INSERT INTO anchor (correlation, hash, count, at) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT (correlation) DO UPDATE SET hash = excluded.hash, count = count + excluded.count, \
                   at = excluded.at";
        connection.prepare_cached(sql)?.execute(params![self.correlation, hash, count, millis(at)])?;
        let mut events = connection.prepare_cached("DELETE FROM event WHERE number BETWEEN ?1 AND ?2")?;
        let mut repeat = connection.prepare_cached("DELETE FROM repeat WHERE entry = ?1")?;
        let mut entry = connection.prepare_cached("DELETE FROM entry WHERE id = ?1")?;
        for (id, _) in &rows {
            let (first, last) = numbers_of(*id);
            events.execute([first, last])?;
            repeat.execute([id])?;
            entry.execute([id])?;
        }
        let mut remediation = connection.prepare_cached("DELETE FROM remediation WHERE uid = ?1")?;
        for uid in &self.uids {
            remediation.execute([uid])?;
            history::remove(connection, uid)?;
        }
        Ok(natural(count))
    }
}

/// Removes what no entry names any more: digests that are not `pinned`, and the anchors of chains that were removed as
/// a whole before `anchors_before`, whose counts are kept under the empty name.
pub(crate) fn sweep(
    connection: &Connection,
    pinned: &[(&'static str, String)],
    anchors_before: Timestamp,
) -> Result<Done, StoreFault> {
    connection.execute("DELETE FROM basis WHERE NOT EXISTS (SELECT 1 FROM entry WHERE basis = basis.id)", [])?;
    let sql = "SELECT id, kind, digest FROM blob WHERE NOT EXISTS (SELECT 1 FROM basis_blob WHERE blob = blob.id) \
               AND NOT EXISTS (SELECT 1 FROM policy_revision_blob AS named \
               WHERE named.kind = blob.kind AND named.digest = blob.digest)";
    let unnamed: Vec<(i64, String, String)> = connection
        .prepare_cached(sql)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    for (id, kind, digest) in unnamed {
        if !pinned.iter().any(|(pin, name)| *pin == kind && *name == digest) {
            connection.prepare_cached("DELETE FROM blob WHERE id = ?1")?.execute([id])?;
        }
    }
    fold_anchors(connection, anchors_before)?;
    vacuum(connection)?;
    Ok(Done::Changed)
}

fn fold_anchors(connection: &Connection, before: Timestamp) -> Result<(), StoreFault> {
    let old = "correlation <> '' AND at < ?1 AND NOT EXISTS \
               (SELECT 1 FROM entry WHERE entry.correlation = anchor.correlation)";
    let sql = format!("SELECT sum(count) FROM anchor WHERE {old}");
    let sum: Option<i64> = connection.query_row(&sql, [millis(before)], |row| row.get(0)).optional()?.flatten();
    if let Some(count) = sum {
        connection.execute(&format!("DELETE FROM anchor WHERE {old}"), [millis(before)])?;
        let sql = "INSERT INTO anchor (correlation, hash, count, at) VALUES ('', x'', ?1, ?2) \
                   ON CONFLICT (correlation) DO UPDATE SET count = count + excluded.count, at = excluded.at";
        connection.execute(sql, params![count, millis(before)])?;
    }
    Ok(())
}

/// Gives free pages back to the disk. The pragma frees one page each time it is stepped.
fn vacuum(connection: &Connection) -> Result<(), StoreFault> {
    let mut pragma = connection.prepare_cached("PRAGMA incremental_vacuum")?;
    let mut rows = pragma.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// Bytes of the file that are in use.
pub(crate) fn size(connection: &Connection) -> Result<u64, StoreFault> {
    let sql = "SELECT (c.page_count - f.freelist_count) * s.page_size \
               FROM pragma_page_count c, pragma_freelist_count f, pragma_page_size s";
    Ok(natural(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?))
}
