//! What the ledger keeps, across deaths of its process and in the face of full disks.

use trimtab_core::decide::{Decision, Verdict};
use trimtab_core::phase::Phase;
use trimtab_core::ports::{DecisionRecord, ForeignStep, Ledger as _, Settlement};
use trimtab_core::proposal::{Explanation, Slot};

use super::*;
use crate::outbox::{Outbox as _, OutboxReport, Outgoing};
use fixture::{at, evaluation, event, name_of, objects, observation, plan, step};

mod death;
pub(crate) mod fixture;
mod full;
mod group;
mod opening;
mod outbox;
mod recording;
mod retention;
mod revisions;

/// A ledger in a new folder.
pub(crate) fn new() -> (tempfile::TempDir, SqliteLedger) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    (folder, ledger)
}

pub(crate) fn open(folder: &Path) -> SqliteLedger {
    SqliteLedger::open(folder, StoreSettings::default()).unwrap()
}

/// Prepares step `sequence` of `uid`.
pub(crate) fn prepare(ledger: &SqliteLedger, uid: &str, sequence: u64, to: Phase) {
    let objects = objects();
    let plan = plan(&objects, uid, sequence, to);
    ledger.prepare(&step(&objects, &plan), &plan).unwrap();
}

/// Prepares and confirms it.
pub(crate) fn take(ledger: &SqliteLedger, uid: &str, sequence: u64, to: Phase) {
    prepare(ledger, uid, sequence, to);
    ledger.settle(uid, &Settlement::Confirmed, at(sequence * 10 + 1)).unwrap();
}

/// Delivers everything that waits, and says how much that was.
pub(crate) fn deliver(ledger: &SqliteLedger) -> usize {
    let due = ledger.due(10_000, usize::MAX).unwrap();
    let ids: Vec<_> = due.iter().map(|one| one.event.id).collect();
    ledger.delivered(&ids, at(1000)).unwrap();
    ids.len()
}

/// A second connection, past all guards.
pub(crate) fn raw(folder: &Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(SqliteLedger::path(folder)).unwrap();
    connection.busy_timeout(file::BUSY_TIMEOUT).unwrap();
    connection
}

pub(crate) fn count(folder: &Path, sql: &str) -> i64 {
    raw(folder).query_row(sql, [], |row| row.get(0)).unwrap()
}

/// A decision to stay, by `rule`, `seconds` after the start.
pub(crate) fn stay(objects: &Value, uid: &str, rule: &str, seconds: u64) -> DecisionRecord {
    let mut seen = observation(objects, uid, 1, Phase::Analyzing);
    seen.now = at(seconds);
    DecisionRecord {
        observation: Arc::new(seen),
        decision: Decision {
            verdict: Verdict::Stay,
            wake_at: Some(at(seconds + 60)),
            why: Explanation::new(rule, "Nothing to do."),
            evaluations: vec![evaluation(Slot::Timeouts), evaluation(Slot::Transitions)],
            combined: None,
        },
        basis: None,
    }
}

/// Step `sequence` of `uid` as its object shows it.
pub(crate) fn foreign(uid: &str, sequence: u64) -> ForeignStep {
    ForeignStep {
        uid: uid.to_owned(),
        namespace: "ns".into(),
        name: name_of(uid),
        sequence,
        at: at(sequence * 10),
        audit: vec![event(uid, sequence, "orchestrator.lifecycle.transitioned")],
    }
}
