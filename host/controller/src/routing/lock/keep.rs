//! Gives locks back whose time is over, for as long as the process lives.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::Locks;

/// How often is looked for locks that are kept for an execution which no watch shows.
const LOOK_PERIOD: Duration = Duration::from_secs(10);

/// How long a lock is kept for an execution that no watch shows: whoever takes it then reads live.
const UNSHOWN_MAX: Duration = Duration::from_secs(20);

/// How often is looked for what processes that died have left behind.
const SWEEP_PERIOD: Duration = Duration::from_mins(10);

/// How long giving back may take when the process ends; the Leases end by themselves.
const END_MAX: Duration = Duration::from_secs(2);

impl<N: Clone> Locks<N> {
    /// Gives back what is over, for ever.
    pub(crate) async fn keep(&self) {
        let mut looks = tokio::time::interval_at(Instant::now() + LOOK_PERIOD, LOOK_PERIOD);
        let mut sweeps = tokio::time::interval_at(Instant::now() + SWEEP_PERIOD, SWEEP_PERIOD);
        for ticks in [&mut looks, &mut sweeps] {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        loop {
            tokio::select! {
                (uid, execution) = self.over.next() => {
                    self.give_back(|tenure| {
                        tenure.uid == uid && (execution.is_none() || tenure.execution == execution)
                    })
                    .await;
                }
                _ = looks.tick() => {
                    self.give_back(|tenure| tenure.execution.is_some() && tenure.renewed_at.elapsed() > UNSHOWN_MAX)
                        .await;
                }
                _ = sweeps.tick() => match self.leases.sweep().await {
                    Ok(0) => {}
                    Ok(swept) => tracing::info!(swept, "deleted locks that processes which died have left behind"),
                    Err(error) => tracing::warn!(%error, "locks that were left behind could not be deleted"),
                },
            }
        }
    }

    /// Gives back everything: the process ends.
    pub(crate) async fn give_back_all(&self) {
        if tokio::time::timeout(END_MAX, self.give_back(|_| true)).await.is_err() {
            tracing::warn!("not every target's lock could be given back in time; they end by themselves");
        }
    }
}
