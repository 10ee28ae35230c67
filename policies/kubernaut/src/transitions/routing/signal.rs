//! What stands against the signal itself: its target's scope, its failures, another remediation of it.

use trimtab_policy_sdk::fact::{ScopeFacts, SignalRemediation, SignalRemediationsPage};
use trimtab_policy_sdk::{
    Explanation, Facts, Intent, Moment, Observation, Target, block_reasons, failure_phases, outcomes, phases, scopes,
};

use super::{block_until, wait_on};
use crate::backoff;
use crate::config::Config;

/// Scope, failures in a row and duplicates, in this order.
pub(super) fn checks<F: Facts>(facts: &F, observation: &Observation, config: &Config) -> Option<Intent> {
    let scope = facts.scope();
    if !is_managed(&scope) {
        return Some(unmanaged(observation, &scope, observation.consecutive_failures, config));
    }
    let others = of_target(facts.signal_remediations(), &observation.target);
    failing(observation, &others, config).or_else(|| duplicate(&others))
}

/// Whether the target is under management; where that could not be read, it is not.
pub(in crate::transitions) fn is_managed(scope: &ScopeFacts) -> bool {
    scope.verdict == scopes::MANAGED
}

/// To wait for the next look at the target's scope, after so many looks before.
pub(in crate::transitions) fn unmanaged(
    observation: &Observation,
    scope: &ScopeFacts,
    looks: u32,
    config: &Config,
) -> Intent {
    let Target { kind, name, namespace, .. } = &observation.target;
    let slash = if namespace.is_some() { "/" } else { "" };
    let namespace = namespace.as_deref().unwrap_or_default();
    let cluster = crate::transitions::first_of(&[&observation.cluster_id, "local"]);
    let (state, mend) = if scope.verdict == scopes::UNMANAGED {
        ("not managed by Kubernaut", "Add label kubernaut.ai/managed=true to namespace or resource.")
    } else {
        ("of unknown scope", "Waiting until its labels can be read.")
    };
    let until = backoff::next_look_at(observation, looks, &config.routing);
    let text = format!("Resource {namespace}{slash}{kind}/{name} (cluster={cluster}) {state}. {mend}");
    let reason = block_reasons::UNMANAGED_RESOURCE;
    let why = Explanation::new(reason, text).with("because", &scope.because).with("looks", looks);
    block_until(observation, until, reason, why)
}

/// Remediations of targets in the same namespace: a fingerprint alone does not tell tenants apart.
fn of_target(page: SignalRemediationsPage, target: &Target) -> Vec<SignalRemediation> {
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let mut items = page.items;
    items.retain(|other| other.target_namespace == namespace);
    items
}

fn failing(observation: &Observation, others: &[SignalRemediation], config: &Config) -> Option<Intent> {
    let routing = &config.routing;
    let (count, threshold) = (failures_in_a_row(others), routing.consecutive_failure_threshold);
    if count < threshold {
        return None;
    }
    let until = observation.now.saturating_add(routing.consecutive_failure_cooldown.milliseconds());
    let text = format!("{count} consecutive failures. Cooldown expires: {}", Moment(until));
    let reason = block_reasons::CONSECUTIVE_FAILURES;
    let why = Explanation::new(reason, text).with("count", count).with("threshold", threshold);
    Some(block_until(observation, until, reason, why))
}

/// Failures since the last success, the newest first. What has not ended, and what was ended by a clock or a person,
/// says nothing, and neither does a failure that was another one's. A block that has served its time was no try: where
/// it is the newest, the next remediation gets one; where that one has failed too, the row goes on behind it.
fn failures_in_a_row(others: &[SignalRemediation]) -> u32 {
    let mut count = 0;
    for other in others {
        match (other.phase.as_str(), other.failure_phase.as_str()) {
            (phases::FAILED, failure_phases::BLOCKED) if count == 0 => return 0,
            (phases::FAILED, failure_phases::BLOCKED | failure_phases::DEDUPLICATED) => {}
            (phases::FAILED, _) => count += 1,
            (phases::COMPLETED, _) if other.outcome == outcomes::INCONCLUSIVE => count += 1,
            (phases::COMPLETED, _) => return count,
            _ => {}
        }
    }
    count
}

/// The oldest remediation that came first and is still at work.
fn duplicate(others: &[SignalRemediation]) -> Option<Intent> {
    let at_work = others.iter().filter(|other| other.comes_first && !has_ended(&other.phase));
    let original = &at_work.min_by_key(|other| (other.created_at, &other.name))?.name;
    let message = format!("Duplicate of active remediation {original}. Its outcome is taken over when it ends.");
    Some(wait_on(original, block_reasons::DUPLICATE_IN_PROGRESS, message))
}

fn has_ended(phase: &str) -> bool {
    matches!(phase, phases::COMPLETED | phases::FAILED | phases::TIMED_OUT | phases::SKIPPED | phases::CANCELLED)
}
