//! Every row of the catalogue, member for member.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{events, recorded, stepped, types, with_condition};
use crate::audit::catalogue;
use crate::audit::payload::TEXT_BYTES_MAX;
use crate::audit::{of_plan, validate};
use crate::fixtures::{START, with_child};
use crate::json::merge_apply;
use crate::observation::{ChildKind, Observation};
use crate::phase::Phase;
use crate::plan::retention::removal;
use crate::time::Span;

use ChildKind::{AIAnalysis, EffectivenessAssessment, RemediationApprovalRequest, WorkflowExecution};

/// How long a remediation of [`stepped`] has lasted.
const LASTED: u64 = 120_500;

/// A body as every event of [`stepped`] has it, with what the row adds.
fn body(event_type: &str, action: &str, outcome: &str, change: &Value) -> Value {
    let mut body = json!({
        "version": "1.0", "event_type": event_type, "event_timestamp": "2023-11-14T22:15:20Z",
        "event_category": "orchestration", "event_action": action, "event_outcome": outcome,
        "actor_type": "service", "actor_id": "remediationorchestrator-controller",
        "resource_type": "RemediationRequest", "resource_id": "rr", "correlation_id": "rr", "namespace": "ns",
        "event_data": {"event_type": event_type, "rr_name": "rr", "namespace": "ns"},
    });
    merge_apply(&mut body, change);
    body
}

fn bodies(observation: &Observation) -> Vec<Value> {
    events(observation).into_iter().map(|event| event.body).collect()
}

fn transitioned(from: &str, to: &str) -> Value {
    let change = json!({"event_data": {"from_phase": from, "to_phase": to}});
    body("orchestrator.lifecycle.transitioned", "transitioned", "success", &change)
}

fn with_request(observation: Observation, decision: &str, by: &str) -> Observation {
    let status = json!({"decision": decision, "decidedBy": by, "decidedAt": START.to_string()});
    with_child(observation, RemediationApprovalRequest, decision, &status)
}

fn approval(action: &str, event_type: &str, outcome: &str, change: &Value) -> Value {
    let about = json!({
        "resource_type": "RemediationApprovalRequest", "resource_id": "rar-rr", "event_data": {"rar_name": "rar-rr"},
    });
    let mut body = body(event_type, action, outcome, &about);
    merge_apply(&mut body, change);
    body
}

fn executing() -> Value {
    json!({
        "phaseProgress": {"workflowExecutionRef": {"name": "we-rr"}},
        "operatorAudit": {"preRemediationSpecHash": "sha256:1"},
        "workflowSelection": {
            "selectedWorkflowRef": {"workflowId": "wf", "version": "2"},
            "workflowDisplayName": "Grow:grow-it",
            "remediationTarget": {"kind": "Deployment", "name": "shop", "namespace": "prod", "apiVersion": "apps/v1"},
        },
    })
}

fn workflow_created() -> Value {
    let change = json!({"event_data": {
        "pre_remediation_spec_hash": "sha256:1", "target_resource": "prod/Deployment/shop", "workflow_id": "wf",
        "workflow_version": "2", "action_type": "Grow", "signal_type": "alert", "signal_fingerprint": "f",
    }});
    body("remediation.workflow_created", "workflow_created", "success", &change)
}

fn ended(outcome: &str, change: &Value) -> Value {
    let lasted = json!({"duration_ms": LASTED, "event_data": {"duration_ms": LASTED}});
    let mut body = body("orchestrator.lifecycle.completed", "completed", outcome, &lasted);
    merge_apply(&mut body, change);
    body
}

#[test]
fn the_first_step_starts_and_creates() {
    let budgets = json!({"global": "1h0m0s", "processing": "5m", "analyzing": "0s"});
    let observation = stepped(None, Phase::Pending, &json!({"timeoutConfig": budgets}));
    let config = json!({"event_data": {"timeout_config": {"global": "1h0m0s", "processing": "5m"}}});
    let expected = [
        body("orchestrator.lifecycle.started", "started", "pending", &json!({})),
        body("orchestrator.lifecycle.created", "created", "success", &config),
    ];
    assert_eq!(bodies(&observation), expected);
}

#[test]
fn an_advance_and_the_end_of_a_block_are_transitions() {
    let cases = [
        (Phase::Pending, Phase::Processing),
        (Phase::Processing, Phase::Analyzing),
        (Phase::Blocked, Phase::Pending),
        (Phase::Blocked, Phase::Analyzing),
    ];
    for (from, to) in cases {
        let told = bodies(&stepped(Some(from), to, &json!({})));
        assert_eq!(told, [transitioned(from.name(), to.name())]);
    }
}

