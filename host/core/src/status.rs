//! Changing a remediation's status: a draft starts from what is there and ends as a merge patch.

use serde_json::{Value, json};

use crate::json::{merge_diff, remove, set};
use crate::manifest::Manifest;
use crate::observation::{ChildKind, Observation};
use crate::phase::{Outcome, Phase};
use crate::record::{CONDITION_TYPE, Record};
use crate::time::Timestamp;

mod reading;

/// Sets a condition in a list: type, whether it is true, reason, message.
///
/// The transition time changes only when the status does (Kubernetes API conventions).
pub fn set_condition(
    conditions: &mut Vec<Value>,
    now: Timestamp,
    generation: Option<i64>,
    (kind, is_true, reason, message): (&str, bool, &str, &str),
) {
    let status = if is_true { "True" } else { "False" };
    let known = conditions.iter().position(|condition| condition["type"] == kind);
    let since = known
        .and_then(|at| conditions.get(at))
        .filter(|condition| condition["status"] == status)
        .and_then(|condition| condition["lastTransitionTime"].as_str())
        .map_or_else(|| now.to_string(), str::to_owned);
    let mut condition =
        json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since});
    if let Some(generation) = generation {
        set(&mut condition, &["observedGeneration"], generation.into());
    }
    match known.and_then(|at| conditions.get_mut(at)) {
        Some(slot) => *slot = condition,
        None => conditions.push(condition),
    }
}

/// A status being changed.
#[derive(Debug)]
pub struct StatusDraft {
    before: Value,
    after: Value,
    conditions: Vec<Value>,
    now: Timestamp,
    generation: i64,
}

impl StatusDraft {
    /// Starts from the observed status.
    pub fn of(observation: &Observation) -> Self {
        let before = observation.object.get("status").filter(|status| status.is_object()).cloned();
        let before = before.unwrap_or_else(|| json!({}));
        let conditions = before.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
        Self { after: before.clone(), before, conditions, now: observation.now, generation: observation.generation }
    }

    /// Sets a member.
    pub fn set(&mut self, path: &[&str], value: impl Into<Value>) {
        set(&mut self.after, path, value.into());
    }

    /// Removes a member.
    pub fn remove(&mut self, path: &[&str]) {
        remove(&mut self.after, path);
        // What is empty is left out.
        if let [parents @ .., _] = path
            && !parents.is_empty()
            && let pointer = format!("/{}", parents.join("/"))
            && self.after.pointer(&pointer).and_then(Value::as_object).is_some_and(serde_json::Map::is_empty)
        {
            self.remove(parents);
        }
    }

    /// Sets a condition.
    pub fn condition(&mut self, kind: &str, is_true: bool, reason: &str, message: &str) {
        set_condition(&mut self.conditions, self.now, Some(self.generation), (kind, is_true, reason, message));
    }

    /// Enters a phase: its name, its start time where the status has one, and the Ready condition.
    pub fn enter(&mut self, phase: Phase, outcome: Option<Outcome>) {
        self.set(&["overallPhase"], phase.name());
        self.set(&["observedGeneration"], self.generation);
        if let Some(member) = start_time_member(phase) {
            self.set(&["phaseProgress", member], self.now.to_string());
        }
        if phase.is_terminal() {
            self.set(&["completedAt"], self.now.to_string());
        }
        if let Some((is_true, reason, message)) = ready(phase, outcome) {
            self.condition("Ready", is_true, reason, message);
        }
    }

    /// Notes a child that the step creates.
    pub fn child_created(&mut self, kind: ChildKind, manifest: &Manifest, namespace: &str) {
        if let Some(member) = reference_member(kind) {
            self.set(&["phaseProgress", member], manifest.reference(namespace));
        }
        let created = format!("{} CRD {} created successfully", kind.name(), manifest.name);
        match kind {
            ChildKind::SignalProcessing | ChildKind::AIAnalysis | ChildKind::WorkflowExecution => {
                let condition = format!("{}Ready", kind.name());
                self.condition(&condition, true, &format!("{}Created", kind.name()), &created);
            }
            ChildKind::EffectivenessAssessment => {
                let message = format!("EffectivenessAssessment {} created, assessment in progress", manifest.name);
                self.condition("EffectivenessAssessed", false, "AssessmentInProgress", &message);
            }
            ChildKind::RemediationApprovalRequest => {}
        }
    }

