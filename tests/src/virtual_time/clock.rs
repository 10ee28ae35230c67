//! The virtual clock: a start, and what the paused runtime's clock has advanced since.

use jiff::Timestamp;
use tokio::time::Instant;
use trimtab_core::ports::Clock;
use trimtab_core::time::Timestamp as CoreTimestamp;

/// When every virtual run begins: whole seconds, as Kubernetes writes times.
const START_SECONDS: i64 = 1_893_456_000;

/// Tells the time of one virtual run. Has to be asked on the run's own thread.
#[derive(Debug, Clone, Copy)]
pub struct VirtualClock {
    origin: Instant,
}

impl VirtualClock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// The present of this run.
    pub fn timestamp(&self) -> Timestamp {
        let passed = i64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(i64::MAX);
        let start = Timestamp::from_second(START_SECONDS).unwrap_or(Timestamp::UNIX_EPOCH);
        start.checked_add(jiff::SignedDuration::from_nanos(passed)).unwrap_or(Timestamp::MAX)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> CoreTimestamp {
        CoreTimestamp::from_millis(u64::try_from(self.timestamp().as_millisecond()).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn it_moves_with_the_paused_clock_alone() {
        let moved = super::super::run(async {
            let clock = VirtualClock::start();
            let before = clock.timestamp();
            assert_eq!(before, clock.timestamp(), "it stands still");
            tokio::time::sleep(Duration::from_hours(2)).await;
            Ok(clock.timestamp().duration_since(before).as_secs())
        });
        assert_eq!(moved.unwrap(), 7200);
    }
}
