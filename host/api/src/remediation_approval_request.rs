//! `RemediationApprovalRequest`: a person's approval. The orchestrator creates it, a person decides in its status.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ai_analysis::AlternativeApproach;
use crate::schema::conditions;
use crate::{Condition, ObjectReference, WireTime};

/// What the approver is asked; written once, at creation.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "kubernaut.ai",
    version = "v1alpha1",
    kind = "RemediationApprovalRequest",
    plural = "remediationapprovalrequests",
    shortname = "rar",
    shortname = "rars",
    namespaced,
    status = "RemediationApprovalRequestStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "Request for a person's approval of one remediation.",
    selectable = ".spec.remediationRequestRef.name",
    selectable = ".spec.aiAnalysisRef.name",
    printcolumn(name = "AIAnalysis", type_ = "string", json_path = ".spec.aiAnalysisRef.name"),
    printcolumn(name = "Confidence", type_ = "number", json_path = ".spec.confidence"),
    printcolumn(name = "Decision", type_ = "string", json_path = ".status.decision"),
    printcolumn(name = "Expired", type_ = "boolean", json_path = ".status.expired"),
    printcolumn(name = "RequiredBy", type_ = "string", json_path = ".spec.requiredBy"),
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
    "message": "spec is immutable once the object exists; decide in status",
}]))]
pub struct RemediationApprovalRequestSpec {
    /// The analysis that is to be approved.
    pub ai_analysis_ref: AnalysisReference,
    /// What else could be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternatives_considered: Option<Vec<AlternativeApproach>>,
    /// Cluster of the target; absent for the local one.
    #[serde(rename = "clusterID", skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Confidence of the analysis, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub confidence: f64,
    /// Confidence in words.
    #[schemars(extend("enum" = ["low", "medium", "high"]))]
    pub confidence_level: String,
    /// What speaks for the root cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence_collected: Option<Vec<String>>,
    /// What was found; not empty.
    #[schemars(length(min = 1))]
    pub investigation_summary: String,
    /// What the approval policy said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_evaluation: Option<ApprovalPolicyEvaluation>,
    /// Why approval is required; not empty.
    #[schemars(length(min = 1))]
    pub reason: String,
    /// What is recommended; at least one.
    #[schemars(length(min = 1))]
    pub recommended_actions: Vec<ApprovalAction>,
    /// The workflow that an approval starts.
    pub recommended_workflow: RecommendedWorkflow,
    /// The parent.
    pub remediation_request_ref: ObjectReference,
    /// Until when a decision counts.
    pub required_by: WireTime,
    /// Why approval is required, in more words; not empty.
    #[schemars(length(min = 1))]
    pub why_approval_required: String,
}

/// Reference to the analysis, which lives in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisReference {
    /// Name of the `AIAnalysis`.
    pub name: String,
}

/// The workflow that an approval starts.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecommendedWorkflow {
    /// OCI reference of what is run.
    pub execution_bundle: String,
    /// Why this workflow.
    pub rationale: String,
    /// Version of the catalogue entry.
    pub version: String,
    /// Id of the catalogue entry.
    pub workflow_id: String,
}

/// One recommendation to the approver.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalAction {
    /// What to do.
    pub action: String,
    /// Why.
    pub rationale: String,
}

/// What the approval policy said.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalPolicyEvaluation {
    /// Its decision.
    #[schemars(extend("enum" = ["Approved", "ManualReviewRequired", "Denied", "DegradedMode"]))]
    pub decision: String,
    /// Rules that matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched_rules: Option<Vec<String>>,
    /// Hash of the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_hash: Option<String>,
    /// Name of the policy.
    pub policy_name: String,
}

/// The decision, and how the request stands.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemediationApprovalRequestStatus {
    /// Conditions, one a type; the orchestrator writes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Option<Vec<Condition>>,
    /// When the orchestrator took the request up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<WireTime>,
    /// When the decision was made. The approver or the admission webhook writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<WireTime>,
    /// Who decided. The approver or the admission webhook writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// By which means the decision came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_via: Option<String>,
    /// Decision: the approver writes `Approved` or `Rejected`, the orchestrator `Expired`; empty while undecided.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["", "Approved", "Rejected", "Expired"]))]
    pub decision: Option<String>,
    /// Why, in the approver's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision_message: Option<String>,
    /// Whether the time ran out. The orchestrator writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired: Option<bool>,
    /// Note for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `metadata.generation` that this status was written for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Reason code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Time left when the status was last written: a Go duration string in whole seconds, at least `0s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_remaining: Option<String>,
    /// What the approver wants instead of the recommendation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_override: Option<WorkflowOverride>,
}

/// What the approver wants instead of the recommendation.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowOverride {
    /// Parameters instead of the analysis's; absent keeps those, an empty map replaces them by none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<BTreeMap<String, Value>>,
    /// Rationale instead of the analysis's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// Name of the `RemediationWorkflow` to run; absent keeps the recommended one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_name: Option<String>,
}
