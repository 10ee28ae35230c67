//! Processing: the signal is enriched and classified.

use trimtab_policy_sdk::{Explanation, Intent, Observation, child, child_phases, failure_phases, kinds, phases};

use super::fail;
use crate::config::Config;

pub(super) fn decide(observation: &Observation, config: &Config) -> Intent {
    let failure = |reason: &str, why| fail(observation, config, failure_phases::SIGNAL_PROCESSING, reason, why);
    let Some(processing) = child(observation, kinds::SIGNAL_PROCESSING) else {
        let text = "the remediation is in Processing without a SignalProcessing: it has to be raised anew";
        return failure("SignalProcessing not found", Explanation::new("SignalProcessingMissing", text));
    };
    let name = &processing.name;
    match processing.phase.as_str() {
        _ if !processing.found => {
            let text =
                format!("SignalProcessing {name} is gone; Processing ends with its timeout unless it comes back");
            Intent::stay(Explanation::new("SignalProcessingGone", text))
        }
        child_phases::COMPLETED => {
            let text = format!("SignalProcessing {name} completed: the signal goes to the analysis");
            Intent::advance(phases::ANALYZING, Explanation::new("SignalProcessingCompleted", text))
        }
        child_phases::FAILED => {
            let text = format!("SignalProcessing {name} failed: its status says why");
            failure("SignalProcessing failed", Explanation::new("SignalProcessingFailed", text))
        }
        other => {
            let at = if other.is_empty() { "not begun" } else { other };
            Intent::stay(Explanation::new("SignalProcessingAtWork", format!("SignalProcessing {name} is {at}")))
        }
    }
}
