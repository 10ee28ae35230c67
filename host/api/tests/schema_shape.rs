//! What each CRD promises: names, columns, selectable fields, rules, and a schema that the API server takes.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its input fails")]

use std::sync::LazyLock;

use kube::core::{CustomResourceExt as _, Resource as _};
use serde_json::{Value, json};
use trimtab_api::kinds::{API_VERSION, GROUP, Kind, VERSION};
use trimtab_api::{RemediationRequest, crds};

/// The CRDs as JSON, derived once.
static CRDS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let to_json = |crd| serde_json::to_value(crd).unwrap();
    crds().iter().map(to_json).collect()
});

fn crd(kind: Kind) -> &'static Value {
    let position = Kind::ALL.iter().position(|known| *known == kind).unwrap();
    &CRDS[position]
}

fn version(kind: Kind) -> &'static Value {
    &crd(kind)["spec"]["versions"][0]
}

fn root(kind: Kind) -> &'static Value {
    &version(kind)["schema"]["openAPIV3Schema"]
}

/// The schema of one field, by its path below the root.
fn field(kind: Kind, path: &str) -> &'static Value {
    path.split('.').fold(root(kind), |schema, name| {
        let inner = &schema["properties"][name];
        assert!(!inner.is_null(), "{kind} has no {path}: {name} is missing");
        inner
    })
}

/// Every schema node below the root, with its path.
fn nodes(kind: Kind) -> Vec<(String, Value)> {
    fn walk(path: &str, schema: &Value, found: &mut Vec<(String, Value)>) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            walk(&path, property, found);
            found.push((path, property.clone()));
        }
        for part in ["items", "additionalProperties"] {
            if !schema[part].is_null() {
                let path = format!("{path}[{part}]");
                walk(&path, &schema[part], found);
                found.push((path, schema[part].clone()));
            }
        }
    }
    let mut found = Vec::new();
    walk("", root(kind), &mut found);
    found
}

#[test]
fn kinds_name_what_the_crds_declare() {
    for (kind, crd) in Kind::ALL.into_iter().zip(crds()) {
        assert_eq!(crd.spec.names.kind, kind.kind());
        assert_eq!(crd.spec.names.plural, kind.plural());
        assert_eq!(crd.metadata.name, Some(format!("{}.{GROUP}", kind.plural())));
        assert_eq!(crd.spec.group, GROUP);
        assert_eq!(crd.spec.scope, "Namespaced");
        assert_eq!(crd.spec.versions.len(), 1);
        let version = &crd.spec.versions[0];
        assert_eq!(version.name, VERSION);
        assert!(version.served && version.storage);
        assert!(version.subresources.as_ref().unwrap().status.is_some());
        assert_eq!(Kind::from_kind(kind.kind()), Some(kind));
    }
    assert_eq!(Kind::from_kind("AgentSession"), None);
    assert_eq!(Kind::RemediationRequest.api_resource(), RemediationRequest::api_resource());
    assert_eq!(RemediationRequest::api_version(&()), API_VERSION);
}

#[test]
fn short_names_are_kubernauts() {
    let expected = [
        json!(["rr"]),
        json!(["sp"]),
        json!(["aia"]),
        json!(["rar", "rars"]),
        json!(["wfe"]),
        json!(["notif", "notifs"]),
        json!(["ea"]),
        json!(["rw"]),
    ];
    for (kind, names) in Kind::ALL.into_iter().zip(expected) {
        assert_eq!(crd(kind)["spec"]["names"]["shortNames"], names, "{kind}");
    }
}

#[test]
fn selectable_fields_are_kubernauts_and_the_executions_target_and_declared_as_strings() {
    let parent = ".spec.remediationRequestRef.name";
    let expected: [&[&str]; 8] = [
        &[".spec.signalFingerprint", ".spec.signalType", ".spec.severity", ".spec.clusterID"],
        &[parent],
        &[parent],
        &[parent, ".spec.aiAnalysisRef.name"],
        // Ours: the executions on one target are listed before another one starts.
        &[parent, ".spec.targetResource"],
        &[parent, ".spec.type", ".spec.severity"],
        &[],
        &[],
    ];
    for (kind, paths) in Kind::ALL.into_iter().zip(expected) {
        let declared: Vec<Value> = version(kind)["selectableFields"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|selectable| selectable["jsonPath"].clone())
            .collect();
        assert_eq!(declared, paths, "{kind}");
        for path in paths {
            assert_eq!(field(kind, &path[1..])["type"], "string", "{kind} {path}");
        }
    }
}

