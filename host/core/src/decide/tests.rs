//! Decisions end to end in memory, and what holds whatever policies propose.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::fixtures::arbitrary::{arbitrary_judge, arbitrary_observation};
use crate::fixtures::{
    Fixed, START, advance, analyzed, awaiting, create, executed, fail, in_phase, schedule, stay, with_child,
};
use crate::manifest::Manifest;
use crate::manifest::workflow_execution::selection;
use crate::observation::Assessment;
use crate::plan::Action;
use crate::ports::FaultReason;
use crate::proposal::{Creation, Creations, Deadline, Schedule};

fn decided(observation: Observation, judge: &mut Fixed) -> Decision {
    decide(&Arc::new(observation), judge, &Settings::default()).unwrap()
}

fn plan(observation: Observation, judge: &mut Fixed) -> Plan {
    match decided(observation, judge).verdict {
        Verdict::Step(plan) => Arc::unwrap_or_clone(plan),
        Verdict::Stay => panic!("a step was expected"),
    }
}

fn processing_deadline(at: Timestamp, on_expiry: &str) -> Schedule {
    let deadline = Deadline {
        phase: "Processing".into(),
        at,
        on_expiry: on_expiry.into(),
        duration: Span::from_secs(5),
        notice: None,
        attributes: Vec::new(),
    };
    Schedule { deadlines: vec![deadline], ..schedule() }
}

#[test]
fn the_first_step_starts_the_clock_and_shows_the_budgets() {
    let mut observation = in_phase(Phase::Pending);
    observation.phase = None;
    observation.started_at = None;
    observation.phases.clear();
    observation.record = crate::record::Record::default();
    observation.object = Arc::new(json!({"metadata": {}, "spec": {}}));
    let plan = plan(observation, &mut Fixed::default());
    let status = plan.status.unwrap();
    assert_eq!(plan.to, Some(Phase::Pending));
    assert_eq!(plan.sequence, 1);
    assert_eq!(status["timeoutConfig"]["global"], "1h0m0s");
    assert_eq!(status["overallPhase"], "Pending");
    let record = crate::record::Record::parse(crate::json::text(&status, "/conditions/0/message")).unwrap();
    assert_eq!(record.timeouts["processing"], Span::from_secs(300));
    assert_eq!(plan.events[0].reason, "RemediationCreated");
}

#[test]
fn a_budget_set_by_hand_before_the_first_step_is_left_alone() {
    let mut observation = in_phase(Phase::Pending);
    observation.phase = None;
    observation.record = crate::record::Record::default();
    observation.object = Arc::new(json!({"status": {"timeoutConfig": {"global": "2h"}}}));
    let plan = plan(observation, &mut Fixed::default());
    assert!(plan.status.unwrap().get("timeoutConfig").is_none());
}

#[test]
fn a_limit_holds_to_its_last_millisecond_and_passes_one_later() {
    let at = START.plus(Span::from_secs(65));
    for (late, expected) in [(0, None), (1, Some(Phase::TimedOut))] {
        let mut observation = in_phase(Phase::Processing);
        observation.now = at.plus(Span::from_millis(late));
        observation.is_live = true;
        let decision =
            decided(observation, &mut Fixed { schedule: Ok(processing_deadline(at, "time-out")), ..Fixed::default() });
        match (decision.verdict, expected) {
            (Verdict::Stay, None) => assert_eq!(decision.wake_at, Some(at.plus(Span::from_millis(1)))),
            (Verdict::Step(plan), Some(phase)) => assert_eq!(plan.to, Some(phase)),
            (verdict, _) => panic!("{late} ms late: {verdict:?}"),
        }
    }
}

#[test]
fn nothing_expires_before_it_was_read_live() {
    let mut observation = in_phase(Phase::Processing);
    observation.now = START.plus(Span::from_secs(3600));
    let judge = &mut Fixed {
        schedule: Ok(processing_deadline(START.plus(Span::from_secs(65)), "time-out")),
        ..Fixed::default()
    };
    assert_eq!(decide(&Arc::new(observation), judge, &Settings::default()), Err(Need::Live));
}

