//! After the end: what every ended remediation has, whoever ended it, and its removal when its time is up.

use super::{Action, Context, Effects, Plan, delivery, leave_verification, repair, retain};
use crate::json::some_text;
use crate::observation::Observation;
use crate::phase::Phase;
use crate::proposal::Explanation;
use crate::status::StatusDraft;
use crate::time::Timestamp;

/// Until when an ended remediation is kept; `None` where nobody has said so yet.
pub(crate) fn expiry(observation: &Observation) -> Option<Timestamp> {
    some_text(&observation.object, "/status/retentionExpiryTime").and_then(Timestamp::parse)
}

/// The step that deletes an ended remediation whose time is up. `None` before that.
pub(crate) fn removal(observation: &Observation) -> Option<Plan> {
    let phase = observation.phase.filter(|phase| phase.is_terminal())?;
    let expiry = expiry(observation).filter(|expiry| observation.now > *expiry)?;
    let text = format!("The remediation ended as {phase} and was kept until {expiry}.");
    Some(Plan {
        uid: observation.uid.clone(),
        namespace: observation.namespace.clone(),
        name: observation.name.clone(),
        sequence: observation.record.sequence.saturating_add(1),
        resource_version: observation.resource_version.clone(),
        from: Some(phase),
        to: Some(phase),
        outcome: None,
        actions: vec![Action::Delete {
            kind: "RemediationRequest".to_owned(),
            name: observation.name.clone(),
            uid: observation.uid.clone(),
            resource_version: observation.resource_version.clone(),
        }],
        status: None,
        events: Vec::new(),
        audit: Vec::new(),
        why: Explanation::new("RetentionExpired", text),
        at: observation.now,
    })
}

/// The step that gives an ended remediation what its end has not left, and notes what has become since of its assessment
/// and its notifications; its unfinished children are told along with it. `None` where nothing is new.
pub(crate) fn aftermath(context: &Context<'_>) -> Option<Plan> {
    let observation = context.observation;
    let phase = observation.phase.filter(|phase| phase.is_terminal())?;
    let mut draft = StatusDraft::of(observation);
    let mut found = Vec::new();
    if expiry(observation).is_none() {
        retain(context, &mut draft);
        let until = draft.text("/retentionExpiryTime");
        found.push(("Retained", format!("The remediation ended as {phase} and is kept until {until}.")));
    }
    if draft.known_condition("Ready").is_none() {
        let (is_true, reason) = match phase {
            Phase::Completed | Phase::Skipped => (true, "Ready"),
            _ => (false, "NotReady"),
        };
        draft.condition("Ready", is_true, reason, &format!("Terminal phase: {phase}"));
        found.push(("ReadyNoted", format!("The remediation ended as {phase} without saying so.")));
    }
    if leave_verification(observation, &mut draft) {
        found.push(("AssessmentNoted", "The assessment of the effect has ended after the remediation.".to_owned()));
    }
    let notified = delivery::follow(observation, &mut draft, &mut found);
    let (rule, text) = found.first().cloned()?;
    let why = Explanation::new(rule, text);
    let mut record = context.next_record(None, &why);
    record.notified = notified;
    let effects = Effects { actions: repair::unfinished(observation, phase), events: Vec::new() };
    Some(context.plan(Some(phase), None, draft.into_patch(&record), effects, why))
}

#[cfg(test)]
mod tests;
