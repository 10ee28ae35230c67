//! Configs: syntax, schema, the policy's own check, and what names them.

use trimtab_policy_engine::{Checker, ConfigError, Limits};

use crate::guests::Guest;
use crate::observations::component;

const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{
    "minutes":{"type":"integer","minimum":1},"rules":{"type":"array","items":{"type":"string"}}}}"#;

fn guest() -> Guest {
    Guest::timeouts("(unreachable)").schema(SCHEMA)
}

#[test]
fn nothing_means_an_empty_document() {
    let component = component(&guest(), Limits::DEFAULT);
    let (nothing, empty) = (component.configure(" \n").unwrap(), component.configure("{ }").unwrap());
    assert_eq!(nothing.config(), "{}");
    assert_eq!(nothing.revision(), empty.revision());
    assert_eq!(nothing.revision().config, "44136fa355b3678a");
    assert_eq!(nothing.revision().digest, component.digest().to_string());
}

#[test]
fn the_same_document_has_the_same_revision_however_it_is_written() {
    let component = component(&guest(), Limits::DEFAULT);
    let one = component.configure(r#"{"rules": ["a"], "minutes": 5}"#).unwrap();
    let other = component.configure(r#"{"minutes":5,"rules":["a"]}"#).unwrap();
    let changed = component.configure(r#"{"minutes":6,"rules":["a"]}"#).unwrap();
    assert_eq!(one.revision(), other.revision());
    assert_ne!(one.revision(), changed.revision());
}

#[test]
fn a_document_that_is_no_json_is_refused_with_its_place() {
    let error = component(&guest(), Limits::DEFAULT).configure("{\"minutes\":}").unwrap_err();
    assert_eq!(error.to_string(), "the config is no JSON: expected value at line 1 column 12");
}

#[test]
fn every_fault_against_the_schema_is_told_with_its_path() {
    let error =
        component(&guest(), Limits::DEFAULT).configure(r#"{"minutes":0,"rules":["a",7],"other":1}"#).unwrap_err();
    let ConfigError::Invalid { by: Checker::Schema, faults } = &error else { panic!("{error}") };
    let mut paths: Vec<_> = faults.iter().map(|fault| fault.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["", "/minutes", "/rules/1"]);
    assert!(error.to_string().contains("/minutes: 0 is less than the minimum of 1"), "{error}");
    assert_eq!(error.reason(), "ConfigAgainstSchema");
}

#[test]
fn of_a_large_document_that_meets_a_large_schema_the_first_fault_is_told() {
    let all_of = vec![r#"{"type":"integer"}"#; 400].join(",");
    let schema = format!(r#"{{"items":{{"allOf":[{all_of}]}}}}"#);
    let config = format!("[{}]", vec![r#""x""#; 8000].join(","));
    let error =
        component(&Guest::timeouts("(unreachable)").schema(&schema), Limits::DEFAULT).configure(&config).unwrap_err();
    let ConfigError::Invalid { by: Checker::Schema, faults } = &error else { panic!("{error}") };
    assert_eq!(faults.iter().map(|fault| fault.path.as_str()).collect::<Vec<_>>(), ["/0"]);
}

#[test]
fn the_policys_own_faults_are_told_with_their_path() {
    let mut guest = guest();
    let (path, message) = (guest.text("/minutes"), guest.text("be patient"));
    let list = guest.words(&[path[0], path[1], message[0], message[1]]);
    let verdict = guest.words(&[1, u32::try_from(list).unwrap(), 1]);
    let component = component(&guest.validate(&format!("(i32.const {verdict})")), Limits::DEFAULT);
    let error = component.configure("").unwrap_err();
    assert_eq!(error.to_string(), "the config is not what the policy takes: /minutes: be patient");
    assert_eq!(error.reason(), "ConfigRefused");
}

#[test]
fn a_check_that_traps_is_told_as_a_fault() {
    let component = component(&guest().validate("(unreachable)"), Limits::DEFAULT);
    let error = component.configure("").unwrap_err();
    assert!(error.to_string().starts_with("validate-config gave no answer: Trap: "), "{error}");
}

#[test]
fn a_config_above_its_bound_is_refused_unread() {
    let error = component(&guest(), Limits::DEFAULT).configure(&" ".repeat(70_000)).unwrap_err();
    assert_eq!(error.to_string(), "the config has 70000 bytes, 65536 are allowed");
}
