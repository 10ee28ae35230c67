//! Observations in which something stands in a remediation's way, or has just gone: what interface 0.1.1 added.

use std::sync::Arc;

use trimtab_core::observation::{
    AwaitedObject, HistoryEntry, Observation, RemediationHistory, Routing, Scope, SignalRemediation,
    SignalRemediations, TargetExecution,
};
use trimtab_core::phase::Phase;
use trimtab_core::time::{Span, Timestamp};

use crate::observations::{START, analyzed, in_phase, selected};

/// State of the target in every one of these.
const HASH: &str = "sha256:5be01e1a";

fn before_start(seconds: u64) -> Timestamp {
    Timestamp::from_millis(START.as_millis() - seconds * 1000)
}

fn scoped(mut observation: Observation, verdict: &str) -> Observation {
    observation.facts.scope = Some(Scope { verdict: verdict.into(), because: "a label".into() });
    observation
}

/// Other remediations of the signal by phase and failure phase, the newest first.
fn among(mut observation: Observation, others: &[(&str, &str)]) -> Observation {
    let one = |(nth, (phase, failure)): (u64, &(&str, &str))| SignalRemediation {
        name: format!("rr-before-{nth}"),
        phase: (*phase).into(),
        failure_phase: (*failure).into(),
        target_namespace: "prod".into(),
        comes_first: true,
        created_at: before_start(60 * (nth + 1)),
        ..SignalRemediation::default()
    };
    let items: Vec<_> = (0..).zip(others).map(one).collect();
    let total = u32::try_from(items.len()).expect("a few");
    observation.facts.signal_remediations = Some(SignalRemediations { total, items });
    observation
}

/// With an execution of somebody else's on the target.
fn beside(mut observation: Observation, phase: &str, ended: Option<Timestamp>) -> Observation {
    let execution = TargetExecution {
        name: "we-rr-other".into(),
        own: false,
        workflow_id: "wf".into(),
        phase: phase.into(),
        completed_at: ended,
    };
    if let Some(executions) = &mut observation.facts.target_executions {
        (executions.total, executions.items) = (1, vec![execution]);
    }
    observation
}

fn locked_out(mut observation: Observation) -> Observation {
    if let Some(executions) = &mut observation.facts.target_executions {
        (executions.locked, executions.holder) = (false, "rr-other".into());
    }
    observation
}

/// With this many remediations of the target behind it that left it as it was.
fn after_vain_tries(mut observation: Observation, count: u64) -> Observation {
    let entry = |nth: u64| HistoryEntry {
        remediation: format!("uid-{nth}"),
        completed_at: before_start(600 * (count - nth)),
        action_type: "IncreaseMemory".into(),
        signal_resolved: Some(false),
        hash_match: "preRemediation".into(),
        pre_hash: HASH.into(),
        post_hash: HASH.into(),
    };
    let items = (0..count).map(entry).collect();
    observation.facts.remediation_history =
        Some(RemediationHistory { hours: 168, available: true, current_hash: HASH.into(), items });
    observation
}

fn allowed_later(mut observation: Observation) -> Observation {
    observation.facts.routing.next_allowed_at = Some(observation.now.plus(Span::from_secs(90)));
    observation
}

/// Blocked for this reason, until so many seconds before or after now.
fn blocked(reason: &str, from: Phase, until: Option<i64>) -> Observation {
    let mut observation = in_phase(Phase::Blocked);
    let now = observation.now.as_millis();
    let until = until.map(|seconds| Timestamp::from_millis(now.saturating_add_signed(seconds * 1000)));
    observation.facts.routing = Routing {
        block_reason: reason.into(),
        block_message: "it has to wait".into(),
        blocked_until: until,
        blocked_from: from.name().into(),
        ..Routing::default()
    };
    observation
}

fn waiting_for(mut observation: Observation, kind: &str, found: bool, phase: &str) -> Observation {
    observation.facts.routing.awaited = Some(AwaitedObject {
        kind: kind.into(),
        name: "other".into(),
        found,
        phase: phase.into(),
        ..Default::default()
    });
    observation
}

/// Every observation by its name; names never change.
pub(crate) fn all() -> Vec<(&'static str, Arc<Observation>)> {
    let pending = || in_phase(Phase::Pending);
    let analyzing = || analyzed("Completed", selected(false));
    let duplicate = || blocked("DuplicateInProgress", Phase::Pending, None);
    let busy = || blocked("ResourceBusy", Phase::Analyzing, None);
    let failure = ("Failed", "SignalProcessing");
    let set = vec![
        ("pending-unmanaged", scoped(pending(), "unmanaged")),
        ("pending-scope-unknown", scoped(pending(), "unknown")),
        ("pending-failed-thrice", among(pending(), &[failure; 3])),
        ("pending-failed-twice", among(pending(), &[failure, failure, ("Completed", "")])),
        ("pending-after-a-block", among(pending(), &[("Failed", "Blocked"), failure, failure, failure])),
        ("pending-duplicate", among(pending(), &[("Executing", "")])),
        ("pending-backing-off", allowed_later(pending())),
        ("analyzing-busy", beside(analyzing(), "Running", None)),
        ("analyzing-locked-out", locked_out(analyzing())),
        ("analyzing-just-remediated", beside(analyzing(), "Completed", Some(before_start(30)))),
        ("analyzing-remediated-before", beside(analyzing(), "Completed", Some(before_start(900)))),
        ("analyzing-backing-off", allowed_later(analyzing())),
        ("analyzing-in-vain", after_vain_tries(analyzing(), 3)),
        ("analyzing-twice-in-vain", after_vain_tries(analyzing(), 2)),
        ("blocked-duplicate-at-work", waiting_for(duplicate(), "RemediationRequest", true, "Executing")),
        ("blocked-duplicate-completed", waiting_for(duplicate(), "RemediationRequest", true, "Completed")),
        ("blocked-duplicate-failed", waiting_for(duplicate(), "RemediationRequest", true, "TimedOut")),
        ("blocked-duplicate-alone", waiting_for(duplicate(), "RemediationRequest", false, "")),
        ("blocked-busy", waiting_for(busy(), "WorkflowExecution", true, "Running")),
        ("blocked-busy-over", waiting_for(busy(), "WorkflowExecution", true, "Failed")),
        ("blocked-unmanaged-again", scoped(blocked("UnmanagedResource", Phase::Pending, Some(-1)), "unmanaged")),
        ("blocked-managed-now", blocked("UnmanagedResource", Phase::Pending, Some(-1))),
        ("blocked-cooldown", blocked("RecentlyRemediated", Phase::Analyzing, Some(60))),
        ("blocked-cooldown-over", blocked("RecentlyRemediated", Phase::Analyzing, Some(0))),
        ("blocked-failures-over", blocked("ConsecutiveFailures", Phase::Pending, Some(-5))),
        ("blocked-for-a-person", blocked("IneffectiveChain", Phase::Analyzing, None)),
    ];
    set.into_iter().map(|(name, observation)| (name, Arc::new(observation))).collect()
}
