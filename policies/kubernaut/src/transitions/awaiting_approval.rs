//! `AwaitingApproval`: a person decides. A decision wins over the deadline that passes at the same moment.

use trimtab_policy_sdk::{Explanation, Facts, Intent, Observation, child, child_phases, failure_phases, kinds, phases};

use super::{fail, first_of, routing};
use crate::config::Config;

pub(super) fn decide<F: Facts>(facts: &F, observation: &Observation, is_expired: bool, config: &Config) -> Intent {
    let request = child(observation, kinds::REMEDIATION_APPROVAL_REQUEST).filter(|request| request.found);
    match request.map(|request| request.phase.as_str()) {
        Some(child_phases::APPROVED) => approved(facts, observation, config),
        Some(child_phases::REJECTED) => rejected(facts, observation, config),
        Some(child_phases::EXPIRED) => expired(observation, config, "ApprovalExpired"),
        _ if is_expired => expired(observation, config, "ApprovalDeadlinePassed"),
        Some(_) => Intent::stay(Explanation::new("ApprovalPending", "a person has not decided yet")),
        None => {
            let text = "the approval request is gone; the approval expires with its deadline unless it comes back";
            Intent::stay(Explanation::new("ApprovalRequestGone", text))
        }
    }
}

fn approved<F: Facts>(facts: &F, observation: &Observation, config: &Config) -> Intent {
    let by = decider(facts);
    let Some(chosen) = facts.workflow_override() else {
        return execute(facts, observation, "Approved", format!("{by} approved the selected workflow"));
    };
    if !chosen.found {
        let reason =
            format!("RemediationWorkflow {} was named in the approval and does not exist", chosen.workflow_name);
        let why = Explanation::new("OverrideWorkflowMissing", format!("{reason}: approve anew with one that does"));
        return fail(observation, config, failure_phases::APPROVAL, reason, why);
    }
    if !chosen.incomplete.is_empty() {
        let reason = format!(
            "RemediationWorkflow {} was named in the approval and has no {}",
            chosen.workflow_name, chosen.incomplete
        );
        let why = Explanation::new("OverrideWorkflowIncomplete", format!("{reason}: complete it, then approve anew"));
        return fail(observation, config, failure_phases::APPROVAL, reason, why);
    }
    let workflow = first_of(&[&chosen.workflow_name, "the selected workflow"]);
    let parameters = if chosen.replaces_parameters { " with other parameters" } else { "" };
    execute(facts, observation, "ApprovedWithOverride", format!("{by} approved {workflow}{parameters}"))
}

/// The execution, unless another one runs on the target.
fn execute<F: Facts>(facts: &F, observation: &Observation, rule: &str, text: String) -> Intent {
    routing::after_approval(facts, observation)
        .unwrap_or_else(|| Intent::advance(phases::EXECUTING, Explanation::new(rule, text)))
}

fn rejected<F: Facts>(facts: &F, observation: &Observation, config: &Config) -> Intent {
    let approval = facts.approval().unwrap_or_default();
    let reason = first_of(&[&approval.message, "Rejected by operator"]).to_owned();
    let by = first_of(&[&approval.decided_by, "a person"]);
    let why = Explanation::new("Rejected", format!("{by} rejected the workflow: {reason}"));
    fail(observation, config, failure_phases::APPROVAL, reason, why)
}

fn expired(observation: &Observation, config: &Config, rule: &str) -> Intent {
    let why = Explanation::new(rule, "nobody decided in time: the signal has to be raised anew to ask again");
    fail(observation, config, failure_phases::APPROVAL, "approval request expired (timeout)", why)
}

fn decider<F: Facts>(facts: &F) -> String {
    let by = facts.approval().map(|approval| approval.decided_by).unwrap_or_default();
    if by.is_empty() { "a person".to_owned() } else { by }
}
