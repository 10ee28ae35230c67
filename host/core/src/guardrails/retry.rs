//! Attempts: how often a phase may begin anew, and that an execution never runs twice at once.

use super::{Refusal, RefusalReason};
use crate::block::DEDUPLICATED;
use crate::observation::{ChildKind, Observation};
use crate::phase::Phase;
use crate::proposal::Slot;

/// Most attempts of one remediation.
pub const ATTEMPTS_MAX: u32 = 5;

/// Checks that `phase` may begin anew.
pub(super) fn check(observation: &Observation, phase: Phase) -> Result<(), Refusal> {
    let attempt = observation.record.attempt;
    if attempt >= ATTEMPTS_MAX {
        let message = format!("attempt {attempt} is the last: a remediation has at most {ATTEMPTS_MAX}");
        return Err(Refusal::new(Slot::Transitions, RefusalReason::AttemptsExhausted, message));
    }
    if phase == Phase::Executing {
        return check_execution(observation);
    }
    Ok(())
}

/// An execution is begun anew only where this attempt's is known to have failed, or can be told to end first. Of one
/// that is gone nobody knows whether it still runs; one that another stands for runs elsewhere; one that completed has
/// done its work.
fn check_execution(observation: &Observation) -> Result<(), Refusal> {
    let refuse = |message: String| Err(Refusal::new(Slot::Transitions, RefusalReason::ExecutionUnsettled, message));
    let Some(execution) = observation.child(ChildKind::WorkflowExecution).filter(|child| child.found) else {
        return refuse("the execution of this attempt is gone, so nobody knows whether it still runs".into());
    };
    let name = &execution.name;
    let facts = observation.facts.execution.as_ref();
    if execution.reason == DEDUPLICATED || facts.is_some_and(|facts| facts.failure_code == DEDUPLICATED) {
        return refuse(format!("another execution stands for {name} and may still run"));
    }
    if execution.phase == "Completed" {
        return refuse(format!("{name} has completed: what it did is not done again"));
    }
    Ok(())
}
