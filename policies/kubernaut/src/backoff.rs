//! How long the same signal waits after a failure.

use trimtab_policy_sdk::{Observation, TimestampMs};

use crate::config::RoutingConfig;

/// When a remediation of this signal may start again after one more failure; `None` from the threshold on, where
/// the signal is blocked instead.
///
/// The wait is base · 2^(n-1) for the n-th failure in a row, at most the maximum, moved by up to 10 % with the
/// observation's seed and kept between base and maximum.
pub(crate) fn next_allowed_at(observation: &Observation, routing: &RoutingConfig) -> Option<TimestampMs> {
    let failures = observation.consecutive_failures.saturating_add(1);
    let (base, max) = (routing.failure_backoff_base.milliseconds(), routing.failure_backoff_max.milliseconds());
    (failures < routing.consecutive_failure_threshold)
        .then(|| observation.now.saturating_add(wait(failures, base, max, observation.seed)))
}

fn wait(failures: u32, base: u64, max: u64, seed: u64) -> u64 {
    let doublings = failures.saturating_sub(1).min(63);
    let length = base.saturating_mul(1_u64 << doublings).min(max);
    let spread = length / 10;
    let shift = mix(seed) % spread.saturating_mul(2).saturating_add(1);
    (length - spread).saturating_add(shift).clamp(base.min(max), max)
}

/// Spreads every bit of the seed over the whole word (the finalizer of `SplitMix64`), so that seeds that differ little
/// give waits that differ much.
fn mix(seed: u64) -> u64 {
    let mut word = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_policy_sdk::GoDuration;

    const MINUTE: u64 = 60_000;

    #[test]
    fn waits_double_up_to_the_maximum_and_move_by_a_tenth() {
        for (failures, minutes) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (6, 10), (200, 10)] {
            let length = minutes * MINUTE;
            for seed in 0..2_000 {
                let wait = wait(failures, MINUTE, 10 * MINUTE, seed);
                assert!((MINUTE..=10 * MINUTE).contains(&wait), "{wait}");
                assert!(wait.abs_diff(length) <= length / 10, "failure {failures}: {wait}");
            }
        }
    }

    #[test]
    fn both_ends_of_the_spread_are_reached() {
        let waits: Vec<u64> = (0..200_000).map(|seed| wait(3, MINUTE, 10 * MINUTE, seed)).collect();
        assert_eq!(waits.iter().min(), Some(&(4 * MINUTE - 24_000)));
        assert_eq!(waits.iter().max(), Some(&(4 * MINUTE + 24_000)));
    }

    #[test]
    fn the_first_wait_is_never_below_the_base_and_the_last_never_above_the_maximum() {
        assert!((0..2_000).all(|seed| wait(1, MINUTE, 10 * MINUTE, seed) >= MINUTE));
        assert!((0..2_000).all(|seed| wait(9, MINUTE, 10 * MINUTE, seed) <= 10 * MINUTE));
    }

    #[test]
    fn extreme_numbers_do_not_overflow() {
        assert_eq!(wait(64, u64::MAX, u64::MAX, 7), wait(64, u64::MAX, u64::MAX, 7));
        assert_eq!(wait(1, 0, 0, 7), 0);
        assert!(wait(u32::MAX, 3, u64::MAX, u64::MAX) >= 3);
    }

    #[test]
    fn no_wait_is_set_from_the_threshold_on() {
        let routing = RoutingConfig { failure_backoff_max: GoDuration::from_minutes(1), ..RoutingConfig::default() };
        for (carried, expected) in [(0, true), (1, true), (2, false), (3, false), (u32::MAX, false)] {
            let observation = Observation { now: 1_000, consecutive_failures: carried, ..Observation::default() };
            let next = next_allowed_at(&observation, &routing);
            assert_eq!(next, expected.then_some(1_000 + MINUTE), "{carried} failures carried");
        }
    }
}
