//! Plans: a fully specified step that leaves no choice to whoever performs it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::audit::AuditEvent;
use crate::guardrails::Refusal;
use crate::guardrails::creations::Wanted;
use crate::guardrails::deadlines::{Limits, Scope};
use crate::guardrails::intent::Transition;
use crate::manifest::Manifest;
use crate::observation::{ChildKind, Observation};
use crate::phase::{Move, Outcome, Phase};
use crate::proposal::{Explanation, Slot};
use crate::record::{Record, Revision};
use crate::settings::Settings;
use crate::status::StatusDraft;
use crate::time::{Span, Timestamp};

mod creation;
pub(crate) mod expiry;
pub(crate) mod repair;

/// One typed change to the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// Create an object; one of the same name that the remediation owns is taken as created.
    Create(Manifest),
    /// Merge-patch the status of a child.
    PatchStatus {
        /// Kubernetes kind.
        kind: String,
        /// Name.
        name: String,
        /// Value of `status` in the merge patch.
        status: Value,
        /// The child's resourceVersion that the patch is conditional on; `None` for one just created.
        resource_version: Option<String>,
        /// Whether the step cannot go on without it.
        is_required: bool,
    },
}

/// A Kubernetes event on the remediation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Whether it is a Warning.
    pub is_warning: bool,
    /// Stable reason.
    pub reason: String,
    /// Text.
    pub note: String,
}

impl Event {
    fn normal(reason: &str, note: impl Into<String>) -> Self {
        Self { is_warning: false, reason: reason.to_owned(), note: note.into() }
    }

    fn warning(reason: &str, note: impl Into<String>) -> Self {
        Self { is_warning: true, reason: reason.to_owned(), note: note.into() }
    }
}

/// A step: one status write and what belongs to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Uid of the remediation.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Number of the step.
    pub sequence: u64,
    /// The resourceVersion that it was planned on: the precondition of the status write.
    pub resource_version: String,
    /// Phase before.
    pub from: Option<Phase>,
    /// Phase after; the same where only something else changes.
    pub to: Option<Phase>,
    /// Outcome, where the step reaches one.
    pub outcome: Option<Outcome>,
    /// Carried out before the status write, in this order.
    pub actions: Vec<Action>,
    /// Value of `status` in the merge patch; `None` where the remediation itself is not written.
    pub status: Option<Value>,
    /// Published after the status write.
    pub events: Vec<Event>,
    /// Recorded before any effect, delivered once the step is confirmed.
    pub audit: Vec<AuditEvent>,
    /// Why.
    pub why: Explanation,
    /// When it was planned.
    pub at: Timestamp,
}

impl Plan {
    /// Whether a remediation's record shows that this very step was its last: another host may have made one of the same
    /// number.
    pub fn is_shown_by(&self, record: &Record) -> bool {
        record.sequence == self.sequence
            && record.at == Some(self.at)
            && record.from == self.from
            // A sentence that is too long for the record is left out there.
            && (record.why.is_empty() || record.why == sentence(&self.why))
    }
}

/// What the record says of a step's reason.
fn sentence(why: &Explanation) -> String {
    format!("{}: {}", why.rule, why.text)
}

/// What a step is made from, besides the observation.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) observation: &'a Observation,
    pub(crate) settings: &'a Settings,
    pub(crate) limits: &'a Limits,
    pub(crate) revisions: &'a [(Slot, Revision)],
}

