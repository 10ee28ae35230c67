//! Sessions and the policy set: which instance answers, and what a swap does.

use std::sync::Arc;

use trimtab_core::members::Member;
use trimtab_core::observation::{LazyFact, Observation, RelatedRemediations};
use trimtab_core::ports::{Answer, Choice, FailStrategy, FaultReason, Interruption, Judge};
use trimtab_core::proposal::{Intent, Schedule, Slot};
use trimtab_policy_engine::{ConfiguredPolicy, Limits, PolicySet, Session, SwapError, smoke};

use crate::guests::{Guest, SCRATCH};
use crate::observations::{all_slots, observation, policy, set};

/// How many questions the answering instance has had, by its own count.
fn count(answer: &Answer<Schedule>) -> u64 {
    answer.value.budgets[0].duration.as_millis() - 7
}

fn ask_timeouts(session: &mut Session, seen: &Arc<Observation>) -> Answer<Schedule> {
    session.timeouts(Member::FIRST, Choice::Active, seen).unwrap()
}

/// Fills the timeouts slot and names itself in its rule.
fn named(rule: &str) -> Arc<ConfiguredPolicy> {
    let mut guest = Guest::new("timeouts-policy");
    let text = guest.text(rule);
    let (schedule, _) = guest.schedule(text);
    policy(&guest.slot("timeouts", &format!("(i32.const {schedule})")), Limits::DEFAULT)
}

/// Traps in the timeouts slot.
fn faulty() -> Arc<ConfiguredPolicy> {
    policy(&Guest::timeouts("(unreachable)"), Limits::DEFAULT)
}

fn rule(set: &PolicySet, choice: Choice) -> Result<String, FaultReason> {
    match set.session().timeouts(Member::FIRST, choice, &observation()) {
        Ok(answer) => Ok(answer.value.why.rule),
        Err(Interruption::Fault(fault)) => Err(fault.reason),
        Err(Interruption::Missing(fact)) => panic!("asked for {fact:?}"),
    }
}

#[test]
fn one_component_answers_all_its_slots_in_one_instance() {
    let set = set();
    let mut session = set.session();
    let seen = observation();
    assert_eq!(count(&ask_timeouts(&mut session, &seen)), 1);
    session.transitions(Choice::Active, &seen, &["Verifying".to_owned()]).unwrap();
    session.children(Choice::Active, &seen, &Intent::default()).unwrap();
    assert_eq!(count(&ask_timeouts(&mut session, &seen)), 4, "all questions went to one instance");
    assert_eq!(count(&ask_timeouts(&mut set.session(), &seen)), 1, "another decision has a fresh one");
}

#[test]
fn a_component_that_was_loaded_once_for_each_slot_answers_in_one_instance_too() {
    let set = set();
    for slot in Slot::ALL {
        set.swap(slot, &policy(&all_slots(), Limits::DEFAULT)).unwrap();
    }
    let mut session = set.session();
    let seen = observation();
    assert_eq!(count(&ask_timeouts(&mut session, &seen)), 1);
    session.transitions(Choice::Active, &seen, &["Verifying".to_owned()]).unwrap();
    session.children(Choice::Active, &seen, &Intent::default()).unwrap();
    assert_eq!(count(&ask_timeouts(&mut session, &seen)), 4, "all questions went to one instance");
}

#[test]
fn the_builtin_choice_shares_the_instance_where_it_is_active_too() {
    let set = set();
    let mut session = set.session();
    let seen = observation();
    ask_timeouts(&mut session, &seen);
    assert_eq!(count(&session.timeouts(Member::FIRST, Choice::Builtin, &seen).unwrap()), 2);
}

#[test]
fn another_observation_starts_anew() {
    let set = set();
    let mut session = set.session();
    ask_timeouts(&mut session, &observation());
    assert_eq!(count(&ask_timeouts(&mut session, &observation())), 1);
}

#[test]
fn a_fault_drops_the_instance_and_touches_no_other() {
    let set = set();
    set.swap(Slot::Transitions, &policy(&trapping_transitions(), Limits::DEFAULT)).unwrap();
    let mut session = set.session();
    let seen = observation();
    assert_eq!(count(&ask_timeouts(&mut session, &seen)), 1);
    for _ in 0..2 {
        assert!(session.transitions(Choice::Active, &seen, &[]).is_err());
    }
    session.transitions(Choice::Builtin, &seen, &[]).unwrap();
    assert_eq!(count(&ask_timeouts(&mut session, &seen)), 3, "the built-in instance is still the first one");
}

fn trapping_transitions() -> Guest {
    Guest::new("transitions-policy").slot("transitions", "(unreachable)")
}

