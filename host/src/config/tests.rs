//! The config file: what is read, what is refused and where, and whom each value reaches.

use trimtab_core::time::Span;

use super::*;

/// Every key that Kubernaut's Helm chart writes, with its chart's values.
const CHART: &str = r#"
controller:
  metricsAddr: ":9090"
  healthProbeAddr: ":8081"
  leaderElection: false
  leaderElectionId: "remediationorchestrator.kubernaut.ai"
timeouts:
  global: "1h"
  processing: "5m"
  analyzing: "10m"
  executing: "30m"
  verifying: "30m"
datastorage:
  url: "https://data-storage-service:8080"
  timeout: "10s"
  buffer:
    bufferSize: 30000
    batchSize: 1000
    flushInterval: "1s"
    maxRetries: 3
effectivenessAssessment:
  stabilizationWindow: "5m"
asyncPropagation:
  gitOpsSyncDelay: "3m"
  operatorReconcileDelay: "1m"
  proactiveAlertDelay: "5m"
notifications:
  notifySelfResolved: false
routing:
  consecutiveFailureThreshold: 3
  consecutiveFailureCooldown: "1h"
  recentlyRemediatedCooldown: "5m"
  exponentialBackoffBase: "1m"
  exponentialBackoffMax: "10m"
  exponentialBackoffMaxExponent: 4
  scopeBackoffBase: "5s"
  scopeBackoffMax: "5m"
  noActionRequiredDelayHours: 24
  ineffectiveChainThreshold: 3
  recurrenceCountThreshold: 5
  ineffectiveTimeWindow: "4h"
"#;

fn parse(text: &str) -> Result<Configuration, String> {
    Configuration::parse("ro.yaml", text).map_err(|faults| Faults(faults).to_string())
}

fn refused(text: &str) -> String {
    parse(text).unwrap_err()
}

#[test]
fn the_file_of_the_helm_chart_is_read_as_it_is() {
    let read = parse(CHART).unwrap();
    assert_eq!(read.policy["timeouts"]["global"], "1h0m0s");
    assert_eq!(read.policy["routing"]["consecutiveFailureThreshold"], 3);
    assert_eq!(read.policy["routing"]["noActionRequiredDelay"], "24h0m0s");
    assert_eq!(read.policy["notifications"]["notifySelfResolved"], false);
    assert_eq!(read.datastorage_url.as_deref(), Some("https://data-storage-service:8080"));
    assert_eq!((read.datastorage_timeout, read.batch_events_max), (Some(Duration::from_secs(10)), Some(1000)));
    assert_eq!(read.metrics_address.map(|address| address.port()), Some(9090));
    let settings = read.settings(&serde_json::Value::Null).unwrap();
    assert_eq!(settings, Settings::default(), "the chart's values are the standards");
}

#[test]
fn nothing_is_said_by_a_file_that_says_nothing() {
    for text in ["", "# only a remark\n", "timeouts:\nrouting: {}\n", "{}", "---\n"] {
        let read = parse(text).unwrap();
        assert_eq!(read.policy, json!({}), "{text:?}");
        assert_eq!(read.settings(&serde_json::Value::Null).unwrap(), Settings::default());
    }
}

