//! The one writer: takes everything that waits into one transaction, so that many callers share one flush to the disk.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::StoreSettings;
use super::fault::StoreFault;
use super::memory::Memory;
use super::work::{Done, Work};

/// How long notes that nobody waits for wait for company: what is decided over and over, as after a swap of a policy, costs
/// a flush to the disk for all of it and not for each.
const NOTES_WAIT: Duration = Duration::from_millis(50);

type Outcome = Result<Done, StoreFault>;

/// Work and whoever waits for it.
#[derive(Debug)]
struct Job {
    work: Work,
    /// Absent where nobody waits.
    reply: Option<SyncSender<Outcome>>,
}

/// Where work is done.
#[derive(Debug)]
enum Place {
    /// On a thread of its own; the sender is taken when it is to end.
    Thread { sender: Option<SyncSender<Job>>, thread: Option<JoinHandle<()>> },
    /// On the caller's: virtual runs have no foreign threads.
    Inline(Box<Mutex<Connection>>),
}

/// The one that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    place: Place,
    memory: Arc<Memory>,
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(
        connection: Connection,
        settings: StoreSettings,
        memory: Arc<Memory>,
    ) -> Result<Self, std::io::Error> {
        let (sender, receiver) = sync_channel(settings.queue_max.max(1));
        let theirs = Arc::clone(&memory);
        let batch_max = settings.batch_max.max(1);
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || write(&connection, &receiver, batch_max, &theirs))?;
        Ok(Self { place: Place::Thread { sender: Some(sender), thread: Some(thread) }, memory })
    }

    /// Works on the callers' threads, one at a time.
    pub(crate) fn inline(connection: Connection, memory: Arc<Memory>) -> Self {
        Self { place: Place::Inline(Box::new(Mutex::new(connection))), memory }
    }

    /// Whether it works on its callers' threads.
    pub(crate) const fn is_inline(&self) -> bool {
        matches!(self.place, Place::Inline(_))
    }

    /// Has it done and waits until it is durable.
    pub(crate) fn ask(&self, work: Work) -> Outcome {
        let (reply, outcome) = sync_channel(1);
        self.submit(Job { work, reply: Some(reply) })?;
        outcome.recv().unwrap_or(Err(StoreFault::Stopped))
    }

    /// Has it done without waiting. A failure is counted and logged.
    pub(crate) fn tell(&self, work: Work) -> Result<(), StoreFault> {
        self.submit(Job { work, reply: None })
    }

    fn submit(&self, job: Job) -> Result<(), StoreFault> {
        match &self.place {
            Place::Thread { sender, .. } => {
                let sender = sender.as_ref().ok_or(StoreFault::Stopped)?;
                sender.send(job).map_err(|_| StoreFault::Stopped)
            }
            Place::Inline(connection) => {
                // A panic elsewhere leaves at most an open transaction, which `commit` rolls back first.
                let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                commit(&connection, vec![job], &self.memory);
                Ok(())
            }
        }
    }
}

impl Drop for Writer {
    /// Waits until all that was submitted is done.
    fn drop(&mut self) {
        if let Place::Thread { sender, thread } = &mut self.place {
            drop(sender.take());
            if let Some(thread) = thread.take()
                && thread.join().is_err()
            {
                tracing::error!("the ledger's writer ended with a panic");
            }
        }
    }
}

/// Ends when every sender is gone and the queue is empty.
fn write(connection: &Connection, receiver: &Receiver<Job>, batch_max: usize, memory: &Memory) {
    while let Ok(first) = receiver.recv() {
        commit(connection, with_company(first, receiver, batch_max, NOTES_WAIT), memory);
    }
}

/// A job and those that came with it. Once somebody waits for one of them, nothing else is waited for.
fn with_company(first: Job, receiver: &Receiver<Job>, batch_max: usize, wait: Duration) -> Vec<Job> {
    let mut jobs = vec![first];
    let until = Instant::now() + wait;
    loop {
        jobs.extend(receiver.try_iter().take(batch_max - jobs.len()));
        if jobs.len() >= batch_max || jobs.iter().any(|job| job.reply.is_some()) {
            return jobs;
        }
        match receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(job) => jobs.push(job),
            // It is time, or nobody is left who could join.
            Err(_) => return jobs,
        }
    }
}

/// One transaction for all; where it fails, one for each, so that nobody fails for another's sake.
fn commit(connection: &Connection, jobs: Vec<Job>, memory: &Memory) {
    let works: Vec<&Work> = jobs.iter().map(|job| &job.work).collect();
    let outcomes = match transact(connection, &works) {
        Ok(outcomes) => outcomes,
        Err(fault) if works.len() == 1 => vec![Err(fault)],
        Err(_) => works
            .iter()
            .map(|work| transact(connection, &[work]).and_then(|mut one| one.pop().unwrap_or(Ok(Done::Unchanged))))
            .collect(),
    };
    memory.count_commit();
    for (job, outcome) in jobs.into_iter().zip(outcomes) {
        answer(job, outcome, memory);
    }
}

/// The outer error is the transaction's: nothing of it is stored. An inner one is a refusal, which has written nothing.
fn transact(connection: &Connection, works: &[&Work]) -> Result<Vec<Outcome>, StoreFault> {
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let applied = apply_all(connection, works).and_then(|outcomes| {
        connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(outcomes)
    });
    if applied.is_err() && !connection.is_autocommit() {
        // What cannot be rolled back now is rolled back before the next transaction.
        let _ = connection.execute_batch("ROLLBACK");
    }
    applied
}

fn apply_all(connection: &Connection, works: &[&Work]) -> Result<Vec<Outcome>, StoreFault> {
    works
        .iter()
        .map(|work| match work.apply(connection) {
            Err(refused @ StoreFault::Refused(_)) => Ok(Err(refused)),
            Err(fault) => Err(fault),
            Ok(done) => Ok(Ok(done)),
        })
        .collect()
}

fn answer(job: Job, outcome: Outcome, memory: &Memory) {
    match &outcome {
        Ok(done) => memory.count(&job.work, done),
        Err(StoreFault::Refused(_)) => {}
        Err(_) => memory.count_failure(),
    }
    match job.reply {
        // Whoever asked may be gone; the work is done all the same.
        Some(reply) => drop(reply.send(outcome)),
        None => {
            if let Err(fault) = outcome {
                if let Some(uid) = job.work.says_for() {
                    memory.forget_said(uid);
                }
                tracing::warn!(%fault, "the ledger lost a note");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(reply: Option<SyncSender<Outcome>>) -> Job {
        Job { work: Work::Gone { uid: "a".to_owned() }, reply }
    }

    #[test]
    fn notes_wait_for_company_until_somebody_waits_or_it_is_time() {
        const LONG: Duration = Duration::from_hours(1);
        let (sender, receiver) = sync_channel(8);
        let (reply, _outcome) = sync_channel(1);
        let late = sender.clone();
        let late = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(5));
            late.send(job(None)).unwrap();
            late.send(job(Some(reply))).unwrap();
        });
        assert_eq!(with_company(job(None), &receiver, 8, LONG).len(), 3, "all until the one that is waited for");
        late.join().unwrap();
        assert_eq!(with_company(job(None), &receiver, 8, Duration::from_millis(1)).len(), 1, "nobody comes");
        for _ in 0..5 {
            sender.send(job(None)).unwrap();
        }
        assert_eq!(with_company(job(None), &receiver, 4, LONG).len(), 4, "no more than fit");
        drop(sender);
        assert_eq!(with_company(job(None), &receiver, 8, LONG).len(), 3, "nobody is left who could come");
    }
}
