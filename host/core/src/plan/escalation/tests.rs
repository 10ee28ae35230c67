//! People are told once, at the moment and no sooner, and the clock goes on.

use std::sync::Arc;

use serde_json::json;

use crate::decide::{Decision, Need, Verdict, decide};
use crate::fixtures::carried_out::carried_out;
use crate::fixtures::{Fixed, START, in_phase, schedule, stay, with_child};
use crate::guardrails::deadlines::ESCALATE_AT;
use crate::observation::{ChildKind, Observation};
use crate::phase::Phase;
use crate::plan::Action;
use crate::proposal::{Attribute, Deadline, Schedule};
use crate::settings::Settings;
use crate::time::{Span, Timestamp};

const TOLD_AT: Timestamp = Timestamp::from_millis(START.as_millis() + 120_000);
const ENDS_AT: Timestamp = Timestamp::from_millis(START.as_millis() + 180_000);

fn judge(phase: &str, told_at: &str) -> Fixed {
    let deadline = Deadline {
        phase: phase.into(),
        at: ENDS_AT,
        on_expiry: "time-out".into(),
        duration: Span::from_secs(120),
        notice: None,
        attributes: vec![Attribute { key: ESCALATE_AT.into(), value: told_at.into() }],
    };
    let schedule = Ok(Schedule { deadlines: vec![deadline], ..schedule() });
    Fixed { schedule, intent: Ok(stay()), ..Fixed::default() }
}

fn at(now: Timestamp, is_live: bool) -> Observation {
    let mut observation = with_child(in_phase(Phase::Processing), ChildKind::SignalProcessing, "Enriching", &json!({}));
    observation.now = now;
    observation.is_live = is_live;
    observation
}

fn decided(observation: &Observation, told_at: Timestamp) -> Result<Decision, Need> {
    let told_at = told_at.as_millis().to_string();
    decide(&Arc::new(observation.clone()), &mut judge("Processing", &told_at), &Settings::default())
}

#[test]
fn people_are_told_a_millisecond_after_the_moment_and_once() {
    let early = decided(&at(TOLD_AT, true), TOLD_AT).unwrap();
    assert_eq!(early.verdict, Verdict::Stay);
    assert_eq!(early.wake_at, Some(TOLD_AT.plus(Span::from_millis(1))), "the host wakes for it");
    let late = TOLD_AT.plus(Span::from_millis(1));
    assert_eq!(decided(&at(late, false), TOLD_AT), Err(Need::Live), "first it is read live");
    let Verdict::Step(plan) = decided(&at(late, true), TOLD_AT).unwrap().verdict else { panic!("a step") };
    assert_eq!((plan.from, plan.to), (Some(Phase::Processing), Some(Phase::Processing)));
    assert!(plan.audit.is_empty(), "no phase was entered");
    let [Action::Create(manifest)] = plan.actions.as_slice() else { panic!("one notification") };
    assert_eq!(manifest.name, "overdue-processing-rr");
    let spec = &manifest.object["spec"];
    assert_eq!((&spec["type"], &spec["priority"]), (&json!("Escalation"), &json!("High")));
    assert_eq!(spec["subject"], "Phase Overdue: Processing - Oom");
    assert!(spec["body"].as_str().unwrap().contains("**Longer Than**: 1m0s"), "{}", spec["body"]);
    assert!(!manifest.is_required, "the clock does not hang on a notification");
    assert_eq!(plan.events.last().unwrap().reason, "RemediationOverdue");
    let after = carried_out(&at(late, true), &plan);
    let next = decided(&after, TOLD_AT).unwrap();
    assert_eq!((next.verdict, next.wake_at), (Verdict::Stay, Some(ENDS_AT.plus(Span::from_millis(1)))));
}

#[test]
fn the_end_comes_when_it_was_told() {
    let over = decided(&at(ENDS_AT.plus(Span::from_millis(1)), true), TOLD_AT).unwrap();
    let Verdict::Step(plan) = over.verdict else { panic!("a step") };
    assert_eq!(plan.to, Some(Phase::TimedOut), "after a long sleep nobody is told of what is over");
}

#[test]
fn a_child_that_was_done_by_then_is_no_reason_to_tell_anybody() {
    let mut observation = at(TOLD_AT.plus(Span::from_secs(1)), true);
    observation.children[0].phase = "Completed".into();
    observation.children[0].finished_at = Some(TOLD_AT);
    assert_eq!(decided(&observation, TOLD_AT).unwrap().verdict, Verdict::Stay);
}

#[test]
fn a_moment_at_or_after_the_end_tells_nobody() {
    let decision = decided(&at(TOLD_AT, true), ENDS_AT).unwrap();
    assert_eq!(decision.wake_at, Some(ENDS_AT.plus(Span::from_millis(1))));
}

#[test]
fn the_clock_of_the_whole_has_a_notification_of_its_own() {
    let observation = at(TOLD_AT.plus(Span::from_millis(1)), true);
    let mut judge = judge("Global", &TOLD_AT.as_millis().to_string());
    let Verdict::Step(plan) = decide(&Arc::new(observation), &mut judge, &Settings::default()).unwrap().verdict else {
        panic!("a step")
    };
    let [Action::Create(manifest)] = plan.actions.as_slice() else { panic!("one notification") };
    assert_eq!((manifest.name.as_str(), plan.why.rule.as_str()), ("overdue-rr", "Escalated"));
}

#[test]
fn a_moment_that_is_no_number_is_refused() {
    let decision =
        decide(&Arc::new(at(TOLD_AT, true)), &mut judge("Processing", "soon"), &Settings::default()).unwrap();
    assert_eq!(decision.evaluations[0].fault.as_ref().unwrap().0, "FieldInvalid");
}
