//! How long the same signal waits after a failure, and a target that is not under management before the next look.

use trimtab_policy_sdk::{GoDuration, Observation, TimestampMs};

use crate::config::RoutingConfig;

/// When a remediation of this signal may start again after one more failure; `None` from the threshold on, where
/// the signal is blocked instead.
///
/// The wait is base · 2^(n-1) for the n-th failure in a row, doubled so often at most as config says and at most the
/// maximum, moved by up to 10 % with the observation's seed and kept between base and maximum.
pub(crate) fn next_allowed_at(observation: &Observation, routing: &RoutingConfig) -> Option<TimestampMs> {
    let failures = observation.consecutive_failures.saturating_add(1);
    let (base, max) = (routing.exponential_backoff_base, routing.exponential_backoff_max);
    let times = failures.min(routing.exponential_backoff_max_exponent.saturating_add(1));
    (failures < routing.consecutive_failure_threshold)
        .then(|| observation.now.saturating_add(wait(times, base, max, observation.seed)))
}

/// When a target that is not under management is looked at again, after so many looks before: first after the base.
pub(crate) fn next_look_at(observation: &Observation, looks: u32, routing: &RoutingConfig) -> TimestampMs {
    let (base, max) = (routing.scope_backoff_base, routing.scope_backoff_max);
    let length = if looks == 0 { base.milliseconds() } else { wait(looks, base, max, observation.seed) };
    observation.now.saturating_add(length)
}

fn wait(times: u32, base: GoDuration, max: GoDuration, seed: u64) -> u64 {
    let (base, max) = (base.milliseconds(), max.milliseconds());
    let doublings = times.saturating_sub(1).min(63);
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

    const MINUTE: u64 = 60_000;

    /// Kubernaut's wait after so many failures.
    fn after(failures: u32, seed: u64) -> u64 {
        wait(failures, GoDuration::from_minutes(1), GoDuration::from_minutes(10), seed)
    }

    #[test]
    fn waits_double_up_to_the_maximum_and_move_by_a_tenth() {
        for (failures, minutes) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (6, 10), (200, 10)] {
            let length = minutes * MINUTE;
            for seed in 0..2_000 {
                let wait = after(failures, seed);
                assert!((MINUTE..=10 * MINUTE).contains(&wait), "{wait}");
                assert!(wait.abs_diff(length) <= length / 10, "failure {failures}: {wait}");
            }
        }
    }

    #[test]
    fn both_ends_of_the_spread_are_reached() {
        let waits: Vec<u64> = (0..200_000).map(|seed| after(3, seed)).collect();
        assert_eq!(waits.iter().min(), Some(&(4 * MINUTE - 24_000)));
        assert_eq!(waits.iter().max(), Some(&(4 * MINUTE + 24_000)));
    }

    #[test]
    fn the_first_wait_is_never_below_the_base_and_the_last_never_above_the_maximum() {
        assert!((0..2_000).all(|seed| after(1, seed) >= MINUTE));
        assert!((0..2_000).all(|seed| after(9, seed) <= 10 * MINUTE));
    }

    #[test]
    fn extreme_numbers_do_not_overflow() {
        let [none, some, most] = [0, 3, u64::MAX].map(GoDuration::from_milliseconds);
        assert_eq!(wait(64, most, most, 7), wait(64, most, most, 7));
        assert_eq!(wait(1, none, none, 7), 0);
        assert!(wait(u32::MAX, some, most, u64::MAX) >= 3);
    }

    #[test]
    fn no_wait_is_set_from_the_threshold_on() {
        let routing =
            RoutingConfig { exponential_backoff_max: GoDuration::from_minutes(1), ..RoutingConfig::default() };
        for (carried, expected) in [(0, true), (1, true), (2, false), (3, false), (u32::MAX, false)] {
            let observation = Observation { now: 1_000, consecutive_failures: carried, ..Observation::default() };
            let next = next_allowed_at(&observation, &routing);
            assert_eq!(next, expected.then_some(1_000 + MINUTE), "{carried} failures carried");
        }
    }

    #[test]
    fn a_wait_is_doubled_so_often_at_most_as_configured() {
        for (exponent, carried, minutes) in [(0, 5, 1), (1, 0, 1), (1, 1, 2), (1, 5, 2), (4, 3, 8), (4, 9, 16)] {
            let routing = RoutingConfig {
                consecutive_failure_threshold: 100,
                exponential_backoff_max: GoDuration::from_hours(1),
                exponential_backoff_max_exponent: exponent,
                ..RoutingConfig::default()
            };
            let observation = Observation { consecutive_failures: carried, seed: 7, ..Observation::default() };
            let next = next_allowed_at(&observation, &routing).expect("below the threshold");
            let length = minutes * MINUTE;
            assert!(next.abs_diff(length) <= length / 10, "exponent {exponent}, {carried} failures carried: {next}");
        }
    }

    #[test]
    fn a_target_that_is_not_managed_is_looked_at_ever_more_rarely() {
        let routing = RoutingConfig::default();
        let look = |looks, seed| next_look_at(&Observation { seed, ..Observation::default() }, looks, &routing);
        assert!((0..100).all(|seed| look(0, seed) == 5_000), "the first wait does not move");
        for (looks, seconds) in
            [(1, 5), (2, 10), (3, 20), (4, 40), (5, 80), (6, 160), (7, 300), (8, 300), (u32::MAX, 300)]
        {
            for seed in 0..1_000 {
                let wait = look(looks, seed);
                let length = seconds * 1_000;
                assert!(wait.abs_diff(length) <= length / 10 && (5_000..=300_000).contains(&wait), "{looks}: {wait}");
            }
        }
    }
}
