//! The phases of a remediation, and the only table that says which may follow which.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a remediation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each name is the phase itself, as Kubernaut's enum has it")]
pub enum Phase {
    Pending,
    Processing,
    Analyzing,
    AwaitingApproval,
    Executing,
    Verifying,
    Blocked,
    Completed,
    Failed,
    TimedOut,
    Skipped,
    Cancelled,
}

impl Phase {
    /// Every phase, in the order of a remediation's life.
    pub const ALL: [Self; 12] = [
        Self::Pending,
        Self::Processing,
        Self::Analyzing,
        Self::AwaitingApproval,
        Self::Executing,
        Self::Verifying,
        Self::Blocked,
        Self::Completed,
        Self::Failed,
        Self::TimedOut,
        Self::Skipped,
        Self::Cancelled,
    ];

    /// The name in `status.overallPhase`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Processing => "Processing",
            Self::Analyzing => "Analyzing",
            Self::AwaitingApproval => "AwaitingApproval",
            Self::Executing => "Executing",
            Self::Verifying => "Verifying",
            Self::Blocked => "Blocked",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::TimedOut => "TimedOut",
            Self::Skipped => "Skipped",
            Self::Cancelled => "Cancelled",
        }
    }

    /// Whether nothing may follow.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::TimedOut | Self::Skipped | Self::Cancelled => true,
            Self::Pending
            | Self::Processing
            | Self::Analyzing
            | Self::AwaitingApproval
            | Self::Executing
            | Self::Verifying
            | Self::Blocked => false,
        }
    }

    /// What `completionStatus.failurePhase` says when this phase fails without a policy's own word.
    pub const fn failure_phase(self) -> FailurePhase {
        match self {
            Self::Analyzing => FailurePhase::AIAnalysis,
            Self::AwaitingApproval => FailurePhase::Approval,
            Self::Executing | Self::Verifying => FailurePhase::WorkflowExecution,
            Self::Blocked => FailurePhase::Blocked,
            Self::Pending
            | Self::Processing
            | Self::Completed
            | Self::Failed
            | Self::TimedOut
            | Self::Skipped
            | Self::Cancelled => FailurePhase::SignalProcessing,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no phase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no phase is called \"{0}\"")]
pub struct UnknownPhase(pub String);

impl FromStr for Phase {
    type Err = UnknownPhase;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|phase| phase.name() == text).ok_or_else(|| UnknownPhase(text.to_owned()))
    }
}

/// How a remediation moves from one phase to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Move {
    /// To the next working phase.
    Advance,
    /// From Executing to Verifying.
    Verify,
    /// To Completed.
    Complete,
    /// To Failed.
    Fail,
    /// To `TimedOut`; only the host does this.
    TimeOut,
    /// The same phase anew, as another attempt.
    Retry,
    /// To Blocked, and from Blocked once more.
    Block,
    /// To the end that another object came to.
    Inherit,
}

impl Move {
    /// Every move.
    pub const ALL: [Self; 8] = [
        Self::Advance,
        Self::Verify,
        Self::Complete,
        Self::Fail,
        Self::TimeOut,
        Self::Retry,
        Self::Block,
        Self::Inherit,
    ];
}

/// The edge table: whether a remediation in `from` may go to `to` by `how`.
///
/// Rows and their source: the allowed transitions and the complete transition list of Kubernaut's
/// orchestrator, for the moves that this version has. A row that is absent is forbidden.
pub const fn is_edge(from: Phase, how: Move, to: Phase) -> bool {
    use Phase::{
        Analyzing, AwaitingApproval, Blocked, Completed, Executing, Failed, Pending, Processing, TimedOut, Verifying,
    };
    matches!(
        (from, how, to),
        (Pending, Move::Advance, Processing)
            | (Processing, Move::Advance, Analyzing)
            | (Analyzing, Move::Advance, AwaitingApproval | Executing)
            | (AwaitingApproval, Move::Advance, Executing)
            | (Executing, Move::Verify, Verifying)
            | (Analyzing | Verifying, Move::Complete, Completed)
            | (Pending | Processing | Analyzing | AwaitingApproval | Executing | Blocked, Move::Fail, Failed)
            | (
                Pending | Processing | Analyzing | AwaitingApproval | Executing | Verifying | Blocked,
                Move::TimeOut,
                TimedOut
            )
            | (Processing, Move::Retry, Processing)
            | (Analyzing, Move::Retry, Analyzing)
            | (Executing, Move::Retry, Executing)
            | (Pending | Analyzing | AwaitingApproval | Blocked, Move::Block, Blocked)
            | (Blocked, Move::Advance, Pending | Analyzing)
            | (Executing | Blocked, Move::Inherit, Completed | Failed)
    )
}

/// `completionStatus.failurePhase`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each name is the value itself, as Kubernaut's enum has it")]
pub enum FailurePhase {
    Configuration,
    SignalProcessing,
    AIAnalysis,
    Approval,
    WorkflowExecution,
    Blocked,
    Deduplicated,
}

impl FailurePhase {
    /// Every value.
    pub const ALL: [Self; 7] = [
        Self::Configuration,
        Self::SignalProcessing,
        Self::AIAnalysis,
        Self::Approval,
        Self::WorkflowExecution,
        Self::Blocked,
        Self::Deduplicated,
    ];

    /// The text in the status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "Configuration",
            Self::SignalProcessing => "SignalProcessing",
            Self::AIAnalysis => "AIAnalysis",
            Self::Approval => "Approval",
            Self::WorkflowExecution => "WorkflowExecution",
            Self::Blocked => "Blocked",
            Self::Deduplicated => "Deduplicated",
        }
    }

    /// The value with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|value| value.name() == text)
    }
}

/// `completionStatus.outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each name is the value itself, as Kubernaut's enum has it")]
pub enum Outcome {
    Remediated,
    NoActionRequired,
    ManualReviewRequired,
    VerificationTimedOut,
    Inconclusive,
    DryRun,
}

impl Outcome {
    /// Every value.
    pub const ALL: [Self; 6] = [
        Self::Remediated,
        Self::NoActionRequired,
        Self::ManualReviewRequired,
        Self::VerificationTimedOut,
        Self::Inconclusive,
        Self::DryRun,
    ];

    /// The text in the status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Remediated => "Remediated",
            Self::NoActionRequired => "NoActionRequired",
            Self::ManualReviewRequired => "ManualReviewRequired",
            Self::VerificationTimedOut => "VerificationTimedOut",
            Self::Inconclusive => "Inconclusive",
            Self::DryRun => "DryRun",
        }
    }

    /// The value with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|value| value.name() == text)
    }

    /// Whether a remediation in `from` may complete with this outcome.
    pub const fn is_reachable_from(self, from: Phase) -> bool {
        match self {
            Self::Remediated | Self::VerificationTimedOut | Self::Inconclusive => matches!(from, Phase::Verifying),
            Self::NoActionRequired | Self::ManualReviewRequired | Self::DryRun => matches!(from, Phase::Analyzing),
        }
    }
}

#[cfg(test)]
mod tests;
