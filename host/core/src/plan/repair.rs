//! Plans that leave the remediation itself as it is: derived from what is there, so they are safe to repeat.

use serde_json::json;

use super::{Action, Plan, approval};
use crate::observation::{ChildKind, Observation};
use crate::phase::Phase;
use crate::proposal::Explanation;
use crate::settings::Settings;

/// What is left to do for an ended remediation: its unfinished children are told. `None` where all are finished.
pub(crate) fn cascade(observation: &Observation) -> Option<Plan> {
    let phase = observation.phase.filter(|phase| phase.is_terminal())?;
    let actions = unfinished(observation, phase);
    (!actions.is_empty()).then(|| repair(observation, actions, Explanation::new("TerminalCascade", ended(phase))))
}

fn ended(phase: Phase) -> String {
    format!("Parent RR entered terminal phase: {phase}")
}

/// Tells each unfinished child that its remediation has ended. An assessment goes on: it waits for nobody.
pub(super) fn unfinished(observation: &Observation, phase: Phase) -> Vec<Action> {
    let message = ended(phase);
    let unfinished = observation.children.iter().filter(|child| child.found && !child.is_finished());
    let told = unfinished.filter_map(|child| {
        let status = match child.kind {
            ChildKind::SignalProcessing => json!({"phase": "Failed", "failureInfo": {"error": message}}),
            ChildKind::AIAnalysis => json!({
                "phase": "Failed",
                "reason": "ParentCancelled",
                "message": message,
                "completedAt": observation.now.to_string(),
                "observedGeneration": child.object.pointer("/metadata/generation").cloned().unwrap_or_else(|| 1.into()),
            }),
            ChildKind::WorkflowExecution => json!({"phase": "Failed", "failureReason": message}),
            ChildKind::RemediationApprovalRequest => return approval::close_ended(observation),
            ChildKind::EffectivenessAssessment => return None,
        };
        Some(Action::PatchStatus {
            kind: child.kind.name().to_owned(),
            name: child.name.clone(),
            status,
            resource_version: Some(crate::json::text(&child.object, "/metadata/resourceVersion").to_owned()),
            is_required: false,
        })
    });
    told.collect()
}

/// Creates the assessment that Verifying waits for, where it could not be created on the way or is gone.
pub(crate) fn recreate_assessment(observation: &Observation, settings: &Settings) -> Option<Plan> {
    let is_there = observation.child(ChildKind::EffectivenessAssessment).is_some_and(|child| child.found);
    if observation.phase != Some(Phase::Verifying) || is_there {
        return None;
    }
    let manifest = crate::manifest::assessment::manifest(observation, settings);
    let text = format!("EffectivenessAssessment {} is missing and is created again.", manifest.name);
    Some(repair(observation, vec![Action::Create(manifest)], Explanation::new("AssessmentMissing", text)))
}

/// A plan that leaves the remediation itself as it is: derived from what is there, so it is safe to repeat.
pub(super) fn repair(observation: &Observation, actions: Vec<Action>, why: Explanation) -> Plan {
    Plan {
        uid: observation.uid.clone(),
        namespace: observation.namespace.clone(),
        name: observation.name.clone(),
        sequence: observation.record.sequence,
        resource_version: observation.resource_version.clone(),
        from: observation.phase,
        to: observation.phase,
        outcome: None,
        actions,
        status: None,
        events: Vec::new(),
        audit: Vec::new(),
        why,
        at: observation.now,
    }
}
