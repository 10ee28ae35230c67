//! One remediation in any phase, as the host could have observed it.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use trimtab_core::observation::{
    Analysis, Approval, Assessment, Child, ChildKind, Classification, Execution, Facts, HISTORY_HOURS_MAX, Observation,
    RelatedRemediations, RemediationHistory, Scope, Signal, SignalRemediations, Target, TargetExecutions, TargetHash,
};
use trimtab_core::phase::Phase;
use trimtab_core::record::Record;
use trimtab_core::time::{Span, Timestamp};

use crate::observation::routing_status;

/// When every remediation starts.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// From the entry of a phase to the entry of the next one.
const STEP: Span = Span::from_secs(60);
/// From the entry of the current phase to the end of its child, where it has ended.
const CHILD_LASTS: Span = Span::from_secs(5);
/// From the entry of the current phase to now.
const SINCE_ENTRY: Span = Span::from_secs(10);

/// The phases on the way to a phase, itself included.
fn way(to: Phase) -> Vec<Phase> {
    use Phase::{
        Analyzing, AwaitingApproval, Blocked, Cancelled, Completed, Executing, Failed, Pending, Processing, Skipped,
        TimedOut, Verifying,
    };
    let working: &[Phase] = match to {
        Pending => &[],
        Processing | Blocked | Cancelled | Skipped => &[Pending],
        Analyzing | Failed | TimedOut => &[Pending, Processing],
        AwaitingApproval | Executing => &[Pending, Processing, Analyzing],
        Verifying => &[Pending, Processing, Analyzing, Executing],
        Completed => &[Pending, Processing, Analyzing, Executing, Verifying],
    };
    working.iter().copied().chain([to]).collect()
}

/// When a phase is entered on the usual way to it.
pub(crate) fn usual_entry(phase: Phase) -> Timestamp {
    way(phase).iter().skip(1).fold(START, |at, _| at.plus(STEP))
}

/// The remediation before its first step: the default of every member.
pub(crate) fn base() -> Observation {
    sealed(Observation {
        now: START,
        is_live: true,
        uid: "9f0c2d6e-0000-4000-8000-000000000001".to_owned(),
        name: "rr-1".to_owned(),
        namespace: "kubernaut-system".to_owned(),
        cluster_id: String::new(),
        generation: 1,
        resource_version: "42".to_owned(),
        phase: None,
        started_at: None,
        phases: Vec::new(),
        signal_name: "KubePodCrashLooping".to_owned(),
        severity: "warning".to_owned(),
        target: Target {
            kind: "Deployment".to_owned(),
            name: "web".to_owned(),
            namespace: Some("default".to_owned()),
            api_version: Some("apps/v1".to_owned()),
        },
        overrides: Vec::new(),
        overrides_fault: None,
        children: Vec::new(),
        notifications: Vec::new(),
        failed_creations: Vec::new(),
        missing_kinds: Vec::new(),
        obstacle: None,
        consecutive_failures: 0,
        brakes: None,
        facts: Facts {
            signal: Signal {
                fingerprint: "a1".repeat(32),
                signal_type: "alert".to_owned(),
                source: "prometheus".to_owned(),
                firing_at: START,
                received_at: START,
                ..Signal::default()
            },
            workflow_override: Some(None),
            related_remediations: Some(RelatedRemediations::default()),
            target_hash: Some(TargetHash::Absent),
            ..unhindered("default/Deployment/web".to_owned())
        },
        record: Record::default(),
        object: Arc::new(Value::Null),
    })
}

/// Nothing stands in the way of a remediation that is to heal this object.
pub(crate) fn unhindered(target: String) -> Facts {
    Facts {
        scope: Some(Scope { verdict: "managed".to_owned(), because: String::new() }),
        signal_remediations: Some(SignalRemediations::default()),
        target_executions: Some(TargetExecutions { target, locked: true, ..TargetExecutions::default() }),
        remediation_history: Some(RemediationHistory {
            hours: HISTORY_HOURS_MAX,
            available: true,
            ..RemediationHistory::default()
        }),
        ..Facts::default()
    }
}

