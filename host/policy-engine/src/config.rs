//! A component together with its config: what fills a slot.

use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use trimtab_core::ports::{Fault, FaultReason};
use trimtab_core::record::Revision;

use crate::component::{Component, within};
use crate::fault::{Class, cut, one_line};
use crate::instance::Instance;

/// Most bytes of a config document.
pub const CONFIG_BYTES_MAX: usize = 64 << 10;
/// Most faults that are told of one document.
const FAULTS_MAX: usize = 32;
/// Most pairs of a schema's and a document's values for which every fault is made.
const COMPARISONS_MAX: usize = 1_000_000;
/// Most bytes of one fault's message.
const FAULT_BYTES_MAX: usize = 500;
/// Hexadecimal digits of a config's digest in a revision.
const REVISION_DIGITS: usize = 16;

/// One thing that is wrong with a config document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault {
    /// JSON Pointer to the value; empty for the whole document.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Who found the faults of a config document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checker {
    /// The component's JSON Schema.
    Schema,
    /// The component's own check.
    Policy,
}

/// Why a config document is refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConfigError {
    /// Larger than a config may be.
    #[error("the config has {bytes} bytes, {most} are allowed", most = CONFIG_BYTES_MAX)]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// No JSON.
    #[error("the config is no JSON: {detail}")]
    Syntax {
        /// What is wrong, with line and column.
        detail: String,
    },
    /// JSON that the policy does not take.
    #[error("the config is not what the policy takes: {}", listed(faults))]
    Invalid {
        /// Who says so.
        by: Checker,
        /// Everything that is wrong, at most 32.
        faults: Vec<ConfigFault>,
    },
    /// The component's config schema cannot be used after all, so no config can be checked.
    #[error("the component's config schema is unusable: {detail}")]
    Schema {
        /// What is wrong with it.
        detail: String,
    },
    /// The policy's own check gave no answer.
    #[error("validate-config gave no answer: {fault}")]
    Faulted {
        /// Its fault.
        #[source]
        fault: Fault,
    },
}

impl ConfigError {
    /// What to do about it.
    pub fn class(&self) -> Class {
        match self {
            Self::Faulted { fault } if matches!(fault.reason, FaultReason::Host | FaultReason::DeadlineExceeded) => {
                Class::Transient
            }
            _ => Class::Permanent,
        }
    }

    /// Stable code for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "ConfigTooLarge",
            Self::Syntax { .. } => "ConfigSyntax",
            Self::Invalid { by: Checker::Schema, .. } => "ConfigAgainstSchema",
            Self::Invalid { by: Checker::Policy, .. } => "ConfigRefused",
            Self::Schema { .. } => "SchemaInvalid",
            Self::Faulted { .. } => "ValidateConfigFaulted",
        }
    }
}

fn listed(faults: &[ConfigFault]) -> String {
    let line = |fault: &ConfigFault| {
        let path = if fault.path.is_empty() { "the document" } else { &fault.path };
        format!("{path}: {}", fault.message)
    };
    faults.iter().map(line).collect::<Vec<_>>().join("; ")
}

/// A component with a config that it has accepted.
#[derive(Debug)]
pub struct ConfiguredPolicy {
    component: Arc<Component>,
    config: String,
    revision: Revision,
}

impl ConfiguredPolicy {
    /// The component.
    pub fn component(&self) -> &Arc<Component> {
        &self.component
    }

    /// The config as the policy is told it: keys sorted, no spaces.
    pub fn config(&self) -> &str {
        &self.config
    }

    /// What names the two of them in records.
    pub fn revision(&self) -> &Revision {
        &self.revision
    }

    /// Whether one instance can answer for both.
    pub(crate) fn shares_instance_with(&self, other: &Self) -> bool {
        self.revision == other.revision && self.component.limits() == other.component.limits()
    }
}

