//! Blocked: something stands in the way. What ends a block depends on its reason; where neither a time nor another
//! object does, a person has to.

use trimtab_policy_sdk::fact::{AwaitedObject, RoutingFacts};
use trimtab_policy_sdk::{
    Explanation, Facts, Intent, Observation, TimestampMs, block_reasons, child_phases, failure_phases, phases,
};

use super::{first_of, routing};
use crate::config::Config;

pub(super) fn decide<F: Facts>(facts: &F, observation: &Observation, config: &Config) -> Intent {
    let now = facts.routing();
    let reason = now.block_reason.as_str();
    match now.blocked_until {
        Some(until) if until > observation.now => waits_until(observation, until, reason),
        Some(_) => over(facts, observation, &now, config),
        None => match reason {
            block_reasons::DUPLICATE_IN_PROGRESS => duplicate(now.awaited.as_ref()),
            block_reasons::RESOURCE_BUSY => busy(now.awaited.as_ref()),
            _ => {
                let text = format!("{} blocks it until a person decides", first_of(&[reason, "somebody"]));
                Intent::stay(Explanation::new("BlockedForAPerson", text))
            }
        },
    }
}

fn waits_until(observation: &Observation, until: TimestampMs, reason: &str) -> Intent {
    let why = Explanation::new("BlockNotOver", format!("{reason} blocks it for some time")).with("until", until);
    Intent::stay(why).until(until.max(observation.now.saturating_add(1_000)))
}

/// The time of a block is over.
fn over<F: Facts>(facts: &F, observation: &Observation, now: &RoutingFacts, config: &Config) -> Intent {
    let reason = now.block_reason.as_str();
    match reason {
        block_reasons::UNMANAGED_RESOURCE => {
            let scope = facts.scope();
            if !routing::is_managed(&scope) {
                // The host counts this look along with the step.
                let looks = observation.consecutive_failures.saturating_add(1);
                return routing::unmanaged(observation, &scope, looks, config);
            }
            resumes(phases::PENDING, "TargetManaged", "the target is under management now")
        }
        block_reasons::RECENTLY_REMEDIATED | block_reasons::EXPONENTIAL_BACKOFF => {
            let from = if now.blocked_from == phases::ANALYZING { phases::ANALYZING } else { phases::PENDING };
            resumes(from, "BlockOver", "the time of the block is over")
        }
        _ => {
            let text = format!("cooldown expired after blocking due to {reason}");
            Intent::fail(failure_phases::BLOCKED, text.clone(), Explanation::new("BlockExpired", text))
        }
    }
}

/// The original of a duplicate decides.
fn duplicate(original: Option<&AwaitedObject>) -> Intent {
    let Some(original) = original else {
        return resumes(phases::PENDING, "OriginalUnknown", "its status does not say what it duplicates");
    };
    let name = &original.name;
    match original.phase.as_str() {
        _ if !original.found => inherits_failure(name, "was deleted"),
        phases::COMPLETED => inherits_completion(name),
        phases::FAILED | phases::TIMED_OUT | phases::SKIPPED | phases::CANCELLED => {
            inherits_failure(name, &format!("ended as {}", original.phase))
        }
        at => waits_for(name, at),
    }
}

/// The execution on the target decides.
fn busy(execution: Option<&AwaitedObject>) -> Intent {
    match execution {
        Some(execution)
            if execution.found
                && !matches!(execution.phase.as_str(), child_phases::COMPLETED | child_phases::FAILED) =>
        {
            waits_for(&execution.name, &execution.phase)
        }
        _ => resumes(phases::ANALYZING, "TargetFree", "the execution on the target is over"),
    }
}

fn resumes(phase: &str, rule: &str, text: &str) -> Intent {
    Intent::advance(phase, Explanation::new(rule, text))
}

/// Another object that has not ended is waited for; its change wakes the host.
fn waits_for(name: &str, at: &str) -> Intent {
    let at = if at.is_empty() { "not begun" } else { at };
    Intent::stay(Explanation::new("WaitsForAnother", format!("{name} is {at}")).with("for", name))
}

/// The one that stands for this one has done what was to be done.
pub(super) fn inherits_completion(name: &str) -> Intent {
    let text = format!("{name} stands for it and completed");
    Intent::inherit_completion(name, Explanation::new("CompletionInherited", text).with("from", name))
}

/// The one that stands for this one has not.
pub(super) fn inherits_failure(name: &str, how: &str) -> Intent {
    let text = format!("{name} stands for it and {how}");
    Intent::inherit_failure(name, text.clone(), Explanation::new("FailureInherited", text).with("from", name))
}

#[cfg(test)]
mod tests;
