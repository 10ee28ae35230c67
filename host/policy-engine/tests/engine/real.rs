//! The checked-in components: the built-in policy, the one that people copy, and those that misbehave.

use std::path::Path;

use trimtab_core::members::Member;
use trimtab_core::ports::{Choice, Fault, FaultReason, Interruption, Judge};
use trimtab_core::proposal::Slot;
use trimtab_policy_engine::{BUILTIN, Engine, EngineConfig, Limits, LoadError, PolicySet, WallClock};

use crate::observations::{builtin, engine, observation};

fn component(path: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

/// What a guest of the sandbox tests comes to under these limits, in a set whose other slots are built in.
fn struck(guest: &str, limits: Limits) -> Fault {
    let set = PolicySet::new(builtin()).unwrap();
    let guest = engine().load(&component(&format!("tests/guests/{guest}.wasm")), limits).unwrap();
    set.swap(Slot::Timeouts, &guest.configure("").unwrap()).unwrap();
    let mut session = set.session();
    let seen = observation();
    let Err(Interruption::Fault(fault)) = session.timeouts(Member::FIRST, Choice::Active, &seen) else {
        panic!("no fault")
    };
    session.timeouts(Member::FIRST, Choice::Builtin, &seen).unwrap();
    session.transitions(Choice::Active, &seen, &[]).unwrap();
    fault
}

#[test]
fn the_builtin_policy_decides_in_every_slot() {
    let set = PolicySet::new(builtin()).unwrap();
    assert_eq!(set.view(Slot::Timeouts).policy.0, "kubernaut");
    let mut session = set.session();
    let seen = observation();
    let schedule = session.timeouts(Member::FIRST, Choice::Active, &seen).unwrap();
    assert!(schedule.value.deadlines.iter().any(|deadline| deadline.phase == "Global"), "{schedule:?}");
    let intent = session.transitions(Choice::Active, &seen, &[]).unwrap();
    assert!(!intent.value.why.rule.is_empty(), "{intent:?}");
    let creations = session.children(Choice::Active, &seen, &intent.value).unwrap();
    assert!(schedule.fuel + intent.fuel + creations.fuel < Limits::DEFAULT.fuel / 20, "far from the limit");
}

#[test]
fn one_instance_and_three_instances_answer_the_same() {
    let set = PolicySet::new(builtin()).unwrap();
    let seen = observation();
    let mut shared = set.session();
    let schedule = shared.timeouts(Member::FIRST, Choice::Active, &seen).unwrap();
    let intent = shared.transitions(Choice::Active, &seen, &[]).unwrap();
    let creations = shared.children(Choice::Active, &seen, &intent.value).unwrap();
    assert_eq!(set.session().timeouts(Member::FIRST, Choice::Active, &seen).unwrap().value, schedule.value);
    assert_eq!(set.session().transitions(Choice::Active, &seen, &[]).unwrap().value, intent.value);
    assert_eq!(set.session().children(Choice::Active, &seen, &intent.value).unwrap().value, creations.value);
}

#[test]
fn the_same_decision_takes_the_same_fuel_on_every_engine() {
    let pooled = Engine::new(EngineConfig { wall_clock: WallClock::Stopped, ..EngineConfig::default() }).unwrap();
    let pooled = pooled.load(BUILTIN, Limits::DEFAULT).unwrap().configure("").unwrap();
    let taken: Vec<_> = [pooled, builtin()]
        .into_iter()
        .map(|policy| {
            let mut session = PolicySet::new(policy).unwrap().session();
            let schedule = session.timeouts(Member::FIRST, Choice::Active, &observation()).unwrap();
            let intent = session.transitions(Choice::Active, &observation(), &[]).unwrap();
            (schedule, intent)
        })
        .collect();
    assert_eq!(taken[0], taken[1]);
}

#[test]
fn the_policy_that_people_copy_fills_one_slot_and_takes_a_config() {
    let fixed = engine().load(&component("policies/fixed-timeouts/fixed-timeouts.wasm"), Limits::DEFAULT).unwrap();
    assert_eq!(fixed.description().name, "fixed-timeouts");
    assert_eq!(fixed.slots().iter().copied().collect::<Vec<_>>(), [Slot::Timeouts]);
    let error = fixed.configure(r#"{"nonsense":true}"#).unwrap_err();
    assert_eq!(error.reason(), "ConfigAgainstSchema");
    let set = PolicySet::new(builtin()).unwrap();
    set.swap(Slot::Timeouts, &fixed.configure("").unwrap()).unwrap();
    let answer = set.session().timeouts(Member::FIRST, Choice::Active, &observation()).unwrap();
    assert_eq!(answer.revision.digest, fixed.digest().to_string());
}

#[test]
fn a_panic_is_told_with_its_function_message_and_place_in_one_line() {
    let fault = struck("trap", Limits::DEFAULT);
    assert_eq!(fault.reason, FaultReason::Trap);
    assert!(fault.message.contains("panicked at ") && fault.message.contains("trap.rs:"), "{}", fault.message);
    assert!(!fault.message.contains('\n'), "{}", fault.message);
    let function = fault.message.split(": ").next().unwrap();
    assert!(!function.starts_with("core::") && !function.starts_with("std::"), "{}", fault.message);
    println!("{}", fault.message);
}

#[test]
fn each_hostile_guest_is_stopped_by_its_own_limit_and_harms_no_other_slot() {
    let wide = Limits { transfer_bytes: Limits::CEILING.transfer_bytes, ..Limits::DEFAULT };
    let cases = [
        ("endless-loop", Limits::DEFAULT, FaultReason::FuelExhausted),
        ("endless-host-calls", Limits::DEFAULT, FaultReason::TransferLimit),
        ("endless-host-calls", wide, FaultReason::FuelExhausted),
        ("log-flood", Limits::DEFAULT, FaultReason::FuelExhausted),
        ("memory-hog", Limits::DEFAULT, FaultReason::MemoryLimit),
        ("huge-answer", Limits::DEFAULT, FaultReason::AnswerTooLarge),
        ("deep-recursion", Limits::DEFAULT, FaultReason::Trap),
    ];
    for (guest, limits, reason) in cases {
        let fault = struck(guest, limits);
        println!("{guest}: {fault}");
        assert_eq!(fault.reason, reason, "{guest}: {fault}");
    }
}

#[test]
fn a_foreign_import_is_refused_before_activation() {
    let error = engine().load(&component("tests/guests/foreign-import.wasm"), Limits::DEFAULT).unwrap_err();
    assert!(matches!(error, LoadError::ForeignImports { .. }), "{error}");
    println!("{error}");
}

#[test]
fn many_threads_decide_at_the_same_time_on_one_pool() {
    let engine = Engine::new(EngineConfig { wall_clock: WallClock::Stopped, ..EngineConfig::default() }).unwrap();
    let policy = engine.load(BUILTIN, Limits::DEFAULT).unwrap().configure("").unwrap();
    let set = PolicySet::new(policy).unwrap();
    let seen = observation();
    let expected = set.session().timeouts(Member::FIRST, Choice::Active, &seen).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(set.session().timeouts(Member::FIRST, Choice::Active, &seen).unwrap(), expected);
                }
            });
        }
    });
}

#[test]
fn a_pool_without_room_says_what_to_do_and_has_room_again_afterwards() {
    let config = EngineConfig { instances: 1, wall_clock: WallClock::Stopped, ..EngineConfig::default() };
    let engine = Engine::new(config).unwrap();
    let policy = engine.load(BUILTIN, Limits::DEFAULT).unwrap().configure("").unwrap();
    let set = PolicySet::new(policy).unwrap();
    let seen = observation();
    let mut first = set.session();
    first.timeouts(Member::FIRST, Choice::Active, &seen).unwrap();
    let Err(Interruption::Fault(fault)) = set.session().timeouts(Member::FIRST, Choice::Active, &seen) else {
        panic!("no fault")
    };
    assert_eq!(fault.reason, FaultReason::Host);
    assert!(fault.message.contains("raise the engine's instances"), "{fault}");
    first.release();
    for _ in 0..100 {
        set.session().timeouts(Member::FIRST, Choice::Active, &seen).unwrap();
    }
}
