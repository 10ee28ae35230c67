//! Whether a person must approve what the analysis chose, and what that person should know.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether and why a person must approve.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// What the approver should know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_context: Option<ApprovalContext>,
    /// Why approval is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_reason: Option<String>,
    /// Whether approval is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_required: Option<bool>,
}

/// What the approver should know.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalContext {
    /// What else could be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternatives_considered: Option<Vec<AlternativeApproach>>,
    /// Confidence in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["low", "medium", "high"]))]
    pub confidence_level: Option<String>,
    /// Confidence, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence_score: Option<f64>,
    /// What speaks for the root cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence_collected: Option<Vec<String>>,
    /// What was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub investigation_summary: Option<String>,
    /// What the approval policy said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_evaluation: Option<PolicyEvaluation>,
    /// Why approval is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the analysis recommends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recommended_actions: Option<Vec<RecommendedAction>>,
    /// Why approval is required, in more words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_approval_required: Option<String>,
}

/// One recommendation of the analysis.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecommendedAction {
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// Id of the catalogue entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
}

/// What else could be done.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlternativeApproach {
    /// The approach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approach: Option<String>,
    /// What speaks for and against it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pros_cons: Option<String>,
}

/// What the approval policy said.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyEvaluation {
    /// Its decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Approved", "ManualReviewRequired", "Denied", "DegradedMode"]))]
    pub decision: Option<String>,
    /// Rules that matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched_rules: Option<Vec<String>>,
    /// Hash of the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_hash: Option<String>,
    /// Name of the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_name: Option<String>,
}
