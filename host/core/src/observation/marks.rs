//! What a person tells policies of one remediation, on the remediation itself.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Observation;
use crate::proposal::Attribute;

/// How the names of such labels and annotations begin.
const PREFIX: &str = "trimtab.dev/";

/// Most marks that a policy is shown.
pub const MARKS_MAX: usize = 16;

/// Most characters of a name, and most bytes of a value; what is longer is none.
const KEY_CHARACTERS_MAX: usize = 63;
const VALUE_BYTES_MAX: usize = 1024;

impl Observation {
    /// The remediation's labels and annotations named `trimtab.dev/…`, sorted by name, an annotation before a label of the
    /// same name; at most [`MARKS_MAX`].
    pub fn marks(&self) -> Vec<Attribute> {
        let members = |pointer| self.object.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
        let mut marks: BTreeMap<&str, &str> = BTreeMap::new();
        for (key, value) in members("/metadata/labels").chain(members("/metadata/annotations")) {
            if let Some(value) = value.as_str()
                && key.starts_with(PREFIX)
                && key.chars().count() <= KEY_CHARACTERS_MAX
                && value.len() <= VALUE_BYTES_MAX
            {
                marks.insert(key, value);
            }
        }
        let mark = |(key, value): (&str, &str)| Attribute { key: key.to_owned(), value: value.to_owned() };
        marks.into_iter().take(MARKS_MAX).map(mark).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::fixtures::in_phase;
    use crate::phase::Phase;

    fn marks(metadata: &Value) -> Vec<(String, String)> {
        let mut observation = in_phase(Phase::Pending);
        observation.object = Arc::new(json!({"metadata": metadata}));
        observation.marks().into_iter().map(|mark| (mark.key, mark.value)).collect()
    }

    #[test]
    fn marks_are_our_own_labels_and_annotations_and_an_annotation_comes_first() {
        let found = marks(&json!({
            "labels": {"trimtab.dev/dry-run": "false", "trimtab.dev/a": "1", "team": "shop"},
            "annotations": {"trimtab.dev/dry-run": "true", "other.dev/x": "y", "trimtab.dev/number": 5},
        }));
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(found, [pair("trimtab.dev/a", "1"), pair("trimtab.dev/dry-run", "true")]);
        assert_eq!(marks(&json!({})), []);
    }

    #[test]
    fn marks_are_bounded() {
        let many: serde_json::Map<_, _> = (0..40).map(|n| (format!("trimtab.dev/{n:02}"), json!("x"))).collect();
        assert_eq!(marks(&json!({"labels": many})).len(), MARKS_MAX);
        let long = json!({"annotations": {"trimtab.dev/long": "x".repeat(1025)}});
        assert_eq!(marks(&long), []);
        let name = format!("trimtab.dev/{}", "x".repeat(63));
        assert_eq!(marks(&json!({"annotations": {name: "x"}})), []);
    }
}
