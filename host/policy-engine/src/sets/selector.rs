//! Which remediations a set answers for, and which of two sets goes first.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use trimtab_core::observation::Observation;

/// What a remediation must have; a criterion that is left out holds for all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Selector {
    /// Its namespace is one of these.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub namespaces: BTreeSet<String>,
    /// It has all of these labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Its signal's severity is one of these.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub severities: BTreeSet<String>,
    /// Its signal's name is one of these.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub signals: BTreeSet<String>,
    /// The kind of the object that the signal points at is one of these.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub target_kinds: BTreeSet<String>,
    /// The cluster that raised the signal is one of these; the empty text is this cluster.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub cluster_ids: BTreeSet<String>,
}

impl Selector {
    /// Whether a remediation has all that is asked for.
    pub fn selects(&self, seen: &Observation) -> bool {
        let has_label = |(key, value): (&String, &String)| {
            seen.object["metadata"]["labels"].get(key).and_then(serde_json::Value::as_str) == Some(value)
        };
        let values = [&seen.namespace, &seen.severity, &seen.signal_name, &seen.target.kind, &seen.cluster_id];
        self.lists().into_iter().zip(values).all(|(wanted, value)| wanted.is_empty() || wanted.contains(value))
            && self.labels.iter().all(has_label)
    }

    /// How many criteria it has, each label as one: of two sets the one with more goes first.
    pub fn specificity(&self) -> usize {
        self.lists().into_iter().filter(|wanted| !wanted.is_empty()).count() + self.labels.len()
    }

    /// Whether it selects every remediation that the other one selects.
    pub fn covers(&self, other: &Self) -> bool {
        let is_wider = |(ours, theirs): (&BTreeSet<String>, &BTreeSet<String>)| {
            ours.is_empty() || (!theirs.is_empty() && theirs.is_subset(ours))
        };
        self.lists().into_iter().zip(other.lists()).all(is_wider)
            && self.labels.iter().all(|(key, value)| other.labels.get(key) == Some(value))
    }

    const fn lists(&self) -> [&BTreeSet<String>; 5] {
        [&self.namespaces, &self.severities, &self.signals, &self.target_kinds, &self.cluster_ids]
    }
}
