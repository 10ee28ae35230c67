//! For how long work waits for answers of the API server.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

tokio::task_local! {
    /// What the work of this task waits for.
    static WAITS: Cell<Waits>;
}

/// Requests that wait at once count once.
#[derive(Debug, Clone, Copy, Default)]
struct Waits {
    /// Requests without an answer, and since when there is one.
    pending: u32,
    since: Option<Instant>,
    total: Duration,
}

impl Waits {
    fn begin(self) -> Self {
        let since = self.since.or_else(|| Some(Instant::now()));
        Self { pending: self.pending + 1, since, ..self }
    }

    fn end(self) -> Self {
        let pending = self.pending.saturating_sub(1);
        match self.since {
            Some(since) if pending == 0 => Self { pending, since: None, total: self.total + since.elapsed() },
            _ => Self { pending, ..self },
        }
    }
}

/// Does work, and tells for how long at least one [`counted`] request of it had no answer. What it leaves to other tasks does
/// not count.
pub(crate) async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let all = async {
        let done = work.await;
        (done, WAITS.with(|waits| waits.get().total))
    };
    WAITS.scope(Cell::default(), all).await
}

/// Waits for the answer to a request, and counts it in the work that asks.
pub(crate) async fn counted<T>(answer: impl Future<Output = T>) -> T {
    let _waiting = Waiting::begin();
    answer.await
}

/// A request that has no answer yet.
struct Waiting;

impl Waiting {
    fn begin() -> Self {
        // Watches and the like ask too, and nobody times them.
        let _ = WAITS.try_with(|waits| waits.set(waits.get().begin()));
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = WAITS.try_with(|waits| waits.set(waits.get().end()));
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join;
    use tokio::time::{sleep, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn requests_that_wait_at_once_count_once() {
        let ((), waited) = timed(async {
            sleep(SECOND).await;
            join(counted(sleep(SECOND)), counted(sleep(2 * SECOND))).await;
            sleep(SECOND).await;
            counted(sleep(SECOND)).await;
        })
        .await;
        assert_eq!(waited, 3 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_given_up_counts_until_then() {
        let (given_up, waited) = timed(timeout(SECOND, counted(sleep(5 * SECOND)))).await;
        assert!(given_up.is_err());
        assert_eq!(waited, SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_times_is_only_waited_for() {
        assert_eq!(counted(async { 7 }).await, 7);
    }
}
