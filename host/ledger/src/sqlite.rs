//! The ledger in one `SQLite` file, with one writer.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use serde_json::Value;
use trimtab_core::observation::{HistoryEntry, Observation};
use trimtab_core::ports::{HistoryQuestion, LedgerFailure};

use self::fault::StoreFault;
use self::memory::Memory;
use self::retention::RetentionSettings;
pub use self::revisions::StoredRevision;
use self::work::{Done, Work};
use self::writer::Writer;

mod append;
pub(crate) mod body;
pub(crate) mod chain;
mod delivering;
pub(crate) mod fault;
pub(crate) mod file;
mod history;
mod memory;
pub(crate) mod outgoing;
pub(crate) mod packing;
mod recording;
pub(crate) mod retention;
mod revisions;
pub(crate) mod work;
mod writer;

/// How the ledger works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreSettings {
    /// Most records of one transaction.
    pub batch_max: usize,
    /// Most records that wait for the writer; then callers wait to join the queue.
    pub queue_max: usize,
    /// How much is kept when the ledger is tidied.
    pub retention: RetentionSettings,
    /// Whether anybody receives audit events. Where nobody does, those that wait do not keep old records.
    pub has_receiver: bool,
}

impl Default for StoreSettings {
    /// 256, 1024, 2 GiB and 30 days; somebody receives.
    fn default() -> Self {
        Self { batch_max: 256, queue_max: 1024, retention: RetentionSettings::default(), has_receiver: true }
    }
}

/// How many of the last decisions are read at a time: half a millisecond of the writer's.
const RECENT_PAGE: usize = 32;

/// What is kept by digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlobKind {
    /// A policy's component; its digest is `sha256:` and 64 hexadecimal digits.
    Component,
    /// A policy's config; its digest is as [`trimtab_core::record::Revision`] has it.
    Config,
    /// What else decisions depend on: settings, fail strategies, limits.
    Environment,
}

impl BlobKind {
    /// The name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Config => "config",
            Self::Environment => "environment",
        }
    }
}

/// Numbers for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LedgerNumbers {
    /// Entries stored.
    pub entries: u64,
    /// Bytes of the file in use.
    pub bytes: u64,
    /// Steps whose object was gone before they were settled, since the ledger began.
    pub unknown: u64,
    /// Writes that failed since the process started.
    pub failures: u64,
    /// Transactions since the process started: entries share them.
    pub commits: u64,
}

type Wake = Box<dyn Fn() + Send + Sync>;

/// The ledger and its outbox.
///
/// Dropping it waits until all that was noted is stored.
pub struct SqliteLedger {
    /// Before the lock, so that the last write is done when another process may begin.
    writer: Writer,
    memory: Arc<Memory>,
    thing: String,
    settings: StoreSettings,
    /// Digest of the present environment.
    environment: RwLock<Option<Arc<str>>>,
    /// What this process uses: kept although no record may name it yet.
    pinned: Mutex<BTreeSet<(&'static str, String)>>,
    wakes: RwLock<Vec<Wake>>,
    _lock: Option<File>,
}

impl std::fmt::Debug for SqliteLedger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteLedger").field("path", &self.thing).finish_non_exhaustive()
    }
}

impl SqliteLedger {
    /// Opens or creates `ledger.db` in `folder` and reads which steps are open.
    ///
    /// What was not acknowledged when the last writer died is dropped: its effects had not begun.
    pub fn open(folder: &Path, settings: StoreSettings) -> Result<Self, LedgerFailure> {
        let held = file::hold(folder)?;
        let thing = held.path.display().to_string();
        let failure = |what, why| LedgerFailure { what, thing: thing.clone(), why };
        let memory = Memory::read(&held.connection).map_err(|fault| failure("read", fault.to_string()))?;
        let memory = Arc::new(memory);
        let writer = Writer::start(held.connection, settings, Arc::clone(&memory))
            .map_err(|error| failure("start the writer of", error.to_string()))?;
        Ok(Self::of(writer, memory, thing, settings, Some(held.lock)))
    }

    /// A ledger that ends with the process, without a file or a thread: for virtual runs.
    pub fn in_memory() -> Result<Self, LedgerFailure> {
        let thing = "in memory".to_owned();
        let failure = |fault: StoreFault| LedgerFailure { what: "open", thing: thing.clone(), why: fault.to_string() };
        let connection = file::in_memory().map_err(failure)?;
        let memory = Arc::new(Memory::read(&connection).map_err(failure)?);
        let writer = Writer::inline(connection, Arc::clone(&memory));
        Ok(Self::of(writer, memory, thing, StoreSettings::default(), None))
    }

