//! The config document. Keys and defaults are Kubernaut's; what Kubernaut does not have is off.

mod choices;
mod faults;
mod keys;
mod routing;

use schemars::JsonSchema;
use serde::Deserialize;
use trimtab_policy_sdk::GoDuration;

pub use choices::{ApprovalConfig, ApprovalRule, OnTimeout, OnTimeoutConfig};
pub use routing::RoutingConfig;

/// Config of the kubernaut policy; every key has a default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Config {
    /// How long the remediation and its phases may last.
    pub timeouts: TimeoutConfig,
    /// What happens when time is up.
    pub on_timeout: OnTimeoutConfig,
    /// How long a person has to approve.
    pub approval: ApprovalConfig,
    /// Whether every remediation ends before its execution, as `DryRun`. One remediation alone: label or annotation
    /// trimtab.dev/dry-run: "true" on it.
    pub dry_run: bool,
    /// How long the same signal stays quiet after a dry run, 5m to 168h.
    pub dry_run_hold_period: GoDuration,
    /// When a remediation waits or is turned away, and when the same signal may be remediated again.
    pub routing: RoutingConfig,
    /// The assessment of the effect.
    pub verification: VerificationConfig,
    /// Who is told what.
    pub notifications: NotificationConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeouts: TimeoutConfig::default(),
            on_timeout: OnTimeoutConfig::default(),
            approval: ApprovalConfig::default(),
            dry_run: false,
            dry_run_hold_period: GoDuration::from_hours(1),
            routing: RoutingConfig::default(),
            verification: VerificationConfig::default(),
            notifications: NotificationConfig::default(),
        }
    }
}

/// How long the remediation and its phases may last.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct TimeoutConfig {
    /// The whole remediation, from its start.
    pub global: GoDuration,
    /// Processing, from its entry.
    pub processing: GoDuration,
    /// Analyzing, from its entry.
    pub analyzing: GoDuration,
    /// Executing, from its entry.
    pub executing: GoDuration,
    /// A person's approval, from the creation of its request.
    pub awaiting_approval: GoDuration,
    /// Verifying, from its entry, as long as the assessment has no deadline of its own.
    pub verifying: GoDuration,
    /// Pending, from its entry; left out: only the whole remediation's.
    pub pending: Option<GoDuration>,
    /// Blocked, from its entry; left out: only the whole remediation's.
    pub blocked: Option<GoDuration>,
    /// The most time for Verifying, from its entry, whatever the assessment's own deadline says; left out: no bound.
    pub verifying_max: Option<GoDuration>,
    /// The least time for Analyzing while a person is in a session with the analysis.
    pub analyzing_interactive: GoDuration,
}

impl Default for TimeoutConfig {
    fn default() -> Self {
        Self {
            global: GoDuration::from_hours(1),
            processing: GoDuration::from_minutes(5),
            analyzing: GoDuration::from_minutes(10),
            executing: GoDuration::from_minutes(30),
            awaiting_approval: GoDuration::from_minutes(15),
            verifying: GoDuration::from_minutes(30),
            pending: None,
            blocked: None,
            verifying_max: None,
            analyzing_interactive: GoDuration::from_minutes(45),
        }
    }
}

/// The assessment of the effect.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VerificationConfig {
    /// How long after the assessment's own deadline its result is still waited for.
    pub grace: GoDuration,
}

impl Default for VerificationConfig {
    fn default() -> Self {
        Self { grace: GoDuration::from_seconds(30) }
    }
}

/// Who is told what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct NotificationConfig {
    /// Whether people are told of signals that resolved by themselves.
    pub notify_self_resolved: bool,
}

#[cfg(test)]
mod tests;
