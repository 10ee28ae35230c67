//! Places of the pool: every one can hold the largest component, and no guest can tell where it runs.

use trimtab_core::members::Member;
use trimtab_core::ports::{Choice, FaultReason, Interruption, Judge};
use trimtab_core::proposal::Slot;
use trimtab_policy_engine::{Allocation, Engine, EngineConfig, Limits, LoadError, PolicySet, WallClock};

use crate::guests::Guest;
use crate::observations::{all_slots, observation};

const INSTANCES: u32 = 3;

fn engine(pool: bool) -> Engine {
    let config = EngineConfig { pool, instances: INSTANCES, wall_clock: WallClock::Stopped, ..EngineConfig::default() };
    let engine = Engine::new(config).unwrap();
    assert_eq!(*engine.pool() == Allocation::Pool, pool, "{}", engine.pool());
    engine
}

/// Answers, and has this many memories and tables beside the memory that every guest has.
fn large(memories: usize, tables: usize) -> Guest {
    let mut guest = Guest::new("timeouts-policy");
    let rule = guest.text("Large");
    let (schedule, _) = guest.schedule(rule);
    let parts = "(memory 1)".repeat(memories) + &"(table 10 funcref)".repeat(tables);
    guest.slot("timeouts", &format!("(i32.const {schedule})")).part(&parts)
}

#[test]
fn every_place_of_the_pool_can_hold_the_largest_component() {
    let engine = engine(true);
    let builtin = engine.load(&all_slots().build(), Limits::DEFAULT).unwrap().configure("").unwrap();
    let set = PolicySet::new(builtin).unwrap();
    // The encoder adds two tables of its own at most.
    let largest = engine.load(&large(7, 14).build(), Limits::DEFAULT).unwrap().configure("").unwrap();
    set.swap(Slot::Timeouts, &largest).unwrap();
    let seen = observation();
    let held: Vec<_> = (0..INSTANCES)
        .map(|place| {
            let mut session = set.session();
            session.timeouts(Member::FIRST, Choice::Active, &seen).unwrap_or_else(|no| panic!("place {place}: {no:?}"));
            session
        })
        .collect();
    let Err(Interruption::Fault(fault)) = set.session().timeouts(Member::FIRST, Choice::Active, &seen) else {
        panic!("one more")
    };
    assert_eq!(fault.reason, FaultReason::Host);
    drop(held);
    set.session().timeouts(Member::FIRST, Choice::Builtin, &seen).unwrap();
}

#[test]
fn a_component_that_is_too_large_is_refused_alike_from_the_pool_and_mapped() {
    let pages = Limits::DEFAULT.memory_bytes / 65_536 + 1;
    let pages: &'static str = Box::leak(pages.to_string().into_boxed_str());
    let cases = [
        large(8, 0),
        large(0, 17),
        large(0, 0).part("(table 20001 funcref)"),
        large(0, 0).memory(pages),
        large(7, 0).part("(table 20001 funcref)"),
    ];
    for guest in cases {
        let bytes = guest.build();
        let refusals = [true, false].map(|pool| engine(pool).load(&bytes, Limits::DEFAULT).unwrap_err());
        assert!(matches!(refusals[0], LoadError::TooComplex { .. }), "{}", refusals[0]);
        assert_eq!(refusals[0].to_string(), refusals[1].to_string());
    }
}

#[test]
fn a_guest_cannot_tell_from_growth_where_it_runs() {
    for (elements, memory) in [(19_990, 10), (19_991, 10), (30_000, 10), (5, 200), (5, 255), (5, 300), (5, 5000)] {
        let mut guest = Guest::new("timeouts-policy");
        let rule = guest.text("Grown");
        let (schedule, duration) = guest.schedule(rule);
        let body = format!(
            "(i64.store (i32.const {duration}) (i64.add
               (i64.extend_i32_u (table.grow $grown (ref.null func) (i32.const {elements})))
               (i64.mul (i64.const 4294967296) (i64.extend_i32_u (memory.grow (i32.const {memory}))))))
             (i32.const {schedule})"
        );
        let bytes = guest.slot("timeouts", &body).part("(table $grown 10 funcref)").build();
        let answers = [true, false].map(|pool| {
            let engine = engine(pool);
            let builtin = engine.load(&all_slots().build(), Limits::DEFAULT).unwrap().configure("").unwrap();
            let set = PolicySet::new(builtin).unwrap();
            let policy = engine.load(&bytes, Limits::DEFAULT).unwrap().configure("").unwrap();
            set.swap(Slot::Timeouts, &policy).unwrap();
            set.session()
                .timeouts(Member::FIRST, Choice::Active, &observation())
                .map(|answer| (answer.value, answer.fuel))
        });
        assert!(answers[0].is_ok(), "{:?}", answers[0]);
        assert_eq!(answers[0], answers[1], "{elements} elements, {memory} pages");
    }
}
