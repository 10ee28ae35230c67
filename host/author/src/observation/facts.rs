//! Answers to the `facts` functions, as people write them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    RemediationHistoryDocument, RoutingDocument, ScopeDocument, SignalRemediationsDocument, TargetDocument,
    TargetExecutionsDocument, Time,
};

/// What the `facts` functions answer. Facts about children follow from `children` where they are left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct FactsDocument {
    /// The signal.
    pub signal: Option<SignalDocument>,
    /// What signal processing found; default: none.
    pub classification: Option<ClassificationDocument>,
    /// What the analysis found; default: what an `AIAnalysis` among the children implies.
    pub analysis: Option<AnalysisDocument>,
    /// The request for a person's approval; default: what a `RemediationApprovalRequest` implies.
    pub approval: Option<ApprovalDocument>,
    /// The run of the workflow; default: what a `WorkflowExecution` implies.
    pub execution: Option<ExecutionDocument>,
    /// The assessment of the effect; default: what an `EffectivenessAssessment` implies.
    pub assessment: Option<AssessmentDocument>,
    /// A person's change to the workflow; default: none.
    pub workflow_override: Option<WorkflowOverrideDocument>,
    /// Other remediations of the fingerprint; default: none.
    pub related_remediations: Option<RelatedRemediationsDocument>,
    /// Whether the target is under management; default: it is.
    pub scope: Option<ScopeDocument>,
    /// What is written on the remediation about its way so far; default: nothing.
    pub routing: Option<RoutingDocument>,
    /// Other remediations of the fingerprint, as routing sees them; default: none.
    pub signal_remediations: Option<SignalRemediationsDocument>,
    /// The executions on the object to be healed; default: none, and the lock is held.
    pub target_executions: Option<TargetExecutionsDocument>,
    /// What was done to the object to be healed; default: nothing.
    pub remediation_history: Option<RemediationHistoryDocument>,
}

/// The signal behind the remediation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct SignalDocument {
    /// 64 hexadecimal digits.
    pub fingerprint: Option<String>,
    /// Default: alert.
    pub signal_type: Option<String>,
    /// Adapter that received it.
    pub source: Option<String>,
    /// When it began to fire; default: when the remediation started.
    pub firing_at: Option<Time>,
    /// When it was received; default: when the remediation started.
    pub received_at: Option<Time>,
    /// Labels, at most 64.
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations, at most 64.
    pub annotations: Option<BTreeMap<String, String>>,
}

/// What signal processing found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ClassificationDocument {
    /// "critical", "high", "warning", "info" or "unknown".
    pub severity: Option<String>,
    /// "Production", "Staging", "Development", "Test" or "Unknown".
    pub environment: Option<String>,
    /// "P0" to "P3".
    pub priority: Option<String>,
    /// "reactive" or "proactive".
    pub signal_mode: Option<String>,
}

/// What the analysis found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AnalysisDocument {
    /// Reason code; default: `AnalysisCompleted` once the child has completed.
    pub reason: Option<String>,
    /// Narrower code.
    pub sub_reason: Option<String>,
    /// Text for a person.
    pub message: Option<String>,
    /// Whether a person has to look first.
    pub needs_human_review: Option<bool>,
    /// Why, in `snake_case`.
    pub human_review_reason: Option<String>,
    /// Whether an execution needs an approval.
    pub approval_required: Option<bool>,
    /// Why.
    pub approval_reason: Option<String>,
    /// Id of the selected workflow; a complete workflow of that id is put into the `AIAnalysis`.
    pub workflow_id: Option<String>,
    /// First required member that the workflow lacks.
    pub workflow_incomplete: Option<String>,
    /// Confidence, 0 to 1; default: 0.9 with a workflow.
    pub confidence: Option<f64>,
    /// Object to be healed; default: the signal's target where a workflow is selected.
    pub remediation_target: Option<TargetDocument>,
    /// Whether a person is in a session with the analysis.
    pub session_active: Option<bool>,
}

/// The request for a person's approval.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ApprovalDocument {
    /// "", "Approved", "Rejected" or "Expired"; default: the child's phase.
    pub decision: Option<String>,
    /// Who decided.
    pub decided_by: Option<String>,
    /// The person's words.
    pub message: Option<String>,
    /// When it was decided; default: when the child finished.
    pub decided_at: Option<Time>,
    /// Until when it can be decided; default: the child's deadline, else 15 minutes after the entry into the phase.
    pub required_by: Option<Time>,
}

/// The run of the workflow.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ExecutionDocument {
    /// Its phase; default: the child's.
    pub phase: Option<String>,
    /// Text of the failure.
    pub failure_reason: Option<String>,
    /// Code of the failure; default: the child's reason.
    pub failure_code: Option<String>,
    /// Execution that stands for this one.
    pub deduplicated_by: Option<String>,
}

/// The assessment of the effect.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AssessmentDocument {
    /// Its phase; default: the child's.
    pub phase: Option<String>,
    /// Its reason; default: the child's.
    pub reason: Option<String>,
    /// Until when it can end; default: the child's deadline.
    pub validity_deadline: Option<Time>,
    /// How far the signal has gone, 0 to 1.
    pub alert_score: Option<f64>,
}

/// A person's change to the workflow.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct WorkflowOverrideDocument {
    /// `RemediationWorkflow` to run instead; "" keeps the selected one.
    pub workflow_name: Option<String>,
    /// Whether it exists; default: true.
    pub found: Option<bool>,
    /// First required member that it lacks.
    pub incomplete: Option<String>,
    /// Whether parameters are replaced.
    pub replaces_parameters: Option<bool>,
    /// The whole `RemediationWorkflow`.
    pub workflow: Option<Value>,
}

/// The newest of a longer list.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RelatedRemediationsDocument {
    /// How many there are; default: as many as `items`.
    pub total: Option<u32>,
    /// The newest, newest first, at most 100.
    pub items: Option<Vec<RelatedDocument>>,
}

/// Another remediation of the fingerprint.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RelatedDocument {
    /// Name of the `RemediationRequest`.
    pub name: Option<String>,
    /// Its phase.
    pub phase: Option<String>,
    /// Its outcome.
    pub outcome: Option<String>,
    /// When it started.
    pub started_at: Option<Time>,
}
