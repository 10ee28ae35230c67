//! Pruning: drops what the schema does not know, and reports it for strict decoding.

use serde_json::Value;

use super::Schema;

/// Members of `metadata` that a client may send.
const METADATA_MEMBERS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Prunes a whole object in place; returns the paths of the dropped fields.
pub(crate) fn prune_object(schema: &Schema, object: &mut Value) -> Vec<String> {
    let mut dropped = Vec::new();
    prune_metadata(object, "metadata", &mut dropped);
    prune(schema, object, "", true, &mut dropped);
    dropped
}

fn prune_metadata(object: &mut Value, path: &str, dropped: &mut Vec<String>) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    metadata.retain(|name, _| {
        let known = METADATA_MEMBERS.contains(&name.as_str());
        if !known {
            dropped.push(format!("{path}.{name}"));
        }
        known
    });
}

fn prune(schema: &Schema, value: &mut Value, path: &str, resource: bool, dropped: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let resource = resource || schema.embedded_resource;
            let preserve = schema.preserve_unknown || schema.additional_any;
            members.retain(|name, member| {
                if resource && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
                    return true;
                }
                let path = join(path, name);
                if let Some(child) = schema.properties.get(name).or(schema.additional.as_deref()) {
                    prune(child, member, &path, false, dropped);
                    return true;
                }
                if !preserve {
                    dropped.push(path);
                }
                preserve
            });
        }
        Value::Array(items) => {
            let Some(child) = &schema.items else { return };
            for (at, item) in items.iter_mut().enumerate() {
                prune(child, item, &format!("{path}[{at}]"), false, dropped);
            }
        }
        _ => {}
    }
}

/// Appends a member name to a path.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::schema_of;

    #[test]
    fn unknown_fields_are_dropped_and_reported() {
        let schema = schema_of(&json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "known": {"type": "string"},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {"type": "string"}}}},
            "embedded": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}},
            "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
        }}}}));
        let mut object = json!({"apiVersion": "g/v1", "kind": "K", "metadata": {"name": "x", "odd": 1}, "spec": {
            "known": "k", "x": 1, "free": {"any": {"thing": 1}}, "map": {"k": {"a": "1", "b": 2}},
            "embedded": {"apiVersion": "v1", "kind": "Z", "metadata": {"name": "z"}, "odd": 1},
            "list": [{"a": "1"}, {"b": 2}],
        }});
        let dropped = prune_object(&schema, &mut object);
        assert_eq!(dropped, ["metadata.odd", "spec.embedded.odd", "spec.list[1].b", "spec.map.k.b", "spec.x"]);
        assert_eq!(object["spec"]["free"], json!({"any": {"thing": 1}}));
        assert_eq!(object["spec"]["list"], json!([{"a": "1"}, {}]));
    }
}
