//! The objects that a remediation creates, as they are observed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::phase::Phase;
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
