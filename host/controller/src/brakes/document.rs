//! The `ConfigMap`'s texts and the rules in them, either way.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use trimtab_core::brakes::CONFIG_MAP;
use trimtab_core::brakes::rules::{Breaker, Limits, Pause, Rules};

/// Keys of the `ConfigMap`.
pub const KEYS: [&str; 3] = ["pauses", "limits", "breaker"];

/// Most bytes of one text.
const TEXT_BYTES_MAX: usize = 256 << 10;

/// A `ConfigMap` that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentFault {
    /// A key that means nothing.
    #[error("ConfigMap {CONFIG_MAP} has the unknown key \"{0}\"; it takes pauses, limits and breaker")]
    UnknownKey(String),
    /// A text that cannot be read.
    #[error("{key} in ConfigMap {CONFIG_MAP} cannot be read: {why}")]
    Unreadable {
        /// The key.
        key: &'static str,
        /// What is wrong, with its place.
        why: String,
    },
    /// Rules that make no sense.
    #[error("ConfigMap {CONFIG_MAP} cannot be used: {0}")]
    Senseless(String),
    /// Rules that cannot be written.
    #[error("the rules for {key} cannot be written: {why}")]
    Unwritable {
        /// The key.
        key: &'static str,
        /// What is wrong.
        why: String,
    },
}

/// Reads the rules, each text as YAML or JSON; a key that is absent or empty sets nothing.
pub fn read(data: &BTreeMap<String, String>) -> Result<Rules, DocumentFault> {
    if let Some(unknown) = data.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(DocumentFault::UnknownKey(unknown.clone()));
    }
    let rules = Rules {
        pauses: part::<Vec<Pause>>(data, "pauses")?,
        limits: part::<Limits>(data, "limits")?,
        breaker: part::<Breaker>(data, "breaker")?,
    };
    match rules.faults().first() {
        Some(fault) => Err(DocumentFault::Senseless(fault.clone())),
        None => Ok(rules),
    }
}

fn part<T: DeserializeOwned + Default>(data: &BTreeMap<String, String>, key: &'static str) -> Result<T, DocumentFault> {
    let text = data.get(key).map_or("", String::as_str);
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(T::default());
    }
    if text.len() > TEXT_BYTES_MAX {
        let why = format!("it has {} bytes; at most {TEXT_BYTES_MAX} are read", text.len());
        return Err(DocumentFault::Unreadable { key, why });
    }
    serde_saphyr::from_str(text).map_err(|error| {
        let why = error.to_string().lines().next().unwrap_or_default().to_owned();
        DocumentFault::Unreadable { key, why }
    })
}

/// Writes `after` over texts that say `before`; a text whose rules stay the same stays as a person wrote it.
pub fn write(data: &mut BTreeMap<String, String>, before: &Rules, after: &Rules) -> Result<(), DocumentFault> {
    if before.pauses != after.pauses {
        put(data, "pauses", &after.pauses)?;
    }
    if before.limits != after.limits {
        put(data, "limits", &after.limits)?;
    }
    if before.breaker != after.breaker {
        put(data, "breaker", &after.breaker)?;
    }
    Ok(())
}

fn put<T: Serialize + Default + PartialEq>(
    data: &mut BTreeMap<String, String>,
    key: &'static str,
    value: &T,
) -> Result<(), DocumentFault> {
    if *value == T::default() {
        data.remove(key);
        return Ok(());
    }
    let text =
        serde_saphyr::to_string(value).map_err(|error| DocumentFault::Unwritable { key, why: error.to_string() })?;
    data.insert(key.to_owned(), text);
    Ok(())
}
