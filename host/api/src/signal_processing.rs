//! `SignalProcessing`: enrichment and classification of the signal. The orchestrator creates it and reads its status.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::WireTime;

mod status;

pub use status::{
    BusinessClassification, ClusterContext, EnvironmentClassification, FailureNote, KubernetesContext,
    NamespaceContext, OwnerChainEntry, PriorityAssignment, SignalClassification, SignalProcessingStatus,
    WorkloadContext,
};

/// What the orchestrator asks for; written once, at creation.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "kubernaut.ai",
    version = "v1alpha1",
    kind = "SignalProcessing",
    plural = "signalprocessings",
    shortname = "sp",
    namespaced,
    status = "SignalProcessingStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "Enrichment and classification of one signal.",
    selectable = ".spec.remediationRequestRef.name",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Severity", type_ = "string", json_path = ".status.signalClassification.severity"),
    printcolumn(name = "Environment", type_ = "string", json_path = ".status.environmentClassification.environment"),
    printcolumn(name = "Priority", type_ = "string", json_path = ".status.priorityAssignment.priority"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "self == oldSelf",
        "message": "spec is immutable once the object exists",
    },
    {
        "rule": "self.remediationRequestRef.name != ''",
        "message": "remediationRequestRef.name must not be empty",
    },
]))]
pub struct SignalProcessingSpec {
    /// Placeholder of the enrichment service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrichment_config: Option<EnrichmentConfig>,
    /// The parent.
    pub remediation_request_ref: RemediationRequestReference,
    /// The signal, copied from the parent.
    pub signal: Signal,
    /// When the child should give up by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times_out_at: Option<WireTime>,
}

/// Reference to the parent, by a name that must be there.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemediationRequestReference {
    /// API version of the parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Kind of the parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name of the parent.
    pub name: String,
    /// Namespace of the parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// UID of the parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// The signal as the enrichment service sees it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Signal {
    /// Annotations of the signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Cluster that the signal came from; absent for the local one; at most 253 characters.
    #[serde(rename = "clusterID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub cluster_id: Option<String>,
    /// Identity of the signal's source: 64 lower-case hexadecimal digits.
    #[schemars(length(max = 64), regex(pattern = r"^[a-f0-9]{64}$"))]
    pub fingerprint: String,
    /// When the signal began to fire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firing_time: Option<WireTime>,
    /// Labels of the signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Name of the signal; at most 253 characters.
    #[schemars(length(max = 253))]
    pub name: String,
    /// What the provider added, JSON as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_data: Option<String>,
    /// When the gateway received the signal.
    pub received_time: WireTime,
    /// Severity as the provider wrote it.
    pub severity: String,
    /// Adapter that took the signal in; at most 63 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub source: Option<String>,
    /// Object that the signal is about; the orchestrator leaves `apiVersion` out.
    pub target_resource: SignalTarget,
    /// Where the target lives.
    #[schemars(extend("enum" = ["kubernetes", "aws", "azure", "gcp", "datadog"]))]
    pub target_type: String,
    /// Type of the signal, normally `alert`.
    #[serde(rename = "type")]
    pub type_: String,
}

/// Object that the signal is about, without an API version.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignalTarget {
    /// Kind, such as `Deployment`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace; absent or empty for cluster-scoped objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Placeholder of the enrichment service; the orchestrator writes it empty.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnrichmentConfig {
    /// Whether to look at the cluster's state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_cluster_state: Option<bool>,
    /// Whether to look at earlier signals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_historical: Option<bool>,
    /// Whether to look at metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_metrics: Option<bool>,
    /// Limit, as a Go duration string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}
