//! The step by which people are told that a clock has run for long, before it ends the remediation.

use super::{Context, Effects, Event, Plan, creation};
use crate::guardrails::deadlines::{Limit, Scope};
use crate::manifest::notification::{Purpose, overdue};
use crate::observation::Observation;
use crate::proposal::Explanation;
use crate::status::StatusDraft;
use crate::time::Timestamp;

/// Whether people have been told already that this clock has run for long: once for each clock of a remediation.
pub(crate) fn is_told(observation: &Observation, scope: Scope) -> bool {
    let name = overdue::object_name(phase_of(scope), &observation.name);
    let references = observation.object.pointer("/status/completionStatus/notificationRequestRefs");
    references
        .and_then(serde_json::Value::as_array)
        .is_some_and(|references| references.iter().any(|reference| reference["name"] == name.as_str()))
}

/// The step that tells people; `since` is when they were to be told.
pub(crate) fn escalate(context: &Context<'_>, limit: &Limit, since: Timestamp) -> Plan {
    let observation = context.observation;
    let started_at = match limit.scope {
        Scope::Global => observation.started_at,
        Scope::Phase(_) => observation.phase_entered_at(),
    };
    let started_at = started_at.unwrap_or(observation.now);
    let lasted = since.since(started_at);
    let what = match limit.scope {
        Scope::Global => "The remediation".to_owned(),
        Scope::Phase(phase) => format!("Phase {phase}"),
    };
    let text = format!("{what} has lasted longer than {lasted}; it ends {} unless something happens", limit.at);
    let purpose = Purpose::Overdue { phase: phase_of(limit.scope), lasted, started_at, ends_at: limit.at };
    let mut draft = StatusDraft::of(observation);
    let mut effects = Effects::default();
    creation::notify(context, &purpose, None, &mut draft, &mut effects);
    effects.events.push(Event::warning("RemediationOverdue", text.clone()));
    let why = Explanation::new("Escalated", text);
    let record = context.next_record(None, &why);
    context.plan(observation.phase, None, draft.into_patch(&record), effects, why)
}

const fn phase_of(scope: Scope) -> Option<crate::phase::Phase> {
    match scope {
        Scope::Global => None,
        Scope::Phase(phase) => Some(phase),
    }
}

#[cfg(test)]
mod tests;
