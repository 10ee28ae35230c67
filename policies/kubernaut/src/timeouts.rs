//! The timeouts slot: until when each phase may last.

use trimtab_policy_sdk::{
    Budget, Deadline, DurationMs, Explanation, Facts, GoDuration, Observation, Schedule, TimestampMs, block_reasons,
    child, child_phases, effective, entered_at, is_overridden, kinds, phases,
};

use crate::config::Config;
use crate::on_timeout;

/// How long after its cooldown a block has to have ended.
const COOLDOWN_GRACE: DurationMs = 60_000;

/// Deadlines for the whole remediation and its current phase, and the budget of every phase.
pub(crate) fn schedule<F: Facts>(facts: &F, observation: &Observation, config: &Config) -> Schedule {
    let timeouts = &config.timeouts;
    let global = length(observation, config, phases::GLOBAL, timeouts.global);
    let whole = observation.started_at.map(|at| {
        let length = after_cooldown(facts, observation, at).map_or(global, |least| global.max(least));
        Deadline::time_out(phases::GLOBAL, at, length)
    });
    let global = whole.as_ref().map_or(global, |deadline| deadline.duration);
    let mut deadlines: Vec<Deadline> =
        whole.map(|deadline| on_timeout::arrange(observation, config, deadline)).into_iter().collect();
    let current = phase(facts, observation, config)
        .map(|(deadline, rule)| (on_timeout::arrange(observation, config, deadline), rule));
    let why = explain(observation, global, current.as_ref());
    deadlines.extend(current.map(|(deadline, _)| deadline));
    Schedule { deadlines, budgets: budgets(observation, config), why, attributes: Vec::new() }
}

/// How long the whole has to last so that a block for failures in a row is over before it. A length that a person has
/// set by hand is never lengthened.
fn after_cooldown<F: Facts>(facts: &F, observation: &Observation, from: TimestampMs) -> Option<DurationMs> {
    if observation.phase != phases::BLOCKED || is_overridden(observation, phases::GLOBAL) {
        return None;
    }
    let routing = facts.routing();
    let until = routing.blocked_until.filter(|_| routing.block_reason == block_reasons::CONSECUTIVE_FAILURES)?;
    Some(until.saturating_add(COOLDOWN_GRACE).saturating_sub(from))
}

/// What a phase's deadline rests on, as a stable code.
type Rule = &'static str;

fn phase<F: Facts>(facts: &F, observation: &Observation, config: &Config) -> Option<(Deadline, Rule)> {
    let timeouts = &config.timeouts;
    let entered = entered_at(observation, &observation.phase)?;
    match observation.phase.as_str() {
        phases::PENDING => own(observation, config, entered, timeouts.pending?),
        phases::PROCESSING => own(observation, config, entered, timeouts.processing),
        phases::ANALYZING => analyzing(facts, observation, entered, config),
        phases::AWAITING_APPROVAL => Some(awaiting_approval(observation, entered, config)),
        phases::EXECUTING => own(observation, config, entered, timeouts.executing),
        phases::BLOCKED => own(observation, config, entered, timeouts.blocked?),
        phases::VERIFYING => Some(verifying(observation, entered, config)),
        _ => None,
    }
}

/// How long a phase, or the whole, lasts: what a person has set by hand, else what is configured and, where people are
/// told first, the time after that. Zero stays zero.
fn length(observation: &Observation, config: &Config, phase: &str, configured: GoDuration) -> DurationMs {
    match effective(observation, phase, configured.milliseconds()) {
        0 => 0,
        length => length.saturating_add(on_timeout::extra(observation, config, phase)),
    }
}

/// A phase whose length can be overridden; zero means that it has no deadline of its own.
fn own(
    observation: &Observation,
    config: &Config,
    entered: TimestampMs,
    configured: GoDuration,
) -> Option<(Deadline, Rule)> {
    let phase = observation.phase.as_str();
    let length = length(observation, config, phase, configured);
    let rule = if is_overridden(observation, phase) { "OverriddenTimeout" } else { "ConfiguredTimeout" };
    (length > 0).then(|| (Deadline::time_out(phase, entered, length), rule))
}

