//! `AIAnalysis`: root cause and choice of the workflow. The orchestrator creates it and reads its status.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema::any_json;
use crate::signal_processing::{BusinessClassification, KubernetesContext};
use crate::{ObjectReference, TargetResource, WireTime};

mod approval;
mod status;

pub use approval::{AlternativeApproach, Approval, ApprovalContext, PolicyEvaluation, RecommendedAction};
pub use status::{
    AIAnalysisStatus, AlignmentFinding, AlignmentVerdict, DetectedLabels, InteractiveSession, InvestigationMetadata,
    PostRcaContext, RcaResult, Review, RootCauseAnalysis, SelectedWorkflow,
};

/// What the orchestrator asks for; written once, at creation.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "kubernaut.ai",
    version = "v1alpha1",
    kind = "AIAnalysis",
    plural = "aianalyses",
    shortname = "aia",
    namespaced,
    status = "AIAnalysisStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "Root-cause analysis of one signal, and the choice of a workflow.",
    selectable = ".spec.remediationRequestRef.name",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Confidence", type_ = "number", json_path = ".status.rcaResult.selectedWorkflow.confidence"),
    printcolumn(name = "Approval Required", type_ = "boolean", json_path = ".status.approval.approvalRequired"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self == oldSelf",
    "message": "spec is immutable once the object exists",
}]))]
pub struct AIAnalysisSpec {
    /// What is to be analysed.
    pub analysis_request: AnalysisRequest,
    /// Cluster that the signal came from; absent for the local one.
    #[serde(rename = "clusterID", skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Name of the parent; not empty.
    #[schemars(length(min = 1))]
    pub remediation_id: String,
    /// The parent.
    pub remediation_request_ref: ObjectReference,
    /// When the child should give up by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times_out_at: Option<WireTime>,
}

/// What is to be analysed, and how far.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisRequest {
    /// Steps of the analysis; at least one.
    #[schemars(schema_with = "analysis_types")]
    pub analysis_types: Vec<String>,
    /// The signal with everything known about it.
    pub signal_context: SignalContext,
}

fn analysis_types(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "items": { "type": "string", "enum": ["Investigation", "RootCause", "WorkflowSelection"] },
    })
}

/// The signal with everything known about it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignalContext {
    /// Priority, `P0` to `P3`; 1 to 63 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub business_priority: Option<String>,
    /// How the cluster is classified; any JSON, from the signal's classification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_json")]
    pub cluster: Option<Value>,
    /// What the enrichment found.
    pub enrichment_results: EnrichmentResults,
    /// Environment of the target; 1 to 63 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub environment: Option<String>,
    /// Identity of the signal's source; at most 64 characters.
    #[schemars(length(max = 64))]
    pub fingerprint: String,
    /// Normalised severity.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["critical", "high", "warning", "info", "unknown"]))]
    pub severity: Option<String>,
    /// Annotations of the signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal_annotations: Option<BTreeMap<String, String>>,
    /// Whether the signal tells what is (`reactive`) or what is to come (`proactive`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["reactive", "proactive"]))]
    pub signal_mode: Option<String>,
    /// Normalised name of the signal.
    pub signal_name: String,
    /// Object that the signal is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_resource: Option<TargetResource>,
}

/// What the enrichment found, copied from the `SignalProcessing`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnrichmentResults {
    /// Who in the business depends on the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_classification: Option<BusinessClassification>,
    /// The target's surroundings in the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes_context: Option<KubernetesContext>,
}