/// The remediation in a phase, ten seconds after its entry; the children of the phases before have done their work,
/// that of the phase itself is not there.
pub(crate) fn in_phase(phase: Phase) -> Observation {
    let mut seen = base();
    seen.phase = Some(phase);
    seen.started_at = Some(START);
    let mut at = START;
    for passed in way(phase) {
        at = seen.phase_entered_at().map_or(START, |entered| entered.plus(STEP));
        seen.phases.push((passed, at));
        if passed != phase {
            match ChildKind::of_phase(passed) {
                Some(ChildKind::AIAnalysis) => analyzed(&mut seen, at, phase == Phase::AwaitingApproval),
                Some(kind) => settle(&mut seen, kind, "Completed", Some(at.plus(CHILD_LASTS))),
                None => {}
            }
        }
    }
    seen.now = at.plus(SINCE_ENTRY);
    sealed(seen)
}

fn analyzed(seen: &mut Observation, entered: Timestamp, approval_required: bool) {
    settle(seen, ChildKind::AIAnalysis, "Completed", Some(entered.plus(CHILD_LASTS)));
    if let Some(analysis) = &mut seen.facts.analysis {
        analysis.approval_required = approval_required;
    }
}

/// The moment at which a child of the current phase ends, where it has ended.
pub(crate) fn end_of_child(seen: &Observation) -> Timestamp {
    seen.phase_entered_at().unwrap_or(START).plus(CHILD_LASTS)
}

/// Puts a child of this kind into this phase of its own, and the facts along with it.
pub(crate) fn settle(seen: &mut Observation, kind: ChildKind, phase: &str, finished_at: Option<Timestamp>) {
    let entered = seen.phase_entered_at().unwrap_or(START);
    let attempt = seen.record.attempt;
    let deadline = match kind {
        ChildKind::RemediationApprovalRequest => Some(entered.plus(Span::from_secs(900))),
        ChildKind::EffectivenessAssessment if !phase.is_empty() => Some(entered.plus(Span::from_secs(1200))),
        ChildKind::SignalProcessing
        | ChildKind::AIAnalysis
        | ChildKind::WorkflowExecution
        | ChildKind::EffectivenessAssessment => None,
    };
    let child = Child {
        kind,
        name: kind.object_name(&seen.name, attempt),
        attempt,
        found: true,
        phase: phase.to_owned(),
        reason: String::new(),
        finished_at,
        deadline,
        object: Arc::new(Value::Null),
    };
    seen.children.retain(|known| known.kind != kind);
    seen.children.push(child);
    let is_completed = phase == "Completed";
    let phase = phase.to_owned();
    let facts = &mut seen.facts;
    match kind {
        ChildKind::SignalProcessing => facts.classification = is_completed.then(classification),
        ChildKind::AIAnalysis if is_completed => facts.analysis = Some(analysis(&seen.target)),
        ChildKind::AIAnalysis => facts.analysis = Some(Analysis::default()),
        ChildKind::RemediationApprovalRequest => {
            let decided_by = if matches!(phase.as_str(), "" | "Expired") { "" } else { "operator@example.com" };
            facts.approval = Some(Approval {
                decision: phase,
                decided_by: decided_by.to_owned(),
                decided_at: finished_at,
                required_by: deadline.unwrap_or_default(),
                ..Approval::default()
            });
        }
        ChildKind::WorkflowExecution => facts.execution = Some(Execution { phase, ..Execution::default() }),
        ChildKind::EffectivenessAssessment => {
            let validity_deadline = deadline;
            facts.assessment = Some(Assessment { phase, validity_deadline, ..Assessment::default() });
        }
    }
}

/// What signal processing finds as a rule.
pub(crate) fn classification() -> Classification {
    Classification {
        severity: "warning".to_owned(),
        environment: "Production".to_owned(),
        priority: "P1".to_owned(),
        signal_mode: "reactive".to_owned(),
    }
}

fn analysis(target: &Target) -> Analysis {
    Analysis {
        reason: "AnalysisCompleted".to_owned(),
        workflow_id: "grow-memory".to_owned(),
        confidence: 0.9,
        remediation_target: Some(target.clone()),
        ..Analysis::default()
    }
}

