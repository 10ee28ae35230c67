//! A fixed set of observations: a remediation at every turn of its way. Nothing in it may change without the table of
//! decisions being written anew.

use std::sync::Arc;

use serde_json::{Value, json};
use trimtab_core::observation::{
    Analysis, Approval, Assessment, Child, ChildKind, Classification, Execution, Facts, Observation,
    RelatedRemediation, RelatedRemediations, RemediationHistory, Scope, Signal, SignalRemediations, Target,
    TargetExecutions, TargetHash, WorkflowOverride,
};
use trimtab_core::phase::Phase;
use trimtab_core::proposal::{Attribute, Budget};
use trimtab_core::record::Record;
use trimtab_core::time::{Span, Timestamp};

/// When every remediation here was started.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn target() -> Target {
    Target {
        kind: "Deployment".into(),
        name: "shop".into(),
        namespace: Some("prod".into()),
        api_version: Some("apps/v1".into()),
    }
}

/// A remediation that entered `phase` one minute after its start, ten seconds ago; every fact is gathered.
pub(crate) fn in_phase(phase: Phase) -> Observation {
    let entered = START.plus(Span::from_secs(60));
    let mut record = Record { sequence: 3, ..Record::default() };
    record.enter(Phase::Pending, START);
    if phase != Phase::Pending {
        record.enter(phase, entered);
    }
    Observation {
        now: entered.plus(Span::from_secs(10)),
        is_live: true,
        uid: "8a1f0f9e-0000-4000-8000-000000000001".into(),
        name: "rr-1".into(),
        namespace: "kubernaut-system".into(),
        cluster_id: String::new(),
        generation: 1,
        resource_version: "42".into(),
        phase: Some(phase),
        started_at: Some(START),
        phases: record.phases.clone(),
        signal_name: "KubePodCrashLooping".into(),
        severity: "critical".into(),
        target: target(),
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
            signal: Signal { fingerprint: "f".repeat(64), signal_type: "alert".into(), ..Signal::default() },
            workflow_override: Some(None),
            related_remediations: Some(RelatedRemediations::default()),
            target_hash: Some(TargetHash::Absent),
            scope: Some(Scope { verdict: "managed".into(), because: String::new() }),
            signal_remediations: Some(SignalRemediations::default()),
            target_executions: Some(free(&target())),
            remediation_history: Some(RemediationHistory { hours: 168, available: true, ..Default::default() }),
            ..Facts::default()
        },
        record,
        object: Arc::new(json!({
            "kind": "RemediationRequest",
            "metadata": {"name": "rr-1", "namespace": "kubernaut-system", "resourceVersion": "42", "generation": 1},
            "spec": {"signalFingerprint": "f".repeat(64), "signalName": "KubePodCrashLooping", "severity": "critical"},
            "status": {"overallPhase": phase.name()},
        })),
    }
}

/// The observation with a child of this kind in this phase.
pub(crate) fn with(mut observation: Observation, kind: ChildKind, phase: &str, status: &Value) -> Observation {
    let name = kind.object_name(&observation.name, 1);
    let object = json!({"metadata": {"name": name, "resourceVersion": "5", "generation": 1}, "status": status});
    observation.children.retain(|child| child.kind != kind);
    observation.children.push(Child {
        kind,
        name,
        attempt: 1,
        found: true,
        phase: phase.into(),
        reason: String::new(),
        finished_at: matches!(phase, "Completed" | "Failed").then_some(observation.now),
        deadline: Some(observation.now.plus(Span::from_secs(600))),
        object: Arc::new(object),
    });
    observation
}

/// A remediation in Processing whose signal processing stands so.
pub(crate) fn processing(phase: &str) -> Observation {
    with(in_phase(Phase::Processing), ChildKind::SignalProcessing, phase, &json!({"phase": phase}))
}

/// A complete selected workflow.
fn workflow() -> Value {
    json!({
        "workflowId": "wf", "workflowName": "grow", "actionType": "IncreaseMemory", "version": "1.0.0",
        "executionBundle": "bundle", "executionEngine": "job", "confidence": 0.9, "rationale": "because",
        "parameters": {"LIMIT": "256Mi"},
    })
}

