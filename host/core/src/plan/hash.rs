//! The step before an execution: the state of the object to be healed is noted.

use super::{Context, Effects, Event, Plan};
use crate::json::some_text;
use crate::observation::{Observation, TargetHash};
use crate::proposal::Explanation;
use crate::status::StatusDraft;

/// Condition that tells whether the hash was captured.
const CONDITION: &str = "PreRemediationHashCaptured";

/// Most characters of why a hash could not be captured.
const REASON_CHARACTERS_MAX: usize = 800;

/// Whether a hash, or that there can be none, was noted before: it is used ever after.
pub(crate) fn is_noted(observation: &Observation) -> bool {
    let conditions = observation.object.pointer("/status/conditions").and_then(serde_json::Value::as_array);
    some_text(&observation.object, "/status/operatorAudit/preRemediationSpecHash").is_some()
        || conditions.is_some_and(|all| all.iter().any(|condition| condition["type"] == CONDITION))
}

/// The step that notes the hash, or why there is none. `None` where there is nothing to note: no such object.
pub(crate) fn note(context: &Context<'_>, hash: &TargetHash) -> Option<Plan> {
    let observation = context.observation;
    let mut draft = StatusDraft::of(observation);
    let mut effects = Effects::default();
    let text = match hash {
        TargetHash::Known(hash) => {
            draft.set(&["operatorAudit", "preRemediationSpecHash"], hash.clone());
            draft.condition(CONDITION, true, "HashCaptured", "Pre-remediation hash captured");
            format!("The state of {} was noted before the execution.", observation.remediation_target().display())
        }
        TargetHash::Degraded(why) => {
            let why: String = why.chars().take(REASON_CHARACTERS_MAX).collect();
            let target = observation.remediation_target().display();
            draft.condition(CONDITION, false, "HashCaptureFailed", &why);
            let note = format!("Pre-remediation hash unavailable for {target}: {why}");
            effects.events.push(Event::warning("HashCaptureDegraded", note.clone()));
            note
        }
        TargetHash::Absent | TargetHash::Failed(_) => return None,
    };
    let why = Explanation::new("TargetHash", text);
    let record = context.next_record(None, &why);
    Some(context.plan(observation.phase, None, draft.into_patch(&record), effects, why))
}
