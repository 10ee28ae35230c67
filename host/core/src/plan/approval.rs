//! What becomes of an approval request when its remediation goes on without it.

use serde_json::Value;

use super::{Action, Effects, Event};
use crate::json::text;
use crate::manifest::approval_request;
use crate::observation::{Approval, Child, ChildKind, Observation};
use crate::phase::Phase;

/// The request, where the cluster has it.
fn request(observation: &Observation) -> Option<(&Child, &Approval)> {
    let child = observation.child(ChildKind::RemediationApprovalRequest).filter(|child| child.found)?;
    Some((child, observation.facts.approval.as_ref()?))
}

fn patch_request(child: &Child, status: Value, is_required: bool) -> Action {
    Action::PatchStatus {
        kind: child.kind.name().to_owned(),
        name: child.name.clone(),
        status,
        resource_version: Some(text(&child.object, "/metadata/resourceVersion").to_owned()),
        is_required,
    }
}

/// Notes on the request what a person has decided, or that nobody has in time.
pub(super) fn leave(observation: &Observation, to: Phase, effects: &mut Effects) {
    let Some((child, approval)) = request(observation) else { return };
    let Observation { record, .. } = observation;
    if record.has_told_decision(record.sequence.saturating_add(1), text(&child.object, "/metadata/uid")) {
        return;
    }
    let by = if approval.decided_by.is_empty() { "operator" } else { &approval.decided_by };
    match approval.decision.as_str() {
        "Approved" => {
            note_override(observation, by, effects);
            effects.actions.push(patch_request(child, approval_request::decided(observation, approval), false));
            effects.events.push(Event::normal("ApprovalGranted", format!("Approval granted by {by}")));
        }
        "Rejected" => {
            effects.actions.push(patch_request(child, approval_request::decided(observation, approval), false));
            let note = format!("Approval rejected by {by}: {}", approval.message);
            effects.events.push(Event::warning("ApprovalRejected", note));
        }
        // Somebody else has closed it already.
        "Expired" => {
            let status = approval_request::noted_expired(observation, approval);
            effects.actions.push(patch_request(child, status, false));
            effects.events.push(expired(approval));
        }
        "" if observation.now > approval.required_by || to.is_terminal() => close(observation, effects),
        _ => {}
    }
}

/// What the record of a step notes that is blocked after the decision about its approval: its number, and the request.
pub(super) fn told_by_block(observation: &Observation, sequence: u64) -> Option<(u64, String)> {
    let (child, approval) = request(observation).filter(|_| observation.phase == Some(Phase::AwaitingApproval))?;
    let is_decided = !approval.decision.is_empty() || observation.now > approval.required_by;
    is_decided.then(|| (sequence, text(&child.object, "/metadata/uid").to_owned()))
}

/// Closes a request that nobody has decided. A person who decides at this very moment must win, so the step does not go
/// on without it.
pub(super) fn close(observation: &Observation, effects: &mut Effects) {
    let Some((child, approval)) = request(observation).filter(|(_, approval)| approval.decision.is_empty()) else {
        return;
    };
    effects.actions.push(patch_request(child, approval_request::expired(observation, approval), true));
    if observation.now > approval.required_by {
        effects.events.push(expired(approval));
    }
}

/// Closes the undecided request of a remediation that has ended, whoever ended it.
pub(super) fn close_ended(observation: &Observation) -> Option<Action> {
    let (child, approval) = request(observation).filter(|(_, approval)| approval.decision.is_empty())?;
    Some(patch_request(child, approval_request::expired(observation, approval), false))
}

fn expired(approval: &Approval) -> Event {
    Event::warning("ApprovalExpired", format!("No decision before {}", approval.required_by))
}

fn note_override(observation: &Observation, by: &str, effects: &mut Effects) {
    let Some(change) = observation.facts.workflow_override.iter().flatten().find(|change| change.found) else { return };
    let what = match (change.workflow_name.as_str(), change.replaces_parameters) {
        ("", _) => "parameters".to_owned(),
        (name, false) => format!("workflow {name}"),
        (name, true) => format!("workflow {name} and parameters"),
    };
    effects.events.push(Event::normal("OperatorOverride", format!("{by} approved another {what}")));
}

#[cfg(test)]
mod tests;
