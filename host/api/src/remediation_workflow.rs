//! `RemediationWorkflow`: a catalogue entry. The orchestrator only reads it, when an approver overrides the workflow.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema::any_json;

/// What the workflow does and how it is run; its author writes it.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "kubernaut.ai",
    version = "v1alpha1",
    kind = "RemediationWorkflow",
    plural = "remediationworkflows",
    shortname = "rw",
    namespaced,
    status = "RemediationWorkflowStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "Catalogue entry of a remediation workflow."
)]
pub struct RemediationWorkflowSpec {
    /// Action type in the catalogue, such as `IncreaseMemoryLimits`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_type: Option<String>,
    /// How it is run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution: Option<WorkflowExecutionPlan>,
    /// Version of the entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// How the workflow is run.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowExecutionPlan {
    /// OCI reference of what is run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// Digest of the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle_digest: Option<String>,
    /// What runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["tekton", "job", "ansible"]))]
    pub engine: Option<String>,
    /// Settings of the engine; any JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_json")]
    pub engine_config: Option<Value>,
    /// Service account that the run uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
}

/// Where the entry stands in the catalogue; the catalogue's webhook writes it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemediationWorkflowStatus {
    /// Whether the entry may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [
        "Active", "Invalid", "Pending", "Deprecated", "Archived", "Disabled", "Superseded",
    ]))]
    pub catalog_status: Option<String>,
    /// Id of the catalogue entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
}
