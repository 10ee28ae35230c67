//! The same component and the same observation give the same answer, byte for byte, for the same fuel: twice, in every
//! engine, wherever memory comes from, compiled or cached, and as `tests/corpus/decisions.tsv` has recorded it.
//!
//! `UPDATE=1` writes the table anew; what it says of the frozen components of `tests/corpus/components` changes with
//! `UPDATE=frozen` only, because those stand for components that other people have compiled.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test")]

#[cfg(test)]
#[path = "determinism/components.rs"]
mod components;
#[cfg(test)]
#[path = "determinism/observations.rs"]
mod observations;
#[cfg(test)]
#[path = "determinism/routing.rs"]
mod routing;
#[cfg(test)]
#[path = "determinism/table.rs"]
mod table;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use components::{checked_in, corpus, frozen, recorded_digests};
use table::{Row, Table, decisions, engine};
use trimtab_policy_engine::{Allocation, Digest, Engine, EngineConfig, WallClock};

/// Address space of a process in KiB in which neither a pool nor 4 GiB for one memory can be had.
const SMALL_ADDRESS_SPACE_KIB: u32 = 3 << 20;
/// Set for the process that has so little: where it writes what its components answer.
const SMALL: &str = "TRIMTAB_TEST_SMALL_ADDRESS_SPACE";

/// The committed table.
fn recorded_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/decisions.tsv")
}

#[test]
fn every_decision_is_the_recorded_one() {
    let engine = engine(true, true);
    assert_eq!(*engine.pool(), Allocation::Pool);
    let mut found = Table::default();
    for component in frozen().into_iter().chain(checked_in()) {
        found.extend(decisions(&engine, &component));
    }
    let frozen: BTreeSet<String> =
        frozen().iter().map(|component| Digest::of(&component.bytes).hexadecimal()).collect();
    let is_frozen = |row: &Row| frozen.contains(&row.digest);
    let recorded = Table::read(&recorded_path());
    let update = std::env::var("UPDATE").unwrap_or_default();
    let differing = recorded.differences(&found);
    if update.is_empty() {
        assert!(differing.is_empty(), "{}\nUPDATE=1 writes the table anew", differing.join("\n"));
        return;
    }
    let lost: Vec<_> = recorded.rows().filter(|row| is_frozen(row) && !found.has(row)).collect();
    assert!(update == "frozen" || lost.is_empty(), "a frozen component decides otherwise: {lost:?}");
    found.write(&recorded_path());
}

#[test]
fn the_corpus_holds_what_was_frozen() {
    let digests = recorded_digests();
    let found: BTreeSet<_> =
        frozen().into_iter().map(|component| (component.name, Digest::of(&component.bytes).hexadecimal())).collect();
    assert_eq!(found, digests, "tests/corpus/components/SHA256SUMS");
    assert!(found.len() >= 6, "{found:?}");
}

#[test]
fn twice_in_one_engine_and_in_engines_of_every_kind_is_the_same() {
    let engines =
        [("pool", engine(true, true)), ("mapped", engine(false, true)), ("pool without a cache", engine(true, false))];
    for component in corpus(&["kubernaut", "kubernaut-0.1.1", "fickle"]) {
        let expected = decisions(&engines[0].1, &component);
        assert!(expected.rows().count() > 90, "every slot on every observation");
        for (kind, engine) in &engines {
            for turn in 1..=2 {
                let differing = expected.differences(&decisions(engine, &component));
                assert!(differing.is_empty(), "{} with {kind}, turn {turn}: {differing:?}", component.name);
            }
        }
    }
}

/// Runs the test below in a process that has little address space.
#[cfg(target_os = "linux")]
#[test]
fn with_little_address_space_decisions_are_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let answers = folder.path().join("answers.tsv");
    let executable = std::env::current_exe().expect("this test");
    let script = format!("ulimit -v {SMALL_ADDRESS_SPACE_KIB} && exec \"$0\" --ignored --exact little_address_space");
    let run = Command::new("sh").arg("-c").arg(script).arg(executable).env(SMALL, &answers).output().expect("sh");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&run.stderr));
    let engine = engine(true, true);
    let mut expected = Table::default();
    for component in corpus(&["kubernaut", "fickle"]) {
        expected.extend(decisions(&engine, &component));
    }
    let differing = expected.differences(&Table::read(&answers));
    assert!(differing.is_empty(), "{differing:?}");
}

#[test]
#[ignore = "run by the test above, in a process with little address space"]
fn little_address_space() {
    let answers = std::env::var(SMALL).expect("with_little_address_space_decisions_are_the_same runs this");
    let config = EngineConfig { instances: 2, wall_clock: WallClock::Stopped, ..EngineConfig::default() };
    let engine = Engine::new(config).expect("an engine");
    assert!(matches!(engine.pool(), Allocation::OnDemandSmall { .. }), "{}", engine.pool());
    let mut found = Table::default();
    for component in corpus(&["kubernaut", "fickle"]) {
        found.extend(decisions(&engine, &component));
    }
    found.write(Path::new(&answers));
}
