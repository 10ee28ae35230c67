//! Many swaps while remediations are worked on: none is missed or doubled, and no decision is a mixture.
//!
//! `cargo test --test policies -- --ignored --nocapture` swaps a thousand times on the real API server and writes
//! `tests/results/swaps.md`, which takes a quarter of an hour; with `TRIMTAB_PROGRAM` of a release build, and `SWAPS=100` for fewer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};
use trimtab_policy_engine::Digest;
use trimtab_tests::spread::Spread;

use crate::delays::{self, Delayed, Delays, now};
use crate::stage::{OBJECTS, Stage, at, trimtab};

/// Swaps in every test run, on each cluster.
const FEW: u32 = 30;

/// Swaps of the measurement.
const MANY: u32 = 1000;

/// Longest from the write of a set to the first decision of its revision, 99 of 100 times.
const FIRST_DECISION_MAX: Duration = Duration::from_secs(1);

/// Remediations that wait throughout; every swap concerns them.
const WAITING: u32 = 10;

/// Swaps for each remediation that begins meanwhile and comes to its end.
const SWAPS_EACH: u32 = 3;

/// Swaps after which a set is left alone for as long as they took, where that is measured.
const ROUND: u32 = 30;

/// From one swap to the next, where that is measured.
const PERIOD: Duration = Duration::from_millis(400);

