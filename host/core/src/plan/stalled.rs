//! The condition `Stalled`: what holds a remediation up until somebody mends it.

use serde_json::Value;

use super::{Context, Effects, Plan};
use crate::json::text;
use crate::observation::{Absence, MissingKind, Observation, Obstacle};
use crate::phase::Phase;
use crate::proposal::Explanation;
use crate::status::{StatusDraft, set_condition};

/// Type of the condition.
pub(crate) const CONDITION: &str = "Stalled";

/// Most characters of its message.
const MESSAGE_CHARACTERS_MAX: usize = 1024;

/// The reason once it is over, and its message.
const RESUMED: (&str, &str) = ("Resumed", "The remediation goes on.");

/// The same where the remediation has ended.
const ENDED: (&str, &str) = ("Ended", "The remediation has ended.");

/// The obstacle that a kind which cannot be read is.
pub(crate) fn of_kind(missing: &MissingKind) -> Obstacle {
    let MissingKind { kind, definition, absence } = missing;
    let (reason, message) = match absence {
        Absence::NotServed => (
            format!("{kind}Missing"),
            format!(
                "the cluster serves no {kind}: install the CRD {definition} with `trimtab crds | kubectl apply -f -`"
            ),
        ),
        Absence::OtherVersions(versions) => (
            format!("{kind}Missing"),
            format!(
                "the CRD {definition} serves {} but not v1alpha1, the version that this trimtab knows: let it serve \
                 v1alpha1 as well, or upgrade trimtab",
                versions.join(", ")
            ),
        ),
        Absence::Forbidden(answer) => (
            "Forbidden".to_owned(),
            format!("{answer}: grant the verbs get, list and watch on {definition} to the controller"),
        ),
    };
    Obstacle { reason, message }
}

/// The step that shows what holds a remediation up, or that nothing does any more. `None` where the condition says so
/// already: it is written once for each change, not for each try.
pub(crate) fn note(context: &Context<'_>, obstacle: Option<&Obstacle>) -> Option<Plan> {
    let observation = context.observation;
    let shown = shown(observation);
    let mut draft = StatusDraft::of(observation);
    let why = if let Some(Obstacle { reason, message }) = obstacle {
        let message: String = message.chars().take(MESSAGE_CHARACTERS_MAX).collect();
        if shown == Some((reason.as_str(), message.as_str())) {
            return None;
        }
        draft.condition(CONDITION, true, reason, &message);
        Explanation::new("Stalled", format!("{reason}: {message}"))
    } else {
        shown?;
        draft.condition(CONDITION, false, RESUMED.0, RESUMED.1);
        Explanation::new("Resumed", RESUMED.1)
    };
    let record = context.next_record(None, &why);
    Some(context.plan(observation.phase, None, draft.into_patch(&record), Effects::default(), why))
}

/// Adds to a step which changes the phase that nothing holds the remediation up any more.
pub(crate) fn lift(observation: &Observation, plan: &mut Plan) {
    if plan.from == plan.to || shown(observation).is_none() {
        return;
    }
    let conditions = plan.status.as_mut().and_then(|status| status.get_mut("conditions"));
    if let Some(conditions) = conditions.and_then(Value::as_array_mut) {
        let (reason, message) = if plan.to.is_some_and(Phase::is_terminal) { ENDED } else { RESUMED };
        let condition = (CONDITION, false, reason, message);
        set_condition(conditions, observation.now, Some(observation.generation), condition);
    }
}

/// Reason and message of the condition, where it is true.
fn shown(observation: &Observation) -> Option<(&str, &str)> {
    let conditions = observation.object.pointer("/status/conditions").and_then(Value::as_array)?;
    let condition = conditions.iter().find(|one| one["type"] == CONDITION && one["status"] == "True")?;
    Some((text(condition, "/reason"), text(condition, "/message")))
}
