//! The delivery of audit events to `DataStorage`: none lost, none invented, in order unless the receiver fails for long, and
//! doubled only where nobody can tell whether it arrived.
//!
//! Events leave the outbox only once the receiver has them, or refuses or fails at them alone. That they are about to be sent is
//! noted before, durably; so whatever ends the process, the next one knows which may have arrived. A receiver that keeps
//! our ids is simply sent these again; one that gives its own is asked first.

mod answer;
mod backoff;
mod carry;
mod history;
mod inquiry;
mod parcel;
mod receiver;
mod report;
mod settings;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use trimtab_core::ports::{Clock, LedgerFailure};

use self::answer::{Arrival, Trouble};
use self::backoff::Backoff;
pub use self::backoff::Jitter;
pub use self::history::DataStorageHistory;
use self::receiver::Receiver;
use self::report::Episode;
pub use self::report::{AttemptResult, DeliveryReport};
pub use self::settings::{DeliveryFailure, DeliverySettings, Ids};
use crate::outbox::Outbox;

/// How the delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Events that wait in the outbox for the next start; `None` where the ledger could not tell.
    pub remaining: Option<u64>,
}

/// Takes audit events from an outbox to one receiver.
#[derive(Debug)]
pub struct Delivery {
    outbox: Arc<dyn Outbox>,
    receiver: Receiver,
    clock: Arc<dyn Clock>,
    report: DeliveryReport,
    backoff: Backoff,
    episode: Episode,
    settings: DeliverySettings,
    /// What the receiver takes at once, as far as it is known.
    limits: Limits,
    /// Whose ids the receiver keeps, as far as it is known.
    ids: Ids,
    due: Arc<Notify>,
    draining: watch::Receiver<bool>,
    drain: watch::Sender<bool>,
}

/// Most events and bytes of a request. They start as set, and only ever shrink.
#[derive(Debug, Clone, Copy)]
struct Limits {
    events: usize,
    bytes: usize,
    /// Whether a smaller number of events has been logged.
    is_told: bool,
}

impl Delivery {
    /// A delivery that works once it [runs](Self::run). The process installs its rustls provider before.
    pub fn new(
        outbox: Arc<dyn Outbox>,
        settings: DeliverySettings,
        clock: Arc<dyn Clock>,
        jitter: Jitter,
    ) -> Result<Self, DeliveryFailure> {
        let receiver = Receiver::new(&settings, clock.clone())?;
        let due = Arc::new(Notify::new());
        let wake = due.clone();
        outbox.on_due(Box::new(move || wake.notify_one()));
        let (drain, draining) = watch::channel(false);
        Ok(Self {
            outbox,
            receiver,
            clock,
            report: DeliveryReport::default(),
            backoff: Backoff::new(settings.backoff_min, settings.backoff_max, jitter),
            episode: Episode::default(),
            limits: Limits { events: settings.batch_events_max, bytes: settings.batch_bytes_max, is_told: false },
            ids: settings.ids,
            settings,
            due,
            draining,
            drain,
        })
    }

    /// A handle to what the delivery tells about itself.
    pub fn report(&self) -> DeliveryReport {
        self.report.clone()
    }

    /// Delivers until `stop` resolves, then what is due within the drain limit. Dropping it at any moment loses nothing.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) -> Drained {
        let (outbox, limit) = (self.outbox.clone(), self.settings.drain_limit);
        let drain = self.drain.clone();
        let mut work = pin!(self.work());
        let is_done = tokio::select! {
            () = &mut work => true,
            () = stop => false,
        };
        drain.send_replace(true);
        if !is_done && tokio::time::timeout(limit, work).await.is_err() {
            tracing::warn!(seconds = limit.as_secs(), "not every audit event was delivered before the end");
        }
        let remaining = match local(outbox, |outbox| outbox.report()).await {
            Ok(report) => Some(report.waiting),
            Err(error) => {
                tracing::error!(%error, "the audit events that remain cannot be counted");
                None
            }
        };
        tracing::info!(remaining, "the delivery of audit events ended; what remains stays in the ledger");
        Drained { remaining }
    }

    /// Delivers what is due, for ever; while draining, until nothing is due.
    async fn work(&mut self) {
        loop {
            let (count, bytes) = (self.limits.events, self.limits.bytes);
            let due = match local(self.outbox.clone(), move |outbox| outbox.due(count, bytes)).await {
                Ok(due) => due,
                Err(failure) => {
                    self.pause_after_failure_of_ledger(&failure).await;
                    continue;
                }
            };
            if !due.is_empty() {
                self.carry(parcel::pack(due, self.ids)).await;
                continue;
            }
            self.settled();
            if *self.draining.borrow() {
                return;
            }
            tokio::select! {
                () = self.due.notified() => {}
                // The sender lives in `self`, so this resolves only with the stop.
                _ = self.draining.changed() => {}
            }
        }
    }

    /// Notes that events settle, or that none is left.
    fn settled(&mut self) {
        self.backoff.reset();
        self.episode.over(self.clock.now(), &self.report);
    }

    /// Notes a failed attempt and waits. A stop shortens the wait, once, unless the receiver asked for it.
    async fn pause(&mut self, trouble: &Trouble) {
        self.episode.failed(trouble.result, &trouble.message, self.clock.now(), &self.report);
        let asked = trouble.retry_after.unwrap_or(Duration::ZERO).min(self.settings.retry_after_max);
        let wait = self.backoff.after_failure().max(asked);
        let is_draining = *self.draining.borrow_and_update();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = self.draining.changed(), if !is_draining && asked.is_zero() => self.backoff.reset(),
        }
    }

    async fn pause_after_failure_of_ledger(&mut self, failure: &LedgerFailure) {
        self.report.count_attempt(AttemptResult::LedgerFailed);
        self.pause(&Trouble::new(AttemptResult::LedgerFailed, &failure.to_string(), Arrival::No)).await;
    }

    /// Has the outbox note something, however often that takes.
    async fn note<F>(&mut self, noted: F)
    where
        F: Fn(&dyn Outbox) -> Result<(), LedgerFailure> + Send + Sync + 'static,
    {
        let noted = Arc::new(noted);
        loop {
            let once = noted.clone();
            match local(self.outbox.clone(), move |outbox| once(outbox)).await {
                Ok(()) => return,
                Err(failure) => self.pause_after_failure_of_ledger(&failure).await,
            }
        }
    }
}

/// Calls the outbox off the async workers.
async fn local<T, F>(outbox: Arc<dyn Outbox>, call: F) -> Result<T, LedgerFailure>
where
    T: Send + 'static,
    F: FnOnce(&dyn Outbox) -> Result<T, LedgerFailure> + Send + 'static,
{
    tokio::task::spawn_blocking(move || call(outbox.as_ref())).await.unwrap_or_else(|error| {
        let why = format!("{error}; restart trimtab if this goes on");
        Err(LedgerFailure { what: "answer", thing: "the delivery of audit events".to_owned(), why })
    })
}

#[cfg(test)]
mod tests;
