//! The ledger's file: who may write it, how `SQLite` is set, and which version it has.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use trimtab_core::ports::LedgerFailure;

use super::fault::StoreFault;

/// Name of the file in the data folder.
pub(crate) const FILE_NAME: &str = "ledger.db";

/// Name of the file whose lock says that a process writes the ledger.
const LOCK_NAME: &str = "ledger.lock";

/// Every version's changes, in order. What was released once never changes: a change is a new text at the end.
pub(super) const MIGRATIONS: [&str; 5] = [
    include_str!("../migrations/0001_ledger.sql"),
    include_str!("../migrations/0002_history.sql"),
    include_str!("../migrations/0003_policy_revisions.sql"),
    include_str!("../migrations/0004_ramps.sql"),
    include_str!("../migrations/0005_less_to_write.sql"),
];

/// How long a statement waits for a reader's lock.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The file, held by this process alone.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    /// Let go of last.
    pub(crate) lock: File,
}

/// Opens or creates the file in `folder`, and brings it to this version.
pub(crate) fn hold(folder: &Path) -> Result<Held, LedgerFailure> {
    let path = folder.join(FILE_NAME);
    let failure = |what, why: String| LedgerFailure { what, thing: path.display().to_string(), why };
    std::fs::create_dir_all(folder).map_err(|error| failure("create the folder of", error.to_string()))?;
    let private =
        |name: &Path| OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(name);
    let lock = private(&folder.join(LOCK_NAME)).map_err(|error| failure("lock", error.to_string()))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let why = "another trimtab process holds it; stop that one or give this one its own --data folder";
            return Err(failure("open", why.to_owned()));
        }
        Err(TryLockError::Error(error)) => return Err(failure("lock", error.to_string())),
    }
    // SQLite gives its other files the permissions of this one.
    private(&path)
        .and_then(|file| file.set_permissions(Permissions::from_mode(0o600)))
        .map_err(|error| failure("open", error.to_string()))?;
    let connection = connect(&path).map_err(|fault| failure("open", fault.to_string()))?;
    bring_up(&connection).map_err(|fault| failure("open", fault.to_string()))?;
    Ok(Held { connection, path, lock })
}

fn connect(path: &Path) -> Result<Connection, StoreFault> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Both hold only if they come before the first table.
    connection.pragma_update(None, "page_size", 4096)?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        let text = format!("its disk cannot do write-ahead logging (it offers \"{mode}\"); use a local disk");
        return Err(StoreFault::Refused(text));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 2000)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    set(&connection)?;
    Ok(connection)
}

/// A ledger without a file.
pub(crate) fn in_memory() -> Result<Connection, StoreFault> {
    let connection = Connection::open_in_memory()?;
    set(&connection)?;
    bring_up(&connection)?;
    Ok(connection)
}

/// Brings it to this version. Only then does it sort in memory: a migration that makes an index of every event sorts them in a
/// file.
fn bring_up(connection: &Connection) -> Result<(), StoreFault> {
    migrate(connection, &MIGRATIONS)?;
    Ok(connection.pragma_update(None, "temp_store", "MEMORY")?)
}

fn set(connection: &Connection) -> Result<(), StoreFault> {
    connection.pragma_update(None, "foreign_keys", true)?;
    // In KiB: what the last minutes touched fits, and more would only stay in memory.
    connection.pragma_update(None, "cache_size", -2_000)?;
    // Else every statement whose parameter is compared with a partial index's column is prepared anew each time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Brings the file from whatever version it has to the last one, each step in its own transaction.
pub(crate) fn migrate(connection: &Connection, migrations: &[&str]) -> Result<(), StoreFault> {
    let version = version(connection)?;
    let known = migrations.len();
    if version > known {
        let text = format!("it has version {version}, this trimtab reads up to {known}; use a newer trimtab");
        return Err(StoreFault::Refused(text));
    }
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if version == 0 && tables > 0 {
        let text = "the file holds something else than a ledger; move it away or use another --data folder";
        return Err(StoreFault::Refused(text.to_owned()));
    }
    for (number, sql) in (1_usize..).zip(migrations).skip(version) {
        let done = connection.execute_batch(&format!("BEGIN IMMEDIATE; {sql} PRAGMA user_version = {number}; COMMIT;"));
        if let Err(error) = done {
            if !connection.is_autocommit() {
                connection.execute_batch("ROLLBACK")?;
            }
            return Err(error.into());
        }
    }
    Ok(())
}

/// How many migrations the file has seen.
pub(crate) fn version(connection: &Connection) -> Result<usize, StoreFault> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

/// How many migrations this crate knows.
pub(crate) const fn version_known() -> usize {
    MIGRATIONS.len()
}