/// Analyzing lasts longer while a person is in a session with an analysis that has not ended.
fn analyzing<F: Facts>(
    facts: &F,
    observation: &Observation,
    entered: TimestampMs,
    config: &Config,
) -> Option<(Deadline, Rule)> {
    let (deadline, rule) = own(observation, config, entered, config.timeouts.analyzing)?;
    let interactive = config.timeouts.analyzing_interactive.milliseconds();
    let interactive = interactive.saturating_add(on_timeout::extra(observation, config, phases::ANALYZING));
    let at_work = child(observation, kinds::AI_ANALYSIS).is_some_and(|analysis| {
        analysis.found && !matches!(analysis.phase.as_str(), child_phases::COMPLETED | child_phases::FAILED)
    });
    if at_work && deadline.duration < interactive && facts.analysis().is_some_and(|analysis| analysis.session_active) {
        return Some((Deadline::time_out(phases::ANALYZING, entered, interactive), "InteractiveSession"));
    }
    Some((deadline, rule))
}

/// The approval request carries the deadline that the person was told.
fn awaiting_approval(observation: &Observation, entered: TimestampMs, config: &Config) -> (Deadline, Rule) {
    let told = child(observation, kinds::REMEDIATION_APPROVAL_REQUEST).and_then(|request| request.deadline);
    if let Some(at) = told {
        return (until(phases::AWAITING_APPROVAL, entered, at), "ApprovalRequestDeadline");
    }
    let length = approval(observation, config);
    (Deadline::ask(phases::AWAITING_APPROVAL, entered, length), "ConfiguredTimeout")
}

/// How long a person has to approve: by the first rule that matches.
fn approval(observation: &Observation, config: &Config) -> DurationMs {
    let rule = config.approval.rules.iter().find(|rule| rule.matches(observation));
    let length = rule.map_or(config.timeouts.awaiting_approval, |rule| rule.timeout).milliseconds();
    length.saturating_add(config.on_timeout.extra(phases::AWAITING_APPROVAL))
}

/// The assessment says until when it can end; until it has said so, the configured length counts from the entry.
fn verifying(observation: &Observation, entered: TimestampMs, config: &Config) -> (Deadline, Rule) {
    let validity = child(observation, kinds::EFFECTIVENESS_ASSESSMENT).and_then(|assessment| assessment.deadline);
    let extra = on_timeout::extra(observation, config, phases::VERIFYING);
    let (deadline, rule) = if let Some(at) = validity {
        let at = at.saturating_add(config.verification.grace.milliseconds()).saturating_add(extra);
        (until(phases::VERIFYING, entered, at), "AssessmentDeadline")
    } else {
        let length = config.timeouts.verifying.milliseconds().saturating_add(extra);
        (Deadline::ask(phases::VERIFYING, entered, length), "ConfiguredTimeout")
    };
    let most = config.timeouts.verifying_max.map(GoDuration::milliseconds);
    match most.filter(|most| deadline.at > entered.saturating_add(*most)) {
        Some(most) => (Deadline::ask(phases::VERIFYING, entered, most), "VerifyingMax"),
        None => (deadline, rule),
    }
}

/// A deadline that another object names. Its length is told in whole seconds, since such times are kept so.
fn until(phase: &str, entered: TimestampMs, at: TimestampMs) -> Deadline {
    let length = at.saturating_sub(entered).saturating_add(500) / 1_000 * 1_000;
    Deadline { at, ..Deadline::ask(phase, entered, length) }
}

fn budgets(observation: &Observation, config: &Config) -> Vec<Budget> {
    let timeouts = &config.timeouts;
    let overridable = [
        (phases::GLOBAL, timeouts.global),
        (phases::PROCESSING, timeouts.processing),
        (phases::ANALYZING, timeouts.analyzing),
        (phases::EXECUTING, timeouts.executing),
    ];
    let fixed = [
        (phases::AWAITING_APPROVAL, approval(observation, config)),
        (phases::VERIFYING, timeouts.verifying.milliseconds()),
    ];
    let overridable = overridable
        .into_iter()
        .map(|(phase, configured)| Budget::new(phase, length(observation, config, phase, configured)));
    overridable.chain(fixed.into_iter().map(|(phase, length)| Budget::new(phase, length))).collect()
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
                "VerifyingMax" => format!("{phase} may last {told} at most, whatever the assessment says; {whole}"),
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
