//! The statuses that the services write, field by field as recorded from real runs.

use serde_json::{Map, Value, json};

use super::outcomes::{
    AnalysisOutcome, ApprovalOutcome, AssessmentOutcome, ExecutionOutcome, NotificationOutcome, ProcessingOutcome,
};

/// Minutes from an assessment's creation to its validity deadline.
pub(super) const VALIDITY_MINUTES: i64 = 30;
/// Who the approver stand-in says it is.
const APPROVER: &str = "approver@stand-ins.trimtab.dev";

/// When a step began and ended, as Kubernetes writes times, and what a script says about it.
#[derive(Debug)]
pub(super) struct Moment {
    pub(super) started: String,
    pub(super) ended: String,
    /// Whole seconds from start to end.
    pub(super) seconds: i64,
    pub(super) message: Option<String>,
}

impl Moment {
    fn message_or(&self, default: &str) -> String {
        self.message.clone().unwrap_or_else(|| default.to_owned())
    }

    /// A Go duration of whole seconds.
    fn duration(&self) -> String {
        match (self.seconds / 60, self.seconds % 60) {
            (0, seconds) => format!("{seconds}s"),
            (minutes, seconds) => format!("{minutes}m{seconds}s"),
        }
    }
}

/// The end of a signal processing.
pub(super) fn processing(spec: &Value, outcome: ProcessingOutcome, moment: &Moment) -> Value {
    let (started, ended) = (&moment.started, &moment.ended);
    if outcome == ProcessingOutcome::Failed {
        return json!({"phase": "Failed", "startTime": started, "completionTime": ended, "failureInfo": {
            "error": moment.message_or("enrichment failed"), "consecutiveFailures": 1, "lastFailureTime": ended}});
    }
    let signal = &spec["signal"];
    let target = &signal["targetResource"];
    let mut context = json!({"workload": {"kind": target["kind"], "name": target["name"]}});
    if let Some(namespace) = target["namespace"].as_str().filter(|namespace| !namespace.is_empty()) {
        context["namespace"] = json!({"name": namespace, "labels": {"team": "a"}});
    }
    json!({
        "phase": "Completed",
        "startTime": started,
        "completionTime": ended,
        "environmentClassification": {"environment": "Production", "classifiedAt": ended, "source": "namespace-labels"},
        "priorityAssignment": {"priority": "P1", "assignedAt": ended, "source": "rego-policy"},
        "signalClassification": {"severity": severity(&signal["severity"]), "signalMode": "reactive",
            "signalName": signal["name"], "sourceSignalName": signal["name"]},
        "businessClassification": {"businessUnit": "payments", "serviceOwner": "team-a", "criticality": "High",
            "slaRequirement": "Gold"},
        "kubernetesContext": context,
    })
}

/// The provider's severity in the classified scale.
fn severity(raw: &Value) -> &'static str {
    match raw.as_str().unwrap_or_default().to_lowercase().as_str() {
        "critical" | "sev1" | "p0" => "critical",
        "high" | "major" | "error" | "sev2" | "p1" => "high",
        "warning" | "medium" | "minor" | "sev3" | "p2" => "warning",
        "info" | "low" | "none" | "sev4" | "p3" => "info",
        _ => "unknown",
    }
}

/// The end of an analysis.
pub(super) fn analysis(spec: &Value, outcome: AnalysisOutcome, moment: &Moment) -> Value {
    let mut status = json!({"phase": "Completed", "startedAt": moment.started, "completedAt": moment.ended});
    match outcome {
        AnalysisOutcome::Workflow | AnalysisOutcome::Approval => {
            status["reason"] = json!("AnalysisCompleted");
            status["message"] = json!(moment.message_or("analysis completed"));
            status["rcaResult"] = root_cause(spec);
            status["rcaResult"]["selectedWorkflow"] = selected_workflow();
            status["approval"] = approval_need(outcome == AnalysisOutcome::Approval);
        }
        AnalysisOutcome::NoWorkflow => {
            status["reason"] = json!("WorkflowNotNeeded");
            status["subReason"] = json!("ProblemResolved");
            status["message"] = json!(moment.message_or("problem resolved by itself"));
            status["rcaResult"] = json!({"rootCause": "transient"});
        }
        AnalysisOutcome::ManualReview => {
            status["phase"] = json!("Failed");
            status["reason"] = json!("WorkflowResolutionFailed");
            status["subReason"] = json!("NoMatchingWorkflows");
            status["message"] = json!(moment.message_or("no workflow of the catalogue fits"));
            status["rcaResult"] = root_cause(spec);
            status["review"] = json!({"needsHumanReview": true, "humanReviewReason": "no_matching_workflows"});
        }
        AnalysisOutcome::Failed | AnalysisOutcome::Never => {
            status["phase"] = json!("Failed");
            status["reason"] = json!("APIError");
            status["subReason"] = json!("MaxRetriesExceeded");
            status["message"] = json!(moment.message_or("the model did not answer"));
        }
    }
    status
}

fn root_cause(spec: &Value) -> Value {
    let signal = &spec["analysisRequest"]["signalContext"];
    let target = &signal["targetResource"];
    let target: Map<String, Value> = ["kind", "name", "namespace", "apiVersion"]
        .into_iter()
        .filter_map(|member| target.get(member).map(|value| (member.to_owned(), value.clone())))
        .collect();
    json!({
        "rootCause": "container exceeded its memory limit",
        "rootCauseAnalysis": {
            "summary": "container exceeded its memory limit",
            "severity": signal["severity"],
            "signalType": "alert",
            "contributingFactors": ["memory limit too low"],
            "remediationTarget": target,
        },
    })
}

