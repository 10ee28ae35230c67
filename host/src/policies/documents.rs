//! `Policy` and `PolicySet` as files: the same documents as the custom resources of these kinds.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use trimtab_author::document;
use trimtab_core::ports::FailStrategy;
use trimtab_core::proposal::Slot;
use trimtab_policy_engine::sets::{BreakerSettings, Pin, Rollback, Selector, SetSettings};
use trimtab_policy_engine::source::Source;
use trimtab_policy_engine::{Digest, Limits};

/// Group and version of both kinds.
const API_VERSION: &str = "trimtab.dev/v1alpha1";

/// Endings of the files that are read.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// A component: where it comes from, and what it may use.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PolicySpec {
    pub(super) source: Origin,
    /// The component must be this one.
    #[serde(default)]
    pub(super) digest: Option<Digest>,
    #[serde(default)]
    pub(super) limits: Limits,
}

/// Where a component comes from: `builtin: {}`, or a source of the engine's.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Origin {
    /// The host carries it.
    Builtin,
    /// It is fetched; the path of a file starts at the folder of the documents.
    Fetched(Source),
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = serde_json::Value::deserialize(deserializer)?;
        if written == serde_json::json!({"builtin": {}}) {
            return Ok(Self::Builtin);
        }
        serde_json::from_value(written).map(Self::Fetched).map_err(serde::de::Error::custom)
    }
}

/// Which policies answer for which remediations.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SetSpec {
    #[serde(default)]
    selector: Selector,
    #[serde(default)]
    pin: Pin,
    /// The built-in policy fills the slots that are not named.
    #[serde(default)]
    pub(super) slots: BTreeMap<Slot, SlotSpec>,
    #[serde(default)]
    rollback: Option<Rollback>,
    #[serde(default)]
    breaker: BreakerSpec,
    #[serde(default)]
    ramp: Option<RampSpec>,
}

/// What fills a slot.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SlotSpec {
    /// Name of a `Policy`; the built-in one where none is named.
    #[serde(default)]
    pub(super) policy: Option<String>,
    #[serde(default)]
    pub(super) config: Option<serde_json::Value>,
    #[serde(default)]
    pub(super) fail_strategy: FailStrategy,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
struct BreakerSpec {
    faults: Option<u32>,
    window_seconds: Option<u32>,
    in_a_row: Option<u32>,
    /// Names of revisions that are used again although their breaker has tripped.
    forgive: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RampSpec {
    /// Share of new remediations that get the newest revision, 0 to 100.
    percent: u8,
}

impl SetSpec {
    /// What of it makes no revision.
    pub(super) fn settings(&self) -> anyhow::Result<SetSettings> {
        let standard = BreakerSettings::default();
        let (breaker, percent) = (&self.breaker, self.ramp.as_ref().map(|ramp| ramp.percent));
        if let Some(percent) = percent.filter(|percent| *percent > 100) {
            anyhow::bail!("spec.ramp.percent is {percent}: set it between 0 and 100");
        }
        let breaker = BreakerSettings {
            faults: breaker.faults.unwrap_or(standard.faults),
            window_seconds: breaker.window_seconds.unwrap_or(standard.window_seconds),
            in_a_row: breaker.in_a_row.unwrap_or(standard.in_a_row),
        };
        let bounds =
            [("faults", breaker.faults), ("windowSeconds", breaker.window_seconds), ("inARow", breaker.in_a_row)];
        if let Some((member, _)) = bounds.into_iter().find(|(_, value)| *value == 0) {
            anyhow::bail!("spec.breaker.{member} is 0: set it to at least 1");
        }
        Ok(SetSettings {
            selector: self.selector.clone(),
            pin: self.pin,
            rollback: self.rollback.clone(),
            breaker,
            forgiven: self.breaker.forgive.clone(),
            ramp_percent: percent,
        })
    }
}

/// Everything that a folder says, and what of it cannot be used.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Documents {
    pub(super) policies: BTreeMap<String, PolicySpec>,
    pub(super) sets: BTreeMap<String, SetSpec>,
    /// One line for each file or document that cannot be used.
    pub(super) faults: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Envelope {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: serde_json::Value,
    /// Of an object that was printed by `kubectl get`.
    #[serde(default, rename = "status")]
    _status: serde_json::Value,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    name: String,
}

impl Documents {
    /// Reads every document of a folder; folders in it, and what starts with a dot, are left alone.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let unreadable = || format!("cannot read the folder of policies {}", folder.display());
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).with_context(unreadable)? {
            let path = entry.with_context(unreadable)?.path();
            let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            let ending = path.extension().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
            if ENDINGS.contains(&ending) && !is_hidden && path.is_file() {
                files.push(path);
            }
        }
        files.sort();
        let mut documents = Self::default();
        for file in files {
            if let Err(error) = documents.add(&file) {
                documents.faults.push(crate::one_line(&error));
            }
        }
        Ok(documents)
    }

    fn add(&mut self, file: &Path) -> anyhow::Result<()> {
        let name = file.display().to_string();
        let text = document::read_text("policies", file)?;
        for envelope in document::parse_all::<Envelope>(&name, &text)? {
            let thing = format!("{} {}", envelope.kind, envelope.metadata.name);
            if let Err(error) = self.add_one(envelope) {
                self.faults.push(format!("{name}: {thing}: {}", crate::one_line(&error)));
            }
        }
        Ok(())
    }

    fn add_one(&mut self, envelope: Envelope) -> anyhow::Result<()> {
        let Envelope { api_version, kind, metadata: Metadata { name }, spec, .. } = envelope;
        anyhow::ensure!(api_version == API_VERSION, "its apiVersion is \"{api_version}\": write {API_VERSION}");
        anyhow::ensure!(!name.is_empty(), "it has no name: write metadata.name");
        let is_new = match kind.as_str() {
            "Policy" => self.policies.insert(name.clone(), parse(spec)?).is_none(),
            "PolicySet" => self.sets.insert(name.clone(), parse(spec)?).is_none(),
            other => anyhow::bail!("no document is of kind \"{other}\": write Policy or PolicySet"),
        };
        anyhow::ensure!(is_new, "there are two of this name: the last one counts");
        Ok(())
    }
}

fn parse<T: DeserializeOwned>(spec: serde_json::Value) -> anyhow::Result<T> {
    serde_json::from_value(spec).context("its spec cannot be used")
}
