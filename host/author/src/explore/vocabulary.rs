//! The words that a policy may look for: what stands in its config and its schema.

use std::collections::BTreeSet;

use serde_json::Value;
use trimtab_core::go_duration;
use trimtab_core::time::Span;
use trimtab_policy_engine::ConfiguredPolicy;

/// Most words, rules and lengths that are kept, each.
const WORDS_MAX: usize = 256;
const RULES_MAX: usize = 128;
const LENGTHS_MAX: usize = 32;
/// Longest word in bytes; what is longer names nothing in a cluster.
const WORD_BYTES_MAX: usize = 253;

/// What one rule of a config document asks for, guessed from the names of its keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Value of a key that speaks of severity.
    pub severity: Option<String>,
    /// Value of a key that speaks of a namespace.
    pub namespace: Option<String>,
    /// Value of a key that speaks of an environment.
    pub environment: Option<String>,
    /// Value of a key that speaks of a priority.
    pub priority: Option<String>,
    /// Value of a key that speaks of a signal.
    pub signal: Option<String>,
    /// Value of a key that speaks of a kind.
    pub kind: Option<String>,
    /// Value of a key that speaks of a cluster.
    pub cluster: Option<String>,
}

impl Rule {
    fn note(&mut self, key: &str, word: &str) {
        let key = key.to_ascii_lowercase();
        let members = [
            ("severity", &mut self.severity),
            ("namespace", &mut self.namespace),
            ("environment", &mut self.environment),
            ("priority", &mut self.priority),
            ("signal", &mut self.signal),
            ("kind", &mut self.kind),
            ("cluster", &mut self.cluster),
        ];
        for (name, member) in members {
            if key.contains(name) && member.is_none() {
                *member = Some(word.to_owned());
            }
        }
    }
}

/// Words, rules and lengths to make observations of; at most 256 words, 128 rules and 32 lengths are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vocabulary {
    words: BTreeSet<String>,
    rules: BTreeSet<Rule>,
    lengths: BTreeSet<Span>,
}

impl Vocabulary {
    /// The words of these policies: their configs, and the enums, constants, defaults and examples of their schemas.
    pub fn of(policies: &[&ConfiguredPolicy]) -> Self {
        let mut vocabulary = Self::default();
        // Configs first, so that a long schema does not crowd them out.
        for policy in policies {
            if let Ok(config) = serde_json::from_str::<Value>(policy.config()) {
                vocabulary.learn(&config);
            }
        }
        for policy in policies {
            if let Ok(schema) = serde_json::from_str::<Value>(policy.component().config_schema_text()) {
                vocabulary.learn_schema(&schema);
            }
        }
        vocabulary
    }

    /// Adds one word; a length of time ("10m") becomes a length.
    pub fn add(&mut self, word: &str) {
        if let Ok(millis) = go_duration::parse(word)
            && let Ok(millis) = u64::try_from(millis)
        {
            if self.lengths.len() < LENGTHS_MAX && millis > 0 {
                self.lengths.insert(Span::from_millis(millis));
            }
            return;
        }
        if (1..=WORD_BYTES_MAX).contains(&word.len()) && self.words.len() < WORDS_MAX {
            self.words.insert(word.to_owned());
        }
    }

    /// Adds every text and every rule of a document.
    pub fn learn(&mut self, document: &Value) {
        match document {
            Value::String(word) => self.add(word),
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            Value::Object(members) => {
                let mut rule = Rule::default();
                for (key, value) in members {
                    // A key may be a word itself: {"critical": "5m"}.
                    self.add(key);
                    if let Value::String(word) = value {
                        rule.note(key, word);
                    }
                    self.learn(value);
                }
                if rule != Rule::default() && self.rules.len() < RULES_MAX {
                    self.rules.insert(rule);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn learn_schema(&mut self, schema: &Value) {
        match schema {
            Value::Array(items) => items.iter().for_each(|item| self.learn_schema(item)),
            Value::Object(members) => {
                for (key, value) in members {
                    match (key.as_str(), value) {
                        ("enum" | "examples", Value::Array(_)) | ("const" | "default", Value::String(_)) => {
                            self.learn(value);
                        }
                        _ => self.learn_schema(value),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// The words, sorted.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str)
    }

    /// The rules, sorted.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// The lengths, shortest first.
    pub fn lengths(&self) -> impl Iterator<Item = Span> {
        self.lengths.iter().copied()
    }
}
