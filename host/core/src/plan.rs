//! Plans: a fully specified step that leaves no choice to whoever performs it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::audit::AuditEvent;
use crate::guardrails::Refusal;
use crate::guardrails::creations::Wanted;
use crate::guardrails::deadlines::{Limits, Scope};
use crate::guardrails::intent::Transition;
use crate::manifest::Manifest;
use crate::members::Seat;
use crate::observation::{ChildKind, Observation};
use crate::phase::{Move, Outcome, Phase};
use crate::proposal::Explanation;
use crate::record::{Record, Revision, SetRevision};
use crate::settings::Settings;
use crate::status::StatusDraft;
use crate::time::{Span, Timestamp};

pub(crate) mod approval;
pub(crate) mod backoff;
pub(crate) mod blocking;
pub mod counts;
mod creation;
pub(crate) mod delivery;
mod ending;
pub(crate) mod escalation;
pub(crate) mod expiry;
pub(crate) mod hash;
pub(crate) mod repair;
pub(crate) mod retention;
pub(crate) mod retry;
pub(crate) mod stalled;

use ending::{end, fail, retain};

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
    /// Delete an object; one that is gone already is taken as deleted.
    Delete {
        /// Kubernetes kind.
        kind: String,
        /// Name.
        name: String,
        /// Its uid: a precondition.
        uid: String,
        /// Its resourceVersion: a precondition.
        resource_version: String,
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
    /// Whether the step deletes the remediation itself: then nothing of it can be seen once it is done.
    pub fn is_removal(&self) -> bool {
        self.actions.iter().any(|action| matches!(action, Action::Delete { uid, .. } if *uid == self.uid))
    }

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
    pub(crate) revisions: &'a [(Seat, Revision)],
    pub(crate) set_revision: Option<&'a SetRevision>,
}

/// The key of who answered: the slot's name; for the second policy of a slot and those after it, its number behind a slash.
fn seat_name(seat: Seat) -> String {
    let Seat { slot, member } = seat;
    if member.is_first() { slot.name().to_owned() } else { format!("{slot}/{member}") }
}

impl Context<'_> {
    fn next_record(&self, entered: Option<Phase>, why: &Explanation) -> Record {
        let mut record = self.observation.record.clone();
        // The observation's phase times are the truth: a person may have moved them in the status.
        record.phases.clone_from(&self.observation.phases);
        record.sequence = record.sequence.saturating_add(1);
        record.at = Some(self.observation.now);
        record.from = self.observation.phase;
        record.begun_again = false;
        if let Some(phase) = entered {
            record.enter(phase, self.observation.now);
        }
        if entered == Some(Phase::Blocked) {
            let told = approval::told_by_block(self.observation, record.sequence);
            record.decision_told =
                told.filter(|(_, uid)| !record.has_told_decision(record.sequence, uid)).or(record.decision_told);
        }
        for (seat, _) in self.revisions {
            // What a policy of theirs answered at an earlier step is no part of this one's answer.
            record.slots.retain(|known, _| known.split('/').next() != Some(seat.slot.name()));
        }
        for (seat, revision) in self.revisions {
            record.slots.insert(seat_name(*seat), revision.clone());
        }
        // Once it has ended no policy is asked any more: what is told of it stays.
        if !self.observation.phase.is_some_and(Phase::is_terminal) {
            record.set_revision = self.set_revision.cloned();
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
    if change.how == Move::Retry {
        return retry::begin_again(context, change, wanted);
    }
    let observation = context.observation;
    let mut draft = StatusDraft::of(observation);
    let mut effects = Effects::default();
    leave(observation, change, &mut draft, &mut effects);
    match &change.block {
        Some(block) => blocking::enter(observation, change, block, &mut draft, &mut effects),
        None => draft.enter(change.to, change.outcome),
    }
    if change.from == Phase::Blocked {
        blocking::leave(change, &mut draft);
    }
    creation::create(context, change, wanted, &mut draft, &mut effects)?;
    // The words of a block are the block's own.
    if !change.message.is_empty() && change.how != Move::Block {
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
        Move::Inherit => {
            fail(observation, change, &mut draft);
            blocking::inherit(observation, change, &mut draft, &mut effects);
            end(context, change, &mut draft, &mut effects);
        }
        // Only the host times out, see `expire`; a retry is a step of its own; a block is told where it is entered.
        Move::TimeOut | Move::Retry | Move::Block => {}
    }
    let record = context.next_record(Some(change.to), &change.why);
    Ok(context.plan(Some(change.to), change.outcome, draft.into_patch(&record), effects, change.why.clone()))
}

/// What is noted about the phase that is left: its child's end, a person's decision.
fn leave(observation: &Observation, change: &Transition, draft: &mut StatusDraft, effects: &mut Effects) {
    if let Some((kind, label)) = match change.from {
        Phase::Processing => Some((ChildKind::SignalProcessing, "SignalProcessing")),
        Phase::Analyzing => Some((ChildKind::AIAnalysis, "AIAnalysis")),
        // Where another execution stands for it, that one's end is told.
        Phase::Executing if change.how == Move::Inherit => None,
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
        approval::leave(observation, change.to, effects);
    }
    if change.from == Phase::Verifying {
        leave_verification(observation, draft);
    }
}

/// Notes how the assessment has ended, once: the result is whether there was anything to note.
fn leave_verification(observation: &Observation, draft: &mut StatusDraft) -> bool {
    let Some(assessment) = observation.facts.assessment.as_ref() else { return false };
    let is_open = |(_, reason, _): (bool, &str, &str)| reason == "AssessmentInProgress";
    if !draft.known_condition("EffectivenessAssessed").is_none_or(is_open) {
        return false;
    }
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
        _ => return false,
    };
    draft.condition("EffectivenessAssessed", is_true, reason, &message);
    true
}

fn verify(draft: &mut StatusDraft) {
    draft.remove(&["routingStatus", "nextAllowedExecution"]);
    draft.remove(&["routingStatus", "consecutiveFailureCount"]);
}

/// The step that notes until when verification can last, once the assessment has published it.
pub(crate) fn note_verification_deadline(context: &Context<'_>, why: &Explanation) -> Option<Plan> {
    let observation = context.observation;
    let is_published = observation.phase == Some(Phase::Verifying)
        && observation.facts.assessment.as_ref().is_some_and(|assessment| assessment.validity_deadline.is_some())
        && observation.object.pointer("/status/phaseProgress/verificationDeadline").is_none();
    // Behind the deadline that asks lies the ceiling, which ends.
    let of_phase = context.limits.limits.iter().filter(|limit| limit.scope == Scope::Phase(Phase::Verifying));
    let limit = of_phase.min_by_key(|limit| limit.at)?;
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
