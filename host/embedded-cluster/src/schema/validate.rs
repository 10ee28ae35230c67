//! Validation against a structural schema, with the real server's messages.

use serde_json::{Value, json};

use super::prune::join;
use super::{ListType, Schema, SchemaType};
use crate::failure::{FaultKind, FieldFault};

/// All faults of `value`. With `old`, unchanged parts are accepted as they are (ratcheting)
/// and transition rules apply.
pub(crate) fn validate(schema: &Schema, value: &Value, old: Option<&Value>) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    node(schema, value, old, "", &mut faults);
    unique_keys(schema, value, "", &mut faults);
    // As in the real server, rules are asked only where the shape is right.
    if faults.is_empty() {
        rules(schema, value, old, "", &mut faults);
    }
    faults
}

fn node(schema: &Schema, value: &Value, old: Option<&Value>, path: &str, faults: &mut Vec<FieldFault>) {
    if old == Some(value) {
        return;
    }
    if !type_fits(schema, value, path, faults) {
        return;
    }
    choices(schema, value, path, faults);
    match value {
        Value::String(text) => string(schema, text, path, faults),
        Value::Number(_) => number(schema, value, path, faults),
        Value::Array(items) => array(schema, items, path, faults),
        Value::Object(_) => object(schema, value, old, path, faults),
        Value::Null | Value::Bool(_) => {}
    }
    combinations(schema, value, path, faults);
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn type_fits(schema: &Schema, value: &Value, path: &str, faults: &mut Vec<FieldFault>) -> bool {
    if value.is_null() && schema.nullable {
        return true;
    }
    let found = type_name(value);
    if schema.int_or_string {
        if matches!(found, "integer" | "string") {
            return true;
        }
        type_fault(path, "integer,string", found, faults);
        return false;
    }
    let Some(wanted) = schema.kind else {
        return true;
    };
    let integral = || value.as_f64().is_some_and(|number| number.fract() == 0.0);
    let fits = match wanted {
        SchemaType::Number => matches!(found, "integer" | "number"),
        SchemaType::Integer => found == "integer" || (found == "number" && integral()),
        _ => found == wanted.name(),
    };
    if !fits {
        type_fault(path, wanted.name(), found, faults);
    }
    fits
}

fn type_fault(path: &str, wanted: &str, found: &str, faults: &mut Vec<FieldFault>) {
    faults.push(FieldFault::new(
        FaultKind::TypeInvalid,
        path,
        Some(json!(found)),
        format!("{path} in body must be of type {wanted}: {found:?}"),
    ));
}

fn invalid(path: &str, value: Value, words: &str, faults: &mut Vec<FieldFault>) {
    faults.push(FieldFault::new(FaultKind::Invalid, path, Some(value), format!("{path} in body {words}")));
}

fn choices(schema: &Schema, value: &Value, path: &str, faults: &mut Vec<FieldFault>) {
    let Some(choices) = &schema.choices else { return };
    if value.is_null() || choices.contains(value) {
        return;
    }
    let listed: Vec<String> = choices
        .iter()
        .map(|choice| match choice {
            Value::String(text) => format!("{text:?}"),
            other => format!("{:?}", other.to_string()),
        })
        .collect();
    let detail = format!("supported values: {}", listed.join(", "));
    faults.push(FieldFault::new(FaultKind::NotSupported, path, Some(value.clone()), detail));
}

fn string(schema: &Schema, text: &str, path: &str, faults: &mut Vec<FieldFault>) {
    let length = text.chars().count() as u64;
    if let Some(most) = schema.bounds.max_length.filter(|most| length > *most) {
        let unit = if most == 1 { "byte" } else { "bytes" };
        let detail = format!("may not be more than {most} {unit}");
        faults.push(FieldFault::new(FaultKind::TooLong, path, None, detail));
    }
    if let Some(least) = schema.bounds.min_length.filter(|least| length < *least) {
        invalid(path, json!(text), &format!("should be at least {least} chars long"), faults);
    }
    if let Some(pattern) = schema.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
        invalid(path, json!(text), &format!("should match '{}'", pattern.as_str()), faults);
    }
    if let Some(format) = schema.format.filter(|format| !format.accepts(text)) {
        faults.push(FieldFault::new(
            FaultKind::TypeInvalid,
            path,
            Some(json!(text)),
            format!("{path} in body must be of type {}: {text:?}", format.name()),
        ));
    }
}

