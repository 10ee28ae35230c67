//! What a config document may say, and every fault with its place.

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
        "routing":{"exponentialBackoffBase":"11m","scopeBackoffBase":"6m","consecutiveFailureThreshold":0}}"#;
    let expected = [
        "/timeouts/processing",
        "/timeouts/analyzingInteractive",
        "/timeouts/global",
        "/routing/consecutiveFailureThreshold",
        "/routing/exponentialBackoffMax",
        "/routing/scopeBackoffMax",
    ];
    assert_eq!(paths(text), expected);
}

#[test]
fn no_wait_is_longer_than_the_host_takes() {
    let most = r#"{"routing":{"exponentialBackoffMax":"720h","scopeBackoffMax":"720h","noActionRequiredDelay":"720h",
        "consecutiveFailureCooldown":"720h","recentlyRemediatedCooldown":"720h","ineffectiveTimeWindow":"168h",
        "forwardChainWindow":"168h"}}"#;
    assert_eq!(paths(most), [""; 0]);
    let more = r#"{"routing":{"exponentialBackoffMax":"720h0.001s","scopeBackoffMax":"721h",
        "noActionRequiredDelay":"721h","consecutiveFailureCooldown":"721h","recentlyRemediatedCooldown":"721h",
        "ineffectiveTimeWindow":"169h","forwardChainWindow":"168h0.001s"}}"#;
    let expected = [
        "/routing/consecutiveFailureCooldown",
        "/routing/recentlyRemediatedCooldown",
        "/routing/exponentialBackoffMax",
        "/routing/scopeBackoffMax",
        "/routing/ineffectiveTimeWindow",
        "/routing/forwardChainWindow",
        "/routing/noActionRequiredDelay",
    ];
    assert_eq!(paths(more), expected);
}

#[test]
fn every_number_of_routing_has_kubernauts_default_and_its_least() {
    let told = serde_json::json!({
        "consecutiveFailureThreshold": 3, "consecutiveFailureCooldown": "1h", "recentlyRemediatedCooldown": "5m",
        "exponentialBackoffBase": "1m", "exponentialBackoffMax": "10m", "exponentialBackoffMaxExponent": 4,
        "scopeBackoffBase": "5s", "scopeBackoffMax": "5m", "ineffectiveChainThreshold": 3,
        "recurrenceCountThreshold": 5, "ineffectiveTimeWindow": "4h", "forwardChainThreshold": 2,
        "forwardChainWindow": "1h", "noActionRequiredDelay": "24h",
    });
    let config = parse_config::<Kubernaut>(&serde_json::json!({ "routing": told }).to_string()).expect("sound");
    assert_eq!(config, Config::default());
    for (key, value) in told.as_object().expect("keys") {
        let none = if value.is_number() { serde_json::json!(0) } else { serde_json::json!("0s") };
        let found = paths(&serde_json::json!({ "routing": { key: none } }).to_string());
        let may_be_none = ["exponentialBackoffMaxExponent", "noActionRequiredDelay"].contains(&key.as_str());
        let has_fault = found.first().is_some_and(|path| *path == format!("/routing/{key}"));
        assert_eq!(has_fault, !may_be_none, "{key}: {found:?}");
    }
}