#[test]
fn a_child_that_finished_in_time_is_never_timed_out() {
    let at = START.plus(Span::from_secs(65));
    for (finished, is_in_time) in [(0, true), (1, false)] {
        let mut observation =
            with_child(in_phase(Phase::Processing), ChildKind::SignalProcessing, "Completed", &json!({}));
        observation.children[0].finished_at = Some(at.plus(Span::from_millis(finished)));
        observation.now = at.plus(Span::from_secs(9));
        observation.is_live = true;
        let judge = &mut Fixed {
            schedule: Ok(processing_deadline(at, "time-out")),
            intent: Ok(advance("Analyzing")),
            creations: Ok(create(&["AIAnalysis"])),
            ..Fixed::default()
        };
        let to = plan(observation, judge).to;
        assert_eq!(to, Some(if is_in_time { Phase::Analyzing } else { Phase::TimedOut }));
    }
}

#[test]
fn a_remediation_whose_child_was_done_in_time_is_not_left_for_ever() {
    let at = START.plus(Span::from_secs(65));
    let stuck = |strategy, intent| {
        let mut observation =
            with_child(in_phase(Phase::Processing), ChildKind::SignalProcessing, "Completed", &json!({}));
        observation.children[0].finished_at = Some(at);
        observation.now = at.plus(Span::from_secs(1));
        observation.is_live = true;
        let schedule = Ok(processing_deadline(at, "time-out"));
        plan(observation, &mut Fixed { schedule, intent, strategy, ..Fixed::default() })
    };
    for ended in [stuck(FailStrategy::Hold, Ok(stay())), stuck(FailStrategy::Hold, Err(FaultReason::Trap))] {
        assert_eq!((ended.to, ended.why.rule.as_str()), (Some(Phase::Failed), "StayedPastDeadline"));
    }
}

#[test]
fn a_verification_that_nobody_ends_is_completed_as_timed_out() {
    let assessment = Assessment { phase: "Completed".into(), ..Assessment::default() };
    let mut observation = executed(Phase::Verifying, "Completed", Some(assessment));
    observation.now = START.plus(Span::from_secs(48 * 3600));
    observation.is_live = true;
    let ended = plan(observation, &mut Fixed::default());
    assert_eq!(ended.status.unwrap()["completionStatus"]["outcome"], "VerificationTimedOut");
}

#[test]
fn a_failing_expiry_in_verifying_times_out_since_verifying_cannot_fail() {
    let mut observation = executed(Phase::Verifying, "Completed", None);
    observation.now = START.plus(Span::from_secs(200));
    observation.is_live = true;
    let mut schedule = processing_deadline(START.plus(Span::from_secs(100)), "fail");
    schedule.deadlines[0].phase = "Verifying".into();
    assert_eq!(plan(observation, &mut Fixed { schedule: Ok(schedule), ..Fixed::default() }).to, Some(Phase::TimedOut));
}

#[test]
fn a_global_timeout_closes_the_request_that_nobody_decided() {
    let mut observation = awaiting("");
    observation.now = START.plus(Span::from_secs(4000));
    observation.is_live = true;
    let mut schedule = processing_deadline(START.plus(Span::from_secs(3600)), "time-out");
    schedule.deadlines[0].phase = "Global".into();
    let plan = plan(observation, &mut Fixed { schedule: Ok(schedule), ..Fixed::default() });
    assert_eq!(plan.to, Some(Phase::TimedOut));
    let Action::PatchStatus { status, is_required, resource_version, .. } = &plan.actions[0] else { panic!("a patch") };
    assert_eq!((status["decision"].as_str(), is_required), (Some("Expired"), &true));
    assert_eq!(resource_version.as_deref(), Some("5"));
}

#[test]
fn an_answer_that_cannot_be_planned_is_its_slots_fault() {
    let late = Creation {
        kind: "RemediationApprovalRequest".into(),
        patch: r#"{"requiredBy":"9998-01-01T00:00:00Z"}"#.into(),
        ..Creation::default()
    };
    let judge = &mut Fixed {
        intent: Ok(advance("AwaitingApproval")),
        creations: Ok(Creations { items: vec![late], ..Creations::default() }),
        strategy: FailStrategy::Builtin,
        ..Fixed::default()
    };
    let decision = decided(analyzed(true), judge);
    let faults: Vec<_> = decision.evaluations.iter().filter(|one| one.slot == Slot::Children).collect();
    assert_eq!(faults.len(), 2, "the active one and the built-in one were asked");
    assert!(faults.iter().all(|one| one.fault.as_ref().is_some_and(|(code, _)| code == "PatchForbidden")));
}