    /// Notes a notification that the step creates.
    pub fn notification_created(&mut self, name: &str, namespace: &str) {
        let path = ["completionStatus", "notificationRequestRefs"];
        let mut references =
            self.after.pointer("/completionStatus/notificationRequestRefs").and_then(Value::as_array).cloned();
        let list = references.get_or_insert_default();
        if list.iter().any(|reference| reference["name"] == name) {
            return;
        }
        list.push(json!({
            "apiVersion": crate::manifest::API_VERSION,
            "kind": "NotificationRequest",
            "name": name,
            "namespace": namespace,
        }));
        self.set(&path, references.unwrap_or_default());
    }

    /// Ends the draft with the host's record; the result is the value of `status` in a merge patch.
    pub fn into_patch(mut self, record: &Record) -> Value {
        let message = record.message();
        self.condition(CONDITION_TYPE, true, "Decided", &message);
        let conditions = std::mem::take(&mut self.conditions);
        self.set(&["conditions"], conditions);
        merge_diff(&self.before, &self.after).unwrap_or_else(|| json!({}))
    }
}

/// Name of the phase's start time in `status.phaseProgress`.
pub const fn start_time_member(phase: Phase) -> Option<&'static str> {
    match phase {
        Phase::Processing => Some("processingStartTime"),
        Phase::Analyzing => Some("analyzingStartTime"),
        Phase::Executing => Some("executingStartTime"),
        Phase::Pending
        | Phase::AwaitingApproval
        | Phase::Verifying
        | Phase::Blocked
        | Phase::Completed
        | Phase::Failed
        | Phase::TimedOut
        | Phase::Skipped
        | Phase::Cancelled => None,
    }
}

/// Name of the child's reference in `status.phaseProgress`.
pub const fn reference_member(kind: ChildKind) -> Option<&'static str> {
    match kind {
        ChildKind::SignalProcessing => Some("signalProcessingRef"),
        ChildKind::AIAnalysis => Some("aiAnalysisRef"),
        ChildKind::WorkflowExecution => Some("workflowExecutionRef"),
        ChildKind::EffectivenessAssessment => Some("effectivenessAssessmentRef"),
        ChildKind::RemediationApprovalRequest => None,
    }
}

/// The Ready condition of a phase: whether true, reason, message.
fn ready(phase: Phase, outcome: Option<Outcome>) -> Option<(bool, &'static str, &'static str)> {
    match phase {
        Phase::Processing => Some((false, "Processing", "Signal processing in progress")),
        Phase::Analyzing => Some((false, "Analyzing", "AI analysis in progress")),
        Phase::AwaitingApproval => Some((false, "AwaitingApproval", "Waiting for human approval")),
        Phase::Executing => Some((false, "Executing", "Workflow execution in progress")),
        Phase::Verifying => Some((true, "Verifying", "Remediation completed, verifying effectiveness")),
        Phase::Failed => Some((false, "RemediationFailed", "Remediation failed")),
        Phase::TimedOut => Some((false, "RemediationTimedOut", "Remediation timed out")),
        Phase::Completed => match outcome {
            Some(Outcome::NoActionRequired) => Some((true, "NoActionRequired", "No action required")),
            Some(Outcome::ManualReviewRequired) => Some((true, "ManualReviewRequired", "Manual review required")),
            Some(Outcome::DryRun) => Some((true, "DryRun", "Dry run completed")),
            // It is true since Verifying, and stays as it was then.
            Some(Outcome::Remediated | Outcome::VerificationTimedOut | Outcome::Inconclusive) | None => None,
        },
        Phase::Pending | Phase::Blocked | Phase::Skipped | Phase::Cancelled => None,
    }
}