fn selected_workflow() -> Value {
    json!({
        "workflowId": "wf-increase-memory",
        "workflowName": "increase-memory-limit",
        "actionType": "IncreaseMemoryLimits",
        "version": "1.0.0",
        "executionBundle": "registry.invalid/workflows/increase-memory:1.0.0",
        "executionEngine": "job",
        "confidence": 0.92,
        "parameters": {"MEMORY_LIMIT": "256Mi"},
        "rationale": "memory limit is the bottleneck",
    })
}

fn approval_need(is_required: bool) -> Value {
    if !is_required {
        return json!({"approvalRequired": false});
    }
    json!({
        "approvalRequired": true,
        "approvalReason": "production environment",
        "approvalContext": {
            "reason": "production environment",
            "confidenceScore": 0.92,
            "confidenceLevel": "high",
            "investigationSummary": "container exceeded its memory limit",
            "evidenceCollected": ["OOMKilled events"],
            "recommendedActions": [{"workflowId": "wf-increase-memory", "rationale": "memory limit"}],
            "whyApprovalRequired": "policy requires approval in production",
        },
    })
}

/// A person's decision.
pub(super) fn approval(outcome: ApprovalOutcome, moment: &Moment) -> Value {
    let (decision, words) = match outcome {
        ApprovalOutcome::Approved | ApprovalOutcome::Never => ("Approved", "looks right"),
        ApprovalOutcome::Rejected => ("Rejected", "too risky"),
    };
    json!({"decision": decision, "decidedBy": APPROVER, "decidedAt": moment.ended,
        "decisionMessage": moment.message_or(words)})
}

/// An execution that has begun.
pub(super) fn execution_begun(started: &str) -> Value {
    json!({"phase": "Running", "startTime": started})
}

/// The end of an execution.
pub(super) fn execution(outcome: ExecutionOutcome, moment: &Moment) -> Value {
    let duration = moment.duration();
    let mut status = json!({"phase": "Completed", "completionTime": moment.ended, "duration": duration});
    if outcome == ExecutionOutcome::Failed {
        let message = moment.message_or("task apply-change exited with code 1");
        status["phase"] = json!("Failed");
        status["failureReason"] = json!(message);
        status["failureDetails"] = json!({
            "failedTaskIndex": 0,
            "failedTaskName": "apply-change",
            "reason": "TaskFailed",
            "message": message,
            "exitCode": 1,
            "failedAt": moment.ended,
            "executionTimeBeforeFailure": duration,
            "naturalLanguageSummary": format!("The workflow failed after {duration}: {message}."),
            "wasExecutionFailure": true,
        });
    }
    status
}

/// An assessment that has begun.
pub(super) fn assessment_begun(validity_deadline: &str) -> Value {
    json!({"phase": "Assessing", "validityDeadline": validity_deadline})
}

/// The end of an assessment.
pub(super) fn assessment(outcome: AssessmentOutcome, moment: &Moment) -> Value {
    let reason = match outcome {
        AssessmentOutcome::Full | AssessmentOutcome::Ineffective | AssessmentOutcome::Never => "Full",
        AssessmentOutcome::Partial => "Partial",
        AssessmentOutcome::NoExecution => "NoExecution",
        AssessmentOutcome::MetricsTimedOut => "MetricsTimedOut",
        AssessmentOutcome::Expired => "Expired",
        AssessmentOutcome::SpecDrift => "SpecDrift",
        AssessmentOutcome::AlertDecayTimeout => "AlertDecayTimeout",
        AssessmentOutcome::Unrecoverable | AssessmentOutcome::Failed => "Unrecoverable",
    };
    let phase = if outcome == AssessmentOutcome::Failed { "Failed" } else { "Completed" };
    let message = moment.message_or(if phase == "Failed" { "assessment failed" } else { "assessed" });
    json!({"phase": phase, "assessmentReason": reason, "message": message, "completedAt": moment.ended,
        "components": components(outcome)})
}

fn components(outcome: AssessmentOutcome) -> Value {
    let health = json!({"healthAssessed": true, "healthScore": 1, "hashComputed": true});
    let mut components = match outcome {
        AssessmentOutcome::NoExecution | AssessmentOutcome::Unrecoverable | AssessmentOutcome::Failed => {
            return json!({"healthAssessed": false, "hashComputed": false, "alertAssessed": false, "metricsAssessed": false});
        }
        _ => health,
    };
    let has_metrics = matches!(outcome, AssessmentOutcome::Full | AssessmentOutcome::Ineffective);
    components["metricsAssessed"] = json!(has_metrics);
    if has_metrics {
        components["metricsScore"] = json!(1);
    }
    let has_alert = !matches!(outcome, AssessmentOutcome::Expired | AssessmentOutcome::SpecDrift);
    components["alertAssessed"] = json!(has_alert);
    if has_alert {
        let still_fires = matches!(outcome, AssessmentOutcome::Ineffective | AssessmentOutcome::AlertDecayTimeout);
        components["alertScore"] = json!(u8::from(!still_fires));
    }
    components
}

/// The end of a notification.
pub(super) fn notification(outcome: NotificationOutcome, moment: &Moment) -> Value {
    let (phase, sent, failed) = match outcome {
        NotificationOutcome::Sent | NotificationOutcome::Never => ("Sent", 1, 0),
        NotificationOutcome::PartiallySent => ("PartiallySent", 1, 1),
        NotificationOutcome::Failed => ("Failed", 0, 1),
    };
    let mut status = json!({"phase": phase, "completionTime": moment.ended, "successfulDeliveries": sent,
        "totalAttempts": sent + failed});
    if failed > 0 {
        status["failedDeliveries"] = json!(failed);
        status["message"] = json!(moment.message_or("a channel did not accept the message"));
    }
    status
}
