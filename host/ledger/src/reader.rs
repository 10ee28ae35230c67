//! Reading the ledger for tools: a handle of its own, usable while another process writes.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row};
use trimtab_core::plan::Plan;
use trimtab_core::ports::{DecisionRecord, ForeignStep, LedgerFailure, Settlement};
use trimtab_core::time::Timestamp;

use crate::sqlite::BlobKind;
use crate::sqlite::fault::StoreFault;
use crate::sqlite::file;
use crate::sqlite::work::{natural, time};
use crate::sqlite::{body, packing};

mod event;
mod remediation;
mod size;
mod verify;

pub use event::{EventFilter, EventState, StoredEvent};
pub use remediation::{RemediationFilter, StoredRemediation};
pub use size::Sizes;
pub use verify::{Damage, Verification};

/// Reads a ledger without ever writing to it.
#[derive(Debug)]
pub struct LedgerReader {
    connection: Connection,
    thing: String,
}

/// An entry, read back.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEntry {
    /// Its id: larger ones were recorded later.
    pub id: i64,
    /// Uid of the remediation.
    pub uid: String,
    /// Name of the remediation.
    pub name: String,
    /// Number of the step; of a stay, of the last step before it.
    pub sequence: u64,
    /// When it was decided or settled.
    pub at: Timestamp,
    /// How often the same was decided again.
    pub repeats: u64,
    /// When it was decided last.
    pub last_at: Timestamp,
    /// When it was to be decided again, as it was said last; absent where only a change was awaited.
    pub wake_at: Option<Timestamp>,
    /// What it says.
    pub content: EntryContent,
    /// Digest of the environment that it was decided in.
    pub environment: Option<String>,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq)]
pub enum EntryContent {
    /// A decision that led to a step.
    Step {
        /// The decision.
        record: Box<DecisionRecord>,
        /// The step.
        plan: Arc<Plan>,
    },
    /// A decision to stay.
    Stay {
        /// The decision.
        record: Box<DecisionRecord>,
    },
    /// How the open step ended.
    Settlement(Settlement),
    /// A step that another host has carried out.
    Adopted(ForeignStep),
}

impl EntryContent {
    /// "step", "stay", "settlement" or "adopted".
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Step { .. } => "step",
            Self::Stay { .. } => "stay",
            Self::Settlement(_) => "settlement",
            Self::Adopted(_) => "adopted",
        }
    }
}

impl LedgerReader {
    /// Opens the ledger in `folder`. It must exist, and have the version of this trimtab.
    pub fn open(folder: &Path) -> Result<Self, LedgerFailure> {
        let path = folder.join(file::FILE_NAME);
        let failure = |why: String| LedgerFailure { what: "read", thing: path.display().to_string(), why };
        if !path.exists() {
            return Err(failure("there is none; name the --data folder of a trimtab that has run".to_owned()));
        }
        let connection = connect(&path).map_err(|fault| failure(fault.to_string()))?;
        let version = file::version(&connection).map_err(|fault| failure(fault.to_string()))?;
        let known = file::version_known();
        if version != known {
            let mend = if version > known { "use a newer trimtab" } else { "start `trimtab run` once to bring it up" };
            return Err(failure(format!("it has version {version}, this trimtab reads {known}; {mend}")));
        }
        Ok(Self { thing: path.display().to_string(), connection })
    }

    /// Every entry of one remediation, or of all remediations of one name, in the order in which they were recorded.
    pub fn decisions(&self, uid_or_name: &str) -> Result<Vec<StoredEntry>, LedgerFailure> {
        let (sql, name) = match self.name_of(uid_or_name).map_err(|fault| self.failure(&fault))? {
            Some(name) => (format!("{ENTRIES} WHERE e.correlation = ?1 AND e.uid = ?2 ORDER BY e.id"), name),
            None => (format!("{ENTRIES} WHERE e.correlation = ?1 AND ?2 = ?2 ORDER BY e.id"), uid_or_name.to_owned()),
        };
        self.all(&sql, [name.as_str(), uid_or_name], entry)
    }