#[test]
fn a_remote_signal_names_its_cluster() {
    let mut observation = stepped(Some(Phase::Pending), Phase::Processing, &json!({}));
    Arc::make_mut(&mut observation.object)["spec"]["clusterID"] = "east".into();
    let mut expected = transitioned("Pending", "Processing");
    expected["cluster_id"] = "east".into();
    assert_eq!(bodies(&observation), [expected]);
}

#[test]
fn a_request_for_approval_is_told_with_its_own_deadline() {
    let observation = stepped(Some(Phase::Analyzing), Phase::AwaitingApproval, &json!({}));
    let mut observation = with_child(observation, RemediationApprovalRequest, "", &json!({}));
    Arc::make_mut(&mut observation.children[0].object)["spec"] = json!({
        "confidence": 0.925, "requiredBy": "2023-11-14T22:30:20Z", "recommendedWorkflow": {"workflowId": "wf"},
    });
    let change = json!({"event_data": {
        "required_by": "2023-11-14T22:30:20Z", "workflow_id": "wf", "confidence_str": "0.93",
    }});
    let requested = approval("approval_requested", "orchestrator.approval.requested", "pending", &change);
    assert_eq!(bodies(&observation), [requested, transitioned("Analyzing", "AwaitingApproval")]);
}

#[test]
fn an_approval_is_the_persons_and_comes_before_the_execution() {
    let observation = stepped(Some(Phase::AwaitingApproval), Phase::Executing, &executing());
    for (by, kind, id) in [
        ("anna", "user", "anna"),
        ("", "user", "operator"),
        ("system", "service", "remediationorchestrator-controller"),
    ] {
        let change = json!({"actor_type": kind, "actor_id": id, "event_data": {"decision": "Approved"}});
        let approved = approval("approved", "orchestrator.approval.approved", "success", &change);
        let told = bodies(&with_request(observation.clone(), "Approved", by));
        assert_eq!(told, [approved, workflow_created(), transitioned("AwaitingApproval", "Executing")]);
    }
}

fn approval_failed(observation: Observation, reason: &str, code: &str, text: &str, retry: bool) -> Vec<Value> {
    let status = json!({"completionStatus": {"failurePhase": "Approval", "failureReason": text}});
    let change = json!({"event_data": {
        "outcome": "Failed", "failure_phase": "Approval", "failure_reason": reason,
        "error_details": {
            "component": "remediationorchestrator", "code": code, "retry_possible": retry,
            "message": format!("Remediation failed at phase 'Approval' [{code}]: {text}"),
        },
    }});
    let mut observation = observation;
    merge_apply(Arc::make_mut(&mut observation.object), &json!({"status": status}));
    let mut told = bodies(&observation);
    assert_eq!(told.pop(), Some(ended("failure", &change)));
    told
}

#[test]
fn a_refusal_is_the_persons_and_fails_the_remediation() {
    let failed = stepped(Some(Phase::AwaitingApproval), Phase::Failed, &json!({}));
    let code = "ERR_INTERNAL_ORCHESTRATION";
    let told = approval_failed(with_request(failed, "Rejected", "anna"), "ApprovalRejected", code, "too risky", false);
    let change = json!({"actor_type": "user", "actor_id": "anna", "event_data": {"decision": "Rejected"}});
    assert_eq!(told, [approval("rejected", "orchestrator.approval.rejected", "failure", &change)]);
}

#[test]
fn an_expired_request_is_the_services_and_a_timeout() {
    let failed = stepped(Some(Phase::AwaitingApproval), Phase::Failed, &json!({}));
    let code = "ERR_TIMEOUT_REMEDIATION";
    let told = approval_failed(with_request(failed, "Expired", "system"), "Timeout", code, "nobody answered", true);
    assert_eq!(told, [approval("expired", "orchestrator.approval.rejected", "failure", &json!({}))]);
}

