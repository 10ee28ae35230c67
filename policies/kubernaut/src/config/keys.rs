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
    "failureBackoffBase" => failure_backoff_base,
    "failureBackoffMax" => failure_backoff_max,
    "consecutiveFailureThreshold" => consecutive_failure_threshold,
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