    /// The bytes behind a digest; `None` where it was never kept, or nothing named it any more.
    pub fn blob(&self, kind: BlobKind, digest: &str) -> Result<Option<Vec<u8>>, LedgerFailure> {
        let sql = "SELECT bytes FROM blob WHERE kind = ?1 AND digest = ?2";
        let packed: Option<Option<Vec<u8>>> = self
            .connection
            .query_row(sql, [kind.name(), digest], |row| row.get(0))
            .optional()
            .map_err(|error| self.failure(&error.into()))?;
        packed.flatten().map(|packed| packing::unpack(&packed)).transpose().map_err(|fault| self.failure(&fault))
    }

    /// Name of the remediation of this uid.
    fn name_of(&self, uid: &str) -> Result<Option<String>, StoreFault> {
        let sql = "SELECT correlation FROM remediation WHERE uid = ?1";
        Ok(self.connection.query_row(sql, [uid], |row| row.get(0)).optional()?)
    }

    fn all<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        read: fn(&Row<'_>) -> Result<T, StoreFault>,
    ) -> Result<Vec<T>, LedgerFailure> {
        self.try_all(sql, parameters, read).map_err(|fault| self.failure(&fault))
    }

    fn try_all<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        read: fn(&Row<'_>) -> Result<T, StoreFault>,
    ) -> Result<Vec<T>, StoreFault> {
        let mut select = self.connection.prepare_cached(sql)?;
        let mut rows = select.query(parameters)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(row)?);
        }
        Ok(all)
    }

    fn failure(&self, fault: &StoreFault) -> LedgerFailure {
        LedgerFailure { what: "read", thing: self.thing.clone(), why: fault.to_string() }
    }
}

fn connect(path: &Path) -> Result<Connection, StoreFault> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(file::BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

const ENTRIES: &str = "SELECT e.id, e.uid, e.correlation, e.sequence, e.at, e.kind, e.body, r.count, r.last_at, r.wake_at \
                       FROM entry e LEFT JOIN repeat r ON r.entry = e.id";

fn entry(row: &Row<'_>) -> Result<StoredEntry, StoreFault> {
    let id: i64 = row.get(0)?;
    let fault = |fault: StoreFault| StoreFault::Body(format!("entry {id}: {fault}"));
    let packed: Vec<u8> = row.get(6)?;
    let mut environment = None;
    let content = match row.get::<_, String>(5)?.as_str() {
        "settlement" => EntryContent::Settlement(body::read_settlement(&packed).map_err(fault)?),
        "adopted" => EntryContent::Adopted(body::read_adopted(&packed).map_err(fault)?),
        kind => {
            let mut read = body::read_decision(&packed).map_err(fault)?;
            environment = read.environment.take();
            match read.plan().cloned().filter(|_| kind == "step") {
                Some(plan) => EntryContent::Step { record: Box::new(read.record), plan },
                None => EntryContent::Stay { record: Box::new(read.record) },
            }
        }
    };
    let at = time(row.get(4)?);
    let repeats = row.get::<_, Option<i64>>(7)?.map_or(0, natural);
    let first_wake = match &content {
        EntryContent::Step { record, .. } | EntryContent::Stay { record } => record.decision.wake_at,
        EntryContent::Settlement(_) | EntryContent::Adopted(_) => None,
    };
    Ok(StoredEntry {
        id,
        uid: row.get(1)?,
        name: row.get(2)?,
        sequence: natural(row.get(3)?),
        at,
        repeats,
        last_at: row.get::<_, Option<i64>>(8)?.map_or(at, time),
        wake_at: if repeats == 0 { first_wake } else { row.get::<_, Option<i64>>(9)?.map(time) },
        content,
        environment,
    })
}

#[cfg(test)]
mod tests;