fn number(schema: &Schema, value: &Value, path: &str, faults: &mut Vec<FieldFault>) {
    let Some(number) = value.as_f64() else { return };
    let bounds = &schema.bounds;
    if let Some(least) = bounds.minimum {
        if bounds.exclusive_minimum && number <= least {
            invalid(path, value.clone(), &format!("should be greater than {least}"), faults);
        } else if number < least {
            let words = format!("should be greater than or equal to {least}");
            invalid(path, value.clone(), &words, faults);
        }
    }
    if let Some(most) = bounds.maximum {
        if bounds.exclusive_maximum && number >= most {
            invalid(path, value.clone(), &format!("should be less than {most}"), faults);
        } else if number > most {
            let words = format!("should be less than or equal to {most}");
            invalid(path, value.clone(), &words, faults);
        }
    }
    if let Some(step) = bounds.multiple_of.filter(|step| *step > 0.0 && (number / step).fract() != 0.0) {
        invalid(path, value.clone(), &format!("should be a multiple of {step}"), faults);
    }
    let int32 = f64::from(i32::MIN)..=f64::from(i32::MAX);
    if schema.format == Some(super::format::Format::Int32) && !int32.contains(&number) {
        invalid(path, value.clone(), "must be of type int32", faults);
    }
}

fn array(schema: &Schema, items: &[Value], path: &str, faults: &mut Vec<FieldFault>) {
    let count = items.len() as u64;
    too_many(schema.bounds.max_items, count, path, faults);
    if let Some(least) = schema.bounds.min_items.filter(|least| count < *least) {
        invalid(path, json!(count), &format!("should have at least {least} items"), faults);
    }
    if schema.bounds.unique_items && (1..items.len()).any(|at| items[..at].contains(&items[at])) {
        invalid(path, json!(items), "shouldn't contain duplicates", faults);
    }
    let Some(child) = &schema.items else { return };
    for (at, item) in items.iter().enumerate() {
        node(child, item, None, &format!("{path}[{at}]"), faults);
    }
}

fn too_many(most: Option<u64>, count: u64, path: &str, faults: &mut Vec<FieldFault>) {
    if let Some(most) = most.filter(|most| count > *most) {
        let unit = if most == 1 { "item" } else { "items" };
        let detail = format!("must have at most {most} {unit}");
        faults.push(FieldFault::new(FaultKind::TooMany, path, Some(json!(count)), detail));
    }
}

fn object(schema: &Schema, value: &Value, old: Option<&Value>, path: &str, faults: &mut Vec<FieldFault>) {
    let Value::Object(members) = value else { return };
    for name in schema.required.iter().filter(|name| !members.contains_key(*name)) {
        faults.push(FieldFault::new(FaultKind::Required, &join(path, name), None, ""));
    }
    let count = members.len() as u64;
    too_many(schema.bounds.max_properties, count, path, faults);
    if let Some(least) = schema.bounds.min_properties.filter(|least| count < *least) {
        invalid(path, json!(count), &format!("should have at least {least} properties"), faults);
    }
    for (name, member) in members {
        if let Some(child) = schema.properties.get(name).or(schema.additional.as_deref()) {
            let old = old.and_then(|old| old.get(name));
            node(child, member, old, &join(path, name), faults);
        }
    }
}

