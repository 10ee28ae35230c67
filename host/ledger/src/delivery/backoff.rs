//! How long to wait after a failure: a random part of a bound that doubles with each failure in a row.

use std::time::Duration;

/// Doublings after which the bound no longer grows, whatever its largest value.
const DOUBLINGS_MAX: u32 = 20;

/// A stream of random fractions that its seed determines.
#[derive(Debug, Clone)]
pub struct Jitter(u64);

impl Jitter {
    /// From a seed: random in production, fixed where runs must repeat.
    pub const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// The next fraction of 2^32, by `SplitMix64`.
    fn fraction(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) >> 32
    }
}

/// Failures in a row, and the wait that follows from them.
#[derive(Debug)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
    jitter: Jitter,
}

impl Backoff {
    pub(super) const fn new(min: Duration, max: Duration, jitter: Jitter) -> Self {
        Self { min, max, failures: 0, jitter }
    }

    /// Counts a failure and says how long to wait: a random length up to the bound ("full jitter").
    pub(super) fn after_failure(&mut self) -> Duration {
        let bound = self.min.saturating_mul(1 << self.failures.min(DOUBLINGS_MAX)).min(self.max);
        self.failures = self.failures.saturating_add(1);
        let nanos = (bound.as_nanos() * u128::from(self.jitter.fraction())) >> 32;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Forgets the failures.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_below_a_bound_that_doubles_up_to_the_largest() {
        let (min, max) = (Duration::from_secs(1), Duration::from_secs(30));
        let mut longest = Duration::ZERO;
        for seed in 0..500 {
            let mut backoff = Backoff::new(min, max, Jitter::seeded(seed));
            for failure in 0..12 {
                let wait = backoff.after_failure();
                assert!(wait < min.saturating_mul(1 << failure).min(max), "{failure}: {wait:?}");
                longest = longest.max(wait);
            }
            backoff.reset();
            assert!(backoff.after_failure() < min);
        }
        assert!(longest > max.mul_f64(0.95));
    }

    #[test]
    fn a_seed_determines_the_waits() {
        let waits = |seed| {
            let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30), Jitter::seeded(seed));
            (0..8).map(|_| backoff.after_failure()).collect::<Vec<_>>()
        };
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7), waits(8));
    }
}