impl Context<'_> {
    fn next_record(&self, entered: Option<Phase>, why: &Explanation) -> Record {
        let mut record = self.observation.record.clone();
        // The observation's phase times are the truth: a person may have moved them in the status.
        record.phases.clone_from(&self.observation.phases);
        record.sequence = record.sequence.saturating_add(1);
        record.at = Some(self.observation.now);
        record.from = self.observation.phase;
        if let Some(phase) = entered {
            record.enter(phase, self.observation.now);
        }
        for (slot, revision) in self.revisions {
            record.slots.insert(slot.name().to_owned(), revision.clone());
        }
        record.why = sentence(why);
        record
    }

    fn plan(
        &self,
        to: Option<Phase>,
        outcome: Option<Outcome>,
        status: Value,
        rest: Effects,
        why: Explanation,
    ) -> Plan {
        Plan {
            uid: self.observation.uid.clone(),
            namespace: self.observation.namespace.clone(),
            name: self.observation.name.clone(),
            sequence: self.observation.record.sequence.saturating_add(1),
            resource_version: self.observation.resource_version.clone(),
            from: self.observation.phase,
            to,
            outcome,
            actions: rest.actions,
            status: Some(status),
            events: rest.events,
            audit: Vec::new(),
            why,
            at: self.observation.now,
        }
    }
}

/// Actions and events that a step gathers while it is planned.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) actions: Vec<Action>,
    pub(crate) events: Vec<Event>,
}

/// The first step: the clock starts and the budgets are shown.
pub(crate) fn initialise(context: &Context<'_>, why: &Explanation) -> Plan {
    let observation = context.observation;
    let why =
        Explanation { rule: "Accepted".into(), text: format!("The signal was accepted. {}", why.text), ..why.clone() };
    let mut draft = StatusDraft::of(observation);
    let mut record = context.next_record(Some(Phase::Pending), &why);
    draft.set(&["overallPhase"], Phase::Pending.name());
    if observation.started_at.is_none() {
        draft.set(&["startTime"], observation.now.to_string());
    }
    if observation.object.pointer("/status/timeoutConfig").is_none_or(Value::is_null) {
        for (member, scope) in TIMEOUT_MEMBERS {
            if let Some(budget) = context.limits.budgets.get(&scope) {
                draft.set(&["timeoutConfig", member], budget.to_string());
                record.timeouts.insert(member.to_owned(), *budget);
            }
        }
    }
    let note = format!("RemediationRequest accepted for signal {}", observation.signal_name);
    let effects = Effects { actions: Vec::new(), events: vec![Event::normal("RemediationCreated", note)] };
    context.plan(Some(Phase::Pending), None, draft.into_patch(&record), effects, why)
}

/// Members of `status.timeoutConfig`.
pub const TIMEOUT_MEMBERS: [(&str, Scope); 4] = [
    ("global", Scope::Global),
    ("processing", Scope::Phase(Phase::Processing)),
    ("analyzing", Scope::Phase(Phase::Analyzing)),
    ("executing", Scope::Phase(Phase::Executing)),
];

/// The step of a lawful transition with its lawful creations.
pub(crate) fn transition(context: &Context<'_>, change: &Transition, wanted: &[Wanted]) -> Result<Plan, Refusal> {
    let observation = context.observation;
    let mut draft = StatusDraft::of(observation);
    let mut effects = Effects::default();
    leave(observation, change, &mut draft, &mut effects);
    draft.enter(change.to, change.outcome);
    creation::create(context, change, wanted, &mut draft, &mut effects)?;
    if !change.message.is_empty() {
        draft.set(&["message"], change.message.clone());
    }
    match change.how {
        Move::Advance => {
            let note = format!("Phase transition: {} → {}", change.from, change.to);
            effects.events.push(Event::normal("PhaseTransition", note));
        }
        Move::Verify => verify(&mut draft),
        Move::Complete => end(context, change, &mut draft, &mut effects),
        Move::Fail => {
            fail(observation, change, &mut draft);
            end(context, change, &mut draft, &mut effects);
        }
        // Only the host times out; see `expire`.
        Move::TimeOut => {}
    }
    let record = context.next_record(Some(change.to), &change.why);
    Ok(context.plan(Some(change.to), change.outcome, draft.into_patch(&record), effects, change.why.clone()))
}

