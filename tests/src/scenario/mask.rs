//! Masking: what may differ between two runs of one scenario, as `tests/scenarios/mask.yaml` lists it, and nothing else.

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use super::model::read_yaml;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct List {
    conditions: Vec<Omitted>,
    relative: Vec<Relative>,
    members: Vec<Member>,
    patterns: Vec<Pattern>,
}

/// A condition that is left out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Omitted {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "why")]
    _why: String,
}

/// A time that is shown as a distance from another time of the same object.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Relative {
    key: String,
    from: String,
    /// Rounded to this many seconds.
    seconds: i64,
    #[serde(rename = "why")]
    _why: String,
}

/// A member whose value is replaced wherever it stands.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Member {
    key: String,
    with: String,
    #[serde(rename = "why")]
    _why: String,
}

/// What is replaced in every string.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pattern {
    #[serde(rename = "pattern")]
    regex: String,
    with: String,
    #[serde(rename = "why")]
    _why: String,
}

/// The mask list, ready for use.
#[derive(Debug, Clone)]
pub struct Mask {
    list: List,
    patterns: Vec<(Regex, String)>,
    /// Texts that are known to differ, such as uids, and what is shown instead.
    known: BTreeMap<String, String>,
}

impl Mask {
    /// Reads the list.
    pub fn read() -> anyhow::Result<Self> {
        let path = super::folder().join("mask.yaml");
        let list: List = serde_json::from_value(read_yaml(&path)?).with_context(|| path.display().to_string())?;
        let compiled = |one: &Pattern| Ok((Regex::new(&one.regex)?, one.with.clone()));
        let patterns = list.patterns.iter().map(compiled).collect::<anyhow::Result<_>>()?;
        Ok(Self { list, patterns, known: BTreeMap::new() })
    }

    /// Adds a text that differs from run to run, such as the uid of a known object.
    pub fn know(&mut self, text: &str, shown: String) {
        if !text.is_empty() {
            self.known.insert(text.to_owned(), shown);
        }
    }

    /// Masks an object of the cluster.
    pub fn object(&self, object: &Value) -> Value {
        let mut masked = object.clone();
        self.relative(&mut masked, object);
        self.omit(&mut masked);
        self.value(&masked)
    }

    /// Masks any other text.
    pub fn text(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        for (known, shown) in &self.known {
            masked = masked.replace(known, shown);
        }
        for (pattern, with) in &self.patterns {
            masked = pattern.replace_all(&masked, with.as_str()).into_owned();
        }
        masked
    }

    fn relative(&self, value: &mut Value, object: &Value) {
        match value {
            Value::Object(members) => {
                for (key, member) in members.iter_mut() {
                    let rule = self.list.relative.iter().find(|rule| rule.key == *key);
                    match rule.and_then(|rule| distance(member, object, rule)) {
                        Some(shown) => *member = Value::String(shown),
                        None => self.relative(member, object),
                    }
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|entry| self.relative(entry, object)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn omit(&self, object: &mut Value) {
        let Some(Value::Array(conditions)) = object.pointer_mut("/status/conditions") else { return };
        conditions
            .retain(|condition| !self.list.conditions.iter().any(|omitted| condition["type"] == omitted.kind.as_str()));
        // They are a map by type: their order says nothing.
        conditions.sort_by_key(|condition| condition["type"].as_str().unwrap_or_default().to_owned());
        // Where nothing else was there, nothing is.
        if conditions.is_empty()
            && let Some(status) = object.get_mut("status").and_then(Value::as_object_mut)
        {
            status.remove("conditions");
        }
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                Value::Object(members.iter().map(|(key, value)| (key.clone(), self.member(key, value))).collect())
            }
            Value::Array(list) => Value::Array(list.iter().map(|entry| self.value(entry)).collect()),
            Value::String(text) => Value::String(self.text(text)),
            other => other.clone(),
        }
    }

    fn member(&self, key: &str, value: &Value) -> Value {
        match self.list.members.iter().find(|member| member.key == key && !value.is_object()) {
            Some(member) => Value::String(member.with.clone()),
            None => self.value(value),
        }
    }
}

fn distance(member: &Value, object: &Value, rule: &Relative) -> Option<String> {
    let time = |value: &Value| value.as_str()?.parse::<Timestamp>().ok();
    let from = time(object.pointer(&rule.from)?)?;
    let exact = time(member)?.duration_since(from).as_secs();
    let step = rule.seconds.max(1);
    let rounded = (exact + step.div_euclid(2)).div_euclid(step) * step;
    let base = rule.from.rsplit('/').next().unwrap_or_default();
    Some(format!("<{base} + {}>", SignedDuration::from_secs(rounded).as_secs_f64().round()).replace('>', " s>"))
}
