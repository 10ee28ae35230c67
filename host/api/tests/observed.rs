//! Recorded objects fit: they validate, nothing of them is pruned, and the typed reading loses nothing declared.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its input fails")]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use trimtab_api::kinds::Kind;
use trimtab_api::{
    AIAnalysis, EffectivenessAssessment, NotificationRequest, RemediationApprovalRequest, RemediationRequest,
    RemediationWorkflow, SignalProcessing, WorkflowExecution, crds,
};

/// File name and object of every recording under `tests/observed`, where they lie as the API server returned them.
fn recordings() -> Vec<(String, Kind, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/observed");
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let object: Value = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            let kind = Kind::from_kind(object["kind"].as_str().unwrap()).unwrap();
            (name, kind, object)
        })
        .collect();
    found.sort_by(|(left, ..), (right, ..)| left.cmp(right));
    assert!(found.len() >= 13, "recordings are missing under tests/observed");
    found
}

fn recording(name: &str) -> Value {
    let found = recordings().into_iter().find(|(file, ..)| file == name);
    found.map(|(_, _, object)| object).unwrap()
}

/// The root schemas as JSON, derived once.
static ROOTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let to_root = |crd| {
        let crd = serde_json::to_value(crd).unwrap();
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
    };
    crds().iter().map(to_root).collect()
});

fn root(kind: Kind) -> &'static Value {
    let position = Kind::ALL.iter().position(|known| *known == kind).unwrap();
    &ROOTS[position]
}

