//! Status of a `SignalProcessing`; its controller writes it, the orchestrator reads it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema::any_json;

/// Result of the enrichment. The orchestrator writes `phase` and `failureInfo.error` only when the parent has ended.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignalProcessingStatus {
    /// Who in the business depends on the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_classification: Option<BusinessClassification>,
    /// Environment of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment_classification: Option<EnvironmentClassification>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_info: Option<FailureNote>,
    /// The target's surroundings in the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes_context: Option<KubernetesContext>,
    /// Phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [
        "Pending", "Enriching", "Classifying", "Categorizing", "Completed", "Failed",
    ]))]
    pub phase: Option<String>,
    /// Priority of the signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_assignment: Option<PriorityAssignment>,
    /// Severity and mode of the signal, normalised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal_classification: Option<SignalClassification>,
}

/// Environment of the target.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentClassification {
    /// Environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Production", "Staging", "Development", "Test", "Unknown"]))]
    pub environment: Option<String>,
}

/// Priority of the signal.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriorityAssignment {
    /// Priority; `P0` is the most urgent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["P0", "P1", "P2", "P3"]))]
    pub priority: Option<String>,
}

/// Severity and mode of the signal.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignalClassification {
    /// How the cluster is classified; any JSON, handed on to the analysis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_json")]
    pub cluster_classification: Option<Value>,
    /// Hash of the policy that classified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_hash: Option<String>,
    /// Normalised severity.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["critical", "high", "warning", "info", "unknown"]))]
    pub severity: Option<String>,
    /// Whether the signal tells what is (`reactive`) or what is to come (`proactive`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["reactive", "proactive"]))]
    pub signal_mode: Option<String>,
    /// Normalised name of the signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal_name: Option<String>,
    /// Name of the signal as its source wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_signal_name: Option<String>,
}

/// What went wrong in the child.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureNote {
    /// The error, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The target's surroundings in the cluster; copied into the analysis verbatim.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubernetesContext {
    /// The cluster itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterContext>,
    /// Cluster of the target; absent for the local one.
    #[serde(rename = "clusterID", skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Labels that the classification policy added; each may have several values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_labels: Option<BTreeMap<String, Vec<String>>>,
    /// Whether the enrichment had to do without the live objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degraded_mode: Option<bool>,
    /// Namespace of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<NamespaceContext>,
    /// Owners of the target, nearest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_chain: Option<Vec<OwnerChainEntry>>,
    /// The target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadContext>,
    /// Fields that are not declared here; kept, so that a copy is verbatim.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// The cluster of the target.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterContext {
    /// Labels of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Fields that are not declared here.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// The namespace of the target.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceContext {
    /// Annotations of the namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Labels of the namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Name of the namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Fields that are not declared here.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// The target as found.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadContext {
    /// Annotations of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Kind of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Labels of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Name of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Fields that are not declared here.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// One owner of the target.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnerChainEntry {
    /// API version of the owner; the one field on the wire with an underscore.
    #[serde(rename = "api_version", skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Kind of the owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name of the owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Namespace of the owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Fields that are not declared here.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// Who in the business depends on the target; copied into the analysis verbatim.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BusinessClassification {
    /// Business unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_unit: Option<String>,
    /// How much depends on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Critical", "High", "Medium", "Low"]))]
    pub criticality: Option<String>,
    /// Who owns the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_owner: Option<String>,
    /// Service level.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Platinum", "Gold", "Silver", "Bronze"]))]
    pub sla_requirement: Option<String>,
    /// Fields that are not declared here; kept, so that a copy is verbatim.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}
