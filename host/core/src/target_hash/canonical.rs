//! Canonical JSON: members sorted by name, list elements by their text, everything written as Go writes it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Number, Value};

/// From here on Go writes a number with an exponent.
const EXPONENT_FROM: f64 = 1e21;

/// Below this as well.
const EXPONENT_BELOW: f64 = 1e-6;

/// A value as canonical text.
pub(super) fn canonical(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(value) => number(value),
        Value::String(value) => text(value),
        Value::Array(values) => {
            let mut written: Vec<String> = values.iter().map(canonical).collect();
            written.sort_unstable();
            format!("[{}]", written.join(","))
        }
        Value::Object(members) => object(members.iter()),
    }
}

/// Members as the canonical text of an object.
pub(super) fn object<'a>(members: impl Iterator<Item = (&'a String, &'a Value)>) -> String {
    let sorted: BTreeMap<_, _> = members.collect();
    let written: Vec<_> =
        sorted.into_iter().map(|(name, value)| format!("{}:{}", text(name), canonical(value))).collect();
    format!("{{{}}}", written.join(","))
}

/// Whole numbers of 64 bits with a sign as they are; all others as floating point numbers.
fn number(value: &Number) -> String {
    if let Some(whole) = value.as_i64() {
        return whole.to_string();
    }
    let float = value.as_f64().unwrap_or_default();
    let size = float.abs();
    if float != 0.0 && !(EXPONENT_BELOW..EXPONENT_FROM).contains(&size) {
        let written = format!("{float:e}");
        return written.split_once('e').map_or(written.clone(), |(digits, exponent)| {
            let sign = if exponent.starts_with('-') { "" } else { "+" };
            format!("{digits}e{sign}{exponent}")
        });
    }
    float.to_string()
}

/// Escapes also what is special in HTML, and the two line separators.
fn text(value: &str) -> String {
    let mut written = String::with_capacity(value.len() + 2);
    written.push('"');
    for letter in value.chars() {
        match letter {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\u{8}' => written.push_str("\\b"),
            '\u{c}' => written.push_str("\\f"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a text cannot fail.
                let _ = write!(written, "\\u{:04x}", u32::from(letter));
            }
            other => written.push(other),
        }
    }
    written.push('"');
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        for (given, written) in [
            ("0", "0"),
            ("-1", "-1"),
            ("9223372036854775807", "9223372036854775807"),
            ("9223372036854775808", "9223372036854776000"),
            ("18446744073709551615", "18446744073709552000"),
            ("1.0", "1"),
            ("0.25", "0.25"),
            ("1e3", "1000"),
            ("100000000000000000000.0", "100000000000000000000"),
            ("1e21", "1e+21"),
            ("1.5e300", "1.5e+300"),
            ("0.000001", "0.000001"),
            ("0.00000015", "1.5e-7"),
            ("-1e-10", "-1e-10"),
        ] {
            let value: Value = serde_json::from_str(given).unwrap();
            assert_eq!(canonical(&value), written, "{given}");
        }
    }

    #[test]
    fn texts_are_escaped_as_go_escapes_them() {
        let value = Value::from("a<b>&\"\\\n\u{8}\u{c}\u{1}\u{7f}é\u{2028}");
        assert_eq!(canonical(&value), "\"a\\u003cb\\u003e\\u0026\\\"\\\\\\n\\b\\f\\u0001\u{7f}é\\u2028\"");
    }

    #[test]
    fn elements_are_sorted_by_their_text_after_what_is_in_them() {
        let value: Value = serde_json::from_str(r#"{"b":[3,20,1,null,"x",[2,1],{"z":[2,1],"a":1}],"a":{}}"#).unwrap();
        assert_eq!(canonical(&value), r#"{"a":{},"b":["x",1,20,3,[1,2],null,{"a":1,"z":[1,2]}]}"#);
    }
}
