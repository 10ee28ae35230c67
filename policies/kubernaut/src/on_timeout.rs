//! What happens when the time of a phase is up: it ends, people are told first, or it begins anew.

use trimtab_policy_sdk::{
    Child, Deadline, DurationMs, Explanation, Intent, Observation, child, child_phases, is_overridden, kinds,
    on_expiry, phases,
};

use crate::config::{Config, OnTimeout};

/// Attempts of one remediation that this policy makes, whichever phase needs the second one.
const ATTEMPTS_MAX: u32 = 2;

/// How much longer this phase, or the whole, lasts because people are told first. A length set by hand is never
/// lengthened.
pub(crate) fn extra(observation: &Observation, config: &Config, phase: &str) -> DurationMs {
    if is_overridden(observation, phase) { 0 } else { config.on_timeout.extra(phase) }
}

/// The deadline with what happens when it has passed, or before.
pub(crate) fn arrange(observation: &Observation, config: &Config, deadline: Deadline) -> Deadline {
    let extra = extra(observation, config, &deadline.phase);
    if extra > 0 {
        let told_at = deadline.at.saturating_sub(extra);
        return deadline.escalating_at(told_at);
    }
    if is_retried(observation, config, &deadline.phase) {
        return Deadline { on_expiry: on_expiry::ASK.to_owned(), ..deadline };
    }
    deadline
}

/// To begin the current phase anew, where its time is up and config wants that. A result that came late is used all the
/// same: it is worth more than another attempt.
pub(crate) fn retry(observation: &Observation, expired: &[String], config: &Config) -> Option<Intent> {
    let phase = observation.phase.as_str();
    if !is_retried(observation, config, phase) {
        return None;
    }
    let child = child_of(observation).filter(|child| child.found);
    let has_result = child.is_some_and(|child| child.phase == child_phases::COMPLETED);
    let is_up = expired.iter().any(|name| name == phase) || child.is_some_and(gave_up);
    let next = observation.attempt.saturating_add(1);
    let text = || format!("the time of {phase} is up: it begins anew as attempt {next} of {ATTEMPTS_MAX}");
    (is_up && !has_result).then(|| Intent::retry(Explanation::new("PhaseRetried", text())))
}

/// Whether this phase begins anew when its time is up.
fn is_retried(observation: &Observation, config: &Config, phase: &str) -> bool {
    let is_wanted = config.on_timeout.of(phase) == OnTimeout::RetryOnce && observation.attempt < ATTEMPTS_MAX;
    // Of an execution that is gone, or that another one stands for, nobody knows whether it still runs.
    let is_settled = |child: &Child| child.found && child.reason != "Deduplicated";
    is_wanted && (phase != phases::EXECUTING || child_of(observation).is_some_and(is_settled))
}

/// Whether the child has ended itself at the deadline that it was told.
fn gave_up(child: &Child) -> bool {
    let times = child.finished_at.zip(child.deadline);
    child.phase == child_phases::FAILED && times.is_some_and(|(finished, deadline)| finished >= deadline)
}

fn child_of(observation: &Observation) -> Option<&Child> {
    let kind = match observation.phase.as_str() {
        phases::PROCESSING => kinds::SIGNAL_PROCESSING,
        phases::ANALYZING => kinds::AI_ANALYSIS,
        phases::EXECUTING => kinds::WORKFLOW_EXECUTION,
        _ => return None,
    };
    child(observation, kind)
}

#[cfg(test)]
mod tests;