/// Kind, name, type, priority and path of each column, in order.
const COLUMNS: &str = r#"
RemediationRequest|Phase|string|0|.status.overallPhase
RemediationRequest|Outcome|string|0|.status.completionStatus.outcome
RemediationRequest|Alert|string|0|.spec.signalName
RemediationRequest|RCA Target|string|0|.status.workflowSelection.targetDisplay
RemediationRequest|Workflow|string|0|.status.workflowSelection.workflowDisplayName
RemediationRequest|Confidence|string|0|.status.workflowSelection.confidence
RemediationRequest|Age|date|0|.metadata.creationTimestamp
RemediationRequest|Cluster|string|1|.spec.clusterID
RemediationRequest|Source|string|1|.spec.signalSource
RemediationRequest|Signal NS|string|1|.spec.targetResource.namespace
RemediationRequest|Signal Target|string|1|.status.workflowSelection.signalTargetDisplay
RemediationRequest|RCA NS|string|1|.status.workflowSelection.remediationTarget.namespace
SignalProcessing|Phase|string|0|.status.phase
SignalProcessing|Severity|string|0|.status.signalClassification.severity
SignalProcessing|Environment|string|0|.status.environmentClassification.environment
SignalProcessing|Priority|string|0|.status.priorityAssignment.priority
SignalProcessing|Reason|string|1|.status.conditions[?(@.type=="Ready")].reason
SignalProcessing|Age|date|0|.metadata.creationTimestamp
AIAnalysis|Phase|string|0|.status.phase
AIAnalysis|Confidence|number|0|.status.rcaResult.selectedWorkflow.confidence
AIAnalysis|Approval Required|boolean|0|.status.approval.approvalRequired
AIAnalysis|Reason|string|1|.status.conditions[?(@.type=="Ready")].reason
AIAnalysis|Age|date|0|.metadata.creationTimestamp
RemediationApprovalRequest|AIAnalysis|string|0|.spec.aiAnalysisRef.name
RemediationApprovalRequest|Confidence|number|0|.spec.confidence
RemediationApprovalRequest|Decision|string|0|.status.decision
RemediationApprovalRequest|Expired|boolean|0|.status.expired
RemediationApprovalRequest|RequiredBy|string|0|.spec.requiredBy
RemediationApprovalRequest|Reason|string|1|.status.conditions[?(@.type=="Ready")].reason
RemediationApprovalRequest|Age|date|0|.metadata.creationTimestamp
WorkflowExecution|Phase|string|0|.status.phase
WorkflowExecution|Workflow|string|0|.spec.workflowRef.workflowName
WorkflowExecution|WorkflowID|string|1|.spec.workflowRef.workflowId
WorkflowExecution|Target|string|0|.spec.targetResource
WorkflowExecution|Duration|string|0|.status.duration
WorkflowExecution|Reason|string|1|.status.conditions[?(@.type=="Ready")].reason
WorkflowExecution|Age|date|0|.metadata.creationTimestamp
NotificationRequest|Type|string|0|.spec.type
NotificationRequest|Priority|string|0|.spec.priority
NotificationRequest|Phase|string|0|.status.phase
NotificationRequest|Attempts|integer|0|.status.totalAttempts
NotificationRequest|Reason|string|1|.status.conditions[?(@.type=="Ready")].reason
NotificationRequest|Age|date|0|.metadata.creationTimestamp
EffectivenessAssessment|Phase|string|0|.status.phase
EffectivenessAssessment|Reason|string|0|.status.assessmentReason
EffectivenessAssessment|CorrelationID|string|0|.spec.correlationID
EffectivenessAssessment|ReadyReason|string|1|.status.conditions[?(@.type=="Ready")].reason
EffectivenessAssessment|Age|date|0|.metadata.creationTimestamp
"#;

#[test]
fn columns_are_kubernauts() {
    let mut found = vec![String::new()];
    for kind in Kind::ALL {
        let columns = &version(kind)["additionalPrinterColumns"];
        for column in columns.as_array().into_iter().flatten() {
            let text = |key: &str| column[key].as_str().unwrap();
            let (name, type_, path) = (text("name"), text("type"), text("jsonPath"));
            let priority = column["priority"].as_i64().unwrap_or(0);
            found.push(format!("{kind}|{name}|{type_}|{priority}|{path}"));
        }
    }
    found.push(String::new());
    assert_eq!(found.join("\n"), COLUMNS);
}

