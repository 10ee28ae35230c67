//! Verification: whether anything was changed, removed or swapped since it was recorded.

use rusqlite::{OptionalExtension as _, Row};
use trimtab_core::ports::LedgerFailure;
use uuid::Uuid;

use super::LedgerReader;
use crate::sqlite::chain::{self, Hash, Link};
use crate::sqlite::fault::StoreFault;
use crate::sqlite::packing;
use crate::sqlite::work::{natural, time};

/// Something that is not as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The chain: the remediation's name; empty where it is about the ledger as a whole.
    pub correlation: String,
    /// Id of the entry.
    pub entry: Option<i64>,
    /// Id of the audit event.
    pub event: Option<Uuid>,
    /// What is wrong, in a sentence.
    pub what: String,
}

/// What verification has found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verification {
    /// Chains read.
    pub chains: u64,
    /// Entries read.
    pub entries: u64,
    /// Audit events read.
    pub events: u64,
    /// What is not as it was recorded, by chain and entry.
    pub damages: Vec<Damage>,
}

impl Verification {
    /// Whether all is as it was recorded.
    pub fn is_sound(&self) -> bool {
        self.damages.is_empty()
    }
}

impl LedgerReader {
    /// Verifies one chain, or all of them with `None`: hashes, order and completeness.
    ///
    /// Only a verification of all notices entries that are missing at the end of a chain, and events without an entry.
    pub fn verify(&self, correlation: Option<&str>) -> Result<Verification, LedgerFailure> {
        self.try_verify(correlation).map_err(|fault| self.failure(&fault))
    }

    fn try_verify(&self, correlation: Option<&str>) -> Result<Verification, StoreFault> {
        // One snapshot, however long it takes and whatever is written meanwhile.
        let _snapshot = self.connection.unchecked_transaction()?;
        let mut report = Verification::default();
        let names = match correlation {
            Some(name) => vec![name.to_owned()],
            None => self.try_all("SELECT DISTINCT correlation FROM entry ORDER BY 1", [], |row| Ok(row.get(0)?))?,
        };
        for name in &names {
            report.chains += 1;
            self.verify_chain(name, &mut report)?;
        }
        if correlation.is_none() {
            self.verify_whole(&mut report)?;
        }
        Ok(report)
    }

    fn verify_chain(&self, correlation: &str, report: &mut Verification) -> Result<(), StoreFault> {
        let anchored = self
            .connection
            .query_row("SELECT hash FROM anchor WHERE correlation = ?1", [correlation], |row| row.get(0))
            .optional()?;
        let mut previous: Vec<u8> = anchored.unwrap_or_else(|| chain::genesis(correlation).to_vec());
        let sql = "SELECT id, uid, sequence, kind, at, previous, hash, body_hash, body FROM entry \
                   WHERE correlation = ?1 ORDER BY id";
        let mut select = self.connection.prepare_cached(sql)?;
        let mut rows = select.query([correlation])?;
        while let Some(row) = rows.next()? {
            let entry = Entry::of(row)?;
            report.entries += 1;
            let events = self.verify_events(correlation, entry.id, report)?;
            for what in entry.damages(&previous, &events) {
                let entry = Some(entry.id);
                report.damages.push(Damage { correlation: correlation.to_owned(), entry, event: None, what });
            }
            previous = entry.hash;
        }
        Ok(())
    }

    /// Returns the hashes that the entry's events are stored with.
    fn verify_events(&self, correlation: &str, entry: i64, report: &mut Verification) -> Result<Vec<Hash>, StoreFault> {
        let sql = "SELECT id, correlation, type, at, body, hash FROM event WHERE number BETWEEN ?1 AND ?2 \
                   ORDER BY number";
        let mut select = self.connection.prepare_cached(sql)?;
        let mut rows = select.query([entry << 8, entry << 8 | 0xff])?;
        let mut hashes = Vec::new();
        while let Some(row) = rows.next()? {
            let (id, stored): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(5)?);
            let (name, event_type, body): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(4)?);
            let hash = chain::event_hash(&id, &name, &event_type, time(row.get(3)?), &body);
            report.events += 1;
            if hash != *stored {
                report.damages.push(Damage {
                    correlation: correlation.to_owned(),
                    entry: Some(entry),
                    event: Uuid::from_slice(&id).ok(),
                    what: "its id, correlation id, type, time or body was changed".to_owned(),
                });
            }
            hashes.push(Hash::try_from(stored).unwrap_or(hash));
        }
        Ok(hashes)
    }

    fn verify_whole(&self, report: &mut Verification) -> Result<(), StoreFault> {
        let damage = |entry, event, what| Damage { correlation: String::new(), entry, event, what };
        let orphans = "SELECT id, entry FROM event \
                       WHERE NOT EXISTS (SELECT 1 FROM entry WHERE entry.id = event.number >> 8) ORDER BY number";
        for (id, entry) in self.try_all(orphans, [], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?)))? {
            let what = "the entry that it was recorded with is missing".to_owned();
            report.damages.push(damage(Some(entry), Uuid::from_slice(&id).ok(), what));
        }
        let sql = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'entry'), 0), \
                   coalesce((SELECT sum(count) FROM anchor), 0)";
        let (recorded, removed): (i64, i64) =
            self.connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let there = i64::try_from(report.entries).unwrap_or(i64::MAX);
        let missing = recorded.saturating_sub(removed).saturating_sub(there);
        if missing != 0 {
            let what = format!(
                "{recorded} entries were recorded and {removed} removed by retention, but {there} are there: \
                 {} too {}",
                missing.abs(),
                if missing > 0 { "few" } else { "many" }
            );
            report.damages.push(damage(None, None, what));
        }
        Ok(())
    }
}

/// An entry as it is stored.
struct Entry {
    id: i64,
    uid: String,
    sequence: u64,
    kind: String,
    at: i64,
    previous: Vec<u8>,
    hash: Vec<u8>,
    body_hash: Vec<u8>,
    body: Vec<u8>,
}

impl Entry {
    fn of(row: &Row<'_>) -> Result<Self, StoreFault> {
        Ok(Self {
            id: row.get(0)?,
            uid: row.get(1)?,
            sequence: natural(row.get(2)?),
            kind: row.get(3)?,
            at: row.get(4)?,
            previous: row.get(5)?,
            hash: row.get(6)?,
            body_hash: row.get(7)?,
            body: row.get(8)?,
        })
    }

    fn damages(&self, previous: &[u8], events: &[Hash]) -> Vec<String> {
        let mut damages = Vec::new();
        match packing::unpack(&self.body) {
            Ok(json) if chain::sha256(&json) == *self.body_hash => {}
            Ok(_) => damages.push("its body was changed".to_owned()),
            Err(fault) => damages.push(fault.to_string()),
        }
        if self.previous != previous {
            damages.push("it does not follow the entry before it: one was removed, inserted or moved".to_owned());
        }
        let link = Link {
            previous: &self.previous,
            kind: &self.kind,
            uid: &self.uid,
            sequence: self.sequence,
            at: time(self.at),
            body_hash: &self.body_hash,
            events,
        };
        if link.hash() != *self.hash {
            let what = "its hash does not match: its kind, uid, step, time, hashes or list of events was changed";
            damages.push(what.to_owned());
        }
        damages
    }
}
