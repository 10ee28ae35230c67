//! What stands in a remediation's way, in Kubernaut's order; the first that is found decides.

mod signal;

use trimtab_policy_sdk::fact::{AnalysisFacts, TargetExecutionsPage};
use trimtab_policy_sdk::{
    Explanation, Facts, Intent, Moment, Observation, TimestampMs, block_reasons, child_phases, kinds, outcomes,
    string_at,
};

pub(super) use signal::{is_managed, unmanaged};

use crate::chain;
use crate::config::Config;

/// How soon the target's lock is asked for again.
const LOCK_RETRY: u64 = 1_000;
/// The host takes no shorter wait.
const WAIT_MIN: u64 = 1_000;
/// Where an analysis names what its workflow does.
const ACTION_TYPE: [&str; 4] = ["status", "rcaResult", "selectedWorkflow", "actionType"];

/// What stands against processing the signal.
pub(super) fn before_processing<F: Facts>(facts: &F, observation: &Observation, config: &Config) -> Option<Intent> {
    signal::checks(facts, observation, config).or_else(|| backoff(facts, observation))
}

/// What stands against an execution that nobody has to approve.
pub(super) fn before_execution<F: Facts>(
    facts: &F,
    observation: &Observation,
    analysis: &AnalysisFacts,
    config: &Config,
) -> Option<Intent> {
    if let Some(intent) = signal::checks(facts, observation, config) {
        return Some(intent);
    }
    // Asked first, since the host then gathers the executions along with it.
    let history = facts.remediation_history(config.routing.history_hours());
    let executions = facts.target_executions();
    if let Some(intent) = busy(observation, &executions) {
        return Some(intent);
    }
    if let Some(intent) = recently(observation, &executions, analysis, config) {
        return Some(intent);
    }
    if let Some(intent) = backoff(facts, observation) {
        return Some(intent);
    }
    let action = || {
        let analysis = facts.object_json(kinds::AI_ANALYSIS).unwrap_or_default();
        string_at(&analysis, &ACTION_TYPE).unwrap_or_default()
    };
    chain::look(&history, observation.now, &config.routing, action).map(|seen| ineffective(&seen))
}

/// What stands against an execution that a person has approved: only what makes it impossible.
pub(super) fn after_approval<F: Facts>(facts: &F, observation: &Observation) -> Option<Intent> {
    busy(observation, &facts.target_executions())
}

/// To wait until this moment, and at least as long as the host wants.
pub(super) fn block_until(observation: &Observation, until: TimestampMs, reason: &str, why: Explanation) -> Intent {
    Intent::block(reason, why.text.clone(), why).until(until.max(observation.now.saturating_add(WAIT_MIN)))
}

/// Another execution on the target, or another remediation that is about to begin one.
fn busy(observation: &Observation, executions: &TargetExecutionsPage) -> Option<Intent> {
    if !executions.locked {
        let holder = super::first_of(&[&executions.holder, "another remediation"]);
        let text = format!("the target is locked by {holder}");
        let why = Explanation::new("TargetLocked", text).with("holder", &executions.holder);
        return Some(Intent::stay(why).until(observation.now.saturating_add(LOCK_RETRY)));
    }
    let has_ended = |phase: &str| matches!(phase, child_phases::COMPLETED | child_phases::FAILED);
    let other = executions.items.iter().find(|execution| !execution.own && !has_ended(&execution.phase))?;
    let name = &other.name;
    let message = format!("Another workflow ({name}) is running on the same target resource. Waiting for completion.");
    Some(wait_on(name, block_reasons::RESOURCE_BUSY, message))
}

fn recently(
    observation: &Observation,
    executions: &TargetExecutionsPage,
    analysis: &AnalysisFacts,
    config: &Config,
) -> Option<Intent> {
    let cooldown = config.routing.recently_remediated_cooldown;
    let done = executions.items.iter().filter(|execution| {
        !execution.own && execution.phase == child_phases::COMPLETED && execution.workflow_id == analysis.workflow_id
    });
    let over = done.filter_map(|execution| {
        let until = execution.completed_at?.saturating_add(cooldown.milliseconds());
        (until > observation.now).then_some((until, &execution.name))
    });
    let (until, name) = over.max()?;
    let text = format!("Target was remediated recently ({name}). Cooldown expires: {}", Moment(until));
    let reason = block_reasons::RECENTLY_REMEDIATED;
    let why = Explanation::new(reason, text).with("execution", name).with("cooldown", cooldown);
    Some(block_until(observation, until, reason, why))
}

/// A wait of this remediation's own.
fn backoff<F: Facts>(facts: &F, observation: &Observation) -> Option<Intent> {
    let until = facts.routing().next_allowed_at.filter(|at| *at > observation.now)?;
    let reason = block_reasons::EXPONENTIAL_BACKOFF;
    let failures = observation.consecutive_failures;
    let text = format!("Backing off after {failures} failures. Next execution allowed: {}", Moment(until));
    let why = Explanation::new(reason, text).with("consecutiveFailures", failures);
    Some(block_until(observation, until, reason, why))
}

/// To wait for a person, since what was done before did not help.
fn ineffective(seen: &chain::Ineffective) -> Intent {
    let chain::Ineffective { count, threshold, seen_by } = seen;
    let reason = block_reasons::INEFFECTIVE_CHAIN;
    let text = format!("{count} remediations of this target did not help ({seen_by}). A person has to look.");
    let why = Explanation::new(reason, text).with("count", count).with("threshold", threshold).with("seenBy", seen_by);
    Intent::block(reason, why.text.clone(), why).with_outcome(outcomes::MANUAL_REVIEW_REQUIRED).for_manual_review()
}

/// To wait for the object of this name.
fn wait_on(name: &str, reason: &str, message: String) -> Intent {
    Intent::wait_on(name, reason, message.clone(), Explanation::new(reason, message).with("for", name))
}

#[cfg(test)]
mod tests;
