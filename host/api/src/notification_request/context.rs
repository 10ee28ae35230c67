//! What a message is about, for the machines that route and render it; the orchestrator writes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the message is about, by topic; each topic is there only if it has something to say.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationContext {
    /// The analysis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<AnalysisContext>,
    /// Repetitions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dedup: Option<DeduplicationContext>,
    /// The execution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution: Option<ExecutionContext>,
    /// The objects behind the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lineage: Option<LineageContext>,
    /// The review that is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<ReviewContext>,
    /// The target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetContext>,
    /// The verification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification: Option<VerificationContext>,
    /// The workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowContext>,
}

/// The objects behind the message.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LineageContext {
    /// Name of the `AIAnalysis`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ai_analysis: Option<String>,
    /// Name of the `RemediationRequest`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediation_request: Option<String>,
}

/// The workflow.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowContext {
    /// Action type in the catalogue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_type: Option<String>,
    /// Confidence of the analysis, 0 to 1 with two decimals, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<String>,
    /// What runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_engine: Option<String>,
    /// Id of the workflow that waits for approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selected_workflow: Option<String>,
    /// Id of the workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    /// Name of the workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_name: Option<String>,
}

/// The analysis.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisContext {
    /// Why approval is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_reason: Option<String>,
    /// What came of the remediation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Root cause in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_cause: Option<String>,
}

/// The review that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewContext {
    /// Verdict of the check for misaligned behaviour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alignment_verdict: Option<String>,
    /// Whether that check stopped the analysis, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit_breaker_activated: Option<String>,
    /// Why a person is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub human_review_reason: Option<String>,
    /// Reason code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Root cause in a paragraph.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_cause_analysis: Option<String>,
    /// Reason code in more detail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_reason: Option<String>,
}

/// The execution.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionContext {
    /// Exit code of the last attempt, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_exit_code: Option<String>,
    /// Attempts allowed, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<String>,
    /// Limit of the phase that timed out, as a Go duration string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase_timeout: Option<String>,
    /// Name of the execution before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_execution: Option<String>,
    /// Attempts made, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_count: Option<String>,
    /// Phase in which the time ran out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_phase: Option<String>,
}

/// Repetitions.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeduplicationContext {
    /// How many remediations repeated this one, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate_count: Option<String>,
}

/// The target.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetContext {
    /// Target as `Kind/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_resource: Option<String>,
}

/// The verification.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerificationContext {
    /// Whether the effect was assessed at all.
    pub assessed: bool,
    /// Whether the assessment had to do without part of its input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degraded: Option<bool>,
    /// Why it was degraded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degraded_reason: Option<String>,
    /// What came of it, such as `passed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The assessment's reason code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}
