//! `x-kubernetes-validations`: no CEL here, but a table of exact rule texts that are known.
//!
//! | text | meaning |
//! |---|---|
//! | `self == oldSelf` | the value may not change once set |
//! | `oldSelf == '' \|\| self == oldSelf` | the same, once it is not empty |
//! | `!has(oldSelf.F) \|\| self == oldSelf` | the same, once its member `F` is set |
//! | `self.A.B != ''`, `self != ''` | the named string may not be empty |
//! | `[has(self.A), has(self.B)].filter(x, x).size() == 1` | exactly one of the members is there |
//!
//! Every other text is not enforced, and is listed by `EmbeddedCluster::unenforced_rules`.

use serde_json::Value;

/// One rule of a schema node.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// The CEL text as written, with white space trimmed.
    pub(crate) text: String,
    message: String,
    meaning: Option<Meaning>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Meaning {
    Unchanged,
    UnchangedOnceNotEmpty,
    UnchangedOnceSet(String),
    NotEmpty(Vec<String>),
    ExactlyOne(Vec<String>),
}

impl Rule {
    /// The rules of one schema node.
    pub(crate) fn parse_all(source: &Value) -> Vec<Self> {
        let list = source.get("x-kubernetes-validations").and_then(Value::as_array);
        list.into_iter()
            .flatten()
            .map(|rule| {
                let text = rule["rule"].as_str().unwrap_or_default().trim().to_owned();
                let message = rule["message"]
                    .as_str()
                    .map_or_else(|| format!("failed rule: {text}"), |message| message.trim().to_owned());
                let meaning = recognise(&text);
                Self { text, message, meaning }
            })
            .collect()
    }

    /// Whether the table knows this text.
    pub(crate) fn is_enforced(&self) -> bool {
        self.meaning.is_some()
    }

    /// The rule's message where `value` breaks it; rules about `old` hold on creation.
    pub(crate) fn broken_by(&self, value: &Value, old: Option<&Value>) -> Option<&str> {
        let kept = |old: &Value| old == value;
        let holds = match (self.meaning.as_ref()?, old) {
            (Meaning::NotEmpty(path), _) => {
                let mut at = value;
                for member in path {
                    at = &at[member.as_str()];
                }
                at.as_str() != Some("")
            }
            (Meaning::ExactlyOne(members), _) => {
                members.iter().filter(|member| value.get(member.as_str()).is_some()).count() == 1
            }
            (_, None) => true,
            (Meaning::Unchanged, Some(old)) => kept(old),
            (Meaning::UnchangedOnceNotEmpty, Some(old)) => old.as_str() == Some("") || kept(old),
            (Meaning::UnchangedOnceSet(member), Some(old)) => old.get(member).is_none_or(Value::is_null) || kept(old),
        };
        (!holds).then_some(self.message.as_str())
    }
}

fn recognise(text: &str) -> Option<Meaning> {
    match text {
        "self == oldSelf" => return Some(Meaning::Unchanged),
        "oldSelf == '' || self == oldSelf" | "oldSelf == \"\" || self == oldSelf" => {
            return Some(Meaning::UnchangedOnceNotEmpty);
        }
        _ => {}
    }
    let identifier =
        |word: &str| !word.is_empty() && word.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    let guarded = text.strip_prefix("!has(oldSelf.").and_then(|rest| rest.strip_suffix(") || self == oldSelf"));
    if let Some(member) = guarded.filter(|member| identifier(member)) {
        return Some(Meaning::UnchangedOnceSet(member.to_owned()));
    }
    let listed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix("].filter(x, x).size() == 1"));
    if let Some(list) = listed {
        let member = |word: &str| word.strip_prefix("has(self.")?.strip_suffix(')').map(str::to_owned);
        let members: Option<Vec<String>> = list.split(", ").map(member).collect();
        return members.filter(|members| members.iter().all(|member| identifier(member))).map(Meaning::ExactlyOne);
    }
    let path = text.strip_suffix(" != ''").or_else(|| text.strip_suffix(" != \"\""))?.strip_prefix("self")?;
    let members: Vec<&str> = path.split('.').skip(1).collect();
    let legal = path.is_empty() || path.starts_with('.');
    (legal && members.iter().all(|member| identifier(member)))
        .then(|| Meaning::NotEmpty(members.into_iter().map(str::to_owned).collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(text: &str) -> Rule {
        let node = json!({"x-kubernetes-validations": [{"rule": text, "message": "no"}]});
        Rule::parse_all(&node).remove(0)
    }

    #[test]
    fn every_row_of_the_table_is_enforced() {
        let rows = [
            ("self == oldSelf", json!(1), json!(2)),
            ("oldSelf == '' || self == oldSelf", json!("a"), json!("b")),
            ("!has(oldSelf.setAt) || self == oldSelf", json!({"setAt": "t"}), json!({})),
            ("self.ref.name != ''", json!({}), json!({"ref": {"name": ""}})),
            ("[has(self.a), has(self.b)].filter(x, x).size() == 1", json!({"a": {}}), json!({"a": {}, "b": 1})),
            ("[has(self.a), has(self.b)].filter(x, x).size() == 1", json!({"b": 1}), json!({"c": 1})),
        ];
        for (text, old, new) in rows {
            let rule = rule(text);
            assert!(rule.is_enforced(), "{text}");
            assert_eq!(rule.broken_by(&new, Some(&old)), Some("no"), "{text}");
            assert_eq!(rule.broken_by(&old, Some(&old)), None, "{text}");
        }
    }

    #[test]
    fn transition_rules_do_not_apply_on_creation_or_before_the_guard() {
        assert_eq!(rule("self == oldSelf").broken_by(&json!(2), None), None);
        let guarded = rule("!has(oldSelf.setAt) || self == oldSelf");
        assert_eq!(guarded.broken_by(&json!({"setAt": "t"}), Some(&json!({}))), None);
        let empty = rule("oldSelf == '' || self == oldSelf");
        assert_eq!(empty.broken_by(&json!("b"), Some(&json!(""))), None);
    }

    #[test]
    fn other_texts_are_not_enforced() {
        for text in ["self.size() < 5", "self.a.b == ''", "selfish != ''"] {
            assert!(!rule(text).is_enforced(), "{text}");
        }
    }
}