/// Shortest time limit, in seconds: that of swap number n is n more.
const SECONDS: u32 = 2000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_decision_under_many_swaps_is_of_one_revision() -> Result<()> {
    at(&OBJECTS, async |stage: Stage| swap(stage, FEW, false).await.map(drop)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement that wants a machine of its own"]
async fn a_thousand_swaps_under_load() -> Result<()> {
    let [_, real] = OBJECTS;
    at(&[real], async |stage: Stage| {
        let swaps = std::env::var("SWAPS").map_or(Ok(MANY), |text| text.parse()).context("SWAPS is no number")?;
        ensure!(swaps >= ROUND, "SWAPS is {swaps}: set it to {ROUND} or more");
        let told = swap(stage, swaps, true).await?;
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/swaps.md");
        let ensured = told.first_decision.at(990) < FIRST_DECISION_MAX;
        std::fs::write(&file, told.table(swaps))?;
        ensure!(ensured, "{:?}", told.first_decision);
        Ok(())
    })
    .await
}

/// What came of it.
struct Told {
    decisions: usize,
    stalled: usize,
    revisions: usize,
    ended: usize,
    first_decision: Spread<Duration>,
    /// What took how long with swaps and without, where that is measured.
    delayed: Option<Delayed>,
}

impl Told {
    fn table(&self, swaps: u32) -> String {
        let first = &self.first_decision;
        let table = format!(
            "# Swaps under load\n\n{swaps} swaps of a set that every remediation follows, on the real API server; {WAITING} remediations wait \
             throughout, and {} begin meanwhile and come to their end.\n\n\
             | what | number |\n|---|---|\n\
             | decisions recorded | {} |\n| of them of more than one revision | 0 |\n| recorded twice or left out | 0 |\n\
             | answered by the fail strategy, because the machine stalled for 50 ms | {} |\n\
             | revisions that decided | {} |\n\
             | write of the set to the first decision of its revision, p50 | {} ms |\n| p99 | {} ms |\n| longest | {} ms |\n",
            self.ended,
            self.decisions,
            self.stalled,
            self.revisions,
            first.at(500).as_millis(),
            first.at(990).as_millis(),
            first.longest().as_millis(),
        );
        table + &self.delayed.as_ref().map(meanwhile).unwrap_or_default()
    }
}

/// What became of reconciles meanwhile.
fn meanwhile(Delayed { looks, own, others, writes }: &Delayed) -> String {
    format!(
        "\n## Reconciles meanwhile\n\nA swap every {PERIOD:?}; after each {ROUND} the set is left alone for as long as they took, \
         under the same load: remediations begin at the same rate, those that wait are touched as often, and so is the set \
         itself, without a change of what it says. With swaps, each of those that wait is looked at once more for each swap. \
         Milliseconds from the beginning of a reconcile to its end.\n\n\
         Of the remediations that wait, for which nothing is asked of the API server:\n\n{}\n\
         Of the others, without the time in which they wait for answers of the API server, some ten each:\n\n{}\n\
         The same, with that time:\n\n{}\n\
         The API server has the same two cores. One write by the test itself, a touch, meanwhile:\n\n{}",
        looks.table(),
        own.table(),
        others.table(),
        writes.table()
    )
}

/// Swaps so many times, and checks what the ledger has of it. Where it is measured, the set is left alone now and then.
async fn swap(mut stage: Stage, swaps: u32, is_measured: bool) -> Result<Told> {
    let services = stage.services(|name| name.contains("-busy-"))?;
    let following = json!({"pin": "Active"});
    stage.write_set(SECONDS, &following).await?;
    stage.start_with(if is_measured { &["--log", delays::FILTER] } else { &[] })?;
    let mut revision = stage.in_force(None).await?;
    let waiting: Vec<_> = (0..WAITING).map(|number| format!("{}{number}", delays::WAITS)).collect();
    for name in &waiting {
        stage.create(name, &json!({})).await?;
        stage.phase(name, "Processing").await?;
    }
    let mut delays = is_measured.then(|| Delays::start(&mut stage, &waiting)).transpose()?;
    let mut written = BTreeMap::new();
    let mut busy = Vec::new();
    for number in 1..=swaps {
        if number % SWAPS_EACH == 0 {
            begin(&stage, &mut busy).await?;
        }
        let turn = Instant::now();
        stage.write_set(SECONDS + number, &following).await?;
        let at = now()?;
        revision = stage.left("all", &revision).await?;
        written.insert(revision.clone(), (at, config(SECONDS + number)));
        let Some(delays) = &mut delays else { continue };
        stage.stays("all", &revision, PERIOD.saturating_sub(turn.elapsed())).await?;
        if number % ROUND == 0 {
            delays.rest(&mut stage)?;
            for number in 1..=ROUND {
                if number % SWAPS_EACH == 0 {
                    begin(&stage, &mut busy).await?;
                }
                let turn = Instant::now();
                stage.touch_set("all").await?;
                stage.stays("all", &revision, PERIOD.saturating_sub(turn.elapsed())).await?;
            }
            delays.go_on(&mut stage)?;
        }
    }
    let delayed = delays.map(|delays| delays.end(&mut stage)).transpose()?;
    for name in &busy {
        stage.phase(name, "Completed").await?;
    }
    drop(services);
    let mut recorded = Recorded::default();
    for name in busy.iter().chain(&waiting) {
        recorded.read(&stage, name)?;
    }
    let waits = written.iter().map(|(revision, (at, config))| {
        let (first, answers) = recorded.by_revision.get(revision).context("a revision has never decided")?;
        ensure!(answers.iter().all(|(_, answered)| answered == config), "{revision}: {answers:?}, not {config}");
        Ok(first.saturating_sub(*at))
    });
    let first_decision = Spread::of(waits.collect::<Result<_>>()?)?;
    let Recorded { decisions, stalled, .. } = recorded;
    let revisions = recorded.by_revision.len();
    Ok(Told { decisions, stalled, revisions, ended: busy.len(), first_decision, delayed })
}

/// Lets one more remediation begin, which comes to its end by itself.
async fn begin(stage: &Stage, busy: &mut Vec<String>) -> Result<()> {
    let name = format!("rr-busy-{}", busy.len());
    stage.create(&name, &json!({})).await?;
    busy.push(name);
    Ok(())
}

/// First digits of the digest of the config that sets this limit, as a record names it.
fn config(seconds: u32) -> String {
    let text = json!({"default": {"processing": format!("{seconds}s")}}).to_string();
    Digest::of(text.as_bytes()).hexadecimal().chars().take(16).collect()
}

/// Who answered for the timeouts: component and config.
type Answer = (String, String);

/// What the ledger has.
#[derive(Default)]
struct Recorded {
    decisions: usize,
    /// When each revision decided first, and who answered in its name.
    by_revision: BTreeMap<String, (Duration, BTreeSet<Answer>)>,
    /// How many questions the machine stalled for longer than they may take; the fail strategy answered.
    stalled: usize,
}

impl Recorded {
    /// Reads every decision of a remediation: each is of one revision, and each step is there once.
    fn read(&mut self, stage: &Stage, name: &str) -> Result<()> {
        let mut steps = Vec::new();
        for decision in decisions(stage, name)? {
            // Of one that has ended nobody is asked.
            if decision["rule"] == "Ended" {
                continue;
            }
            let revision = decision["setRevision"]["revision"].as_str().with_context(|| decision.to_string())?;
            let at: Timestamp = decision["at"].as_str().context("a time")?.parse()?;
            let at = Duration::from_millis(u64::try_from(at.as_millisecond())?);
            let (first, answers) = self.by_revision.entry(revision.to_owned()).or_insert((at, BTreeSet::new()));
            *first = at.min(*first);
            let mut has_faulted = false;
            for one in decision["evaluations"].as_array().into_iter().flatten().filter(|one| one["slot"] == "timeouts")
            {
                if one["choice"] != "Active" {
                    ensure!(has_faulted, "{name}: a fail strategy answered without a fault: {decision}");
                    continue;
                }
                let of = |member: &str| one[member].as_str().unwrap_or_default().to_owned();
                answers.insert((of("digest"), of("config")));
                // A machine that stalls for as long as a question may take is the one thing that may go wrong here.
                has_faulted = !one["fault"].is_null();
                ensure!(!has_faulted || one["fault"]["reason"] == "DeadlineExceeded", "{name}: {one}");
                self.stalled += usize::from(has_faulted);
            }
            ensure!(answers.len() == 1, "{name}: {revision} was answered by {answers:?}: {decision}");
            if decision["kind"] == "step" {
                steps.push(decision["sequence"].as_u64().context("a number")?);
            }
            self.decisions += 1;
        }
        let expected: Vec<u64> = (1..=steps.len() as u64).collect();
        ensure!(!steps.is_empty() && steps == expected, "the steps of {name} are {steps:?}");
        Ok(())
    }
}

/// Every decision on a remediation, the first one first.
fn decisions(stage: &Stage, name: &str) -> Result<Vec<Value>> {
    let data = stage.data().to_str().context("a path that is not UTF-8")?;
    let told: Value = serde_json::from_str(&trimtab(&["explain", name, "--all", "--json", "--data", data])?)?;
    Ok(told["decisions"].as_array().context("decisions")?.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_for_one_cluster_leaves_every_decision_of_another_as_it_was() -> Result<()> {
    at(&OBJECTS, async |mut stage: Stage| {
        let set = |cluster: &str| json!({"selector": {"clusterIds": [cluster]}, "pin": "Active"});
        for cluster in ["east", "west"] {
            stage.write_named_set(cluster, SECONDS, &set(cluster)).await?;
        }
        stage.start()?;
        let mut east = stage.left("east", "").await?;
        let west = stage.left("west", "").await?;
        for cluster in ["east", "west"] {
            stage.create(&format!("rr-{cluster}"), &json!({"spec": {"clusterID": cluster}})).await?;
            stage.phase(&format!("rr-{cluster}"), "Processing").await?;
        }
        for number in 1..=10 {
            stage.write_named_set("east", SECONDS + number, &set("east")).await?;
            east = stage.left("east", &east).await?;
        }
        for cluster in ["east", "west"] {
            stage.process(&format!("rr-{cluster}")).await?;
            stage.phase(&format!("rr-{cluster}"), "Analyzing").await?;
        }
        let revisions = |name: &str| -> Result<BTreeSet<String>> {
            let of = |decision: &Value| decision["setRevision"].to_string();
            Ok(decisions(&stage, name)?.iter().map(of).collect())
        };
        let only = json!({"set": "west", "revision": west}).to_string();
        ensure!(revisions("rr-west")? == BTreeSet::from([only]), "{:?}", revisions("rr-west")?);
        ensure!(revisions("rr-east")?.len() > 1, "no swap has reached the other");
        // Each decision again, by what answered before the swaps: the same to the last byte.
        let data = stage.data().to_str().context("a path that is not UTF-8")?;
        let bundle = stage.folder().join(".bundle");
        let bundle = bundle.to_str().context("a path that is not UTF-8")?;
        trimtab(&["policy", "record", "rr-west", "--data", data, "--out", bundle])?;
        let replayed = trimtab(&["policy", "replay", bundle])?;
        ensure!(replayed.contains("the same to the last byte"), "{replayed}");
        Ok(())
    })
    .await
}