#[test]
fn an_unknown_key_is_told_with_its_place_and_the_key_that_is_meant() {
    let rows = [
        ("timeouts:\n  golbal: 1h\n", "ro.yaml:2:3: unknown key timeouts.golbal, is timeouts.global meant?"),
        ("timeout:\n  global: 1h\n", "ro.yaml:1:1: unknown key timeout, is timeouts meant?"),
        (
            "dryRunHoldPeriod: 1h\nroute:\n  - 1\n",
            "ro.yaml:2:1: unknown key route, known here are logging, controller, timeouts, datastorage, \
             effectivenessAssessment, asyncPropagation, routing, notifications, retention, dryRun, dryRunHoldPeriod, \
             tlsProfile, fleet",
        ),
        (
            "datastorage:\n  batchSize: 5\n",
            "ro.yaml:2:3: unknown key datastorage.batchSize, is datastorage.buffer.batchSize meant?",
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(refused(text), expected);
    }
}

#[test]
fn a_value_out_of_bounds_is_told_with_key_value_and_bound() {
    let rows = [
        ("timeouts: {processing: 0s}", "ro.yaml:1:24: timeouts.processing is \"0s\": it has to be longer than 0"),
        ("timeouts: {processing: -5m}", "ro.yaml:1:24: timeouts.processing is \"-5m\": it has to be longer than 0"),
        (
            "timeouts: {processing: 5}",
            "ro.yaml:1:24: timeouts.processing is 5: it has to be a length with its unit, such as 90s, 5m or 1h30m",
        ),
        (
            "effectivenessAssessment:\n  stabilizationWindow: 2h",
            "ro.yaml:2:24: effectivenessAssessment.stabilizationWindow is \"2h\": from 1s to 1h0m0s is allowed",
        ),
        (
            "asyncPropagation: {gitOpsSyncDelay: -1s}",
            "ro.yaml:1:37: asyncPropagation.gitOpsSyncDelay is \"-1s\": it must not be negative",
        ),
        (
            "routing: {consecutiveFailureThreshold: 0}",
            "ro.yaml:1:40: routing.consecutiveFailureThreshold is 0: at least 1 is needed",
        ),
        (
            "routing: {noActionRequiredDelayHours: 1000}",
            "ro.yaml:1:39: routing.noActionRequiredDelayHours is 1000: from 0 to 720 is allowed",
        ),
        ("dryRun: maybe", "ro.yaml:1:9: dryRun is \"maybe\": it has to be true or false"),
        (
            "dryRun: true\ndryRunHoldPeriod: 1m",
            "ro.yaml:2:19: dryRunHoldPeriod is 1m0s: from 5m0s to 168h0m0s is allowed",
        ),
        (
            "logging: {level: loud}",
            "ro.yaml:1:18: logging.level is \"loud\": it has to be one of debug, info, warn, error",
        ),
        (
            "controller: {metricsAddr: here}",
            "ro.yaml:1:27: controller.metricsAddr is \"here\": it has to be an address to listen on, such as :9090 or \
             127.0.0.1:9090",
        ),
        (
            "controller: {namespaces: [A_b]}",
            "ro.yaml:1:26: controller.namespaces is a list: \"A_b\" is no name of a namespace",
        ),
        (
            "timeouts: {global: 30m}",
            "ro.yaml:1:20: timeouts.global is 30m0s: it has to hold processing, analyzing, executing and awaitingApproval \
             together, so at least 1h0m0s is needed",
        ),
        (
            "routing: {exponentialBackoffMax: 30s}",
            "ro.yaml:1:34: routing.exponentialBackoffMax is 30s: at least 1m0s is needed, which is \
             routing.exponentialBackoffBase",
        ),
        ("retention: [24h]", "ro.yaml:1:12: retention is a list: it has to be a map of keys"),
    ];
    for (text, expected) in rows {
        assert_eq!(refused(text), expected);
    }
}

#[test]
fn a_fleet_is_refused_in_one_line_and_a_fleet_that_is_off_is_not() {
    let refused = refused("fleet:\n  enabled: true\n  backend: acm\n");
    assert!(refused.starts_with("ro.yaml:2:12: fleet.enabled is true: remediations of other clusters"), "{refused}");
    let off = "fleet:\n  enabled: false\n  backend: acm\n  oauth2: {enabled: false, scopes: [a], tokenURL: \"\"}\n";
    assert!(parse(off).is_ok());
}

#[test]
fn every_fault_is_told_up_to_a_bound() {
    let text = "a: 1\nb: 1\nc: 1\nd: 1\ne: 1\nf: 1\ng: 1\n";
    let refused = refused(text);
    assert_eq!(refused.matches("unknown key").count(), FAULTS_SHOWN_MAX, "{refused}");
    assert!(refused.ends_with("and 2 more"), "{refused}");
}

#[test]
fn bad_syntax_and_a_key_that_is_named_twice_are_told_with_their_place() {
    assert!(refused("timeouts: [1\n").starts_with("ro.yaml:"), "{}", refused("timeouts: [1\n"));
    let twice = refused("dryRun: true\ndryRun: false\n");
    assert!(twice.starts_with("ro.yaml:2:1:"), "{twice}");
}

#[test]
fn a_quiet_time_is_looked_at_only_where_a_dry_run_is_on() {
    let read = parse("dryRun: false\ndryRunHoldPeriod: 1m\n").unwrap();
    assert_eq!(read.policy, json!({"dryRun": false}));
}

#[test]
fn host_numbers_become_settings_and_what_settings_say_comes_first() {
    let read = parse("retention: {period: 2h}\nasyncPropagation: {proactiveAlertDelay: 0s}\n").unwrap();
    let settings = read.settings(&json!({"retention": 5000, "cluster": "hub"})).unwrap();
    assert_eq!((settings.retention, settings.proactive_alert_delay), (Span::from_secs(5), Span::default()));
    assert_eq!(settings.cluster, "hub");
}

#[test]
fn keys_of_the_start_are_named_when_they_change() {
    let before = parse("controller: {metricsAddr: \":9090\"}\ntimeouts: {global: 1h}\n").unwrap();
    let after =
        parse("controller: {metricsAddr: \":9091\"}\ntimeouts: {global: 2h}\nlogging: {format: json}\n").unwrap();
    assert_eq!(after.needs_restart(&before), ["controller.metricsAddr", "logging.format"]);
}

#[test]
fn namespaces_are_named_once_each() {
    let read = parse("controller:\n  namespaces: [shop, pay, shop]\n").unwrap();
    assert_eq!(read.namespaces, ["shop", "pay"]);
}

#[test]
fn one_document_lies_over_another_member_by_member() {
    let mut under = json!({"timeouts": {"global": "1h", "processing": "5m"}, "dryRun": false});
    merge(&mut under, &json!({"timeouts": {"global": "2h"}, "approval": {"rules": []}, "dryRun": null}));
    let expected =
        json!({"timeouts": {"global": "2h", "processing": "5m"}, "approval": {"rules": []}, "dryRun": false});
    assert_eq!(under, expected);
}

#[test]
fn every_policy_key_is_one_of_the_policys_own() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../policies/kubernaut/config.schema.json")).unwrap();
    for key in keys::KEYS {
        let Reach::Policy(pointer) = key.reach else { continue };
        let mut place = &schema;
        for step in pointer.split('/').skip(1) {
            while let Some(definition) = place["$ref"].as_str() {
                place = schema.pointer(definition.trim_start_matches('#')).unwrap();
            }
            place = &place["properties"][step];
        }
        assert!(!place.is_null(), "{} reaches {pointer}, which the policy does not have", key.path);
    }
}
