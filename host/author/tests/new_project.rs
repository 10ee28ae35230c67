//! A new project builds and passes its own tests at once. Needs cargo and, where the target for WebAssembly is not
//! installed, what the toolchain script needs.
#![allow(clippy::expect_used, reason = "tests")]

use std::path::Path;

use clap::Parser;
use trimtab_author::Surroundings;
use trimtab_author::cli::Command;
use trimtab_author::error::FINE;
use trimtab_core::time::Timestamp;
use trimtab_policy_engine::EngineConfig;

#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

fn typed(folder: &Path, line: &str) -> String {
    let words = ["trimtab", "policy"].into_iter().chain(line.split_whitespace());
    let command = Line::try_parse_from(words).expect(line).command;
    let mut surroundings = Surroundings {
        folder: folder.to_owned(),
        engine: EngineConfig { pool: false, ..EngineConfig::default() },
        data: Err("no command here reads a ledger".to_owned()),
        now: Timestamp::default(),
        print: &mut |_| Ok(()),
        progress: &mut |_| {},
        tell: &mut |_| {},
    };
    let outcome = trimtab_author::execute(&command, &mut surroundings)
        .unwrap_or_else(|error| panic!("{line}: {error}\n{}", error.details().unwrap_or_default()));
    assert_eq!(outcome.exit_code, FINE, "{line}: {}", outcome.text);
    outcome.text
}

#[test]
fn a_new_project_of_every_slot_builds_and_passes_its_tests() {
    let folder = tempfile::tempdir().expect("a folder");
    typed(folder.path(), "new patience --slots timeouts,transitions,children");
    let project = folder.path().join("patience");
    let built = typed(&project, "build");
    assert!(built.contains("patience.wasm: ") && built.contains("sha256:"), "{built}");
    let tested = typed(&project, "test --conformance --coverage-min 35");
    assert!(tested.contains("6 passed, 0 failed, 0 skipped"), "{tested}");
    typed(&project, &format!("lint {}", project.display()));
    typed(
        &project,
        &format!(
            "run {0}/patience.wasm --observation {0}/observation.yaml --config {0}/config.yaml",
            project.display()
        ),
    );
    // Its native tests pass, too.
    let mut cargo = std::process::Command::new("cargo");
    cargo.current_dir(&project).args(["test", "--quiet"]).env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
    let output = cargo.output().expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
