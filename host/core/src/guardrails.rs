//! What no policy may break: the checks between a proposal and a plan.
//!
//! A proposal is untrusted; what leaves here is typed and lawful. A check refuses with a stable reason and never
//! repairs, except where the rule itself is a bound (ceilings, shortest recheck, length of texts).

use serde::{Deserialize, Serialize};

use crate::proposal::Slot;

pub mod creations;
pub mod deadlines;
pub mod intent;
pub mod patch;
pub mod retry;
pub mod routing;

/// Why a proposal is refused. Stable codes, shown in conditions, metrics and the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RefusalReason {
    /// More deadlines, budgets or creations than allowed.
    TooMany,
    /// The same phase or object twice.
    Duplicate,
    /// A phase that nobody knows, or that has no deadline.
    PhaseUnknown,
    /// An `on-expiry` that nobody knows.
    OnExpiryUnknown,
    /// An intent of a kind that nobody knows.
    IntentUnknown,
    /// An intent of a kind that this host cannot do.
    IntentUnsupported,
    /// A field that the intent's kind needs is empty.
    FieldMissing,
    /// An outcome or failure phase that nobody knows, or that does not fit the phase.
    FieldInvalid,
    /// No such edge in the host's table.
    EdgeIllegal,
    /// An execution without the approval that the analysis asks for.
    ApprovalMissing,
    /// An execution without a complete workflow.
    WorkflowIncomplete,
    /// A phase is to begin anew more often than allowed.
    AttemptsExhausted,
    /// An execution is to begin anew although another may still run, or has done its work.
    ExecutionUnsettled,
    /// An execution on an object whose lock is of another object, or on which another execution has not ended.
    TargetBusy,
    /// The object that a remediation waits for, or ends like, is not what was observed of it.
    SourceInvalid,
    /// A passed deadline was answered with an unbounded stay.
    ExpiredDeadlineIgnored,
    /// A child or notification that does not belong to this step.
    CreationUnexpected,
    /// The child that the next phase waits for was not asked for.
    ChildMissing,
    /// A patch that is no JSON object, or gives a field a wrong shape.
    PatchInvalid,
    /// A patch outside the allow-list.
    PatchForbidden,
}

impl RefusalReason {
    /// Every reason.
    pub const ALL: [Self; 20] = [
        Self::TooMany,
        Self::Duplicate,
        Self::PhaseUnknown,
        Self::OnExpiryUnknown,
        Self::IntentUnknown,
        Self::IntentUnsupported,
        Self::FieldMissing,
        Self::FieldInvalid,
        Self::EdgeIllegal,
        Self::ApprovalMissing,
        Self::WorkflowIncomplete,
        Self::AttemptsExhausted,
        Self::ExecutionUnsettled,
        Self::TargetBusy,
        Self::SourceInvalid,
        Self::ExpiredDeadlineIgnored,
        Self::CreationUnexpected,
        Self::ChildMissing,
        Self::PatchInvalid,
        Self::PatchForbidden,
    ];

    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooMany => "TooMany",
            Self::Duplicate => "Duplicate",
            Self::PhaseUnknown => "PhaseUnknown",
            Self::OnExpiryUnknown => "OnExpiryUnknown",
            Self::IntentUnknown => "IntentUnknown",
            Self::IntentUnsupported => "IntentUnsupported",
            Self::FieldMissing => "FieldMissing",
            Self::FieldInvalid => "FieldInvalid",
            Self::EdgeIllegal => "EdgeIllegal",
            Self::ApprovalMissing => "ApprovalMissing",
            Self::WorkflowIncomplete => "WorkflowIncomplete",
            Self::AttemptsExhausted => "AttemptsExhausted",
            Self::ExecutionUnsettled => "ExecutionUnsettled",
            Self::TargetBusy => "TargetBusy",
            Self::SourceInvalid => "SourceInvalid",
            Self::ExpiredDeadlineIgnored => "ExpiredDeadlineIgnored",
            Self::CreationUnexpected => "CreationUnexpected",
            Self::ChildMissing => "ChildMissing",
            Self::PatchInvalid => "PatchInvalid",
            Self::PatchForbidden => "PatchForbidden",
        }
    }
}

/// A proposal's no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {message}", reason.code())]
pub struct Refusal {
    /// Whose proposal.
    pub slot: Slot,
    /// Stable code.
    pub reason: RefusalReason,
    /// What was wrong, in one line.
    pub message: String,
}

impl Refusal {
    /// A refusal with its line.
    pub fn new(slot: Slot, reason: RefusalReason, message: impl Into<String>) -> Self {
        Self { slot, reason, message: message.into() }
    }
}

#[cfg(test)]
mod tests;
