//! How much space the ledger takes, and for what.

use rusqlite::Row;
use trimtab_core::ports::LedgerFailure;

use super::LedgerReader;
use crate::sqlite::fault::StoreFault;
use crate::sqlite::work::natural;

/// Space taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sizes {
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes of what each table holds, without indexes, by name.
    pub tables: Vec<(String, u64)>,
    /// Remediations.
    pub remediations: u64,
    /// Mean bytes of a remediation's entries and audit events; 0 where there is none.
    pub bytes_per_remediation: u64,
}

impl LedgerReader {
    /// Measures it. Reads every row's lengths, so it takes a while on a large ledger.
    pub fn sizes(&self) -> Result<Sizes, LedgerFailure> {
        let sql = "SELECT c.page_count * s.page_size FROM pragma_page_count c, pragma_page_size s";
        let bytes = self.all(sql, [], number)?.into_iter().next().unwrap_or(0);
        let totals = "SELECT count(*) FROM remediation UNION ALL SELECT coalesce(sum(bytes), 0) FROM remediation";
        let totals = self.all(totals, [], number)?;
        let (remediations, content) = (totals.first().copied().unwrap_or(0), totals.get(1).copied().unwrap_or(0));
        let tables = self.all(TABLES, [], |row| Ok((row.get(0)?, natural(row.get(1)?))))?;
        let bytes_per_remediation = content.checked_div(remediations).unwrap_or(0);
        Ok(Sizes { bytes, tables, remediations, bytes_per_remediation })
    }
}

fn number(row: &Row<'_>) -> Result<u64, StoreFault> {
    Ok(natural(row.get(0)?))
}

/// Integers are counted with eight bytes, hashes with what they have.
const TABLES: &str = "\
    SELECT 'entry', coalesce(sum(length(body) + length(correlation) + length(uid) + length(kind) + 128), 0) FROM entry \
    UNION ALL SELECT 'event', \
    coalesce(sum(length(body) + length(correlation) + length(uid) + length(type) + length(state) + 96), 0) FROM event \
    UNION ALL SELECT 'repeat', count(*) * 32 FROM repeat \
    UNION ALL SELECT 'remediation', coalesce(sum(length(uid) + length(correlation) + length(namespace) + 128), 0) \
    FROM remediation \
    UNION ALL SELECT 'blob', coalesce(sum(coalesce(length(bytes), 0) + length(digest) + length(kind) + 8), 0) FROM blob \
    UNION ALL SELECT 'basis', count(*) * 40 FROM basis \
    UNION ALL SELECT 'anchor', coalesce(sum(length(correlation) + 48), 0) FROM anchor";