/// What is noted about the phase that is left: its child's end, a person's decision.
fn leave(observation: &Observation, change: &Transition, draft: &mut StatusDraft, effects: &mut Effects) {
    if let Some((kind, label)) = match change.from {
        Phase::Processing => Some((ChildKind::SignalProcessing, "SignalProcessing")),
        Phase::Analyzing => Some((ChildKind::AIAnalysis, "AIAnalysis")),
        Phase::Executing => Some((ChildKind::WorkflowExecution, "Workflow")),
        Phase::Pending
        | Phase::AwaitingApproval
        | Phase::Verifying
        | Phase::Blocked
        | Phase::Completed
        | Phase::Failed
        | Phase::TimedOut
        | Phase::Skipped
        | Phase::Cancelled => None,
    } {
        let ended = observation.child(kind).map_or("", |child| child.phase.as_str());
        let condition = format!("{}Complete", kind.name());
        if ended == "Completed" {
            let message = format!("{} completed successfully", kind.name());
            draft.condition(&condition, true, &format!("{label}Succeeded"), &message);
        } else if ended == "Failed" {
            draft.condition(&condition, false, &format!("{label}Failed"), &format!("{} failed", kind.name()));
        }
    }
    if change.from == Phase::AwaitingApproval {
        leave_approval(observation, effects);
    }
    if change.from == Phase::Verifying {
        leave_verification(observation, draft);
    }
}

/// Closes a request that nobody has decided.
fn close_approval(observation: &Observation, effects: &mut Effects) {
    let request = observation.child(ChildKind::RemediationApprovalRequest).filter(|child| child.found);
    let (Some(child), Some(approval)) = (request, &observation.facts.approval) else { return };
    if approval.decision.is_empty() {
        effects.actions.push(patch_request(
            child,
            crate::manifest::approval_request::expired(observation, approval),
            true,
        ));
    }
}

fn patch_request(child: &crate::observation::Child, status: Value, is_required: bool) -> Action {
    Action::PatchStatus {
        kind: child.kind.name().to_owned(),
        name: child.name.clone(),
        status,
        resource_version: Some(crate::json::text(&child.object, "/metadata/resourceVersion").to_owned()),
        is_required,
    }
}

fn leave_approval(observation: &Observation, effects: &mut Effects) {
    let (Some(approval), Some(child)) = (
        &observation.facts.approval,
        observation.child(ChildKind::RemediationApprovalRequest).filter(|child| child.found),
    ) else {
        return;
    };
    let by = if approval.decided_by.is_empty() { "operator" } else { &approval.decided_by };
    let (status, event) = match approval.decision.as_str() {
        "Approved" => {
            if let Some(change) = observation.facts.workflow_override.iter().flatten().find(|change| change.found) {
                let what = match (change.workflow_name.as_str(), change.replaces_parameters) {
                    ("", _) => "parameters".to_owned(),
                    (name, false) => format!("workflow {name}"),
                    (name, true) => format!("workflow {name} and parameters"),
                };
                effects.events.push(Event::normal("OperatorOverride", format!("{by} approved another {what}")));
            }
            let note = format!("Approval granted by {by}");
            (crate::manifest::approval_request::decided(observation, approval), Event::normal("ApprovalGranted", note))
        }
        "Rejected" => {
            let note = format!("Approval rejected by {by}: {}", approval.message);
            (
                crate::manifest::approval_request::decided(observation, approval),
                Event::warning("ApprovalRejected", note),
            )
        }
        "" if observation.now > approval.required_by => {
            let note = format!("No decision before {}", approval.required_by);
            (crate::manifest::approval_request::expired(observation, approval), Event::warning("ApprovalExpired", note))
        }
        _ => return,
    };
    // A person who decides at this very moment must win, so an expiry must not go on without it.
    effects.actions.push(patch_request(child, status, approval.decision.is_empty()));
    effects.events.push(event);
}

