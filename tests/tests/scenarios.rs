//! Every scenario, on the embedded cluster and on the real API server, against one golden.
//!
//! `UPDATE=1` writes the goldens and the patches anew (from the embedded cluster); `SCENARIO=a,b` plays only those.
//! Scenarios that need virtual time are played by `virtual_time` alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use trimtab_tests::cluster::{Cluster, ClusterKind, leaves_out_real};
use trimtab_tests::diff;
use trimtab_tests::process::Run;
use trimtab_tests::scenario::coverage::Coverage;
use trimtab_tests::scenario::model::Scenario;
use trimtab_tests::scenario::play::{Golden, Play, golden_path};
use trimtab_tests::scenario::{all, every, folder, peer};

/// Scenarios played at once.
const PLAYERS: usize = 16;

fn is_update() -> bool {
    std::env::var_os("UPDATE").is_some_and(|value| value == "1")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scenario_on_the_embedded_cluster() -> Result<()> {
    play_all(ClusterKind::Embedded, if is_update() { Golden::Write } else { Golden::Compare }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scenario_on_the_real_api_server() -> Result<()> {
    if leaves_out_real("every scenario") {
        return Ok(());
    }
    if is_update() {
        eprintln!("left out while goldens are written: every scenario on the real API server");
        return Ok(());
    }
    play_all(ClusterKind::Real, Golden::Compare).await
}

#[expect(clippy::print_stdout, reason = "what is left out is said")]
async fn play_all(kind: ClusterKind, golden: Golden) -> Result<()> {
    let cluster = Arc::new(Cluster::start(kind).await?);
    // Those with a config of their own run first and alone: a second controller would work on their remediations too.
    let (alone, together): (Vec<_>, Vec<_>) = all()?.into_iter().partition(Scenario::is_alone);
    let left_out = every()?.len() - alone.len() - together.len();
    println!("left out on the {}: {left_out} scenarios for virtual time", kind.name());
    let mut failures = Vec::new();
    for scenario in alone {
        failures.extend(play_alone(&cluster, &scenario, golden).await.err().map(|error| format!("{error:#}")));
    }
    if !together.is_empty() {
        let run = Arc::new(Run::start(cluster.kubeconfig(), &[])?);
        let players = Arc::new(Semaphore::new(PLAYERS));
        let mut plays = JoinSet::new();
        for scenario in together {
            let (cluster, run, players) = (Arc::clone(&cluster), Arc::clone(&run), Arc::clone(&players));
            plays.spawn(async move {
                let _turn = players.acquire().await?;
                play(&cluster, &run, &scenario, golden).await
            });
        }
        while let Some(played) = plays.join_next().await {
            failures.extend(played?.err().map(|error| format!("{error:#}")));
        }
    }
    ensure!(
        failures.is_empty(),
        "{} scenarios failed on the {}:\n\n{}",
        failures.len(),
        kind.name(),
        failures.join("\n\n")
    );
    Ok(())
}

async fn play_alone(cluster: &Cluster, scenario: &Scenario, golden: Golden) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut arguments = Vec::new();
    if let Some(config) = &scenario.policy_config {
        let file = folder.path().join("config.json");
        std::fs::write(&file, config.to_string())?;
        arguments.extend(["--policy-config".to_owned(), format!("all={}", file.display())]);
    }
    if !scenario.settings.is_null() {
        let file = folder.path().join("settings.json");
        std::fs::write(&file, scenario.settings.to_string())?;
        arguments.extend(["--settings".to_owned(), file.display().to_string()]);
    }
    let run = Run::start(cluster.kubeconfig(), &arguments)?;
    play(cluster, &run, scenario, golden).await
}

async fn play(cluster: &Cluster, run: &Run, scenario: &Scenario, golden: Golden) -> Result<()> {
    let play = Play::prepare(scenario, cluster.client()?, cluster.namespace().await?).await?;
    let result = match play.play().await {
        Ok(()) => play.settle(golden).await,
        Err(error) => Err(error),
    };
    result.with_context(|| format!("=== {}\n{}", scenario.name, run.process.tail_of(play.namespace())))
}

#[test]
fn every_golden_has_its_scenario() -> Result<()> {
    let names: BTreeSet<_> = Scenario::names(&folder())?;
    for entry in std::fs::read_dir(folder())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "golden") {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            ensure!(names.contains(stem), "{} belongs to no scenario: delete it", path.display());
        }
    }
    Ok(())
}

/// A row without a scenario that shows it fails; rows that wait are printed and counted.
#[test]
fn the_map_of_the_tests_is_true() -> Result<()> {
    let coverage = Coverage::read()?;
    let report = coverage.report()?;
    println!("{} rows are covered", report.covered);
    for (reason, rows) in &report.waiting {
        println!("{} rows wait for {reason}: {}", rows.len(), rows.join(", "));
    }
    if !report.awaiting.is_empty() {
        println!(
            "{} rows have a scenario that is not played yet: {}",
            report.awaiting.len(),
            report.awaiting.join(", ")
        );
    }
    ensure!(report.faults.is_empty(), "{} rows are not shown:\n{}", report.faults.len(), report.faults.join("\n"));
    coverage.settle_readme(&folder().join("../README.md"), is_update())
}

#[test]
fn every_difference_from_the_peer_has_a_name() -> Result<()> {
    let mut faults = Vec::new();
    for name in peer::NAMES {
        let (before, after) =
            (std::fs::read_to_string(peer::transcript_path(name))?, std::fs::read_to_string(golden_path(name))?);
        let file = peer::patch_path(name);
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let patch = diff::parse_patch(&text).with_context(|| file.display().to_string())?;
        if is_update() {
            let written = diff::remarks(&text) + &diff::write_patch(&diff::hunks(&before, &after), &patch);
            std::fs::write(&file, written)?;
            continue;
        }
        let result = diff::check_patch(&before, &after, &patch, peer::is_name);
        faults.extend(result.err().map(|error| format!("{}: {error:#}", file.display())));
    }
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

#[test]
fn every_named_difference_is_explained_in_the_policies_readme() -> Result<()> {
    let readme = folder().join("../../policies/README.md");
    let text = std::fs::read_to_string(&readme).with_context(|| readme.display().to_string())?;
    let section =
        text.split("## Differences from Kubernaut").nth(1).context("no section \"Differences from Kubernaut\"")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let missing: Vec<_> = peer::used_names()?
        .into_iter()
        .filter(|name| name.starts_with('D') && !section.split(|c: char| !c.is_alphanumeric()).any(|word| word == name))
        .collect();
    ensure!(missing.is_empty(), "{} does not explain {}", readme.display(), missing.join(", "));
    Ok(())
}

/// Turns recordings of the peer into transcripts; `RECORDINGS` names their folder.
#[test]
#[ignore = "needs the recordings; run when the transcript's form changes"]
fn derive_peer_transcripts() -> Result<()> {
    let recordings = std::env::var("RECORDINGS").context("RECORDINGS names the folder of the peer's recordings")?;
    peer::derive(std::path::Path::new(&recordings))
}
