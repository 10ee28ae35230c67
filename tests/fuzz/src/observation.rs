//! Cluster objects, in any state, through the reader, the core and the typed kinds.
//!
//! An input is `{"now": ms, "live": bool, "remediation": …, "children": {kind: …}, "workflow": …, "related": […]}`;
//! where `workflow` or `related` is missing, it counts as not gathered. `routing` holds what was gathered for routing,
//! as the ledger has it: `signal_remediations`, `target_executions`, `awaited`; without it the target is locked and free.

use std::sync::{Arc, LazyLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use trimtab_api::mapping::{Objects, observe};
use trimtab_core::decide::{Decision, Need, decide};
use trimtab_core::observation::{ChildKind, NOTIFICATIONS_MAX, Observation, TargetExecutions};
use trimtab_core::proposal::{Attribute, Creation, Creations, Explanation, Intent, Schedule};
use trimtab_core::record::Record;
use trimtab_core::settings::Settings;
use trimtab_core::time::Timestamp;

use crate::invariants;
use crate::judge::Given;

/// Texts that mean something in an object.
pub const WORDS: &[&str] = &[
    "Pending",
    "Processing",
    "Analyzing",
    "AwaitingApproval",
    "Executing",
    "Verifying",
    "Blocked",
    "Completed",
    "Failed",
    "TimedOut",
    "Skipped",
    "Cancelled",
    "Approved",
    "Rejected",
    "Expired",
    "Running",
    "Full",
    "Partial",
    "status",
    "spec",
    "metadata",
    "conditions",
    "type",
    "message",
    "Ready",
    "trimtab.dev/Decision",
    "overallPhase",
    "startTime",
    "timeoutConfig",
    "global",
    "processing",
    "analyzing",
    "executing",
    "phaseProgress",
    "name",
    "routingStatus",
    "consecutiveFailureCount",
    "workflowOverride",
    "parameters",
    "workflowName",
    "selectedWorkflow",
    "rcaResult",
    "completionTime",
    "completedAt",
    "decidedAt",
    "requiredBy",
    "timesOutAt",
    "validityDeadline",
    "reason",
    "phase",
    "decision",
    "approval",
    "approvalRequired",
    "2023-11-14T22:14:20Z",
    "1969-12-31T23:59:59Z",
    "9999-12-31T23:59:59Z",
    "10m0s",
    "-5m",
    "0s",
    "2562047h47m16.854775807s",
    "SignalProcessing",
    "AIAnalysis",
    "RemediationApprovalRequest",
    "WorkflowExecution",
    "EffectivenessAssessment",
    "related",
    "routing",
    "target_executions",
    "signal_remediations",
    "awaited",
    "blockReason",
    "blockedUntil",
    "duplicateOf",
    "DuplicateInProgress",
    "ResourceBusy",
    "UnmanagedResource",
    "Deduplicated",
    "deduplicatedBy",
    "workflow",
    "now",
    "live",
];

/// The seeds, as observations for other targets.
pub(crate) fn samples() -> &'static [Observation] {
    static SAMPLES: LazyLock<Vec<Observation>> = LazyLock::new(|| {
        let texts = [
            include_str!("../seeds/observation/processing.json"),
            include_str!("../seeds/observation/new.json"),
            include_str!("../seeds/observation/pending.json"),
            include_str!("../seeds/observation/analyzed.json"),
            include_str!("../seeds/observation/awaiting.json"),
            include_str!("../seeds/observation/overridden.json"),
            include_str!("../seeds/observation/executed.json"),
            include_str!("../seeds/observation/verifying.json"),
            include_str!("../seeds/observation/blocked.json"),
            include_str!("../seeds/observation/duplicate.json"),
            include_str!("../seeds/observation/unmanaged.json"),
            include_str!("../seeds/observation/busy.json"),
            include_str!("../seeds/observation/deduplicated.json"),
            include_str!("../seeds/observation/ended.json"),
        ];
        let read =
            |text: &str| read(&serde_json::from_str(text).expect("a seed is JSON")).expect("a seed is a remediation");
        texts.into_iter().map(read).collect()
    });
    &SAMPLES
}

