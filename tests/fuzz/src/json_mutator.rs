//! Changes JSON documents by their values, so that what comes out is still JSON.

use serde_json::{Map, Value, json};

use crate::chance::Chance;
pub use crate::wasm_mutator::Raw;

/// Most changes at once.
const CHANGES_MAX: usize = 3;
/// Most bytes of a text after a change.
const TEXT_BYTES_MAX: usize = 256;

/// A changed document of at most `bytes_max` bytes; `None` where the input is no JSON or would be too long.
/// `words` are texts that mean something to the target, as keys and as values.
pub fn mutate(input: &[u8], bytes_max: usize, seed: u32, words: &[&str], raw: Raw<'_>) -> Option<Vec<u8>> {
    let mut document: Value = serde_json::from_slice(input).ok()?;
    let mut chance = Chance::new(seed);
    for _ in 0..=chance.below(CHANGES_MAX) {
        let count = count(&document);
        let donor = nth(&mut document, &mut chance.below(count)).cloned().unwrap_or_default();
        if let Some(value) = nth(&mut document, &mut chance.below(count)) {
            change(value, donor, words, &mut chance, raw);
        }
    }
    let text = document.to_string().into_bytes();
    (text.len() <= bytes_max).then_some(text)
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum::<usize>(),
        Value::Object(members) => members.values().map(count).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// The value at this place, parents before children; counts the place down on the way.
fn nth<'a>(value: &'a mut Value, place: &mut usize) -> Option<&'a mut Value> {
    if *place == 0 {
        return Some(value);
    }
    *place -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, place)),
        Value::Object(members) => members.values_mut().find_map(|member| nth(member, place)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn change(value: &mut Value, donor: Value, words: &[&str], chance: &mut Chance, raw: Raw<'_>) {
    let word = chance.one_of(words).map_or_else(String::new, |word| (*word).to_owned());
    match (chance.below(6), &mut *value) {
        (0, Value::Object(members)) => {
            if let Some(key) = members.keys().nth(chance.below(members.len())).cloned() {
                members.remove(&key);
            }
        }
        (0, Value::Array(items)) if !items.is_empty() => drop(items.remove(chance.below(items.len()))),
        (1 | 2, Value::Object(members)) => {
            let new = if chance.below(2) == 0 { donor } else { interesting(words, chance) };
            members.insert(word, new);
        }
        (1 | 2, Value::Array(items)) => items.push(donor),
        (3, Value::Object(members)) => rename(members, word, chance),
        (1..=3, Value::String(text)) => {
            let mut bytes = std::mem::take(text).into_bytes();
            raw(&mut bytes, TEXT_BYTES_MAX);
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
        (4, _) => *value = donor,
        _ => *value = interesting(words, chance),
    }
}

fn rename(members: &mut Map<String, Value>, word: String, chance: &mut Chance) {
    if let Some(key) = members.keys().nth(chance.below(members.len())).cloned()
        && let Some(member) = members.remove(&key)
    {
        members.insert(word, member);
    }
}

fn interesting(words: &[&str], chance: &mut Chance) -> Value {
    match chance.below(14) {
        0 => Value::Null,
        1 => json!({}),
        2 => json!([]),
        3 => true.into(),
        4 => false.into(),
        5 => 0.into(),
        6 => (-1).into(),
        7 => u64::MAX.into(),
        8 => i64::MIN.into(),
        9 => json!(0.1),
        10 => json!(1e300),
        11 => "".into(),
        _ => chance.one_of(words).map_or(Value::Null, |word| (*word).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_document_is_json_and_most_changes_change_something() {
        let document = json!({"a": [1, {"b": "text"}], "c": {"d": null, "e": true}});
        let input = document.to_string().into_bytes();
        let mut raw = |bytes: &mut Vec<u8>, _: usize| bytes.push(b'x');
        let changed = (0..500).filter(|seed| {
            let text = mutate(&input, 4096, *seed, &["a", "Completed"], &mut raw).expect("a document");
            serde_json::from_slice::<Value>(&text).expect("still a document") != document
        });
        assert!(changed.count() > 400);
    }

    #[test]
    fn what_would_be_too_long_is_not_given() {
        let input = json!({"a": "x".repeat(100)}).to_string().into_bytes();
        let none = (0..100).filter_map(|seed| mutate(&input, 8, seed, &["word"], &mut |_, _| {}));
        assert!(none.into_iter().all(|text| text.len() <= 8));
    }
}
