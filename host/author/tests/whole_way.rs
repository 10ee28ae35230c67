//! The whole way of an author, as commands: new, lint, run, test, bench, inspect, diff; with a checked-in component where
//! nothing has to be built.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};

use clap::Parser;
use trimtab_author::Surroundings;
use trimtab_author::cli::Command;
use trimtab_author::error::{BAD_INPUT, FAILED, FINE};
use trimtab_core::time::Timestamp;
use trimtab_policy_engine::EngineConfig;

#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

/// Types a line in a folder: exit code, standard output or the error's line, and what was told beside it.
fn typed(folder: &Path, line: &str) -> (u8, String, Vec<String>) {
    let words = ["trimtab", "policy"].into_iter().chain(line.split_whitespace());
    let command = Line::try_parse_from(words).expect(line).command;
    let mut told = Vec::new();
    let mut surroundings = Surroundings {
        folder: folder.to_owned(),
        engine: EngineConfig { pool: false, ..EngineConfig::default() },
        data: Err("no command here reads a ledger".to_owned()),
        now: Timestamp::default(),
        print: &mut |_| Ok(()),
        progress: &mut |_| {},
        tell: &mut |text| told.push(text.to_owned()),
    };
    match trimtab_author::execute(&command, &mut surroundings) {
        Ok(outcome) => (outcome.exit_code, outcome.text, told),
        Err(error) => (error.exit_code(), error.to_string(), told),
    }
}

fn component(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies").join(name).join(format!("{name}.wasm"))
}

fn guest(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests").join(format!("{name}.wasm"))
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    std::fs::write(&file, text).expect(name);
    file.display().to_string()
}

#[test]
fn a_new_project_is_linted_run_tested_measured_and_inspected() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, text, _) = typed(folder.path(), "new patience");
    assert_eq!(code, FINE, "{text}");
    let project = folder.path().join("patience");
    let (code, text, _) = typed(&project, "test");
    assert_eq!(code, BAD_INPUT);
    assert!(text.contains("patience.wasm is missing: type trimtab policy build"), "{text}");

    // The checked-in policy stands in for the built one; its words differ from the template's.
    std::fs::copy(component("fixed-timeouts"), project.join("patience.wasm")).expect("a component");
    let (code, text, _) = typed(&project, &format!("lint {}", project.display()));
    assert_eq!(code, FAILED, "the config is for another policy: {text}");
    assert!(text.contains("config.yaml:1:1: "), "{text}");
    write(&project, "config.yaml", "default: {analyzing: 2m}\n");
    write(
        &project.join("tests"),
        "timeouts.yaml",
        "name: two minutes\nobservation: {phase: Analyzing}\nsteps:\n- expect: {deadlines: {Analyzing: {duration: 2m}}}\n- {advance: 30s, until: expired, expect: {step: {to: TimedOut}}}\n",
    );
    let (code, text, _) = typed(&project, &format!("lint {}", project.display()));
    assert_eq!((code, text.as_str()), (FINE, "4 files, nothing found\n"));

    let (code, text, _) = typed(&project, "test --coverage-min 10");
    assert_eq!(code, FINE, "{text}");
    assert!(text.contains("1 passed, 0 failed, 0 skipped") && text.contains("coverage 14 %"), "{text}");
    let (code, _, told) = typed(&project, "test --coverage-min 90");
    assert_eq!(code, FAILED);
    assert!(told.iter().any(|line| line.contains("coverage is 14 %")), "{told:?}");
    let junit = project.join("junit.xml");
    let (code, text, _) = typed(&project, &format!("test --tap --junit {}", junit.display()));
    assert_eq!((code, text.as_str()), (FINE, "TAP version 14\n1..1\nok 1 - two minutes\n"));
    assert!(std::fs::read_to_string(junit).expect("JUnit").contains("two minutes"));

    let saved = project.join("bench.json");
    let (code, text, _) = typed(&project, &format!("bench --runs 5 --save {}", saved.display()));
    assert_eq!(code, FINE, "{text}");
    let (code, text, _) = typed(&project, &format!("bench --runs 5 --compare {}", saved.display()));
    assert_eq!(code, FINE, "fuel is the same each time: {text}");
    write(&project, "config.yaml", "default: {analyzing: 2m, global: 3h}\n");
    let (code, text, _) = typed(&project, &format!("bench --runs 5 --compare {}", saved.display()));
    assert_eq!(code, FAILED);
    assert!(text.contains("exceeded: two minutes: fuel of timeouts was"), "{text}");

    let (code, text, _) = typed(&project, &format!("inspect {}", component("fixed-timeouts").display()));
    assert_eq!(code, FINE, "{text}");
    for part in ["fixed-timeouts 0.1.0", "timeouts-policy", "trimtab:policy@0.1.1", "  rules", "memory"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_run_tells_answers_fuel_memory_and_size() {
    let folder = tempfile::tempdir().expect("a folder");
    let observation = write(folder.path(), "observation.yaml", "phase: Analyzing\noverrides: {Analyzing: 7m}\n");
    let line = format!("run {} --observation {observation}", component("fixed-timeouts").display());
    let (code, text, _) = typed(folder.path(), &line);
    assert_eq!(code, FINE, "{text}");
    for part in ["deadline  Analyzing", "7m0s", "2026-01-01T12:07:00Z  time-out", "of 10,000,000, memory", "of 16 MiB"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    let (code, text, _) = typed(folder.path(), &format!("{line} --output json"));
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &report["slots"][0]["answer"]["budgets"]["Executing"]), (FINE, &"30m0s".into()));
    let (code, text, _) = typed(folder.path(), &format!("{line} --slot children"));
    assert_eq!(code, BAD_INPUT);
    assert_eq!(text, "fixed-timeouts does not fill the children slot, it fills timeouts");
}

