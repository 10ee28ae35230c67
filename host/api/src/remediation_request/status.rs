//! Status of a `RemediationRequest`; the orchestrator writes it, except where a field says otherwise.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::conditions;
use crate::{Condition, ObjectReference, TargetResource, WireTime};

/// Where the remediation stands.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemediationRequestStatus {
    /// When the remediation reached its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<WireTime>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_status: Option<CompletionStatus>,
    /// Conditions, one a type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Option<Vec<Condition>>,
    /// Repetitions of the signal. The gateway writes it; the orchestrator never changes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deduplication: Option<Deduplication>,
    /// Note for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `metadata.generation` that this status was written for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Who changed the timeouts, and the state of the target before the remediation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator_audit: Option<OperatorAudit>,
    /// Phase; absent until the orchestrator has seen the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [
        "Pending", "Processing", "Analyzing", "AwaitingApproval", "Executing", "Verifying",
        "Blocked", "Completed", "Failed", "TimedOut", "Skipped", "Cancelled",
    ]))]
    pub overall_phase: Option<String>,
    /// When each phase began, and its child.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase_progress: Option<PhaseProgress>,
    /// When the object may be deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_expiry_time: Option<WireTime>,
    /// Why the remediation waits or must wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing_status: Option<RoutingStatus>,
    /// When the orchestrator took the remediation up; the global timeout counts from here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<WireTime>,
    /// Timeouts in force. The orchestrator fills it; an operator may change it at any time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_config: Option<TimeoutConfig>,
    /// What the analysis chose, as far as people want to see it at a glance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_selection: Option<WorkflowSelection>,
}

/// Repetitions of one signal, counted by the gateway.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deduplication {
    /// First time the signal came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen_at: Option<WireTime>,
    /// Last time the signal came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<WireTime>,
    /// How often it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occurrence_count: Option<i32>,
}

/// Timeouts as Go duration strings (`1h0m0s`).
///
/// A zero phase timeout means none, a zero global timeout is already over, a negative one is a configuration error.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimeoutConfig {
    /// Limit of the phase Analyzing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analyzing: Option<String>,
    /// Limit of the phase Executing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executing: Option<String>,
    /// Limit of the whole remediation, from `startTime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global: Option<String>,
    /// Limit of the phase Processing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processing: Option<String>,
}

/// When each phase began, and which child carries it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhaseProgress {
    /// The `AIAnalysis`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ai_analysis_ref: Option<ObjectReference>,
    /// When Analyzing began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analyzing_start_time: Option<WireTime>,
    /// Nobody writes it; kept for compatibility.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_processing_ref: Option<ObjectReference>,
    /// The `EffectivenessAssessment`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effectiveness_assessment_ref: Option<ObjectReference>,
    /// When Executing began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executing_start_time: Option<WireTime>,
    /// When Processing began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processing_start_time: Option<WireTime>,
    /// Nobody writes it; kept for compatibility.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediation_processing_ref: Option<ObjectReference>,
    /// The `SignalProcessing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal_processing_ref: Option<ObjectReference>,
    /// Until when the effectiveness assessment may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification_deadline: Option<WireTime>,
    /// The `WorkflowExecution`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_execution_ref: Option<ObjectReference>,
}

/// Why the remediation waits, for what, and until when.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoutingStatus {
    /// The block, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_message: Option<String>,
    /// Why the remediation is or was blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [
        "ConsecutiveFailures", "DuplicateInProgress", "ResourceBusy", "RecentlyRemediated",
        "ExponentialBackoff", "UnmanagedResource", "IneffectiveChain",
    ]))]
    pub block_reason: Option<String>,
    /// When the block ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_until: Option<WireTime>,
    /// Name of the `WorkflowExecution` that holds the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocking_workflow_execution: Option<String>,
    /// Failures in a row, this one included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_failure_count: Option<i32>,
    /// Name of the `WorkflowExecution` that does the work instead of ours.
    #[serde(rename = "deduplicatedByWE", skip_serializing_if = "Option::is_none")]
    pub deduplicated_by_we: Option<String>,
    /// Nobody writes it; kept for compatibility.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate_count: Option<i64>,
    /// Name of the remediation that this one repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<String>,
    /// Nobody writes it; kept for compatibility.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate_refs: Option<Vec<String>>,
    /// Before this time no remediation of the same signal should start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_allowed_execution: Option<WireTime>,
    /// Nobody writes it; kept for compatibility.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_message: Option<String>,
    /// Nobody writes it; kept for compatibility.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [
        "RecentlyRemediated", "ResourceBusy", "ExhaustedRetries", "PreviousExecutionFailed",
    ]))]
    pub skip_reason: Option<String>,
}

/// How the remediation ended, and whom it told.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompletionStatus {
    /// Whether the approval notification went out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_notification_sent: Option<bool>,
    /// Where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [
        "Configuration", "SignalProcessing", "AIAnalysis", "Approval", "WorkflowExecution",
        "Blocked", "Deduplicated",
    ]))]
    pub failure_phase: Option<String>,
    /// Why it failed, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
    /// Every `NotificationRequest` of this remediation, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification_request_refs: Option<Vec<ObjectReference>>,
    /// Delivery of the latest notification.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Pending", "InProgress", "Sent", "Failed", "Cancelled"]))]
    pub notification_status: Option<String>,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [
        "Remediated", "NoActionRequired", "ManualReviewRequired", "VerificationTimedOut",
        "Inconclusive", "DryRun",
    ]))]
    pub outcome: Option<String>,
    /// Whether a person must look at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requires_manual_review: Option<bool>,
    /// Phase in which the time ran out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [
        "Pending", "Processing", "Analyzing", "AwaitingApproval", "Executing", "Verifying",
        "Blocked", "Completed", "Failed", "TimedOut", "Skipped", "Cancelled",
    ]))]
    pub timeout_phase: Option<String>,
    /// When the time-out was noticed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_time: Option<WireTime>,
}

/// Who changed what by hand, and the target's state before the remediation.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperatorAudit {
    /// When the timeouts were last changed. The admission webhook writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified_at: Option<WireTime>,
    /// Who changed the timeouts last. The admission webhook writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified_by: Option<String>,
    /// Hash of the target's spec before the execution, `sha256:` and 64 hexadecimal digits; written once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = [{
        "rule": "oldSelf == '' || self == oldSelf",
        "message": "preRemediationSpecHash is written once and never changed",
    }]))]
    pub pre_remediation_spec_hash: Option<String>,
}

/// The chosen workflow and target at a glance.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowSelection {
    /// Confidence of the analysis, 0 to 1 with two decimals, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<String>,
    /// Nobody writes it; kept for compatibility.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_ref: Option<ObjectReference>,
    /// Object that is remediated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediation_target: Option<TargetResource>,
    /// The chosen workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selected_workflow_ref: Option<SelectedWorkflowRef>,
    /// Object that the signal is about, `Kind/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal_target_display: Option<String>,
    /// Object that is remediated, `Kind/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_display: Option<String>,
    /// The chosen workflow, `ActionType:workflowName`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_display_name: Option<String>,
}

/// Which catalogue entry was chosen.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SelectedWorkflowRef {
    /// OCI reference of what is run.
    pub execution_bundle: String,
    /// Digest of the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_bundle_digest: Option<String>,
    /// Version of the catalogue entry.
    pub version: String,
    /// Id of the catalogue entry.
    pub workflow_id: String,
}
