//! A phase begins anew: what is ended first, what is created, what is kept, and what is refused.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::decide::{Decision, Verdict, decide};
use crate::fixtures::arbitrary::arbitrary_judge;
use crate::fixtures::carried_out::carried_out;
use crate::fixtures::{Fixed, START, analyzed, awaiting, create, executed, in_phase, intent, schedule, with_child};
use crate::guardrails::retry::ATTEMPTS_MAX;
use crate::json::text;
use crate::observation::{Assessment, Execution};
use crate::proposal::{Deadline, Schedule};
use crate::record::Record;
use crate::settings::Settings;
use crate::time::{Span, Timestamp};

fn retrying(kind: ChildKind) -> Fixed {
    Fixed { intent: Ok(intent("retry")), creations: Ok(create(&[kind.name()])), ..Fixed::default() }
}

fn decided(observation: &Observation, judge: &mut Fixed) -> Decision {
    decide(&Arc::new(observation.clone()), judge, &Settings::default()).unwrap()
}

fn plan(observation: &Observation, judge: &mut Fixed) -> Plan {
    match decided(observation, judge).verdict {
        Verdict::Step(plan) => Arc::unwrap_or_clone(plan),
        Verdict::Stay => panic!("a step was expected"),
    }
}

fn refusal(observation: &Observation, judge: &mut Fixed) -> String {
    let decision = decided(observation, judge);
    decision.evaluations.iter().find_map(|one| one.fault.clone()).expect("a refusal").0
}

/// The remediation after its child was told to end, as the next look finds it.
fn ended_first(observation: &Observation, kind: ChildKind) -> Observation {
    let plan = plan(observation, &mut retrying(kind));
    assert_eq!((plan.status.as_ref(), plan.why.rule.as_str()), (None, "EndedForRetry"));
    let [Action::PatchStatus { is_required, resource_version, status, .. }] = plan.actions.as_slice() else {
        panic!("one patch was expected: {:?}", plan.actions)
    };
    assert!(*is_required, "without it nothing is created");
    assert_eq!(resource_version.as_deref(), Some("5"), "a result that arrives meanwhile wins");
    assert_eq!(status["phase"], "Failed");
    let mut after = carried_out(observation, &plan);
    let child = after.children.iter_mut().find(|child| child.kind == kind).unwrap();
    child.phase = "Failed".into();
    assert!(was_ended(child), "{:?}", child.object);
    after
}

fn record_of(plan: &Plan) -> Record {
    let status = plan.status.as_ref().unwrap();
    let conditions = status["conditions"].as_array().unwrap();
    let record = conditions.iter().find(|one| one["type"] == crate::record::CONDITION_TYPE).unwrap();
    Record::parse(text(record, "/message")).unwrap()
}

#[test]
fn each_phase_that_can_begin_anew_ends_its_child_first_and_then_creates_another() {
    let processing = with_child(in_phase(Phase::Processing), ChildKind::SignalProcessing, "Enriching", &json!({}));
    let analyzing = with_child(in_phase(Phase::Analyzing), ChildKind::AIAnalysis, "Investigating", &json!({}));
    let executing = executed(Phase::Executing, "Running", None);
    for (observation, kind, name, member) in [
        (processing, ChildKind::SignalProcessing, "sp-rr-a2", "signalProcessingRef"),
        (analyzing, ChildKind::AIAnalysis, "ai-rr-a2", "aiAnalysisRef"),
        (executing, ChildKind::WorkflowExecution, "we-rr-a2", "workflowExecutionRef"),
    ] {
        let mut ended = ended_first(&observation, kind);
        ended.now = observation.now.plus(Span::from_secs(1));
        let plan = plan(&ended, &mut retrying(kind));
        assert_eq!((plan.from, plan.to), (observation.phase, observation.phase));
        let Some(Action::Create(manifest)) = plan.actions.first() else { panic!("a child was expected") };
        assert_eq!(manifest.name, name);
        let status = plan.status.as_ref().unwrap();
        assert_eq!(status["phaseProgress"][member]["name"], name);
        assert_eq!(plan.events.last().unwrap().reason, "PhaseRetried");
        let record = record_of(&plan);
        assert_eq!((record.attempt, record.begun_again), (2, true));
        assert_eq!(record.phases.last(), Some(&(observation.phase.unwrap(), ended.now)), "the phase counts anew");
        let told: Vec<_> = plan.audit.iter().map(|event| event.event_type.as_str()).collect();
        assert_eq!(told.last(), Some(&"orchestrator.lifecycle.transitioned"), "{told:?}");
        assert_eq!(told.contains(&"remediation.workflow_created"), kind == ChildKind::WorkflowExecution);
    }
}

