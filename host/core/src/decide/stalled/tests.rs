//! A remediation that cannot go on says so once, keeps its deadlines, and goes on when it can.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::decide::{Decision, Verdict, decide};
use crate::fixtures::{Fixed, START, advance, create, executed, fail, in_phase, intent, schedule, stay, with_child};
use crate::json::merge_apply;
use crate::observation::{Absence, ChildKind, MissingKind, Observation, Obstacle};
use crate::phase::Phase;
use crate::plan::Plan;
use crate::proposal::{Deadline, Schedule};
use crate::settings::Settings;
use crate::time::{Span, Timestamp};

fn decided(observation: &Observation, judge: &Fixed) -> Decision {
    decide(&Arc::new(observation.clone()), &mut judge.clone(), &Settings::default()).unwrap()
}

fn planned(observation: &Observation, judge: &Fixed) -> Plan {
    match decided(observation, judge).verdict {
        Verdict::Step(plan) => Arc::unwrap_or_clone(plan),
        Verdict::Stay => panic!("a step was expected"),
    }
}

fn assert_stays(observation: &Observation, judge: &Fixed) {
    assert_eq!(decided(observation, judge).verdict, Verdict::Stay);
}

fn missing(kind: &str, absence: Absence) -> MissingKind {
    MissingKind { kind: kind.into(), definition: format!("{}s.kubernaut.ai", kind.to_lowercase()), absence }
}

fn stalled(plan: &Plan) -> Value {
    let conditions = plan.status.as_ref().unwrap()["conditions"].as_array().unwrap();
    conditions.iter().find(|it| it["type"] == "Stalled").cloned().unwrap_or_default()
}

/// The observation after a step that changes no phase.
fn after(observation: &Observation, plan: &Plan) -> Observation {
    let mut object = observation.object.as_ref().clone();
    merge_apply(&mut object, &json!({"status": plan.status}));
    Observation { object: Arc::new(object), ..observation.clone() }
}

/// In Executing, and the execution cannot be seen because its kind is not served.
fn without_executions() -> Observation {
    let mut observation = executed(Phase::Executing, "Running", None);
    for child in observation.children.iter_mut().filter(|child| child.kind == ChildKind::WorkflowExecution) {
        (child.found, child.object) = (false, Arc::default());
    }
    observation.missing_kinds = vec![missing("WorkflowExecution", Absence::NotServed)];
    observation
}

#[test]
fn another_object_that_cannot_be_seen_is_not_gone() {
    let mut observation = crate::fixtures::deduplicated(None);
    let inherits = crate::fixtures::inherit("we-other", Phase::Failed);
    let judge = Fixed { intent: Ok(inherits), ..Fixed::default() };
    assert_eq!(planned(&observation, &judge).to, Some(Phase::Failed));
    observation.missing_kinds = vec![missing("WorkflowExecution", Absence::NotServed)];
    let plan = planned(&observation, &judge);
    assert_eq!((plan.to, &stalled(&plan)["reason"]), (Some(Phase::Executing), &json!("WorkflowExecutionMissing")));
}

#[test]
fn a_kind_that_is_not_served_is_no_child_that_is_gone() {
    let judge = Fixed { intent: Ok(fail()), ..Fixed::default() };
    let observation = without_executions();
    let plan = planned(&observation, &judge);
    assert_eq!((plan.to, plan.sequence), (Some(Phase::Executing), observation.record.sequence + 1));
    assert!(plan.actions.is_empty() && plan.audit.is_empty());
    let condition = stalled(&plan);
    assert_eq!((&condition["status"], &condition["reason"]), (&json!("True"), &json!("WorkflowExecutionMissing")));
    assert_eq!(
        condition["message"],
        "the cluster serves no WorkflowExecution: install the CRD workflowexecutions.kubernaut.ai with `trimtab crds | \
         kubectl apply -f -`"
    );
    let told = after(&observation, &plan);
    let decision = decided(&told, &judge);
    assert_eq!((decision.verdict, decision.why.rule.as_str()), (Verdict::Stay, "Stalled"), "told once");
    assert!(decision.wake_at.is_some(), "its deadlines keep running");
    let mut served = told;
    served.missing_kinds.clear();
    let plan = planned(&served, &judge);
    assert_eq!(plan.to, Some(Phase::Failed), "now the policy is asked again");
    assert_eq!((&stalled(&plan)["status"], &stalled(&plan)["reason"]), (&json!("False"), &json!("Ended")));
}

#[test]
fn nothing_is_planned_that_needs_a_kind_which_is_not_served() {
    let judge =
        Fixed { intent: Ok(advance("Processing")), creations: Ok(create(&["SignalProcessing"])), ..Fixed::default() };
    let mut observation = in_phase(Phase::Pending);
    observation.missing_kinds = vec![
        missing("NotificationRequest", Absence::NotServed),
        missing("SignalProcessing", Absence::OtherVersions(vec!["v1".into(), "v1beta1".into()])),
    ];
    let plan = planned(&observation, &judge);
    assert_eq!(plan.to, Some(Phase::Pending));
    assert_eq!(stalled(&plan)["reason"], "SignalProcessingMissing");
    assert_eq!(
        stalled(&plan)["message"],
        "the CRD signalprocessings.kubernaut.ai serves v1, v1beta1 but not v1alpha1, the version that this trimtab knows: \
         let it serve v1alpha1 as well, or upgrade trimtab"
    );
    observation.missing_kinds.pop();
    assert_eq!(planned(&observation, &judge).to, Some(Phase::Processing), "notifications stop nothing");
}

