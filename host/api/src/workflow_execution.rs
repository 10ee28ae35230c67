//! `WorkflowExecution`: the run of the chosen workflow. The orchestrator creates it and reads its status.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ObjectReference, WireTime, WorkflowSnapshot};

/// What is to be run, on what; written once, at creation.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "kubernaut.ai",
    version = "v1alpha1",
    kind = "WorkflowExecution",
    plural = "workflowexecutions",
    shortname = "wfe",
    namespaced,
    status = "WorkflowExecutionStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "One run of a remediation workflow.",
    selectable = ".spec.remediationRequestRef.name",
    selectable = ".spec.targetResource",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Workflow", type_ = "string", json_path = ".spec.workflowRef.workflowName"),
    printcolumn(name = "WorkflowID", type_ = "string", json_path = ".spec.workflowRef.workflowId", priority = 1),
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.targetResource"),
    printcolumn(name = "Duration", type_ = "string", json_path = ".status.duration"),
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
    "message": "spec is immutable once the object exists; create a new WorkflowExecution instead",
}]))]
pub struct WorkflowExecutionSpec {
    /// Cluster of the target; absent for the local one.
    #[serde(rename = "clusterID", skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Confidence of the analysis, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Parameters of the run, as the analysis or the approver chose them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<BTreeMap<String, Value>>,
    /// Why this workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// The parent.
    pub remediation_request_ref: ObjectReference,
    /// Target as `namespace/Kind/name`, or `Kind/name` for cluster-scoped objects; the kind's case is kept.
    pub target_resource: String,
    /// When the child should give up by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times_out_at: Option<WireTime>,
    /// The workflow, copied from the analysis.
    pub workflow_ref: WorkflowSnapshot,
}

/// How the run goes. The orchestrator writes `phase` and `failureReason` only when the parent has ended.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowExecutionStatus {
    /// When the run ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<WireTime>,
    /// Name of the execution that does the work instead of this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deduplicated_by: Option<String>,
    /// How long the run took, as a Go duration string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// What went wrong, in detail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_details: Option<FailureDetails>,
    /// What went wrong, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
    /// Phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Pending", "Running", "Completed", "Failed"]))]
    pub phase: Option<String>,
}

/// What went wrong in the run. The orchestrator acts on `reason` only.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureDetails {
    /// How long the run took until it failed, as a Go duration string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_time_before_failure: Option<String>,
    /// Exit code of the step that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// When it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<WireTime>,
    /// Step that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_step_name: Option<String>,
    /// Position of the task that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_task_index: Option<i64>,
    /// Task that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_task_name: Option<String>,
    /// The engine's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The failure, told for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub natural_language_summary: Option<String>,
    /// Kind of the failure; `Deduplicated` means that another execution does the work.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [
        "OOMKilled", "DeadlineExceeded", "Forbidden", "ResourceExhausted", "ConfigurationError",
        "ImagePullBackOff", "TaskFailed", "UnsupportedEngine", "Unknown", "Deduplicated",
    ]))]
    pub reason: Option<String>,
    /// Whether the run had begun, so that the target may have been changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was_execution_failure: Option<bool>,
}
