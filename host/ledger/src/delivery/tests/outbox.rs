//! An outbox in memory that fails on demand.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trimtab_core::audit::AuditEvent;
use trimtab_core::ports::LedgerFailure;
use trimtab_core::time::Timestamp;
use uuid::Uuid;

use crate::outbox::{Outbox, OutboxReport, Outgoing};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Place {
    Waiting,
    Delivered,
    Quarantined(String),
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) event: AuditEvent,
    pub(super) was_sent: bool,
    pub(super) place: Place,
}

type Wake = Box<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    wakes: Vec<Wake>,
    /// Calls until one fails, counted down; each failure takes the next number.
    failures: Vec<u32>,
    calls: usize,
}

#[derive(Default)]
pub(super) struct MemoryOutbox(Mutex<State>);

impl std::fmt::Debug for MemoryOutbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryOutbox").finish_non_exhaustive()
    }
}

impl MemoryOutbox {
    pub(super) fn holding(events: Vec<AuditEvent>) -> Arc<Self> {
        let outbox = Arc::new(Self::default());
        outbox.add(events);
        outbox
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, events: Vec<AuditEvent>) {
        let mut state = self.state();
        let entries = events.into_iter().map(|event| Entry { event, was_sent: false, place: Place::Waiting });
        state.entries.extend(entries);
        state.wakes.iter().for_each(|wake| wake());
    }

    /// Lets calls fail: each number says how many succeed before the next failure.
    pub(super) fn fail_after(&self, failures: Vec<u32>) {
        self.state().failures = failures;
    }

    /// Calls so far.
    pub(super) fn calls(&self) -> usize {
        self.state().calls
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.state().entries.clone()
    }

    pub(super) fn is_settled(&self) -> bool {
        self.state().entries.iter().all(|entry| entry.place != Place::Waiting)
    }

    pub(super) fn quarantined(&self) -> Vec<(Uuid, String)> {
        let entries = self.entries().into_iter();
        let reason = |entry: Entry| match entry.place {
            Place::Quarantined(reason) => Some((entry.event.id, reason)),
            Place::Waiting | Place::Delivered => None,
        };
        entries.filter_map(reason).collect()
    }

    pub(super) fn mark_sent(&self) {
        self.state().entries.iter_mut().for_each(|entry| entry.was_sent = true);
    }

    fn change(&self, ids: &[Uuid], change: impl Fn(&mut Entry)) -> Result<(), LedgerFailure> {
        let mut state = self.called()?;
        for id in ids {
            let found = state.entries.iter_mut().find(|entry| entry.event.id == *id);
            let entry = found.expect("the delivery invents no ids");
            assert_eq!(entry.place, Place::Waiting, "the delivery touches nothing that is settled");
            change(entry);
        }
        Ok(())
    }

    fn called(&self) -> Result<MutexGuard<'_, State>, LedgerFailure> {
        let mut state = self.state();
        state.calls += 1;
        match state.failures.first_mut() {
            Some(0) => {
                state.failures.remove(0);
                let why = "the disk is full".to_owned();
                Err(LedgerFailure { what: "write to", thing: "ledger.db".to_owned(), why })
            }
            Some(left) => {
                *left -= 1;
                Ok(state)
            }
            None => Ok(state),
        }
    }
}

impl Outbox for MemoryOutbox {
    fn due(&self, count: usize, bytes: usize) -> Result<Vec<Outgoing>, LedgerFailure> {
        let (mut used, mut due) = (0, Vec::new());
        for entry in self.called()?.entries.iter().filter(|entry| entry.place == Place::Waiting) {
            used += entry.event.body.to_string().len();
            if due.len() == count || (used > bytes && !due.is_empty()) {
                break;
            }
            due.push(Outgoing { event: entry.event.clone(), was_sent: entry.was_sent });
        }
        Ok(due)
    }

    fn sending(&self, ids: &[Uuid]) -> Result<(), LedgerFailure> {
        self.change(ids, |entry| entry.was_sent = true)
    }

    fn not_received(&self, ids: &[Uuid]) -> Result<(), LedgerFailure> {
        self.change(ids, |entry| entry.was_sent = false)
    }

    fn delivered(&self, ids: &[Uuid], _at: Timestamp) -> Result<(), LedgerFailure> {
        self.change(ids, |entry| entry.place = Place::Delivered)
    }

    fn quarantine(&self, id: Uuid, reason: &str, _at: Timestamp) -> Result<(), LedgerFailure> {
        self.change(&[id], |entry| entry.place = Place::Quarantined(reason.to_owned()))
    }

    fn report(&self) -> Result<OutboxReport, LedgerFailure> {
        let state = self.called()?;
        let count = |is_counted: fn(&Place) -> bool| {
            u64::try_from(state.entries.iter().filter(|entry| is_counted(&entry.place)).count()).unwrap()
        };
        Ok(OutboxReport {
            waiting: count(|place| *place == Place::Waiting),
            delivered: count(|place| *place == Place::Delivered),
            quarantined: count(|place| matches!(place, Place::Quarantined(_))),
            ..OutboxReport::default()
        })
    }

    fn on_due(&self, wake: Wake) {
        self.state().wakes.push(wake);
    }
}
