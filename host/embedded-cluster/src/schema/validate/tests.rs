//! Messages, rules and ratcheting of the validation.

use super::*;
use crate::schema::schema_of;

fn schema() -> Schema {
    schema_of(&json!({"type": "object", "properties": {"spec": {
        "type": "object", "required": ["severity"], "properties": {
            "severity": {"type": "string", "minLength": 1, "maxLength": 5},
            "kind": {"type": "string", "enum": ["a", "b"]},
            "print": {"type": "string", "pattern": "^[a-f0-9]{4}$"},
            "count": {"type": "integer", "minimum": 1, "maximum": 10},
            "at": {"type": "string", "format": "date-time"},
            "types": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string"}},
            "port": {"x-kubernetes-int-or-string": true},
            "maybe": {"type": "string", "nullable": true},
            "conditions": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
                "items": {"type": "object", "properties": {"type": {"type": "string"}}}},
        },
        "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "spec is immutable"}],
    }}}))
}

fn said(spec: &Value) -> Vec<String> {
    validate(&schema(), &json!({ "spec": spec }), None).iter().map(ToString::to_string).collect()
}

#[test]
fn messages_are_the_real_servers() {
    let long = "spec.severity: Too long: may not be more than 5 bytes";
    for (spec, wanted) in [
        (json!({}), "spec.severity: Required value"),
        (json!({"severity": "toolong"}), long),
        (
            json!({"severity": ""}),
            "spec.severity: Invalid value: \"\": spec.severity in body should be at least 1 chars long",
        ),
        (
            json!({"severity": 5}),
            "spec.severity: Invalid value: \"integer\": spec.severity in body must be of type string: \"integer\"",
        ),
        (
            json!({"severity": null}),
            "spec.severity: Invalid value: \"null\": spec.severity in body must be of type string: \"null\"",
        ),
        (json!({"severity": "x", "kind": "c"}), "spec.kind: Unsupported value: \"c\": supported values: \"a\", \"b\""),
        (
            json!({"severity": "x", "print": "zz"}),
            "spec.print: Invalid value: \"zz\": spec.print in body should match '^[a-f0-9]{4}$'",
        ),
        (
            json!({"severity": "x", "count": 0}),
            "spec.count: Invalid value: 0: spec.count in body should be greater than or equal to 1",
        ),
        (
            json!({"severity": "x", "count": 11}),
            "spec.count: Invalid value: 11: spec.count in body should be less than or equal to 10",
        ),
        (
            json!({"severity": "x", "at": "noon"}),
            "spec.at: Invalid value: \"noon\": spec.at in body must be of type date-time: \"noon\"",
        ),
        (
            json!({"severity": "x", "types": []}),
            "spec.types: Invalid value: 0: spec.types in body should have at least 1 items",
        ),
        (json!({"severity": "x", "types": ["1", "2", "3"]}), "spec.types: Too many: 3: must have at most 2 items"),
        (
            json!({"severity": "x", "conditions": [{"type": "A"}, {"type": "A"}]}),
            "spec.conditions[1]: Duplicate value: {\"type\":\"A\"}",
        ),
    ] {
        assert_eq!(said(&spec), [wanted], "{spec}");
    }
    assert!(said(&json!({"severity": "x", "port": "http", "maybe": null})).is_empty());
}

#[test]
fn rules_compare_with_the_old_object() {
    let old = json!({"spec": {"severity": "x"}});
    let new = json!({"spec": {"severity": "y"}});
    let faults = validate(&schema(), &new, Some(&old));
    assert_eq!(faults[0].to_string(), "spec: Invalid value: spec is immutable");
    assert!(validate(&schema(), &old, Some(&old)).is_empty());
}

#[test]
fn unchanged_faults_are_tolerated_on_update() {
    let old = json!({"spec": {"severity": "x", "kind": "old"}});
    let same = validate(&schema(), &old, Some(&old));
    assert!(same.is_empty());
    let changed = json!({"spec": {"severity": "x", "kind": "newer"}});
    assert_eq!(validate(&schema(), &changed, Some(&old)).len(), 1);
}
