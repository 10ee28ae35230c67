//! Why the store could not do a piece of work, and what to do about it.

use rusqlite::ErrorCode;

/// What to do about a file that `SQLite` cannot read.
pub(crate) const MEND: &str = "move ledger.db, ledger.db-wal and ledger.db-shm away to start anew, or put back a copy; \
                               `sqlite3 ledger.db .recover` saves what can be read";

/// Why a piece of work was not done. Nothing of it is stored then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreFault {
    /// `SQLite` says no.
    #[error("{}", sentence(.0))]
    Sqlite(#[from] rusqlite::Error),
    /// It contradicts what is stored.
    #[error("{0}")]
    Refused(String),
    /// A body is too large, damaged or of a newer version.
    #[error("{0}")]
    Body(String),
    /// The writer's thread is gone.
    #[error("its writer has stopped; restart trimtab")]
    Stopped,
}

/// The words of `SQLite`, with the mend where there is one.
fn sentence(error: &rusqlite::Error) -> String {
    let words = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => format!("{words}; free space on its disk, then it goes on by itself"),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => format!("the file is damaged ({words}); {MEND}"),
        Some(ErrorCode::SystemIoFailure) => format!("{words}; look at the disk that holds it"),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            format!("{words}; make the folder and its files writable for this user")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("{words}; another program writes to the file: stop it")
        }
        _ => words,
    }
}
