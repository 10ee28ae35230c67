//! Status of an `AIAnalysis`; its controller writes it, the orchestrator reads it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::approval::Approval;
use crate::schema::any_objects;
use crate::{TargetResource, WireTime, WorkflowSnapshot};

/// Result of the analysis. The orchestrator writes it only when the parent has ended (`reason` `ParentCancelled`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AIAnalysisStatus {
    /// Whether and why a person must approve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// When the analysis ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<WireTime>,
    /// A person's session with the analysis, which lengthens its timeout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interactive_session: Option<InteractiveSession>,
    /// How the investigation went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub investigation_metadata: Option<InvestigationMetadata>,
    /// Result or failure, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `metadata.generation` that this status was written for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Phase; every status has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required, extend("enum" = ["Pending", "Investigating", "Analyzing", "Completed", "Failed"]))]
    pub phase: Option<String>,
    /// What was found out about the target after the root cause was known; unchangeable once `setAt` is there.
    #[serde(rename = "postRCAContext", skip_serializing_if = "Option::is_none")]
    pub post_rca_context: Option<PostRcaContext>,
    /// Root cause and choice of the workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rca_result: Option<RcaResult>,
    /// Why the analysis ended as it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [
        "AnalysisCompleted", "WorkflowResolutionFailed", "WorkflowNotNeeded", "NoWorkflowSelected",
        "RegoEvaluationError", "TransientError", "APIError", "InteractiveCancelled", "ParentCancelled",
    ]))]
    pub reason: Option<String>,
    /// Whether a person must look at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
    /// Why, in more detail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [
        "WorkflowNotFound", "ImageMismatch", "ParameterValidationFailed", "NoMatchingWorkflows",
        "LowConfidence", "LLMParsingError", "ValidationError", "TransientError", "PermanentError",
        "InvestigationInconclusive", "ProblemResolved", "NotActionable", "MaxRetriesExceeded",
        "SessionRegenerationExceeded", "RcaIncomplete", "InvestigationFailed", "OperatorEscalation",
        "DecisionExpired",
    ]))]
    pub sub_reason: Option<String>,
}

/// Root cause and choice of the workflow.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RcaResult {
    /// Whether anything can be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Actionable", "NotActionable"]))]
    pub actionability: Option<String>,
    /// Other workflows that were considered; not interpreted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_objects")]
    pub alternative_workflows: Option<Vec<Value>>,
    /// Root cause in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_cause: Option<String>,
    /// Root cause in detail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_cause_analysis: Option<RootCauseAnalysis>,
    /// The chosen workflow; unchangeable once `selectedAt` is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selected_workflow: Option<SelectedWorkflow>,
}

/// Root cause in detail.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RootCauseAnalysis {
    /// What contributed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contributing_factors: Option<Vec<String>>,
    /// Object to be remediated; it may differ from the signal's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediation_target: Option<TargetResource>,
    /// Severity as the analysis sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// Type of the signal as the analysis sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal_type: Option<String>,
    /// Root cause in a paragraph.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// The chosen workflow, with why and how.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(oldSelf.selectedAt) || self == oldSelf",
    "message": "selectedWorkflow is immutable once selectedAt is set",
}]))]
pub struct SelectedWorkflow {
    /// Confidence, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub confidence: Option<f64>,
    /// Parameters of the run; the execution gets them unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<BTreeMap<String, Value>>,
    /// Why this workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// When it was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selected_at: Option<WireTime>,
    /// The catalogue entry.
    #[serde(flatten)]
    pub workflow: WorkflowSnapshot,
}

/// Whether a person must look at the analysis.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Review {
    /// What the check for misaligned behaviour found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alignment_verdict: Option<AlignmentVerdict>,
    /// Why a person is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [
        "workflow_not_found", "image_mismatch", "parameter_validation_failed", "no_matching_workflows",
        "low_confidence", "llm_parsing_error", "investigation_inconclusive", "rca_incomplete",
        "alignment_check_failed", "operator_escalation", "decision_expired",
    ]))]
    pub human_review_reason: Option<String>,
    /// Whether a person is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs_human_review: Option<bool>,
}

/// What the check for misaligned behaviour found.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlignmentVerdict {
    /// Whether the analysis was stopped by the check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit_breaker_activated: Option<bool>,
    /// Steps that stood out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub findings: Option<Vec<AlignmentFinding>>,
    /// How many steps stood out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flagged: Option<i64>,
    /// Verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["clean", "suspicious"]))]
    pub result: Option<String>,
    /// Verdict, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// How many steps were checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
}

/// One step of the analysis that stood out.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlignmentFinding {
    /// Why it stood out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// Position of the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_index: Option<i64>,
    /// Kind of the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_kind: Option<String>,
    /// Tool that the step used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
}

/// How the investigation went.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvestigationMetadata {
    /// What people should know before they trust the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warnings: Option<Vec<String>>,
}

/// A person's session with the analysis.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InteractiveSession {
    /// Who takes part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acting_user: Option<String>,
    /// When it ended; absent while it lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<WireTime>,
    /// Id of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<WireTime>,
}

/// What was found out about the target after the root cause was known.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(oldSelf.setAt) || self == oldSelf",
    "message": "postRCAContext is immutable once setAt is set",
}]))]
pub struct PostRcaContext {
    /// What was recognised about the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detected_labels: Option<DetectedLabels>,
    /// When this was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_at: Option<WireTime>,
}

/// What was recognised about the target.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DetectedLabels {
    /// Whether a `GitOps` controller owns the target, so that a change shows late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_ops_managed: Option<bool>,
}
