//! What is compared, and how far times may lie apart.

use serde_json::json;
use trimtab_core::time::Timestamp;

use super::*;

fn side(to: &str, outcome: &str, reason: &str) -> Move {
    Move { to: to.into(), outcome: outcome.into(), reason: reason.into() }
}

fn aspects(differences: &[Difference]) -> Vec<(Aspect, &str)> {
    differences.iter().map(|one| (one.aspect, one.of.as_str())).collect()
}

#[test]
fn where_steps_lead_is_compared_first_and_what_is_said_with_them_next() {
    let rows = [
        (side("Analyzing", "", ""), Some(side("Analyzing", "", "")), vec![]),
        (side("Analyzing", "", ""), None, vec![(Aspect::Phase, "")]),
        (side("Failed", "", "AIAnalysis"), Some(side("Completed", "NoActionRequired", "")), vec![(Aspect::Phase, "")]),
        (side("Completed", "Remediated", ""), Some(side("Completed", "Inconclusive", "")), vec![(Aspect::Outcome, "")]),
        (
            side("Blocked", "", "ResourceBusy"),
            Some(side("Blocked", "", "RecentlyRemediated")),
            vec![(Aspect::Reason, "")],
        ),
    ];
    for (theirs, ours, expected) in rows {
        assert_eq!(aspects(&moves("Processing", &theirs, ours.as_ref())), expected, "{theirs:?} {ours:?}");
    }
}

#[test]
fn a_status_says_only_what_belongs_to_its_phase() {
    let status = |phase: &str| {
        json!({"status": {
            "overallPhase": phase,
            "completionStatus": {"outcome": "Remediated", "failurePhase": "Approval"},
            "routingStatus": {"blockReason": "ResourceBusy"},
        }})
    };
    assert_eq!(Move::of_status(&status("Verifying")), side("Verifying", "", ""));
    assert_eq!(Move::of_status(&status("Completed")), side("Completed", "Remediated", ""));
    assert_eq!(Move::of_status(&status("Failed")), side("Failed", "Remediated", "Approval"));
    assert_eq!(Move::of_status(&status("Blocked")), side("Blocked", "", "ResourceBusy"));
}

#[test]
fn times_may_lie_apart_as_far_as_is_stated() {
    let now = Timestamp::parse("2026-01-01T12:00:00Z").unwrap();
    let status = |started: &str, until: &str| json!({"status": {"startTime": started, "routingStatus": {"blockedUntil": until}}});
    let ours = status("2026-01-01T12:00:00Z", "2026-01-01T12:04:00Z");
    let rows = [
        ("2026-01-01T12:00:05Z", "2026-01-01T12:04:00Z", vec![]),
        ("2026-01-01T12:00:06Z", "2026-01-01T12:04:00Z", vec![(Aspect::Time, "startTime")]),
        // A quarter of four minutes, for the chance that either side adds.
        ("2026-01-01T12:00:00Z", "2026-01-01T12:05:00Z", vec![]),
        ("2026-01-01T12:00:00Z", "2026-01-01T12:05:01Z", vec![(Aspect::Time, "routingStatus/blockedUntil")]),
        // What only one side has written is no difference.
        ("", "", vec![]),
    ];
    for (started, until, expected) in rows {
        let differences = status_times(&status(started, until), &ours, now);
        assert_eq!(aspects(&differences), expected, "{started} {until}");
    }
}

fn manifest(kind: &str, name: &str, spec: &Value) -> Manifest {
    Manifest { kind: kind.into(), name: name.into(), object: json!({"spec": spec}), is_required: true }
}

#[test]
fn what_is_created_is_compared_by_its_telling_members() {
    let now = Timestamp::parse("2026-01-01T12:00:00Z").unwrap();
    let notice =
        manifest("NotificationRequest", "nr-x", &json!({"type": "Escalation", "priority": "High", "body": "a"}));
    let found = json!({"spec": {"type": "Escalation", "priority": "Low", "body": "b"}});
    assert_eq!(aspects(&creation(&notice, Some(&found), now)), [(Aspect::Notification, "nr-x.priority")]);
    assert_eq!(aspects(&creation(&notice, None, now)), [(Aspect::Notification, "nr-x")]);
    let child = manifest("SignalProcessing", "sp-x", &json!({"timesOutAt": "2026-01-01T12:05:00Z"}));
    let late = json!({"spec": {"timesOutAt": "2026-01-01T12:06:00Z"}});
    assert_eq!(aspects(&creation(&child, Some(&late), now)), [(Aspect::Time, "sp-x.timesOutAt")]);
}

#[test]
fn a_comparison_is_explained_where_each_difference_has_a_name() {
    let with = |names: &[Option<&str>]| {
        let differences = names
            .iter()
            .map(|name| Difference { name: name.map(str::to_owned), ..Difference::new(Aspect::Phase, "", "a", "b") });
        Comparison {
            at: Timestamp::from_millis(0),
            namespace: String::new(),
            name: String::new(),
            uid: String::new(),
            from: String::new(),
            theirs: Move::default(),
            ours: None,
            rule: String::new(),
            verdict: Verdict::Differing(differences.collect()),
        }
    };
    assert!(with(&[Some("Q6")]).is_explained());
    assert!(!with(&[Some("Q6"), None]).is_explained());
}

#[test]
fn a_merge_patch_removes_what_is_null_and_replaces_lists() {
    let mut target = json!({"a": {"b": 1, "c": 2}, "list": [1, 2]});
    merge_patch(&mut target, &json!({"a": {"b": null, "d": 3}, "list": [3]}));
    assert_eq!(target, json!({"a": {"c": 2, "d": 3}, "list": [3]}));
}