#[test]
fn rules_protect_what_must_not_change() {
    let mut found: Vec<String> = Vec::new();
    for kind in Kind::ALL {
        for (path, schema) in nodes(kind) {
            for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
                assert!(!rule["message"].as_str().unwrap().is_empty(), "{kind}{path} has no message");
                found.push(format!("{kind}{path}: {}", rule["rule"].as_str().unwrap()));
            }
        }
    }
    found.sort();
    let mut expected = vec![
        "RemediationRequest.spec: self == oldSelf",
        "RemediationRequest.spec.signalFingerprint: self == oldSelf",
        "RemediationRequest.status.operatorAudit.preRemediationSpecHash: oldSelf == '' || self == oldSelf",
        "SignalProcessing.spec: self == oldSelf",
        "SignalProcessing.spec: self.remediationRequestRef.name != ''",
        "AIAnalysis.spec: self == oldSelf",
        "AIAnalysis.status.postRCAContext: !has(oldSelf.setAt) || self == oldSelf",
        "AIAnalysis.status.rcaResult.selectedWorkflow: !has(oldSelf.selectedAt) || self == oldSelf",
        "RemediationApprovalRequest.spec: self == oldSelf",
        "WorkflowExecution.spec: self == oldSelf",
        "NotificationRequest.spec: self == oldSelf",
    ];
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn only_the_remediation_request_prunes() {
    let preserve = "x-kubernetes-preserve-unknown-fields";
    for (path, schema) in nodes(Kind::RemediationRequest) {
        assert!(schema[preserve].is_null(), "RemediationRequest{path} preserves unknown fields");
    }
    for kind in Kind::ALL.into_iter().skip(1) {
        for (path, schema) in nodes(kind) {
            if schema["properties"].is_object() {
                assert_eq!(schema[preserve], true, "{kind}{path} prunes what another controller writes");
            }
        }
    }
}

