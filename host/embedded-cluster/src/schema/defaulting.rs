//! Defaulting: fills absent members from the schema's `default`.

use serde_json::Value;

use super::Schema;

/// Fills defaults in place, at every level that is present.
pub(crate) fn apply_defaults(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, child) in &schema.properties {
                // A null that the schema does not allow gives way to the default.
                let absent = members.get(name).is_none_or(|member| member.is_null() && !child.nullable);
                if absent && let Some(default) = &child.default {
                    members.insert(name.clone(), default.clone());
                }
            }
            for (name, member) in members.iter_mut() {
                if let Some(child) = schema.properties.get(name).or(schema.additional.as_deref()) {
                    apply_defaults(child, member);
                }
            }
        }
        Value::Array(items) => {
            if let Some(child) = &schema.items {
                for item in items {
                    apply_defaults(child, item);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::schema_of;

    #[test]
    fn absent_and_null_members_take_the_default() {
        let schema = schema_of(&json!({"type": "object", "properties": {
            "priority": {"type": "string", "default": "Medium"},
            "retry": {"type": "object", "default": {}, "properties": {"max": {"type": "integer", "default": 5}}},
            "kept": {"type": "string", "nullable": true, "default": "x"},
        }}));
        let mut value = json!({"priority": null, "kept": null});
        apply_defaults(&schema, &mut value);
        assert_eq!(value, json!({"priority": "Medium", "retry": {"max": 5}, "kept": null}));
    }
}
