//! The `RemediationApprovalRequest` of a remediation, and what the host writes into its status.

use serde_json::{Map, Value, json};

use crate::go_duration;
use crate::json::{copy_present, set, some_text, text};
use crate::manifest::{Manifest, remediation_reference, set_cluster};
use crate::observation::{Approval, ChildKind, Observation};
use crate::status::set_condition;
use crate::time::Timestamp;

/// Builds it from the finished analysis; it can be decided until `required_by`.
pub fn manifest(observation: &Observation, required_by: Timestamp) -> Manifest {
    let nothing = Value::Null;
    let analysed =
        observation.child(ChildKind::AIAnalysis).and_then(|child| child.object.get("status")).unwrap_or(&nothing);
    let workflow = analysed.pointer("/rcaResult/selectedWorkflow").unwrap_or(&nothing);
    let confidence = workflow.get("confidence").and_then(Value::as_f64).unwrap_or(0.0);
    let reason = some_text(analysed, "/approval/approvalReason").unwrap_or("Approval is required by policy");
    let analysis_name = observation.record.object_name(ChildKind::AIAnalysis, &observation.name);
    let summary = some_text(analysed, "/rcaResult/rootCause")
        .or_else(|| some_text(analysed, "/rcaResult/rootCauseAnalysis/summary"))
        .unwrap_or("No investigation summary is available");
    let mut spec = json!({
        "remediationRequestRef": remediation_reference(observation),
        "aiAnalysisRef": {"name": analysis_name},
        "confidence": confidence,
        "confidenceLevel": confidence_level(confidence),
        "reason": reason,
        "recommendedWorkflow": {
            "workflowId": text(workflow, "/workflowId"),
            "version": text(workflow, "/version"),
            "executionBundle": text(workflow, "/executionBundle"),
            "rationale": text(workflow, "/rationale"),
        },
        "investigationSummary": summary,
        "recommendedActions": [{
            "action": "Review the recommended workflow and approve if appropriate",
            "rationale": reason,
        }],
        "whyApprovalRequired": reason,
        "requiredBy": required_by.to_string(),
    });
    let mut context = Map::new();
    if let Some(from) = analysed.pointer("/approval/approvalContext") {
        copy_present(from, &["evidenceCollected", "alternativesConsidered", "policyEvaluation"], &mut context);
    }
    for (key, value) in context {
        set(&mut spec, &[&key], value);
    }
    set_cluster(observation, &mut spec);
    Manifest::child(observation, ChildKind::RemediationApprovalRequest, &spec)
}

/// 0.8 and more is high, 0.6 and more medium, the rest low (Kubernaut's bands).
fn confidence_level(confidence: f64) -> &'static str {
    if confidence >= 0.8 {
        "high"
    } else if confidence >= 0.6 {
        "medium"
    } else {
        "low"
    }
}

/// The status of a request that waits for its decision.
pub fn awaiting(now: Timestamp, required_by: Timestamp) -> Value {
    let mut conditions = Vec::new();
    let expires = format!("Awaiting decision, expires {required_by}");
    set_condition(&mut conditions, now, None, ("ApprovalPending", true, "AwaitingDecision", &expires));
    set_condition(&mut conditions, now, None, ("ApprovalDecided", false, "PendingDecision", "No decision yet"));
    set_condition(&mut conditions, now, None, ("ApprovalExpired", false, "NotExpired", "Approval has not expired"));
    json!({
        "createdAt": now.to_string(),
        "timeRemaining": time_remaining(now, required_by),
        "conditions": conditions,
    })
}

/// The change of status that acknowledges a person's decision.
pub fn decided(observation: &Observation, approval: &Approval) -> Value {
    let (mut conditions, generation) = known(observation);
    let by = if approval.decided_by.is_empty() { "operator" } else { &approval.decided_by };
    let message = if approval.message.is_empty() {
        format!("{} by {by}", approval.decision)
    } else {
        format!("{} by {by}: {}", approval.decision, approval.message)
    };
    let now = observation.now;
    set_condition(&mut conditions, now, generation, ("ApprovalPending", false, "DecisionMade", "Decision received"));
    set_condition(&mut conditions, now, generation, ("ApprovalDecided", true, &approval.decision, &message));
    set_condition(&mut conditions, now, generation, ("Ready", true, "Ready", "Approval decided"));
    json!({"conditions": conditions})
}

/// The change of status that closes a request nobody has decided in time.
pub fn expired(observation: &Observation, approval: &Approval) -> Value {
    let mut status = noted_expired(observation, approval);
    set(&mut status, &["decision"], "Expired".into());
    set(&mut status, &["decidedBy"], "system".into());
    set(&mut status, &["decidedAt"], observation.now.to_string().into());
    status
}

/// The change of status that acknowledges an expiry which somebody else has decided.
pub fn noted_expired(observation: &Observation, approval: &Approval) -> Value {
    let (mut conditions, generation) = known(observation);
    let now = observation.now;
    let message = if now > approval.required_by {
        format!("No decision before {}", approval.required_by)
    } else {
        "The remediation ended without a decision".to_owned()
    };
    set_condition(&mut conditions, now, generation, ("ApprovalPending", false, "DecisionMade", "Approval expired"));
    set_condition(&mut conditions, now, generation, ("ApprovalExpired", true, "Timeout", &message));
    set_condition(&mut conditions, now, generation, ("Ready", false, "NotReady", "Approval expired"));
    json!({
        "expired": true,
        "timeRemaining": time_remaining(now, approval.required_by),
        "conditions": conditions,
    })
}

fn known(observation: &Observation) -> (Vec<Value>, Option<i64>) {
    let child = observation.child(ChildKind::RemediationApprovalRequest);
    let conditions = child
        .and_then(|child| child.object.pointer("/status/conditions"))
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    (conditions, child.and_then(|child| child.object.pointer("/metadata/generation")).and_then(Value::as_i64))
}

/// Go notation, rounded to seconds, never negative.
fn time_remaining(now: Timestamp, required_by: Timestamp) -> String {
    let rounded = (required_by.since(now).as_millis() + 500) / 1000 * 1000;
    go_duration::format(i64::try_from(rounded).unwrap_or(i64::MAX))
}
