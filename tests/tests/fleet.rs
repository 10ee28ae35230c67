//! There is no fleet: a config that asks for one is refused before anything is begun.

use std::process::Command;

use anyhow::{Result, ensure};
use trimtab_tests::process::program;

/// Exit code of input that cannot be used.
const BAD_INPUT: i32 = 2;

#[test]
fn a_fleet_is_refused_with_one_line() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (config, data) = (folder.path().join("remediationorchestrator.yaml"), folder.path().join("data"));
    std::fs::write(&config, "retention: {period: 24h}\nfleet:\n  enabled: true\n  backend: acm\n")?;
    let output = Command::new(program()?)
        .args(["run", "--config"])
        .arg(&config)
        .arg("--data")
        .arg(&data)
        .args(["--metrics-address", "127.0.0.1:0", "--health-address", "127.0.0.1:0"])
        .output()?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(BAD_INPUT), "{:?}: {said}", output.status);
    ensure!(said.lines().count() == 1, "one line says it: {said}");
    let place = ":3:12: fleet.enabled is true: remediations of other clusters are not done here";
    ensure!(said.contains(place), "{said}");
    ensure!(!data.exists(), "a ledger was begun");
    Ok(())
}
