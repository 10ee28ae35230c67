//! Verifying: the effect of the workflow is assessed. A result wins over the deadline that passes at the same moment.

use trimtab_policy_sdk::{Explanation, Facts, Intent, Observation, child, child_phases, kinds, outcomes};

use super::percent;
use crate::backoff;
use crate::config::Config;

pub(super) fn decide<F: Facts>(facts: &F, observation: &Observation, is_expired: bool, config: &Config) -> Intent {
    let assessment = child(observation, kinds::EFFECTIVENESS_ASSESSMENT).filter(|assessment| assessment.found);
    match assessment.map(|assessment| assessment.phase.as_str()) {
        Some(child_phases::COMPLETED | child_phases::FAILED) => assessed(facts, observation, config),
        _ if is_expired => {
            let text = "the workflow ran; whether it helped was not found out in time";
            Intent::complete(outcomes::VERIFICATION_TIMED_OUT, Explanation::new("VerificationDeadlinePassed", text))
        }
        Some(at) => {
            let at = if at.is_empty() { "not begun" } else { at };
            Intent::stay(Explanation::new("AssessmentAtWork", format!("the assessment is {at}")))
        }
        None => {
            let text = "there is no assessment; Verifying ends with its deadline unless it comes back";
            Intent::stay(Explanation::new("AssessmentGone", text))
        }
    }
}

/// The remediation counts as done unless the assessment saw that the signal is wholly there: a failed or partial
/// assessment speaks neither way.
fn assessed<F: Facts>(facts: &F, observation: &Observation, config: &Config) -> Intent {
    let assessment = facts.assessment().unwrap_or_default();
    match assessment.alert_score {
        Some(score) if score <= 0.0 => {
            let text = "the workflow ran and the signal is still there: it counts as a failure for the next attempt";
            let why = Explanation::new("SignalStillFiring", text)
                .with("consecutiveFailures", observation.consecutive_failures.saturating_add(1));
            Intent::complete(outcomes::INCONCLUSIVE, why)
                .not_again_before(backoff::next_allowed_at(observation, &config.routing))
        }
        Some(score) => {
            let text = format!("the workflow ran and the signal is {} % gone", percent(score));
            Intent::complete(outcomes::REMEDIATED, Explanation::new("SignalResolved", text))
        }
        None => {
            let reason = if assessment.reason.is_empty() { "no reason given" } else { &assessment.reason };
            let text = format!("the workflow ran; the assessment did not look at the signal ({reason})");
            Intent::complete(outcomes::REMEDIATED, Explanation::new("SignalNotAssessed", text))
        }
    }
}
