//! The catalogue row by row, and what holds of every event.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::decide::{Verdict, decide};
use crate::fixtures::arbitrary::{arbitrary_judge, arbitrary_observation};
use crate::fixtures::carried_out::carried_out;
use crate::fixtures::{Fixed, START, advance, analyzed, create, in_phase, with_child};
use crate::observation::ChildKind;
use crate::phase::Phase;
use crate::record::{CONDITION_TYPE, Record};
use crate::settings::Settings;
use crate::time::Span;

mod golden;
mod rows;
mod rules;

/// An observation whose last step went from `from` to `to`, two minutes after the start, with this status.
fn stepped(from: Option<Phase>, to: Phase, status: &Value) -> Observation {
    let at = START.plus(Span::from_millis(120_500));
    let mut record = Record { sequence: 4, at: Some(at), from, ..Record::default() };
    record.enter(Phase::Pending, START);
    if let Some(from) = from {
        record.enter(from, START.plus(Span::from_secs(60)));
    }
    record.enter(to, if from.is_none() { START } else { at });
    let mut observation = in_phase(to);
    observation.now = at.plus(Span::from_secs(30));
    recorded(&mut observation, &record);
    crate::json::merge_apply(Arc::make_mut(&mut observation.object), &json!({"status": status}));
    observation
}

/// Writes a record into the object.
fn recorded(observation: &mut Observation, record: &Record) {
    let condition = json!({"type": CONDITION_TYPE, "status": "True", "message": record.message()});
    let status = json!({"conditions": [condition], "startTime": START.to_string()});
    crate::json::merge_apply(Arc::make_mut(&mut observation.object), &json!({"status": status}));
    observation.record = record.clone();
}

/// Adds a condition to an object's status.
fn with_condition(object: &mut Arc<Value>, kind: &str) {
    let status = &mut Arc::make_mut(object)["status"];
    if status["conditions"].is_null() {
        status["conditions"] = json!([]);
    }
    status["conditions"].as_array_mut().unwrap().push(json!({"type": kind, "status": "True"}));
}

fn events(observation: &Observation) -> Vec<AuditEvent> {
    let events = of_observed(observation).unwrap().audit;
    for event in &events {
        validate(&event.body).unwrap();
    }
    events
}

fn types(events: &[AuditEvent]) -> Vec<(&str, &str)> {
    events.iter().map(|event| (event.event_type.as_str(), event.body["event_action"].as_str().unwrap())).collect()
}

#[test]
fn ids_have_a_namespace_of_their_own() {
    assert_eq!(ID_NAMESPACE, Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"audit.trimtab.dev"));
}

#[test]
fn an_id_follows_from_uid_step_and_type_and_a_second_of_a_type_has_its_own() {
    let first = id("u", 1, "t", 1);
    assert_eq!(first, Uuid::new_v5(&ID_NAMESPACE, b"u/1/t"));
    let others = [id("u", 1, "t", 2), id("u", 2, "t", 1), id("v", 1, "t", 1), id("u", 1, "s", 1)];
    assert!(!others.contains(&first));
}

#[test]
fn a_remediation_without_a_record_or_a_first_step_has_no_step_to_tell() {
    assert_eq!(of_observed(&in_phase(Phase::Processing)), None);
    let mut observation = in_phase(Phase::Processing);
    recorded(&mut observation, &Record::default());
    assert_eq!(of_observed(&observation), None);
}

#[test]
fn a_step_that_enters_no_phase_is_known_and_has_no_event() {
    let observation = stepped(Some(Phase::Verifying), Phase::Verifying, &json!({}));
    let step = of_observed(&observation).unwrap();
    assert_eq!((step.sequence, step.audit.len()), (4, 0));
}

#[test]
fn a_cancellation_from_outside_has_no_event_and_hides_none() {
    let mut observation = stepped(Some(Phase::Processing), Phase::Analyzing, &json!({}));
    let told = of_observed(&observation).unwrap();
    assert_eq!(types(&told.audit), [("orchestrator.lifecycle.transitioned", "transitioned")]);
    Arc::make_mut(&mut observation.object)["status"]["overallPhase"] = "Cancelled".into();
    observation.phase = Some(Phase::Cancelled);
    assert_eq!(of_observed(&observation), Some(told));
}

#[test]
fn a_record_without_a_time_counts_from_the_phase_entered_last() {
    let mut observation = in_phase(Phase::Processing);
    let record = observation.record.clone();
    assert_eq!((record.at, record.from), (None, None));
    recorded(&mut observation, &record);
    let step = of_observed(&observation).unwrap();
    assert_eq!(step.at, START.plus(Span::from_secs(60)));
    assert_eq!(step.audit[0].body["event_data"]["from_phase"], "Pending");
    assert_eq!(step.audit[0].body["event_timestamp"], "2023-11-14T22:14:20Z");
}