#[test]
fn a_block_is_told_with_its_reason_and_again_when_it_is_renewed() {
    let status = json!({"routingStatus": {
        "blockReason": "DuplicateInProgress", "blockMessage": "rr-0 is on it", "duplicateOf": "rr-0",
    }});
    for from in [Phase::Pending, Phase::Blocked] {
        let mut observation = stepped(Some(from), Phase::Blocked, &status);
        let target = json!({"kind": "Deployment", "name": "shop", "namespace": "prod"});
        Arc::make_mut(&mut observation.object)["spec"]["targetResource"] = target;
        let change = json!({"event_data": {
            "from_phase": from.name(), "to_phase": "Blocked", "reason": "DuplicateInProgress",
            "message": "rr-0 is on it", "sub_reason": "rr-0", "target_resource": "prod/Deployment/shop",
        }});
        assert_eq!(bodies(&observation), [body("orchestrator.routing.blocked", "blocked", "pending", &change)]);
    }
    let mut noted = stepped(Some(Phase::Blocked), Phase::Blocked, &status);
    let mut record = noted.record.clone();
    record.at = Some(noted.now);
    recorded(&mut noted, &record);
    assert_eq!(bodies(&noted), Vec::<Value>::new(), "a step that does not block again has none");
}

#[test]
fn an_execution_is_told_as_the_status_notes_it() {
    let observation = stepped(Some(Phase::Analyzing), Phase::Executing, &executing());
    assert_eq!(bodies(&observation), [workflow_created(), transitioned("Analyzing", "Executing")]);
    let without = stepped(Some(Phase::Analyzing), Phase::Executing, &json!({}));
    assert_eq!(bodies(&without), [transitioned("Analyzing", "Executing")]);
}

#[test]
fn a_verification_is_told_with_its_assessment() {
    let cases = [
        ("apps/v1", false, json!({"gitops_sync_delay": null, "operator_reconcile_delay": null})),
        ("apps/v1", true, json!({"gitops_sync_delay": "3m0s", "operator_reconcile_delay": null})),
        ("db.example/v1", false, json!({"gitops_sync_delay": null, "operator_reconcile_delay": "3m0s"})),
        ("db.example/v1", true, json!({"gitops_sync_delay": null, "operator_reconcile_delay": null})),
    ];
    for (version, is_git_ops, parts) in cases {
        let mut status = executing();
        status["phaseProgress"]["effectivenessAssessmentRef"] = json!({"name": "ea-rr"});
        status["workflowSelection"]["remediationTarget"]["apiVersion"] = version.into();
        let observation = stepped(Some(Phase::Executing), Phase::Verifying, &status);
        let labels = json!({"postRCAContext": {"detectedLabels": {"gitOpsManaged": is_git_ops}}});
        let observation = with_child(observation, AIAnalysis, "Completed", &labels);
        let mut observation = with_child(observation, EffectivenessAssessment, "", &json!({}));
        let config = json!({"hashComputeDelay": "3m0s", "alertCheckDelay": "5m0s"});
        Arc::make_mut(&mut observation.children[1].object)["spec"] = json!({"config": config});
        let mut change = json!({
            "resource_type": "EffectivenessAssessment", "resource_id": "ea-rr",
            "event_data": {
                "ea_name": "ea-rr", "hash_compute_delay": "3m0s", "alert_check_delay": "5m0s",
                "is_gitops_managed": is_git_ops, "is_crd": version != "apps/v1",
            },
        });
        merge_apply(&mut change["event_data"], &parts);
        let expected = [
            body("orchestrator.lifecycle.verifying_started", "verifying_started", "pending", &json!({})),
            body("orchestrator.ea.created", "ea_created", "success", &change),
        ];
        assert_eq!(bodies(&observation), expected, "{version}, GitOps: {is_git_ops}");
    }
}

#[test]
fn a_verification_ends_before_its_remediation() {
    let cases = [
        ("Remediated", "verification_completed", "completed", "success"),
        ("Inconclusive", "verification_completed", "completed", "success"),
        ("VerificationTimedOut", "verification_timed_out", "expired", "failure"),
    ];
    for (outcome, name, action, result) in cases {
        let status = json!({"completionStatus": {"outcome": outcome}});
        let verified = json!({"event_data": {"ea_name": "ea-rr", "duration_ms": LASTED}});
        let done = json!({"event_data": {"outcome": "Success", "crd_outcome": outcome}});
        let expected =
            [body(&format!("orchestrator.lifecycle.{name}"), action, result, &verified), ended("success", &done)];
        assert_eq!(bodies(&stepped(Some(Phase::Verifying), Phase::Completed, &status)), expected);
    }
}

#[test]
fn every_completion_is_told_with_its_outcome() {
    let cases = [
        (Phase::Analyzing, "NoActionRequired", "NoActionRequired"),
        (Phase::Analyzing, "ManualReviewRequired", "ManualReviewRequired"),
        (Phase::Analyzing, "DryRun", "DryRun"),
        (Phase::Executing, "Remediated", "InheritedCompleted"),
        (Phase::Blocked, "Remediated", "InheritedCompleted"),
    ];
    for (from, outcome, told) in cases {
        let status = json!({"completionStatus": {"outcome": outcome}});
        let done = json!({"event_data": {"outcome": "Success", "crd_outcome": told}});
        assert_eq!(bodies(&stepped(Some(from), Phase::Completed, &status)), [ended("success", &done)]);
    }
}

