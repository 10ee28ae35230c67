//! `RemediationRequest`: one signal, one target, one outcome. The orchestrator's own kind, declared in full.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{TargetResource, WireTime};

mod status;

pub use status::{
    CompletionStatus, Deduplication, OperatorAudit, PhaseProgress, RemediationRequestStatus, RoutingStatus,
    SelectedWorkflowRef, TimeoutConfig, WorkflowSelection,
};

/// What the gateway asks for; written once, at creation.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "kubernaut.ai",
    version = "v1alpha1",
    kind = "RemediationRequest",
    plural = "remediationrequests",
    shortname = "rr",
    namespaced,
    status = "RemediationRequestStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "One remediation: one signal, one target, one outcome.",
    selectable = ".spec.signalFingerprint",
    selectable = ".spec.signalType",
    selectable = ".spec.severity",
    selectable = ".spec.clusterID",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.overallPhase"),
    printcolumn(name = "Outcome", type_ = "string", json_path = ".status.completionStatus.outcome"),
    printcolumn(name = "Alert", type_ = "string", json_path = ".spec.signalName"),
    printcolumn(name = "RCA Target", type_ = "string", json_path = ".status.workflowSelection.targetDisplay"),
    printcolumn(name = "Workflow", type_ = "string", json_path = ".status.workflowSelection.workflowDisplayName"),
    printcolumn(name = "Confidence", type_ = "string", json_path = ".status.workflowSelection.confidence"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.clusterID", priority = 1),
    printcolumn(name = "Source", type_ = "string", json_path = ".spec.signalSource", priority = 1),
    printcolumn(name = "Signal NS", type_ = "string", json_path = ".spec.targetResource.namespace", priority = 1),
    printcolumn(
        name = "Signal Target",
        type_ = "string",
        json_path = ".status.workflowSelection.signalTargetDisplay",
        priority = 1
    ),
    printcolumn(
        name = "RCA NS",
        type_ = "string",
        json_path = ".status.workflowSelection.remediationTarget.namespace",
        priority = 1
    )
)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self == oldSelf",
    "message": "spec is immutable once the object exists; create a new RemediationRequest instead",
}]))]
pub struct RemediationRequestSpec {
    /// Cluster that the signal came from; absent or empty for the local one; at most 253 characters.
    #[serde(rename = "clusterID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub cluster_id: Option<String>,
    /// When the signal began to fire.
    pub firing_time: WireTime,
    /// The signal's original payload, JSON as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_payload: Option<String>,
    /// What the provider added, JSON as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_data: Option<String>,
    /// When the gateway received the signal.
    pub received_time: WireTime,
    /// Severity as the provider wrote it (`critical`, `P0`, `Sev1`); 1 to 50 characters.
    #[schemars(length(min = 1, max = 50))]
    pub severity: String,
    /// Annotations of the signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal_annotations: Option<BTreeMap<String, String>>,
    /// Identity of the signal's source: 64 lower-case hexadecimal digits. Remediations of one fingerprint form a history.
    #[schemars(
        length(max = 64),
        regex(pattern = r"^[a-f0-9]{64}$"),
        extend("x-kubernetes-validations" = [{
            "rule": "self == oldSelf",
            "message": "signalFingerprint is immutable",
        }])
    )]
    pub signal_fingerprint: String,
    /// Labels of the signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal_labels: Option<BTreeMap<String, String>>,
    /// Name of the signal; at most 253 characters.
    #[schemars(length(max = 253))]
    pub signal_name: String,
    /// Adapter that took the signal in; at most 63 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub signal_source: Option<String>,
    /// Type of the signal, normally `alert`.
    pub signal_type: String,
    /// Object that the signal is about.
    pub target_resource: TargetResource,
    /// Where the target lives.
    #[schemars(extend("enum" = ["kubernetes", "aws", "azure", "gcp", "datadog"]))]
    pub target_type: String,
}
