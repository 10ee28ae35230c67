//! The step by which a phase begins anew as another attempt, and the end of what the attempt before it left at work.

use serde_json::{Value, json};

use super::{Action, Context, Effects, Event, Plan, creation, repair};
use crate::guardrails::creations::Wanted;
use crate::guardrails::intent::Transition;
use crate::guardrails::{Refusal, RefusalReason};
use crate::json::text;
use crate::observation::{Child, ChildKind, Observation};
use crate::phase::{Move, Phase};
use crate::proposal::{Explanation, Slot};
use crate::status::StatusDraft;

/// How the text begins that a child is ended with, so that nobody takes its end for its own.
const ENDED_FOR_ATTEMPT: &str = "Ended for attempt ";

/// What has to happen before a phase can begin anew: its unfinished child is told to end, on the version that was seen,
/// so a result that arrives at this moment wins. `None` where nothing is at work.
pub(crate) fn end_first(observation: &Observation, change: &Transition) -> Option<Plan> {
    let child = at_work(observation, change)?;
    let attempt = observation.record.attempt.saturating_add(1);
    let message = format!("{ENDED_FOR_ATTEMPT}{attempt} of {}: {}", change.to, change.why.text);
    let action = Action::PatchStatus {
        kind: child.kind.name().to_owned(),
        name: child.name.clone(),
        status: ended(observation, child.kind, &message)?,
        resource_version: Some(text(&child.object, "/metadata/resourceVersion").to_owned()),
        is_required: true,
    };
    Some(repair::repair(observation, vec![action], Explanation::new("EndedForRetry", message)))
}

/// Whether this host has ended the child for another attempt: it was not done in time then, whatever it says.
pub(crate) fn was_ended(child: &Child) -> bool {
    text_member(child.kind).is_some_and(|member| text(&child.object, member).starts_with(ENDED_FOR_ATTEMPT))
}

/// The step that begins a phase anew: the attempt is counted up, the phase's child is created under its new name, and
/// what earlier phases have made is kept.
pub(super) fn begin_again(context: &Context<'_>, change: &Transition, wanted: &[Wanted]) -> Result<Plan, Refusal> {
    if let Some(child) = at_work(context.observation, change) {
        // INVARIANT: no two children of one phase are at work at once, so no two executions run at once.
        let message = format!("{} is still at work: it has to end before {} begins anew", child.name, change.to);
        return Err(Refusal::new(Slot::Transitions, RefusalReason::ExecutionUnsettled, message));
    }
    let observation = next_attempt(context.observation, change.to);
    let Context { settings, limits, revisions, set_revision, .. } = *context;
    let next = Context { observation: &observation, settings, limits, revisions, set_revision };
    let mut draft = StatusDraft::of(&observation);
    let mut effects = Effects::default();
    draft.enter(change.to, None);
    creation::create(&next, change, wanted, &mut draft, &mut effects)?;
    if !change.message.is_empty() {
        draft.set(&["message"], change.message.clone());
    }
    let note = format!("{} begins anew as attempt {}: {}", change.to, observation.record.attempt, change.why.text);
    effects.events.push(Event::warning("PhaseRetried", note));
    let mut record = next.next_record(Some(change.to), &change.why);
    record.begun_again = true;
    Ok(next.plan(Some(change.to), None, draft.into_patch(&record), effects, change.why.clone()))
}

/// The child of the phase that is to begin anew, where it has not ended.
fn at_work<'o>(observation: &'o Observation, change: &Transition) -> Option<&'o Child> {
    let kind = ChildKind::of_phase(change.to).filter(|_| change.how == Move::Retry)?;
    observation.child(kind).filter(|child| child.found && !child.is_finished())
}

/// The remediation as the next attempt finds it: without what the phase and those after it have made.
fn next_attempt(observation: &Observation, phase: Phase) -> Observation {
    let mut next = observation.clone();
    let Some(first) = ChildKind::of_phase(phase) else { return next };
    next.record.begin_again(first);
    let is_anew = |kind: ChildKind| ChildKind::ALL.into_iter().skip_while(|known| *known != first).any(|it| it == kind);
    next.children.retain(|child| !is_anew(child.kind));
    for kind in ChildKind::ALL.into_iter().filter(|kind| is_anew(*kind)) {
        match kind {
            ChildKind::SignalProcessing => next.facts.classification = None,
            ChildKind::AIAnalysis => next.facts.analysis = None,
            ChildKind::RemediationApprovalRequest => {
                next.facts.approval = None;
                next.facts.workflow_override = Some(None);
            }
            ChildKind::WorkflowExecution => next.facts.execution = None,
            ChildKind::EffectivenessAssessment => next.facts.assessment = None,
        }
    }
    next
}

/// Where the text stands that a child of this kind is ended with.
const fn text_member(kind: ChildKind) -> Option<&'static str> {
    match kind {
        ChildKind::SignalProcessing => Some("/status/failureInfo/error"),
        ChildKind::AIAnalysis => Some("/status/message"),
        ChildKind::WorkflowExecution => Some("/status/failureReason"),
        ChildKind::RemediationApprovalRequest | ChildKind::EffectivenessAssessment => None,
    }
}

/// The status that ends a child of this kind; `None` for those that no retry ends.
fn ended(observation: &Observation, kind: ChildKind, message: &str) -> Option<Value> {
    let now = observation.now.to_string();
    match kind {
        ChildKind::SignalProcessing => Some(json!({"phase": "Failed", "failureInfo": {"error": message}})),
        ChildKind::AIAnalysis => Some(json!({
            "phase": "Failed",
            "reason": "ParentCancelled",
            "message": message,
            "completedAt": now,
        })),
        ChildKind::WorkflowExecution => {
            Some(json!({"phase": "Failed", "failureReason": message, "completionTime": now}))
        }
        ChildKind::RemediationApprovalRequest | ChildKind::EffectivenessAssessment => None,
    }
}

#[cfg(test)]
mod tests;