#[test]
fn a_timeout_names_the_place_where_it_struck() {
    let cases = [
        (Phase::Processing, json!("SignalProcessing")),
        (Phase::Analyzing, json!("AIAnalysis")),
        (Phase::AwaitingApproval, json!("Approval")),
        (Phase::Executing, json!("WorkflowExecution")),
        (Phase::Verifying, json!("WorkflowExecution")),
        (Phase::Blocked, Value::Null),
    ];
    for (from, place) in cases {
        let change = json!({"event_data": {"failure_phase": place, "failure_reason": "Timeout"}});
        assert_eq!(bodies(&stepped(Some(from), Phase::TimedOut, &json!({}))), [ended("failure", &change)]);
    }
}

/// Place, reason, code of a failure from `from`, in `failure_phase`, by `rule`, with this child.
fn failure(from: Phase, failure_phase: &str, rule: &str, child: Option<(ChildKind, Value)>) -> (Value, Value, Value) {
    let status = json!({"completionStatus": {"failurePhase": failure_phase, "failureReason": "it broke"}});
    let mut observation = stepped(Some(from), Phase::Failed, &status);
    let mut record = observation.record.clone();
    record.why = format!("{rule}: it broke: badly");
    recorded(&mut observation, &record);
    if let Some((kind, status)) = child {
        with_condition(&mut observation.object, &format!("{}Complete", kind.name()));
        observation = with_child(observation, kind, "Failed", &status);
    }
    let told = bodies(&observation).pop().unwrap();
    let payload = &told["event_data"];
    (payload["failure_phase"].clone(), payload["failure_reason"].clone(), payload["error_details"]["code"].clone())
}

#[test]
fn a_failures_reason_is_always_one_of_the_enum() {
    let analysis = |reason: &str, sub: &str| Some((AIAnalysis, json!({"reason": reason, "subReason": sub})));
    let execution = |reason: &str| Some((WorkflowExecution, json!({"failureDetails": {"reason": reason}})));
    let (internal, timeout) = ("ERR_INTERNAL_ORCHESTRATION", "ERR_TIMEOUT_REMEDIATION");
    let (sp, ai, we) = ("SignalProcessing", "AIAnalysis", "WorkflowExecution");
    let (processing, analyzing, runs) = (Phase::Processing, Phase::Analyzing, Phase::Executing);
    let cases = [
        ((processing, sp, "Failed", None), json!(sp), "Unknown", internal),
        ((processing, sp, "PhaseTimeout", None), json!(sp), "Timeout", timeout),
        ((processing, sp, "GlobalTimeout", None), json!(sp), "Timeout", timeout),
        ((analyzing, ai, "StayedPastDeadline", None), json!(ai), "Timeout", timeout),
        ((analyzing, ai, "PolicyFault", None), json!(ai), "InfrastructureError", internal),
        ((processing, "Configuration", "Any", None), Value::Null, "ValidationError", "ERR_INVALID_TIMEOUT_CONFIG"),
        ((Phase::Blocked, "Blocked", "Any", None), Value::Null, "Unknown", internal),
        ((runs, "Deduplicated", "Any", None), Value::Null, "Unknown", internal),
        ((analyzing, ai, "Any", analysis("APIError", "")), json!(ai), "InfrastructureError", internal),
        ((analyzing, ai, "Any", analysis("X", "ImageMismatch")), json!(ai), "ValidationError", internal),
        ((analyzing, ai, "Any", analysis("X", "DecisionExpired")), json!(ai), "Timeout", timeout),
        ((analyzing, ai, "Any", analysis("X", "Y")), json!(ai), "Unknown", internal),
        ((runs, we, "Any", execution("DeadlineExceeded")), json!(we), "Timeout", timeout),
        ((runs, we, "Any", execution("ConfigurationError")), json!(we), "ValidationError", internal),
        ((runs, we, "Any", execution("Forbidden")), json!(we), "InfrastructureError", internal),
        ((runs, we, "Any", execution("TaskFailed")), json!(we), "Unknown", internal),
    ];
    for ((from, phase, rule, child), place, reason, code) in cases {
        let told = failure(from, phase, rule, child);
        assert_eq!(told, (place, json!(reason), json!(code)), "{from} {phase} {rule}");
    }
}

