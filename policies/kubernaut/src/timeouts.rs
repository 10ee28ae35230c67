//! The timeouts slot: until when each phase may last.

use trimtab_policy_sdk::{
    Budget, Deadline, DurationMs, Explanation, Facts, GoDuration, Observation, Schedule, TimestampMs, child,
    child_phases, effective, entered_at, is_overridden, kinds, phases,
};

use crate::config::{Config, TimeoutConfig};

/// Deadlines for the whole remediation and its current phase, and the budget of every phase.
pub(crate) fn schedule<F: Facts>(facts: &F, observation: &Observation, config: &Config) -> Schedule {
    let timeouts = &config.timeouts;
    let global = effective(observation, phases::GLOBAL, timeouts.global.milliseconds());
    let mut deadlines: Vec<Deadline> =
        observation.started_at.map(|at| Deadline::time_out(phases::GLOBAL, at, global)).into_iter().collect();
    let current = phase(facts, observation, config);
    let why = explain(observation, global, current.as_ref());
    deadlines.extend(current.map(|(deadline, _)| deadline));
    Schedule { deadlines, budgets: budgets(observation, timeouts), why, attributes: Vec::new() }
}

/// What a phase's deadline rests on, as a stable code.
type Rule = &'static str;

fn phase<F: Facts>(facts: &F, observation: &Observation, config: &Config) -> Option<(Deadline, Rule)> {
    let timeouts = &config.timeouts;
    let entered = entered_at(observation, &observation.phase)?;
    match observation.phase.as_str() {
        phases::PROCESSING => own(observation, phases::PROCESSING, entered, timeouts.processing),
        phases::ANALYZING => analyzing(facts, observation, entered, timeouts),
        phases::AWAITING_APPROVAL => Some(awaiting_approval(observation, entered, timeouts)),
        phases::EXECUTING => own(observation, phases::EXECUTING, entered, timeouts.executing),
        phases::VERIFYING => Some(verifying(observation, entered, config)),
        _ => None,
    }
}

/// A phase whose length can be overridden; zero means that it has no deadline of its own.
fn own(
    observation: &Observation,
    phase: &str,
    entered: TimestampMs,
    configured: GoDuration,
) -> Option<(Deadline, Rule)> {
    let length = effective(observation, phase, configured.milliseconds());
    let rule = if is_overridden(observation, phase) { "OverriddenTimeout" } else { "ConfiguredTimeout" };
    (length > 0).then(|| (Deadline::time_out(phase, entered, length), rule))
}

/// Analyzing lasts longer while a person is in a session with an analysis that has not ended.
fn analyzing<F: Facts>(
    facts: &F,
    observation: &Observation,
    entered: TimestampMs,
    timeouts: &TimeoutConfig,
) -> Option<(Deadline, Rule)> {
    let (deadline, rule) = own(observation, phases::ANALYZING, entered, timeouts.analyzing)?;
    let interactive = timeouts.analyzing_interactive.milliseconds();
    let at_work = child(observation, kinds::AI_ANALYSIS).is_some_and(|analysis| {
        analysis.found && !matches!(analysis.phase.as_str(), child_phases::COMPLETED | child_phases::FAILED)
    });
    if at_work && deadline.duration < interactive && facts.analysis().is_some_and(|analysis| analysis.session_active) {
        return Some((Deadline::time_out(phases::ANALYZING, entered, interactive), "InteractiveSession"));
    }
    Some((deadline, rule))
}

/// The approval request carries the deadline that the person was told.
fn awaiting_approval(observation: &Observation, entered: TimestampMs, timeouts: &TimeoutConfig) -> (Deadline, Rule) {
    let told = child(observation, kinds::REMEDIATION_APPROVAL_REQUEST).and_then(|request| request.deadline);
    if let Some(at) = told {
        return (until(phases::AWAITING_APPROVAL, entered, at), "ApprovalRequestDeadline");
    }
    let length = timeouts.awaiting_approval.milliseconds();
    (Deadline::ask(phases::AWAITING_APPROVAL, entered, length), "ConfiguredTimeout")
}

/// The assessment says until when it can end; until it has said so, the configured length counts from the entry.
fn verifying(observation: &Observation, entered: TimestampMs, config: &Config) -> (Deadline, Rule) {
    let validity = child(observation, kinds::EFFECTIVENESS_ASSESSMENT).and_then(|assessment| assessment.deadline);
    if let Some(at) = validity {
        let at = at.saturating_add(config.verification.grace.milliseconds());
        return (until(phases::VERIFYING, entered, at), "AssessmentDeadline");
    }
    let length = config.timeouts.verifying.milliseconds();
    (Deadline::ask(phases::VERIFYING, entered, length), "ConfiguredTimeout")
}

/// A deadline that another object names. Its length is told in whole seconds, since such times are kept so.
fn until(phase: &str, entered: TimestampMs, at: TimestampMs) -> Deadline {
    let length = at.saturating_sub(entered).saturating_add(500) / 1_000 * 1_000;
    Deadline { at, ..Deadline::ask(phase, entered, length) }
}

fn budgets(observation: &Observation, timeouts: &TimeoutConfig) -> Vec<Budget> {
    let overridable = [
        (phases::GLOBAL, timeouts.global),
        (phases::PROCESSING, timeouts.processing),
        (phases::ANALYZING, timeouts.analyzing),
        (phases::EXECUTING, timeouts.executing),
    ];
    let fixed = [(phases::AWAITING_APPROVAL, timeouts.awaiting_approval), (phases::VERIFYING, timeouts.verifying)];
    let overridable = overridable
        .into_iter()
        .map(|(phase, length)| Budget::new(phase, effective(observation, phase, length.milliseconds())));
    overridable.chain(fixed.into_iter().map(|(phase, length)| Budget::new(phase, length.milliseconds()))).collect()
}

fn explain(observation: &Observation, global: DurationMs, current: Option<&(Deadline, Rule)>) -> Explanation {
    let phase = observation.phase.as_str();
    let length = GoDuration::from_milliseconds;
    let by_hand = if is_overridden(observation, phases::GLOBAL) { ", set by hand" } else { "" };
    let whole = format!("the whole remediation may last {}{by_hand}", length(global));
    let why = match current {
        None if observation.started_at.is_none() => {
            Explanation::new("NotStarted", format!("{whole} once it has started"))
        }
        None => Explanation::new("GlobalTimeout", format!("{whole}; {phase} has no deadline of its own")),
        Some((deadline, rule)) => {
            let told = length(deadline.duration);
            let text = match *rule {
                "OverriddenTimeout" => format!("{phase} may last {told}, set by hand; {whole}"),
                "InteractiveSession" => format!("{phase} may last {told} while a person is in a session; {whole}"),
                "ApprovalRequestDeadline" => format!("a person was given {told} to decide; {whole}"),
                "AssessmentDeadline" => format!("the assessment and its grace last {told}; {whole}"),
                _ => format!("{phase} may last {told}; {whole}"),
            };
            Explanation::new(rule, text).with("phaseMs", deadline.duration)
        }
    };
    why.with("globalMs", global)
}

#[cfg(test)]
mod tests;
