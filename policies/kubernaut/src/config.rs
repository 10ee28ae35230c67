//! The config document. Keys and defaults are Kubernaut's.

use schemars::JsonSchema;
use serde::Deserialize;
use trimtab_policy_sdk::{ConfigFault, GoDuration};

/// The host takes no `next-allowed-at` that lies farther ahead.
const WAIT_MAX: GoDuration = GoDuration::from_hours(30 * 24);

/// Config of the kubernaut policy; every key has a default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long the remediation and its phases may last.
    pub timeouts: TimeoutConfig,
    /// When the same signal may be remediated again.
    pub routing: RoutingConfig,
    /// The assessment of the effect.
    pub verification: VerificationConfig,
    /// Who is told what.
    pub notifications: NotificationConfig,
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
            analyzing_interactive: GoDuration::from_minutes(45),
        }
    }
}

/// When the same signal may be remediated again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct RoutingConfig {
    /// Wait after the first failure; doubled with each further one.
    pub failure_backoff_base: GoDuration,
    /// The longest wait after a failure, at most 720h.
    pub failure_backoff_max: GoDuration,
    /// From this many failures in a row no wait is set any more: the signal is blocked instead.
    #[schemars(range(min = 1))]
    pub consecutive_failure_threshold: u32,
    /// Wait after an end without action, at most 720h; 0 for none.
    pub no_action_required_delay: GoDuration,
}

