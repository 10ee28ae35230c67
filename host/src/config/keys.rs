//! Every key of the config file: what may be written there, and whom it reaches.

use trimtab_core::time::Span;

/// A key, by its path from the document's root.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// Members joined by dots.
    pub(super) path: &'static str,
    pub(super) shape: Shape,
    pub(super) reach: Reach,
}

/// What may be written as a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A Go duration within these bounds; `most` 0 for no bound.
    Length { least: Span, most: Span },
    /// A whole number within these bounds.
    Count { least: i64, most: i64 },
    /// A whole number of hours within these bounds, passed on as a length.
    Hours { least: i64, most: i64 },
    /// true or false.
    Flag,
    /// Any text; where it `must_say` something, not the empty one.
    Text { must_say: bool },
    /// One of these words, in any case.
    Word(&'static [&'static str]),
    /// An address to listen on, as in `:9090` or `127.0.0.1:9090`.
    Address,
    /// Names of namespaces.
    Namespaces,
    /// Anything: it is read by nobody.
    Anything,
}

/// Whom a key reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The config of the built-in policy, at this JSON Pointer; holds at once when the file changes.
    Policy(&'static str),
    /// The host's setting of this name; holds at once when the file changes.
    Setting(&'static str),
    /// The filter of the log; holds at once when the file changes.
    Level,
    /// The start of the process: a change needs a restart.
    Start,
    /// Nobody: it is accepted because Kubernaut has it, and here is why it means nothing.
    Nobody(&'static str),
}

const ZERO: Span = Span::from_millis(0);
const TICK: Span = Span::from_millis(1);
const SECOND: Span = Span::from_secs(1);
const HOUR: Span = Span::from_secs(3600);

/// The longest wait that the built-in policy takes.
const WAIT_HOURS_MAX: i64 = 720;

/// The bounds of a dry run's quiet time, where a dry run is on.
pub(super) const HOLD: (Span, Span) = (Span::from_secs(5 * 60), Span::from_secs(168 * 3600));

/// Longer than nothing.
const LENGTH: Shape = Shape::Length { least: TICK, most: ZERO };
/// Longer than nothing, and no longer than the built-in policy lets a signal wait.
const WAIT: Shape = Shape::Length { least: TICK, most: Span::from_secs(720 * 3600) };
/// Longer than nothing, and no longer than history is asked for.
const WINDOW: Shape = Shape::Length { least: TICK, most: Span::from_secs(168 * 3600) };
/// Nothing, or longer.
const DELAY: Shape = Shape::Length { least: ZERO, most: ZERO };
/// From 1.
const NUMBER: Shape = Shape::Count { least: 1, most: u32::MAX as i64 };
/// From 0.
const TIMES: Shape = Shape::Count { least: 0, most: u32::MAX as i64 };
const SAYING: Shape = Shape::Text { must_say: true };
const SAYING_OR_NOT: Shape = Shape::Text { must_say: false };

const fn key(path: &'static str, shape: Shape, reach: Reach) -> Key {
    Key { path, shape, reach }
}

const ONE_REPLICA: &str = "one replica works at a time, and the ledger's lock sees to that";
const OWN_BUFFER: &str = "audit events wait in the ledger, which has its own bounds (--ledger-mib)";
const OWN_CONDITION: &str = "whether audit events go out is told by /conditions";
const UNTIL_TAKEN: &str = "an audit event goes out again until it is taken";
const OWN_TLS: &str = "connections use TLS 1.2 or 1.3 with the ciphers of rustls";
const NO_FLEET: &str = "there is no fleet here";

/// Every key, in the order in which they are documented.
pub(super) const KEYS: &[Key] = &[
    key("logging.level", Shape::Word(&["debug", "info", "warn", "error"]), Reach::Level),
    key("logging.format", Shape::Word(&["json", "text", "console"]), Reach::Start),
    key("controller.metricsAddr", Shape::Address, Reach::Start),
    key("controller.healthProbeAddr", Shape::Address, Reach::Start),
    key("controller.namespaces", Shape::Namespaces, Reach::Start),
    key("controller.leaderElection", Shape::Flag, Reach::Nobody(ONE_REPLICA)),
    key("controller.leaderElectionId", SAYING_OR_NOT, Reach::Nobody(ONE_REPLICA)),
    key("timeouts.global", LENGTH, Reach::Policy("/timeouts/global")),
    key("timeouts.processing", LENGTH, Reach::Policy("/timeouts/processing")),
    key("timeouts.analyzing", LENGTH, Reach::Policy("/timeouts/analyzing")),
    key("timeouts.executing", LENGTH, Reach::Policy("/timeouts/executing")),
    key("timeouts.awaitingApproval", LENGTH, Reach::Policy("/timeouts/awaitingApproval")),
    key("timeouts.verifying", LENGTH, Reach::Policy("/timeouts/verifying")),
    key("datastorage.url", SAYING, Reach::Start),
    key("datastorage.healthUrl", SAYING_OR_NOT, Reach::Nobody(OWN_CONDITION)),
    key("datastorage.timeout", Shape::Length { least: TICK, most: HOUR }, Reach::Start),
    key("datastorage.buffer.bufferSize", NUMBER, Reach::Nobody(OWN_BUFFER)),
    key("datastorage.buffer.batchSize", NUMBER, Reach::Start),
    key(
        "datastorage.buffer.flushInterval",
        LENGTH,
        Reach::Nobody("an audit event goes out as soon as its step is done"),
    ),
    key("datastorage.buffer.maxRetries", TIMES, Reach::Nobody(UNTIL_TAKEN)),
    key(
        "effectivenessAssessment.stabilizationWindow",
        Shape::Length { least: SECOND, most: HOUR },
        Reach::Setting("stabilizationWindow"),
    ),
    key("asyncPropagation.gitOpsSyncDelay", DELAY, Reach::Setting("gitOpsSyncDelay")),
    key("asyncPropagation.operatorReconcileDelay", DELAY, Reach::Setting("operatorReconcileDelay")),
    key("asyncPropagation.proactiveAlertDelay", DELAY, Reach::Setting("proactiveAlertDelay")),
    key("routing.consecutiveFailureThreshold", NUMBER, Reach::Policy("/routing/consecutiveFailureThreshold")),
    key("routing.consecutiveFailureCooldown", WAIT, Reach::Policy("/routing/consecutiveFailureCooldown")),
    key("routing.recentlyRemediatedCooldown", WAIT, Reach::Policy("/routing/recentlyRemediatedCooldown")),
    key("routing.exponentialBackoffBase", WAIT, Reach::Policy("/routing/exponentialBackoffBase")),
    key("routing.exponentialBackoffMax", WAIT, Reach::Policy("/routing/exponentialBackoffMax")),
    key("routing.exponentialBackoffMaxExponent", TIMES, Reach::Policy("/routing/exponentialBackoffMaxExponent")),
    key("routing.scopeBackoffBase", WAIT, Reach::Policy("/routing/scopeBackoffBase")),
    key("routing.scopeBackoffMax", WAIT, Reach::Policy("/routing/scopeBackoffMax")),
    key("routing.ineffectiveChainThreshold", NUMBER, Reach::Policy("/routing/ineffectiveChainThreshold")),
    key("routing.recurrenceCountThreshold", NUMBER, Reach::Policy("/routing/recurrenceCountThreshold")),
    key("routing.ineffectiveTimeWindow", WINDOW, Reach::Policy("/routing/ineffectiveTimeWindow")),
    key(
        "routing.noActionRequiredDelayHours",
        Shape::Hours { least: 0, most: WAIT_HOURS_MAX },
        Reach::Policy("/routing/noActionRequiredDelay"),
    ),
    key("notifications.notifySelfResolved", Shape::Flag, Reach::Policy("/notifications/notifySelfResolved")),
    key("retention.period", LENGTH, Reach::Setting("retention")),
    key("dryRun", Shape::Flag, Reach::Policy("/dryRun")),
    key("dryRunHoldPeriod", DELAY, Reach::Policy("/dryRunHoldPeriod")),
    key("tlsProfile", Shape::Word(&["", "Old", "Intermediate", "Modern"]), Reach::Nobody(OWN_TLS)),
    key("fleet.enabled", Shape::Flag, Reach::Start),
    key("fleet.backend", SAYING_OR_NOT, Reach::Nobody(NO_FLEET)),
    key("fleet.endpoint", SAYING_OR_NOT, Reach::Nobody(NO_FLEET)),
    key("fleet.mcpGatewayEndpoint", SAYING_OR_NOT, Reach::Nobody(NO_FLEET)),
    key("fleet.mcpGatewayType", SAYING_OR_NOT, Reach::Nobody(NO_FLEET)),
    key("fleet.namespace", SAYING_OR_NOT, Reach::Nobody(NO_FLEET)),
    key("fleet.tlsCAFile", SAYING_OR_NOT, Reach::Nobody(NO_FLEET)),
    key("fleet.tokenPath", SAYING_OR_NOT, Reach::Nobody(NO_FLEET)),
    key("fleet.oauth2.enabled", Shape::Flag, Reach::Nobody(NO_FLEET)),
    key("fleet.oauth2.tokenURL", SAYING_OR_NOT, Reach::Nobody(NO_FLEET)),
    key("fleet.oauth2.credentialsSecretRef", Shape::Anything, Reach::Nobody(NO_FLEET)),
    key("fleet.oauth2.scopes", Shape::Anything, Reach::Nobody(NO_FLEET)),
    key("fleet.oauth2.tlsCAFile", SAYING_OR_NOT, Reach::Nobody(NO_FLEET)),
];

/// The standard length of a key that a rule compares with another, where the file leaves it out: that of the policy.
pub(super) fn standard(path: &str) -> Span {
    let minutes = match path {
        "timeouts.global" => 60,
        "timeouts.processing" | "routing.scopeBackoffMax" => 5,
        "timeouts.analyzing" | "routing.exponentialBackoffMax" => 10,
        "timeouts.executing" | "timeouts.verifying" => 30,
        "timeouts.awaitingApproval" => 15,
        "routing.exponentialBackoffBase" => 1,
        "routing.scopeBackoffBase" => return Span::from_secs(5),
        _ => 0,
    };
    Span::from_secs(minutes * 60)
}

/// The key of this path.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// The names that may follow `section`, which is empty for the document itself.
pub(super) fn names_below(section: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = KEYS
        .iter()
        .filter_map(|key| match section {
            "" => Some(key.path),
            _ => key.path.strip_prefix(section).and_then(|rest| rest.strip_prefix('.')),
        })
        .map(|rest| rest.split('.').next().unwrap_or(rest))
        .collect();
    names.dedup();
    names
}

/// Whether a path is a section of keys.
pub(super) fn is_section(path: &str) -> bool {
    !names_below(path).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_named_twice_and_none_is_a_section_too() {
        let mut paths: Vec<_> = KEYS.iter().map(|key| key.path).collect();
        paths.sort_unstable();
        assert!(paths.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(paths.iter().all(|path| !is_section(path)));
    }

    #[test]
    fn the_names_below_a_section_are_its_own() {
        assert_eq!(names_below("datastorage.buffer"), ["bufferSize", "batchSize", "flushInterval", "maxRetries"]);
        assert!(names_below("").contains(&"timeouts") && names_below("").contains(&"dryRun"));
        assert!(!is_section("datastorage.url"));
    }
}
