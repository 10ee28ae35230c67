//! Strategic merge patch for the built-in kinds that are served here.
//!
//! Their only lists with a merge strategy are owner references (by uid), conditions (by type)
//! and finalizers (a set); every other list is replaced.

use serde_json::{Map, Value};

use crate::failure::Failure;

/// Applies `patch` to `target`, both objects; `member` is the name under which they hang.
pub(super) fn merge(target: &mut Value, patch: &Value, member: &str) -> Result<(), Failure> {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return Ok(());
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(object) = target else {
        return Ok(());
    };
    match patch.get("$patch").and_then(Value::as_str) {
        None | Some("merge") => {}
        Some("replace") => {
            object.clone_from(patch);
            object.remove("$patch");
            return Ok(());
        }
        Some("delete") => {
            object.clear();
            return Ok(());
        }
        Some(other) => return Err(unknown_directive(&format!("$patch: {other}"), member)),
    }
    if let Some(retained) = patch.get("$retainKeys").and_then(Value::as_array) {
        object.retain(|name, _| retained.iter().any(|kept| kept.as_str() == Some(name)));
    }
    for (name, value) in patch {
        if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            let gone = value.as_array().cloned().unwrap_or_default();
            if let Some(items) = object.get_mut(list).and_then(Value::as_array_mut) {
                items.retain(|item| !gone.contains(item));
            }
        } else if name.starts_with("$setElementOrder/") || name == "$patch" || name == "$retainKeys" {
            // Order of these lists carries no meaning for the kinds served here.
        } else if name.starts_with('$') {
            return Err(unknown_directive(name, member));
        } else {
            merge_member(object, name, value)?;
        }
    }
    Ok(())
}

fn merge_member(object: &mut Map<String, Value>, name: &str, value: &Value) -> Result<(), Failure> {
    match value {
        Value::Null => {
            object.remove(name);
        }
        Value::Object(_) => {
            let slot = object.entry(name).or_insert_with(|| Value::Object(Map::new()));
            merge(slot, value, name)?;
        }
        Value::Array(items) => {
            let slot = object.entry(name).or_insert_with(|| Value::Array(Vec::new()));
            match (slot.as_array_mut(), name) {
                (Some(existing), "ownerReferences") => merge_list(existing, items, "uid")?,
                (Some(existing), "conditions") => merge_list(existing, items, "type")?,
                (Some(existing), "finalizers") => {
                    for item in items {
                        if !existing.contains(item) {
                            existing.push(item.clone());
                        }
                    }
                }
                _ => *slot = value.clone(),
            }
        }
        _ => {
            object.insert(name.to_owned(), value.clone());
        }
    }
    Ok(())
}

fn merge_list(existing: &mut Vec<Value>, items: &[Value], key: &str) -> Result<(), Failure> {
    if items.iter().any(|item| item["$patch"] == "replace") {
        *existing = items.iter().filter(|item| item["$patch"] != "replace").cloned().collect();
        return Ok(());
    }
    for item in items {
        let at = existing.iter().position(|other| other[key] == item[key]);
        match (at, item["$patch"] == "delete") {
            (Some(at), true) => {
                existing.remove(at);
            }
            (None, true) => {}
            (Some(at), false) => merge(&mut existing[at], item, key)?,
            (None, false) => existing.push(item.clone()),
        }
    }
    Ok(())
}

fn unknown_directive(directive: &str, member: &str) -> Failure {
    Failure::bad_request(format!("unknown strategic merge patch directive {directive:?} under {member:?}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn maps_merge_and_keyed_lists_join() {
        let mut object = json!({"data": {"a": "1", "b": "2"}, "metadata": {
            "finalizers": ["x", "y"], "ownerReferences": [{"uid": "1", "name": "one"}, {"uid": "2"}]}});
        let patch = json!({"data": {"b": null, "c": "3"}, "metadata": {
            "finalizers": ["z"], "$deleteFromPrimitiveList/finalizers": ["x"], "$setElementOrder/finalizers": ["z", "y"],
            "ownerReferences": [{"uid": "1", "controller": true}, {"uid": "2", "$patch": "delete"}]}});
        merge(&mut object, &patch, "").unwrap();
        assert_eq!(object["data"], json!({"a": "1", "c": "3"}));
        let finalizers = object["metadata"]["finalizers"].as_array().unwrap();
        assert!(finalizers.len() == 2 && finalizers.contains(&json!("y")) && finalizers.contains(&json!("z")));
        assert_eq!(object["metadata"]["ownerReferences"], json!([{"uid": "1", "name": "one", "controller": true}]));
    }

    #[test]
    fn unknown_directives_are_refused() {
        let mut object = json!({});
        assert_eq!(merge(&mut object, &json!({"$odd": 1}), "").unwrap_err().code, 400);
    }
}
