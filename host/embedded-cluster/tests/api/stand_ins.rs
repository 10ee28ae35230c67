//! The stand-ins on Kubernaut's own kinds: what they write is valid, scripted, and survives restarts.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{
    Api, DynamicObject, ListParams, Patch, PatchParams, PostParams, ValidationDirective, WatchEvent, WatchParams,
};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};
use trimtab_api::Kind;
use trimtab_embedded_cluster::stand_ins::SCRIPT_ANNOTATION;
use trimtab_embedded_cluster::{ClusterConfig, EmbeddedCluster, Laws, StandIns, StandInsRunning, WallClock};

use crate::common::refusal;

const NAMESPACE: &str = "kubernaut-system";

/// A wall clock that follows tokio's (paused) clock.
fn clock() -> WallClock {
    let (begun, base) = (Instant::now(), "2026-11-22T08:30:00Z".parse::<Timestamp>().unwrap());
    WallClock::new(move || base + begun.elapsed())
}

fn cluster(clock: &WallClock) -> EmbeddedCluster {
    let config =
        ClusterConfig { crds: trimtab_api::crds(), clock: clock.clone(), seed: Some(1), ..ClusterConfig::default() };
    EmbeddedCluster::open(config).unwrap()
}

fn api(cluster: &EmbeddedCluster, kind: Kind) -> Api<DynamicObject> {
    Api::namespaced_with(cluster.client(), NAMESPACE, &kind.api_resource())
}

fn spawn(cluster: &EmbeddedCluster, clock: &WallClock, laws: &Laws) -> StandInsRunning {
    StandIns::spawn(cluster.client(), NAMESPACE.to_owned(), laws.clone(), clock.clone()).unwrap()
}

const FINGERPRINT: &str = "7cc465cf3bf719f545cdeb2e44398c16480743b03c850e6799c23fb2f0f4285b";

fn target() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "app", "namespace": "demo"})
}

fn parent() -> Value {
    json!({"apiVersion": "kubernaut.ai/v1alpha1", "kind": "RemediationRequest", "name": "rr", "namespace": NAMESPACE})
}

fn workflow() -> Value {
    json!({"workflowId": "wf", "workflowName": "increase", "actionType": "IncreaseMemoryLimits", "version": "1.0.0",
        "executionBundle": "registry.invalid/wf:1", "executionEngine": "job"})
}

fn spec(kind: Kind) -> Value {
    match kind {
        Kind::RemediationRequest => {
            json!({"signalFingerprint": FINGERPRINT, "signalName": "KubePodCrashLooping", "severity": "critical",
            "signalType": "alert", "targetType": "kubernetes", "targetResource": target(),
            "firingTime": "2026-11-22T08:29:18Z", "receivedTime": "2026-11-22T08:30:18Z"})
        }
        Kind::SignalProcessing => json!({"remediationRequestRef": parent(), "signal": {"fingerprint": FINGERPRINT,
            "name": "KubePodCrashLooping", "severity": "critical", "type": "alert", "targetType": "kubernetes",
            "targetResource": {"kind": "Deployment", "name": "app", "namespace": "demo"}, "receivedTime": "2026-11-22T08:30:18Z"}}),
        Kind::AIAnalysis => json!({"remediationRequestRef": parent(), "remediationId": "rr", "analysisRequest": {
            "analysisTypes": ["RootCause"], "signalContext": {"fingerprint": FINGERPRINT, "severity": "critical",
            "signalName": "KubePodCrashLooping", "signalMode": "reactive", "environment": "Production", "businessPriority": "P1",
            "targetResource": target(), "enrichmentResults": {}}}}),
        Kind::RemediationApprovalRequest => {
            json!({"remediationRequestRef": parent(), "aiAnalysisRef": {"name": "ai-rr"},
            "confidence": 0.9, "confidenceLevel": "high", "reason": "production", "investigationSummary": "memory",
            "recommendedWorkflow": {"workflowId": "wf", "version": "1", "executionBundle": "b", "rationale": "r"},
            "recommendedActions": [{"action": "a", "rationale": "r"}], "whyApprovalRequired": "production",
            "requiredBy": "2026-11-22T08:45:39Z"})
        }
        Kind::WorkflowExecution => {
            json!({"remediationRequestRef": parent(), "workflowRef": workflow(), "targetResource": "demo/Deployment/app"})
        }
        Kind::EffectivenessAssessment => json!({"correlationID": "rr", "remediationRequestPhase": "Verifying",
            "signalTarget": target(), "remediationTarget": target(), "config": {"stabilizationWindow": "5m0s"}}),
        Kind::NotificationRequest => json!({"remediationRequestRef": parent(), "type": "Completion", "priority": "Low",
            "subject": "done", "body": "done"}),
        Kind::RemediationWorkflow => json!({}),
    }
}

