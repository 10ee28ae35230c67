//! Why a remediation failed, in the words of the audit trail's enums.

use serde_json::Value;

use super::derive::decision;
use super::payload::{ErrorDetails, FailedAt, FailureReason, TEXT_BYTES_MAX, cut};
use super::step::StepView;
use crate::json::text;
use crate::observation::ChildKind;
use crate::phase::{FailurePhase, Phase};

/// Where it failed: the payload knows four places, and the rest has none.
pub(super) fn phase(step: &StepView<'_>, from: Phase) -> Option<FailedAt> {
    let failed = match step.to() {
        Phase::TimedOut => Some(from.failure_phase()),
        _ => FailurePhase::parse(step.status("/completionStatus/failurePhase")),
    };
    match failed? {
        FailurePhase::SignalProcessing => Some(FailedAt::SignalProcessing),
        FailurePhase::AIAnalysis => Some(FailedAt::AIAnalysis),
        FailurePhase::Approval => Some(FailedAt::Approval),
        FailurePhase::WorkflowExecution => Some(FailedAt::WorkflowExecution),
        FailurePhase::Configuration | FailurePhase::Blocked | FailurePhase::Deduplicated => None,
    }
}

/// Why it failed.
pub(super) fn reason(step: &StepView<'_>) -> FailureReason {
    if step.to() == Phase::TimedOut {
        return FailureReason::Timeout;
    }
    if step.status("/completionStatus/failurePhase") == FailurePhase::Configuration.name() {
        return FailureReason::ValidationError;
    }
    // The host's own rules.
    match step.rule() {
        "GlobalTimeout" | "PhaseTimeout" | "StayedPastDeadline" => return FailureReason::Timeout,
        "PolicyFault" => return FailureReason::InfrastructureError,
        _ => {}
    }
    match decision(step) {
        Some(("Rejected", _)) => return FailureReason::ApprovalRejected,
        Some(("Expired", _)) => return FailureReason::Timeout,
        _ => {}
    }
    let by_child = match step.from() {
        Some(Phase::Analyzing) => of_analysis(step),
        Some(Phase::Executing) => of_execution(step),
        _ => None,
    };
    by_child.unwrap_or(FailureReason::Unknown)
}

/// A child's codes count where it had ended before the step, which the remediation's conditions show: one that had not
/// is changed by the end of the remediation.
fn ended<'s>(step: &'s StepView<'_>, kind: ChildKind) -> Option<&'s Value> {
    step.child(kind).filter(|_| step.has_condition(&format!("{}Complete", kind.name())))
}

fn of_analysis(step: &StepView<'_>) -> Option<FailureReason> {
    let child = ended(step, ChildKind::AIAnalysis)?;
    match (text(child, "/status/subReason"), text(child, "/status/reason")) {
        ("WorkflowNotFound" | "ImageMismatch" | "ParameterValidationFailed" | "ValidationError", _) => {
            Some(FailureReason::ValidationError)
        }
        ("DecisionExpired", _) => Some(FailureReason::Timeout),
        ("TransientError" | "PermanentError" | "MaxRetriesExceeded", _)
        | (_, "TransientError" | "APIError" | "RegoEvaluationError") => Some(FailureReason::InfrastructureError),
        _ => None,
    }
}

fn of_execution(step: &StepView<'_>) -> Option<FailureReason> {
    let child = ended(step, ChildKind::WorkflowExecution)?;
    match text(child, "/status/failureDetails/reason") {
        "DeadlineExceeded" => Some(FailureReason::Timeout),
        "ConfigurationError" | "UnsupportedEngine" => Some(FailureReason::ValidationError),
        "Forbidden" | "ResourceExhausted" | "ImagePullBackOff" => Some(FailureReason::InfrastructureError),
        _ => None,
    }
}

/// The failure in a sentence, with a stable code.
pub(super) fn details(step: &StepView<'_>) -> ErrorDetails {
    let phase = step.status("/completionStatus/failurePhase");
    let (code, retry_possible) = match reason(step) {
        FailureReason::Timeout => ("ERR_TIMEOUT_REMEDIATION", true),
        _ if phase == FailurePhase::Configuration.name() => ("ERR_INVALID_TIMEOUT_CONFIG", false),
        _ => ("ERR_INTERNAL_ORCHESTRATION", false),
    };
    let said = step.status("/completionStatus/failureReason");
    let said = said.strip_prefix(code).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(said);
    let message = format!("Remediation failed at phase '{phase}' [{code}]: {said}");
    ErrorDetails {
        message: cut(&message, TEXT_BYTES_MAX).to_owned(),
        code: code.to_owned(),
        component: "remediationorchestrator".to_owned(),
        retry_possible,
    }
}