#[test]
fn a_missing_fact_is_gathered_and_the_question_put_again() {
    let mut guest = Guest::new("timeouts-policy");
    let name = guest.text("R");
    let (schedule, _) = guest.schedule(name);
    let body = format!("(call $related (i32.const {SCRATCH})) (i32.const {schedule})");
    let set = set();
    set.swap(Slot::Timeouts, &policy(&guest.slot("timeouts", &body), Limits::DEFAULT)).unwrap();
    let mut session = set.session();
    let seen = observation();
    let missing = session.timeouts(Member::FIRST, Choice::Active, &seen).unwrap_err();
    assert_eq!(missing, Interruption::Missing(LazyFact::RelatedRemediations));
    let mut gathered = Observation::clone(&seen);
    gathered.facts.related_remediations = Some(RelatedRemediations::default());
    assert_eq!(ask_timeouts(&mut session, &Arc::new(gathered)).value.why.rule, "R");
}

#[test]
fn a_swap_is_seen_by_the_next_decision_and_not_by_the_present_one() {
    let set = set();
    let mut present = set.session();
    set.swap(Slot::Timeouts, &named("New")).unwrap();
    assert_eq!(ask_timeouts(&mut present, &observation()).value.why.rule, "Counted");
    assert_eq!(rule(&set, Choice::Active), Ok("New".to_owned()));
    assert_eq!(rule(&set, Choice::Builtin), Ok("Counted".to_owned()));
    set.reset(Slot::Timeouts).unwrap();
    assert_eq!(rule(&set, Choice::Active), Ok("Counted".to_owned()));
}

#[test]
fn a_policy_that_lacks_the_slot_is_refused_and_nothing_is_swapped() {
    let set = set();
    let changes = [(Slot::Timeouts, named("New")), (Slot::Children, named("New"))];
    let refused = set.swap_all(&changes).unwrap_err();
    assert_eq!(refused.to_string(), "wat-guest does not fill the children slot, it fills timeouts");
    assert_eq!(rule(&set, Choice::Active), Ok("Counted".to_owned()));
    let twice = [(Slot::Timeouts, named("New")), (Slot::Timeouts, named("Newer"))];
    assert_eq!(set.swap_all(&twice), Err(SwapError::SlotTwice { slot: Slot::Timeouts }));
    assert!(PolicySet::new(named("Partial")).is_err(), "the built-in policy fills every slot");
}

#[test]
fn a_revision_that_decides_becomes_last_good_and_answers_after_a_swap() {
    let set = set();
    let good = named("Good");
    set.swap(Slot::Timeouts, &good).unwrap();
    assert_eq!(rule(&set, Choice::LastGood), Err(FaultReason::Unavailable));
    assert!(set.settle(Slot::Timeouts, good.revision(), true).unwrap().promoted);
    assert!(!set.settle(Slot::Timeouts, good.revision(), true).unwrap().promoted);
    let bad = faulty();
    set.swap(Slot::Timeouts, &bad).unwrap();
    assert_eq!(rule(&set, Choice::Active), Err(FaultReason::Trap));
    assert_eq!(rule(&set, Choice::LastGood), Ok("Good".to_owned()));
    let settled: Vec<_> =
        (0..3).map(|_| set.settle(Slot::Timeouts, bad.revision(), false).unwrap().faults_in_a_row).collect();
    assert_eq!(settled, [1, 2, 3]);
    let view = set.view(Slot::Timeouts);
    assert_eq!((view.faults, view.decided, view.last_good.as_ref()), (3, 0, Some(good.revision())));
}

#[test]
fn a_revision_that_was_swapped_out_is_not_settled() {
    let set = set();
    let gone = named("Gone");
    assert_eq!(set.settle(Slot::Timeouts, gone.revision(), true), None);
}

#[test]
fn each_slot_has_its_own_strategy() {
    let set = set();
    set.set_strategy(Slot::Children, FailStrategy::Hold);
    let session = set.session();
    assert_eq!(session.strategy(Slot::Children.into()), FailStrategy::Hold);
    assert_eq!(session.strategy(Slot::Timeouts.into()), FailStrategy::LastGood);
}

#[test]
fn a_smoke_run_finds_the_fault_and_forgives_a_fact_that_was_not_recorded() {
    let seen = [observation(), observation()];
    for slot in Slot::ALL {
        smoke(&policy(&all_slots(), Limits::DEFAULT), slot, &seen).unwrap();
    }
    assert_eq!(smoke(&faulty(), Slot::Timeouts, &seen).unwrap_err().reason, FaultReason::Trap);
    let asking =
        policy(&Guest::timeouts(&format!("(call $related (i32.const {SCRATCH})) (unreachable)")), Limits::DEFAULT);
    smoke(&asking, Slot::Timeouts, &seen).unwrap();
    assert_eq!(smoke(&asking, Slot::Children, &seen).unwrap_err().reason, FaultReason::Unavailable);
}

#[test]
fn a_session_can_move_to_the_pool_that_runs_it() {
    fn movable<T: Send + 'static>(_: &T) {}
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    let set = set();
    movable(&set.session());
    shared(&set);
}
