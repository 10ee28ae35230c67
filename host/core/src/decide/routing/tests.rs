//! When a remediation that waits is looked at again, and what an execution waits for.

use std::sync::Arc;

use super::AWAITED_RECHECK;
use crate::block::BlockReason;
use crate::decide::{Decision, Need, Verdict, decide};
use crate::fixtures::{
    Fixed, START, advance, analyzed, awaiting_object, block, blocked, create, deduplicated, locked, schedule,
};
use crate::observation::{LazyFact, Observation, TargetExecutions};
use crate::phase::Phase;
use crate::proposal::{Deadline, Intent, Schedule};
use crate::settings::Settings;
use crate::time::{Span, Timestamp};

fn decided(observation: &Observation, judge: &mut Fixed) -> Result<Decision, Need> {
    decide(&Arc::new(observation.clone()), judge, &Settings::default())
}

fn executing() -> Fixed {
    Fixed { intent: Ok(advance("Executing")), creations: Ok(create(&["WorkflowExecution"])), ..Fixed::default() }
}

fn wake(observation: &Observation) -> Timestamp {
    decided(observation, &mut Fixed::default()).unwrap().wake_at.unwrap()
}

#[test]
fn an_execution_asks_for_its_target_by_itself_and_waits_for_the_lock() {
    let mut observation = analyzed(false);
    observation.facts.target_executions = None;
    assert_eq!(decided(&observation, &mut executing()), Err(Need::Fact(LazyFact::TargetExecutions)));
    observation.facts.target_executions = Some(TargetExecutions { locked: false, holder: "rr-0".into(), ..locked() });
    let mut judge = executing();
    let held = decided(&observation, &mut judge).unwrap();
    assert_eq!((held.verdict, held.why.rule.as_str()), (Verdict::Stay, "TargetLocked"));
    assert!(held.why.text.contains("held by rr-0"), "{}", held.why.text);
    assert_eq!(held.wake_at, Some(observation.now.plus(Span::from_secs(1))));
    assert!(held.evaluations.iter().all(|one| one.fault.is_none()), "to wait is nobody's fault");
    observation.facts.target_executions = Some(locked());
    let started = decided(&observation, &mut executing()).unwrap();
    assert!(matches!(started.verdict, Verdict::Step(plan) if plan.to == Some(Phase::Executing)));
}

#[test]
fn a_block_wakes_when_its_time_is_up_and_one_on_an_object_now_and_then() {
    let mut timed = blocked(BlockReason::ExponentialBackoff, Phase::Pending);
    let until = timed.now.plus(Span::from_secs(77));
    timed.facts.routing.blocked_until = Some(until);
    assert_eq!(wake(&timed), until);
    timed.facts.routing.blocked_until = Some(timed.now);
    assert!(wake(&timed) > until, "what is over wakes nobody");
    let waiting = blocked(BlockReason::ResourceBusy, Phase::Analyzing);
    let waiting = awaiting_object(waiting, "WorkflowExecution", "we-other", Some("Running"));
    assert_eq!(wake(&waiting), waiting.now.plus(AWAITED_RECHECK));
    let person = blocked(BlockReason::IneffectiveChain, Phase::Analyzing);
    assert_eq!(wake(&person).since(person.started_at.unwrap()), Span::from_millis(24 * 3_600_000 + 1), "its ceiling");
}

#[test]
fn a_policy_that_blocks_and_goes_on_in_turn_does_so_no_more_than_once_a_second() {
    let mut observation = blocked(BlockReason::UnmanagedResource, Phase::Pending);
    let entered = observation.phase_entered_at().unwrap();
    observation.now = entered.plus(Span::from_millis(999));
    let mut judge = Fixed { intent: Ok(advance("Pending")), ..Fixed::default() };
    let held = decided(&observation, &mut judge).unwrap();
    assert_eq!((held.verdict, held.why.rule.as_str()), (Verdict::Stay, "BlockedJustNow"));
    assert_eq!(held.wake_at, Some(entered.plus(Span::from_secs(1))));
    observation.now = entered.plus(Span::from_secs(1));
    assert!(matches!(decided(&observation, &mut judge).unwrap().verdict, Verdict::Step(_)));
}

fn overdue(mut observation: Observation) -> (Observation, Fixed) {
    (observation.now, observation.is_live) = (START.plus(Span::from_secs(4000)), true);
    for child in &mut observation.children {
        child.finished_at = Some(START.plus(Span::from_secs(100)));
    }
    let deadline = Deadline {
        phase: "Executing".into(),
        at: START.plus(Span::from_secs(1800)),
        on_expiry: "time-out".into(),
        duration: Span::from_secs(1800),
        notice: None,
        attributes: Vec::new(),
    };
    let schedule = Schedule { deadlines: vec![deadline], ..schedule() };
    let wait: Intent = block("wait-on", "Deduplicated", "we-other");
    (observation, Fixed { schedule: Ok(schedule), intent: Ok(wait), ..Fixed::default() })
}

#[test]
fn a_deduplicated_execution_is_done_in_time_only_where_the_other_one_is() {
    let ends = |phase| {
        let (observation, mut judge) = overdue(deduplicated(phase));
        match decided(&observation, &mut judge).unwrap().verdict {
            Verdict::Step(plan) => (plan.to, judge.asked.len() > 1),
            Verdict::Stay => panic!("its time is up"),
        }
    };
    assert_eq!(ends(Some("Running")), (Some(Phase::TimedOut), false));
    assert_eq!(ends(Some("Completed")), (Some(Phase::Failed), true), "asked first, but it stays");
}