    fn of(writer: Writer, memory: Arc<Memory>, thing: String, settings: StoreSettings, lock: Option<File>) -> Self {
        Self {
            writer,
            memory,
            thing,
            settings,
            environment: RwLock::default(),
            pinned: Mutex::default(),
            wakes: RwLock::default(),
            _lock: lock,
        }
    }

    /// Where the file of a ledger in `folder` is.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join(file::FILE_NAME)
    }

    /// Keeps the bytes behind a digest while a record names it, or this process runs. Again is harmless.
    pub fn keep(&self, kind: BlobKind, digest: &str, bytes: &[u8]) -> Result<(), LedgerFailure> {
        let failure = |why| LedgerFailure { what: "keep", thing: format!("{} {digest}", kind.name()), why };
        let pin = (kind.name(), digest.to_owned());
        if self.lock_pinned().contains(&pin) {
            return Ok(());
        }
        if kind == BlobKind::Component && digest != digest_of(bytes) {
            return Err(failure(format!("the bytes have the digest {}", digest_of(bytes))));
        }
        let packed = packing::pack(bytes).map_err(|fault| failure(fault.to_string()))?;
        // Pinned first: what is stored and not pinned may be removed at once.
        self.lock_pinned().insert(pin.clone());
        let work = Work::Keep { kind: kind.name(), digest: digest.to_owned(), packed };
        self.writer.ask(work).map(drop).map_err(|fault| {
            self.lock_pinned().remove(&pin);
            failure(fault.to_string())
        })
    }

    /// Says what decisions depend on besides their observation and policies: every later record that has no basis of its own
    /// names it.
    pub fn set_environment(&self, json: &Value) -> Result<(), LedgerFailure> {
        let digest = self.keep_environment(json)?;
        *self.environment.write().unwrap_or_else(PoisonError::into_inner) = Some(digest.into());
        Ok(())
    }

    /// Keeps an environment; the result is its digest, by which the basis of a record names it.
    pub fn keep_environment(&self, json: &Value) -> Result<String, LedgerFailure> {
        let text = json.to_string();
        let digest = digest_of(text.as_bytes());
        self.keep(BlobKind::Environment, &digest, text.as_bytes())?;
        Ok(digest)
    }

    /// Numbers for metrics.
    pub fn numbers(&self) -> Result<LedgerNumbers, LedgerFailure> {
        let bytes = self.size().map_err(|fault| self.failure("measure", &fault))?;
        Ok(self.memory.numbers(bytes))
    }

    /// What was done to an object; waits for the writer.
    pub(crate) fn past(&self, question: &HistoryQuestion) -> Result<Vec<HistoryEntry>, StoreFault> {
        match self.writer.ask(Work::Past(Box::new(question.clone())))? {
            Done::Past(found) => Ok(found),
            _ => Ok(Vec::new()),
        }
    }

    /// The observations of the last decisions, newest first: `most` of those that are `wanted`, out of `count` decisions.
    /// Those that cannot be read are left out. Waits for the writer, a few decisions at a time: others wait for it too.
    pub fn recent_observations(
        &self,
        count: usize,
        most: usize,
        wanted: &dyn Fn(&Observation) -> bool,
    ) -> Result<Vec<Arc<Observation>>, LedgerFailure> {
        let failure = |fault: StoreFault| self.failure("read the last decisions of", &fault);
        let (mut found, mut before, mut left) = (Vec::new(), None, count);
        while found.len() < most && left > 0 {
            let page = left.min(RECENT_PAGE);
            left -= page;
            let Done::Recent(bodies) = self.writer.ask(Work::Recent { before, count: page }).map_err(failure)? else {
                break;
            };
            before = bodies.last().map(|(entry, _)| *entry);
            if bodies.len() < page {
                left = 0;
            }
            let read = bodies.iter().filter_map(|(_, packed)| body::read_decision(packed).ok());
            let wanted = read.map(|read| read.record.observation).filter(|seen| wanted(seen));
            found.extend(wanted.take(most - found.len()));
        }
        Ok(found)
    }

    /// Whether it works on its callers' threads.
    pub(crate) fn is_inline(&self) -> bool {
        self.writer.is_inline()
    }

    fn environment(&self) -> Option<Arc<str>> {
        self.environment.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock_pinned(&self) -> MutexGuard<'_, BTreeSet<(&'static str, String)>> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pinned(&self) -> Vec<(&'static str, String)> {
        self.lock_pinned().iter().cloned().collect()
    }

    fn failure(&self, what: &'static str, fault: &StoreFault) -> LedgerFailure {
        LedgerFailure { what, thing: self.thing.clone(), why: fault.to_string() }
    }

    fn wake(&self) {
        for wake in self.wakes.read().unwrap_or_else(PoisonError::into_inner).iter() {
            wake();
        }
    }
}

/// `sha256:` and 64 hexadecimal digits.
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    let hash = chain::sha256(bytes);
    hash.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
pub(crate) mod tests;