/// A remediation in Analyzing whose analysis has come to this.
pub(crate) fn analyzed(phase: &str, analysis: Analysis) -> Observation {
    let status = json!({"phase": phase, "rcaResult": {"selectedWorkflow": workflow()}});
    let mut observation = with(in_phase(Phase::Analyzing), ChildKind::AIAnalysis, phase, &status);
    observation.facts.classification = Some(Classification {
        severity: "critical".into(),
        environment: "Production".into(),
        priority: "P0".into(),
        signal_mode: "reactive".into(),
    });
    observation.facts.analysis = Some(analysis);
    observation.facts.target_executions = Some(free(observation.remediation_target()));
    observation
}

/// The object is this remediation's alone.
fn free(target: &Target) -> TargetExecutions {
    TargetExecutions { target: target.qualified(), locked: true, ..TargetExecutions::default() }
}

/// An analysis that selected a workflow.
pub(crate) fn selected(approval_required: bool) -> Analysis {
    Analysis {
        reason: "AnalysisCompleted".into(),
        approval_required,
        approval_reason: if approval_required { "production".into() } else { String::new() },
        workflow_id: "wf".into(),
        confidence: 0.9,
        remediation_target: Some(target()),
        ..Analysis::default()
    }
}

/// A remediation that waits for an approval with this decision.
pub(crate) fn awaiting(decision: &str) -> Observation {
    let observation = moved(analyzed("Completed", selected(true)), Phase::AwaitingApproval);
    let kind = ChildKind::RemediationApprovalRequest;
    let mut observation = with(observation, kind, decision, &json!({"decision": decision}));
    observation.facts.approval = Some(Approval {
        decision: decision.into(),
        decided_by: if decision.is_empty() { String::new() } else { "someone".into() },
        message: if decision == "Rejected" { "too risky".into() } else { String::new() },
        decided_at: (!decision.is_empty()).then_some(observation.now),
        required_by: START.plus(Span::from_secs(900)),
    });
    observation
}

fn moved(mut observation: Observation, phase: Phase) -> Observation {
    observation.phase = Some(phase);
    observation.record.enter(phase, START.plus(Span::from_secs(65)));
    observation.phases.clone_from(&observation.record.phases);
    observation
}

pub(crate) fn executing(phase: &str, execution: Execution) -> Observation {
    let observation = moved(analyzed("Completed", selected(false)), Phase::Executing);
    let mut observation = with(observation, ChildKind::WorkflowExecution, phase, &json!({"phase": phase}));
    observation.facts.execution = Some(Execution { phase: phase.into(), ..execution });
    observation
}

fn verifying(phase: &str, alert_score: Option<f64>) -> Observation {
    let observation = moved(executing("Completed", Execution::default()), Phase::Verifying);
    let mut observation = with(observation, ChildKind::EffectivenessAssessment, phase, &json!({"phase": phase}));
    observation.facts.assessment = Some(Assessment {
        phase: phase.into(),
        reason: if phase == "Completed" { "Full".into() } else { String::new() },
        validity_deadline: Some(START.plus(Span::from_secs(3600))),
        alert_score,
    });
    observation
}

fn later(mut observation: Observation, hours: u64) -> Observation {
    observation.now = observation.now.plus(Span::from_secs(hours * 3600));
    observation
}

fn overridden(mut observation: Observation) -> Observation {
    let budget = |phase: &str, seconds| Budget { phase: phase.into(), duration: Span::from_secs(seconds) };
    observation.overrides = vec![budget("Global", 1200), budget("Analyzing", 120)];
    observation
}

/// As much of everything as the interface hands over.
fn crowded() -> Observation {
    let mut observation = processing("Running");
    let pair = |number: u32| Attribute { key: format!("label-{number:03}"), value: "v".repeat(40) };
    observation.facts.signal.labels = (0..80).map(pair).collect();
    observation.facts.signal.annotations = (0..80).map(pair).collect();
    let related = |number: u32| RelatedRemediation {
        name: format!("rr-{number}"),
        phase: "Failed".into(),
        outcome: String::new(),
        started_at: Some(START),
    };
    observation.facts.related_remediations =
        Some(RelatedRemediations { total: 4000, items: (0..120).map(related).collect() });
    observation.name = "rr-ünïcödé-\u{1f980}".into();
    observation.severity = "Sev1 \"quoted\" \\ \u{0}".into();
    observation.consecutive_failures = u32::MAX;
    observation
}