#[test]
fn the_intent_of_the_transitions_slot_is_handed_to_the_children_slot() {
    let folder = tempfile::tempdir().expect("a folder");
    let observation = write(folder.path(), "o.yaml", "phase: Pending\n");
    let line = format!("run {} --observation {observation}", component("kubernaut").display());
    let (code, text, _) = typed(folder.path(), &line);
    assert_eq!(code, FINE, "{text}");
    assert!(text.contains("targetPhase  Processing") && text.contains("create  SignalProcessing"), "{text}");
    let intent = write(folder.path(), "intent.yaml", "kind: fail\nfailurePhase: AIAnalysis\nreason: it broke\n");
    let (_, text, _) = typed(folder.path(), &format!("{line} --slot children --intent {intent}"));
    assert!(text.contains("create  NotificationRequest  escalation"), "{text}");
}

#[test]
fn a_fault_is_told_with_its_stable_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, text, _) = typed(folder.path(), &format!("run {}", guest("endless-loop").display()));
    assert_eq!(code, FAILED);
    assert!(text.contains("fault FuelExhausted: ") && text.contains("memory unknown"), "{text}");
    let limits = write(folder.path(), "limits.yaml", "fuel: 0\n");
    let (code, text, _) = typed(folder.path(), &format!("lint {limits}"));
    assert_eq!(code, FAILED);
    assert!(text.ends_with("limits.yaml: limit fuel is 0: set it between 1 and 100000000000\n"), "{text}");
    let (code, text, _) = typed(folder.path(), &format!("run {}", guest("foreign-import").display()));
    assert_eq!(code, BAD_INPUT);
    assert!(text.contains("foreign-import.wasm: imports "), "{text}");
}

#[test]
fn findings_have_file_line_and_column() {
    let folder = tempfile::tempdir().expect("a folder");
    let observation = write(folder.path(), "observation.yaml", "severity: high\nfase: Pending\n");
    let config = write(folder.path(), "config.yaml", "default:\n  analyzing: soon\nrules: []\n");
    let line = format!("lint {observation} {config} --component {}", component("fixed-timeouts").display());
    let (code, text, _) = typed(folder.path(), &line);
    assert_eq!(code, FAILED);
    let mut lines = text.lines();
    assert!(
        lines.next().is_some_and(|line| line.starts_with(&format!("{observation}:2:1: unknown field `fase`"))),
        "{text}"
    );
    assert!(
        lines.next().is_some_and(|line| line.starts_with(&format!("{config}:2:14: /default/analyzing: "))),
        "{text}"
    );
    let (code, text, _) = typed(folder.path(), &format!("lint {}", write(folder.path(), "what.yaml", "")));
    assert_eq!(code, BAD_INPUT);
    assert!(text.contains("name it with --kind"), "{text}");
}

#[test]
fn a_config_inside_of_a_test_case_has_line_and_column() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = "name: fine\nsteps: [{expect: {}}]\n";
    let second = "name: wrong\nconfig:\n  default: {analyzing: soon}\nsteps: [{expect: {}}]\n";
    let cases = write(folder.path(), "cases.yaml", &format!("{first}---\n{second}"));
    let line = format!("lint --kind test {cases} --component {}", component("fixed-timeouts").display());
    let (code, text, _) = typed(folder.path(), &line);
    assert_eq!(code, FAILED, "{text}");
    assert!(text.contains("cases.yaml:6:24: case \"wrong\": /default/analyzing: "), "{text}");
}

#[test]
fn two_configs_a_second_apart_differ_and_one_policy_does_not_differ_from_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = write(folder.path(), "a.yaml", "default: {analyzing: 10m}\n");
    let other = write(folder.path(), "b.yaml", "default: {analyzing: 10m1s}\n");
    let policy = component("fixed-timeouts").display().to_string();
    let saved = folder.path().join("examples");
    let line =
        format!("diff {policy} {policy} --config-a {one} --config-b {other} --seconds 5 --save {}", saved.display());
    let (code, text, _) = typed(folder.path(), &line);
    assert_eq!(code, FAILED, "{text}");
    assert!(text.contains("example 1: ") && text.contains("10m1s"), "{text}");
    let (code, text, _) = typed(folder.path(), &format!("lint {}", saved.display()));
    assert_eq!(code, FINE, "{text}");
    let (code, text, _) = typed(
        folder.path(),
        &format!("run {policy} --config {other} --observation {}/observation-1.yaml", saved.display()),
    );
    assert!(code == FINE && text.contains("10m1s"), "the example can be run: {text}");
    let (code, text, _) =
        typed(folder.path(), &format!("diff {policy} {policy} --config-a {one} --config-b {one} --seconds 5"));
    assert_eq!(code, FINE, "{text}");
    assert!(text.starts_with("no difference on "), "{text}");
}

#[test]
fn the_default_policy_conforms() {
    let folder = tempfile::tempdir().expect("a folder");
    let line =
        format!("test {} --component {} --conformance", folder.path().display(), component("fixed-timeouts").display());
    let (code, text, _) = typed(folder.path(), &line);
    assert_eq!(code, FINE, "{text}");
    assert!(text.contains("total: "), "{text}");
}
