//! From what a step leaves behind to the events it has, in the order in which Kubernaut tells them.
//!
//! A body holds only what the remediation and its children still show when the step is done.

use serde_json::Value;

use super::catalogue::{self, Row};
use super::envelope::Envelope;
use super::failure;
use super::payload::{Decision, Ending, Payload, TimeoutConfig, bounded};
use super::step::{StepView, condition};
use crate::go_duration;
use crate::json::{is_true, some_text, text};
use crate::manifest::assessment::has_operator;
use crate::observation::{ChildKind, Target};
use crate::phase::{Move, Outcome, Phase, is_edge};
use crate::time::Timestamp;

type Told = (Row, Envelope);

/// The events of a step.
pub(super) fn envelopes(step: &StepView<'_>) -> Vec<Told> {
    if !step.has_entered() {
        return Vec::new();
    }
    let Some(from) = step.from() else {
        let created = Payload { timeout_config: timeouts(step), ..Payload::default() };
        return vec![plain(step, catalogue::STARTED, Payload::default()), plain(step, catalogue::CREATED, created)];
    };
    let left = (from == Phase::AwaitingApproval).then(|| decided(step)).flatten();
    let entered = match step.to() {
        Phase::Pending | Phase::Processing | Phase::Analyzing => vec![advanced(step, from)],
        Phase::AwaitingApproval => vec![requested(step), advanced(step, from)],
        Phase::Executing => vec![execution(step), advanced(step, from)],
        Phase::Verifying => {
            vec![Some(plain(step, catalogue::VERIFYING_STARTED, Payload::default())), assessment(step)]
        }
        Phase::Blocked => vec![Some(blocked(step, from))],
        Phase::Completed => vec![verified(step, from), Some(completed(step, from))],
        Phase::Failed | Phase::TimedOut => vec![Some(ended_in_failure(step, from))],
        // Others end a remediation like this, and tell of it.
        Phase::Skipped | Phase::Cancelled => Vec::new(),
    };
    left.into_iter().chain(entered.into_iter().flatten()).collect()
}

fn plain(step: &StepView<'_>, row: Row, payload: Payload) -> Told {
    (row, Envelope::new(step, &row, payload))
}

/// The budgets that the remediation starts with: what the host filled in, else what a person had set before.
fn timeouts(step: &StepView<'_>) -> Option<TimeoutConfig> {
    let member = |name: &str| {
        let shown = if step.has_filled_timeouts() {
            step.filled_timeout(name).map(|budget| budget.to_string()).unwrap_or_default()
        } else {
            step.status(&format!("/timeoutConfig/{name}")).to_owned()
        };
        bounded(&shown).filter(|text| go_duration::parse(text) != Ok(0))
    };
    let config = TimeoutConfig {
        global: member("global"),
        processing: member("processing"),
        analyzing: member("analyzing"),
        executing: member("executing"),
    };
    (config != TimeoutConfig::default()).then_some(config)
}

/// Every advance is told, and a phase that begins anew.
fn advanced(step: &StepView<'_>, from: Phase) -> Option<Told> {
    let to = step.to();
    let is_told = is_edge(from, Move::Advance, to) || is_edge(from, Move::Retry, to);
    let payload = Payload { from_phase: bounded(from.name()), to_phase: bounded(to.name()), ..Payload::default() };
    is_told.then(|| plain(step, catalogue::TRANSITIONED, payload))
}

fn requested(step: &StepView<'_>) -> Option<Told> {
    let kind = ChildKind::RemediationApprovalRequest;
    let (name, nothing) = (step.child_name(kind), Value::Null);
    let request = step.child(kind).unwrap_or(&nothing);
    if step.has_told_decision(request) {
        // It goes on after a block: the person was asked before.
        return None;
    }
    let confidence = request.pointer("/spec/confidence").and_then(Value::as_f64);
    let payload = Payload {
        rar_name: bounded(&name),
        required_by: bounded(text(request, "/spec/requiredBy")),
        workflow_id: bounded(text(request, "/spec/recommendedWorkflow/workflowId")),
        confidence_str: confidence.map(|confidence| format!("{confidence:.2}")),
        ..Payload::default()
    };
    let (row, envelope) = plain(step, catalogue::APPROVAL_REQUESTED, payload);
    Some((row, envelope.about(kind, &name)))
}

