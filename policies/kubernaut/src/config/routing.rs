//! When a remediation waits or is turned away, and when the same signal may be remediated again.

use schemars::JsonSchema;
use serde::Deserialize;
use trimtab_policy_sdk::GoDuration;

/// When a remediation waits or is turned away, and when the same signal may be remediated again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct RoutingConfig {
    /// From this many failures in a row no wait is set any more: the signal is blocked instead.
    #[schemars(range(min = 1))]
    pub consecutive_failure_threshold: u32,
    /// How long the signal is blocked then, at most 720h.
    pub consecutive_failure_cooldown: GoDuration,
    /// How long the same workflow does not run on the same target again, at most 720h.
    pub recently_remediated_cooldown: GoDuration,
    /// Wait after the first failure; doubled with each further one.
    pub exponential_backoff_base: GoDuration,
    /// The longest wait after a failure, at most 720h.
    pub exponential_backoff_max: GoDuration,
    /// How often the wait after a failure is doubled at most.
    pub exponential_backoff_max_exponent: u32,
    /// Wait before a target that is not under management is looked at again; doubled each time.
    pub scope_backoff_base: GoDuration,
    /// The longest wait before a target's scope is looked at again, at most 720h.
    pub scope_backoff_max: GoDuration,
    /// From this many remediations in a row that left the target as it was, or as it is again, a person has to look.
    #[schemars(range(min = 1))]
    pub ineffective_chain_threshold: u32,
    /// From this many remediations within ineffectiveTimeWindow a person has to look, whatever they did.
    #[schemars(range(min = 1))]
    pub recurrence_count_threshold: u32,
    /// How far back ineffectiveChainThreshold and recurrenceCountThreshold look, at most 168h.
    pub ineffective_time_window: GoDuration,
    /// From this many remediations of one kind in a row, each of which changed the target and left the signal, a person
    /// has to look.
    #[schemars(range(min = 1))]
    pub forward_chain_threshold: u32,
    /// How far back forwardChainThreshold looks, at most 168h.
    pub forward_chain_window: GoDuration,
    /// Wait after an end without action, at most 720h; 0 for none.
    pub no_action_required_delay: GoDuration,
}

impl Default for RoutingConfig {
    fn default() -> Self {
        Self {
            consecutive_failure_threshold: 3,
            consecutive_failure_cooldown: GoDuration::from_hours(1),
            recently_remediated_cooldown: GoDuration::from_minutes(5),
            exponential_backoff_base: GoDuration::from_minutes(1),
            exponential_backoff_max: GoDuration::from_minutes(10),
            exponential_backoff_max_exponent: 4,
            scope_backoff_base: GoDuration::from_seconds(5),
            scope_backoff_max: GoDuration::from_minutes(5),
            ineffective_chain_threshold: 3,
            recurrence_count_threshold: 5,
            ineffective_time_window: GoDuration::from_hours(4),
            forward_chain_threshold: 2,
            forward_chain_window: GoDuration::from_hours(1),
            no_action_required_delay: GoDuration::from_hours(24),
        }
    }
}

impl RoutingConfig {
    /// How many hours of history the windows need.
    pub(crate) fn history_hours(&self) -> u32 {
        let longest = self.ineffective_time_window.max(self.forward_chain_window).milliseconds();
        u32::try_from(longest.div_ceil(3_600_000)).unwrap_or(u32::MAX).max(1)
    }
}
