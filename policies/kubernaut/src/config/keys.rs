//! The keys of a config document. A test holds them against what serde derives from the same types.

use trimtab_policy_sdk::{ConfigFault, Field, Place, no_such_word, table};

use super::{
    ApprovalConfig, ApprovalRule, Config, NotificationConfig, OnTimeout, OnTimeoutConfig, RoutingConfig, TimeoutConfig,
    VerificationConfig,
};

table!(Config {
    "timeouts" => timeouts,
    "onTimeout" => on_timeout,
    "approval" => approval,
    "dryRun" => dry_run,
    "dryRunHoldPeriod" => dry_run_hold_period,
    "routing" => routing,
    "verification" => verification,
    "notifications" => notifications,
});

table!(TimeoutConfig {
    "global" => global,
    "processing" => processing,
    "analyzing" => analyzing,
    "executing" => executing,
    "awaitingApproval" => awaiting_approval,
    "verifying" => verifying,
    "pending" => pending,
    "blocked" => blocked,
    "verifyingMax" => verifying_max,
    "analyzingInteractive" => analyzing_interactive,
});

table!(OnTimeoutConfig {
    "global" => global,
    "pending" => pending,
    "processing" => processing,
    "analyzing" => analyzing,
    "awaitingApproval" => awaiting_approval,
    "executing" => executing,
    "verifying" => verifying,
    "blocked" => blocked,
    "escalationPeriod" => escalation_period,
});

table!(ApprovalConfig { "rules" => rules });

table!(ApprovalRule {
    "severity" => severity,
    "namespace" => namespace,
    "environment" => environment,
    "timeout" => timeout,
});

table!(RoutingConfig {
    "consecutiveFailureThreshold" => consecutive_failure_threshold,
    "consecutiveFailureCooldown" => consecutive_failure_cooldown,
    "recentlyRemediatedCooldown" => recently_remediated_cooldown,
    "exponentialBackoffBase" => exponential_backoff_base,
    "exponentialBackoffMax" => exponential_backoff_max,
    "exponentialBackoffMaxExponent" => exponential_backoff_max_exponent,
    "scopeBackoffBase" => scope_backoff_base,
    "scopeBackoffMax" => scope_backoff_max,
    "ineffectiveChainThreshold" => ineffective_chain_threshold,
    "recurrenceCountThreshold" => recurrence_count_threshold,
    "ineffectiveTimeWindow" => ineffective_time_window,
    "forwardChainThreshold" => forward_chain_threshold,
    "forwardChainWindow" => forward_chain_window,
    "noActionRequiredDelay" => no_action_required_delay,
});

table!(VerificationConfig { "grace" => grace });

table!(NotificationConfig { "notifySelfResolved" => notify_self_resolved });

impl Field for OnTimeout {
    fn read(&mut self, place: &mut Place<'_, '_>) -> Result<(), ConfigFault> {
        let word = place.text()?;
        *self = match word.as_str() {
            "timeOut" => Self::TimeOut,
            "retryOnce" => Self::RetryOnce,
            "escalateFirst" => Self::EscalateFirst,
            _ => return no_such_word(&word, "timeOut, retryOnce or escalateFirst"),
        };
        Ok(())
    }
}
