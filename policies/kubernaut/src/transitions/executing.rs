//! Executing: the workflow runs.

use trimtab_policy_sdk::fact::AwaitedObject;
use trimtab_policy_sdk::{
    Explanation, Facts, Intent, Observation, block_reasons, child, child_phases, failure_phases, kinds,
};

use super::{blocked, fail, first_of};
use crate::config::Config;

pub(super) fn decide<F: Facts>(host: &F, observation: &Observation, config: &Config) -> Intent {
    let failure = |reason: String, why| fail(observation, config, failure_phases::WORKFLOW_EXECUTION, reason, why);
    let Some(execution) = child(observation, kinds::WORKFLOW_EXECUTION).filter(|execution| execution.found) else {
        let text = "the WorkflowExecution is gone, so its result can no longer be known: look at the target";
        let why = Explanation::new("WorkflowExecutionMissing", text);
        return failure("WorkflowExecution not found".to_owned(), why);
    };
    let name = &execution.name;
    match execution.phase.as_str() {
        child_phases::COMPLETED => {
            let text = format!("WorkflowExecution {name} completed: its effect is assessed");
            Intent::verify(Explanation::new("WorkflowExecutionCompleted", text))
        }
        child_phases::FAILED => {
            let facts = host.execution().unwrap_or_default();
            if facts.failure_code == block_reasons::DEDUPLICATED {
                return deduplicated(name, &facts.deduplicated_by, || host.routing().awaited);
            }
            let detail = first_of(&[&facts.failure_reason, &facts.failure_code]);
            let reason = match detail {
                "" => "WorkflowExecution failed".to_owned(),
                detail => format!("WorkflowExecution failed: {detail}"),
            };
            let text = format!("{name}: {reason}; the target may be half changed, so a person has to look");
            failure(reason, Explanation::new("WorkflowExecutionFailed", text))
        }
        other => {
            let at = if other.is_empty() { "not begun" } else { other };
            Intent::stay(Explanation::new("WorkflowExecutionAtWork", format!("WorkflowExecution {name} is {at}")))
        }
    }
}

/// Another execution stands for this one, and so its end decides.
fn deduplicated(name: &str, other: &str, awaited: impl FnOnce() -> Option<AwaitedObject>) -> Intent {
    let rule = "WorkflowExecutionDeduplicated";
    if other.is_empty() {
        let text = format!("another execution stands for WorkflowExecution {name}; Executing ends with its timeout");
        return Intent::stay(Explanation::new(rule, text));
    }
    match awaited().filter(|awaited| awaited.name == other) {
        Some(awaited) if !awaited.found => blocked::inherits_failure(other, "was deleted"),
        Some(awaited) if awaited.phase == child_phases::COMPLETED => blocked::inherits_completion(other),
        Some(awaited) if awaited.phase == child_phases::FAILED => blocked::inherits_failure(other, "failed"),
        _ => {
            let text = format!("{other} stands for WorkflowExecution {name}");
            let why = Explanation::new(rule, text.as_str()).with("for", other);
            Intent::wait_on(other, block_reasons::DEDUPLICATED, text, why)
        }
    }
}