#[test]
fn a_person_who_decides_at_the_last_moment_wins() {
    let mut observation = awaiting("Approved");
    observation.now = START.plus(Span::from_secs(3600));
    observation.is_live = true;
    let deadline = Deadline {
        phase: "AwaitingApproval".into(),
        at: START.plus(Span::from_secs(900)),
        on_expiry: "fail".into(),
        duration: Span::from_secs(900),
        notice: None,
        attributes: Vec::new(),
    };
    let judge = &mut Fixed {
        schedule: Ok(Schedule { deadlines: vec![deadline], ..schedule() }),
        intent: Ok(advance("Executing")),
        creations: Ok(create(&["WorkflowExecution"])),
        ..Fixed::default()
    };
    assert_eq!(plan(observation, judge).to, Some(Phase::Executing));
}

#[test]
fn an_asked_deadline_that_nobody_answers_for_times_out() {
    let mut observation = in_phase(Phase::Processing);
    observation.now = START.plus(Span::from_secs(100));
    observation.is_live = true;
    let judge =
        &mut Fixed { schedule: Ok(processing_deadline(START.plus(Span::from_secs(65)), "ask")), ..Fixed::default() };
    let decision = decided(observation, judge);
    assert_eq!(decision.evaluations[1].fault.as_ref().unwrap().0, "ExpiredDeadlineIgnored");
    let Verdict::Step(plan) = decision.verdict else { panic!("it must end") };
    assert_eq!(plan.to, Some(Phase::TimedOut));
}

#[test]
fn a_negative_override_fails_the_remediation_as_configuration() {
    let mut observation = in_phase(Phase::Processing);
    observation.overrides_fault = Some("status.timeoutConfig.global is \"-1h\"".into());
    let plan = plan(observation, &mut Fixed::default());
    assert_eq!(plan.to, Some(Phase::Failed));
    assert_eq!(plan.status.unwrap()["completionStatus"]["failurePhase"], "Configuration");
}

#[test]
fn an_unreadable_override_does_not_fail_what_is_being_verified() {
    let sound = in_phase(Phase::Verifying);
    let unreadable = Some("status.timeoutConfig.global is \"-1h\"".into());
    let unreadable = Observation { overrides_fault: unreadable, ..sound.clone() };
    let verdict = |observation| decided(observation, &mut Fixed::default()).verdict;
    assert_eq!(verdict(unreadable), verdict(sound));
}

#[test]
fn a_step_number_at_its_end_stays_there() {
    let mut observation = in_phase(Phase::Processing);
    observation.overrides_fault = Some("status.timeoutConfig.global is \"-1h\"".into());
    observation.record.sequence = u64::MAX;
    assert_eq!(plan(observation, &mut Fixed::default()).sequence, u64::MAX);
}

#[test]
fn that_there_is_no_override_survives_being_written() {
    for gathered in [None, Some(None), Some(Some(crate::observation::WorkflowOverride::default()))] {
        let mut observation = in_phase(Phase::AwaitingApproval);
        observation.facts.workflow_override = gathered;
        let text = serde_json::to_string(&observation).unwrap();
        assert_eq!(serde_json::from_str::<Observation>(&text).unwrap(), observation, "{text}");
    }
}

#[test]
fn each_fail_strategy_does_what_it_says() {
    let in_processing =
        || with_child(in_phase(Phase::Processing), ChildKind::SignalProcessing, "Completed", &json!({}));
    let judge = |strategy| Fixed {
        intent: Err(FaultReason::Trap),
        builtin_intent: Some(advance("Analyzing")),
        creations: Ok(create(&["AIAnalysis"])),
        strategy,
        ..Fixed::default()
    };
    let transitions = |judge: &Fixed| -> Vec<Choice> {
        judge.asked.iter().filter(|(slot, _)| *slot == Slot::Transitions).map(|(_, choice)| *choice).collect()
    };
    let mut good = judge(FailStrategy::LastGood);
    assert_eq!(plan(in_processing(), &mut good).to, Some(Phase::Analyzing));
    assert_eq!(transitions(&good), [Choice::Active, Choice::LastGood, Choice::Builtin]);
    let mut builtin = judge(FailStrategy::Builtin);
    assert_eq!(plan(in_processing(), &mut builtin).to, Some(Phase::Analyzing));
    assert_eq!(transitions(&builtin), [Choice::Active, Choice::Builtin]);
    let held = decided(in_processing(), &mut judge(FailStrategy::Hold));
    assert_eq!((held.verdict, held.why.rule.as_str()), (Verdict::Stay, "Held"));
    assert!(held.wake_at.is_some(), "the ceiling still times it out");
    let failed = plan(in_processing(), &mut judge(FailStrategy::Fail));
    assert_eq!(failed.to, Some(Phase::Failed));
    assert!(failed.why.text.contains("Trap"), "{}", failed.why.text);
}