/// What was decided about the approval when the step was made, and by whom.
pub(super) fn decision<'s>(step: &'s StepView<'_>) -> Option<(&'s str, &'s str)> {
    if step.from() != Some(Phase::AwaitingApproval) {
        return None;
    }
    let status = step.child(ChildKind::RemediationApprovalRequest)?.get("status")?;
    // A decision that came only after the step is not what the step was made from.
    let is_known = |kind| condition(status, kind).is_some_and(|condition| condition["status"] == "True");
    let decided_at = some_text(status, "/decidedAt").and_then(Timestamp::parse);
    let is_earlier = decided_at.is_some_and(|decided| decided < step.at().whole_seconds());
    let counts = is_known("ApprovalDecided") || is_known("ApprovalExpired") || is_earlier;
    counts.then(|| (text(status, "/decision"), text(status, "/decidedBy")))
}

fn decided(step: &StepView<'_>) -> Option<Told> {
    let (decision, by) = decision(step)?;
    let request = step.child(ChildKind::RemediationApprovalRequest)?;
    if step.has_told_decision(request) {
        return None;
    }
    let (row, decision) = match decision {
        "Approved" => (catalogue::APPROVED, Some(Decision::Approved)),
        "Rejected" => (catalogue::REJECTED, Some(Decision::Rejected)),
        // The payload's enum has no word for it.
        "Expired" => (catalogue::APPROVAL_EXPIRED, None),
        _ => return None,
    };
    let kind = ChildKind::RemediationApprovalRequest;
    let name = step.child_name(kind);
    let payload = Payload { rar_name: bounded(&name), decision, ..Payload::default() };
    let (row, envelope) = plain(step, row, payload);
    let envelope = envelope.about(kind, &name);
    Some(match by {
        "system" => (row, envelope),
        "" if decision.is_none() => (row, envelope),
        "" => (row, envelope.by_person("operator")),
        person => (row, envelope.by_person(person)),
    })
}

/// The execution that the step has created, as the remediation's status notes it.
fn execution(step: &StepView<'_>) -> Option<Told> {
    let name = step.child_name(ChildKind::WorkflowExecution);
    if step.status("/phaseProgress/workflowExecutionRef/name") != name {
        return None;
    }
    let selected = |member: &str| bounded(step.status(&format!("/workflowSelection/selectedWorkflowRef/{member}")));
    let label = step.status("/workflowSelection/workflowDisplayName");
    let target = Target {
        kind: step.status("/workflowSelection/remediationTarget/kind").to_owned(),
        name: step.status("/workflowSelection/remediationTarget/name").to_owned(),
        namespace: Some(step.status("/workflowSelection/remediationTarget/namespace").to_owned()),
        api_version: None,
    };
    let payload = Payload {
        pre_remediation_spec_hash: bounded(step.status("/operatorAudit/preRemediationSpecHash")),
        target_resource: Some(target).filter(|target| !target.name.is_empty()).and_then(|it| bounded(&it.qualified())),
        workflow_id: selected("workflowId"),
        workflow_version: selected("version"),
        action_type: bounded(label.split_once(':').map_or("", |(action, _)| action)),
        signal_type: bounded(step.spec("/signalType")),
        signal_fingerprint: bounded(step.spec("/signalFingerprint")),
        ..Payload::default()
    };
    Some(plain(step, catalogue::WORKFLOW_CREATED, payload))
}

