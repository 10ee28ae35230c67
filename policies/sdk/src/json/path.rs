//! One string of a document, found by its path.

use super::table::Place;
use super::{Reader, Text};
use crate::ConfigFault;

/// The string that stands in a JSON document under these keys, one object inside the other; `None` where there is none.
pub fn string_at(document: &str, path: &[&str]) -> Option<String> {
    let mut reader = Reader { text: Text::new(document), depth: 0 };
    let mut found = None;
    // The document's rest is not read once the string is found, so a fault means nothing.
    let _ = Place(&mut reader).string_at(path, &mut found);
    found
}

impl Place<'_, '_> {
    fn string_at(&mut self, path: &[&str], found: &mut Option<String>) -> Result<(), ConfigFault> {
        let Some((first, rest)) = path.split_first() else {
            *found = Some(self.text()?);
            return Ok(());
        };
        self.each(b'{', "an object", &mut |place, key, _| {
            if key != *first {
                return place.skip();
            }
            place.string_at(rest, found)?;
            Err(ConfigFault::new("", "the rest does not matter"))
        })
    }

    /// Reads past any value.
    fn skip(&mut self) -> Result<(), ConfigFault> {
        let text = &mut self.0.text;
        let is_read = match text.peek() {
            Some(begin @ (b'{' | b'[')) => return self.each(begin, "", &mut |place, _, _| place.skip()),
            Some(b'"') => text.string().map(drop),
            Some(b'-' | b'0'..=b'9') => text.number().map(drop),
            _ => text.word().map(drop),
        };
        is_read.map_err(|fault| ConfigFault { path: fault.path, message: fault.message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{"a": [1, {"b": "no"}, null], "c": {"x": -1.5e3, "b": "yes", "rest": oh no"#;

    #[test]
    fn a_string_is_found_by_its_path_and_nothing_else() {
        assert_eq!(string_at(DOCUMENT, &["c", "b"]).as_deref(), Some("yes"));
        for path in [&["c"][..], &["c", "x"], &["b"], &["a", "b"], &["c", "b", "d"], &["c", "nothing"], &[]] {
            assert_eq!(string_at(DOCUMENT, path), None, "{path:?}");
        }
        assert_eq!(string_at(r#""alone""#, &[]).as_deref(), Some("alone"));
        assert_eq!(string_at("", &["c"]), None);
    }

    #[test]
    fn deep_nesting_ends_without_an_answer() {
        let deep = format!(r#"{{"a":{}{},"b":"c"}}"#, "[".repeat(70), "]".repeat(70));
        assert_eq!(string_at(&deep, &["b"]), None);
    }
}
