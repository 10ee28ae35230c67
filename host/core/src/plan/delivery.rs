//! How the delivery of a remediation's notifications stands, and children that cannot be created: what is noted of them
//! changes no phase.

use super::{Context, Effects, Plan};
use crate::manifest::notification;
use crate::observation::{ChildKind, Notification, Observation};
use crate::phase::Phase;
use crate::proposal::Explanation;
use crate::status::StatusDraft;

/// The condition that tells of it.
const DELIVERED: &str = "NotificationDelivered";

/// Most characters of a message that comes from elsewhere.
const MESSAGE_CHARACTERS_MAX: usize = 1024;

/// The step that notes what has become of notifications and failed creations. `None` where nothing is new.
pub(crate) fn news(context: &Context<'_>) -> Option<Plan> {
    let observation = context.observation;
    let mut draft = StatusDraft::of(observation);
    let mut found = Vec::new();
    let notified = follow(observation, &mut draft, &mut found);
    note_failed_creations(observation, &mut draft, &mut found);
    let (rule, text) = found.first().cloned()?;
    let why = Explanation::new(rule, text);
    let mut record = context.next_record(None, &why);
    record.notified = notified;
    Some(context.plan(observation.phase, None, draft.into_patch(&record), Effects::default(), why))
}

/// Notes how the delivery stands: the last reference that says anything wins. The result is the last notification whose
/// delivery was seen to end; `found` gets a rule and a sentence where something is new.
pub(super) fn follow(
    observation: &Observation,
    draft: &mut StatusDraft,
    found: &mut Vec<(&'static str, String)>,
) -> String {
    let stand = Stand::of(observation);
    if let Some(status) = stand.status
        && stand.is_new(observation, draft)
    {
        let name = stand.name;
        draft.set(&["completionStatus", "notificationStatus"], status);
        if let Some((is_true, reason, message)) = &stand.condition {
            draft.renew_condition(DELIVERED, *is_true, reason, message);
        }
        if status == "Cancelled" {
            draft.set(&["message"], format!("NotificationRequest {name} is gone without having been delivered"));
        }
        found.push(("NotificationFollowed", format!("The delivery of notification {name} stands at {status}.")));
    }
    stand.notified
}

/// How the delivery stands.
struct Stand<'o> {
    /// Name of the notification that the status is about.
    name: &'o str,
    status: Option<&'static str>,
    condition: Option<(bool, &'static str, String)>,
    notified: String,
}

impl<'o> Stand<'o> {
    fn of(observation: &'o Observation) -> Self {
        let notified = observation.record.notified.clone();
        let mut stand = Self { name: "", status: None, condition: None, notified };
        let is_noted = |one: &Notification| !one.name.is_empty() && one.name == observation.record.notified;
        // One whose delivery was seen to end is not cancelled by being collected; nor is any before it.
        let ended = observation.notifications.iter().position(is_noted);
        // What cannot be read is not gone.
        let is_readable = !observation.missing_kinds.iter().any(|missing| missing.kind == notification::KIND);
        for (place, one) in observation.notifications.iter().enumerate() {
            let is_past = ended.is_some_and(|ended| place <= ended);
            let (status, condition) = match one.phase.as_str() {
                _ if !one.found && (is_past || !is_readable) => continue,
                _ if !one.found => {
                    let message = format!("NotificationRequest {} is gone without having been delivered", one.name);
                    ("Cancelled", Some((false, "UserCancelled", message)))
                }
                "Pending" => ("Pending", None),
                "Sending" => ("InProgress", None),
                "Sent" => ("Sent", Some((true, "DeliverySucceeded", "Notification delivered successfully".to_owned()))),
                "Failed" => ("Failed", Some((false, "DeliveryFailed", failure(one)))),
                _ => continue,
            };
            (stand.name, stand.status) = (&one.name, Some(status));
            stand.condition = condition.or(stand.condition);
            if one.found && matches!(status, "Sent" | "Failed") {
                stand.notified.clone_from(&one.name);
            }
        }
        stand
    }

    fn is_new(&self, observation: &Observation, draft: &StatusDraft) -> bool {
        let known = draft.known_condition(DELIVERED);
        let is_told = self
            .condition
            .as_ref()
            .is_none_or(|(is_true, reason, message)| known == Some((*is_true, *reason, message.as_str())));
        let is_shown = self.status == Some(draft.text("/completionStatus/notificationStatus"));
        !(is_told && is_shown && self.notified == observation.record.notified)
    }
}

fn failure(notification: &Notification) -> String {
    let said = notification.message.as_str();
    let said = if said.is_empty() { "the notification service gives no reason" } else { said };
    bounded(&format!("Notification delivery failed: {said}"))
}

fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARACTERS_MAX).collect()
}

/// Notes children that could not be created, once: the condition stays until one of that kind is there.
fn note_failed_creations(observation: &Observation, draft: &mut StatusDraft, found: &mut Vec<(&'static str, String)>) {
    if observation.phase.is_none_or(Phase::is_terminal) {
        return;
    }
    for failed in &observation.failed_creations {
        let kind = match failed.kind {
            ChildKind::SignalProcessing | ChildKind::AIAnalysis | ChildKind::WorkflowExecution => failed.kind.name(),
            ChildKind::RemediationApprovalRequest | ChildKind::EffectivenessAssessment => continue,
        };
        let (condition, reason) = (format!("{kind}Ready"), format!("{kind}CreationFailed"));
        let is_noted = draft.known_condition(&condition).is_some_and(|(_, known, _)| known == reason);
        let is_there = observation.child(failed.kind).is_some_and(|child| child.found);
        if is_noted || is_there {
            continue;
        }
        let message = bounded(&format!("Failed to create {kind}: {}", failed.message));
        found.push(("CreationFailed", format!("{message}. It is tried again.")));
        draft.condition(&condition, false, &reason, &message);
    }
}

#[cfg(test)]
mod tests;
