//! Changes one observation document by another.

use serde_json::{Map, Value};

use super::ObservationDocument;

/// The base with every member that the change names; maps are merged, children by their kind, other lists replaced.
/// What a document names cannot be unnamed: a child goes with `found: false`.
///
/// # Errors
/// A message where the two together are no document, which two documents never give.
pub fn merge(base: &ObservationDocument, change: &ObservationDocument) -> Result<ObservationDocument, String> {
    let plain = |document| serde_json::to_value(document).map(without_nulls).map_err(|error| error.to_string());
    let (mut merged, change) = (plain(base)?, plain(change)?);
    put(&mut merged, change);
    serde_json::from_value(merged).map_err(|error| error.to_string())
}

fn put(base: &mut Value, change: Value) {
    match (base, change) {
        (Value::Object(members), Value::Object(changes)) => {
            for (key, value) in changes {
                match members.get_mut(&key) {
                    Some(Value::Array(items)) if key == "children" => put_children(items, value),
                    Some(known) => put(known, value),
                    None => {
                        members.insert(key, value);
                    }
                }
            }
        }
        (base, change) => *base = change,
    }
}

fn put_children(items: &mut Vec<Value>, changes: Value) {
    let Value::Array(changes) = changes else { return };
    for change in changes {
        match items.iter_mut().find(|known| known["kind"] == change["kind"]) {
            Some(known) => put(known, change),
            None => items.push(change),
        }
    }
}

/// The value without members that are null.
pub fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}