const CHILDREN: [(Kind, &str); 6] = [
    (Kind::SignalProcessing, "sp-rr"),
    (Kind::AIAnalysis, "ai-rr"),
    (Kind::RemediationApprovalRequest, "rar-rr"),
    (Kind::WorkflowExecution, "we-rr"),
    (Kind::EffectivenessAssessment, "ea-rr"),
    (Kind::NotificationRequest, "nr-rr"),
];

async fn create(api: &Api<DynamicObject>, kind: Kind, name: &str, annotations: &Value) -> DynamicObject {
    let mut object = DynamicObject::new(name, &kind.api_resource()).data(json!({"spec": spec(kind)}));
    if !annotations.is_null() {
        object.data["spec"]["signalAnnotations"] = annotations.clone();
    }
    api.create(&PostParams::default(), &object).await.unwrap()
}

/// The status once `done` says so.
async fn status_when(api: &Api<DynamicObject>, name: &str, done: impl Fn(&Value) -> bool) -> Value {
    let params = WatchParams::default().fields(&format!("metadata.name={name}"));
    let mut events = std::pin::pin!(api.watch(&params, "0").await.unwrap());
    let found = async {
        while let Some(event) = events.try_next().await.unwrap() {
            if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event
                && done(&object.data["status"])
            {
                return object.data["status"].clone();
            }
        }
        panic!("the watch of {name} ended");
    };
    tokio::time::timeout(Duration::from_mins(10), found).await.expect("finished in time")
}

fn is_finished(status: &Value) -> bool {
    matches!(status["phase"].as_str(), Some("Completed" | "Failed" | "Sent" | "PartiallySent"))
        || status["decision"].is_string()
}

/// Runs all children of one remediation with `script` to their ends.
async fn ends(script: &Value) -> BTreeMap<&'static str, Value> {
    let clock = clock();
    let cluster = cluster(&clock);
    let annotations = json!({SCRIPT_ANNOTATION: script.to_string()});
    create(&api(&cluster, Kind::RemediationRequest), Kind::RemediationRequest, "rr", &annotations).await;
    let running = spawn(&cluster, &clock, &Laws::default());
    let mut found = BTreeMap::new();
    for (kind, name) in CHILDREN {
        let api = api(&cluster, kind);
        create(&api, kind, name, &Value::Null).await;
        let status = status_when(&api, name, is_finished).await;
        // The same status again, decoded strictly: no field that the schema does not know.
        let strict = PatchParams { field_validation: Some(ValidationDirective::Strict), ..PatchParams::default() };
        let again = api.patch_status(name, &strict, &Patch::Merge(json!({"status": status}))).await.unwrap();
        assert_eq!(again.data["status"], status);
        found.insert(name, status);
    }
    running.shutdown().await;
    found
}

#[tokio::test(start_paused = true)]
async fn every_good_end_is_valid_and_as_recorded() {
    let ends = ends(&json!({"signalProcessing": {"seconds": 1, "outcome": "Completed"}, "analysis": {"outcome": "Approval"},
        "approval": {"outcome": "Rejected", "message": "too risky"}, "execution": {"seconds": 3, "outcome": "Completed"},
        "assessment": {"outcome": "Full"}, "notification": {"outcome": "Sent"}}))
    .await;
    assert_eq!(ends["sp-rr"]["signalClassification"]["severity"], "critical");
    assert_eq!(ends["ai-rr"]["rcaResult"]["rootCauseAnalysis"]["remediationTarget"], target());
    assert_eq!(ends["ai-rr"]["approval"]["approvalRequired"], true);
    assert_eq!(
        (&ends["rar-rr"]["decision"], &ends["rar-rr"]["decisionMessage"]),
        (&json!("Rejected"), &json!("too risky"))
    );
    assert_eq!(ends["we-rr"]["duration"], "3s");
    assert_eq!(ends["ea-rr"]["components"]["alertScore"], 1);
    assert_eq!(ends["nr-rr"]["totalAttempts"], 1);
}

#[tokio::test(start_paused = true)]
async fn every_bad_end_is_valid() {
    for (analysis, assessment) in [
        ("NoWorkflow", "Ineffective"),
        ("ManualReview", "Expired"),
        ("Failed", "Failed"),
        ("Workflow", "NoExecution"),
        ("Workflow", "Partial"),
        ("Workflow", "MetricsTimedOut"),
        ("Workflow", "SpecDrift"),
        ("Workflow", "AlertDecayTimeout"),
        ("Workflow", "Unrecoverable"),
    ] {
        let ends = ends(&json!({"signalProcessing": {"outcome": "Failed"}, "analysis": {"outcome": analysis},
            "approval": {"outcome": "Approved"}, "execution": {"outcome": "Failed"},
            "assessment": {"outcome": assessment}, "notification": {"outcome": "PartiallySent"}}))
        .await;
        assert_eq!(ends["sp-rr"]["failureInfo"]["error"], "enrichment failed");
        assert_eq!(ends["we-rr"]["failureDetails"]["reason"], "TaskFailed");
        assert_eq!(ends["ai-rr"]["review"]["needsHumanReview"] == true, analysis == "ManualReview");
    }
}

