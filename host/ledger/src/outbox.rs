//! The outbox: audit events that wait to be delivered, as the delivery sees them.

use trimtab_core::audit::AuditEvent;
use trimtab_core::ports::LedgerFailure;
use trimtab_core::time::Timestamp;
use uuid::Uuid;

/// An event on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The event.
    pub event: AuditEvent,
    /// Whether it may have arrived already: it was sent and no answer came.
    pub was_sent: bool,
}

/// What waits, for metrics and conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxReport {
    /// Events whose step is not settled yet.
    pub held: u64,
    /// Events that wait to be delivered.
    pub waiting: u64,
    /// Time of the oldest of them.
    pub oldest: Option<Timestamp>,
    /// Events that the receiver refused for good.
    pub quarantined: u64,
    /// Events delivered since the ledger began.
    pub delivered: u64,
}

/// Where the delivery takes events from. Calls are short local transactions, made off the async workers.
pub trait Outbox: Send + Sync + std::fmt::Debug {
    /// The events to deliver next, in the order of their steps: at most `count` of at most `bytes` of bodies together,
    /// but one at least.
    fn due(&self, count: usize, bytes: usize) -> Result<Vec<Outgoing>, LedgerFailure>;

    /// Notes durably that these are about to be sent.
    fn sending(&self, ids: &[Uuid]) -> Result<(), LedgerFailure>;

    /// Notes that the receiver surely does not have these: it said so, or nothing was ever sent.
    fn not_received(&self, ids: &[Uuid]) -> Result<(), LedgerFailure>;

    /// Notes that the receiver has these.
    fn delivered(&self, ids: &[Uuid], at: Timestamp) -> Result<(), LedgerFailure>;

    /// Sets an event aside that the receiver refuses for good. It is kept, with the reason.
    fn quarantine(&self, id: Uuid, reason: &str, at: Timestamp) -> Result<(), LedgerFailure>;

    /// What waits.
    fn report(&self) -> Result<OutboxReport, LedgerFailure>;

    /// Calls `wake` whenever events become due.
    fn on_due(&self, wake: Box<dyn Fn() + Send + Sync>);
}
