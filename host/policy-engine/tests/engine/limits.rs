//! Each limit strikes with its own reason, and the message says where and what to do.

use std::time::{Duration, Instant};

use trimtab_core::members::Member;
use trimtab_core::observation::LazyFact;
use trimtab_core::ports::{Choice, Fault, FaultReason, Interruption, Judge};
use trimtab_core::proposal::Slot;
use trimtab_policy_engine::{Engine, EngineConfig, Limits, PolicySet};

use crate::guests::{Guest, SCRATCH};
use crate::observations::{observation, policy, set};

fn active(guest: &Guest, limits: Limits) -> PolicySet {
    let set = set();
    set.swap(Slot::Timeouts, &policy(guest, limits)).unwrap();
    set
}

fn interrupted(guest: &Guest, limits: Limits) -> Interruption {
    active(guest, limits).session().timeouts(Member::FIRST, Choice::Active, &observation()).unwrap_err()
}

fn fault(guest: &Guest, limits: Limits) -> Fault {
    match interrupted(guest, limits) {
        Interruption::Fault(fault) => fault,
        Interruption::Missing(fact) => panic!("asked for {fact:?}"),
    }
}

#[test]
fn an_endless_loop_ends_by_fuel_before_the_clock() {
    let guest = Guest::timeouts("(loop $on (br $on)) (unreachable)");
    let fault = fault(&guest, Limits::DEFAULT);
    assert_eq!(fault.reason, FaultReason::FuelExhausted);
    assert_eq!(fault.message, "10000000 units of fuel are used up in evaluate_timeouts: do less, or raise fuel");
    assert!(fault.fuel >= 9_999_000, "{}", fault.fuel);
    assert!(fault.revision.is_some());
}

#[test]
fn a_loop_that_fuel_does_not_end_is_ended_by_the_clock() {
    let guest = Guest::timeouts("(loop $on (br $on)) (unreachable)");
    let limits = Limits { fuel: Limits::CEILING.fuel, ..Limits::DEFAULT };
    let engine = Engine::new(EngineConfig { pool: false, ..EngineConfig::default() }).unwrap();
    let ticking = engine.load(&guest.build(), limits).unwrap().configure("").unwrap();
    let set = set();
    set.swap(Slot::Timeouts, &ticking).unwrap();
    let mut session = set.session();
    let started = Instant::now();
    let interruption = session.timeouts(Member::FIRST, Choice::Active, &observation()).unwrap_err();
    let elapsed = started.elapsed();
    let Interruption::Fault(fault) = interruption else { panic!("{interruption:?}") };
    assert_eq!(fault.reason, FaultReason::DeadlineExceeded);
    assert!(fault.message.starts_with("50 ms have passed in "), "{}", fault.message);
    assert!((Duration::from_millis(30)..Duration::from_secs(10)).contains(&elapsed), "{elapsed:?}");
}

#[test]
fn host_calls_are_paid_for() {
    let calls = [
        ("log", format!("(call $log (i32.const 2) (i32.const {SCRATCH}) (i32.const 1))"), 1001),
        ("signal", format!("(call $signal (i32.const {SCRATCH}))"), 1032 + 64),
        ("object-json", format!("(call $object_json (i32.const 0) (i32.const 1) (i32.const {SCRATCH}))"), 1000),
    ];
    for (name, call, price) in calls {
        let guest = Guest::timeouts(&format!("(loop $on {call} (br $on)) (unreachable)"));
        let limits = Limits { transfer_bytes: 1 << 26, ..Limits::DEFAULT };
        let fault = fault(&guest, limits);
        assert_eq!(fault.reason, FaultReason::FuelExhausted, "{name}: {fault}");
        let once = Guest::timeouts(&format!("{call} (unreachable)"));
        let none = Guest::timeouts("(unreachable)");
        let taken = self::fault(&once, limits).fuel - self::fault(&none, limits).fuel;
        // The call's own instructions and those of the allocator come on top.
        assert!((price..price + 200).contains(&taken), "{name}: {taken}");
    }
}

#[test]
fn memory_above_the_limit_is_refused_and_remembered() {
    let guest = Guest::timeouts("(loop $on (drop (memory.grow (i32.const 16))) (br $on)) (unreachable)");
    let fault = fault(&guest, Limits { memory_bytes: 4 << 20, ..Limits::DEFAULT });
    assert_eq!(fault.reason, FaultReason::MemoryLimit);
    assert!(fault.message.contains("4194304 are allowed: use less, or raise memoryBytes"), "{}", fault.message);
}

#[test]
fn a_component_that_cannot_start_in_its_memory_is_refused_at_load() {
    let bytes = Guest::timeouts("(unreachable)").build();
    let limits = Limits { memory_bytes: 65536, ..Limits::DEFAULT };
    let error = crate::observations::engine().load(&bytes, limits).unwrap_err();
    assert_eq!(error.reason(), "ComponentTooComplex");
    assert!(error.to_string().contains("bytes of memory at its start, 65536 are allowed"), "{error}");
}

#[test]
fn a_trap_names_the_function_and_what_the_guest_said() {
    let mut guest = Guest::new("timeouts-policy");
    let said = guest.text("panicked at src/lib.rs:7:9:\nno such phase");
    let body = format!("(call $log (i32.const 4) (i32.const {}) (i32.const {})) (unreachable)", said[0], said[1]);
    let fault = fault(&guest.slot("timeouts", &body), Limits::DEFAULT);
    assert_eq!(fault.reason, FaultReason::Trap);
    assert_eq!(fault.message, "evaluate_timeouts: panicked at src/lib.rs:7:9: no such phase");
}

