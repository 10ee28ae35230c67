//! Reading and changing JSON documents: cluster objects come and go as these.

use serde_json::{Map, Value};

/// The text at a JSON Pointer; empty where there is none.
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// The non-empty text at a JSON Pointer.
pub fn some_text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    Some(text(value, pointer)).filter(|text| !text.is_empty())
}

/// Whether the truth value at a JSON Pointer is true.
pub fn is_true(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

/// Sets a member at a path of object keys, making the objects on the way.
pub fn set(value: &mut Value, path: &[&str], new: Value) {
    let Some((last, parents)) = path.split_last() else {
        *value = new;
        return;
    };
    let mut here = value;
    for key in parents {
        here = object_mut(here).entry((*key).to_owned()).or_insert_with(|| Value::Object(Map::new()));
    }
    object_mut(here).insert((*last).to_owned(), new);
}

/// Removes the member at a path of object keys, if it is there.
pub fn remove(value: &mut Value, path: &[&str]) {
    let Some((last, parents)) = path.split_last() else {
        return;
    };
    let mut here = value;
    for key in parents {
        match here.get_mut(*key) {
            Some(next) => here = next,
            None => return,
        }
    }
    if let Some(object) = here.as_object_mut() {
        object.remove(*last);
    }
}

fn object_mut(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            unreachable!("the value was made an object above")
        }
    }
}

/// Copies the members of `from` that are present, not null and not empty objects, under the names of `keys`.
pub fn copy_present(from: &Value, keys: &[&str], to: &mut Map<String, Value>) {
    for key in keys {
        match from.get(*key) {
            None | Some(Value::Null) => {}
            Some(Value::Object(map)) if map.is_empty() => {}
            Some(present) => {
                to.insert((*key).to_owned(), present.clone());
            }
        }
    }
}

/// The JSON merge patch (RFC 7396) that turns `before` into `after`; `None` where they are equal.
pub fn merge_diff(before: &Value, after: &Value) -> Option<Value> {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let mut patch = Map::new();
            for key in old.keys().filter(|key| !new.contains_key(*key)) {
                patch.insert(key.clone(), Value::Null);
            }
            for (key, value) in new {
                match old.get(key) {
                    Some(known) => {
                        if let Some(change) = merge_diff(known, value) {
                            patch.insert(key.clone(), change);
                        }
                    }
                    None => {
                        patch.insert(key.clone(), value.clone());
                    }
                }
            }
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        (old, new) => (old != new).then(|| new.clone()),
    }
}

/// Applies a JSON merge patch (RFC 7396).
pub fn merge_apply(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    let object = object_mut(target);
    for (key, change) in changes {
        if change.is_null() {
            object.remove(key);
        } else {
            merge_apply(object.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_diff_applied_to_the_old_gives_the_new() {
        let old = json!({"a": 1, "b": {"c": 2, "d": 3}, "e": [1]});
        let new = json!({"b": {"c": 4}, "e": [1, 2], "f": {"g": {}}});
        let patch = merge_diff(&old, &new).unwrap();
        assert_eq!(patch, json!({"a": null, "b": {"c": 4, "d": null}, "e": [1, 2], "f": {"g": {}}}));
        let mut applied = old;
        merge_apply(&mut applied, &patch);
        assert_eq!(applied, new);
    }

    #[test]
    fn equal_documents_have_no_diff() {
        assert_eq!(merge_diff(&json!({"a": {"b": 1}}), &json!({"a": {"b": 1}})), None);
    }

    #[test]
    fn members_are_set_and_removed_by_path() {
        let mut value = json!({});
        set(&mut value, &["a", "b"], json!(1));
        assert_eq!(value, json!({"a": {"b": 1}}));
        remove(&mut value, &["a", "b"]);
        remove(&mut value, &["x", "y"]);
        assert_eq!(value, json!({"a": {}}));
    }
}