#[test]
fn an_edited_budget_does_not_change_what_the_first_step_told() {
    let mut observation = stepped(None, Phase::Pending, &json!({"timeoutConfig": {"global": "1h0m0s"}}));
    let mut record = observation.record.clone();
    record.timeouts.insert("global".into(), Span::from_secs(3600));
    recorded(&mut observation, &record);
    let told = of_observed(&observation);
    Arc::make_mut(&mut observation.object)["status"]["timeoutConfig"]["global"] = "5s".into();
    assert_eq!(of_observed(&observation), told);
}

#[test]
fn a_decision_that_came_after_the_step_is_not_the_steps() {
    let failed = json!({"completionStatus": {"failurePhase": "Configuration", "failureReason": "broken"}});
    let observation = stepped(Some(Phase::AwaitingApproval), Phase::Failed, &failed);
    let late = json!({"decision": "Approved", "decidedBy": "p", "decidedAt": observation.now.to_string()});
    let late = with_child(observation.clone(), ChildKind::RemediationApprovalRequest, "Approved", &late);
    assert_eq!(types(&events(&late)), [("orchestrator.lifecycle.completed", "completed")]);
    let early = json!({"decision": "Approved", "decidedBy": "p", "decidedAt": START.to_string()});
    let early = with_child(observation, ChildKind::RemediationApprovalRequest, "Approved", &early);
    assert_eq!(types(&events(&early))[0], ("orchestrator.approval.approved", "approved"));
}

#[test]
fn a_child_that_is_there_already_is_told_as_it_is() {
    let spec =
        json!({"confidence": 0.5, "requiredBy": "2023-11-14T22:20:00Z", "recommendedWorkflow": {"workflowId": "old"}});
    let mut observation = with_child(analyzed(true), ChildKind::RemediationApprovalRequest, "", &json!({}));
    let request = observation.children.iter_mut().find(|c| c.kind == ChildKind::RemediationApprovalRequest).unwrap();
    Arc::make_mut(&mut request.object)["spec"] = spec;
    let judge = &mut Fixed {
        intent: Ok(advance("AwaitingApproval")),
        creations: Ok(create(&["RemediationApprovalRequest"])),
        ..Fixed::default()
    };
    let Verdict::Step(plan) = decide(&Arc::new(observation), judge, &Settings::default()).unwrap().verdict else {
        panic!("a step was expected")
    };
    assert_eq!(plan.audit[0].body["event_data"]["required_by"], "2023-11-14T22:20:00Z");
    assert_eq!(plan.audit[0].body["event_data"]["workflow_id"], "old");
}

/// What holds of the events of every plan: they are derived again from what the plan leaves behind, whatever becomes of
/// the remediation until its next step.
fn check(observation: &Observation, judge: &mut Fixed) -> Result<(), TestCaseError> {
    let settings = Settings::default();
    let Ok(decision) = decide(&Arc::new(observation.clone()), judge, &settings) else { return Ok(()) };
    let Verdict::Step(plan) = decision.verdict else { return Ok(()) };
    if plan.status.is_none() {
        prop_assert_eq!(plan.audit.is_empty(), !plan.is_removal());
        return Ok(());
    }
    // A phase that begins anew is told of like one that is entered.
    let begins_anew = plan.events.iter().any(|event| event.reason == "PhaseRetried");
    let mut after = carried_out(observation, &plan);
    // To be blocked again, while blocked, is told like every block.
    let is_blocked_again = plan.to == Some(Phase::Blocked) && after.phases.last() == Some(&(Phase::Blocked, plan.at));
    prop_assert_eq!(plan.audit.is_empty(), plan.from == plan.to && !begins_anew && !is_blocked_again);
    let mut ids = BTreeSet::new();
    for event in &plan.audit {
        prop_assert_eq!(validate(&event.body), Ok(()));
        prop_assert!(ids.insert(event.id));
        prop_assert_eq!((event.at, event.correlation_id.as_str()), (plan.at, observation.name.as_str()));
    }
    let told = of_observed(&after).unwrap();
    prop_assert_eq!((&told.audit, told.sequence, told.at), (&plan.audit, plan.sequence, plan.at));
    // Its children are told of the end, a person cancels it, and changes what a person may change.
    after.now = after.now.plus(Span::from_secs(5));
    if let Ok(decision) = decide(&Arc::new(after.clone()), &mut Fixed::default(), &settings)
        && let Verdict::Step(repair) = decision.verdict
        && repair.status.is_none()
    {
        after = carried_out(&after, &repair);
    }
    let edited = json!({"status": {"overallPhase": "Cancelled", "timeoutConfig": {"processing": "7m"}}});
    crate::json::merge_apply(Arc::make_mut(&mut after.object), &edited);
    prop_assert_eq!(of_observed(&after), Some(told));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn events_derived_before_a_step_are_derived_again_after_it(
        observation in arbitrary_observation(),
        mut judge in arbitrary_judge(),
    ) {
        check(&observation, &mut judge)?;
    }

    #[test]
    fn a_text_is_cut_between_characters_and_within_its_bound(text in "\\PC{0,40}", bytes in 0_usize..60) {
        let kept = payload::cut(&text, bytes);
        prop_assert!(kept.len() <= bytes && text.starts_with(kept));
        prop_assert!(kept.len() == text.len() || bytes - kept.len() < 4);
    }
}
