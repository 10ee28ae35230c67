//! The whole objects that a document implies: the `RemediationRequest` and its children.

use serde_json::{Value, json};
use trimtab_core::block::BlockReason;
use trimtab_core::json::{merge_apply, set};
use trimtab_core::observation::{Analysis, Child, ChildKind, Observation, Routing};
use trimtab_core::phase::Phase;
use trimtab_core::proposal::Attribute;
use trimtab_core::status::start_time_member;

use super::{ChildDocument, ObservationDocument};

/// `status.routingStatus` of a remediation on which this is written; `None` for nothing.
pub(crate) fn routing_status(routing: &Routing) -> Option<Value> {
    if routing.is_empty() {
        return None;
    }
    let mut status = json!({});
    let mut write = |member: &str, text: String| {
        if !text.is_empty() {
            set(&mut status, &[member], text.into());
        }
    };
    write("blockReason", routing.block_reason.clone());
    write("blockMessage", routing.block_message.clone());
    write("blockedUntil", routing.blocked_until.map(|at| at.to_string()).unwrap_or_default());
    write("nextAllowedExecution", routing.next_allowed_at.map(|at| at.to_string()).unwrap_or_default());
    if let Some(awaited) = &routing.awaited {
        let member = BlockReason::parse(&routing.block_reason).and_then(BlockReason::awaited_member);
        write(member.unwrap_or("deduplicatedByWE"), awaited.name.clone());
    }
    Some(status)
}

impl ObservationDocument {
    /// The whole `RemediationRequest`.
    pub(super) fn object(&self, seen: &Observation) -> Value {
        let started = seen.started_at.unwrap_or(seen.now).to_string();
        let signal = &seen.facts.signal;
        let mut target = json!({"kind": seen.target.kind, "name": seen.target.name});
        if let Some(namespace) = &seen.target.namespace {
            set(&mut target, &["namespace"], namespace.clone().into());
        }
        let mut status = json!({});
        if seen.started_at.is_some() {
            set(&mut status, &["startTime"], started.clone().into());
        }
        for (phase, at) in &seen.phases {
            if let Some(member) = start_time_member(*phase) {
                set(&mut status, &["phaseProgress", member], at.to_string().into());
            }
        }
        if let Some(routing) = routing_status(&seen.facts.routing) {
            set(&mut status, &["routingStatus"], routing);
        }
        let assessed_until = seen.facts.assessment.as_ref().and_then(|assessment| assessment.validity_deadline);
        if let Some(until) = assessed_until.filter(|_| seen.phase == Some(Phase::Verifying)) {
            set(&mut status, &["phaseProgress", "verificationDeadline"], until.to_string().into());
        }
        let mut object = json!({
            "apiVersion": trimtab_core::manifest::API_VERSION,
            "kind": "RemediationRequest",
            "metadata": {
                "name": seen.name, "namespace": seen.namespace, "uid": seen.uid,
                "resourceVersion": seen.resource_version, "generation": seen.generation,
                "creationTimestamp": started,
            },
            "spec": {
                "signalFingerprint": signal.fingerprint, "signalName": seen.signal_name,
                "signalType": signal.signal_type, "signalSource": signal.source, "severity": seen.severity,
                "targetType": "kubernetes", "targetResource": target,
                "firingTime": signal.firing_at.to_string(), "receivedTime": signal.received_at.to_string(),
                "signalLabels": plain(&signal.labels), "signalAnnotations": plain(&signal.annotations),
            },
            "status": status,
        });
        if let Some(more) = &self.object {
            merge_apply(&mut object, more);
        }
        if let Some(phase) = seen.phase {
            set(&mut object, &["status", "overallPhase"], phase.name().into());
        }
        object
    }
}

/// The whole object of a child.
pub(super) fn child_object(seen: &Observation, told: &ChildDocument, child: &Child) -> Value {
    let mut status = json!({});
    let (phase, finished) = match child.kind {
        ChildKind::RemediationApprovalRequest => ("decision", "decidedAt"),
        ChildKind::SignalProcessing | ChildKind::WorkflowExecution => ("phase", "completionTime"),
        ChildKind::AIAnalysis | ChildKind::EffectivenessAssessment => ("phase", "completedAt"),
    };
    set(&mut status, &[phase], child.phase.clone().into());
    if let Some(at) = child.finished_at {
        set(&mut status, &[finished], at.to_string().into());
    }
    if let Some(analysis) = seen.facts.analysis.as_ref().filter(|_| child.kind == ChildKind::AIAnalysis)
        && !analysis.workflow_id.is_empty()
    {
        set(&mut status, &["rcaResult", "selectedWorkflow"], workflow(analysis));
    }
    let mut object = json!({
        "apiVersion": trimtab_core::manifest::API_VERSION,
        "kind": child.kind.name(),
        "metadata": {
            "name": child.name, "namespace": seen.namespace, "resourceVersion": "1", "generation": 1,
        },
        "spec": {},
        "status": status,
    });
    if let Some(more) = &told.object {
        merge_apply(&mut object, more);
    }
    // What the document says beside `object` is the newer word.
    if told.phase.is_some() {
        set(&mut object, &["status", phase], child.phase.clone().into());
    }
    object
}

/// A workflow of this id with every member that an execution needs, less the one that is said to be missing.
fn workflow(analysis: &Analysis) -> Value {
    let mut workflow = json!({
        "workflowId": analysis.workflow_id, "workflowName": analysis.workflow_id, "actionType": "RestartDeployment",
        "version": "1.0.0", "executionBundle": "registry/workflow:1.0.0", "executionEngine": "job",
        "confidence": analysis.confidence, "rationale": "", "parameters": {},
    });
    if !analysis.workflow_incomplete.is_empty() {
        trimtab_core::json::remove(&mut workflow, &[&analysis.workflow_incomplete]);
    }
    workflow
}

fn plain(attributes: &[Attribute]) -> Value {
    attributes
        .iter()
        .map(|one| (one.key.clone(), Value::from(one.value.clone())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
