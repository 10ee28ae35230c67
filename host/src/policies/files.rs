//! The files that fill a slot: `--policy`, `--policy-config` and `--policy-limits`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use trimtab_author::document;
use trimtab_core::proposal::Slot;
use trimtab_policy_engine::{BUILTIN, Digest, Limits};

use crate::cli::{PolicyArguments, SlotFile};

/// Where a slot's policy comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) slot: Slot,
    pub(super) component: Option<PathBuf>,
    pub(super) config: Option<PathBuf>,
    limits: Option<PathBuf>,
}

/// What the files of a source hold; the component's are the built-in one's where no file is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) component: Vec<u8>,
    pub(super) config: Vec<u8>,
    pub(super) limits: Vec<u8>,
}

/// Files by digest, or why they cannot be read: what two looks compare.
pub(super) type Seen = Result<[Digest; 3], String>;

pub(super) fn seen(read: &anyhow::Result<Files>) -> Seen {
    match read {
        Ok(files) => Ok([&files.component, &files.config, &files.limits].map(|bytes| Digest::of(bytes))),
        Err(error) => Err(crate::one_line(error)),
    }
}

/// Reads JSON or YAML; `file` is named in errors, with line and column.
pub(super) fn parse<T: DeserializeOwned>(file: &Path, bytes: &[u8]) -> anyhow::Result<T> {
    let name = file.display().to_string();
    let text = std::str::from_utf8(bytes).with_context(|| format!("{name} is no text"))?;
    Ok(document::parse(&name, text)?)
}

/// Reads a file whole, unless it is larger than it can be.
fn read_bounded(file: &Path, most: u64) -> anyhow::Result<Vec<u8>> {
    let bytes = std::fs::metadata(file)?.len();
    anyhow::ensure!(bytes <= most, "it has {bytes} bytes, {most} are allowed");
    Ok(std::fs::read(file)?)
}

impl Source {
    /// The last argument that names the slot counts.
    pub(super) fn of(slot: Slot, arguments: &PolicyArguments) -> Self {
        let last =
            |files: &[SlotFile]| files.iter().rfind(|given| given.slots.covers(slot)).map(|given| given.file.clone());
        Self {
            slot,
            component: last(&arguments.policies),
            config: last(&arguments.configs),
            limits: last(&arguments.limits),
        }
    }

    pub(super) fn is_given(&self) -> bool {
        self.component.is_some() || self.config.is_some() || self.limits.is_some()
    }

    pub(super) fn read(&self) -> anyhow::Result<Files> {
        let read = |what: &str, file: &Option<PathBuf>, most: u64| match file {
            None => Ok(Vec::new()),
            Some(file) => read_bounded(file, most)
                .with_context(|| format!("cannot read the {} {what} {}", self.slot, file.display())),
        };
        let limits = read("limits", &self.limits, document::DOCUMENT_BYTES_MAX)?;
        let config = read("config", &self.config, document::DOCUMENT_BYTES_MAX)?;
        // Limits that cannot be used are told when the policy is put in force.
        let most = self.parse_limits(&limits).unwrap_or_default().component_bytes;
        let component =
            if self.component.is_some() { read("policy", &self.component, most)? } else { BUILTIN.to_vec() };
        Ok(Files { component, config, limits })
    }

    pub(super) fn parse_limits(&self, bytes: &[u8]) -> anyhow::Result<Limits> {
        self.limits.as_deref().map_or_else(|| Ok(Limits::default()), |file| parse(file, bytes))
    }

    pub(super) fn describe(&self) -> String {
        let component = self.component.as_deref().map_or("(built in)".to_owned(), |file| file.display().to_string());
        let with = |what: &str, file: &Option<PathBuf>| {
            file.as_deref().map_or_else(String::new, |file| format!(", {what} {}", file.display()))
        };
        let (config, limits) = (with("config", &self.config), with("limits", &self.limits));
        format!("the {} policy {component}{config}{limits}", self.slot)
    }
}
