//! Hostile guests against the sandbox: each ends in its own stable way, and harms nobody else.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test")]

#[cfg(test)]
#[path = "hostile/apart.rs"]
mod apart;
#[cfg(test)]
#[allow(dead_code, reason = "the engine's own tests use the rest")]
#[path = "../../host/policy-engine/tests/engine/guests.rs"]
mod guests;
#[cfg(test)]
#[path = "hostile/made.rs"]
mod made;
#[cfg(all(test, target_os = "linux"))]
#[path = "hostile/memory.rs"]
mod memory;
#[cfg(test)]
#[path = "hostile/neighbour.rs"]
mod neighbour;
#[cfg(test)]
#[allow(dead_code, reason = "the table of decisions uses the rest")]
#[path = "determinism/observations.rs"]
mod observations;
#[cfg(test)]
#[path = "hostile/roster.rs"]
mod roster;
#[cfg(test)]
#[path = "hostile/rules.rs"]
mod rules;
#[cfg(test)]
#[path = "hostile/sandbox.rs"]
mod sandbox;

use std::collections::BTreeSet;

use roster::{End, Hostile};
use sandbox::{Sandbox, fault};
use trimtab_core::members::Member;
use trimtab_core::ports::{Choice, FaultReason, Judge as _};
use trimtab_core::proposal::Slot;
use trimtab_policy_engine::WallClock;

/// How often each guest attacks one engine.
const ROUNDS: usize = 300;
/// How often where each round takes half a second.
const SLOW_ROUNDS: usize = 5;
/// How often a component is handed over that is refused.
const REFUSALS: usize = 50;

/// One guest attacks one engine again and again.
fn attack(hostile: Hostile) {
    let ends_by_clock = hostile.end() == End::Faults(FaultReason::DeadlineExceeded);
    let (clock, rounds) = if ends_by_clock { (WallClock::Ticking, SLOW_ROUNDS) } else { (WallClock::Stopped, ROUNDS) };
    let sandbox = Sandbox::new(clock);
    let bytes = hostile.bytes();
    if let End::Refused(reason) = hostile.end() {
        for _ in 0..REFUSALS {
            let refused = sandbox.engine.load(&bytes, hostile.limits()).expect_err("it must not load");
            assert_eq!(refused.reason(), reason, "{hostile:?}: {refused}");
            assert!(!refused.to_string().contains('\n'), "{refused}");
        }
        return sandbox.assert_unharmed();
    }
    let policy = sandbox.policy(&bytes, "", hostile.limits());
    sandbox.set.swap(Slot::Timeouts, &policy).expect("it fills the slot");
    let mut first = None;
    for _ in 0..rounds {
        let mut session = sandbox.set.session();
        let outcome = session.timeouts(Member::FIRST, Choice::Active, &sandbox.seen);
        // The slots beside it are asked in the same decision.
        session.transitions(Choice::Active, &sandbox.seen, &[]).expect("the neighbour's answer");
        match hostile.end() {
            End::Faults(reason) => {
                let fault = fault(outcome.map(drop));
                assert_eq!(fault.reason, reason, "{hostile:?}: {fault}");
                assert!(!fault.message.contains('\n') && !fault.message.is_empty(), "{fault}");
            }
            End::Answers | End::Refused(_) => {
                let answer = outcome.unwrap_or_else(|no| panic!("{hostile:?}: {no:?}"));
                let answer = (answer.value, answer.fuel);
                assert_eq!(*first.get_or_insert_with(|| answer.clone()), answer, "{hostile:?} answers otherwise");
            }
        }
    }
    sandbox.assert_unharmed();
}

#[test]
fn every_checked_in_guest_has_its_test() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("guests");
    let names = std::fs::read_dir(folder).expect("tests/guests").map(|entry| entry.expect("an entry").file_name());
    let found: BTreeSet<_> = names.filter_map(|name| Some(name.to_str()?.strip_suffix(".wasm")?.to_owned())).collect();
    let tested: BTreeSet<_> = Hostile::ALL.iter().filter_map(|guest| guest.file()).map(str::to_owned).collect();
    assert_eq!(found, tested, "give the guest a variant in tests/tests/hostile/roster.rs");
}
