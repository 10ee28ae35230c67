//! The table of what a notification's phase becomes, and what is never noted.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::decide::{Decision, Verdict, decide};
use crate::fixtures::carried_out::carried_out;
use crate::fixtures::{Fixed, in_phase};
use crate::json::{merge_apply, text};
use crate::observation::{Absence, FailedCreation, MissingKind};
use crate::settings::Settings;

fn one(name: &str, phase: &str) -> Notification {
    Notification { name: name.into(), found: true, phase: phase.into(), message: String::new() }
}

fn gone(name: &str) -> Notification {
    Notification { found: false, ..one(name, "") }
}

fn told_of(phase: Phase, notifications: &[Notification]) -> Observation {
    let mut observation = in_phase(phase);
    let status = json!({"status": {"retentionExpiryTime": "2030-01-01T00:00:00Z"}});
    merge_apply(Arc::make_mut(&mut observation.object), &status);
    let ready = json!([{"type": "Ready", "status": "False", "reason": "NotReady", "message": ""}]);
    Arc::make_mut(&mut observation.object)["status"]["conditions"] = ready;
    observation.notifications = notifications.to_vec();
    observation
}

fn decided(observation: &Observation) -> Decision {
    decide(&Arc::new(observation.clone()), &mut Fixed::default(), &Settings::default()).unwrap()
}

/// Carries out what there is to note, once; what is left is nothing.
fn noted(observation: &Observation) -> Observation {
    let Verdict::Step(plan) = decided(observation).verdict else { panic!("a step was expected") };
    assert_eq!((plan.from, plan.to, plan.audit.len()), (observation.phase, observation.phase, 0));
    assert!(plan.actions.is_empty() && plan.events.is_empty());
    assert_eq!(plan.sequence, observation.record.sequence + 1);
    let mut after = carried_out(observation, &plan);
    after.resource_version = "43".into();
    assert_eq!(decided(&after).verdict, Verdict::Stay, "noted once");
    after
}

fn status(observation: &Observation) -> &str {
    text(&observation.object, "/status/completionStatus/notificationStatus")
}

fn condition(observation: &Observation) -> Option<(String, String)> {
    let conditions = observation.object.pointer("/status/conditions").and_then(Value::as_array)?;
    let condition = conditions.iter().find(|condition| condition["type"] == DELIVERED)?;
    Some((text(condition, "/status").to_owned(), text(condition, "/reason").to_owned()))
}

#[test]
fn each_phase_of_a_notification_has_its_status_and_condition_before_and_after_the_end() {
    let rows = [
        (one("nr", "Pending"), Some("Pending"), None),
        (one("nr", "Sending"), Some("InProgress"), None),
        (one("nr", "Sent"), Some("Sent"), Some(("True", "DeliverySucceeded"))),
        (one("nr", "Failed"), Some("Failed"), Some(("False", "DeliveryFailed"))),
        (one("nr", "Retrying"), None, None),
        (one("nr", "PartiallySent"), None, None),
        (one("nr", ""), None, None),
        (gone("nr"), Some("Cancelled"), Some(("False", "UserCancelled"))),
    ];
    let phases = [Phase::AwaitingApproval, Phase::Blocked, Phase::Completed, Phase::Failed, Phase::Cancelled];
    for phase in phases {
        for (notification, shown, expected) in &rows {
            let observation = told_of(phase, std::slice::from_ref(notification));
            let Some(shown) = shown else {
                assert_eq!(decided(&observation).verdict, Verdict::Stay, "{phase}, {notification:?}");
                continue;
            };
            let after = noted(&observation);
            assert_eq!((status(&after), after.phase), (*shown, Some(phase)), "{notification:?}");
            let expected = expected.map(|(status, reason)| (status.to_owned(), reason.to_owned()));
            assert_eq!(condition(&after), expected, "{notification:?}");
        }
    }
}

#[test]
fn the_last_reference_that_says_anything_wins() {
    let notifications = [one("a", "Failed"), one("b", "Sent"), one("c", "Pending"), one("d", "")];
    let after = noted(&told_of(Phase::Completed, &notifications));
    assert_eq!(status(&after), "Pending");
    assert_eq!(condition(&after), Some(("True".into(), "DeliverySucceeded".into())));
    assert_eq!(after.record.notified, "b");
}

#[test]
fn a_failure_carries_the_words_of_the_notification_service() {
    let failed = Notification { message: "no route to chat".into(), ..one("nr", "Failed") };
    let after = noted(&told_of(Phase::Failed, &[failed]));
    let conditions = after.object["status"]["conditions"].as_array().unwrap();
    let delivered = conditions.iter().find(|one| one["type"] == DELIVERED).unwrap();
    assert_eq!(delivered["message"], "Notification delivery failed: no route to chat");
}

#[test]
fn a_cancelled_notification_says_so_in_the_message() {
    let after = noted(&told_of(Phase::AwaitingApproval, &[gone("nr-a")]));
    let message = "NotificationRequest nr-a is gone without having been delivered";
    assert_eq!(text(&after.object, "/status/message"), message);
}

#[test]
fn what_was_delivered_stays_delivered_when_it_is_collected() {
    for phase in ["Sent", "Failed"] {
        let mut after = noted(&told_of(Phase::Completed, &[one("a", "Sent"), one("b", phase)]));
        after.notifications = vec![gone("a"), gone("b")];
        assert_eq!(decided(&after).verdict, Verdict::Stay, "{phase}");
        after.notifications.push(gone("c"));
        assert_eq!(status(&noted(&after)), "Cancelled", "one that was never delivered");
    }
}

#[test]
fn a_deleted_notification_counts_until_another_one_says_something() {
    let mut after = noted(&told_of(Phase::AwaitingApproval, &[gone("a")]));
    after.notifications.push(one("b", ""));
    assert_eq!(decided(&after).verdict, Verdict::Stay);
    after.notifications[1].phase = "Sent".into();
    let after = noted(&after);
    assert_eq!((status(&after), condition(&after).unwrap().0.as_str()), ("Sent", "True"));
}

#[test]
fn a_notification_that_cannot_be_read_is_not_gone() {
    let mut observation = told_of(Phase::Completed, &[gone("nr")]);
    observation.missing_kinds.push(MissingKind {
        kind: notification::KIND.into(),
        definition: "notificationrequests.kubernaut.ai".into(),
        absence: Absence::NotServed,
    });
    assert_eq!(decided(&observation).verdict, Verdict::Stay);
}

#[test]
fn a_child_that_cannot_be_created_is_noted_once_and_cleared_when_it_can() {
    let failed = |kind| FailedCreation { kind, message: "quota exceeded".into() };
    let mut observation = in_phase(Phase::Pending);
    observation.failed_creations =
        vec![failed(ChildKind::SignalProcessing), failed(ChildKind::EffectivenessAssessment)];
    let after = noted(&observation);
    let conditions = after.object["status"]["conditions"].as_array().unwrap();
    let ready = conditions.iter().find(|one| one["type"] == "SignalProcessingReady").unwrap();
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("False"), &json!("SignalProcessingCreationFailed")));
    assert_eq!(ready["message"], "Failed to create SignalProcessing: quota exceeded");
    assert!(!conditions.iter().any(|one| one["type"] == "EffectivenessAssessmentReady"));
    let mut draft = StatusDraft::of(&after);
    let manifest = crate::manifest::signal_processing::manifest(&after, None);
    draft.child_created(ChildKind::SignalProcessing, &manifest, "ns");
    assert_eq!(draft.known_condition("SignalProcessingReady").map(|(is_true, ..)| is_true), Some(true));
}
