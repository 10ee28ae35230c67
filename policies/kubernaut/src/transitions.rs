//! The transitions slot: where a remediation goes from its phase.

mod analyzing;
mod awaiting_approval;
mod blocked;
mod executing;
mod processing;
mod routing;
mod verifying;

use trimtab_policy_sdk::{Explanation, Facts, Intent, Observation, phases};

use crate::config::Config;
use crate::{backoff, on_timeout};

/// One intent for the current phase. `expired` names the phases whose deadline has passed and asks.
pub(crate) fn decide<F: Facts>(facts: &F, observation: &Observation, expired: &[String], config: &Config) -> Intent {
    if let Some(intent) = on_timeout::retry(observation, expired, config) {
        return intent;
    }
    let is_expired = |phase: &str| expired.iter().any(|name| name == phase);
    match observation.phase.as_str() {
        phases::PENDING => routing::before_processing(facts, observation, config).unwrap_or_else(|| {
            Intent::advance(phases::PROCESSING, Explanation::new("Accepted", "the signal is to be processed first"))
        }),
        phases::PROCESSING => processing::decide(observation, config),
        phases::ANALYZING => analyzing::decide(facts, observation, config),
        phases::AWAITING_APPROVAL => {
            awaiting_approval::decide(facts, observation, is_expired(phases::AWAITING_APPROVAL), config)
        }
        phases::EXECUTING => executing::decide(facts, observation, config),
        phases::BLOCKED => blocked::decide(facts, observation, config),
        phases::VERIFYING => verifying::decide(facts, observation, is_expired(phases::VERIFYING), config),
        "" => Intent::stay(Explanation::new("NotStarted", "the remediation has not been accepted yet")),
        other => {
            Intent::stay(Explanation::new("NothingToDecide", format!("this policy decides nothing in phase {other}")))
        }
    }
}

/// A failure with the wait that follows from the failures in a row.
fn fail(
    observation: &Observation,
    config: &Config,
    failure_phase: &str,
    reason: impl Into<String>,
    why: Explanation,
) -> Intent {
    let next_allowed_at = backoff::next_allowed_at(observation, &config.routing);
    let why = why.with("consecutiveFailures", observation.consecutive_failures.saturating_add(1));
    Intent::fail(failure_phase, reason, why).not_again_before(next_allowed_at)
}

/// When the same signal may be remediated again after an end without action.
fn quiet_until(observation: &Observation, config: &Config) -> Option<u64> {
    let delay = config.routing.no_action_required_delay.milliseconds();
    (delay > 0).then(|| observation.now.saturating_add(delay))
}

/// The first text that says something.
fn first_of<'a>(texts: &[&'a str]) -> &'a str {
    texts.iter().copied().find(|text| !text.is_empty()).unwrap_or_default()
}

/// A share from 0 to 1 in whole per cent. Whole numbers keep the formatting of floats, 20 KB, out of the component.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped first; not a number gives 0")]
fn percent(share: f64) -> u32 {
    (share.clamp(0.0, 1.0) * 100.0).round() as u32
}

#[cfg(test)]
mod tests;