#[test]
fn one_slots_fault_does_not_touch_another() {
    let observation = with_child(in_phase(Phase::Processing), ChildKind::SignalProcessing, "Completed", &json!({}));
    let judge = &mut Fixed {
        schedule: Err(FaultReason::FuelExhausted),
        intent: Ok(advance("Analyzing")),
        creations: Ok(create(&["AIAnalysis"])),
        ..Fixed::default()
    };
    assert_eq!(plan(observation, judge).to, Some(Phase::Analyzing));
}

#[test]
fn a_cancelled_remediation_tells_its_unfinished_children() {
    let mut observation = executed(Phase::Cancelled, "Running", None);
    observation.phase = Some(Phase::Cancelled);
    let plan = plan(observation, &mut Fixed::default());
    assert_eq!(plan.to, Some(Phase::Cancelled));
    let told = plan.actions.iter().map(|action| match action {
        Action::PatchStatus { kind, status, .. } => (kind.as_str(), status["phase"].as_str().unwrap()),
        other => panic!("nothing else is done: {other:?}"),
    });
    assert_eq!(told.collect::<Vec<_>>(), [("WorkflowExecution", "Failed")]);
}

#[test]
fn the_verification_deadline_is_noted_once() {
    let assessment = Assessment {
        phase: "Assessing".into(),
        validity_deadline: Some(START.plus(Span::from_secs(1800))),
        ..Assessment::default()
    };
    let observation = executed(Phase::Verifying, "Completed", Some(assessment));
    let (at, duration) = (START.plus(Span::from_secs(1830)), Span::from_secs(1770));
    let asking = crate::proposal::Deadline {
        phase: "Verifying".into(),
        at,
        on_expiry: "ask".into(),
        duration,
        notice: None,
        attributes: Vec::new(),
    };
    let schedule = crate::proposal::Schedule { deadlines: vec![asking], ..crate::fixtures::schedule() };
    let judge = || Fixed { schedule: Ok(schedule.clone()), ..Fixed::default() };
    let first = plan(observation.clone(), &mut judge());
    assert_eq!((first.from, first.to), (Some(Phase::Verifying), Some(Phase::Verifying)));
    let noted = first.status.unwrap()["phaseProgress"]["verificationDeadline"].clone();
    assert_eq!(noted, at.to_string(), "it is the policy's, and not the ceiling behind it");
    let mut observation = observation;
    observation.object = Arc::new(json!({"status": {"phaseProgress": {"verificationDeadline": noted}}}));
    assert_eq!(decided(observation, &mut judge()).verdict, Verdict::Stay);
}

#[test]
fn a_missing_assessment_is_created_again_until_the_deadline() {
    let mut observation = executed(Phase::Verifying, "Completed", None);
    let created = plan(observation.clone(), &mut Fixed::default());
    assert_eq!(created.status, None);
    let Some(Action::Create(manifest)) = created.actions.first() else { panic!("an assessment was expected") };
    assert_eq!((manifest.name.as_str(), manifest.is_required), ("ea-rr", false));
    observation.now = START.plus(Span::from_secs(48 * 3600));
    observation.is_live = true;
    assert_eq!(plan(observation, &mut Fixed::default()).to, Some(Phase::TimedOut));
}

#[test]
fn an_override_is_gathered_before_an_execution_is_built() {
    let mut observation = awaiting("Approved");
    observation.facts.workflow_override = None;
    let status = json!({"decision": "Approved", "workflowOverride": {"workflowName": "other"}});
    observation = with_child(observation, ChildKind::RemediationApprovalRequest, "Approved", &status);
    let judge = &mut Fixed { intent: Ok(advance("Executing")), ..Fixed::default() };
    let needed = decide(&Arc::new(observation), judge, &Settings::default());
    assert_eq!(needed, Err(Need::Fact(LazyFact::WorkflowOverride)));
}

