//! Choices that Kubernaut does not offer: what happens when time is up, and how long a person has to approve.

use schemars::JsonSchema;
use serde::Deserialize;
use trimtab_policy_sdk::{GoDuration, Observation, phases};

/// What happens when time is up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnTimeout {
    /// The remediation ends as timed out; an approval expires, a verification ends without a result.
    #[default]
    TimeOut,
    /// The phase begins anew, once for each remediation: Processing, Analyzing and Executing only.
    RetryOnce,
    /// People are told, and the end comes escalationPeriod later.
    EscalateFirst,
}

/// What happens when the time of a phase, or of the whole remediation, is up. A length that a person has set by hand is
/// never lengthened.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "each is the phase of its name")]
pub struct OnTimeoutConfig {
    pub global: OnTimeout,
    pub pending: OnTimeout,
    pub processing: OnTimeout,
    pub analyzing: OnTimeout,
    pub awaiting_approval: OnTimeout,
    pub executing: OnTimeout,
    pub verifying: OnTimeout,
    pub blocked: OnTimeout,
    /// How much later the end comes where people are told first.
    pub escalation_period: GoDuration,
}

impl Default for OnTimeoutConfig {
    fn default() -> Self {
        let action = OnTimeout::TimeOut;
        Self {
            global: action,
            pending: action,
            processing: action,
            analyzing: action,
            awaiting_approval: action,
            executing: action,
            verifying: action,
            blocked: action,
            escalation_period: GoDuration::from_minutes(15),
        }
    }
}

impl OnTimeoutConfig {
    /// What happens when the time of this phase, or of the whole, is up.
    pub fn of(&self, phase: &str) -> OnTimeout {
        match phase {
            phases::GLOBAL => self.global,
            phases::PENDING => self.pending,
            phases::PROCESSING => self.processing,
            phases::ANALYZING => self.analyzing,
            phases::AWAITING_APPROVAL => self.awaiting_approval,
            phases::EXECUTING => self.executing,
            phases::VERIFYING => self.verifying,
            phases::BLOCKED => self.blocked,
            _ => OnTimeout::TimeOut,
        }
    }

    /// How much longer this phase, or the whole, lasts because people are told first.
    pub fn extra(&self, phase: &str) -> u64 {
        if self.of(phase) == OnTimeout::EscalateFirst { self.escalation_period.milliseconds() } else { 0 }
    }
}

/// How long a person has to approve.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApprovalConfig {
    /// Rules in order, the first that matches wins; where none does, timeouts.awaitingApproval holds.
    #[schemars(length(max = 64))]
    pub rules: Vec<ApprovalRule>,
}

/// What has to match (a key left out matches everything), and how long a person then has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApprovalRule {
    /// Severity as the signal's source spells it.
    pub severity: Option<String>,
    /// Namespace of the object that the signal points at.
    pub namespace: Option<String>,
    /// Environment that signal processing has found.
    pub environment: Option<String>,
    /// From the creation of the request; has to be said.
    pub timeout: GoDuration,
}

impl ApprovalRule {
    /// Whether this remediation is one that the rule is for.
    pub(crate) fn matches(&self, observation: &Observation) -> bool {
        let is = |wanted: &Option<String>, seen: &str| wanted.as_deref().is_none_or(|wanted| wanted == seen);
        is(&self.severity, &observation.severity)
            && is(&self.namespace, observation.target.namespace.as_deref().unwrap_or_default())
            && is(&self.environment, &observation.environment)
    }
}