fn with_override(decided: WorkflowOverride) -> Observation {
    let mut observation = awaiting("Approved");
    observation.facts.workflow_override = Some(Some(decided));
    observation
}

fn ended(phase: Phase) -> Observation {
    moved(analyzed("Completed", selected(false)), phase)
}

/// Every observation by its name; names never change.
pub(crate) fn all() -> Vec<(&'static str, Arc<Observation>)> {
    let not_begun = Observation { phase: None, started_at: None, phases: Vec::new(), ..in_phase(Phase::Pending) };
    let nothing = Analysis { reason: "WorkflowNotNeeded".into(), message: "it healed".into(), ..Analysis::default() };
    let review = Analysis { needs_human_review: true, human_review_reason: "low".into(), ..Analysis::default() };
    let incomplete = Analysis { workflow_incomplete: "executionBundle".into(), ..selected(false) };
    let targetless = Analysis { remediation_target: None, ..selected(false) };
    let unresolved = Analysis { reason: "WorkflowResolutionFailed".into(), ..Analysis::default() };
    let broken = Execution { failure_reason: "task exited with code 1".into(), ..Execution::default() };
    let double = Execution { failure_code: "Deduplicated".into(), deduplicated_by: "we-2".into(), ..broken.clone() };
    let found = WorkflowOverride { workflow_name: "restart".into(), found: true, ..WorkflowOverride::default() };
    let missing = WorkflowOverride { workflow_name: "gone".into(), ..WorkflowOverride::default() };
    let failing = Observation { consecutive_failures: 4, ..verifying("Completed", Some(0.0)) };
    let set = vec![
        ("not-begun", not_begun),
        ("pending", in_phase(Phase::Pending)),
        ("processing-childless", in_phase(Phase::Processing)),
        ("processing-at-work", processing("Enriching")),
        ("processing-completed", processing("Completed")),
        ("processing-failed", processing("Failed")),
        ("processing-late", later(processing("Enriching"), 2)),
        ("processing-overridden", overridden(processing("Enriching"))),
        ("processing-crowded", crowded()),
        ("analyzing-childless", in_phase(Phase::Analyzing)),
        ("analyzing-at-work", analyzed("Investigating", Analysis::default())),
        ("analyzing-selected", analyzed("Completed", selected(false))),
        ("analyzing-needs-approval", analyzed("Completed", selected(true))),
        ("analyzing-nothing-to-do", analyzed("Completed", nothing)),
        ("analyzing-needs-a-person", analyzed("Completed", review)),
        ("analyzing-incomplete", analyzed("Completed", incomplete)),
        ("analyzing-targetless", analyzed("Completed", targetless)),
        ("analyzing-failed", analyzed("Failed", unresolved)),
        ("awaiting", awaiting("")),
        ("awaiting-approved", awaiting("Approved")),
        ("awaiting-rejected", awaiting("Rejected")),
        ("awaiting-late", later(awaiting(""), 1)),
        ("awaiting-overridden", with_override(found)),
        ("awaiting-override-missing", with_override(missing)),
        ("executing-at-work", executing("Running", Execution::default())),
        ("executing-completed", executing("Completed", Execution::default())),
        ("executing-failed", executing("Failed", broken)),
        ("executing-deduplicated", executing("Failed", double)),
        ("verifying-at-work", verifying("Assessing", None)),
        ("verifying-resolved", verifying("Completed", Some(1.0))),
        ("verifying-still-firing", failing),
        ("verifying-late", later(verifying("Assessing", None), 3)),
        ("completed", ended(Phase::Completed)),
        ("cancelled", ended(Phase::Cancelled)),
    ];
    set.into_iter().map(|(name, observation)| (name, Arc::new(observation))).collect()
}