#[test]
fn no_delay_and_no_grace_are_sound() {
    assert!(paths(r#"{"routing":{"noActionRequiredDelay":"0s"},"verification":{"grace":"0"}}"#).is_empty());
}

#[test]
fn the_checked_in_schema_is_the_generated_one() {
    check_schema::<Kubernaut>(concat!(env!("CARGO_MANIFEST_DIR"), "/config.schema.json"));
}

#[test]
fn options_that_kubernaut_does_not_have_are_off_and_bounded() {
    let config = Config::default();
    assert!(!config.dry_run && config.approval.rules.is_empty());
    assert_eq!(config.timeouts.verifying_max, None);
    for (text, path) in [
        (r#"{"dryRunHoldPeriod":"4m59s"}"#, "/dryRunHoldPeriod"),
        (r#"{"dryRunHoldPeriod":"168h1s"}"#, "/dryRunHoldPeriod"),
        (r#"{"timeouts":{"pending":"0s"}}"#, "/timeouts/pending"),
        (r#"{"timeouts":{"blocked":"0s"}}"#, "/timeouts/blocked"),
        (r#"{"timeouts":{"verifyingMax":"0s"}}"#, "/timeouts/verifyingMax"),
        (r#"{"onTimeout":{"escalationPeriod":"0s"}}"#, "/onTimeout/escalationPeriod"),
        (r#"{"onTimeout":{"verifying":"retryOnce"}}"#, "/onTimeout/verifying"),
        (r#"{"onTimeout":{"global":"retryOnce"}}"#, "/onTimeout/global"),
        (r#"{"onTimeout":{"analyzing":"escalateFirst"}}"#, "/timeouts/global"),
        (r#"{"approval":{"rules":[{"timeout":"16m"}]}}"#, "/timeouts/global"),
        (r#"{"approval":{"rules":[{"timeout":"1m"},{"timeout":"0s"}]}}"#, "/approval/rules/1/timeout"),
    ] {
        assert_eq!(paths(text), [path], "{text}");
    }
    for text in [
        r#"{"dryRun":true,"dryRunHoldPeriod":"5m"}"#,
        r#"{"dryRunHoldPeriod":"168h"}"#,
        r#"{"onTimeout":{"analyzing":"retryOnce","verifying":"escalateFirst"}}"#,
        r#"{"approval":{"rules":[{"severity":"critical","timeout":"10m"}]}}"#,
    ] {
        assert_eq!(paths(text), [""; 0], "{text}");
    }
}

#[test]
fn a_rule_without_a_timeout_and_an_unknown_action_are_refused() {
    assert_eq!(paths(r#"{"approval":{"rules":[{"severity":"critical"}]}}"#), ["/approval/rules/0/timeout"]);
    let fault = parse_config::<Kubernaut>(r#"{"onTimeout":{"analyzing":"retryTwice"}}"#).expect_err("no such action");
    assert_eq!(fault.path, "/onTimeout/analyzing");
    assert_eq!(fault.message, "is \"retryTwice\", expected timeOut, retryOnce or escalateFirst");
}

/// Every member of the schema with a value that differs from its default.
fn another(schema: &serde_json::Value, at: &serde_json::Value) -> serde_json::Value {
    let of = |reference: &str| &schema["$defs"][reference.trim_start_matches("#/$defs/")];
    let at = at["$ref"].as_str().map_or(at, of);
    if let Some(members) = at["properties"].as_object() {
        return members.iter().map(|(key, member)| (key.clone(), another(schema, member))).collect();
    }
    if let Some(one) = at["anyOf"].get(0) {
        return another(schema, one);
    }
    let is = |kind: &str| at["type"] == kind || at["type"].as_array().is_some_and(|kinds| kinds.contains(&kind.into()));
    match () {
        () if at["oneOf"].is_array() => at["oneOf"][1]["const"].clone(),
        () if is("array") => vec![another(schema, &at["items"])].into(),
        () if is("boolean") => true.into(),
        () if is("integer") => 17.into(),
        () if at["pattern"].is_string() => "17m".into(),
        () => "text".into(),
    }
}

#[test]
fn the_table_of_keys_reads_what_serde_derives() {
    let schema: serde_json::Value = serde_json::from_str(&trimtab_policy_sdk::generated_schema::<Kubernaut>()).unwrap();
    let document = another(&schema, &schema);
    let derived: Config = serde_json::from_value(document.clone()).expect("serde takes it");
    assert_ne!(derived, Config::default());
    assert_eq!(parse_config::<Kubernaut>(&document.to_string()).expect("the table takes it"), derived);
    for (place, part) in document.as_object().unwrap() {
        let alone = serde_json::json!({ place: part });
        let derived: Config = serde_json::from_value(alone.clone()).unwrap();
        assert_ne!(derived, Config::default(), "{place} says something");
        assert_eq!(parse_config::<Kubernaut>(&alone.to_string()).unwrap(), derived, "{place}");
    }
    for text in [
        "{",
        "{}x",
        r#"{"dryRun":1}"#,
        r#"{"dryRun":null}"#,
        r#"{"timeouts":{"pending":5}}"#,
        r#"{"dryRun":true,"dryRun":true}"#,
        r#"{"approval":{"rules":{}}}"#,
        r#"{"approval":{"rules":[1]}}"#,
        r#"{"routing":{"consecutiveFailureThreshold":-1}}"#,
        r#"{"routing":{"consecutiveFailureThreshold":1.5}}"#,
        r#"{"routing":{"consecutiveFailureThreshold":4294967296}}"#,
        r#"{"timeouts":null}"#,
    ] {
        assert!(serde_json::from_str::<Config>(text).is_err(), "{text}");
        assert!(parse_config::<Kubernaut>(text).is_err(), "{text}");
    }
    for text in ["[]", r#"{"routing":[]}"#] {
        assert!(parse_config::<Kubernaut>(text).is_err(), "{text}: serde would take members by their places");
    }
    let none = parse_config::<Kubernaut>(r#"{"timeouts":{"pending":null}}"#).expect("null is none");
    assert_eq!(none, Config::default());
}
