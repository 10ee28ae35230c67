//! The notification that a phase, or the whole remediation, has lasted longer than it should, before its time is up.

use serde_json::{Value, json};

use crate::observation::Observation;
use crate::phase::Phase;
use crate::time::{Span, Timestamp};

/// Its name: one for each clock of a remediation. `None` is the clock of the whole.
pub fn object_name(phase: Option<Phase>, remediation: &str) -> String {
    match phase {
        Some(phase) => format!("overdue-{}-{remediation}", phase.name().to_lowercase()),
        None => format!("overdue-{remediation}"),
    }
}

/// Its subject.
pub(super) fn subject(phase: Option<Phase>, signal: &str) -> String {
    match phase {
        Some(phase) => format!("Phase Overdue: {phase} - {signal}"),
        None => format!("Remediation Overdue: {signal}"),
    }
}

/// Its typed context.
pub(super) fn context(observation: &Observation, phase: Option<Phase>, lasted: Span) -> Value {
    let at = phase.or(observation.phase).map_or("", Phase::name);
    json!({
        "lineage": {"remediationRequest": observation.name},
        "execution": {"timeoutPhase": at, "phaseTimeout": lasted.to_string()},
        "target": {"targetResource": observation.target.display()},
    })
}

/// The paragraphs of its text.
pub(super) fn body(
    observation: &Observation,
    phase: Option<Phase>,
    (lasted, started_at, ends_at): (Span, Timestamp, Timestamp),
    paragraphs: &mut Vec<String>,
) {
    let what = phase.map_or_else(|| "The remediation".to_owned(), |phase| format!("The {phase} phase"));
    paragraphs.push(format!("{what} lasts longer than expected and needs attention."));
    paragraphs.push("**Status**: Overdue".into());
    paragraphs.push(format!(
        "**Signal**: {}\n**Phase**: {}\n**Longer Than**: {lasted}\n**Started**: {started_at}\n**Ends**: {ends_at}",
        observation.signal_name,
        observation.phase.map_or("", Phase::name),
    ));
    paragraphs.push(format!("It is ended at {ends_at} unless it goes on before."));
}
