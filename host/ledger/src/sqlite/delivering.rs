//! The ledger's outbox.

use std::sync::PoisonError;

use trimtab_core::ports::LedgerFailure;
use trimtab_core::time::Timestamp;
use uuid::Uuid;

use super::SqliteLedger;
use super::work::{Done, Work};
use crate::outbox::{Outbox, OutboxReport, Outgoing};

impl SqliteLedger {
    fn change(&self, what: &'static str, work: Work) -> Result<(), LedgerFailure> {
        self.writer.ask(work).map(drop).map_err(|fault| self.failure(what, &fault))
    }
}

impl Outbox for SqliteLedger {
    fn due(&self, count: usize, bytes: usize) -> Result<Vec<Outgoing>, LedgerFailure> {
        let what = "read the audit events that wait in";
        match self.writer.ask(Work::Due { count, bytes }).map_err(|fault| self.failure(what, &fault))? {
            Done::Due(due) => Ok(due),
            _ => Ok(Vec::new()),
        }
    }

    fn sending(&self, ids: &[Uuid]) -> Result<(), LedgerFailure> {
        self.change("note a delivery in", Work::MarkSent { ids: ids.to_vec(), was_sent: true })
    }

    fn not_received(&self, ids: &[Uuid]) -> Result<(), LedgerFailure> {
        self.change("note a delivery in", Work::MarkSent { ids: ids.to_vec(), was_sent: false })
    }

    fn delivered(&self, ids: &[Uuid], at: Timestamp) -> Result<(), LedgerFailure> {
        self.change("note a delivery in", Work::Deliver { ids: ids.to_vec(), at })
    }

    fn quarantine(&self, id: Uuid, reason: &str, at: Timestamp) -> Result<(), LedgerFailure> {
        self.change("set an audit event aside in", Work::Quarantine { id, reason: reason.to_owned(), at })
    }

    fn report(&self) -> Result<OutboxReport, LedgerFailure> {
        match self.writer.ask(Work::Report).map_err(|fault| self.failure("count the audit events of", &fault))? {
            Done::Report(report) => Ok(report),
            _ => Ok(OutboxReport::default()),
        }
    }

    /// The callbacks run on the threads that settle and adopt steps: they must be short and must not call the ledger.
    fn on_due(&self, wake: Box<dyn Fn() + Send + Sync>) {
        self.wakes.write().unwrap_or_else(PoisonError::into_inner).push(wake);
    }
}