#[test]
fn a_silent_trap_still_says_what_kind_it_was() {
    let fault = fault(&Guest::timeouts("(unreachable)"), Limits::DEFAULT);
    assert_eq!(fault.reason, FaultReason::Trap);
    assert!(fault.message.contains("`unreachable` instruction executed"), "{}", fault.message);
}

#[test]
fn endless_recursion_is_a_trap() {
    let guest = Guest::timeouts("(call $evaluate_timeouts (local.get $input))");
    let fault = fault(&guest, Limits::DEFAULT);
    assert_eq!(fault.reason, FaultReason::Trap);
    assert!(fault.message.contains("call stack exhausted"), "{}", fault.message);
}

#[test]
fn an_answer_above_the_limit_is_refused() {
    let mut guest = Guest::new("timeouts-policy");
    let rule = guest.text(&"R".repeat(300_000));
    let (schedule, _) = guest.schedule(rule);
    let guest = guest.slot("timeouts", &format!("(i32.const {schedule})"));
    let fault = fault(&guest, Limits::DEFAULT);
    assert_eq!(fault.reason, FaultReason::AnswerTooLarge, "{fault}");
    assert!(fault.message.ends_with("262144 are allowed: answer less, or raise answerBytes"), "{}", fault.message);
    let enough = Limits { answer_bytes: 310_000, ..Limits::DEFAULT };
    active(&guest, enough).session().timeouts(Member::FIRST, Choice::Active, &observation()).unwrap();
}

#[test]
fn a_giant_list_is_refused_before_the_host_allocates_it() {
    let mut guest = Guest::new("timeouts-policy");
    let rule = guest.text("R");
    let (schedule, _) = guest.schedule(rule);
    let lengthen = format!("(i32.store (i32.const {}) (i32.const 40000))", schedule + 16);
    let guest = guest.slot("timeouts", &format!("{lengthen} (i32.const {schedule})"));
    let fault = fault(&guest, Limits::DEFAULT);
    assert_eq!(fault.reason, FaultReason::AnswerTooLarge, "{fault}");
    assert!(fault.message.contains("far more than 262144 bytes"), "{}", fault.message);
}

#[test]
fn an_answer_that_cannot_be_read_is_the_guests_fault() {
    let mut guest = Guest::new("timeouts-policy");
    let (schedule, _) = guest.schedule([0, u32::MAX]);
    let fault = fault(&guest.slot("timeouts", &format!("(i32.const {schedule})")), Limits::DEFAULT);
    assert_eq!(fault.reason, FaultReason::Trap, "{fault}");
    assert!(fault.message.contains("out of bounds"), "{}", fault.message);
}

#[test]
fn a_giant_log_line_is_refused_before_the_host_copies_it() {
    let guest = Guest::timeouts("(call $log (i32.const 2) (i32.const 0) (i32.const 1048577)) (unreachable)");
    let fault = fault(&guest, Limits::DEFAULT);
    assert_eq!(fault.reason, FaultReason::TransferLimit);
}

#[test]
fn facts_above_the_transfer_limit_are_refused() {
    let mut guest = Guest::new("timeouts-policy");
    let kind = guest.text("RemediationRequest");
    let call = format!("(call $object_json (i32.const {}) (i32.const {}) (i32.const {SCRATCH}))", kind[0], kind[1]);
    let guest = guest.slot("timeouts", &format!("(loop $on {call} (br $on)) (unreachable)"));
    let fault = fault(&guest, Limits { transfer_bytes: 200, ..Limits::DEFAULT });
    assert_eq!(fault.reason, FaultReason::TransferLimit);
    assert!(fault.message.starts_with("the answer of object-json takes "), "{}", fault.message);
}

#[test]
fn a_log_above_the_limit_is_cut_and_said_so() {
    let mut guest = Guest::new("timeouts-policy");
    let rule = guest.text("R");
    let (schedule, _) = guest.schedule(rule);
    let line = guest.text(&"x".repeat(60));
    let call = format!("(call $log (i32.const 2) (i32.const {}) (i32.const 60))", line[0]);
    let guest = guest.slot("timeouts", &format!("{call} {call} {call} (i32.const {schedule})"));
    let set = active(&guest, Limits { log_bytes: 100, ..Limits::DEFAULT });
    let answer = set.session().timeouts(Member::FIRST, Choice::Active, &observation()).unwrap();
    let lines: Vec<_> = answer.log.iter().map(|line| (line.level.as_str(), line.message.as_str())).collect();
    let (whole, part) = ("x".repeat(60), "x".repeat(40));
    let said = "80 bytes of log were cut: 100 bytes in 64 lines are allowed for a decision";
    assert_eq!(lines, [("info", whole.as_str()), ("info", part.as_str()), ("warn", said)]);
}

#[test]
fn a_policys_own_refusal_keeps_its_code() {
    let mut guest = Guest::new("timeouts-policy");
    let failure = guest.failure("NoBudget", "no budget for Processing");
    let fault = fault(&guest.slot("timeouts", &format!("(i32.const {failure})")), Limits::DEFAULT);
    assert_eq!(fault.reason, FaultReason::PolicyFailure);
    assert_eq!(fault.message, "NoBudget: no budget for Processing");
}

#[test]
fn a_fact_that_is_not_gathered_is_no_fault() {
    let guest = Guest::timeouts(&format!("(call $related (i32.const {SCRATCH})) (unreachable)"));
    assert_eq!(interrupted(&guest, Limits::DEFAULT), Interruption::Missing(LazyFact::RelatedRemediations));
}