/// What holds of every plan, whatever was proposed.
fn check_invariants(observation: &Observation, judge: &Fixed, plan: &Plan) {
    let from = observation.phase.unwrap();
    let manifests: Vec<&Manifest> = plan
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::Create(manifest) => Some(manifest),
            Action::PatchStatus { .. } | Action::Delete { .. } => None,
        })
        .collect();
    if from.is_terminal() {
        assert_eq!(plan.to, Some(from), "an ended remediation stays as it ended");
        assert!(manifests.is_empty(), "and creates nothing");
        let members = plan.status.iter().filter_map(Value::as_object).flat_map(serde_json::Map::keys);
        let noted = ["conditions", "retentionExpiryTime", "completionStatus", "message"];
        assert!(members.into_iter().all(|member| noted.contains(&member.as_str())), "{:?}", plan.status);
        return;
    }
    let to = plan.to.unwrap();
    assert!(from == to || Move::ALL.into_iter().any(|how| is_edge(from, how, to)), "{from} → {to}");
    let Some(status) = plan.status.as_ref() else {
        assert!(manifests.iter().all(|manifest| manifest.kind == "EffectivenessAssessment"), "a repair");
        return;
    };
    assert!(status.get("deduplication").is_none(), "the gateway's field");
    assert!(manifests.len() <= creations::CREATIONS_MAX);
    for manifest in &manifests {
        check_manifest(observation, judge, manifest);
    }
    check_routing(observation, plan, to);
    if to == Phase::TimedOut {
        let ceiling = Settings::default().deadline_ceiling;
        let schedule = judge.schedule.as_ref().unwrap();
        // A ceiling of a deadline that asks counts too, and is later than every other.
        let earliest = schedule.deadlines.iter().map(|deadline| deadline.at).min();
        let latest = observation.started_at.unwrap().plus(ceiling);
        assert!(observation.now > earliest.map_or(latest, |at| at.min(latest)), "nothing had passed");
    }
}

fn check_routing(observation: &Observation, plan: &Plan, to: Phase) {
    let from = observation.phase.unwrap();
    let routing = plan.status.as_ref().and_then(|status| status.get("routingStatus"));
    let awaited = observation.facts.routing.awaited.as_ref();
    if to == Phase::Blocked && (from != to || routing.is_some()) {
        let known = observation.facts.routing.block_reason.as_str();
        let reason = routing.and_then(|routing| routing.get("blockReason")).map_or(Some(known), Value::as_str);
        let reason = reason.and_then(crate::block::BlockReason::parse).expect("a block has a known reason");
        let source = reason.awaited_member().map(|member| routing.and_then(|it| it.get(member)?.as_str()));
        match source {
            Some(Some("rr-0")) => {
                let item = &observation.facts.signal_remediations.as_ref().unwrap().items[0];
                assert!(item.comes_first && matches!(item.phase.as_str(), "" | "Executing"), "two wait for each other");
            }
            Some(source) => {
                assert_eq!(source, Some("we-other"), "nobody is waited for");
                assert!(observation.facts.target_executions.as_ref().unwrap().busy_with().is_some());
            }
            None => {}
        }
        if from == to {
            assert!(observation.facts.routing.blocked_until.unwrap() <= observation.now, "renewed before its time");
        }
    }
    if plan.events.iter().any(|event| event.reason == "InheritedCompleted")
        || (from, to) == (Phase::Blocked, Phase::Completed)
    {
        assert!(awaited.unwrap().is_completed(), "a completion that nobody came to");
    }
    if plan.events.iter().any(|event| event.reason == "InheritedFailed") {
        assert!(awaited.unwrap().is_over() && !awaited.unwrap().is_completed(), "a failure that nobody came to");
    }
    if (from, to) == (Phase::Blocked, Phase::Analyzing) {
        assert_eq!(observation.facts.routing.blocked_from, "Analyzing", "there is nothing to analyze");
    }
}

