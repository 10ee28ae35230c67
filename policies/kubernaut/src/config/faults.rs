//! What a schema cannot say of a config document.
//!
//! Each bound is one call: arrays of them would make the component larger by 2 KB.

use trimtab_policy_sdk::{ConfigFault, GoDuration, phases};

use super::{Config, OnTimeout, RoutingConfig};

/// The host takes no block and no `next-allowed-at` that lies farther ahead.
const WAIT_MAX: GoDuration = GoDuration::from_hours(30 * 24);

/// The host's history goes back no farther.
const HISTORY_MAX: GoDuration = GoDuration::from_hours(168);

/// The shortest and the longest time that a signal can stay quiet after a dry run; Kubernaut's.
const HOLD_MIN: GoDuration = GoDuration::from_minutes(5);
const HOLD_MAX: GoDuration = GoDuration::from_hours(168);

/// No bound.
const ANY: GoDuration = GoDuration::from_milliseconds(u64::MAX);

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
        let mut faults = Faults(Vec::new());
        self.lengths(&mut faults);
        self.sum(&mut faults);
        self.choices(&mut faults);
        faults.of_routing(&self.routing);
        faults.0
    }

    fn lengths(&self, faults: &mut Faults) {
        let timeouts = &self.timeouts;
        faults.length("/timeouts/global", timeouts.global, ANY);
        faults.length("/timeouts/processing", timeouts.processing, ANY);
        faults.length("/timeouts/analyzing", timeouts.analyzing, ANY);
        faults.length("/timeouts/executing", timeouts.executing, ANY);
        faults.length("/timeouts/awaitingApproval", timeouts.awaiting_approval, ANY);
        faults.length("/timeouts/verifying", timeouts.verifying, ANY);
        faults.length("/timeouts/pending", timeouts.pending.unwrap_or(ANY), ANY);
        faults.length("/timeouts/blocked", timeouts.blocked.unwrap_or(ANY), ANY);
        faults.length("/timeouts/verifyingMax", timeouts.verifying_max.unwrap_or(ANY), ANY);
        faults.length("/timeouts/analyzingInteractive", timeouts.analyzing_interactive, ANY);
        faults.length("/onTimeout/escalationPeriod", self.on_timeout.escalation_period, ANY);
        let interactive = timeouts.analyzing_interactive;
        faults.at_least("/timeouts/analyzingInteractive", interactive, "timeouts.analyzing, ", timeouts.analyzing);
        faults.at_least("/dryRunHoldPeriod", self.dry_run_hold_period, "", HOLD_MIN);
        faults.at_most("/dryRunHoldPeriod", self.dry_run_hold_period, HOLD_MAX);
    }

    /// The whole has to hold its phases: with the longest approval of any rule, and with what telling people first adds.
    fn sum(&self, faults: &mut Faults) {
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
        let phases = "processing, analyzing, awaitingApproval and executing together, ";
        faults.at_least("/timeouts/global", timeouts.global, phases, GoDuration::from_milliseconds(sum));
    }

    fn choices(&self, faults: &mut Faults) {
        for (path, phase) in NOT_RETRIED {
            if self.on_timeout.of(phase) == OnTimeout::RetryOnce {
                let mend = "retryOnce is for processing, analyzing and executing: use timeOut or escalateFirst";
                faults.add(path, mend.to_owned());
            }
        }
        for (place, rule) in self.approval.rules.iter().enumerate() {
            faults.length(&format!("/approval/rules/{place}/timeout"), rule.timeout, ANY);
        }
    }
}

/// Faults that were found.
struct Faults(Vec<ConfigFault>);

impl Faults {
    fn of_routing(&mut self, routing: &RoutingConfig) {
        self.number("/routing/consecutiveFailureThreshold", routing.consecutive_failure_threshold);
        self.length("/routing/consecutiveFailureCooldown", routing.consecutive_failure_cooldown, WAIT_MAX);
        self.length("/routing/recentlyRemediatedCooldown", routing.recently_remediated_cooldown, WAIT_MAX);
        let (base, max) = (routing.exponential_backoff_base, routing.exponential_backoff_max);
        self.length("/routing/exponentialBackoffBase", base, WAIT_MAX);
        self.length("/routing/exponentialBackoffMax", max, WAIT_MAX);
        self.at_least("/routing/exponentialBackoffMax", max, "routing.exponentialBackoffBase, ", base);
        let (base, max) = (routing.scope_backoff_base, routing.scope_backoff_max);
        self.length("/routing/scopeBackoffBase", base, WAIT_MAX);
        self.length("/routing/scopeBackoffMax", max, WAIT_MAX);
        self.at_least("/routing/scopeBackoffMax", max, "routing.scopeBackoffBase, ", base);
        self.number("/routing/ineffectiveChainThreshold", routing.ineffective_chain_threshold);
        self.number("/routing/recurrenceCountThreshold", routing.recurrence_count_threshold);
        self.length("/routing/ineffectiveTimeWindow", routing.ineffective_time_window, HISTORY_MAX);
        self.number("/routing/forwardChainThreshold", routing.forward_chain_threshold);
        self.length("/routing/forwardChainWindow", routing.forward_chain_window, HISTORY_MAX);
        self.at_most("/routing/noActionRequiredDelay", routing.no_action_required_delay, WAIT_MAX);
    }

    /// A length that has to be longer than nothing.
    #[inline(never)]
    fn length(&mut self, path: &str, length: GoDuration, most: GoDuration) {
        if length == GoDuration::ZERO {
            self.add(path, "must be longer than 0: leave the key out for the default".to_owned());
        }
        self.at_most(path, length, most);
    }

    /// A length that has to be as long as another one, `of`, which ends in a comma.
    #[inline(never)]
    fn at_least(&mut self, path: &str, length: GoDuration, of: &str, least: GoDuration) {
        if length < least {
            self.add(path, format!("is {length}, less than {of}{least}"));
        }
    }

    #[inline(never)]
    fn at_most(&mut self, path: &str, length: GoDuration, most: GoDuration) {
        if length > most {
            self.add(path, format!("is {length}, more than {most}"));
        }
    }

    #[inline(never)]
    fn number(&mut self, path: &str, number: u32) {
        if number == 0 {
            self.add(path, "must be at least 1".to_owned());
        }
    }

    #[inline(never)]
    fn add(&mut self, path: &str, message: String) {
        self.0.push(ConfigFault::new(path, message));
    }
}
