//! Facts: what the signal, the children and other objects say, in the words of the policies.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::routing::{RemediationHistory, Routing, Scope, SignalRemediations, TargetExecutions};
use crate::proposal::Attribute;
use crate::time::Timestamp;

/// A Kubernetes object that a signal or analysis points at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Target {
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace; absent for cluster-scoped objects.
    pub namespace: Option<String>,
    /// API version.
    pub api_version: Option<String>,
}

impl Target {
    /// `Kind/name`, as the display columns have it.
    pub fn display(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    /// `namespace/Kind/name` or `Kind/name`: the target string of an execution.
    pub fn qualified(&self) -> String {
        match self.namespace.as_deref() {
            Some(namespace) if !namespace.is_empty() => format!("{namespace}/{}/{}", self.kind, self.name),
            _ => self.display(),
        }
    }
}

/// The signal behind the remediation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Signal {
    /// 64 hexadecimal digits.
    pub fingerprint: String,
    /// "alert" as a rule.
    pub signal_type: String,
    /// Adapter that received it.
    pub source: String,
    /// When it began to fire.
    pub firing_at: Timestamp,
    /// When it was received.
    pub received_at: Timestamp,
    /// Labels, sorted, at most 64.
    pub labels: Vec<Attribute>,
    /// Annotations, sorted, at most 64.
    pub annotations: Vec<Attribute>,
}

/// What signal processing found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Classification {
    /// Normalised severity.
    pub severity: String,
    /// Environment.
    pub environment: String,
    /// Business priority.
    pub priority: String,
    /// "reactive" or "proactive".
    pub signal_mode: String,
}

/// What the analysis found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Analysis {
    /// Reason code.
    pub reason: String,
    /// Narrower code.
    pub sub_reason: String,
    /// Text for a person.
    pub message: String,
    /// Whether a person has to look first.
    pub needs_human_review: bool,
    /// Why, in `snake_case`.
    pub human_review_reason: String,
    /// Whether an execution needs an approval.
    pub approval_required: bool,
    /// Why.
    pub approval_reason: String,
    /// Id of the selected workflow; empty for none.
    pub workflow_id: String,
    /// First required field that the workflow lacks.
    pub workflow_incomplete: String,
    /// Confidence, 0 to 1.
    pub confidence: f64,
    /// Object to be healed.
    pub remediation_target: Option<Target>,
    /// Whether a person is in a session with the analysis.
    pub session_active: bool,
}

/// The request for approval.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Approval {
    /// "", "Approved", "Rejected" or "Expired".
    pub decision: String,
    /// Who decided.
    pub decided_by: String,
    /// The person's words.
    pub message: String,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// Until when it can be decided.
    pub required_by: Timestamp,
}

/// The run of the workflow.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Execution {
    /// Its phase.
    pub phase: String,
    /// Text of the failure.
    pub failure_reason: String,
    /// Code of the failure.
    pub failure_code: String,
    /// Execution that stands for this one.
    pub deduplicated_by: String,
}

/// The assessment of the effect.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Assessment {
    /// Its phase.
    pub phase: String,
    /// Its reason.
    pub reason: String,
    /// Until when it can end.
    pub validity_deadline: Option<Timestamp>,
    /// How far the signal has gone, 0 to 1.
    pub alert_score: Option<f64>,
}

/// A person's change to the workflow.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WorkflowOverride {
    /// `RemediationWorkflow` to run instead; empty to keep the selected one.
    pub workflow_name: String,
    /// Whether it exists.
    pub found: bool,
    /// First required field that it lacks; empty where it is complete, or none is named or found.
    pub incomplete: String,
    /// Whether parameters are replaced.
    pub replaces_parameters: bool,
    /// The `RemediationWorkflow`; null where none is named or found.
    pub workflow: Arc<Value>,
}

/// Another remediation of the same fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelatedRemediation {
    /// Its name.
    pub name: String,
    /// Its phase.
    pub phase: String,
    /// Its outcome.
    pub outcome: String,
    /// When it started.
    pub started_at: Option<Timestamp>,
}

/// The newest of a longer list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RelatedRemediations {
    /// How many there are.
    pub total: u32,
    /// The newest 100, newest first.
    pub items: Vec<RelatedRemediation>,
}

/// The state of the object to be healed, before an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TargetHash {
    /// Its hash, `sha256:…`.
    Known(String),
    /// There is no such object, or no such kind.
    Absent,
    /// It could not be read, and why.
    Degraded(String),
    /// What was read has no hash, and why.
    Failed(String),
}

/// A fact that costs I/O and is gathered only when a policy asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LazyFact {
    /// [`Facts::workflow_override`].
    WorkflowOverride,
    /// [`Facts::related_remediations`].
    RelatedRemediations,
    /// [`Facts::target_hash`].
    TargetHash,
    /// [`Facts::scope`].
    Scope,
    /// [`Facts::signal_remediations`].
    SignalRemediations,
    /// [`Facts::target_executions`]; takes the target's lock.
    TargetExecutions,
    /// [`Facts::remediation_history`] of this many hours, at most [`super::HISTORY_HOURS_MAX`].
    RemediationHistory(u32),
}

impl LazyFact {
    /// What is gathered at once where this fact is asked for, this one included: facts that decisions need together cost
    /// one round.
    pub fn group(self) -> Vec<Self> {
        match self {
            Self::WorkflowOverride | Self::RelatedRemediations | Self::TargetHash | Self::TargetExecutions => {
                vec![self]
            }
            Self::Scope | Self::SignalRemediations => vec![Self::Scope, Self::SignalRemediations],
            // The history compares with the target's present state, and is asked for where an execution is near.
            Self::RemediationHistory(_) => vec![Self::TargetHash, Self::TargetExecutions, self],
        }
    }
}

/// Answers to the `facts` functions. The outer `None` of a lazy one means: not gathered yet.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// The signal.
    pub signal: Signal,
    /// Absent until signal processing has completed.
    pub classification: Option<Classification>,
    /// Absent until the analysis exists.
    pub analysis: Option<Analysis>,
    /// Absent until the approval request exists.
    pub approval: Option<Approval>,
    /// Absent until the execution exists.
    pub execution: Option<Execution>,
    /// Absent until the assessment exists.
    pub assessment: Option<Assessment>,
    /// Gathered on demand; written as null where it was gathered and there is none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "gathered")]
    pub workflow_override: Option<Option<WorkflowOverride>>,
    /// Gathered on demand.
    pub related_remediations: Option<RelatedRemediations>,
    /// Gathered before an execution starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_hash: Option<TargetHash>,
    /// API group of the object to be healed, where nothing but its kind tells; absent where its API version is known or
    /// its kind is not, and before it matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_group: Option<String>,
    /// What is written on the remediation about its way so far.
    #[serde(default, skip_serializing_if = "Routing::is_empty")]
    pub routing: Routing,
    /// Gathered on demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Gathered on demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal_remediations: Option<SignalRemediations>,
    /// Gathered on demand, and before an execution starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_executions: Option<TargetExecutions>,
    /// Gathered on demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation_history: Option<RemediationHistory>,
}

/// What is written was gathered, null as well.
fn gathered<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(written: D) -> Result<Option<T>, D::Error> {
    T::deserialize(written).map(Some)
}
