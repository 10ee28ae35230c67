//! The observation document: what a policy is told, as people write it in YAML or JSON.
//!
//! Every member may be left out and then has a default that fits the others. Times are RFC 3339, lengths are Go
//! durations.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod convert;
mod facts;
mod merge;
mod objects;
mod routing;
mod words;
mod written;

pub use facts::{
    AnalysisDocument, ApprovalDocument, AssessmentDocument, ClassificationDocument, ExecutionDocument, FactsDocument,
    RelatedDocument, RelatedRemediationsDocument, SignalDocument, WorkflowOverrideDocument,
};
pub use merge::{merge, without_nulls};
pub(crate) use objects::routing_status;
pub use routing::{
    AwaitedDocument, HistoryEntryDocument, RemediationHistoryDocument, RoutingDocument, ScopeDocument,
    SignalRemediationDocument, SignalRemediationsDocument, TargetExecutionDocument, TargetExecutionsDocument,
};
pub use words::{ChildWord, Length, PhaseTimes, PhaseWord, Time};

/// One remediation at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Observation")]
pub struct ObservationDocument {
    /// The only clock; default: 2026-01-01T12:00:00Z.
    pub now: Option<Time>,
    /// Uid of the `RemediationRequest`.
    pub uid: Option<String>,
    /// Name of the `RemediationRequest`; default: `rr-example`.
    pub name: Option<String>,
    /// Namespace of the `RemediationRequest` and its children; default: `kubernaut-system`.
    pub namespace: Option<String>,
    /// Cluster that raised the signal; default: this one.
    pub cluster_id: Option<String>,
    /// Current phase, "" before the first step; default: the last of `phases`, else Processing.
    pub phase: Option<PhaseWord>,
    /// When each phase was last entered: a map from phase to time, or a list of `{phase, enteredAt}`. The current
    /// phase is added with `now` where it is missing.
    pub phases: Option<PhaseTimes>,
    /// When the remediation started; default: the earliest entry of `phases`.
    pub started_at: Option<Time>,
    /// Number of the current attempt, from 1; default: 1.
    pub attempt: Option<u32>,
    /// Number of the last step, which the seed depends on; default: the number of phases entered.
    pub sequence: Option<u64>,
    /// Name of the signal; default: `KubePodCrashLooping`.
    pub signal_name: Option<String>,
    /// Severity as the signal's source spells it; default: `critical`.
    pub severity: Option<String>,
    /// The object that the signal points at; default: the Deployment `shop` in namespace `default`.
    pub target: Option<TargetDocument>,
    /// Lengths that a person has set by hand, by phase or `Global`.
    pub overrides: Option<BTreeMap<String, Length>>,
    /// Children of the current attempt in the order of their creation, at most 16.
    pub children: Option<Vec<ChildDocument>>,
    /// Failures in a row; default: 0.
    pub consecutive_failures: Option<u32>,
    /// Answers to the `facts` functions.
    pub facts: Option<FactsDocument>,
    /// Members of the whole `RemediationRequest`, merged over what follows from the rest.
    pub object: Option<Value>,
}

/// A Kubernetes object that a signal or an analysis points at.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TargetDocument {
    /// Kind; default: Deployment.
    pub kind: Option<String>,
    /// Name; default: `shop`.
    pub name: Option<String>,
    /// Namespace; "" for a cluster-scoped object; default: `default`.
    pub namespace: Option<String>,
    /// API version; default: apps/v1 for a Deployment, else none.
    pub api_version: Option<String>,
}

/// One object that the remediation has created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ChildDocument {
    /// Its kind; at most one of each.
    pub kind: ChildWord,
    /// Its name; default: the one that the host gives.
    #[serde(default)]
    pub name: Option<String>,
    /// Attempt that created it; default: the current one.
    #[serde(default)]
    pub attempt: Option<u32>,
    /// Whether the cluster still has it; default: true.
    #[serde(default)]
    pub found: Option<bool>,
    /// Its phase, or the decision of an approval; default: "", before its controller's first write.
    #[serde(default)]
    pub phase: Option<String>,
    /// Reason code beside the phase.
    #[serde(default)]
    pub reason: Option<String>,
    /// When its controller finished it.
    #[serde(default)]
    pub finished_at: Option<Time>,
    /// The deadline it was told.
    #[serde(default)]
    pub deadline: Option<Time>,
    /// Members of the whole object, merged over what follows from the rest.
    #[serde(default)]
    pub object: Option<Value>,
}

#[cfg(test)]
mod tests;