#[test]
fn schemas_are_structural() {
    let known = [
        "additionalProperties",
        "default",
        "description",
        "enum",
        "format",
        "items",
        "maxLength",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "nullable",
        "pattern",
        "properties",
        "required",
        "type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    ];
    let formats = ["int32", "int64", "double", "date-time"];
    for kind in Kind::ALL {
        assert_eq!(root(kind)["type"], "object");
        assert_eq!(root(kind)["required"], json!(["spec"]));
        for (path, schema) in nodes(kind) {
            let keywords = schema.as_object().expect("a schema is an object, never a boolean");
            for keyword in keywords.keys() {
                assert!(known.contains(&keyword.as_str()), "{kind}{path} uses {keyword}");
            }
            let open = schema["x-kubernetes-preserve-unknown-fields"] == true;
            assert!(schema["type"].is_string() || open, "{kind}{path} has no type");
            if let Some(format) = schema["format"].as_str() {
                assert!(formats.contains(&format), "{kind}{path} has format {format}");
            }
            assert!(schema["default"] != Value::Null || !keywords.contains_key("default"));
            for name in schema["required"].as_array().into_iter().flatten() {
                let name = name.as_str().unwrap();
                assert!(schema["properties"][name].is_object(), "{kind}{path} requires undeclared {name}");
            }
        }
    }
}

#[test]
fn null_is_taken_only_where_a_writer_is_known_to_send_it() {
    let nullable: Vec<String> = Kind::ALL
        .into_iter()
        .flat_map(|kind| nodes(kind).into_iter().map(move |(path, schema)| (kind, path, schema)))
        .filter(|(_, _, schema)| !schema["nullable"].is_null())
        .map(|(kind, path, _)| format!("{kind}{path}"))
        .collect();
    let expected = [
        "AIAnalysis.status.rcaResult.selectedWorkflow.declaredParameterNames",
        "WorkflowExecution.spec.workflowRef.declaredParameterNames",
    ];
    assert_eq!(nullable, expected);
}

#[test]
fn required_fields_are_kubernauts() {
    let expected = [
        (
            Kind::RemediationRequest,
            "spec",
            json!([
                "firingTime",
                "receivedTime",
                "severity",
                "signalFingerprint",
                "signalName",
                "signalType",
                "targetResource",
                "targetType",
            ]),
        ),
        (Kind::RemediationRequest, "spec.targetResource", json!(["kind", "name"])),
        (Kind::SignalProcessing, "spec", json!(["remediationRequestRef", "signal"])),
        (Kind::SignalProcessing, "spec.remediationRequestRef", json!(["name"])),
        (Kind::AIAnalysis, "spec", json!(["analysisRequest", "remediationId", "remediationRequestRef"])),
        (Kind::AIAnalysis, "status", json!(["phase"])),
        (
            Kind::RemediationApprovalRequest,
            "spec",
            json!([
                "aiAnalysisRef",
                "confidence",
                "confidenceLevel",
                "investigationSummary",
                "reason",
                "recommendedActions",
                "recommendedWorkflow",
                "remediationRequestRef",
                "requiredBy",
                "whyApprovalRequired",
            ]),
        ),
        (Kind::WorkflowExecution, "spec", json!(["remediationRequestRef", "targetResource", "workflowRef"])),
        (
            Kind::WorkflowExecution,
            "spec.workflowRef",
            json!(["actionType", "executionBundle", "version", "workflowId", "workflowName",]),
        ),
        (Kind::NotificationRequest, "spec", json!(["body", "priority", "subject", "type"])),
        (Kind::NotificationRequest, "spec.context.verification", json!(["assessed"])),
        (
            Kind::EffectivenessAssessment,
            "spec",
            json!(["config", "correlationID", "remediationRequestPhase", "remediationTarget", "signalTarget",]),
        ),
        (Kind::EffectivenessAssessment, "spec.config", json!(["stabilizationWindow"])),
    ];
    for (kind, path, required) in expected {
        assert_eq!(field(kind, path)["required"], required, "{kind} {path}");
    }
    for path in ["status", "status.phaseProgress", "status.routingStatus", "status.completionStatus"] {
        assert!(field(Kind::RemediationRequest, path)["required"].is_null(), "{path}");
    }
}

#[test]
fn bounds_defaults_and_patterns_are_kubernauts() {
    let cases = [
        (Kind::RemediationRequest, "spec.signalFingerprint", "pattern", json!("^[a-f0-9]{64}$")),
        (Kind::RemediationRequest, "spec.severity", "minLength", json!(1)),
        (Kind::RemediationRequest, "spec.severity", "maxLength", json!(50)),
        (Kind::RemediationRequest, "spec.signalSource", "maxLength", json!(63)),
        (Kind::RemediationRequest, "status.conditions", "x-kubernetes-list-type", json!("map")),
        (Kind::RemediationRequest, "status.conditions", "x-kubernetes-list-map-keys", json!(["type"])),
        (Kind::AIAnalysis, "spec.analysisRequest.analysisTypes", "minItems", json!(1)),
        (Kind::AIAnalysis, "status.rcaResult.selectedWorkflow.confidence", "maximum", json!(1.0)),
        (Kind::RemediationApprovalRequest, "spec.recommendedActions", "minItems", json!(1)),
        (Kind::RemediationApprovalRequest, "spec.confidence", "minimum", json!(0.0)),
        (Kind::RemediationApprovalRequest, "status.decision", "enum", json!(["", "Approved", "Rejected", "Expired"])),
        (Kind::NotificationRequest, "spec.priority", "default", json!("Medium")),
        (Kind::NotificationRequest, "spec.retentionDays", "default", json!(7)),
        (Kind::NotificationRequest, "spec.retryPolicy.maxAttempts", "default", json!(5)),
        (Kind::NotificationRequest, "spec.retryPolicy.initialBackoffSeconds", "default", json!(30)),
        (Kind::NotificationRequest, "spec.retryPolicy.backoffMultiplier", "default", json!(2)),
        (Kind::NotificationRequest, "spec.retryPolicy.maxBackoffSeconds", "default", json!(480)),
        (Kind::NotificationRequest, "spec.retryPolicy.maxBackoffSeconds", "minimum", json!(60.0)),
        (Kind::NotificationRequest, "spec.subject", "maxLength", json!(500)),
    ];
    for (kind, path, keyword, value) in cases {
        assert_eq!(field(kind, path)[keyword], value, "{kind} {path} {keyword}");
    }
}
