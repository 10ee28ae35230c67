//! Documents as text, one value a line, so that two of them can be compared line by line.

use std::fmt::Write as _;

use serde_json::Value;

/// YAML with sorted keys.
pub fn write(value: &Value) -> String {
    let mut text = String::new();
    node(&mut text, value, 0, Place::Top);
    text
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    AfterKey,
    AfterDash,
}

fn node(text: &mut String, value: &Value, depth: usize, place: Place) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            let mut keys: Vec<_> = members.iter().collect();
            keys.sort_by(|one, other| one.0.cmp(other.0));
            if place == Place::AfterKey {
                text.push('\n');
            }
            for (nth, (key, value)) in keys.into_iter().enumerate() {
                if nth > 0 || place != Place::AfterDash {
                    indent(text, depth);
                }
                let _ = write!(text, "{}:", scalar(key));
                node(text, value, depth + 1, Place::AfterKey);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            if place == Place::AfterKey {
                text.push('\n');
            }
            for (nth, value) in list.iter().enumerate() {
                if nth > 0 || place != Place::AfterDash {
                    indent(text, depth);
                }
                text.push_str("- ");
                node(text, value, depth + 1, Place::AfterDash);
            }
        }
        leaf => {
            if place == Place::AfterKey {
                text.push(' ');
            }
            leaf_text(text, leaf, depth);
        }
    }
}

fn leaf_text(text: &mut String, leaf: &Value, depth: usize) {
    match leaf {
        Value::String(string) if string.contains('\n') && !string.starts_with([' ', '\n']) => {
            text.push_str(if string.ends_with('\n') { "|+\n" } else { "|-\n" });
            for line in string.strip_suffix('\n').unwrap_or(string).split('\n') {
                if !line.is_empty() {
                    indent(text, depth);
                }
                text.push_str(line);
                text.push('\n');
            }
        }
        Value::String(string) => {
            text.push_str(&scalar(string));
            text.push('\n');
        }
        other => {
            let _ = writeln!(text, "{other}");
        }
    }
}

fn indent(text: &mut String, depth: usize) {
    for _ in 0..depth {
        text.push_str("  ");
    }
}

/// A string without quotes where YAML reads it back as that string.
fn scalar(string: &str) -> String {
    let starts_plain = string.starts_with(|c: char| c.is_alphabetic() || "/_(<".contains(c));
    let is_plain = starts_plain
        && !string.ends_with([' ', ':'])
        && !string.contains(": ")
        && !string.contains(" #")
        && !string.contains(|c: char| c.is_control())
        && !matches!(
            string.to_ascii_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if is_plain { string.to_owned() } else { Value::from(string).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read_back() {
        let value = json!({
            "list": [{"b": "x: y", "a": [1, [2, "3"]]}, "true", {}, []],
            "text": "one\n\n  two\n", "other": "one\ntwo", "number": 1.5, "none": null, "flag": false,
            "time": "2026-11-22T08:30:18Z", "sign": "\u{1F6A8} Remediation: #1", "duration": "2s",
        });
        let text = write(&value);
        let read: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(read, value, "{text}");
    }

    #[test]
    fn keys_are_sorted_and_nested_with_two_spaces() {
        let text = write(&json!({"b": [{"d": 1, "c": "x"}], "a": {"e": "f"}}));
        assert_eq!(text, "a:\n  e: f\nb:\n  - c: x\n    d: 1\n");
    }
}