impl Component {
    /// Checks a config document by syntax, schema and the policy's own check. Empty text means `{}`.
    pub fn configure(self: &Arc<Self>, config: &str) -> Result<Arc<ConfiguredPolicy>, ConfigError> {
        if config.len() > CONFIG_BYTES_MAX {
            return Err(ConfigError::TooLarge { bytes: config.len() });
        }
        let text = if config.trim().is_empty() { "{}" } else { config };
        let document: Value =
            serde_json::from_str(text).map_err(|error| ConfigError::Syntax { detail: error.to_string() })?;
        let faults = self.schema_faults(&document).map_err(|detail| ConfigError::Schema { detail })?;
        if !faults.is_empty() {
            return Err(ConfigError::Invalid { by: Checker::Schema, faults });
        }
        let config = canonical(&document);
        self.validate(&config)?;
        let mut digits = hex::encode(Sha256::digest(config.as_bytes()));
        digits.truncate(REVISION_DIGITS);
        let revision = Revision { digest: self.digest().to_string(), config: digits };
        Ok(Arc::new(ConfiguredPolicy { component: Arc::clone(self), config, revision }))
    }

    /// What the schema has against a document. Every fault is made before the first is told, so of a large document
    /// that meets a large schema only the first fault is told.
    fn schema_faults(&self, document: &Value) -> Result<Vec<ConfigFault>, String> {
        let schema = self.schema()?;
        let fault =
            |error: jsonschema::ValidationError<'_>| config_fault(error.instance_path().as_str(), &error.to_string());
        let Err(first) = schema.validate(document) else { return Ok(Vec::new()) };
        let schema_values = serde_json::from_str(self.config_schema_text()).map_or(usize::MAX, |text| values(&text));
        if schema_values.saturating_mul(values(document)) > COMPARISONS_MAX {
            return Ok(vec![fault(first)]);
        }
        Ok(schema.iter_errors(document).take(FAULTS_MAX).map(fault).collect())
    }

    fn validate(&self, config: &str) -> Result<(), ConfigError> {
        let mut instance = Instance::new(self.runnable());
        let taken = instance
            .ask(self.runnable(), |store, exports| {
                let guest = self.exports().meta.load(&mut *store, exports)?;
                guest.call_validate_config(&mut *store, config)
            })
            .map_err(|crash| ConfigError::Faulted { fault: crash.fault() })?;
        let verdict = within(taken.value, self.limits().answer_bytes, taken.fuel)
            .map_err(|crash| ConfigError::Faulted { fault: crash.fault() })?;
        verdict.map_err(|faults| {
            let faults = faults.iter().take(FAULTS_MAX).map(|fault| config_fault(&fault.path, &fault.message));
            ConfigError::Invalid { by: Checker::Policy, faults: faults.collect() }
        })
    }
}

fn config_fault(path: &str, message: &str) -> ConfigFault {
    let message = cut(&one_line(message), FAULT_BYTES_MAX).to_owned();
    ConfigFault { path: cut(path, FAULT_BYTES_MAX).to_owned(), message }
}

/// How many values a document has, itself included.
fn values(document: &Value) -> usize {
    match document {
        Value::Object(members) => 1 + members.values().map(values).sum::<usize>(),
        Value::Array(items) => 1 + items.iter().map(values).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

/// The document with sorted keys and no spaces, whatever order the parser keeps.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            let members = sorted.into_iter().map(|(key, value)| format!("{}:{}", quoted(key), canonical(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

fn quoted(key: &str) -> String {
    Value::from(key).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_and_spaces_do_not_change_a_config() {
        let one: Value = serde_json::from_str(r#"{"b": [1, {"z": 1, "a": "\n"}], "a": null}"#).unwrap();
        let other: Value = serde_json::from_str(r#"{"a":null,"b":[1,{"a":"\n","z":1}]}"#).unwrap();
        assert_eq!(canonical(&one), r#"{"a":null,"b":[1,{"a":"\n","z":1}]}"#);
        assert_eq!(canonical(&one), canonical(&other));
    }
}
