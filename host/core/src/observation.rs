//! Everything a decision may depend on, `now` included. Pure data, gathered by `observe`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::phase::Phase;
use crate::proposal::{Attribute, Budget};
use crate::record::Record;
use crate::time::Timestamp;

/// The kinds that a remediation creates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each name is the Kubernetes kind itself")]
pub enum ChildKind {
    SignalProcessing,
    AIAnalysis,
    RemediationApprovalRequest,
    WorkflowExecution,
    EffectivenessAssessment,
}

impl ChildKind {
    /// Every kind, in the order of creation.
    pub const ALL: [Self; 5] = [
        Self::SignalProcessing,
        Self::AIAnalysis,
        Self::RemediationApprovalRequest,
        Self::WorkflowExecution,
        Self::EffectivenessAssessment,
    ];

    /// The Kubernetes kind.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignalProcessing => "SignalProcessing",
            Self::AIAnalysis => "AIAnalysis",
            Self::RemediationApprovalRequest => "RemediationApprovalRequest",
            Self::WorkflowExecution => "WorkflowExecution",
            Self::EffectivenessAssessment => "EffectivenessAssessment",
        }
    }

    /// The kind with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }

    /// First part of the names of this kind's objects.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::SignalProcessing => "sp",
            Self::AIAnalysis => "ai",
            Self::RemediationApprovalRequest => "rar",
            Self::WorkflowExecution => "we",
            Self::EffectivenessAssessment => "ea",
        }
    }

    /// The child whose end ends this phase.
    pub const fn of_phase(phase: Phase) -> Option<Self> {
        match phase {
            Phase::Processing => Some(Self::SignalProcessing),
            Phase::Analyzing => Some(Self::AIAnalysis),
            Phase::AwaitingApproval => Some(Self::RemediationApprovalRequest),
            Phase::Executing => Some(Self::WorkflowExecution),
            Phase::Verifying => Some(Self::EffectivenessAssessment),
            Phase::Pending
            | Phase::Blocked
            | Phase::Completed
            | Phase::Failed
            | Phase::TimedOut
            | Phase::Skipped
            | Phase::Cancelled => None,
        }
    }

    /// Name of the object that `attempt` of a remediation creates: attempt 1 keeps Kubernaut's names.
    pub fn object_name(self, remediation: &str, attempt: u32) -> String {
        let prefix = self.prefix();
        if attempt <= 1 { format!("{prefix}-{remediation}") } else { format!("{prefix}-{remediation}-a{attempt}") }
    }
}

/// One object that the remediation has created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Child {
    /// Its kind.
    pub kind: ChildKind,
    /// Its name.
    pub name: String,
    /// Attempt that created it, from 1.
    pub attempt: u32,
    /// Whether the cluster has it; false where the remediation refers to a missing object.
    pub found: bool,
    /// Its phase, or the decision of an approval; empty before the first write.
    pub phase: String,
    /// Reason code beside the phase.
    pub reason: String,
    /// When its controller finished it.
    pub finished_at: Option<Timestamp>,
    /// The deadline it was told.
    pub deadline: Option<Timestamp>,
    /// The whole object; null where it was not found.
    pub object: Arc<Value>,
}

impl Child {
    /// Whether its controller, or a person, is done with it.
    pub fn is_finished(&self) -> bool {
        match self.kind {
            ChildKind::RemediationApprovalRequest => !self.phase.is_empty(),
            ChildKind::SignalProcessing
            | ChildKind::AIAnalysis
            | ChildKind::WorkflowExecution
            | ChildKind::EffectivenessAssessment => matches!(self.phase.as_str(), "Completed" | "Failed"),
        }
    }
}

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

/// A fact that costs I/O and is gathered only when a policy asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LazyFact {
    /// [`Facts::workflow_override`].
    WorkflowOverride,
    /// [`Facts::related_remediations`].
    RelatedRemediations,
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
}

/// What is written was gathered, null as well.
fn gathered<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(written: D) -> Result<Option<T>, D::Error> {
    T::deserialize(written).map(Some)
}

/// One remediation at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The only clock.
    pub now: Timestamp,
    /// Whether the remediation and its children were read live at `now`, not from a cache.
    pub is_live: bool,
    /// Uid.
    pub uid: String,
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Cluster that raised the signal; empty for this one.
    pub cluster_id: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// `metadata.resourceVersion` that the status write is conditional on.
    pub resource_version: String,
    /// Current phase; `None` before the first step.
    pub phase: Option<Phase>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When the current and earlier phases were entered, the current one last.
    pub phases: Vec<(Phase, Timestamp)>,
    /// Name of the signal.
    pub signal_name: String,
    /// Raw severity.
    pub severity: String,
    /// Object that the signal points at.
    pub target: Target,
    /// Budgets set by hand.
    pub overrides: Vec<Budget>,
    /// What is wrong with the hand-set budgets, for a person; the remediation fails with it.
    pub overrides_fault: Option<String>,
    /// Children of the current attempt.
    pub children: Vec<Child>,
    /// Failures in a row.
    pub consecutive_failures: u32,
    /// Answers to facts.
    pub facts: Facts,
    /// What the host remembers.
    pub record: Record,
    /// The `RemediationRequest`.
    pub object: Arc<Value>,
}

impl Observation {
    /// When the current phase was entered.
    pub fn phase_entered_at(&self) -> Option<Timestamp> {
        self.phases.last().map(|(_, at)| *at)
    }

    /// The child of this kind of the current attempt.
    pub fn child(&self, kind: ChildKind) -> Option<&Child> {
        self.children.iter().find(|child| child.kind == kind)
    }

    /// The only randomness of a step: the same for every evaluation of one step.
    pub fn seed(&self) -> u64 {
        use sha2::{Digest as _, Sha256};
        let mut hasher = Sha256::new();
        hasher.update(self.uid.as_bytes());
        hasher.update(self.record.sequence.to_be_bytes());
        let bytes = hasher.finalize();
        bytes.iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
    }

    /// Environment and business priority found by signal processing; empty until then.
    pub fn environment_and_priority(&self) -> (&str, &str) {
        self.facts.classification.as_ref().map_or(("", ""), |c| (c.environment.as_str(), c.priority.as_str()))
    }

    /// The object to be healed: the analysis's, or the signal's where it names none.
    pub fn remediation_target(&self) -> &Target {
        self.facts.analysis.as_ref().and_then(|analysis| analysis.remediation_target.as_ref()).unwrap_or(&self.target)
    }
}
