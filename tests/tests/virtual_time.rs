//! Every scenario in virtual time, against the golden that it has everywhere.
//!
//! `SCENARIO=a,b` plays only those (names, requirements such as `BR-ORCH-030`, rows); `UPDATE=1` writes their goldens.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use trimtab_tests::scenario::every;
use trimtab_tests::scenario::model::{Scenario, Step};
use trimtab_tests::scenario::play::{Golden, Play};
use trimtab_tests::virtual_time::stage::Stage;
use trimtab_tests::virtual_time::workshop::Workshop;
use trimtab_tests::virtual_time::{self, NAMESPACE};

/// Runs at once: each has a thread, a clock and a cluster of its own.
const PLAYERS: usize = 2;

#[test]
fn every_scenario() -> Result<()> {
    let is_update = std::env::var_os("UPDATE").is_some_and(|value| value == "1");
    let golden = if is_update { Golden::Write } else { Golden::Compare };
    let (awaiting, scenarios): (Vec<_>, Vec<_>) = every()?.into_iter().partition(|one| one.awaits.is_some());
    for scenario in &awaiting {
        println!("not played yet: {} awaits {}", scenario.name, scenario.awaits.as_deref().unwrap_or_default());
    }
    let (workshop, next) = (Workshop::open()?, AtomicUsize::new(0));
    let (failures, begun) = (Mutex::new(Vec::new()), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..PLAYERS {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = told(&workshop, scenario, golden)
                        && let Ok(mut failures) = failures.lock()
                    {
                        failures.push(format!("{error:#}"));
                    }
                }
            });
        }
    });
    println!("{} scenarios in {:.1} s", scenarios.len(), begun.elapsed().as_secs_f64());
    let failures = failures.into_inner().ok().context("a player panicked")?;
    ensure!(failures.is_empty(), "{} scenarios failed in virtual time:\n\n{}", failures.len(), failures.join("\n\n"));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "how long each scenario takes is shown as it goes")]
fn told(workshop: &Workshop, scenario: &Scenario, golden: Golden) -> Result<()> {
    let begun = Instant::now();
    let played = virtual_time::play(workshop, scenario, golden);
    let end = if played.is_ok() { "ok" } else { "FAILED" };
    println!("{:6.2} s {end:6} {} {}", begun.elapsed().as_secs_f64(), scenario.name, scenario.br.join(" "));
    played
}

/// Reads a scenario from text.
fn scenario(text: &str) -> Result<Scenario> {
    Ok(serde_json::from_value(serde_saphyr::from_str(text)?)?)
}

#[test]
fn a_hundred_remediations_at_once_all_have_their_first_child_within_five_seconds() -> Result<()> {
    let workshop = Workshop::open()?;
    let scenario = scenario("{name: crowd, story: Many signals come at once., steps: []}")?;
    virtual_time::run(async {
        let stage = Stage::open(&workshop, &scenario)?;
        let play = Play::prepare(&scenario, stage.client(), NAMESPACE.to_owned()).await?.on(stage.clone());
        for nth in 0..100 {
            let creation =
                format!("{{createRemediation: {{name: rr-{nth}, spec: {{signalFingerprint: \"{nth:064}\"}}}}}}");
            play.perform(&step(&creation)?).await?;
        }
        for nth in 0..100 {
            let wait = format!("{{wait: {{kind: SignalProcessing, name: sp-rr-{nth}, within: 5s}}}}");
            play.perform(&step(&wait)?).await?;
        }
        stage.close().await
    })
}

#[test]
fn remediations_in_two_namespaces_end_independently() -> Result<()> {
    let workshop = Workshop::open()?;
    let scenario = scenario("{name: twin, story: Two of one name in two namespaces., steps: []}")?;
    virtual_time::run(async {
        let stage = Stage::open(&workshop, &scenario)?;
        let here = Play::prepare(&scenario, stage.client(), NAMESPACE.to_owned()).await?.on(stage.clone());
        let there = Play::prepare(&scenario, stage.client(), "default".to_owned()).await?.on(stage.clone());
        for text in [
            "{createRemediation: {}}",
            "{patch: {kind: SignalProcessing, use: signalProcessed}}",
            "{patch: {kind: AIAnalysis, use: analysisNotNeeded}}",
            "{wait: {phase: Completed}}",
        ] {
            here.perform(&step(text)?).await?;
        }
        for text in [
            "{createRemediation: {}}",
            "{patch: {kind: SignalProcessing, use: signalNotProcessed}}",
            "{wait: {phase: Failed}}",
        ] {
            there.perform(&step(text)?).await?;
        }
        here.perform(&step("{wait: {phase: Completed, within: 1s}}")?).await?;
        stage.close().await
    })
}

fn step(text: &str) -> Result<Step> {
    Ok(serde_json::from_value(serde_saphyr::from_str(text)?)?)
}

/// Bookmarks, lists that are made anew, timers of the work queue: none of them makes the time stand still.
#[test]
fn an_hour_of_waiting_takes_less_than_a_second() -> Result<()> {
    let workshop = Workshop::open()?;
    // The best of three: what else this machine does is not at issue.
    let mut best = Duration::MAX;
    for _ in 0..3 {
        best = best.min(an_hour(&workshop)?);
    }
    println!("an hour of virtual time took {} ms", best.as_millis());
    ensure!(best < Duration::from_secs(1), "an hour of virtual time took {best:?}");
    Ok(())
}

/// How long an hour takes with one remediation that waits all along.
fn an_hour(workshop: &Workshop) -> Result<Duration> {
    let scenario = scenario("{name: idle, story: Nothing happens for long., steps: []}")?;
    virtual_time::run(async {
        let stage = Stage::open(workshop, &scenario)?;
        let play = Play::prepare(&scenario, stage.client(), NAMESPACE.to_owned()).await?.on(stage.clone());
        for text in [
            "{createRemediation: {}}",
            "{wait: {phase: Processing}}",
            "{patch: {status: {timeoutConfig: {global: 5h, processing: 5h}}}}",
        ] {
            play.perform(&step(text)?).await?;
        }
        let (begun, before) = (Instant::now(), stage.now());
        tokio::time::sleep(Duration::from_hours(1)).await;
        let took = begun.elapsed();
        ensure!(stage.now().duration_since(before).as_secs() == 3600, "an hour has not passed");
        stage.close().await?;
        Ok(took)
    })
}
