//! The children slot: what is created along with a step.

use trimtab_policy_sdk::{
    Creation, Creations, Explanation, Intent, Observation, child, child_phases, failure_phases, intents, kinds,
    outcomes, phases, purposes,
};

use crate::config::Config;

/// The children and notifications that Kubernaut creates with this step.
pub(crate) fn create(observation: &Observation, intent: &Intent, config: &Config) -> Creations {
    let (items, rule, text) = match intent.kind.as_str() {
        intents::ADVANCE => advance(&intent.target_phase),
        intents::RETRY => advance(&observation.phase),
        intents::VERIFY => {
            let items = vec![Creation::standard(kinds::EFFECTIVENESS_ASSESSMENT)];
            (items, "AssessmentStarts", "the effect of the workflow is assessed")
        }
        intents::COMPLETE => complete(observation, intent, config),
        intents::FAIL => failed(observation, intent),
        _ => (Vec::new(), "NothingToCreate", "this step creates nothing"),
    };
    Creations { items, why: Explanation::new(rule, text), attributes: Vec::new() }
}

type Answer = (Vec<Creation>, &'static str, &'static str);

fn advance(target_phase: &str) -> Answer {
    let one = |kind, rule, text| (vec![Creation::standard(kind)], rule, text);
    match target_phase {
        phases::PROCESSING => {
            one(kinds::SIGNAL_PROCESSING, "ProcessingStarts", "the signal is enriched and classified")
        }
        phases::ANALYZING => one(kinds::AI_ANALYSIS, "AnalysisStarts", "the cause is searched and a workflow selected"),
        phases::AWAITING_APPROVAL => {
            let items = vec![
                Creation::standard(kinds::REMEDIATION_APPROVAL_REQUEST),
                Creation::notification(purposes::APPROVAL),
            ];
            (items, "ApprovalAsked", "a person is asked to approve the workflow and told so")
        }
        phases::EXECUTING => one(kinds::WORKFLOW_EXECUTION, "ExecutionStarts", "the workflow runs"),
        _ => (Vec::new(), "NothingToCreate", "this phase has no child"),
    }
}

fn complete(observation: &Observation, intent: &Intent, config: &Config) -> Answer {
    let notice = |purpose, rule, text| (vec![Creation::notification(purpose)], rule, text);
    if observation.phase == phases::VERIFYING {
        return notice(purposes::COMPLETION, "CompletionTold", "people are told the outcome of the workflow");
    }
    match intent.outcome.as_str() {
        outcomes::MANUAL_REVIEW_REQUIRED => {
            notice(purposes::MANUAL_REVIEW, "ManualReviewAsked", "a person is asked to look")
        }
        outcomes::NO_ACTION_REQUIRED if config.notifications.notify_self_resolved => {
            notice(purposes::SELF_RESOLVED, "SelfResolvedTold", "people are told that nothing was to be done")
        }
        _ => (Vec::new(), "NothingToCreate", "nobody is told of this end"),
    }
}

fn failed(observation: &Observation, intent: &Intent) -> Answer {
    let ran_and_failed = intent.failure_phase == failure_phases::WORKFLOW_EXECUTION
        && child(observation, kinds::WORKFLOW_EXECUTION)
            .is_some_and(|execution| execution.found && execution.phase == child_phases::FAILED);
    if intent.manual_review || ran_and_failed {
        let items = vec![Creation::notification(purposes::MANUAL_REVIEW)];
        return (items, "ManualReviewAsked", "a person is asked to look at the failure");
    }
    (vec![Creation::notification(purposes::ESCALATION)], "FailureEscalated", "people are told of the failure")
}

#[cfg(test)]
mod tests;
