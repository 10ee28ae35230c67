//! What the ledger knows without asking its file: open steps, step numbers and what was said last.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use trimtab_core::plan::Plan;

use super::LedgerNumbers;
use super::body;
use super::chain::Hash;
use super::fault::StoreFault;
use super::outgoing::tally;
use super::work::{Done, Work, natural};

/// A step that is not settled yet.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    pub(crate) plan: Arc<Plan>,
    pub(crate) entry: i64,
}

/// What is known of one remediation whose object may still exist.
#[derive(Debug, Default)]
struct Known {
    open: Option<Open>,
    /// The highest number of a step that was settled and not discarded, or adopted.
    sequence: u64,
    /// What the last record says.
    says: Option<Hash>,
}

/// Rebuilt from the file at the start and kept up with every commit.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    remediations: Mutex<HashMap<String, Known>>,
    entries: AtomicU64,
    unknown: AtomicU64,
    failures: AtomicU64,
    commits: AtomicU64,
}

impl Memory {
    /// Reads it from the file.
    pub(crate) fn read(connection: &Connection) -> Result<Self, StoreFault> {
        let mut remediations = HashMap::new();
        let mut entries = 0;
        let sql = "SELECT r.uid, r.sequence, r.says, r.entries, r.is_gone, r.open_entry, e.body \
                   FROM remediation r LEFT JOIN entry e ON e.id = r.open_entry";
        let mut select = connection.prepare(sql)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let (uid, open): (String, Option<i64>) = (row.get(0)?, row.get(5)?);
            entries += natural(row.get(3)?);
            let open = match open {
                Some(entry) => Some(read_open(&uid, entry, row.get(6)?)?),
                None => None,
            };
            if row.get::<_, bool>(4)? && open.is_none() {
                continue;
            }
            let says: Option<Vec<u8>> = row.get(2)?;
            let says = says.and_then(|says| Hash::try_from(says).ok());
            remediations.insert(uid, Known { open, sequence: natural(row.get(1)?), says });
        }
        Ok(Self {
            remediations: Mutex::new(remediations),
            entries: AtomicU64::new(entries),
            unknown: AtomicU64::new(tally(connection, "unknown")?),
            failures: AtomicU64::new(0),
            commits: AtomicU64::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        // INVARIANT: no code panics while it holds the lock, and each change is whole.
        self.remediations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn open(&self, uid: &str) -> Option<Open> {
        self.lock().get(uid)?.open.clone()
    }

    pub(crate) fn open_uids(&self) -> Vec<String> {
        let known = self.lock();
        known.iter().filter(|(_, known)| known.open.is_some()).map(|(uid, _)| uid.clone()).collect()
    }

    pub(crate) fn knows(&self, uid: &str, sequence: u64) -> bool {
        self.lock().get(uid).is_some_and(|known| {
            let open = known.open.as_ref().map_or(0, |open| open.plan.sequence);
            sequence <= known.sequence.max(open)
        })
    }

    /// Whether the last record says just this; if not, it does from now on.
    pub(crate) fn repeats(&self, uid: &str, says: Hash) -> bool {
        let mut remediations = self.lock();
        let known = remediations.entry(uid.to_owned()).or_default();
        known.says.replace(says) == Some(says)
    }

    /// What was said was not stored.
    pub(crate) fn forget_said(&self, uid: &str) {
        if let Some(known) = self.lock().get_mut(uid) {
            known.says = None;
        }
    }

    pub(crate) fn prepared(&self, uid: &str, open: Open, says: Hash) {
        let mut remediations = self.lock();
        let known = remediations.entry(uid.to_owned()).or_default();
        (known.open, known.says) = (Some(open), Some(says));
    }

    /// A step is settled; `sequence` where it was taken, or may have been.
    pub(crate) fn settled(&self, uid: &str, sequence: Option<u64>) {
        if let Some(known) = self.lock().get_mut(uid) {
            known.open = None;
            known.sequence = known.sequence.max(sequence.unwrap_or(0));
        }
    }

    pub(crate) fn adopted(&self, uid: &str, sequence: u64) {
        let mut remediations = self.lock();
        let known = remediations.entry(uid.to_owned()).or_default();
        known.sequence = known.sequence.max(sequence);
    }

    /// Nobody will ask for it any more. Returns whether it was known.
    pub(crate) fn forget(&self, uid: &str) -> bool {
        self.lock().remove(uid).is_some()
    }

    /// A piece of work is committed.
    pub(crate) fn count(&self, work: &Work, done: &Done) {
        if let Done::Appended { .. } = done {
            self.entries.fetch_add(1, Ordering::Relaxed);
            if let Work::Settle(settle) = work
                && settle.settlement == trimtab_core::ports::Settlement::Unknown
            {
                self.unknown.fetch_add(1, Ordering::Relaxed);
            }
        }
        if let Done::Pruned(entries) = done {
            self.entries.fetch_sub(*entries, Ordering::Relaxed);
        }
    }

    pub(crate) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_commit(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted; the file's size is the caller's to ask for.
    pub(crate) fn numbers(&self, bytes: u64) -> LedgerNumbers {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        LedgerNumbers {
            entries: read(&self.entries),
            bytes,
            unknown: read(&self.unknown),
            failures: read(&self.failures),
            commits: read(&self.commits),
        }
    }
}

fn read_open(uid: &str, entry: i64, packed: Option<Vec<u8>>) -> Result<Open, StoreFault> {
    let fault = |why: String| StoreFault::Body(format!("entry {entry}, the open step of {uid}: {why}"));
    let packed = packed.ok_or_else(|| fault("it is missing".to_owned()))?;
    let read = body::read_decision(&packed).map_err(|error| fault(error.to_string()))?;
    let plan = read.plan().ok_or_else(|| fault("it has no plan".to_owned()))?;
    Ok(Open { plan: Arc::clone(plan), entry })
}
