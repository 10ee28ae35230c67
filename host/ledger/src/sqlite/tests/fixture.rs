//! Decisions of a realistic size, for tests and benchmarks.

use std::sync::Arc;

use serde_json::{Value, json};
use trimtab_core::audit::AuditEvent;
use trimtab_core::decide::{Decision, Evaluation, Verdict};
use trimtab_core::manifest::Manifest;
use trimtab_core::members::Member;
use trimtab_core::observation::{Child, ChildKind, Observation, Target};
use trimtab_core::phase::Phase;
use trimtab_core::plan::{Action, Event, Plan};
use trimtab_core::ports::{Choice, DecisionRecord, LogLine};
use trimtab_core::proposal::{Explanation, Slot};
use trimtab_core::record::{Record, Revision};
use trimtab_core::time::{Span, Timestamp};
use uuid::Uuid;

/// When every story begins.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A component that every decision was made with.
pub(crate) const COMPONENT: &[u8] = b"\0asm stands for a component";

/// Its config's digest.
pub(crate) const CONFIG: &str = "0123456789abcdef";

/// What `objects.json` has: a remediation with two children, and what it was asked and answered for its step to `Executing`, as
/// they were recorded of a run on a real API server.
pub(crate) fn objects() -> Arc<Value> {
    Arc::new(serde_json::from_str(include_str!("objects.json")).unwrap())
}

/// `START` and so many seconds.
pub(crate) fn at(seconds: u64) -> Timestamp {
    START.plus(Span::from_secs(seconds))
}

/// Digest of [`COMPONENT`].
pub(crate) fn component_digest() -> String {
    use sha2::{Digest as _, Sha256};
    Sha256::digest(COMPONENT).iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

fn child(kind: ChildKind, object: &Value) -> Child {
    Child {
        kind,
        name: object["metadata"]["name"].as_str().unwrap().to_owned(),
        attempt: 1,
        found: true,
        phase: "Completed".into(),
        reason: String::new(),
        finished_at: Some(at(1)),
        deadline: None,
        object: Arc::new(object.clone()),
    }
}

/// What is seen of the remediation `uid` after step `sequence`.
pub(crate) fn observation(objects: &Value, uid: &str, sequence: u64, phase: Phase) -> Observation {
    let now = at(sequence * 10);
    let mut record = Record { sequence, ..Record::default() };
    record.enter(phase, now);
    Observation {
        now,
        is_live: false,
        uid: uid.to_owned(),
        name: name_of(uid),
        namespace: "ns".into(),
        cluster_id: String::new(),
        generation: 1,
        resource_version: "42".into(),
        phase: Some(phase),
        started_at: Some(START),
        phases: record.phases.clone(),
        signal_name: "PodMemoryHigh".into(),
        severity: "critical".into(),
        target: Target {
            kind: "Deployment".into(),
            name: "payments".into(),
            namespace: Some("shop".into()),
            api_version: Some("apps/v1".into()),
        },
        overrides: Vec::new(),
        overrides_fault: None,
        children: vec![
            child(ChildKind::SignalProcessing, &objects["processing"]),
            child(ChildKind::AIAnalysis, &objects["analysis"]),
        ],
        notifications: Vec::new(),
        failed_creations: Vec::new(),
        missing_kinds: Vec::new(),
        obstacle: None,
        consecutive_failures: 0,
        brakes: None,
        facts: serde_json::from_value(objects["facts"].clone()).unwrap(),
        record,
        object: Arc::new(objects["object"].clone()),
    }
}

/// The name of the remediation `uid`.
pub(crate) fn name_of(uid: &str) -> String {
    format!("rr-{uid}")
}

/// What was asked of a slot and answered.
pub(crate) fn evaluation(slot: Slot) -> Evaluation {
    Evaluation {
        slot,
        member: Member::FIRST,
        choice: Choice::Active,
        revision: Some(Revision { digest: component_digest(), config: CONFIG.into() }),
        fuel: 123_456,
        log: vec![LogLine { level: "debug".into(), message: "looked at the children".into() }],
        fault: None,
        proposal: None,
    }
}

/// One audit event of a step.
pub(crate) fn event(uid: &str, sequence: u64, event_type: &str) -> AuditEvent {
    let mut hash = [0; 16];
    for (place, byte) in format!("{uid}/{sequence}/{event_type}").bytes().enumerate() {
        hash[place % 16] ^= byte.rotate_left(u32::try_from(place / 16).unwrap());
    }
    let now = at(sequence * 10);
    AuditEvent {
        id: Uuid::from_bytes(hash),
        at: now,
        event_type: event_type.to_owned(),
        correlation_id: name_of(uid),
        body: json!({
            "version": "1.0", "event_type": event_type, "event_timestamp": now.to_string(),
            "event_category": "orchestration", "event_action": "transitioned", "event_outcome": "success",
            "actor_type": "service", "actor_id": "remediation-orchestrator", "resource_type": "RemediationRequest",
            "resource_id": name_of(uid), "correlation_id": name_of(uid), "namespace": "ns",
            "event_data": {"event_type": event_type, "rr_name": name_of(uid), "namespace": "ns",
                "from_phase": "Analyzing", "to_phase": "Executing", "transition_reason": "AnalysisCompleted"},
        }),
    }
}

/// Step `sequence` of `uid`, to `to`, with two audit events.
pub(crate) fn plan(objects: &Value, uid: &str, sequence: u64, to: Phase) -> Arc<Plan> {
    let execution = &objects["execution"];
    Arc::new(Plan {
        uid: uid.to_owned(),
        namespace: "ns".into(),
        name: name_of(uid),
        sequence,
        resource_version: "42".into(),
        from: Some(Phase::Analyzing),
        to: Some(to),
        outcome: None,
        actions: vec![Action::Create(Manifest {
            kind: "WorkflowExecution".into(),
            name: execution["metadata"]["name"].as_str().unwrap().to_owned(),
            object: execution.clone(),
            is_required: true,
        })],
        status: Some(json!({"overallPhase": to.name(), "conditions": objects["object"]["status"]["conditions"]})),
        events: vec![Event {
            is_warning: false,
            reason: "PhaseTransition".into(),
            note: format!("Phase transition: Analyzing → {to}"),
        }],
        audit: vec![
            event(uid, sequence, "orchestrator.lifecycle.transitioned"),
            event(uid, sequence, "orchestrator.child.created"),
        ],
        why: Explanation::new("AnalysisCompleted", "The analysis selected a workflow."),
        at: at(sequence * 10),
    })
}

/// The decision that leads to `plan`.
pub(crate) fn step(objects: &Value, plan: &Arc<Plan>) -> DecisionRecord {
    let before = observation(objects, &plan.uid, plan.sequence - 1, Phase::Analyzing);
    let evaluated = |slot: Slot| {
        let proposal = serde_json::from_value(objects["proposals"][slot.name()].clone()).unwrap();
        Evaluation { proposal: Some(proposal), ..evaluation(slot) }
    };
    DecisionRecord {
        observation: Arc::new(before),
        decision: Decision {
            verdict: Verdict::Step(Arc::clone(plan)),
            wake_at: None,
            why: plan.why.clone(),
            evaluations: Slot::ALL.into_iter().map(evaluated).collect(),
            combined: None,
        },
        basis: None,
    }
}