/// What the API server would store: `value` without the fields that the schema neither names nor preserves.
fn pruned(schema: &Value, value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let preserve = schema["x-kubernetes-preserve-unknown-fields"] == true;
            let kept: Map<String, Value> = fields
                .iter()
                .filter_map(|(name, inner)| {
                    let property = &schema["properties"][name];
                    let declared = if property.is_object() { property } else { &schema["additionalProperties"] };
                    if declared.is_object() {
                        Some((name.clone(), pruned(declared, inner)))
                    } else {
                        preserve.then(|| (name.clone(), inner.clone()))
                    }
                })
                .collect();
            Value::Object(kept)
        }
        Value::Array(items) => items.iter().map(|item| pruned(&schema["items"], item)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// The part of an object that the schema speaks about.
fn spec_and_status(object: &Value) -> Value {
    let mut part = object.clone();
    part.as_object_mut().unwrap().retain(|name, _| name == "spec" || name == "status");
    part
}

/// The schema in the dialect of a JSON Schema validator: `nullable` becomes a type.
fn as_json_schema(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(fields) = schema.as_object_mut() {
        for inner in fields.values_mut() {
            *inner = as_json_schema(inner);
        }
        if fields.get("nullable") == Some(&json!(true)) {
            let named = fields["type"].clone();
            fields.insert("type".to_owned(), json!([named, "null"]));
        }
    }
    schema
}

fn reread<K: DeserializeOwned + Serialize>(object: &Value) -> Value {
    let typed: K = serde_json::from_value(object.clone()).unwrap();
    serde_json::to_value(typed).unwrap()
}

fn reread_as(kind: Kind, object: &Value) -> Value {
    match kind {
        Kind::RemediationRequest => reread::<RemediationRequest>(object),
        Kind::SignalProcessing => reread::<SignalProcessing>(object),
        Kind::AIAnalysis => reread::<AIAnalysis>(object),
        Kind::RemediationApprovalRequest => reread::<RemediationApprovalRequest>(object),
        Kind::WorkflowExecution => reread::<WorkflowExecution>(object),
        Kind::NotificationRequest => reread::<NotificationRequest>(object),
        Kind::EffectivenessAssessment => reread::<EffectivenessAssessment>(object),
        Kind::RemediationWorkflow => reread::<RemediationWorkflow>(object),
    }
}

/// The object without what the schema does not declare by name, without nulls, and with numbers as floats.
fn declared(schema: &Value, value: &Value) -> Value {
    match value {
        Value::Object(fields) if schema["properties"].is_object() => fields
            .iter()
            .filter(|(name, inner)| schema["properties"][name.as_str()].is_object() && !inner.is_null())
            .map(|(name, inner)| (name.clone(), declared(&schema["properties"][name.as_str()], inner)))
            .collect(),
        Value::Array(items) => items.iter().map(|item| declared(&schema["items"], item)).collect(),
        Value::Number(number) => json!(number.as_f64()),
        Value::Object(_) | Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

#[test]
fn recorded_objects_validate() {
    for (name, kind, object) in recordings() {
        let schema = as_json_schema(root(kind));
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&object).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    }
}

#[test]
fn nothing_recorded_is_pruned() {
    for (name, kind, object) in recordings() {
        let part = spec_and_status(&object);
        assert_eq!(pruned(root(kind), &part), part, "{name}");
    }
}

#[test]
fn typed_reading_loses_nothing_declared() {
    for (name, kind, object) in recordings() {
        let schema = root(kind);
        let before = declared(schema, &spec_and_status(&object));
        let after = declared(schema, &spec_and_status(&reread_as(kind, &object)));
        assert_eq!(after, before, "{name}");
    }
}

#[test]
fn remediation_request_is_read_and_written_without_any_change() {
    for (name, kind, object) in recordings() {
        if kind == Kind::RemediationRequest {
            assert_eq!(reread::<RemediationRequest>(&object), object, "{name}");
        }
    }
}

#[test]
fn unknown_status_fields_of_the_remediation_request_are_pruned() {
    let mut object = spec_and_status(&recording("remediation-request-completed.yaml"));
    let untouched = object.clone();
    object["status"]["ours"] = json!({ "kept": false });
    object["status"]["routingStatus"]["ours"] = json!(1);
    assert_eq!(pruned(root(Kind::RemediationRequest), &object), untouched);
}

#[test]
fn unknown_fields_of_other_controllers_survive_at_every_level() {
    let mut object = spec_and_status(&recording("signal-processing-completed.yaml"));
    object["status"]["theirs"] = json!({ "deep": [1, 2] });
    object["status"]["kubernetesContext"]["namespace"]["theirs"] = json!("kept");
    assert_eq!(pruned(root(Kind::SignalProcessing), &object), object);
}

#[test]
fn values_out_of_the_ordinary_do_not_make_an_object_unreadable() {
    let mut object = recording("remediation-request-timed-out.yaml");
    object["status"]["overallPhase"] = json!("Hibernating");
    object["status"]["startTime"] = json!("2026-11-22T08:30:18+99:00");
    object["status"]["conditions"][0]["status"] = json!("Perhaps");
    object["status"]["completionStatus"]["outcome"] = Value::Null;
    object["status"]["theirs"] = json!(true);
    let read: RemediationRequest = serde_json::from_value(object).unwrap();
    let status = read.status.unwrap();
    assert_eq!(status.overall_phase.as_deref(), Some("Hibernating"));
    assert!(status.start_time.unwrap().timestamp().is_err());
    assert_eq!(status.completion_status.unwrap().outcome, None);
}

#[test]
fn copied_parts_keep_fields_that_are_not_declared() {
    let mut analysis = recording("ai-analysis-approval-required.yaml");
    let selected = &mut analysis["status"]["rcaResult"]["selectedWorkflow"];
    selected["dependencies"] = json!({ "secrets": [{ "name": "token", "optional": true }] });
    selected["declaredParameterNames"] = Value::Null;
    selected["futureField"] = json!({ "a": 1 });
    let read: AIAnalysis = serde_json::from_value(analysis).unwrap();
    let selected = read.status.unwrap().rca_result.unwrap().selected_workflow.unwrap();
    assert_eq!(selected.confidence, Some(0.92));
    let snapshot = serde_json::to_value(&selected.workflow).unwrap();
    assert_eq!(
        snapshot,
        json!({
            "actionType": "IncreaseMemoryLimits",
            "dependencies": { "secrets": [{ "name": "token", "optional": true }] },
            "executionBundle": "registry.invalid/workflows/increase-memory:1.0.0",
            "executionEngine": "job",
            "futureField": { "a": 1 },
            "version": "1.0.0",
            "workflowId": "wf-increase-memory",
            "workflowName": "increase-memory-limit",
        })
    );
}

#[test]
fn objects_that_break_the_schema_are_refused() {
    let schema = as_json_schema(root(Kind::RemediationRequest));
    let validator = jsonschema::validator_for(&schema).unwrap();
    let object = recording("remediation-request-completed.yaml");
    let breaks: [(&str, Value); 5] = [
        ("/spec/signalFingerprint", json!("ABC")),
        ("/spec/severity", json!("")),
        ("/spec/targetType", json!("mainframe")),
        ("/status/overallPhase", json!("Hibernating")),
        ("/status/completionStatus/outcome", Value::Null),
    ];
    for (path, value) in breaks {
        let mut broken = object.clone();
        *broken.pointer_mut(path).unwrap() = value;
        assert!(!validator.is_valid(&broken), "{path}");
    }
}
