//! The words of the open sets: strings on the wire, constants here.

/// Where a remediation is, and [`GLOBAL`](phases::GLOBAL) for the whole of it.
pub mod phases {
    /// The whole remediation, from its start.
    pub const GLOBAL: &str = "Global";
    /// Accepted, nothing done yet.
    pub const PENDING: &str = "Pending";
    /// Signal processing is at work.
    pub const PROCESSING: &str = "Processing";
    /// The analysis is at work.
    pub const ANALYZING: &str = "Analyzing";
    /// A person has to approve the workflow.
    pub const AWAITING_APPROVAL: &str = "AwaitingApproval";
    /// The workflow runs.
    pub const EXECUTING: &str = "Executing";
    /// The effect of the workflow is assessed.
    pub const VERIFYING: &str = "Verifying";
    /// Something stands in the way.
    pub const BLOCKED: &str = "Blocked";
    /// An end: done, see the outcome.
    pub const COMPLETED: &str = "Completed";
    /// An end: failed, see the failure phase.
    pub const FAILED: &str = "Failed";
    /// An end: a deadline passed.
    pub const TIMED_OUT: &str = "TimedOut";
    /// An end: written by others only.
    pub const SKIPPED: &str = "Skipped";
    /// An end: a person cancelled it.
    pub const CANCELLED: &str = "Cancelled";
}

/// Kinds of the objects that a remediation creates.
pub mod kinds {
    /// Enriches and classifies the signal.
    pub const SIGNAL_PROCESSING: &str = "SignalProcessing";
    /// Finds the cause and selects a workflow.
    pub const AI_ANALYSIS: &str = "AIAnalysis";
    /// Asks a person.
    pub const REMEDIATION_APPROVAL_REQUEST: &str = "RemediationApprovalRequest";
    /// Runs the workflow.
    pub const WORKFLOW_EXECUTION: &str = "WorkflowExecution";
    /// Assesses the effect.
    pub const EFFECTIVENESS_ASSESSMENT: &str = "EffectivenessAssessment";
    /// Tells people.
    pub const NOTIFICATION_REQUEST: &str = "NotificationRequest";
}

/// What a notification is for.
pub mod purposes {
    /// A person has to approve.
    pub const APPROVAL: &str = "approval";
    /// The remediation is complete.
    pub const COMPLETION: &str = "completion";
    /// The remediation failed.
    pub const ESCALATION: &str = "escalation";
    /// A person has to look.
    pub const MANUAL_REVIEW: &str = "manual-review";
    /// The signal resolved by itself.
    pub const SELF_RESOLVED: &str = "self-resolved";
    /// Something stands in the way.
    pub const BLOCK: &str = "block";
}

/// Kinds of an intent.
pub mod intents {
    /// Nothing changes.
    pub const STAY: &str = "stay";
    /// Into the next phase.
    pub const ADVANCE: &str = "advance";
    /// Into Verifying.
    pub const VERIFY: &str = "verify";
    /// To an end with an outcome.
    pub const COMPLETE: &str = "complete";
    /// To an end with a failure.
    pub const FAIL: &str = "fail";
    /// The current phase anew, as another attempt.
    pub const RETRY: &str = "retry";
    /// Wait for a time, or for a person.
    pub const BLOCK: &str = "block";
    /// Wait for another object.
    pub const WAIT_ON: &str = "wait-on";
    /// End as that object ended.
    pub const INHERIT: &str = "inherit";
}