fn check_manifest(observation: &Observation, judge: &Fixed, manifest: &Manifest) {
    let metadata = &manifest.object["metadata"];
    assert_eq!(metadata["namespace"], "ns");
    assert_eq!(metadata["ownerReferences"][0]["uid"], "u-1");
    assert!(manifest.name.ends_with("rr") || manifest.name.ends_with("rr-a2"), "{}", manifest.name);
    if manifest.kind == "WorkflowExecution" {
        let needs_approval = observation.facts.analysis.as_ref().unwrap().approval_required;
        let is_approved = observation.facts.approval.as_ref().is_some_and(|approval| approval.decision == "Approved");
        let is_concluded = observation.child(ChildKind::AIAnalysis).is_some_and(|child| child.phase == "Completed");
        assert!(is_concluded || is_approved, "an execution before the analysis has ended");
        assert!(!needs_approval || is_approved, "an execution without its approval");
        let earlier = observation.child(ChildKind::WorkflowExecution);
        assert!(earlier.is_none_or(|one| one.found && one.phase == "Failed"), "an execution beside another");
        let page = observation.facts.target_executions.as_ref().unwrap();
        assert!(page.locked && page.busy_with().is_none(), "an execution on a target of another");
        let chosen = selection(observation).unwrap();
        let spec = &manifest.object["spec"];
        assert_eq!(spec["workflowRef"], chosen.workflow);
        assert_eq!(spec["parameters"], chosen.parameters);
        assert_eq!(spec["targetResource"], observation.remediation_target().qualified());
    }
    if manifest.kind == "RemediationApprovalRequest" {
        let required_by = Timestamp::parse(crate::json::text(&manifest.object, "/spec/requiredBy")).unwrap();
        // Without a lawful schedule the ceiling holds.
        let settings = Settings::default();
        let is_lawful = deadlines::check(observation, judge.schedule.as_ref().unwrap(), &settings).is_ok();
        let longest = if is_lawful { Span::from_secs(900) } else { settings.deadline_ceiling };
        assert!(required_by <= observation.now.plus(longest), "earlier only");
    }
    if manifest.kind == "NotificationRequest" {
        assert_ne!(manifest.object["spec"]["type"], Value::from("Simple"));
    }
}

/// What holds of every decision, whatever was proposed.
fn check_decision(observation: Observation, judge: &mut Fixed) -> Result<(), TestCaseError> {
    let shared = Arc::new(observation);
    let settings = Settings::default();
    match decide(&shared, judge, &settings) {
        Ok(Decision { verdict: Verdict::Step(plan), .. }) => check_invariants(&shared, judge, &plan),
        Ok(Decision { verdict: Verdict::Stay, wake_at, .. }) if !shared.phase.is_some_and(Phase::is_terminal) => {
            let latest = shared.phase_entered_at().unwrap().plus(settings.deadline_ceiling);
            prop_assert!(shared.now <= latest, "nobody stays past the ceiling");
            prop_assert!(wake_at.is_some_and(|at| at > shared.now), "somebody looks again");
        }
        Ok(_) | Err(_) => {}
    }
    Ok(())
}

proptest! {
    // One million arbitrary proposals a run, in two halves so that two cores share them.
    #![proptest_config(ProptestConfig { cases: 500_000, ..ProptestConfig::default() })]

    #[test]
    fn no_proposal_breaks_an_invariant(observation in arbitrary_observation(), mut judge in arbitrary_judge()) {
        check_decision(observation, &mut judge)?;
    }

    #[test]
    fn no_proposal_breaks_an_invariant_in_another_half_million(
        observation in arbitrary_observation(),
        mut judge in arbitrary_judge(),
    ) {
        check_decision(observation, &mut judge)?;
    }
}

#[test]
fn a_stay_without_news_does_nothing() {
    let decision = decided(in_phase(Phase::Processing), &mut Fixed { intent: Ok(stay()), ..Fixed::default() });
    assert_eq!(decision.verdict, Verdict::Stay);
}

#[test]
fn a_failure_escalates_and_counts() {
    let judge = &mut Fixed {
        intent: Ok(fail()),
        creations: Ok(create(&["NotificationRequest:escalation"])),
        ..Fixed::default()
    };
    let plan = plan(analyzed(false), judge);
    let status = plan.status.unwrap();
    assert_eq!(status["routingStatus"]["consecutiveFailureCount"], 1);
    assert_eq!(status["completionStatus"]["notificationRequestRefs"][0]["name"], "nr-escalation-rr");
    assert_eq!(plan.events.last().unwrap().note, "Remediation failed during AIAnalysis: it broke");
}

#[test]
fn the_readme_lists_every_reason_and_no_other() {
    let readme = include_str!("../../../../README.md");
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let listed: Vec<_> = rows.map(|(code, _)| code).filter(|code| code.starts_with(char::is_uppercase)).collect();
    assert_eq!(listed, reasons(), "README.md, the table of reasons");
}