#[test]
fn the_step_after_it_is_no_new_beginning() {
    let analyzing = with_child(in_phase(Phase::Analyzing), ChildKind::AIAnalysis, "Failed", &json!({}));
    let retried = carried_out(&analyzing, &plan(&analyzing, &mut retrying(ChildKind::AIAnalysis)));
    let fail = Fixed {
        intent: Ok(crate::fixtures::fail()),
        creations: Ok(create(&["NotificationRequest:escalation"])),
        ..Fixed::default()
    };
    let record = record_of(&plan(&retried, &mut fail.clone()));
    assert_eq!((record.attempt, record.begun_again), (2, false));
    assert_eq!(record.kept, [(ChildKind::SignalProcessing, 1)].into());
}

#[test]
fn an_execution_that_begins_anew_keeps_the_analysis_and_its_approval() {
    let mut observation = awaiting("Approved");
    observation.phase = Some(Phase::Executing);
    observation.record.enter(Phase::Executing, START.plus(Span::from_secs(60)));
    observation.phases.clone_from(&observation.record.phases);
    let mut observation = with_child(observation, ChildKind::WorkflowExecution, "Failed", &json!({}));
    observation.facts.execution = Some(Execution { phase: "Failed".into(), ..Execution::default() });
    let step = plan(&observation, &mut retrying(ChildKind::WorkflowExecution));
    let Some(Action::Create(manifest)) = step.actions.first() else { panic!("an execution was expected") };
    assert_eq!(
        (manifest.name.as_str(), &manifest.object["spec"]["workflowRef"]["workflowId"]),
        ("we-rr-a2", &json!("wf"))
    );
    observation.facts.approval.as_mut().unwrap().decision = String::new();
    assert_eq!(refusal(&observation, &mut retrying(ChildKind::WorkflowExecution)), "ApprovalMissing");
}

#[test]
fn an_execution_that_may_still_run_or_has_run_is_not_begun_anew() {
    let mut gone = executed(Phase::Executing, "Running", None);
    gone.children.iter_mut().filter(|child| child.kind == ChildKind::WorkflowExecution).for_each(|it| it.found = false);
    let mut never_seen = gone.clone();
    never_seen.children.retain(|child| child.kind != ChildKind::WorkflowExecution);
    let mut elsewhere = executed(Phase::Executing, "Failed", None);
    elsewhere.facts.execution.as_mut().unwrap().failure_code = "Deduplicated".into();
    let completed = executed(Phase::Executing, "Completed", None);
    for observation in [gone, never_seen, elsewhere, completed] {
        assert_eq!(refusal(&observation, &mut retrying(ChildKind::WorkflowExecution)), "ExecutionUnsettled");
    }
}

#[test]
fn attempts_are_bounded() {
    let mut observation = with_child(in_phase(Phase::Analyzing), ChildKind::AIAnalysis, "Failed", &json!({}));
    for attempt in 2..=ATTEMPTS_MAX {
        observation = carried_out(&observation, &plan(&observation, &mut retrying(ChildKind::AIAnalysis)));
        assert_eq!(observation.record.attempt, attempt);
        observation.children.iter_mut().for_each(|child| child.phase = "Failed".into());
    }
    assert_eq!(refusal(&observation, &mut retrying(ChildKind::AIAnalysis)), "AttemptsExhausted");
}