/// Reads objects and decides on them.
pub fn run(bytes: &[u8]) {
    let Ok(document) = serde_json::from_slice::<Value>(bytes) else { return };
    typed(&document);
    let Some(observation) = read(&document) else { return };
    let text = serde_json::to_string(&observation).expect("an observation can be written");
    let again: Observation = serde_json::from_str(&text).expect("a written observation can be read");
    assert!(again == observation, "an observation survives the ledger");
    let record = &observation.record;
    assert_eq!(Record::parse(&serde_json::to_string(record).expect("a record can be written")).as_ref(), Some(record));
    let observation = Arc::new(observation);
    for mut judge in judges() {
        decided(&observation, &mut judge);
    }
}

/// The decision on an observation, read live where it has to be; nothing where a fact is missing.
fn decided(observation: &Arc<Observation>, judge: &mut Given) -> Option<Decision> {
    let settings = Settings::default();
    let live = Arc::new(Observation { is_live: true, ..Observation::clone(observation) });
    let (seen, outcome) = match decide(observation, judge, &settings) {
        Err(Need::Live) => (&live, decide(&live, judge, &settings)),
        outcome => (observation, outcome),
    };
    let decision = match outcome {
        Ok(decision) => decision,
        Err(Need::Live) => panic!("what was read live is asked to be read live"),
        Err(Need::Fact(_)) => return None,
    };
    invariants::check(seen, &decision);
    Some(decision)
}

/// The observation of the objects in a document; `None` where they are no remediation.
fn read(document: &Value) -> Option<Observation> {
    let object = |value: &Value| Arc::new(value.clone());
    let children = ChildKind::ALL.into_iter().filter_map(|kind| {
        let child = document.get("children")?.get(kind.name()).filter(|child| !child.is_null())?;
        Some((kind, object(child)))
    });
    let objects = Objects {
        remediation: object(document.get("remediation")?),
        children: children.collect(),
        notifications: notifications(document),
        workflow: document.get("workflow").map(|found| Some(found).filter(|found| !found.is_null()).map(object)),
        related: document.get("related").and_then(Value::as_array).map(|found| found.iter().map(object).collect()),
    };
    let now = Timestamp::from_millis(document.get("now").and_then(Value::as_u64).unwrap_or(0));
    let is_live = document.get("live").and_then(Value::as_bool).unwrap_or(false);
    let mut observation = observe(now, is_live, &objects).ok()?;
    gather(document, &mut observation);
    Some(observation)
}

/// What was gathered for routing.
fn gather(document: &Value, observation: &mut Observation) {
    fn part<T: DeserializeOwned>(document: &Value, name: &str) -> Option<T> {
        serde_json::from_value(document.get("routing")?.get(name)?.clone()).ok()
    }
    let target = observation.remediation_target().qualified();
    let free = TargetExecutions { target, locked: true, ..TargetExecutions::default() };
    let facts = &mut observation.facts;
    facts.signal_remediations = part(document, "signal_remediations");
    facts.target_executions = part(document, "target_executions").or(Some(free));
    facts.routing.awaited = part(document, "awaited");
}

/// The notifications in a document: names and what is there of them.
fn notifications(document: &Value) -> Vec<(String, Option<Arc<Value>>)> {
    let listed = document.get("notifications").and_then(Value::as_object).into_iter().flatten();
    let found = |object: &Value| Some(Arc::new(object.clone())).filter(|_| !object.is_null());
    listed.take(NOTIFICATIONS_MAX).map(|(name, object)| (name.clone(), found(object))).collect()
}

