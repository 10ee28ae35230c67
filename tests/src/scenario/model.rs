//! The scenario file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::expect::Expect;
use super::template::Names;
use crate::virtual_time::faults::FaultLaw;

/// The longest time that passes in real time too: what tells two objects apart whose times have whole seconds.
const REAL_PASS_MAX: Duration = Duration::from_secs(1);

/// One story.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Scenario {
    /// The file's name without its ending.
    pub name: String,
    /// What happens and what must come of it, in a sentence or two.
    pub story: String,
    /// Requirements that it shows, such as BR-ORCH-027.
    #[serde(default)]
    pub br: Vec<String>,
    /// Rows of `rows.yaml` that it covers.
    #[serde(default)]
    pub covers: Vec<String>,
    /// Only played in virtual time, although its steps would go without.
    #[serde(default, rename = "virtual")]
    pub is_virtual: bool,
    /// It hangs on what the controller's own ledger remembers of earlier remediations, so it is not played where that is lost.
    #[serde(default)]
    pub remembers: bool,
    /// It shows something only while it goes on without delay, so it is not played where blows cost time.
    #[serde(default)]
    pub hurries: bool,
    /// What it needs that the program does not do yet; it is then read and not played.
    #[serde(default)]
    pub awaits: Option<String>,
    /// Config of the built-in policy: the scenario then has a controller of its own.
    #[serde(default)]
    pub policy_config: Option<Value>,
    /// Settings of the host that differ from the default ones: the scenario then has a controller of its own.
    #[serde(default)]
    pub settings: Value,
    /// Merged over `spec` of `remediation.yaml`.
    #[serde(default)]
    pub spec: Value,
    /// What is done, in order.
    pub steps: Vec<Step>,
}

/// One thing that is done.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Step {
    /// Creates the remediation; with a name, another one.
    CreateRemediation(#[serde(default)] Creation),
    /// Creates any other object; its status, if it has one, is written after it. One of another namespace is shared by
    /// all performances: there the first creates it.
    Create(Value),
    /// Waits until an object is so.
    Wait(Wait),
    /// Merge-patches the status of an object.
    Patch(Patch),
    /// Merge-patches the object itself.
    Edit(Edit),
    /// Deletes an object, its children in the background.
    Delete(Named),
    /// Watches for some seconds that no object of the namespace changes.
    Still(u64),
    /// Time passes: `31m`, `1h30m`. Virtual time only, but for a second at most.
    Pass(String),
    /// The controller's next requests of a kind fail. Virtual time only.
    ApiFails(FaultLaw),
    /// The controller is killed, and another one takes over its ledger. Virtual time only.
    RestartController {},
    /// Removes the definition of a kind and all its objects. Virtual time only.
    RemoveKind(String),
    /// Installs the definition of a kind again. Virtual time only.
    InstallKind(String),
    /// From now on the controller's cache of a kind does not change: its watch is held back, while the API answers.
    /// Virtual time only.
    Stale(String),
    /// The controller's cache of a kind catches up; one that has missed nothing is a fault. Virtual time only.
    Fresh(String),
    /// What must be true now, or come true in a moment.
    Expect(Expect),
}

impl Step {
    /// Whether it can only be played in virtual time.
    pub fn is_virtual(&self) -> bool {
        match self {
            Self::Pass(length) => !duration(length).is_ok_and(|length| length <= REAL_PASS_MAX),
            Self::ApiFails(_)
            | Self::RestartController {}
            | Self::RemoveKind(_)
            | Self::InstallKind(_)
            | Self::Stale(_)
            | Self::Fresh(_) => true,
            Self::CreateRemediation(_)
            | Self::Create(_)
            | Self::Wait(_)
            | Self::Patch(_)
            | Self::Edit(_)
            | Self::Delete(_)
            | Self::Still(_)
            | Self::Expect(_) => false,
        }
    }
}

/// A remediation that is created.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Creation {
    /// Name; empty: the scenario's own.
    #[serde(default)]
    pub name: String,
    /// Labels that somebody has set.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Annotations that somebody has set.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Merged over the scenario's `spec`.
    #[serde(default)]
    pub spec: Value,
}

/// An object by kind and name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Named {
    /// Kind; empty: the remediation.
    #[serde(default)]
    pub kind: String,
    /// Name; empty: the one that this kind's object of the remediation has.
    #[serde(default)]
    pub name: String,
}

/// What is waited for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Wait {
    /// Which kind; empty: the remediation.
    #[serde(default)]
    pub kind: String,
    /// Which name; empty: the kind's usual one.
    #[serde(default)]
    pub name: String,
    /// Its phase, for short.
    #[serde(default)]
    pub phase: Option<String>,
    /// What must be contained in the object.
    #[serde(default)]
    pub has: Option<Value>,
    /// That it is gone.
    #[serde(default)]
    pub gone: bool,
    /// How long that may take: `5s`; without it, a minute.
    #[serde(default)]
    pub within: Option<String>,
}