#[test]
fn a_code_that_the_text_begins_with_is_said_once() {
    let text = "ERR_INVALID_TIMEOUT_CONFIG: global is \"-1h\"";
    let status = json!({"completionStatus": {"failurePhase": "Configuration", "failureReason": text}});
    let told = bodies(&stepped(Some(Phase::Processing), Phase::Failed, &status));
    let message = "Remediation failed at phase 'Configuration' [ERR_INVALID_TIMEOUT_CONFIG]: global is \"-1h\"";
    assert_eq!(told[0]["event_data"]["error_details"]["message"], message);
}

#[test]
fn no_duration_is_negative() {
    let status = json!({"startTime": START.plus(Span::from_secs(9_999)).to_string()});
    let mut observation = stepped(Some(Phase::Verifying), Phase::Completed, &json!({}));
    merge_apply(Arc::make_mut(&mut observation.object), &json!({"status": status}));
    assert_eq!(bodies(&observation)[1]["duration_ms"], 0);
}

#[test]
fn texts_without_end_are_cut_and_the_body_stays_within_its_bound() {
    let long = "\u{1}é".repeat(200_000);
    let status = json!({
        "completionStatus": {"failurePhase": "AIAnalysis", "failureReason": long, "outcome": long},
        "routingStatus": {"blockReason": long, "blockMessage": long, "duplicateOf": long},
        "operatorAudit": {"preRemediationSpecHash": long},
        "phaseProgress": {"workflowExecutionRef": {"name": "we-rr"}},
        "workflowSelection": {
            "selectedWorkflowRef": {"workflowId": long, "version": long}, "workflowDisplayName": format!("{long}:"),
            "remediationTarget": {"kind": long, "name": long, "namespace": long},
        },
        "timeoutConfig": {"global": long, "processing": long, "analyzing": long, "executing": long},
    });
    let steps = [
        (None, Phase::Pending),
        (Some(Phase::Analyzing), Phase::Executing),
        (Some(Phase::Pending), Phase::Blocked),
        (Some(Phase::Analyzing), Phase::Failed),
        (Some(Phase::Analyzing), Phase::Completed),
    ];
    for (from, to) in steps {
        let mut observation = stepped(from, to, &status);
        let spec = json!({"signalType": long, "signalFingerprint": long, "clusterID": long});
        merge_apply(Arc::make_mut(&mut observation.object), &json!({"spec": spec}));
        for told in bodies(&observation) {
            assert!(told.to_string().len() <= 20 * 6 * TEXT_BYTES_MAX);
            assert_eq!(validate(&told), Ok(()));
        }
    }
}

#[test]
fn every_row_is_told_by_some_step() {
    let block = json!({"routingStatus": {"blockReason": "ResourceBusy"}});
    let mut verifying = executing();
    verifying["phaseProgress"]["effectivenessAssessmentRef"] = json!({"name": "ea-rr"});
    let outcome = |outcome: &str| json!({"completionStatus": {"outcome": outcome}});
    let (waiting, failed) = (Some(Phase::AwaitingApproval), Phase::Failed);
    let steps = vec![
        stepped(None, Phase::Pending, &json!({})),
        stepped(Some(Phase::Pending), Phase::Blocked, &block),
        stepped(Some(Phase::Analyzing), Phase::AwaitingApproval, &json!({})),
        with_request(stepped(waiting, Phase::Executing, &executing()), "Approved", "anna"),
        with_request(stepped(waiting, failed, &json!({})), "Rejected", "anna"),
        with_request(stepped(waiting, failed, &json!({})), "Expired", "system"),
        stepped(Some(Phase::Executing), Phase::Verifying, &verifying),
        stepped(Some(Phase::Verifying), Phase::Completed, &outcome("Remediated")),
        stepped(Some(Phase::Verifying), Phase::Completed, &outcome("VerificationTimedOut")),
    ];
    let mut all: Vec<_> = steps.iter().flat_map(events).collect();
    let kept = json!({"retentionExpiryTime": START.to_string()});
    let ended = stepped(Some(Phase::Verifying), Phase::Completed, &kept);
    all.extend(of_plan(&ended, &removal(&ended).unwrap()));
    let told: BTreeSet<_> = types(&all).into_iter().collect();
    let rows: BTreeSet<_> = catalogue::ALL.iter().map(|row| (row.event_type, row.action)).collect();
    assert_eq!(told, rows);
}
