//! The `WorkflowExecution` of a remediation.

use serde_json::{Map, Value, json};

use crate::json::{copy_present, set, some_text, text};
use crate::manifest::{Manifest, remediation_reference, set_cluster};
use crate::observation::{ChildKind, Observation, WorkflowOverride};
use crate::time::Timestamp;

/// Members of a selected workflow that describe the choice, not the workflow.
const NOT_PART_OF_THE_SNAPSHOT: [&str; 4] = ["confidence", "parameters", "rationale", "selectedAt"];

/// Members that a workflow must have before it can run.
pub const REQUIRED: [&str; 6] =
    ["workflowId", "workflowName", "actionType", "version", "executionBundle", "executionEngine"];

/// The first required member that a selected workflow lacks; empty where it is complete.
pub fn missing_member(workflow: &Value) -> &'static str {
    REQUIRED.into_iter().find(|key| text(workflow, &format!("/{key}")).is_empty()).unwrap_or("")
}

/// What an execution is to run, the approved override applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// The workflow snapshot.
    pub workflow: Value,
    /// Its parameters.
    pub parameters: Value,
    /// Confidence in it, where known.
    pub confidence: Option<Value>,
    /// Why it was selected.
    pub rationale: String,
}

/// The analysis's selection with the approved override applied; `None` where nothing was selected.
pub fn selection(observation: &Observation) -> Option<Selection> {
    let selected = observation
        .child(ChildKind::AIAnalysis)
        .and_then(|child| child.object.pointer("/status/rcaResult/selectedWorkflow"))
        .filter(|workflow| workflow.is_object())?;
    let mut workflow = selected.as_object().cloned().unwrap_or_default();
    for key in NOT_PART_OF_THE_SNAPSHOT {
        workflow.remove(key);
    }
    let mut selection = Selection {
        workflow: Value::Object(workflow),
        parameters: selected.get("parameters").cloned().unwrap_or(Value::Null),
        confidence: selected.get("confidence").filter(|value| value.is_number()).cloned(),
        rationale: text(selected, "/rationale").to_owned(),
    };
    let asked = observation
        .child(ChildKind::RemediationApprovalRequest)
        .and_then(|child| child.object.pointer("/status/workflowOverride"))
        .filter(|asked| asked.is_object());
    if let Some(asked) = asked {
        apply_override(&mut selection, asked, observation.facts.workflow_override.as_ref().and_then(Option::as_ref));
    }
    Some(selection)
}

/// What an execution is told of a `RemediationWorkflow`. The analysis's dependencies, resources and parameter names
/// belong to its own choice, so nothing of that is kept.
pub fn snapshot(remediation_workflow: &Value) -> Value {
    let mut workflow = Map::new();
    let texts = [
        ("workflowId", "/status/workflowId"),
        ("workflowName", "/metadata/name"),
        ("actionType", "/spec/actionType"),
        ("version", "/spec/version"),
        ("executionBundle", "/spec/execution/bundle"),
        ("executionBundleDigest", "/spec/execution/bundleDigest"),
        ("executionEngine", "/spec/execution/engine"),
        ("serviceAccountName", "/spec/execution/serviceAccountName"),
    ];
    for (key, pointer) in texts {
        if let Some(value) = some_text(remediation_workflow, pointer) {
            workflow.insert(key.to_owned(), value.into());
        }
    }
    if let Some(config) = remediation_workflow.pointer("/spec/execution/engineConfig").filter(|value| !value.is_null())
    {
        workflow.insert("engineConfig".to_owned(), config.clone());
    }
    Value::Object(workflow)
}

fn apply_override(selection: &mut Selection, asked: &Value, found: Option<&WorkflowOverride>) {
    if let Some(named) = found.filter(|found| !found.workflow.is_null()) {
        selection.workflow = snapshot(&named.workflow);
    }
    if let Some(parameters) = asked.get("parameters").filter(|value| !value.is_null()) {
        selection.parameters = parameters.clone();
    }
    if let Some(rationale) = some_text(asked, "/rationale") {
        rationale.clone_into(&mut selection.rationale);
    }
}

/// Builds it; `times_out_at` is the deadline that it is told.
pub fn manifest(observation: &Observation, selection: &Selection, times_out_at: Option<Timestamp>) -> Manifest {
    let mut spec = json!({
        "remediationRequestRef": remediation_reference(observation),
        "workflowRef": selection.workflow,
        "targetResource": observation.remediation_target().qualified(),
    });
    let mut optional = Map::new();
    copy_present(&json!({"parameters": selection.parameters}), &["parameters"], &mut optional);
    if let Some(parameters) = optional.remove("parameters") {
        set(&mut spec, &["parameters"], parameters);
    }
    if let Some(confidence) = &selection.confidence {
        set(&mut spec, &["confidence"], confidence.clone());
    }
    if !selection.rationale.is_empty() {
        set(&mut spec, &["rationale"], selection.rationale.clone().into());
    }
    set_cluster(observation, &mut spec);
    if let Some(deadline) = times_out_at {
        set(&mut spec, &["timesOutAt"], deadline.to_string().into());
    }
    Manifest::child(observation, ChildKind::WorkflowExecution, &spec)
}