fn combinations(schema: &Schema, value: &Value, path: &str, faults: &mut Vec<FieldFault>) {
    let fits = |branch: &Schema| {
        let mut found = Vec::new();
        node(branch, value, None, path, &mut found);
        found.is_empty()
    };
    for branch in &schema.all_of {
        node(branch, value, None, path, faults);
    }
    let mut refuse = |words: &str| {
        let detail = format!("{path:?} {words}");
        faults.push(FieldFault::new(FaultKind::Invalid, "", Some(json!("")), detail));
    };
    if !schema.any_of.is_empty() && !schema.any_of.iter().any(fits) {
        refuse("must validate at least one schema (anyOf)");
    }
    if !schema.one_of.is_empty() && schema.one_of.iter().filter(|branch| fits(branch)).count() != 1 {
        refuse("must validate one and only one schema (oneOf)");
    }
    if schema.not.as_deref().is_some_and(fits) {
        refuse("must not validate the schema (not)");
    }
}

fn unique_keys(schema: &Schema, value: &Value, path: &str, faults: &mut Vec<FieldFault>) {
    match value {
        Value::Array(items) => {
            let identities: Vec<Value> = match &schema.list {
                ListType::Atomic => Vec::new(),
                ListType::Set => items.clone(),
                ListType::Map(keys) => items.iter().map(|item| key_of(schema, item, keys)).collect(),
            };
            for (at, identity) in identities.iter().enumerate() {
                let earlier = identities[..at].iter().filter(|other| *other == identity).count();
                // The second of a kind is named once, as the real server does.
                if earlier == 1 {
                    let path = format!("{path}[{at}]");
                    faults.push(FieldFault::new(FaultKind::Duplicate, &path, Some(identity.clone()), ""));
                }
            }
            if let Some(child) = &schema.items {
                for (at, item) in items.iter().enumerate() {
                    unique_keys(child, item, &format!("{path}[{at}]"), faults);
                }
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                if let Some(child) = schema.properties.get(name).or(schema.additional.as_deref()) {
                    unique_keys(child, member, &join(path, name), faults);
                }
            }
        }
        _ => {}
    }
}

fn key_of(schema: &Schema, item: &Value, keys: &[String]) -> Value {
    let mut identity = serde_json::Map::new();
    for key in keys {
        let default = || {
            let child = schema.items.as_ref()?.properties.get(key)?;
            child.default.clone()
        };
        if let Some(value) = item.get(key).cloned().or_else(default) {
            identity.insert(key.clone(), value);
        }
    }
    Value::Object(identity)
}

fn rules(schema: &Schema, value: &Value, old: Option<&Value>, path: &str, faults: &mut Vec<FieldFault>) {
    for rule in &schema.rules {
        if let Some(message) = rule.broken_by(value, old) {
            // Compound values are left out of the message.
            let shown = (!value.is_object() && !value.is_array()).then(|| value.clone());
            faults.push(FieldFault::new(FaultKind::Invalid, path, shown, message));
        }
    }
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if let Some(child) = schema.properties.get(name).or(schema.additional.as_deref()) {
                    let old = old.and_then(|old| old.get(name));
                    rules(child, member, old, &join(path, name), faults);
                }
            }
        }
        Value::Array(items) => {
            let Some(child) = &schema.items else { return };
            for (at, item) in items.iter().enumerate() {
                let old = old.and_then(|old| same_item(schema, item, old));
                rules(child, item, old, &format!("{path}[{at}]"), faults);
            }
        }
        _ => {}
    }
}

/// The item of the old list that has the same keys; only map lists correlate.
fn same_item<'a>(schema: &Schema, item: &Value, old: &'a Value) -> Option<&'a Value> {
    let ListType::Map(keys) = &schema.list else {
        return None;
    };
    let wanted = key_of(schema, item, keys);
    old.as_array()?.iter().find(|other| key_of(schema, other, keys) == wanted)
}

#[cfg(test)]
mod tests;
