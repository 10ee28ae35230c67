//! Advances the engine's epoch, so that a wall clock can end an evaluation.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Length of one tick in milliseconds.
pub(crate) const TICK_MILLIS: u64 = 10;
const TICK: Duration = Duration::from_millis(TICK_MILLIS);

/// One thread for each engine; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub(super) fn start(engine: &wasmtime::Engine) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        let weak = engine.weak();
        let thread = std::thread::Builder::new().name("policy-epoch".to_owned()).spawn(move || {
            let mut due = Instant::now() + TICK;
            let left = |due: Instant| due.saturating_duration_since(Instant::now());
            while stopped.recv_timeout(left(due)) == Err(RecvTimeoutError::Timeout) {
                let Some(engine) = weak.upgrade() else { return };
                engine.increment_epoch();
                due = after(due, Instant::now());
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

/// When the tick that follows is due: a tick after the last was due and not after it came, or the lateness of each would
/// add up in what an evaluation lives. Ticks that were missed are not made up for: where the whole process stood still, an
/// evaluation did as well.
fn after(due: Instant, now: Instant) -> Instant {
    let next = due + TICK;
    if next > now { next } else { now + TICK }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the epoch thread of the policy engine has panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_tick_does_not_put_off_the_ones_after_it() {
        let due = Instant::now();
        let late = |millis| due + Duration::from_millis(millis);
        assert_eq!(after(due, due), late(TICK_MILLIS));
        assert_eq!(after(due, late(TICK_MILLIS - 1)), late(TICK_MILLIS));
    }

    #[test]
    fn ticks_that_were_missed_are_not_made_up_for() {
        let due = Instant::now();
        let stalled = due + 7 * TICK;
        assert_eq!(after(due, stalled), stalled + TICK);
    }
}