#[test]
fn only_processing_analyzing_and_executing_begin_anew() {
    let assessment = Assessment { phase: "Assessing".into(), ..Assessment::default() };
    let verifying = executed(Phase::Verifying, "Completed", Some(assessment));
    for observation in [in_phase(Phase::Pending), awaiting(""), in_phase(Phase::Blocked), verifying] {
        let phase = observation.phase.unwrap();
        assert_eq!(refusal(&observation, &mut retrying(ChildKind::AIAnalysis)), "EdgeIllegal", "{phase}");
    }
    let elsewhere = Fixed {
        intent: Ok(crate::proposal::Intent { target_phase: "Processing".into(), ..intent("retry") }),
        ..Fixed::default()
    };
    assert_eq!(refusal(&analyzed(false), &mut elsewhere.clone()), "FieldInvalid");
}

/// A child that the host itself has ended says when, in whole seconds: that must not excuse the deadline.
#[test]
fn a_child_that_was_ended_for_another_attempt_was_not_done_in_time() {
    let at = START.plus(Span::from_millis(65_300));
    let deadline = Deadline {
        phase: "Analyzing".into(),
        at,
        on_expiry: "ask".into(),
        duration: Span::from_secs(5),
        notice: None,
        attributes: Vec::new(),
    };
    let judge = || Fixed {
        schedule: Ok(Schedule { deadlines: vec![deadline.clone()], ..schedule() }),
        ..retrying(ChildKind::AIAnalysis)
    };
    let mut observation = with_child(in_phase(Phase::Analyzing), ChildKind::AIAnalysis, "Investigating", &json!({}));
    observation.now = at.plus(Span::from_millis(1));
    observation.is_live = true;
    let mut ended = carried_out(&observation, &plan(&observation, &mut judge()));
    let child = ended.children.iter_mut().find(|child| child.kind == ChildKind::AIAnalysis).unwrap();
    child.phase = "Failed".into();
    child.finished_at = Timestamp::parse(text(&child.object, "/status/completedAt"));
    assert!(child.finished_at.is_some_and(|finished| finished <= at), "whole seconds look as if it were in time");
    let mut stays = Fixed { intent: Ok(crate::fixtures::stay()), ..judge() };
    assert_eq!(refusal(&ended, &mut stays), "ExpiredDeadlineIgnored", "the deadline has passed all the same");
    assert_eq!(plan(&ended, &mut judge()).to, Some(Phase::Analyzing));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    /// However executions answer, and whatever else is proposed in between: where one is created, none is at work.
    #[test]
    fn no_two_executions_are_ever_at_work(
        phases in prop::collection::vec(prop::sample::select(vec!["", "Pending", "Running", "Failed", "Completed"]), 1..12),
        mut other in arbitrary_judge(),
        others in prop::collection::vec(any::<bool>(), 12),
    ) {
        let mut observation = executed(Phase::Executing, "Running", None);
        for (phase, is_other) in phases.into_iter().zip(others) {
            let mut judge = retrying(ChildKind::WorkflowExecution);
            let judge = if is_other { &mut other } else { &mut judge };
            let Ok(Decision { verdict: Verdict::Step(step), .. }) =
                decide(&Arc::new(observation.clone()), judge, &Settings::default()) else { break };
            let creates = step.actions.iter().any(|action| {
                matches!(action, Action::Create(manifest) if manifest.kind == "WorkflowExecution")
            });
            if creates {
                let last = observation.child(ChildKind::WorkflowExecution).unwrap();
                prop_assert!(last.found && last.phase == "Failed", "{last:?} and another one");
            }
            observation = carried_out(&observation, &step);
            if observation.phase != Some(Phase::Executing) {
                break;
            }
            for child in &mut observation.children {
                if child.kind == ChildKind::WorkflowExecution {
                    // Told to end is ended; else it answers as it likes.
                    child.phase = if was_ended(child) { "Failed".into() } else { phase.into() };
                }
            }
        }
    }
}
