//! What the benchmarks decide about.

use std::sync::Arc;

use serde_json::json;
use trimtab_core::observation::{Analysis, Child, ChildKind, Classification, Facts, Observation, Signal, Target};
use trimtab_core::phase::Phase;
use trimtab_core::record::Record;
use trimtab_core::time::Timestamp;

/// The time, in milliseconds since 1970.
pub(crate) const NOW: u64 = 1_800_000_000_000;

/// A remediation in processing, with so many children.
pub(crate) fn observation(children: usize) -> Arc<Observation> {
    let at = Timestamp::from_millis(NOW);
    let child = |number: usize| Child {
        kind: ChildKind::ALL[number % ChildKind::ALL.len()],
        name: format!("child-{number}-of-rr-kubepodcrashlooping"),
        attempt: 1,
        found: true,
        phase: "Completed".into(),
        reason: String::new(),
        finished_at: Some(at),
        deadline: Some(at),
        object: Arc::new(json!({"metadata": {"name": "child"}, "status": {"phase": "Completed"}})),
    };
    Arc::new(Observation {
        now: at,
        is_live: true,
        uid: "8a1f0f9e-0000-4000-8000-000000000001".into(),
        name: "rr-kubepodcrashlooping".into(),
        namespace: "kubernaut-system".into(),
        cluster_id: String::new(),
        generation: 1,
        resource_version: "12".into(),
        phase: Some(Phase::Processing),
        started_at: Some(at),
        phases: vec![(Phase::Pending, at), (Phase::Processing, at)],
        signal_name: "KubePodCrashLooping".into(),
        severity: "critical".into(),
        target: Target { kind: "Deployment".into(), name: "shop".into(), ..Target::default() },
        overrides: Vec::new(),
        overrides_fault: None,
        children: (0..children).map(child).collect(),
        notifications: Vec::new(),
        failed_creations: Vec::new(),
        missing_kinds: Vec::new(),
        obstacle: None,
        consecutive_failures: 0,
        brakes: None,
        facts: Facts {
            signal: Signal { fingerprint: "f".repeat(64), ..Signal::default() },
            classification: Some(Classification { severity: "critical".into(), ..Classification::default() }),
            analysis: Some(Analysis { workflow_id: "restart-deployment-v2".into(), ..Analysis::default() }),
            ..Facts::default()
        },
        record: Record::default(),
        object: Arc::new(json!({"kind": "RemediationRequest"})),
    })
}