/// The assessment that the step has asked for, as the remediation's status notes it.
fn assessment(step: &StepView<'_>) -> Option<Told> {
    let kind = ChildKind::EffectivenessAssessment;
    let name = step.child_name(kind);
    if step.status("/phaseProgress/effectivenessAssessmentRef/name") != name {
        return None;
    }
    let spec = step.child(kind).and_then(|object| object.get("spec"));
    let config = |member: &str| spec.and_then(|spec| bounded(text(spec, &format!("/config/{member}"))));
    let is_git_ops = step
        .child(ChildKind::AIAnalysis)
        .is_some_and(|object| is_true(object, "/status/postRCAContext/detectedLabels/gitOpsManaged"));
    let is_crd =
        has_operator(Some(step.status("/workflowSelection/remediationTarget/apiVersion")), step.target_group());
    let delay = config("hashComputeDelay");
    // The assessment shows only the sum, so a part is told where it is the whole.
    let payload = Payload {
        ea_name: bounded(&name),
        gitops_sync_delay: delay.clone().filter(|_| is_git_ops && !is_crd),
        operator_reconcile_delay: delay.clone().filter(|_| is_crd && !is_git_ops),
        hash_compute_delay: delay,
        alert_check_delay: config("alertCheckDelay"),
        is_gitops_managed: Some(is_git_ops),
        is_crd: Some(is_crd),
        ..Payload::default()
    };
    let (row, envelope) = plain(step, catalogue::ASSESSMENT_CREATED, payload);
    Some((row, envelope.about(kind, &name)))
}

fn blocked(step: &StepView<'_>, from: Phase) -> Told {
    let routing = |member: &str| bounded(step.status(&format!("/routingStatus/{member}")));
    let target = Target {
        kind: step.spec("/targetResource/kind").to_owned(),
        name: step.spec("/targetResource/name").to_owned(),
        namespace: Some(step.spec("/targetResource/namespace").to_owned()),
        api_version: None,
    };
    let payload = Payload {
        from_phase: bounded(from.name()),
        to_phase: bounded(Phase::Blocked.name()),
        reason: routing("blockReason"),
        message: routing("blockMessage"),
        sub_reason: routing("duplicateOf").or_else(|| routing("blockingWorkflowExecution")),
        target_resource: Some(target).filter(|target| !target.name.is_empty()).and_then(|it| bounded(&it.qualified())),
        ..Payload::default()
    };
    plain(step, catalogue::BLOCKED, payload)
}

/// The end of the verification, before the end of the remediation.
fn verified(step: &StepView<'_>, from: Phase) -> Option<Told> {
    if from != Phase::Verifying {
        return None;
    }
    let row = if step.status("/completionStatus/outcome") == Outcome::VerificationTimedOut.name() {
        catalogue::VERIFICATION_TIMED_OUT
    } else {
        catalogue::VERIFICATION_COMPLETED
    };
    let payload = Payload {
        ea_name: bounded(&step.child_name(ChildKind::EffectivenessAssessment)),
        duration_ms: lasted(step),
        ..Payload::default()
    };
    Some(plain(step, row, payload))
}

fn completed(step: &StepView<'_>, from: Phase) -> Told {
    // From these phases a remediation completes only because another one, or its execution, has.
    let is_inherited = matches!(from, Phase::Executing | Phase::Blocked);
    let outcome = if is_inherited { "InheritedCompleted" } else { step.status("/completionStatus/outcome") };
    let payload = Payload {
        outcome: Some(Ending::Success),
        duration_ms: lasted(step),
        crd_outcome: bounded(outcome),
        ..Payload::default()
    };
    let (row, envelope) = plain(step, catalogue::COMPLETED, payload);
    (row, envelope.timed())
}

fn ended_in_failure(step: &StepView<'_>, from: Phase) -> Told {
    let has_failed = step.to() == Phase::Failed;
    let payload = Payload {
        outcome: has_failed.then_some(Ending::Failed),
        duration_ms: lasted(step),
        failure_phase: failure::phase(step, from),
        failure_reason: Some(failure::reason(step)),
        error_details: has_failed.then(|| failure::details(step)),
        ..Payload::default()
    };
    let (row, envelope) = plain(step, catalogue::ENDED_IN_FAILURE, payload);
    (row, envelope.timed())
}

/// The removal of an ended remediation, with how long it had been due.
pub(super) fn cleaned_up(step: &StepView<'_>) -> Told {
    let expiry = Timestamp::parse(step.status("/retentionExpiryTime"));
    let duration_ms = expiry.map(|expiry| step.at().since(expiry).as_millis());
    let (row, envelope) = plain(step, catalogue::CLEANED_UP, Payload { duration_ms, ..Payload::default() });
    (row, envelope.timed())
}

fn lasted(step: &StepView<'_>) -> Option<u64> {
    step.lasted().map(crate::time::Span::as_millis)
}
