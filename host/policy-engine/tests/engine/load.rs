//! What is refused before it is ever asked, and in which words.

use trimtab_core::proposal::Slot;
use trimtab_policy_engine::{Digest, Limits, LoadError};

use crate::guests::Guest;
use crate::observations::{all_slots, engine};

fn refused(guest: &Guest) -> LoadError {
    engine().load(&guest.build(), Limits::DEFAULT).unwrap_err()
}

#[test]
fn a_component_tells_who_it_is_and_which_slots_it_fills() {
    let mut guest = Guest::new("timeouts-policy");
    let rule = guest.text("R");
    let (schedule, _) = guest.schedule(rule);
    let bytes = guest.slot("timeouts", &format!("(i32.const {schedule})")).build();
    let component = engine().load(&bytes, Limits::DEFAULT).unwrap();
    assert_eq!(component.description().name, "wat-guest");
    assert_eq!(component.description().version, "1.2.3");
    assert_eq!(component.slots().iter().copied().collect::<Vec<_>>(), [Slot::Timeouts]);
    assert_eq!(component.config_schema_text(), "{}");
    assert_eq!(*component.digest(), Digest::of(&bytes));
}

#[test]
fn a_component_that_fills_all_slots_says_so() {
    let component = engine().load(&all_slots().build(), Limits::DEFAULT).unwrap();
    assert_eq!(component.slots().iter().copied().collect::<Vec<_>>(), Slot::ALL);
}

#[test]
fn a_foreign_import_is_refused_by_name_with_what_to_do_instead() {
    let world = "package test:guest; world guest { include trimtab:policy/timeouts-policy@0.1.1; import trimmed: \
                 interface { roll: func() -> u64; } }";
    let guest = Guest::new(world)
        .import("(import \"trimmed\" \"roll\" (func $roll (result i64)))")
        .slot("timeouts", "(drop (call $roll)) (unreachable)");
    let error = refused(&guest);
    assert_eq!(
        error.to_string(),
        "imports trimmed#roll: a policy may import trimtab:policy/log and trimtab:policy/facts only"
    );
    assert_eq!(error.reason(), "ForeignImport");
}

#[test]
fn an_unknown_fact_is_refused_as_newer_than_this_host() {
    let guest = Guest::timeouts("(drop (call $approvals)) (unreachable)")
        .changed("facts.wit", "  /// The signal.\n", "  approvals: func() -> u32;\n  /// The signal.\n")
        .import("(import \"trimtab:policy/facts@0.1.1\" \"approvals\" (func $approvals (result i32)))");
    let error = refused(&guest);
    assert_eq!(
        error.to_string(),
        "imports trimtab:policy/facts@0.1.1#approvals: this host does not offer it; build against an older interface \
         or run a newer host"
    );
}

#[test]
fn a_component_of_another_minor_version_is_refused_in_one_line() {
    let error = refused(&Guest::timeouts("(unreachable)").version("0.2.0"));
    assert_eq!(
        error.to_string(),
        "built for trimtab:policy@0.2.0, this host speaks 0.1.x: build it against this host's wit"
    );
}

#[test]
fn a_component_of_another_patch_version_is_taken() {
    let mut guest = Guest::new("timeouts-policy").version("0.1.9");
    let rule = guest.text("R");
    let (schedule, _) = guest.schedule(rule);
    let guest = guest.slot("timeouts", &format!("(i32.const {schedule})"));
    engine().load(&guest.build(), Limits::DEFAULT).unwrap();
}

#[test]
fn what_is_no_component_is_refused_in_one_line() {
    let engine = engine();
    let load = |bytes: &[u8]| engine.load(bytes, Limits::DEFAULT).unwrap_err().to_string();
    assert_eq!(load(b"hello"), "these 5 bytes are no WebAssembly: give a component, a .wasm file");
    let core = wat::parse_str("(module)").unwrap();
    assert!(load(&core).starts_with("this is a core module and no component"));
    let whole = Guest::timeouts("(unreachable)").build();
    for length in [9, 40, whole.len() / 2, whole.len() - 1] {
        let error = load(&whole[..length]);
        assert!(error.starts_with("the component is malformed or cut off: "), "{length}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn every_single_flipped_byte_is_taken_or_refused_without_a_panic() {
    let whole = Guest::timeouts("(unreachable)").build();
    let engine = engine();
    for at in (0..whole.len()).step_by(67) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x5a;
        drop(engine.load(&flipped, Limits::DEFAULT));
    }
}

#[test]
fn a_component_above_its_limit_is_refused_before_it_is_read() {
    let limits = Limits { component_bytes: 4, ..Limits::DEFAULT };
    let error = engine().load(b"12345", limits).unwrap_err();
    assert_eq!(error.to_string(), "the component has 5 bytes, 4 are allowed: make it smaller, or raise componentBytes");
}

#[test]
fn a_component_without_slots_or_without_meta_is_refused() {
    let only_meta = "package test:guest; world guest { import trimtab:policy/log@0.1.1; import \
                     trimtab:policy/facts@0.1.1; export trimtab:policy/meta@0.1.1; }";
    assert_eq!(refused(&Guest::new(only_meta)).reason(), "SlotMissing");
    let only_slot = "package test:guest; world guest { import trimtab:policy/log@0.1.1; import \
                     trimtab:policy/facts@0.1.1; export trimtab:policy/timeouts@0.1.1; }";
    let guest = Guest::new(only_slot).slot("timeouts", "(unreachable)").without_meta();
    assert_eq!(refused(&guest).reason(), "MetaMissing");
}

#[test]
fn a_fact_of_another_type_is_refused_at_the_link() {
    let guest = Guest::timeouts("(unreachable)").changed(
        "facts.wit",
        "object-json: func(kind: string) -> option<string>",
        "object-json: func(kind: string) -> list<string>",
    );
    let error = refused(&guest);
    assert_eq!(error.reason(), "InterfaceMismatch");
    assert!(error.to_string().contains("object-json"), "{error}");
}

#[test]
fn an_answer_of_another_type_is_refused_before_a_decision() {
    let guest = Guest::timeouts("(unreachable)").changed("types.wit", "retryable: bool,", "retryable: u32,");
    let error = refused(&guest);
    assert_eq!(error.reason(), "InterfaceMismatch");
    assert!(error.to_string().contains("trimtab:policy/timeouts"), "{error}");
}

#[test]
fn meta_is_bounded_as_an_evaluation_is() {
    let endless = refused(&Guest::timeouts("(unreachable)").describe("(loop $on (br $on)) (unreachable)"));
    assert!(endless.to_string().starts_with("describe gave no answer: FuelExhausted: "), "{endless}");
    let asking = Guest::timeouts("(unreachable)").describe("(call $signal (i32.const 1024)) (unreachable)");
    let error = refused(&asking).to_string();
    assert!(error.contains("signal was asked outside of an evaluation"), "{error}");
}

#[test]
fn a_schema_that_is_none_is_refused() {
    let error = refused(&Guest::timeouts("(unreachable)").schema("{\"type\": 5}"));
    assert_eq!(error.reason(), "SchemaInvalid");
}
