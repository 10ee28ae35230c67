//! Who is left alone, and what is remembered of whom is watched.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;

#[derive(Debug, Default)]
struct Notes(Mutex<Vec<Comparison>>);

impl Witness for Notes {
    fn note(&self, comparison: &Comparison) {
        lock(&self.0).push(comparison.clone());
    }
}

fn observer() -> (Standing, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    let stance = Stance::Observe(Arc::clone(&notes) as _);
    (Standing::new(Beside { stance, ..Beside::default() }), notes)
}

fn remediation(phase: &str, version: u32) -> Object {
    let status = if phase.is_empty() { json!({}) } else { json!({"overallPhase": phase}) };
    serde_json::from_value(json!({
        "apiVersion": "kubernaut.ai/v1alpha1", "kind": "RemediationRequest",
        "metadata": {"name": "rr", "namespace": "ns", "uid": "u", "resourceVersion": version.to_string()},
        "status": status,
    }))
    .unwrap()
}

/// Tells of each state in turn, as a watch would.
fn tell(standing: &Standing, phases: &[&str]) {
    let cache = Cache::default();
    for (version, phase) in (1..).zip(phases) {
        let event = Event::Apply(remediation(phase, version));
        standing.hear(&event, &cache, Timestamp::from_millis(u64::from(version)));
        cache.apply(&event);
    }
}

#[test]
fn each_step_of_the_other_is_remembered_once() {
    let (standing, _) = observer();
    tell(&standing, &["", "Pending", "Pending", "Processing"]);
    let mut steps = Vec::new();
    while let Some(write) = standing.with("u", Life::pop) {
        steps.push((write.phases().0.to_owned(), write.phases().1.to_owned()));
    }
    let expected = [("", "Pending"), ("Pending", "Processing")];
    assert_eq!(steps, expected.map(|(from, to)| (from.to_owned(), to.to_owned())));
    assert!(standing.with("u", |life| life.is_new));
}

#[test]
fn one_that_is_first_seen_with_a_phase_has_a_past() {
    let (standing, _) = observer();
    tell(&standing, &["Analyzing"]);
    assert!(standing.with("u", |life| !life.is_new && life.pop().is_none()));
}

#[test]
fn what_was_not_compared_when_a_remediation_goes_is_undecidable() {
    let (standing, notes) = observer();
    tell(&standing, &["", "Pending"]);
    standing.forget("u");
    let notes = lock(&notes.0);
    assert_eq!(notes.len(), 1);
    assert!(matches!(&notes[0].verdict, Verdict::Undecidable(reason) if reason.contains("deleted")));
    assert!(standing.with("u", |life| !life.is_new), "nothing is remembered of it");
}

#[test]
fn an_acting_controller_remembers_nothing() {
    let standing = Standing::new(Beside::default());
    tell(&standing, &["", "Pending"]);
    assert!(lock(&standing.lives).is_empty());
}

fn seen(phase: &str, manager: &str) -> Observation {
    let mut object = Value::clone(remediation(phase, 1).json());
    if !manager.is_empty() {
        object["metadata"]["annotations"] = json!({"trimtab.dev/phase-manager": manager});
    }
    let objects =
        trimtab_api::mapping::Objects { remediation: Arc::new(object), ..trimtab_api::mapping::Objects::default() };
    trimtab_api::mapping::observe(Timestamp::from_millis(0), false, &objects).unwrap()
}

#[test]
fn what_another_manager_has_begun_is_left_alone_unless_it_is_taken_over() {
    let standing = Standing::new(Beside::default());
    assert!(standing.leaves_alone(&seen("Processing", "remediationorchestrator")));
    assert!(standing.leaves_alone(&seen("Completed", "remediationorchestrator")));
    assert!(!standing.leaves_alone(&seen("Cancelled", "kubectl-edit")));
    assert!(!standing.leaves_alone(&seen("Processing", "")));
    assert!(!standing.leaves_alone(&seen("", "")));
    let stance = Stance::Act { take_over: vec!["remediationorchestrator".into()] };
    let heir = Standing::new(Beside { stance, ..Beside::default() });
    assert!(!heir.leaves_alone(&seen("Processing", "remediationorchestrator")));
    assert!(heir.leaves_alone(&seen("Processing", "somebody-else")));
}

#[test]
fn a_block_that_is_set_anew_is_a_step() {
    let blocked = |until: &str| {
        json!({"status": {
            "overallPhase": "Blocked", "routingStatus": {"blockReason": "UnmanagedResource", "blockedUntil": until},
        }})
    };
    assert!(life::is_step(&blocked("2026-01-01T12:00:00Z"), &blocked("2026-01-01T12:00:05Z")));
    assert!(!life::is_step(&blocked("2026-01-01T12:00:00Z"), &blocked("2026-01-01T12:00:00Z")));
    assert!(!life::is_step(
        &json!({"status": {"overallPhase": "Pending"}}),
        &json!({"status": {"overallPhase": "Pending", "message": "x"}})
    ));
}
