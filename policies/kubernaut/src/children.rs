//! The children slot: what is created along with a step.

use trimtab_policy_sdk::{
    Creation, Creations, Explanation, Intent, Observation, block_reasons, child, child_phases, failure_phases, intents,
    kinds, outcomes, phases, purposes,
};

use crate::config::Config;

/// An object to create: its kind, and the purpose of a notification.
type Wanted = (&'static str, &'static str);

/// What is created, and why.
type Answer = (&'static [Wanted], &'static str, &'static str);

const NOTICE: &str = kinds::NOTIFICATION_REQUEST;
const COMPLETION: Answer =
    (&[(NOTICE, purposes::COMPLETION)], "CompletionTold", "people are told the outcome of the workflow");
const REVIEW: Answer = (&[(NOTICE, purposes::MANUAL_REVIEW)], "ManualReviewAsked", "a person is asked to look");

/// The children and notifications that Kubernaut creates with this step.
pub(crate) fn create(observation: &Observation, intent: &Intent, config: &Config) -> Creations {
    let (wanted, rule, text) = match intent.kind.as_str() {
        intents::ADVANCE => advance(&intent.target_phase),
        intents::RETRY => advance(&observation.phase),
        intents::VERIFY => {
            (&[(kinds::EFFECTIVENESS_ASSESSMENT, "")][..], "AssessmentStarts", "the effect of the workflow is assessed")
        }
        intents::COMPLETE => complete(observation, intent, config),
        intents::FAIL => failed(observation, intent),
        intents::BLOCK | intents::WAIT_ON => waits(intent),
        intents::INHERIT => inherits(observation, intent),
        _ => nothing("this step creates nothing"),
    };
    let create = |(kind, purpose): &Wanted| Creation { purpose: (*purpose).to_owned(), ..Creation::standard(kind) };
    let items = wanted.iter().map(create);
    Creations { items: items.collect(), why: Explanation::new(rule, text), attributes: Vec::new() }
}

fn nothing(text: &'static str) -> Answer {
    (&[], "NothingToCreate", text)
}

fn advance(target_phase: &str) -> Answer {
    match target_phase {
        phases::PROCESSING => {
            (&[(kinds::SIGNAL_PROCESSING, "")], "ProcessingStarts", "the signal is enriched and classified")
        }
        phases::ANALYZING => {
            (&[(kinds::AI_ANALYSIS, "")], "AnalysisStarts", "the cause is searched and a workflow selected")
        }
        phases::AWAITING_APPROVAL => (
            &[(kinds::REMEDIATION_APPROVAL_REQUEST, ""), (NOTICE, purposes::APPROVAL)],
            "ApprovalAsked",
            "a person is asked to approve the workflow and told so",
        ),
        phases::EXECUTING => (&[(kinds::WORKFLOW_EXECUTION, "")], "ExecutionStarts", "the workflow runs"),
        _ => nothing("this phase has no child"),
    }
}

fn complete(observation: &Observation, intent: &Intent, config: &Config) -> Answer {
    if observation.phase == phases::VERIFYING {
        return COMPLETION;
    }
    match intent.outcome.as_str() {
        outcomes::MANUAL_REVIEW_REQUIRED => REVIEW,
        outcomes::NO_ACTION_REQUIRED if config.notifications.notify_self_resolved => {
            (&[(NOTICE, purposes::SELF_RESOLVED)], "SelfResolvedTold", "people are told that nothing was to be done")
        }
        _ => nothing("nobody is told of this end"),
    }
}

fn failed(observation: &Observation, intent: &Intent) -> Answer {
    let ran_and_failed = intent.failure_phase == failure_phases::WORKFLOW_EXECUTION
        && child(observation, kinds::WORKFLOW_EXECUTION)
            .is_some_and(|execution| execution.found && execution.phase == child_phases::FAILED);
    if intent.manual_review || ran_and_failed {
        return REVIEW;
    }
    (&[(NOTICE, purposes::ESCALATION)], "FailureEscalated", "people are told of the failure")
}

fn waits(intent: &Intent) -> Answer {
    match intent.block_reason() {
        block_reasons::DEDUPLICATED => nothing("nobody is told of this wait"),
        block_reasons::INEFFECTIVE_CHAIN => REVIEW,
        _ => (&[(NOTICE, purposes::BLOCK)], "BlockTold", "people are told what stands in the way"),
    }
}

/// A duplicate has run nothing that people could be told of; an execution that another one stood for has.
fn inherits(observation: &Observation, intent: &Intent) -> Answer {
    if observation.phase == phases::EXECUTING && intent.outcome == outcomes::REMEDIATED {
        return COMPLETION;
    }
    nothing("the one that stands for this one is told of")
}

#[cfg(test)]
mod tests;