/// A merge patch of a status.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Patch {
    /// Which kind; empty: the remediation.
    #[serde(default)]
    pub kind: String,
    /// Which name; empty: the kind's usual one.
    #[serde(default)]
    pub name: String,
    /// An entry of `statuses.yaml` to start from.
    #[serde(default, rename = "use")]
    pub start: Option<String>,
    /// Merged over it.
    #[serde(default)]
    pub status: Value,
}

/// A merge patch of an object.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Edit {
    /// Which kind; empty: the remediation.
    #[serde(default)]
    pub kind: String,
    /// Which name; empty: the kind's usual one.
    #[serde(default)]
    pub name: String,
    /// The patch.
    pub patch: Value,
}

/// Files of the folder that are no scenarios.
const OTHERS: [&str; 4] = ["mask", "remediation", "rows", "statuses"];

impl Scenario {
    /// The names of every scenario in a folder.
    pub fn names(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if path.extension().is_some_and(|extension| extension == "yaml") && !OTHERS.contains(&stem) {
                names.insert(stem.to_owned());
            }
        }
        Ok(names)
    }

    /// Reads a scenario file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let scenario: Self = serde_json::from_value(read_yaml(path)?).with_context(|| path.display().to_string())?;
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        ensure!(scenario.name == stem, "{}: its name is \"{}\"", path.display(), scenario.name);
        ensure!(!scenario.story.is_empty(), "{}: it has no story", path.display());
        Ok(scenario)
    }

    /// Whether it can only be played in virtual time.
    pub fn is_virtual(&self) -> bool {
        self.is_virtual || self.steps.iter().any(Step::is_virtual)
    }

    /// Whether it needs a controller of its own.
    pub fn is_alone(&self) -> bool {
        self.policy_config.is_some() || !self.settings.is_null()
    }

    /// Whether a word names it: its name, a requirement or a row that it covers.
    pub fn is_called(&self, word: &str) -> bool {
        self.name == word || self.br.iter().chain(&self.covers).any(|one| one == word)
    }

    /// Name of its remediation.
    pub fn remediation(&self) -> String {
        format!("rr-{}", self.name)
    }

    /// What `${…}` stands for where it is played.
    pub fn names_in(&self, namespace: &str) -> Names {
        Names::new([
            ("rr", self.remediation()),
            ("scenario", self.name.clone()),
            ("app", format!("app-{}", self.name)),
            ("namespace", namespace.to_owned()),
        ])
    }
}

/// A length of time as `31m` or `1h30m`.
pub fn duration(text: &str) -> anyhow::Result<Duration> {
    let length: jiff::SignedDuration = text.parse().with_context(|| format!("\"{text}\" is no length of time"))?;
    Duration::try_from(length).with_context(|| format!("\"{text}\" is negative"))
}

/// Reads YAML as JSON.
pub fn read_yaml(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    serde_saphyr::from_str(&text).with_context(|| path.display().to_string())
}

/// Merges `patch` over `base` (RFC 7386).
pub fn merge(base: &mut Value, patch: &Value) {
    let Value::Object(members) = patch else {
        *base = patch.clone();
        return;
    };
    if !base.is_object() {
        *base = Value::Object(serde_json::Map::default());
    }
    let Value::Object(target) = base else { return };
    for (key, value) in members {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Stands for any value that is there.
const ANY: &str = "<any>";

/// Whether `part` is contained in `whole`: members by name, entries of a list in any place, `<any>` for any value.
pub fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|found| contains(found, value)))
        }
        (Value::Array(whole), Value::Array(part)) => {
            part.iter().all(|value| whole.iter().any(|found| contains(found, value)))
        }
        (whole, Value::String(part)) if part == ANY => !whole.is_null(),
        (whole, part) => whole == part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_part_is_found_by_members_and_in_any_place_of_a_list() {
        let whole = json!({"a": 1, "list": [{"type": "Ready", "status": "True"}, {"type": "Other"}]});
        assert!(contains(&whole, &json!({"list": [{"type": "Other"}]})));
        assert!(!contains(&whole, &json!({"list": [{"type": "Ready", "status": "False"}]})));
        assert!(!contains(&whole, &json!({"b": null})));
        assert!(contains(&whole, &json!({"a": "<any>"})));
        assert!(!contains(&whole, &json!({"b": "<any>"})));
    }

    #[test]
    fn a_second_passes_everywhere_and_a_minute_in_virtual_time_only() {
        for (length, is_virtual) in [("1s", false), ("2s", true), ("1m", true), ("soon", true)] {
            assert_eq!(Step::Pass(length.to_owned()).is_virtual(), is_virtual, "{length}");
        }
    }

    #[test]
    fn a_patch_replaces_members_and_removes_those_that_are_null() {
        let mut base = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        merge(&mut base, &json!({"a": {"b": null, "e": 3}, "d": [2]}));
        assert_eq!(base, json!({"a": {"c": 2, "e": 3}, "d": [2]}));
    }
}
