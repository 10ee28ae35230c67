//! Remediations: where each is, as far as the ledger knows.

use rusqlite::{Row, params};
use trimtab_core::ports::LedgerFailure;
use trimtab_core::time::Timestamp;

use super::LedgerReader;
use crate::sqlite::fault::StoreFault;
use crate::sqlite::work::{millis, natural, time};

/// Which remediations are read; the default is all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemediationFilter {
    /// Only of this name.
    pub name: Option<String>,
    /// Only of this namespace.
    pub namespace: Option<String>,
    /// Only those in this phase.
    pub phase: Option<String>,
    /// Only those with an entry at or after this time.
    pub since: Option<Timestamp>,
    /// At most so many, the latest.
    pub limit: Option<u32>,
}

/// A remediation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRemediation {
    /// Its uid.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The phase that it was last seen in or brought to; absent before the first step is confirmed.
    pub phase: Option<String>,
    /// Whether that is a terminal one.
    pub has_ended: bool,
    /// Whether its object is gone.
    pub is_gone: bool,
    /// Whether a step of it is not settled yet.
    pub is_open: bool,
    /// Entries recorded.
    pub entries: u64,
    /// Bytes of its entries and audit events.
    pub bytes: u64,
    /// When its first entry was decided.
    pub began_at: Timestamp,
    /// When its last one was decided or settled.
    pub last_at: Timestamp,
}

impl LedgerReader {
    /// Remediations, the latest first.
    pub fn remediations(&self, filter: &RemediationFilter) -> Result<Vec<StoredRemediation>, LedgerFailure> {
        let sql = "SELECT uid, namespace, correlation, phase, has_ended, is_gone, open_entry IS NOT NULL, entries, \
                   bytes, began_at, last_at FROM remediation \
                   WHERE (?1 IS NULL OR correlation = ?1) AND (?2 IS NULL OR namespace = ?2) \
                   AND (?3 IS NULL OR phase = ?3) AND (?4 IS NULL OR last_at >= ?4) \
                   ORDER BY last_entry DESC LIMIT ?5";
        let limit = filter.limit.map_or(-1, i64::from);
        let since = filter.since.map(millis);
        self.all(sql, params![filter.name, filter.namespace, filter.phase, since, limit], remediation)
    }
}

fn remediation(row: &Row<'_>) -> Result<StoredRemediation, StoreFault> {
    Ok(StoredRemediation {
        uid: row.get(0)?,
        namespace: row.get(1)?,
        name: row.get(2)?,
        phase: row.get(3)?,
        has_ended: row.get(4)?,
        is_gone: row.get(5)?,
        is_open: row.get(6)?,
        entries: natural(row.get(7)?),
        bytes: natural(row.get(8)?),
        began_at: time(row.get(9)?),
        last_at: time(row.get(10)?),
    })
}