/// One judge for every step that a policy can ask for.
fn judges() -> impl Iterator<Item = Given> {
    let rows: [(&str, &str, &str, &[&str]); 9] = [
        ("stay", "", "", &[]),
        ("advance", "Processing", "", &["SignalProcessing"]),
        ("advance", "Analyzing", "", &["AIAnalysis"]),
        ("advance", "AwaitingApproval", "", &["RemediationApprovalRequest", "approval"]),
        ("advance", "Executing", "", &["WorkflowExecution"]),
        ("verify", "", "", &["EffectivenessAssessment"]),
        ("complete", "", "Remediated", &["completion"]),
        ("complete", "", "NoActionRequired", &["self-resolved"]),
        ("fail", "", "", &["escalation", "manual-review"]),
    ];
    let routed =
        |(kind, reason, source, created): (&'static str, &'static str, &'static str, &'static [&'static str])| {
            let attributes = vec![Attribute { key: "block-reason".to_owned(), value: reason.to_owned() }];
            let message = "something is in the way".to_owned();
            let until = (kind == "block").then(|| Timestamp::from_millis(1_700_000_090_000));
            let intent = Intent { message, source: source.to_owned(), until, attributes, ..Intent::default() };
            judge(Intent { kind: kind.to_owned(), ..intent }, created)
        };
    let waits: [(&'static str, &'static str, &'static str, &'static [&'static str]); 5] = [
        ("block", "UnmanagedResource", "", &["block"]),
        ("block", "IneffectiveChain", "", &["manual-review"]),
        ("wait-on", "DuplicateInProgress", "rr-0", &["block"]),
        ("wait-on", "ResourceBusy", "we-other", &["block"]),
        ("wait-on", "Deduplicated", "we-other", &[]),
    ];
    let inherited = ["rr-0", "we-other"].into_iter().flat_map(|source| {
        let completed = Intent { outcome: "Remediated".to_owned(), ..Intent::default() };
        let reason = "it failed".to_owned();
        let failed = Intent { failure_phase: "Deduplicated".to_owned(), reason, ..Intent::default() };
        [(completed, "completion"), (failed, "escalation")].map(|(intent, purpose)| {
            judge(Intent { kind: "inherit".to_owned(), source: source.to_owned(), ..intent }, &[purpose])
        })
    });
    let back = ["Pending", "Analyzing"].map(|target| {
        judge(Intent { kind: "advance".to_owned(), target_phase: target.to_owned(), ..Intent::default() }, &[])
    });
    let plain = rows.into_iter().map(|(kind, target, outcome, created)| {
        judge(
            Intent {
                kind: kind.to_owned(),
                target_phase: target.to_owned(),
                outcome: outcome.to_owned(),
                failure_phase: if kind == "fail" { "AIAnalysis".to_owned() } else { String::new() },
                reason: if kind == "fail" { "it broke".to_owned() } else { String::new() },
                ..Intent::default()
            },
            created,
        )
    });
    plain.chain(waits.into_iter().map(routed)).chain(inherited).chain(back)
}

/// A judge that wants this step and these objects.
fn judge(intent: Intent, created: &[&str]) -> Given {
    let why = Explanation::new("Fuzz", "As the target says.");
    let item = |name: &&str| match ChildKind::parse(name) {
        Some(_) => Creation { kind: (*name).to_owned(), ..Creation::default() },
        None => Creation { kind: "NotificationRequest".to_owned(), purpose: (*name).to_owned(), ..Creation::default() },
    };
    Given {
        schedule: Some(Schedule { why: why.clone(), ..Schedule::default() }),
        intent: Some(Intent { why: why.clone(), ..intent }),
        creations: Some(Creations { items: created.iter().map(item).collect(), why, attributes: Vec::new() }),
        ..Given::default()
    }
}

/// The objects as typed kinds: what can be read can be written, and read again as the same.
fn typed(document: &Value) {
    let part = |pointer: &str| document.pointer(pointer).cloned().unwrap_or_default();
    stable::<trimtab_api::RemediationRequest>(part("/remediation"));
    stable::<trimtab_api::SignalProcessing>(part("/children/SignalProcessing"));
    stable::<trimtab_api::AIAnalysis>(part("/children/AIAnalysis"));
    stable::<trimtab_api::RemediationApprovalRequest>(part("/children/RemediationApprovalRequest"));
    stable::<trimtab_api::WorkflowExecution>(part("/children/WorkflowExecution"));
    stable::<trimtab_api::EffectivenessAssessment>(part("/children/EffectivenessAssessment"));
    stable::<trimtab_api::RemediationWorkflow>(part("/workflow"));
    stable::<Record>(part("/record"));
}

fn stable<T: Serialize + DeserializeOwned>(value: Value) {
    let Ok(read) = serde_json::from_value::<T>(value) else { return };
    let written = serde_json::to_value(&read).expect("what was read can be written");
    let again: T = serde_json::from_value(written.clone()).expect("what was written can be read");
    assert_eq!(serde_json::to_value(&again).expect("and written again"), written, "a kind is written in one way");
}
