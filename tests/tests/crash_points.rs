//! A controller that is struck right after each of its effects, in every scenario: it dies, stands still while another
//! host takes over, or its clock steps back. The remediation ends the same way, and every status step has exactly its
//! audit events.
//!
//! The effects are counted, not listed: each write of the ledger and each writing request to the API server is one, so an
//! effect that is added later is a place to be struck by itself. `SCENARIO=a,b` plays only those; `UPDATE=1` writes the golden of
//! the audit events.

#[path = "crash_points/life.rs"]
mod life;
#[path = "crash_points/mortal.rs"]
mod mortal;
#[path = "crash_points/trail.rs"]
mod trail;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use trimtab_tests::cluster::{Cluster, ClusterKind};
use trimtab_tests::scenario::all;
use trimtab_tests::scenario::model::Scenario;

use life::{Ordeal, Performance, Workshop};
use trail::Tally;

/// Performances at once.
const PLAYERS: usize = 24;

/// The audit events of every scenario.
const GOLDEN: &str = "tests/crash_points/audit-events.golden";

/// Each scenario with a death after every tenth effect, from another first one for each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_after_an_effect_changes_no_ending_and_no_audit_event() -> Result<()> {
    println!("{}", compare(10, Ordeal::SameLedger).await?);
    Ok(())
}

/// The same with another host and an empty ledger as the heir; each scenario with a death after every sixteenth effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_host_takes_over_without_the_ledger() -> Result<()> {
    println!("{}", compare(16, Ordeal::EmptyLedger).await?);
    Ok(())
}

/// A host that is stopped after an effect and goes on when another one, with a ledger of its own, has taken over: the
/// resourceVersion is the fence. Each scenario with a pause after every twentieth effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_was_stopped_goes_on_beside_its_heir() -> Result<()> {
    println!("{}", compare(20, Ordeal::Pause).await?);
    Ok(())
}

/// The clock steps back by seven seconds after every twentieth effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_steps_back_loses_nothing() -> Result<()> {
    println!("{}", compare(20, Ordeal::ClockBack).await?);
    Ok(())
}

