//! The catalogue: every event that a step can have, with its action and outcome.

/// One row of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Type, at most 100 characters.
    pub event_type: &'static str,
    /// What was done, at most 50 characters.
    pub action: &'static str,
    /// "success", "failure" or "pending".
    pub outcome: &'static str,
}

const fn row(event_type: &'static str, action: &'static str, outcome: &'static str) -> Row {
    Row { event_type, action, outcome }
}

/// The remediation is looked after from now on.
pub const STARTED: Row = row("orchestrator.lifecycle.started", "started", "pending");
/// Its budgets are set.
pub const CREATED: Row = row("orchestrator.lifecycle.created", "created", "success");
/// It has moved on to the next working phase.
pub const TRANSITIONED: Row = row("orchestrator.lifecycle.transitioned", "transitioned", "success");
/// It waits for the assessment of its effect.
pub const VERIFYING_STARTED: Row = row("orchestrator.lifecycle.verifying_started", "verifying_started", "pending");
/// The assessment has ended.
pub const VERIFICATION_COMPLETED: Row = row("orchestrator.lifecycle.verification_completed", "completed", "success");
/// Nobody waits for the assessment any longer.
pub const VERIFICATION_TIMED_OUT: Row = row("orchestrator.lifecycle.verification_timed_out", "expired", "failure");
/// It has completed.
pub const COMPLETED: Row = row("orchestrator.lifecycle.completed", "completed", "success");
/// It has failed or timed out.
pub const ENDED_IN_FAILURE: Row = row("orchestrator.lifecycle.completed", "completed", "failure");
/// It is deleted, because the time for which it is kept is up.
pub const CLEANED_UP: Row = row("orchestrator.lifecycle.completed", "retention_cleanup", "success");
/// A person is asked.
pub const APPROVAL_REQUESTED: Row = row("orchestrator.approval.requested", "approval_requested", "pending");
/// The person agrees.
pub const APPROVED: Row = row("orchestrator.approval.approved", "approved", "success");
/// The person refuses.
pub const REJECTED: Row = row("orchestrator.approval.rejected", "rejected", "failure");
/// Nobody has answered in time; of the type of a refusal, as consumers know it.
pub const APPROVAL_EXPIRED: Row = row("orchestrator.approval.rejected", "expired", "failure");
/// It has to wait, or is not looked after.
pub const BLOCKED: Row = row("orchestrator.routing.blocked", "blocked", "pending");
/// The workflow runs.
pub const WORKFLOW_CREATED: Row = row("remediation.workflow_created", "workflow_created", "success");
/// The assessment of the effect is asked for.
pub const ASSESSMENT_CREATED: Row = row("orchestrator.ea.created", "ea_created", "success");

/// Every row.
pub const ALL: [Row; 16] = [
    STARTED,
    CREATED,
    TRANSITIONED,
    VERIFYING_STARTED,
    VERIFICATION_COMPLETED,
    VERIFICATION_TIMED_OUT,
    COMPLETED,
    ENDED_IN_FAILURE,
    CLEANED_UP,
    APPROVAL_REQUESTED,
    APPROVED,
    REJECTED,
    APPROVAL_EXPIRED,
    BLOCKED,
    WORKFLOW_CREATED,
    ASSESSMENT_CREATED,
];