/// The same observation with objects and record that say what its members say.
pub(crate) fn sealed(mut seen: Observation) -> Observation {
    seen.record.phases.clone_from(&seen.phases);
    seen.record.sequence = seen.phases.len() as u64;
    // The lock is that of the object to be healed, whichever that is.
    let target = seen.remediation_target().qualified();
    if let Some(page) = &mut seen.facts.target_executions {
        page.target = target;
    }
    seen.object = Arc::new(object(&seen));
    let objects: Vec<Value> = seen.children.iter().map(|child| child_object(&seen, child)).collect();
    for (child, object) in seen.children.iter_mut().zip(objects) {
        child.object = Arc::new(object);
    }
    seen
}

fn object(seen: &Observation) -> Value {
    let labels: Map<String, Value> =
        seen.facts.signal.labels.iter().map(|label| (label.key.clone(), Value::from(label.value.clone()))).collect();
    let mut status = json!({"phaseProgress": {"verificationDeadline": START.plus(Span::from_secs(1200)).to_string()}});
    if let Some(phase) = seen.phase {
        status["overallPhase"] = phase.name().into();
    }
    if let Some(started_at) = seen.started_at {
        status["startTime"] = started_at.to_string().into();
    }
    if let Some(routing) = routing_status(&seen.facts.routing) {
        status["routingStatus"] = routing;
    }
    let uid = &seen.uid;
    json!({
        "apiVersion": "kubernaut.ai/v1alpha1",
        "kind": "RemediationRequest",
        "metadata": {
            "name": seen.name, "namespace": seen.namespace, "uid": uid,
            "resourceVersion": seen.resource_version, "generation": seen.generation,
        },
        "spec": {
            "signalFingerprint": seen.facts.signal.fingerprint, "signalName": seen.signal_name,
            "severity": seen.severity, "signalType": seen.facts.signal.signal_type, "signalLabels": labels,
            "targetResource": {
                "kind": seen.target.kind, "name": seen.target.name, "namespace": seen.target.namespace,
            },
        },
        "status": status,
    })
}

fn child_object(seen: &Observation, child: &Child) -> Value {
    if !child.found {
        return Value::Null;
    }
    let mut status = match child.kind {
        ChildKind::RemediationApprovalRequest => json!({"decision": child.phase}),
        ChildKind::SignalProcessing
        | ChildKind::AIAnalysis
        | ChildKind::WorkflowExecution
        | ChildKind::EffectivenessAssessment => json!({"phase": child.phase}),
    };
    let found = &seen.facts;
    if child.kind == ChildKind::AIAnalysis
        && let Some(analysis) = found.analysis.as_ref().filter(|analysis| !analysis.workflow_id.is_empty())
    {
        status["rcaResult"] = json!({"selectedWorkflow": workflow(analysis)});
    }
    if child.kind == ChildKind::RemediationApprovalRequest
        && let Some(Some(asked)) = &found.workflow_override
    {
        let parameters = if asked.replaces_parameters { json!({"LIMIT": "1Gi"}) } else { Value::Null };
        status["workflowOverride"] = json!({"workflowName": asked.workflow_name, "parameters": parameters});
    }
    json!({
        "apiVersion": "kubernaut.ai/v1alpha1",
        "kind": child.kind.name(),
        "metadata": {"name": child.name, "namespace": seen.namespace, "resourceVersion": "5", "generation": 1},
        "spec": {},
        "status": status,
    })
}

/// The selected workflow, without the member that the analysis says it lacks.
fn workflow(analysis: &Analysis) -> Value {
    let mut workflow = json!({
        "workflowId": analysis.workflow_id, "workflowName": "grow-memory", "actionType": "IncreaseMemory",
        "version": "1.0.0", "executionBundle": "bundle", "executionEngine": "job",
        "confidence": analysis.confidence, "rationale": "memory runs out", "parameters": {"LIMIT": "256Mi"},
    });
    if let Some(members) = workflow.as_object_mut() {
        members.remove(&analysis.workflow_incomplete);
    }
    workflow
}