/// `cargo test -p trimtab-tests --test crash_points -- --ignored --nocapture every_death` rewrites
/// `tests/results/deaths.md`; with `ORDEAL=Pause`, or another name of one, that one's section.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes half an hour; rewrites tests/results/deaths.md"]
async fn every_death() -> Result<()> {
    let only = std::env::var("ORDEAL").ok();
    let is_chosen = |ordeal: Ordeal| only.as_ref().is_none_or(|only| *only == format!("{ordeal:?}"));
    ensure!(ORDEALS.iter().any(|(_, ordeal)| is_chosen(*ordeal)), "ORDEAL names none of {ORDEALS:?}");
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("results/deaths.md");
    for (title, ordeal) in ORDEALS.into_iter().filter(|(_, ordeal)| is_chosen(*ordeal)) {
        let table = compare(1, ordeal).await.with_context(|| title.to_owned())?;
        println!("{title}\n{table}");
        let before = std::fs::read_to_string(&file).unwrap_or_default();
        std::fs::write(&file, page(&before, title, &table)).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

const ORDEALS: [(&str, Ordeal); 4] = [
    ("Death, and another process with the same ledger", Ordeal::SameLedger),
    ("Death, and another host with an empty ledger", Ordeal::EmptyLedger),
    ("A pause, and another host with an empty ledger meanwhile", Ordeal::Pause),
    ("The clock steps back by seven seconds", Ordeal::ClockBack),
];

/// The page with another table under one of its titles; the other sections stay.
fn page(before: &str, changed: &str, table: &str) -> String {
    let mut page = HEAD.to_owned();
    for (title, _) in ORDEALS {
        let head = format!("\n## {title}\n\n");
        let known = before.split_once(&head).map(|(_, rest)| rest.split("\n## ").next().unwrap_or(rest));
        if let Some(table) = if title == changed { Some(table) } else { known } {
            page.push_str(&head);
            page.push_str(table);
        }
    }
    page
}

const HEAD: &str = "# A blow after every effect

`cargo test -p trimtab-tests --test crash_points -- --ignored --nocapture every_death` rewrites this page.

The controller is struck right after each of its effects (a write of the ledger, a writing request to the API server), one
blow a performance. Every remediation ended as it does undisturbed, every status step had exactly its audit events with the ids
and times of an undisturbed performance, and every hash chain was whole.
";

/// Every `stride`th blow to every scenario, beside undisturbed performances.
async fn compare(stride: u64, ordeal: Ordeal) -> Result<String> {
    let workshop = Arc::new(Workshop::open(Cluster::start(ClusterKind::Embedded).await?)?);
    let is_apt = |scenario: &Scenario| !scenario.remembers && !scenario.hurries;
    let scenarios: Vec<_> = all()?.into_iter().filter(is_apt).map(Arc::new).collect();
    let undisturbed =
        perform_all(&workshop, scenarios.iter().map(|scenario| (Arc::clone(scenario), None)), ordeal).await?;
    check_golden(&undisturbed)?;
    let deaths = scenarios.iter().zip(0..).flat_map(|(scenario, nth)| {
        let effects = undisturbed.get(&(scenario.name.clone(), None)).map_or(0, |performance| performance.effects);
        let chosen = (1..=effects).filter(move |effect| (effect + nth) % stride == 0);
        chosen.map(|effect| (Arc::clone(scenario), Some(effect)))
    });
    let disturbed = perform_all(&workshop, deaths, ordeal).await?;
    let (mut all, mut faults) = (Tally::default(), Vec::new());
    let mut table = format!("| scenario | effects | {} |\n|---|---|{}|\n", Tally::HEAD, Tally::RULE);
    for scenario in &scenarios {
        let expected = undisturbed.get(&(scenario.name.clone(), None)).context("no undisturbed performance")?;
        let mut tally = Tally::default();
        for ((name, effect), performance) in disturbed.iter().filter(|((name, _), _)| *name == scenario.name) {
            let found = performance.trail.compare(&expected.trail, &mut tally);
            faults
                .extend(found.into_iter().map(|fault| format!("{name}, {ordeal:?} after effect {effect:?}: {fault}")));
        }
        writeln!(table, "| {} | {} | {tally} |", scenario.name, expected.effects)?;
        all.add(&tally);
    }
    writeln!(table, "| all |  | {all} |")?;
    ensure!(faults.is_empty(), "{} faults:\n{}\n\n{table}", faults.len(), faults.join("\n"));
    ensure!(!disturbed.is_empty(), "nobody was struck");
    Ok(table)
}

type Performances = BTreeMap<(String, Option<u64>), Performance>;

async fn perform_all(
    workshop: &Arc<Workshop>,
    plays: impl Iterator<Item = (Arc<Scenario>, Option<u64>)>,
    ordeal: Ordeal,
) -> Result<Performances> {
    let players = Arc::new(Semaphore::new(PLAYERS));
    let mut tasks = JoinSet::new();
    for (scenario, death) in plays {
        let (workshop, players) = (Arc::clone(workshop), Arc::clone(&players));
        tasks.spawn(async move {
            let _turn = players.acquire().await?;
            let performance = life::perform(&workshop, &scenario, death, ordeal).await;
            let performance = performance.with_context(|| format!("{}, {ordeal:?} after {death:?}", scenario.name))?;
            anyhow::Ok(((scenario.name.clone(), death), performance))
        });
    }
    let (mut performances, mut faults) = (Performances::new(), Vec::new());
    while let Some(played) = tasks.join_next().await {
        match played? {
            Ok((key, performance)) => {
                performances.insert(key, performance);
            }
            Err(error) => faults.push(format!("{error:#}")),
        }
    }
    ensure!(faults.is_empty(), "{} performances failed:\n\n{}", faults.len(), faults.join("\n\n"));
    Ok(performances)
}

/// Holds the audit events against the golden, or writes them there; those of scenarios that were not played stay.
fn check_golden(undisturbed: &Performances) -> Result<()> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
    let expected = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let is_part = std::env::var_os("SCENARIO").is_some();
    let mut trails = if is_part { trails_of(&expected)? } else { BTreeMap::new() };
    for ((name, _), performance) in undisturbed {
        let mut lines = String::new();
        performance.trail.lines().try_for_each(|line| writeln!(lines, "  {line}"))?;
        trails.insert(name.clone(), lines);
    }
    let mut text = String::new();
    trails.iter().try_for_each(|(name, trail)| write!(text, "{name}\n{trail}"))?;
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        return std::fs::write(&path, text).with_context(|| path.display().to_string());
    }
    let differing = trimtab_tests::diff::show(&expected, &text);
    ensure!(text == expected, "the audit events differ; UPDATE=1 writes them:\n{differing}");
    Ok(())
}

/// The audit events of each scenario in the golden.
fn trails_of(golden: &str) -> Result<BTreeMap<String, String>> {
    let mut trails: BTreeMap<String, String> = BTreeMap::new();
    let mut name = "";
    for line in golden.lines() {
        if line.starts_with(' ') {
            writeln!(trails.get_mut(name).context("an event of no scenario")?, "{line}")?;
        } else {
            name = line;
            trails.insert(name.to_owned(), String::new());
        }
    }
    Ok(trails)
}