#[tokio::test(start_paused = true)]
async fn latency_counts_from_creation() {
    let clock = clock();
    let cluster = cluster(&clock);
    let api = api(&cluster, Kind::WorkflowExecution);
    let mut laws = Laws::default();
    laws.execution.latency.min_seconds = 30.0;
    laws.execution.latency.max_seconds = 30.0;
    let running = spawn(&cluster, &clock, &laws);
    let begun = Instant::now();
    create(&api, Kind::WorkflowExecution, "we-x", &Value::Null).await;
    let status = status_when(&api, "we-x", |status| status["phase"] == "Running").await;
    assert!(status["startTime"].is_string());
    status_when(&api, "we-x", is_finished).await;
    let seconds = begun.elapsed().as_secs_f64();
    assert!((29.0..32.0).contains(&seconds), "{seconds}");
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn never_and_finished_objects_are_left_alone() {
    let clock = clock();
    let cluster = cluster(&clock);
    let annotations = json!({SCRIPT_ANNOTATION: r#"{"signalProcessing": {"outcome": "Never"}}"#});
    create(&api(&cluster, Kind::RemediationRequest), Kind::RemediationRequest, "rr", &annotations).await;
    let processing = api(&cluster, Kind::SignalProcessing);
    create(&processing, Kind::SignalProcessing, "sp-rr", &Value::Null).await;
    let analyses = api(&cluster, Kind::AIAnalysis);
    create(&analyses, Kind::AIAnalysis, "ai-done", &Value::Null).await;
    let done = json!({"status": {"phase": "Failed", "message": "by its parent"}});
    let done = analyses.patch_status("ai-done", &PatchParams::default(), &Patch::Merge(done)).await.unwrap();
    let running = spawn(&cluster, &clock, &Laws::default());
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(processing.get("sp-rr").await.unwrap().data["status"].is_null());
    assert_eq!(analyses.get("ai-done").await.unwrap().resource_version(), done.resource_version());
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_script_falls_back_to_draws() {
    let clock = clock();
    let cluster = cluster(&clock);
    let annotations = json!({SCRIPT_ANNOTATION: "{not json"});
    create(&api(&cluster, Kind::RemediationRequest), Kind::RemediationRequest, "rr", &annotations).await;
    let running = spawn(&cluster, &clock, &Laws::default());
    let api = api(&cluster, Kind::SignalProcessing);
    create(&api, Kind::SignalProcessing, "sp-rr", &Value::Null).await;
    assert_eq!(status_when(&api, "sp-rr", is_finished).await["phase"], "Completed");
    running.shutdown().await;
}

/// Phase and reason of every analysis after `restarts` restarts on the way.
async fn analyses_after(restarts: usize) -> BTreeMap<String, Value> {
    const COUNT: usize = 30;
    let clock = clock();
    let cluster = cluster(&clock);
    let api = api(&cluster, Kind::AIAnalysis);
    for number in 0..COUNT {
        create(&api, Kind::AIAnalysis, &format!("ai-{number}"), &Value::Null).await;
    }
    for _ in 0..restarts {
        let running = spawn(&cluster, &clock, &Laws::default());
        tokio::time::sleep(Duration::from_millis(1500)).await;
        running.shutdown().await;
    }
    let running = spawn(&cluster, &clock, &Laws::default());
    for number in 0..COUNT {
        status_when(&api, &format!("ai-{number}"), is_finished).await;
    }
    running.shutdown().await;
    let list = api.list(&ListParams::default()).await.unwrap();
    let mut found = BTreeMap::new();
    for object in list {
        let status = &object.data["status"];
        found.insert(object.name_any(), json!([status["phase"], status["reason"], status["completedAt"]]));
    }
    found
}

#[tokio::test(start_paused = true)]
async fn a_restart_changes_no_outcome_and_no_time() {
    assert_eq!(analyses_after(0).await, analyses_after(3).await);
}

#[tokio::test(start_paused = true)]
async fn what_became_due_while_stopped_is_finished_at_once() {
    let clock = clock();
    let cluster = cluster(&clock);
    let api = api(&cluster, Kind::AIAnalysis);
    create(&api, Kind::AIAnalysis, "ai-late", &Value::Null).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let begun = Instant::now();
    let running = spawn(&cluster, &clock, &Laws::default());
    status_when(&api, "ai-late", is_finished).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    running.shutdown().await;
}

#[tokio::test]
async fn the_rules_of_kubernauts_kinds_are_enforced() {
    let cluster = cluster(&WallClock::default());
    let api = api(&cluster, Kind::RemediationRequest);
    create(&api, Kind::RemediationRequest, "rr", &Value::Null).await;
    let patch = json!({"spec": {"severity": "low"}});
    let (code, _, message) = refusal(api.patch("rr", &PatchParams::default(), &Patch::Merge(&patch)).await);
    assert_eq!(code, 422);
    assert!(message.contains("spec: Invalid value: "), "{message}");
    assert_eq!(cluster.unenforced_rules(), Vec::<String>::new());
}