impl Default for RoutingConfig {
    fn default() -> Self {
        Self {
            failure_backoff_base: GoDuration::from_minutes(1),
            failure_backoff_max: GoDuration::from_minutes(10),
            consecutive_failure_threshold: 3,
            no_action_required_delay: GoDuration::from_hours(24),
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

impl Config {
    /// Every fault that the schema cannot say, with its place.
    pub fn faults(&self) -> Vec<ConfigFault> {
        let timeouts = &self.timeouts;
        let mut faults: Vec<ConfigFault> = [
            ("/timeouts/global", timeouts.global),
            ("/timeouts/processing", timeouts.processing),
            ("/timeouts/analyzing", timeouts.analyzing),
            ("/timeouts/executing", timeouts.executing),
            ("/timeouts/awaitingApproval", timeouts.awaiting_approval),
            ("/timeouts/verifying", timeouts.verifying),
            ("/timeouts/analyzingInteractive", timeouts.analyzing_interactive),
            ("/routing/failureBackoffBase", self.routing.failure_backoff_base),
            ("/routing/failureBackoffMax", self.routing.failure_backoff_max),
        ]
        .into_iter()
        .filter(|(_, length)| *length == GoDuration::ZERO)
        .map(|(path, _)| ConfigFault::new(path, "must be longer than 0: leave the key out for the default"))
        .collect();
        faults.extend(self.relations());
        faults
    }

    fn relations(&self) -> Vec<ConfigFault> {
        let (timeouts, routing) = (&self.timeouts, &self.routing);
        let mut faults = Vec::new();
        let phases = [timeouts.processing, timeouts.analyzing, timeouts.awaiting_approval, timeouts.executing];
        let sum = phases.iter().fold(0_u64, |sum, length| sum.saturating_add(length.milliseconds()));
        if timeouts.global.milliseconds() < sum {
            let message = format!(
                "is {}, less than processing, analyzing, awaitingApproval and executing together: at least {} is needed",
                timeouts.global,
                GoDuration::from_milliseconds(sum)
            );
            faults.push(ConfigFault::new("/timeouts/global", message));
        }
        if timeouts.analyzing_interactive < timeouts.analyzing {
            let message = format!(
                "is {}, less than timeouts.analyzing: at least {} is needed",
                timeouts.analyzing_interactive, timeouts.analyzing
            );
            faults.push(ConfigFault::new("/timeouts/analyzingInteractive", message));
        }
        if routing.failure_backoff_max < routing.failure_backoff_base {
            let message = format!(
                "is {}, less than routing.failureBackoffBase: at least {} is needed",
                routing.failure_backoff_max, routing.failure_backoff_base
            );
            faults.push(ConfigFault::new("/routing/failureBackoffMax", message));
        }
        for (path, length) in [
            ("/routing/failureBackoffMax", routing.failure_backoff_max),
            ("/routing/noActionRequiredDelay", routing.no_action_required_delay),
        ] {
            if length > WAIT_MAX {
                faults.push(ConfigFault::new(path, format!("is {length}: at most {WAIT_MAX} can be set")));
            }
        }
        if routing.consecutive_failure_threshold == 0 {
            faults.push(ConfigFault::new("/routing/consecutiveFailureThreshold", "must be at least 1"));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kubernaut;
    use trimtab_policy_sdk::parse_config;
    use trimtab_policy_sdk::testing::check_schema;

    fn paths(text: &str) -> Vec<String> {
        let config = parse_config::<Kubernaut>(text).expect("a document that fits the schema");
        config.faults().into_iter().map(|fault| fault.path).collect()
    }

    #[test]
    fn the_empty_document_is_kubernauts_defaults_and_sound() {
        for text in ["", " \n", "{}", r#"{"timeouts":{}}"#] {
            let config = parse_config::<Kubernaut>(text).expect(text);
            assert_eq!(config, Config::default());
            assert_eq!(config.faults(), []);
        }
        assert_eq!(Config::default().timeouts.global.to_string(), "1h0m0s");
    }

    #[test]
    fn one_key_changes_that_key_only() {
        let config = parse_config::<Kubernaut>(r#"{"timeouts":{"global":"70m","analyzing":"15m"}}"#).expect("sound");
        assert_eq!(config.timeouts.analyzing, GoDuration::from_minutes(15));
        assert_eq!(config.timeouts.processing, GoDuration::from_minutes(5));
        assert_eq!(config.faults(), []);
    }

    #[test]
    fn misspelt_keys_and_bad_lengths_are_refused_with_their_place() {
        for (text, path, part) in [
            (r#"{"timeout":{}}"#, "/timeout", "unknown field `timeout`"),
            (r#"{"timeouts":{"analysing":"5m"}}"#, "/timeouts/analysing", "unknown field `analysing`"),
            (r#"{"timeouts":{"global":3600}}"#, "/timeouts/global", "is a number, expected"),
            (r#"{"timeouts":{"global":"-1h"}}"#, "/timeouts/global", "is not a length of time"),
        ] {
            let fault = parse_config::<Kubernaut>(text).expect_err(text);
            assert_eq!(fault.path, path);
            assert!(fault.message.contains(part), "{}", fault.message);
        }
    }

    #[test]
    fn the_global_timeout_holds_its_four_phases_to_the_millisecond() {
        assert!(paths(r#"{"timeouts":{"global":"60m"}}"#).is_empty());
        assert_eq!(paths(r#"{"timeouts":{"global":"59m59.999s"}}"#), ["/timeouts/global"]);
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let text = r#"{"timeouts":{"processing":"0s","analyzing":"46m"},
            "routing":{"failureBackoffBase":"11m","consecutiveFailureThreshold":0}}"#;
        let expected = [
            "/timeouts/processing",
            "/timeouts/global",
            "/timeouts/analyzingInteractive",
            "/routing/failureBackoffMax",
            "/routing/consecutiveFailureThreshold",
        ];
        assert_eq!(paths(text), expected);
    }

    #[test]
    fn no_wait_is_longer_than_the_host_takes() {
        let most = r#"{"routing":{"failureBackoffMax":"720h","noActionRequiredDelay":"720h"}}"#;
        assert!(paths(most).is_empty());
        let more = r#"{"routing":{"failureBackoffMax":"720h0.001s","noActionRequiredDelay":"721h"}}"#;
        assert_eq!(paths(more), ["/routing/failureBackoffMax", "/routing/noActionRequiredDelay"]);
    }

    #[test]
    fn no_delay_and_no_grace_are_sound() {
        assert!(paths(r#"{"routing":{"noActionRequiredDelay":"0s"},"verification":{"grace":"0"}}"#).is_empty());
    }

    #[test]
    fn the_checked_in_schema_is_the_generated_one() {
        check_schema::<Kubernaut>(concat!(env!("CARGO_MANIFEST_DIR"), "/config.schema.json"));
    }
}
