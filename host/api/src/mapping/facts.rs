//! Answers to the questions of policies that the objects themselves give.

use std::sync::Arc;

use serde_json::Value;
use trimtab_core::json::{is_true, some_text, text};
use trimtab_core::manifest::workflow_execution::{missing_member, snapshot};
use trimtab_core::observation::{
    Analysis, Approval, Assessment, Child, ChildKind, Classification, Execution, Facts, RelatedRemediation,
    RelatedRemediations, Signal, WorkflowOverride,
};
use trimtab_core::phase::Phase;
use trimtab_core::proposal::Attribute;

use super::{Objects, routing, target, time};

/// Most labels, and most annotations, that a policy is shown.
const ATTRIBUTES_MAX: usize = 64;

/// Most related remediations that a policy is shown.
const RELATED_MAX: usize = 100;

/// Everything that follows from the objects; what costs more is added by whoever gathers it.
pub(super) fn observe(objects: &Objects, phase: Option<Phase>, children: &[Child]) -> Facts {
    let status = |kind: ChildKind| {
        children
            .iter()
            .find(|child| child.kind == kind && child.found)
            .map(|child| (child, child.object.get("status").unwrap_or(&Value::Null)))
    };
    Facts {
        signal: signal(&objects.remediation),
        classification: status(ChildKind::SignalProcessing)
            .filter(|(child, _)| child.phase == "Completed")
            .map(|(_, status)| classification(status)),
        analysis: status(ChildKind::AIAnalysis).map(|(_, status)| analysis(status)),
        approval: status(ChildKind::RemediationApprovalRequest).map(|(child, status)| Approval {
            decision: text(status, "/decision").to_owned(),
            decided_by: text(status, "/decidedBy").to_owned(),
            message: text(status, "/decisionMessage").to_owned(),
            decided_at: child.finished_at,
            required_by: child.deadline.unwrap_or_default(),
        }),
        execution: status(ChildKind::WorkflowExecution).map(|(child, status)| Execution {
            phase: child.phase.clone(),
            failure_reason: text(status, "/failureReason").to_owned(),
            failure_code: child.reason.clone(),
            deduplicated_by: text(status, "/deduplicatedBy").to_owned(),
        }),
        assessment: status(ChildKind::EffectivenessAssessment).map(|(child, status)| Assessment {
            phase: child.phase.clone(),
            reason: child.reason.clone(),
            validity_deadline: child.deadline,
            alert_score: Some(status)
                .filter(|status| is_true(status, "/components/alertAssessed"))
                .and_then(|status| status.pointer("/components/alertScore"))
                .and_then(Value::as_f64),
        }),
        workflow_override: objects.workflow.as_ref().map(|found| workflow_override(children, found.as_ref())),
        related_remediations: objects.related.as_ref().map(|found| related(found)),
        routing: routing::observe(&objects.remediation, phase, children),
        ..Facts::default()
    }
}

fn signal(object: &Value) -> Signal {
    Signal {
        fingerprint: text(object, "/spec/signalFingerprint").to_owned(),
        signal_type: text(object, "/spec/signalType").to_owned(),
        source: text(object, "/spec/signalSource").to_owned(),
        firing_at: time(object, "/spec/firingTime").unwrap_or_default(),
        received_at: time(object, "/spec/receivedTime").unwrap_or_default(),
        labels: attributes(object.pointer("/spec/signalLabels")),
        annotations: attributes(object.pointer("/spec/signalAnnotations")),
    }
}

/// The members of a map of texts, sorted by key, at most [`ATTRIBUTES_MAX`].
fn attributes(map: Option<&Value>) -> Vec<Attribute> {
    let mut attributes: Vec<_> = map
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some(Attribute { key: key.clone(), value: value.as_str()?.to_owned() }))
        .collect();
    attributes.sort_by(|one, other| one.key.cmp(&other.key));
    attributes.truncate(ATTRIBUTES_MAX);
    attributes
}

fn classification(status: &Value) -> Classification {
    Classification {
        severity: text(status, "/signalClassification/severity").to_owned(),
        environment: text(status, "/environmentClassification/environment").to_owned(),
        priority: text(status, "/priorityAssignment/priority").to_owned(),
        signal_mode: text(status, "/signalClassification/signalMode").to_owned(),
    }
}

fn analysis(status: &Value) -> Analysis {
    let workflow = status.pointer("/rcaResult/selectedWorkflow").filter(|value| value.is_object());
    let target = status
        .pointer("/rcaResult/rootCauseAnalysis/remediationTarget")
        .map(target)
        .filter(|target| !target.kind.is_empty() && !target.name.is_empty());
    let session = status.get("interactiveSession").unwrap_or(&Value::Null);
    Analysis {
        reason: text(status, "/reason").to_owned(),
        sub_reason: text(status, "/subReason").to_owned(),
        message: text(status, "/message").to_owned(),
        needs_human_review: is_true(status, "/review/needsHumanReview"),
        human_review_reason: text(status, "/review/humanReviewReason").to_owned(),
        approval_required: is_true(status, "/approval/approvalRequired"),
        approval_reason: text(status, "/approval/approvalReason").to_owned(),
        workflow_id: workflow.map_or("", |workflow| text(workflow, "/workflowId")).to_owned(),
        workflow_incomplete: workflow.map_or("", missing_member).to_owned(),
        confidence: workflow.and_then(|workflow| workflow.get("confidence")).and_then(Value::as_f64).unwrap_or(0.0),
        remediation_target: target,
        session_active: some_text(session, "/startedAt").is_some() && some_text(session, "/completedAt").is_none(),
    }
}

fn workflow_override(children: &[Child], found: Option<&Arc<Value>>) -> Option<WorkflowOverride> {
    let asked = children
        .iter()
        .find(|child| child.kind == ChildKind::RemediationApprovalRequest)
        .and_then(|child| child.object.pointer("/status/workflowOverride"))
        .filter(|asked| asked.is_object())?;
    let workflow_name = text(asked, "/workflowName").to_owned();
    Some(WorkflowOverride {
        found: workflow_name.is_empty() || found.is_some(),
        incomplete: found.map_or("", |workflow| missing_member(&snapshot(workflow))).to_owned(),
        workflow_name,
        replaces_parameters: asked.get("parameters").is_some_and(|value| !value.is_null()),
        workflow: found.cloned().unwrap_or_default(),
    })
}

fn related(found: &[Arc<Value>]) -> RelatedRemediations {
    let mut items: Vec<_> = found
        .iter()
        .map(|object| {
            let created = text(object, "/metadata/creationTimestamp").to_owned();
            let item = RelatedRemediation {
                name: text(object, "/metadata/name").to_owned(),
                phase: text(object, "/status/overallPhase").to_owned(),
                outcome: text(object, "/status/completionStatus/outcome").to_owned(),
                started_at: time(object, "/status/startTime"),
            };
            (created, item)
        })
        .collect();
    let total = u32::try_from(items.len()).unwrap_or(u32::MAX);
    items.sort_by(|(one, a), (other, b)| other.cmp(one).then_with(|| a.name.cmp(&b.name)));
    items.truncate(RELATED_MAX);
    RelatedRemediations { total, items: items.into_iter().map(|(_, item)| item).collect() }
}
