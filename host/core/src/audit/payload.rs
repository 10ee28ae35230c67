//! The payload of an audit event: `RemediationOrchestratorAuditPayload` of `DataStorage`'s API.

use serde::{Deserialize, Serialize};

/// Most bytes of a text in an event. With at most 20 texts an event stays below the 256 KiB that `DataStorage` takes,
/// even where every byte has to be escaped.
pub const TEXT_BYTES_MAX: usize = 2048;

/// How the remediation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each name is the value itself, as DataStorage's enum has it")]
pub enum Ending {
    Success,
    Failed,
    Pending,
}

/// Where it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each name is the value itself, as DataStorage's enum has it")]
pub enum FailedAt {
    SignalProcessing,
    AIAnalysis,
    WorkflowExecution,
    Approval,
}

/// Why it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each name is the value itself, as DataStorage's enum has it")]
pub enum FailureReason {
    Timeout,
    ValidationError,
    InfrastructureError,
    ApprovalRejected,
    Unknown,
}

/// What a person decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each name is the value itself, as DataStorage's enum has it")]
pub enum Decision {
    Approved,
    Rejected,
    Pending,
}

/// The failure, for a person and for a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetails {
    /// One sentence.
    pub message: String,
    /// Stable code, `ERR_…`.
    pub code: String,
    /// Who reports it.
    pub component: String,
    /// Whether another try can help.
    pub retry_possible: bool,
}

/// The budgets of a remediation, in Go's notation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TimeoutConfig {
    /// For the whole of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global: Option<String>,
    /// For Processing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processing: Option<String>,
    /// For Analyzing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analyzing: Option<String>,
    /// For Executing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executing: Option<String>,
}

/// The members that the orchestrator fills; what an event does not have is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Payload {
    /// The event's type once more; tells payloads apart.
    pub event_type: String,
    /// Name of the remediation.
    pub rr_name: String,
    /// Its namespace.
    pub namespace: String,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Ending>,
    /// How long it had lasted, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_phase: Option<FailedAt>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<FailureReason>,
    /// The failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_details: Option<ErrorDetails>,
    /// Phase before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_phase: Option<String>,
    /// Phase after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_phase: Option<String>,
    /// Name of the request for approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rar_name: Option<String>,
    /// Until when it can be decided, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_by: Option<String>,
    /// Id of the selected workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    /// Confidence in it, two decimals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence_str: Option<String>,
    /// What the person decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Text of a block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Reason of a block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The object that a blocked remediation waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_reason: Option<String>,
    /// Budgets that the remediation starts with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_config: Option<TimeoutConfig>,
    /// Hash of the target's spec before the execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_remediation_spec_hash: Option<String>,
    /// `namespace/Kind/name` of the target, or `Kind/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_resource: Option<String>,
    /// Version of the workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_version: Option<String>,
    /// What the workflow does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_type: Option<String>,
    /// Type of the signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal_type: Option<String>,
    /// Fingerprint of the signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal_fingerprint: Option<String>,
    /// `status.completionStatus.outcome`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crd_outcome: Option<String>,
    /// Name of the assessment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ea_name: Option<String>,
    /// How long the assessment waits before it computes the target's hash, Go's notation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_compute_delay: Option<String>,
    /// How long it waits before it looks at the alert, Go's notation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_check_delay: Option<String>,
    /// The part of the hash's delay that is for a `GitOps` tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gitops_sync_delay: Option<String>,
    /// The part of the hash's delay that is for an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator_reconcile_delay: Option<String>,
    /// Whether a `GitOps` tool manages the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_gitops_managed: Option<bool>,
    /// Whether the target's kind is none of the built-in ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_crd: Option<bool>,
}

/// A text as an event may carry it: `None` where it is empty, cut at [`TEXT_BYTES_MAX`].
pub(super) fn bounded(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| cut(text, TEXT_BYTES_MAX).to_owned())
}

/// The longest beginning of whole characters of at most `bytes` bytes.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
