//! How long a signal waits after a failure that the host itself has decided: by the host's own settings, since no policy
//! was asked.

use crate::observation::Observation;
use crate::settings::Settings;
use crate::time::{Span, Timestamp};

/// When a remediation of this signal may start again after one more failure; `None` from the threshold on, where the
/// signal is blocked instead.
///
/// The wait is base · 2^(n-1) for the n-th failure in a row, at most the maximum, moved by up to 10 % with the
/// observation's seed and kept between base and maximum: what breaks many remediations at once does not bring all of
/// them back at once.
pub(crate) fn next_allowed_at(observation: &Observation, settings: &Settings) -> Option<Timestamp> {
    let failures = observation.consecutive_failures.saturating_add(1);
    let wait = || wait(failures, settings.failure_backoff_base, settings.failure_backoff_max, observation.seed());
    (failures < settings.failure_threshold).then(|| observation.now.plus(wait()))
}

fn wait(failures: u32, base: Span, max: Span, seed: u64) -> Span {
    let (base, max) = (base.as_millis(), max.as_millis());
    let doublings = failures.saturating_sub(1).min(63);
    let length = base.saturating_mul(1_u64 << doublings).min(max);
    let spread = length / 10;
    let shift = seed % spread.saturating_mul(2).saturating_add(1);
    Span::from_millis((length - spread).saturating_add(shift).clamp(base.min(max), max))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::decide::{Verdict, decide};
    use crate::fixtures::{Fixed, START, advance, analyzed, create, in_phase, schedule, stay, with_child};
    use crate::observation::{ChildKind, TargetHash};
    use crate::phase::Phase;
    use crate::ports::{FailStrategy, FaultReason};
    use crate::proposal::{Deadline, Schedule};

    const MINUTE: u64 = 60_000;

    fn processing(now: Timestamp) -> Observation {
        Observation { now, is_live: true, ..in_phase(Phase::Processing) }
    }

    fn until(at: Timestamp, on_expiry: &str) -> Schedule {
        let deadline = Deadline {
            phase: "Processing".into(),
            at,
            on_expiry: on_expiry.into(),
            duration: Span::from_secs(5),
            notice: None,
            attributes: Vec::new(),
        };
        Schedule { deadlines: vec![deadline], ..schedule() }
    }

    #[test]
    fn every_failure_of_the_hosts_own_lets_the_signal_wait() {
        let at = START.plus(Span::from_secs(65));
        let late = at.plus(Span::from_secs(1));
        let unreadable = Observation { overrides_fault: Some("global is \"-1h\"".into()), ..processing(at) };
        let mut left = with_child(processing(late), ChildKind::SignalProcessing, "Completed", &json!({}));
        left.children[0].finished_at = Some(at);
        let mut hashless = analyzed(false);
        hashless.facts.target_hash = Some(TargetHash::Failed("no JSON object".into()));
        let unanswered = || Fixed { intent: Err(FaultReason::Trap), strategy: FailStrategy::Fail, ..Fixed::default() };
        let execution = Fixed {
            intent: Ok(advance("Executing")),
            creations: Ok(create(&["WorkflowExecution"])),
            ..Fixed::default()
        };
        let staying = |on_expiry| Fixed { schedule: Ok(until(at, on_expiry)), intent: Ok(stay()), ..Fixed::default() };
        for (observation, mut judge, rule) in [
            (Arc::new(unreadable), Fixed::default(), "TimeoutConfigInvalid"),
            (Arc::new(processing(at)), unanswered(), "PolicyFault"),
            (Arc::new(processing(late)), staying("fail"), "PhaseTimeout"),
            (Arc::new(left), staying("time-out"), "StayedPastDeadline"),
            (Arc::new(hashless), execution, "TargetUnreadable"),
        ] {
            let now = observation.now;
            let decision = decide(&observation, &mut judge, &Settings::default()).unwrap();
            let Verdict::Step(plan) = decision.verdict else { panic!("{rule}: a step was expected") };
            assert_eq!((plan.to, plan.why.rule.as_str()), (Some(Phase::Failed), rule));
            let status = plan.status.as_ref().unwrap();
            assert_eq!(status["routingStatus"]["consecutiveFailureCount"], 1, "{rule}");
            let next = status["routingStatus"]["nextAllowedExecution"].as_str().and_then(Timestamp::parse);
            let waits = next.map(|next| next.since(now.whole_seconds()).as_millis());
            assert!(waits.is_some_and(|waits| (MINUTE..=66_000).contains(&waits)), "{rule}: {waits:?}");
        }
    }

    #[test]
    fn what_times_out_lets_nobody_wait() {
        let at = START.plus(Span::from_secs(65));
        let mut judge = Fixed { schedule: Ok(until(at, "time-out")), ..Fixed::default() };
        let observation = Arc::new(processing(at.plus(Span::from_secs(1))));
        let Verdict::Step(plan) = decide(&observation, &mut judge, &Settings::default()).unwrap().verdict else {
            panic!("a step was expected")
        };
        assert_eq!(plan.to, Some(Phase::TimedOut));
        assert!(plan.status.as_ref().unwrap().pointer("/routingStatus/nextAllowedExecution").is_none());
    }

    #[test]
    fn waits_double_up_to_the_maximum_and_move_by_a_tenth() {
        let settings = Settings::default();
        for (failures, minutes) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (6, 10), (u32::MAX, 10)] {
            let length = minutes * MINUTE;
            let mut different = std::collections::BTreeSet::new();
            for seed in 0..2_000_u64 {
                let seed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                let wait =
                    wait(failures, settings.failure_backoff_base, settings.failure_backoff_max, seed).as_millis();
                assert!((MINUTE..=10 * MINUTE).contains(&wait), "{wait}");
                assert!(wait.abs_diff(length) <= length / 10, "failure {failures}: {wait}");
                different.insert(wait);
            }
            assert!(different.len() > 500, "failure {failures}: only {} waits", different.len());
        }
    }

    #[test]
    fn no_wait_is_set_from_the_threshold_on() {
        for (carried, is_set) in [(0, true), (1, true), (2, false), (3, false), (u32::MAX, false)] {
            let mut observation = in_phase(Phase::Processing);
            observation.consecutive_failures = carried;
            let next = next_allowed_at(&observation, &Settings::default());
            assert_eq!(next.is_some(), is_set, "{carried} failures carried");
            assert!(next.is_none_or(|next| next > observation.now));
        }
    }

    #[test]
    fn extreme_settings_do_not_overflow() {
        let far = Span::from_millis(u64::MAX);
        assert_eq!(wait(64, far, far, 7), wait(64, far, far, 7));
        assert_eq!(wait(1, Span::default(), Span::default(), 7), Span::default());
    }
}
