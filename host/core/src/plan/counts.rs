//! What a confirmed step counts for in the metrics.

use super::{Action, Plan};
use crate::json::{some_text, text};
use crate::observation::{ChildKind, Observation};
use crate::phase::{Outcome, Phase};

/// The kinds whose creation is counted, as Kubernaut counts them.
const COUNTED: [ChildKind; 3] = [ChildKind::SignalProcessing, ChildKind::AIAnalysis, ChildKind::WorkflowExecution];

/// One count, with its labels; the namespace is the remediation's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Count {
    /// The phase changed.
    PhaseTransition {
        /// Before; `None` for the first step.
        from: Option<Phase>,
        /// After.
        to: Phase,
    },
    /// A limit passed in this phase.
    Timeout {
        /// The phase.
        phase: Phase,
    },
    /// It completed, and nothing was executed.
    NoActionNeeded {
        /// Kubernaut's word for why.
        reason: String,
    },
    /// A child was created.
    ChildCreated {
        /// Its kind.
        kind: ChildKind,
    },
    /// An approval was decided.
    ApprovalDecided {
        /// "Approved", "Rejected" or "Expired".
        decision: &'static str,
    },
    /// A person had another workflow or other parameters executed.
    OverrideApplied {
        /// "workflow", "params" or "both".
        what: &'static str,
    },
    /// It has to wait, or is not looked after.
    Blocked {
        /// `status.routingStatus.blockReason`.
        reason: String,
        /// Whether it repeats another remediation.
        is_duplicate: bool,
    },
}

/// What a step counts for, once it is confirmed. The observation may be of before the step or of after it.
pub fn counts_of(plan: &Plan, observation: &Observation) -> Vec<Count> {
    let Some(to) = plan.to.filter(|_| plan.status.is_some()) else { return Vec::new() };
    let mut counts = Vec::new();
    let has_entered = plan.from != Some(to);
    if has_entered {
        counts.push(Count::PhaseTransition { from: plan.from, to });
    }
    counts.extend(plan.actions.iter().filter_map(created));
    if let Some(phase) = plan.from.filter(|_| has_entered && to == Phase::TimedOut) {
        counts.push(Count::Timeout { phase });
    }
    counts.extend(plan.outcome.filter(|_| to == Phase::Completed).and_then(|outcome| no_action(outcome, observation)));
    let request = observation.child(ChildKind::RemediationApprovalRequest);
    let is_told = request.is_some_and(|request| {
        observation.record.has_told_decision(plan.sequence, text(&request.object, "/metadata/uid"))
    });
    if plan.from == Some(Phase::AwaitingApproval) && has_entered && !is_told {
        counts.extend(decided(plan, observation));
    }
    if to == Phase::Blocked && plan.status.as_ref().is_some_and(|status| status.get("routingStatus").is_some()) {
        let routing = |member: &str| {
            plan.status.as_ref().map_or("", |status| text(status, &format!("/routingStatus/{member}"))).to_owned()
        };
        let known = some_text(&observation.object, "/status/routingStatus/blockReason");
        let reason = Some(routing("blockReason")).filter(|reason| !reason.is_empty());
        let reason = reason.or_else(|| known.map(str::to_owned)).unwrap_or_default();
        counts.push(Count::Blocked { reason, is_duplicate: !routing("duplicateOf").is_empty() });
    }
    counts
}

fn created(action: &Action) -> Option<Count> {
    let Action::Create(manifest) = action else { return None };
    let kind = ChildKind::parse(&manifest.kind).filter(|kind| COUNTED.contains(kind))?;
    Some(Count::ChildCreated { kind })
}

fn no_action(outcome: Outcome, observation: &Observation) -> Option<Count> {
    let reason = match outcome {
        Outcome::NoActionRequired => {
            let analysis = observation.facts.analysis.as_ref();
            let detail = analysis.map_or("", |analysis| analysis.sub_reason.as_str());
            if detail.is_empty() { "problem_resolved".to_owned() } else { detail.chars().take(63).collect() }
        }
        Outcome::ManualReviewRequired => "manual_review".to_owned(),
        Outcome::DryRun => "DryRun".to_owned(),
        Outcome::Remediated | Outcome::VerificationTimedOut | Outcome::Inconclusive => return None,
    };
    Some(Count::NoActionNeeded { reason })
}

fn decided(plan: &Plan, observation: &Observation) -> Vec<Count> {
    let decision = observation.facts.approval.as_ref().map_or("", |approval| approval.decision.as_str());
    let is_closed = plan.actions.iter().any(|action| match action {
        Action::PatchStatus { kind, status, .. } => {
            kind == ChildKind::RemediationApprovalRequest.name() && text(status, "/decision") == "Expired"
        }
        Action::Create(_) | Action::Delete { .. } => false,
    });
    let decision = match decision {
        "Approved" => "Approved",
        "Rejected" => "Rejected",
        "Expired" => "Expired",
        _ if is_closed => "Expired",
        _ => return Vec::new(),
    };
    let mut counts = vec![Count::ApprovalDecided { decision }];
    if decision == "Approved" && plan.to == Some(Phase::Executing) {
        counts.extend(overridden(observation).map(|what| Count::OverrideApplied { what }));
    }
    counts
}

/// What a person has changed about the execution, as the request itself says.
fn overridden(observation: &Observation) -> Option<&'static str> {
    let request = observation.child(ChildKind::RemediationApprovalRequest)?;
    let change = request.object.pointer("/status/workflowOverride").filter(|change| change.is_object())?;
    let has_parameters = change.get("parameters").is_some_and(|parameters| !parameters.is_null());
    match (some_text(change, "/workflowName").is_some(), has_parameters) {
        (true, false) => Some("workflow"),
        (true, true) => Some("both"),
        (false, true) => Some("params"),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests;
