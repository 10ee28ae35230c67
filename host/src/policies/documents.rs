//! `Policy` and `PolicySet`: the same documents as files in a folder and as objects of a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use trimtab_api::PolicyKind;
use trimtab_api::kinds::POLICY_API_VERSION;
use trimtab_author::document;
use trimtab_core::members::{MEMBERS_MAX, Rule};
use trimtab_core::ports::FailStrategy;
use trimtab_core::proposal::Slot;
use trimtab_policy_engine::sets::{BreakerSettings, Pin, Rollback, Selector, SetSettings};
use trimtab_policy_engine::source::Source;
use trimtab_policy_engine::{Digest, Limits};

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

/// What fills a slot: one policy, or a list of several with their rule.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SlotSpec {
    /// Name of a `Policy`; the built-in one where none is named.
    #[serde(default)]
    policy: Option<String>,
    #[serde(default)]
    config: Option<serde_json::Value>,
    #[serde(default)]
    fail_strategy: Option<FailStrategy>,
    /// What makes one answer of several.
    #[serde(default)]
    rule: Option<Rule>,
    /// Several policies, in the order in which they are asked.
    #[serde(default)]
    policies: Option<Vec<MemberSpec>>,
}

impl SlotSpec {
    fn policies(&self) -> impl Iterator<Item = &str> {
        let listed = self.policies.iter().flatten().filter_map(|member| member.policy.as_deref());
        self.policy.as_deref().into_iter().chain(listed)
    }

    /// The rule, and each policy: one where no list is given.
    pub(super) fn members(&self) -> anyhow::Result<(Rule, Vec<MemberSpec>)> {
        let Some(policies) = &self.policies else {
            anyhow::ensure!(self.rule.is_none(), "it has a rule and no policies: write them as a list under policies");
            let Self { policy, config, fail_strategy, .. } = self.clone();
            let only = MemberSpec { policy, config, fail_strategy: fail_strategy.unwrap_or_default() };
            return Ok((Rule::default(), vec![only]));
        };
        let has_own = self.policy.is_some() || self.config.is_some() || self.fail_strategy.is_some();
        anyhow::ensure!(
            !has_own,
            "it has policies and a policy, config or failStrategy beside them: write these into the list"
        );
        let count = policies.len();
        anyhow::ensure!(count > 0, "its list of policies is empty: name 1 to {MEMBERS_MAX}");
        anyhow::ensure!(count <= MEMBERS_MAX, "it has {count} policies: at most {MEMBERS_MAX} are allowed");
        let names = || Rule::ALL.map(Rule::name).join(", ");
        let rule = self.rule.with_context(|| format!("its policies have no rule: write one of {}", names()))?;
        Ok((rule, policies.clone()))
    }
}

/// One policy of a slot.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct MemberSpec {
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
    /// The names of the policies that its slots name.
    pub(super) fn policies(&self) -> impl Iterator<Item = &str> {
        self.slots.values().flat_map(SlotSpec::policies)
    }

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

/// A file or document that cannot be used.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DocumentFault {
    /// Which document; `None` where that cannot be told either.
    pub(super) document: Option<(PolicyKind, String)>,
    /// Where it is and why, in one line.
    pub(super) line: String,
}

/// Everything that a folder or a cluster says, and what of it cannot be used.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Documents {
    pub(super) policies: BTreeMap<String, PolicySpec>,
    pub(super) sets: BTreeMap<String, SetSpec>,
    /// Policies that are to be deleted and are held until nobody needs them.
    pub(super) leaving: BTreeSet<String>,
    pub(super) faults: Vec<DocumentFault>,
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
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default)]
    deletion_timestamp: Option<String>,
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
                documents.faults.push(DocumentFault { document: None, line: crate::one_line(&error) });
            }
        }
        Ok(documents)
    }

    /// Reads objects of a cluster.
    pub(super) fn of_objects<'a>(objects: impl IntoIterator<Item = &'a serde_json::Value>) -> Self {
        let mut documents = Self::default();
        for object in objects {
            match Envelope::deserialize(object) {
                Ok(envelope) => documents.add_one("the cluster", envelope),
                Err(error) => {
                    let line = format!("an object of the cluster cannot be used: {error}");
                    documents.faults.push(DocumentFault { document: None, line });
                }
            }
        }
        documents
    }

    /// Whether something that cannot be read may be this set.
    pub(super) fn may_have_set(&self, name: &str) -> bool {
        let may_be = |fault: &DocumentFault| match &fault.document {
            None => true,
            Some((kind, other)) => *kind == PolicyKind::PolicySet && other == name,
        };
        self.sets.contains_key(name) || self.faults.iter().any(may_be)
    }

    fn add(&mut self, file: &Path) -> anyhow::Result<()> {
        let name = file.display().to_string();
        let text = document::read_text("policies", file)?;
        for envelope in document::parse_all::<Envelope>(&name, &text)? {
            self.add_one(&name, envelope);
        }
        Ok(())
    }

    fn add_one(&mut self, place: &str, envelope: Envelope) {
        let Envelope { api_version, kind, metadata: Metadata { name, deletion_timestamp }, spec, .. } = envelope;
        let thing = format!("{kind} {name}");
        let kind = PolicyKind::ALL.into_iter().find(|known| known.kind() == kind);
        let document = kind.map(|kind| (kind, name.clone()));
        if deletion_timestamp.is_some() && kind == Some(PolicyKind::Policy) {
            self.leaving.insert(name.clone());
        }
        if let Err(error) = self.take(&api_version, kind, name, spec) {
            let line = format!("{place}: {thing}: {}", crate::one_line(&error));
            self.faults.push(DocumentFault { document, line });
        }
    }

    fn take(
        &mut self,
        api_version: &str,
        kind: Option<PolicyKind>,
        name: String,
        spec: serde_json::Value,
    ) -> anyhow::Result<()> {
        anyhow::ensure!(
            api_version == POLICY_API_VERSION,
            "its apiVersion is \"{api_version}\": write {POLICY_API_VERSION}"
        );
        anyhow::ensure!(!name.is_empty(), "it has no name: write metadata.name");
        let is_new = match kind {
            Some(PolicyKind::Policy) => self.policies.insert(name, parse(spec)?).is_none(),
            Some(PolicyKind::PolicySet) => self.sets.insert(name, parse(spec)?).is_none(),
            None => anyhow::bail!("no document is of that kind: write Policy or PolicySet"),
        };
        anyhow::ensure!(is_new, "there are two of this name: the last one counts");
        Ok(())
    }
}

fn parse<T: DeserializeOwned>(spec: serde_json::Value) -> anyhow::Result<T> {
    serde_json::from_value(spec).context("its spec cannot be used")
}