#[test]
fn a_kind_that_may_not_be_read_is_told_with_what_to_grant() {
    let mut observation = without_executions();
    observation.missing_kinds = vec![missing("WorkflowExecution", Absence::Forbidden("User x cannot list it".into()))];
    let condition = stalled(&planned(&observation, &Fixed::default()));
    assert_eq!(condition["reason"], "Forbidden");
    assert_eq!(
        condition["message"],
        "User x cannot list it: grant the verbs get, list and watch on workflowexecutions.kubernaut.ai to the controller"
    );
}

#[test]
fn deadlines_end_a_stalled_remediation_whatever_they_ask() {
    let at = START.plus(Span::from_secs(65));
    for on_expiry in ["time-out", "ask"] {
        let deadline = Deadline {
            phase: "Executing".into(),
            at,
            on_expiry: on_expiry.into(),
            duration: Span::from_secs(5),
            notice: None,
            attributes: Vec::new(),
        };
        let judge = Fixed { schedule: Ok(Schedule { deadlines: vec![deadline], ..schedule() }), ..Fixed::default() };
        let mut observation = without_executions();
        (observation.now, observation.is_live) = (at.plus(Span::from_millis(1)), true);
        assert_eq!(planned(&observation, &judge).to, Some(Phase::TimedOut), "{on_expiry}");
    }
}

#[test]
fn an_assessment_is_not_created_again_while_its_kind_is_not_served() {
    let mut observation = executed(Phase::Verifying, "Completed", None);
    observation.missing_kinds = vec![missing("EffectivenessAssessment", Absence::NotServed)];
    let plan = planned(&observation, &Fixed::default());
    assert_eq!(stalled(&plan)["reason"], "EffectivenessAssessmentMissing");
    assert!(plan.actions.is_empty());
}

#[test]
fn an_obstacle_is_told_once_and_tried_again_until_it_is_gone() {
    let judge =
        Fixed { intent: Ok(advance("Processing")), creations: Ok(create(&["SignalProcessing"])), ..Fixed::default() };
    let mut observation = in_phase(Phase::Pending);
    observation.obstacle = Some(Obstacle { reason: "Invalid".into(), message: "spec.x: required".into() });
    let plan = planned(&observation, &judge);
    assert_eq!(
        (&stalled(&plan)["reason"], &stalled(&plan)["message"]),
        (&json!("Invalid"), &json!("spec.x: required"))
    );
    let mut told = after(&observation, &plan);
    assert_stays(&told, &judge);
    told.obstacle = None;
    let plan = planned(&told, &judge);
    assert_eq!(plan.to, Some(Phase::Processing), "tried again");
    assert_eq!(stalled(&plan)["reason"], "Resumed", "and where it can be carried out, it is not stalled any more");
    let plan = planned(&told, &Fixed::default());
    assert_eq!((plan.to, &stalled(&plan)["status"]), (Some(Phase::Pending), &json!("False")), "no step is wanted now");
    assert_stays(&after(&told, &plan), &Fixed::default());
}

fn done(phase: &str, reason: &str, at: Timestamp) -> Observation {
    let mut observation = with_child(in_phase(Phase::Analyzing), ChildKind::AIAnalysis, phase, &json!({}));
    observation.children[0].reason = reason.into();
    observation.children[0].finished_at = Some(at);
    observation
}

#[test]
fn an_input_that_stays_missing_past_its_bound_is_told() {
    let judge = Fixed { intent: Ok(stay()), ..Fixed::default() };
    let finished = START.plus(Span::from_secs(70));
    let bound = finished.plus(Settings::default().input_patience);
    let mut observation = done("Completed", "", finished);
    observation.now = finished.plus(Span::from_secs(1));
    let early = decided(&observation, &judge);
    assert_eq!((early.verdict, early.wake_at), (Verdict::Stay, Some(bound)));
    (observation.now, observation.is_live) = (bound, true);
    let plan = planned(&observation, &judge);
    assert_eq!(
        (&stalled(&plan)["reason"], &stalled(&plan)["message"]),
        (&json!("InputMissing"), &json!("Test: For a test."))
    );
    let told = after(&observation, &plan);
    assert_stays(&told, &judge);
    // An unlawful answer holds the remediation, and the condition stays.
    assert_stays(&told, &Fixed { intent: Ok(intent("fail")), ..judge });
}

#[test]
fn work_in_progress_and_waiting_for_another_execution_are_no_missing_input() {
    let judge = Fixed { intent: Ok(stay()), ..Fixed::default() };
    let late = START.plus(Span::from_secs(3000));
    for mut observation in [done("Running", "", START), done("Failed", "Deduplicated", START)] {
        (observation.now, observation.is_live) = (late, true);
        assert_stays(&observation, &judge);
    }
}
