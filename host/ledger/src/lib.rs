//! The ledger: what was decided and done, append-only, and the audit events on their way out.
//!
//! A step is recorded with its audit events before any of its effects and settled afterwards; a process that dies in
//! between finds the open step again. One process at a time may write it.

pub mod delivery;
mod history;
pub mod outbox;
pub mod reader;
mod sqlite;

pub use history::LedgerHistory;
pub use sqlite::retention::{Removed, RetentionSettings};
pub use sqlite::{BlobKind, LedgerNumbers, SqliteLedger, StoreSettings, StoredRevision};
