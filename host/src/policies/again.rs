//! When something that failed, and may pass by itself, is tried once more.

use std::time::{Duration, Instant};

/// Wait before the first time.
const FIRST: Duration = Duration::from_secs(10);

/// Longest wait: one try may cost a minute of a processor.
const LONGEST: Duration = Duration::from_mins(10);

/// The next try; each waits twice as long as the one before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Again {
    at: Instant,
    wait: Duration,
}

impl Again {
    /// The try after `before`, or the first one.
    pub(super) fn after(before: Option<Self>, now: Instant) -> Self {
        let wait = before.map_or(FIRST, |before| (before.wait * 2).min(LONGEST));
        Self { at: now + wait, wait }
    }

    /// Whether its time has come.
    pub(super) fn is_due(self, now: Instant) -> bool {
        self.at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_try_waits_twice_as_long_up_to_ten_minutes() {
        let mut now = Instant::now();
        let mut waits = Vec::new();
        let mut again = None;
        for _ in 0..8 {
            let next = Again::after(again, now);
            assert!(!next.is_due(now) && next.is_due(now + next.wait));
            waits.push(next.wait.as_secs());
            now += next.wait;
            again = Some(next);
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 600, 600]);
    }
}