/// Why a remediation waits: the attribute [`BLOCK_REASON`](attributes::BLOCK_REASON) of the intents
/// [`BLOCK`](intents::BLOCK) and [`WAIT_ON`](intents::WAIT_ON).
pub mod block_reasons {
    /// Block: the signal's remediations have failed several times in a row.
    pub const CONSECUTIVE_FAILURES: &str = "ConsecutiveFailures";
    /// Wait-on: another remediation is at work on the same signal.
    pub const DUPLICATE_IN_PROGRESS: &str = "DuplicateInProgress";
    /// Wait-on: another execution runs on the target.
    pub const RESOURCE_BUSY: &str = "ResourceBusy";
    /// Block: the same workflow has just run on the target.
    pub const RECENTLY_REMEDIATED: &str = "RecentlyRemediated";
    /// Block: the remediation has a wait of its own.
    pub const EXPONENTIAL_BACKOFF: &str = "ExponentialBackoff";
    /// Block: the target is not under management.
    pub const UNMANAGED_RESOURCE: &str = "UnmanagedResource";
    /// Block: what was done to the target before did not last.
    pub const INEFFECTIVE_CHAIN: &str = "IneffectiveChain";
    /// Wait-on, in Executing only and without a change of phase: another execution stands for this one.
    pub const DEDUPLICATED: &str = "Deduplicated";
}

/// Verdicts of the fact `scope`.
pub mod scopes {
    /// The target is under management.
    pub const MANAGED: &str = "managed";
    /// It is not.
    pub const UNMANAGED: &str = "unmanaged";
    /// Whether it is could not be read.
    pub const UNKNOWN: &str = "unknown";
}

/// Attributes that the host knows.
pub mod attributes {
    /// Of a deadline: when people are told, once, that the clock has run for long; in milliseconds since 1970-01-01.
    pub const ESCALATE_AT: &str = "escalate-at";
    /// Of the intents block and wait-on: one of the [`block_reasons`](super::block_reasons).
    pub const BLOCK_REASON: &str = "block-reason";
    /// Of an observation: whether a person wants nothing to be executed, as label or annotation of the remediation.
    pub const DRY_RUN: &str = "trimtab.dev/dry-run";
}

/// Outcomes of a remediation.
pub mod outcomes {
    /// The workflow ran and nothing speaks against its effect.
    pub const REMEDIATED: &str = "Remediated";
    /// There was nothing to do.
    pub const NO_ACTION_REQUIRED: &str = "NoActionRequired";
    /// A person has to look.
    pub const MANUAL_REVIEW_REQUIRED: &str = "ManualReviewRequired";
    /// The workflow ran; whether it helped was not found out in time.
    pub const VERIFICATION_TIMED_OUT: &str = "VerificationTimedOut";
    /// The workflow ran and the signal is still there.
    pub const INCONCLUSIVE: &str = "Inconclusive";
    /// Nothing was executed, on purpose.
    pub const DRY_RUN: &str = "DryRun";
}

/// The part of a remediation that failed.
pub mod failure_phases {
    /// Signal processing.
    pub const SIGNAL_PROCESSING: &str = "SignalProcessing";
    /// The analysis, or what it lacks.
    pub const AI_ANALYSIS: &str = "AIAnalysis";
    /// The approval.
    pub const APPROVAL: &str = "Approval";
    /// The workflow.
    pub const WORKFLOW_EXECUTION: &str = "WorkflowExecution";
    /// What stood in the way stood there until its time was over.
    pub const BLOCKED: &str = "Blocked";
    /// The one that stood for this one.
    pub const DEDUPLICATED: &str = "Deduplicated";
}

/// What happens after a deadline.
pub mod on_expiry {
    /// The host ends the remediation as timed out.
    pub const TIME_OUT: &str = "time-out";
    /// The host ends the remediation as failed.
    pub const FAIL: &str = "fail";
    /// The host asks the transitions slot.
    pub const ASK: &str = "ask";
}

/// Phases and decisions of the children, as their own controllers write them.
pub mod child_phases {
    /// Done.
    pub const COMPLETED: &str = "Completed";
    /// Failed.
    pub const FAILED: &str = "Failed";
    /// A person said yes.
    pub const APPROVED: &str = "Approved";
    /// A person said no.
    pub const REJECTED: &str = "Rejected";
    /// Nobody decided in time.
    pub const EXPIRED: &str = "Expired";
}
