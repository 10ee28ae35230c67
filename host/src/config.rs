//! `trimtab run --config`: the config file of Kubernaut's orchestrator, read as it is.
//!
//! What belongs to a policy becomes config of the built-in policy in each slot that it fills, what belongs to the host
//! becomes a setting; both hold at once when the file changes. An unknown key, a value out of bounds and a fleet are
//! faults with their place. Flags come first, then `--policy-config` and `--settings`, then this file, then defaults.

mod follow;
mod keys;
mod nearest;
mod read;
mod relations;
mod tree;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, json};
use trimtab_author::document;
use trimtab_author::error::Finding;
use trimtab_core::settings::Settings;

use crate::cli::LogFormat;
use crate::{bad_input, paths};
use keys::Reach;
use read::{Given, Value, Values};

pub(crate) use follow::{InForce, follow, look};
pub(crate) use read::is_name;

/// Faults of one file that are told at once.
const FAULTS_SHOWN_MAX: usize = 5;

/// What a config file says; the default says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Configuration {
    /// Config of the built-in policy: what the file sets, and nothing else.
    pub(crate) policy: serde_json::Value,
    /// Members of [`Settings`] that the file sets.
    settings: Map<String, serde_json::Value>,
    /// The filter of the log.
    pub(crate) level: Option<String>,
    pub(crate) log_format: Option<LogFormat>,
    pub(crate) metrics_address: Option<SocketAddr>,
    pub(crate) health_address: Option<SocketAddr>,
    /// Namespaces to watch; none where the file names none.
    pub(crate) namespaces: Vec<String>,
    pub(crate) datastorage_url: Option<String>,
    pub(crate) datastorage_timeout: Option<Duration>,
    /// Most audit events of a request.
    pub(crate) batch_events_max: Option<usize>,
    /// What holds for the whole run, by key.
    start: BTreeMap<&'static str, Value>,
    /// Keys that reach nobody, with the reason.
    remarks: Vec<(&'static str, &'static str)>,
}

impl Configuration {
    /// Reads a file; every fault is the caller's to mend.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = document::read_text("config", file).map_err(bad_input)?;
        Self::parse(&file.display().to_string(), &text).map_err(|faults| bad_input(Faults(faults)))
    }

    /// Reads a document; `file` is named in faults.
    fn parse(file: &str, text: &str) -> Result<Self, Vec<Finding>> {
        let everywhere = if paths::is_in_cluster() { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
        let values = read::read(file, text, IpAddr::V4(everywhere))?;
        let faults = relations::faults(file, &values);
        if faults.is_empty() { Ok(Self::of(&values)) } else { Err(faults) }
    }

    fn of(values: &Values) -> Self {
        let mut made = Self { policy: json!({}), ..Self::default() };
        for (path, given) in values {
            let Some(key) = keys::find(path) else { continue };
            match key.reach {
                // Kubernaut does not look at it either while no dry run is on.
                Reach::Policy("/dryRunHoldPeriod") if !relations::is_hold_lawful(values) => {}
                Reach::Policy(pointer) => put(&mut made.policy, pointer, in_policy(&given.value)),
                Reach::Setting(name) => {
                    made.settings.insert(name.to_owned(), in_settings(&given.value));
                }
                Reach::Level => made.level = text(given),
                Reach::Start => made.start(key.path, given),
                Reach::Nobody(why) => made.remarks.push((key.path, why)),
            }
        }
        made
    }

    fn start(&mut self, path: &'static str, given: &Given) {
        match (path, &given.value) {
            ("logging.format", Value::Text(format)) => {
                self.log_format = Some(if format == "json" { LogFormat::Json } else { LogFormat::Text });
            }
            ("controller.metricsAddr", Value::Address(address)) => self.metrics_address = Some(*address),
            ("controller.healthProbeAddr", Value::Address(address)) => self.health_address = Some(*address),
            ("controller.namespaces", Value::Names(names)) => self.namespaces.clone_from(names),
            ("datastorage.url", Value::Text(url)) => self.datastorage_url = Some(url.clone()),
            ("datastorage.timeout", Value::Length(length)) => {
                self.datastorage_timeout = Some(Duration::from_millis(length.as_millis()));
            }
            ("datastorage.buffer.batchSize", Value::Count(count)) => {
                self.batch_events_max = usize::try_from(*count).ok();
            }
            _ => {}
        }
        self.start.insert(path, given.value.clone());
    }

    /// These settings over the file's, over the standards. `over` is what `--settings` says.
    pub(crate) fn settings(&self, over: &serde_json::Value) -> anyhow::Result<Settings> {
        let mut merged = serde_json::Value::Object(self.settings.clone());
        merge(&mut merged, over);
        serde_json::from_value(merged).map_err(bad_input)
    }

    /// Keys that differ and hold only from the next start on.
    fn needs_restart(&self, before: &Self) -> Vec<&'static str> {
        let keys = self.start.keys().chain(before.start.keys());
        let mut changed: Vec<_> = keys.filter(|key| self.start.get(*key) != before.start.get(*key)).copied().collect();
        changed.sort_unstable();
        changed.dedup();
        changed
    }

    /// Says which keys mean nothing here.
    pub(crate) fn announce(&self, file: &Path) {
        tracing::info!(file = %file.display(), policy = %self.policy, "config read");
        for (key, why) in &self.remarks {
            tracing::info!(key, why, "a key of the config file has no effect");
        }
    }
}

fn text(given: &Given) -> Option<String> {
    match &given.value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

/// Sets the member at a pointer of two steps at most, making what is on the way.
fn put(document: &mut serde_json::Value, pointer: &str, value: serde_json::Value) {
    let mut place = document;
    for step in pointer.split('/').skip(1) {
        place = &mut place[step];
    }
    *place = value;
}

/// As the policy's config has it: lengths as Go writes them.
fn in_policy(value: &Value) -> serde_json::Value {
    match value {
        Value::Length(length) => json!(length.to_string()),
        Value::Count(count) => json!(count),
        Value::Flag(flag) => json!(flag),
        Value::Text(text) => json!(text),
        Value::Names(names) => json!(names),
        Value::Address(address) => json!(address.to_string()),
        Value::Unread => serde_json::Value::Null,
    }
}

/// As [`Settings`] have it: lengths in milliseconds.
fn in_settings(value: &Value) -> serde_json::Value {
    match value {
        Value::Length(length) => json!(length.as_millis()),
        other => in_policy(other),
    }
}

/// Lays one document over another, member by member.
pub(crate) fn merge(under: &mut serde_json::Value, over: &serde_json::Value) {
    match (under, over) {
        (serde_json::Value::Object(under), serde_json::Value::Object(over)) => {
            for (key, value) in over {
                merge(under.entry(key.clone()).or_insert(serde_json::Value::Null), value);
            }
        }
        (_, serde_json::Value::Null) => {}
        (under, over) => *under = over.clone(),
    }
}

/// The faults of a file in one line.
#[derive(Debug)]
struct Faults(Vec<Finding>);

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, fault) in self.0.iter().take(FAULTS_SHOWN_MAX).enumerate() {
            write!(f, "{}{fault}", if place == 0 { "" } else { "; " })?;
        }
        match self.0.len().saturating_sub(FAULTS_SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for Faults {}

#[cfg(test)]
mod tests;
