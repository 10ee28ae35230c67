//! Label and field selectors: parsing and matching.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::failure::Failure;

/// A parsed `labelSelector`; the empty one matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector(Vec<LabelRequirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum LabelRequirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

impl LabelSelector {
    /// Parses the query parameter's text; malformed text is a 400.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let mut requirements = Vec::new();
        for part in split_outside_parentheses(text) {
            let part = part.trim();
            if !part.is_empty() {
                requirements.push(parse_requirement(part)?);
            }
        }
        Ok(Self(requirements))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the object's labels satisfy every requirement.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        let label = |key: &str| object["metadata"]["labels"][key].as_str();
        self.0.iter().all(|requirement| match requirement {
            LabelRequirement::In(key, values) => label(key).is_some_and(|value| values.iter().any(|one| one == value)),
            LabelRequirement::NotIn(key, values) => {
                label(key).is_none_or(|value| values.iter().all(|one| one != value))
            }
            LabelRequirement::Exists(key) => label(key).is_some(),
            LabelRequirement::Absent(key) => label(key).is_none(),
        })
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn parse_requirement(part: &str) -> Result<LabelRequirement, Failure> {
    if let Some(key) = part.strip_prefix('!') {
        return Ok(LabelRequirement::Absent(label_key(key)?));
    }
    for (operator, negated) in [("!=", true), ("==", false), ("=", false)] {
        if let Some((key, value)) = part.split_once(operator) {
            let values = vec![value.trim().to_owned()];
            let key = label_key(key)?;
            return Ok(if negated { LabelRequirement::NotIn(key, values) } else { LabelRequirement::In(key, values) });
        }
    }
    if let Some(open) = part.find('(') {
        let Some(inner) = part[open + 1..].strip_suffix(')') else {
            return Err(unparsable(part));
        };
        let values = inner.split(',').map(|value| value.trim().to_owned()).collect();
        let mut words = part[..open].split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(key), Some("in"), None) => Ok(LabelRequirement::In(label_key(key)?, values)),
            (Some(key), Some("notin"), None) => Ok(LabelRequirement::NotIn(label_key(key)?, values)),
            _ => Err(unparsable(part)),
        };
    }
    Ok(LabelRequirement::Exists(label_key(part)?))
}

fn label_key(text: &str) -> Result<String, Failure> {
    let key = text.trim();
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    if key.is_empty() || !key.chars().all(legal) {
        return Err(unparsable(text));
    }
    Ok(key.to_owned())
}

fn unparsable(part: &str) -> Failure {
    Failure::bad_request(format!("unable to parse requirement: {part:?}"))
}

/// A parsed `fieldSelector`: terms of path, wanted value and whether equality is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSelector(Vec<FieldTerm>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldTerm {
    path: String,
    value: String,
    equal: bool,
}

/// Where the value of a declared selectable field lies in the object, by selector name.
pub(crate) type SelectableFields = BTreeMap<String, Vec<String>>;

impl FieldSelector {
    /// Parses the query parameter; a field that is not declared is a 400.
    pub(crate) fn parse(text: &str, declared: &SelectableFields) -> Result<Self, Failure> {
        let mut terms = Vec::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let (path, value, equal) = if let Some((path, value)) = part.split_once("!=") {
                (path, value, false)
            } else if let Some((path, value)) = part.split_once("==") {
                (path, value, true)
            } else if let Some((path, value)) = part.split_once('=') {
                (path, value, true)
            } else {
                return Err(Failure::bad_request(format!("invalid selector: '{text}'; can't understand '{part}'")));
            };
            let path = path.trim();
            if !declared.contains_key(path) {
                return Err(Failure::bad_request(format!("field label not supported: {path}")));
            }
            terms.push(FieldTerm { path: path.to_owned(), value: value.trim().to_owned(), equal });
        }
        Ok(Self(terms))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The object name this selector pins, when it does.
    pub(crate) fn pinned_name(&self) -> Option<&str> {
        self.0.iter().find(|term| term.equal && term.path == "metadata.name").map(|term| term.value.as_str())
    }

    /// Whether the object satisfies every term; a missing field counts as the empty string.
    pub(crate) fn matches(&self, object: &Value, declared: &SelectableFields) -> bool {
        self.0.iter().all(|term| {
            let mut at = object;
            for step in declared.get(&term.path).into_iter().flatten() {
                at = &at[step.as_str()];
            }
            let found = match at {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            };
            (found == term.value) == term.equal
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn labelled() -> Value {
        json!({"metadata": {"name": "x", "labels": {"app": "web", "tier": "front"}}, "spec": {"n": 3}})
    }

    #[test]
    fn label_requirements_of_every_kind_match() {
        for (text, wanted) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier!=back", true),
            ("app in (web, api),!gone", true),
            ("app notin (web)", false),
            ("gone", false),
            ("gone!=x", true),
            ("app", true),
        ] {
            let selector = LabelSelector::parse(text).expect(text);
            assert_eq!(selector.matches(&labelled()), wanted, "{text}");
        }
        assert_eq!(LabelSelector::parse("app in web").unwrap_err().code, 400);
    }

    #[test]
    fn undeclared_field_is_refused() {
        let declared = SelectableFields::from([("spec.n".into(), vec!["spec".into(), "n".into()])]);
        let selector = FieldSelector::parse("spec.n=3", &declared).unwrap();
        assert!(selector.matches(&labelled(), &declared));
        let refused = FieldSelector::parse("spec.m=3", &declared).unwrap_err();
        assert_eq!((refused.code, refused.message.as_str()), (400, "field label not supported: spec.m"));
    }
}