fn leave_verification(observation: &Observation, draft: &mut StatusDraft) {
    let Some(assessment) = observation.facts.assessment.as_ref() else { return };
    let (is_true, reason, message) = match (assessment.phase.as_str(), assessment.reason.as_str()) {
        ("Completed" | "Failed", "Expired") => {
            (true, "AssessmentExpired", "Effectiveness assessment expired".to_owned())
        }
        ("Completed", reason) => {
            (true, "AssessmentCompleted", format!("Effectiveness assessment completed (reason: {reason})"))
        }
        ("Failed", reason) => {
            (false, "AssessmentFailed", format!("Effectiveness assessment failed (reason: {reason})"))
        }
        _ => return,
    };
    draft.condition("EffectivenessAssessed", is_true, reason, &message);
}

fn verify(draft: &mut StatusDraft) {
    draft.remove(&["routingStatus", "nextAllowedExecution"]);
    draft.remove(&["routingStatus", "consecutiveFailureCount"]);
}

fn fail(observation: &Observation, change: &Transition, draft: &mut StatusDraft) {
    if let Some(phase) = change.failure_phase {
        draft.set(&["completionStatus", "failurePhase"], phase.name());
        draft.set(&["completionStatus", "failureReason"], change.reason.clone());
    }
    draft.set(&["routingStatus", "consecutiveFailureCount"], observation.consecutive_failures.saturating_add(1));
}

/// What every planned end has: outcome, review, the suppression of new remediations, retention, its event.
fn end(context: &Context<'_>, change: &Transition, draft: &mut StatusDraft, effects: &mut Effects) {
    let observation = context.observation;
    if let Some(outcome) = change.outcome {
        draft.set(&["completionStatus", "outcome"], outcome.name());
    }
    if change.outcome == Some(Outcome::Inconclusive) {
        draft.set(&["routingStatus", "consecutiveFailureCount"], observation.consecutive_failures.saturating_add(1));
    }
    if change.manual_review {
        draft.set(&["completionStatus", "requiresManualReview"], true);
        let note = format!("A person has to look: {}", change.why.text);
        effects.events.push(Event::warning("EscalatedToManualReview", note));
    }
    if let Some(at) = change.next_allowed_at {
        draft.set(&["routingStatus", "nextAllowedExecution"], at.to_string());
    }
    retain(context, draft);
    if let Some(phase) = change.failure_phase {
        let note = format!("Remediation failed during {}: {}", phase.name(), change.reason);
        effects.events.push(Event::warning("RemediationFailed", note));
    } else if let Some(outcome) = change.outcome.filter(|_| change.from == Phase::Analyzing) {
        let note = format!("Remediation completed: {}", outcome.name());
        effects.events.push(Event::normal("RemediationCompleted", note));
    }
}

fn retain(context: &Context<'_>, draft: &mut StatusDraft) {
    draft.set(&["retentionExpiryTime"], context.observation.now.plus(context.settings.retention).to_string());
}

/// The step that notes until when verification can last, once the assessment has published it.
pub(crate) fn note_verification_deadline(context: &Context<'_>, why: &Explanation) -> Option<Plan> {
    let observation = context.observation;
    let is_published = observation.phase == Some(Phase::Verifying)
        && observation.facts.assessment.as_ref().is_some_and(|assessment| assessment.validity_deadline.is_some())
        && observation.object.pointer("/status/phaseProgress/verificationDeadline").is_none();
    let limit = context.limits.limits.iter().find(|limit| limit.scope == Scope::Phase(Phase::Verifying))?;
    if !is_published {
        return None;
    }
    let mut draft = StatusDraft::of(observation);
    draft.set(&["phaseProgress", "verificationDeadline"], limit.at.to_string());
    let record = context.next_record(None, why);
    Some(context.plan(observation.phase, None, draft.into_patch(&record), Effects::default(), why.clone()))
}

/// The deadline that a child of this phase is told, from the phase's budget.
pub(crate) fn child_deadline(context: &Context<'_>, phase: Phase) -> Option<Timestamp> {
    context
        .limits
        .budget(phase)
        .filter(|budget| *budget > Span::default())
        .map(|budget| context.observation.now.plus(budget))
}
