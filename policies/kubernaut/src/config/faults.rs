//! What a schema cannot say of a config document.

use trimtab_policy_sdk::{ConfigFault, GoDuration, phases};

use super::{Config, OnTimeout};

/// The host takes no `next-allowed-at` that lies farther ahead.
const WAIT_MAX: GoDuration = GoDuration::from_hours(30 * 24);

/// The shortest and the longest time that a signal can stay quiet after a dry run; Kubernaut's.
const HOLD_MIN: GoDuration = GoDuration::from_minutes(5);
const HOLD_MAX: GoDuration = GoDuration::from_hours(168);

/// Phases that no policy can begin anew, with their keys.
const NOT_RETRIED: [(&str, &str); 5] = [
    ("/onTimeout/global", phases::GLOBAL),
    ("/onTimeout/pending", phases::PENDING),
    ("/onTimeout/awaitingApproval", phases::AWAITING_APPROVAL),
    ("/onTimeout/verifying", phases::VERIFYING),
    ("/onTimeout/blocked", phases::BLOCKED),
];

impl Config {
    /// Every fault that the schema cannot say, with its place.
    pub fn faults(&self) -> Vec<ConfigFault> {
        let timeouts = &self.timeouts;
        let lengths = [
            ("/timeouts/global", Some(timeouts.global)),
            ("/timeouts/processing", Some(timeouts.processing)),
            ("/timeouts/analyzing", Some(timeouts.analyzing)),
            ("/timeouts/executing", Some(timeouts.executing)),
            ("/timeouts/awaitingApproval", Some(timeouts.awaiting_approval)),
            ("/timeouts/verifying", Some(timeouts.verifying)),
            ("/timeouts/pending", timeouts.pending),
            ("/timeouts/blocked", timeouts.blocked),
            ("/timeouts/verifyingMax", timeouts.verifying_max),
            ("/timeouts/analyzingInteractive", Some(timeouts.analyzing_interactive)),
            ("/onTimeout/escalationPeriod", Some(self.on_timeout.escalation_period)),
            ("/routing/failureBackoffBase", Some(self.routing.failure_backoff_base)),
            ("/routing/failureBackoffMax", Some(self.routing.failure_backoff_max)),
        ];
        let mut faults: Vec<ConfigFault> = lengths
            .into_iter()
            .filter(|(_, length)| *length == Some(GoDuration::ZERO))
            .map(|(path, _)| ConfigFault::new(path, "must be longer than 0: leave the key out for the default"))
            .collect();
        self.sum(&mut faults);
        self.relations(&mut faults);
        self.choices(&mut faults);
        faults
    }

    /// The whole has to hold its phases: with the longest approval of any rule, and with what telling people first adds.
    fn sum(&self, faults: &mut Vec<ConfigFault>) {
        let timeouts = &self.timeouts;
        let rules = self.approval.rules.iter().map(|rule| rule.timeout);
        let approval = rules.fold(timeouts.awaiting_approval, Ord::max);
        let sum = [
            (phases::PROCESSING, timeouts.processing),
            (phases::ANALYZING, timeouts.analyzing),
            (phases::AWAITING_APPROVAL, approval),
            (phases::EXECUTING, timeouts.executing),
        ]
        .into_iter()
        .map(|(phase, length)| length.milliseconds().saturating_add(self.on_timeout.extra(phase)))
        .fold(0, u64::saturating_add);
        if timeouts.global.milliseconds() < sum {
            let message = format!(
                "is {}, less than processing, analyzing, awaitingApproval and executing together: at least {} is needed",
                timeouts.global,
                GoDuration::from_milliseconds(sum)
            );
            faults.push(ConfigFault::new("/timeouts/global", message));
        }
    }

    fn relations(&self, faults: &mut Vec<ConfigFault>) {
        let (timeouts, routing) = (&self.timeouts, &self.routing);
        let at_least = [
            (
                "/timeouts/analyzingInteractive",
                timeouts.analyzing_interactive,
                "timeouts.analyzing",
                timeouts.analyzing,
            ),
            (
                "/routing/failureBackoffMax",
                routing.failure_backoff_max,
                "routing.failureBackoffBase",
                routing.failure_backoff_base,
            ),
        ];
        for (path, length, other, least) in at_least {
            if length < least {
                let message = format!("is {length}, less than {other}: at least {least} is needed");
                faults.push(ConfigFault::new(path, message));
            }
        }
        let at_most = [
            ("/routing/failureBackoffMax", routing.failure_backoff_max, WAIT_MAX),
            ("/routing/noActionRequiredDelay", routing.no_action_required_delay, WAIT_MAX),
            ("/dryRunHoldPeriod", self.dry_run_hold_period, HOLD_MAX),
        ];
        for (path, length, most) in at_most {
            if length > most {
                faults.push(ConfigFault::new(path, format!("is {length}: at most {most} can be set")));
            }
        }
        if self.dry_run_hold_period < HOLD_MIN {
            let message = format!("is {}: at least {HOLD_MIN} is needed", self.dry_run_hold_period);
            faults.push(ConfigFault::new("/dryRunHoldPeriod", message));
        }
        if routing.consecutive_failure_threshold == 0 {
            faults.push(ConfigFault::new("/routing/consecutiveFailureThreshold", "must be at least 1"));
        }
    }

    fn choices(&self, faults: &mut Vec<ConfigFault>) {
        for (path, phase) in NOT_RETRIED {
            if self.on_timeout.of(phase) == OnTimeout::RetryOnce {
                let message = "retryOnce is for processing, analyzing and executing: use timeOut or escalateFirst";
                faults.push(ConfigFault::new(path, message));
            }
        }
        for (place, rule) in self.approval.rules.iter().enumerate() {
            if rule.timeout == GoDuration::ZERO {
                let path = format!("/approval/rules/{place}/timeout");
                faults.push(ConfigFault::new(&path, "must be longer than 0"));
            }
        }
    }
}
