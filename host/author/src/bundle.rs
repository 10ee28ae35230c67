//! Recorded decisions in a file of their own, with all that they were made with: what `policy record` writes.
//!
//! One JSON object a line, each with one member that says what it is. First `{"bundle":{"version":1,…}}`; then every
//! `{"record":…}`, before it the `environment`, `config` and `component` lines that it is the first to name; last
//! `{"end":…}` with the number of records, so that a file that was cut off is noticed. Observations are as the ledger
//! has them: masked already.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use trimtab_core::ports::DecisionRecord;
use trimtab_core::record::Revision;

use crate::environment::Environment;
use crate::observation::Time;

mod read;
mod write;

pub use read::{BundleReader, is_bundle};
pub use write::{Blobs, BundleWriter};

/// Version of the format.
pub const VERSION: u32 = 1;

/// Most bytes of one line: a component of 64 MiB in base64, and room for its name.
const LINE_BYTES_MAX: u64 = 96 << 20;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// [`VERSION`].
    pub version: u32,
    /// When the file was written.
    pub recorded_at: Time,
    /// Whether components were left out.
    pub without_components: bool,
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BundleRecord {
    /// Its number in the file, from 1.
    pub number: u64,
    /// Id of the ledger's entry.
    pub entry: i64,
    /// "step" or "stay".
    pub kind: String,
    /// How often the same was decided again.
    pub repeats: u64,
    /// When it was decided last.
    pub last_at: Time,
    /// Digest of the environment that it was decided in.
    pub environment: Option<String>,
    /// What was seen, asked, answered and decided.
    pub record: DecisionRecord,
}

impl BundleRecord {
    /// The record in the words of a report: its number and the remediation.
    pub fn place(&self) -> String {
        let seen = &self.record.observation;
        format!("record {} ({} in {}, {})", self.number, seen.name, seen.namespace, Time(seen.now))
    }
}

/// A line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    Bundle(Header),
    Environment { digest: String, environment: Value },
    Config { digest: String, text: String },
    Component { digest: String, base64: String },
    Record(Box<BundleRecord>),
    End { records: u64 },
}

/// What the lines so far hold by digest.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// Components.
    pub components: BTreeMap<String, Arc<[u8]>>,
    /// Configs.
    pub configs: BTreeMap<String, String>,
    /// Environments.
    pub environments: BTreeMap<String, Arc<Environment>>,
}

impl Held {
    /// The environment of a record; the defaults where the record names none, or one that was not kept.
    pub fn environment(&self, record: &BundleRecord) -> Arc<Environment> {
        let named = record.environment.as_ref().and_then(|digest| self.environments.get(digest));
        named.cloned().unwrap_or_default()
    }
}

/// Every component and config that a decision names.
fn revisions(record: &DecisionRecord) -> impl Iterator<Item = &Revision> {
    record.decision.evaluations.iter().filter_map(|one| one.revision.as_ref())
}

/// A path in errors.
fn shown(file: &Path) -> String {
    file.display().to_string()
}

#[cfg(test)]
mod tests;
