//! Remediations as a watch tells of them.

use serde_json::{Value, json};

use super::*;

#[expect(clippy::needless_pass_by_value, reason = "the statuses are written where they are used")]
fn remediation(name: &str, fingerprint: &str, status: Value) -> Object {
    serde_json::from_value(json!({
        "apiVersion": "kubernaut.ai/v1alpha1",
        "kind": "RemediationRequest",
        "metadata": {"name": name, "namespace": "ns"},
        "spec": {"signalFingerprint": fingerprint},
        "status": status,
    }))
    .unwrap()
}

fn execution(name: &str, phase: &str) -> Object {
    serde_json::from_value(json!({
        "apiVersion": "kubernaut.ai/v1alpha1",
        "kind": "WorkflowExecution",
        "metadata": {"name": name, "namespace": "ns"},
        "status": {"phase": phase},
    }))
    .unwrap()
}

fn apply(object: &Object) -> watcher::Event<Object> {
    watcher::Event::Apply(object.clone())
}

fn names(index: &Index, fingerprint: &str) -> Vec<String> {
    let mut names: Vec<_> = index.sharing("ns", fingerprint).iter().map(|key| key.1.clone()).collect();
    names.sort();
    names
}

fn key(name: &str) -> Key {
    ("ns".into(), name.into())
}

fn blocked(index: &Index) -> i64 {
    index.blocked().find(|(namespace, _)| *namespace == "ns").map_or(0, |(_, count)| count)
}

#[test]
fn remediations_of_one_signal_are_found_by_it_until_they_go() {
    let mut index = Index::default();
    for (name, fingerprint) in [("a", "f"), ("b", "f"), ("c", "g")] {
        index.changed(&apply(&remediation(name, fingerprint, json!({}))));
    }
    assert_eq!(names(&index, "f"), ["a", "b"]);
    assert_eq!(index.sharing("elsewhere", "f"), []);
    // A namesake with another signal.
    index.changed(&apply(&remediation("a", "g", json!({}))));
    assert_eq!(names(&index, "g"), ["a", "c"]);
    index.changed(&watcher::Event::Delete(remediation("b", "f", json!({}))));
    assert_eq!(names(&index, "f"), [""; 0]);
    assert!(!index.signals.contains_key(&signal_of("ns", "f")), "nothing is kept of it");
}

#[test]
fn what_a_new_list_lacks_is_gone() {
    let mut index = Index::default();
    let (a, b) = (remediation("a", "f", json!({"overallPhase": "Blocked"})), remediation("b", "f", json!({})));
    for change in [apply(&a), apply(&b), watcher::Event::Init, watcher::Event::InitApply(b)] {
        index.changed(&change);
    }
    assert_eq!(names(&index, "f"), ["a", "b"], "until the list is complete");
    assert!(index.changed(&watcher::Event::InitDone));
    assert_eq!(names(&index, "f"), ["b"]);
    assert_eq!(blocked(&index), 0);
}

#[test]
fn blocked_remediations_are_counted_up_and_down() {
    let mut index = Index::default();
    let is_blocked = |reason: &str| json!({"overallPhase": "Blocked", "routingStatus": {"blockReason": reason}});
    assert!(index.changed(&apply(&remediation("a", "f", is_blocked("UnmanagedResource")))));
    index.changed(&apply(&remediation("b", "g", is_blocked("ConsecutiveFailures"))));
    index.changed(&apply(&remediation("b", "g", is_blocked("ConsecutiveFailures"))));
    assert_eq!(blocked(&index), 2);
    index.changed(&apply(&remediation("a", "f", json!({"overallPhase": "Pending"}))));
    assert_eq!(blocked(&index), 1);
    index.changed(&watcher::Event::Delete(remediation("b", "g", json!({}))));
    assert_eq!(blocked(&index), 0);
}

#[test]
fn whoever_waits_is_woken_by_the_object_it_waits_for() {
    let mut index = Index::default();
    let waits = [
        ("dup", "Blocked", json!({"blockReason": "DuplicateInProgress", "duplicateOf": "original"})),
        ("busy", "Blocked", json!({"blockReason": "ResourceBusy", "blockingWorkflowExecution": "we-x"})),
        ("same", "Executing", json!({"deduplicatedByWE": "we-x"})),
        ("past", "Processing", json!({"blockReason": "ResourceBusy", "blockingWorkflowExecution": "we-x"})),
    ];
    for (name, phase, routing) in waits {
        index.changed(&apply(&remediation(name, "f", json!({"overallPhase": phase, "routingStatus": routing}))));
    }
    let woken =
        |index: &mut Index, phase: &str| index.woken(Kind::WorkflowExecution, &apply(&execution("we-x", phase)));
    assert_eq!(woken(&mut index, "Running"), [key("busy"), key("same")]);
    assert_eq!(woken(&mut index, "Running"), [], "its phase is the same");
    assert_eq!(woken(&mut index, "Completed"), [key("busy"), key("same")]);
    assert_eq!(index.woken(Kind::WorkflowExecution, &apply(&execution("we-y", "Failed"))), []);
    let original = remediation("original", "f", json!({"overallPhase": "Failed"}));
    assert_eq!(index.woken(Kind::RemediationRequest, &apply(&original)), [key("dup")]);
    assert_eq!(index.woken(Kind::RemediationRequest, &watcher::Event::Delete(original)), [key("dup")]);
    // Whoever has stopped waiting is left alone.
    index.changed(&apply(&remediation("busy", "f", json!({"overallPhase": "Analyzing"}))));
    assert_eq!(woken(&mut index, "Failed"), [key("same")]);
}

#[test]
fn after_a_gap_in_the_watch_everybody_who_waits_looks() {
    let mut index = Index::default();
    let waits = json!({"blockReason": "ResourceBusy", "blockingWorkflowExecution": "we-gone"});
    index.changed(&apply(&remediation("busy", "f", json!({"overallPhase": "Blocked", "routingStatus": waits}))));
    assert_eq!(index.woken(Kind::WorkflowExecution, &watcher::Event::InitDone), [key("busy")]);
    assert_eq!(index.woken(Kind::RemediationRequest, &watcher::Event::InitDone), []);
}
