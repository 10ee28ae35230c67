//! How late a deadline is met, and how long one remediation takes whose children answer at once: in real time.
//!
//! The numbers are always printed. The limits are generous, since other programs share the machine that runs tests.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::StreamExt as _;
use jiff::Timestamp;
use kube::api::{Api, DynamicObject, PostParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use serde_json::json;
use trimtab_api::Kind;
use trimtab_core::phase::Phase;
use trimtab_tests::cluster::{Cluster, ClusterKind, leaves_out_real};
use trimtab_tests::process::{PATIENCE, Run};
use trimtab_tests::scenario::remediation;
use trimtab_tests::services::Services;
use trimtab_tests::spread::Spread;

/// Remediations whose deadlines are looked at.
const REMEDIATIONS: usize = 120;

/// Their time in Processing.
const PROCESSING: Duration = Duration::from_secs(8);

/// Time between two creations, so that the deadlines lie apart as they do in a cluster.
const APART: Duration = Duration::from_millis(25);

/// Most that the 99th percentile may be late here: half of the peer's polling period. 50 ms is what is wanted of a release
/// build on a machine of its own.
const LATE_MAX: Duration = Duration::from_secs(5);

/// Remediations that are taken through all phases, one after another.
const LIVES: usize = 12;

/// Most that the fastest of them may take here; 0.15 s is what is wanted there.
const LIFE_MAX: Duration = Duration::from_secs(5);

fn api(cluster: &Cluster, kind: Kind, namespace: &str) -> Result<Api<DynamicObject>> {
    Ok(Api::namespaced_with(cluster.client()?, namespace, &kind.api_resource()))
}

/// When a remediation's time in Processing was over, in milliseconds since 1970: the controller's own record of its entry
/// is exact, the status shows whole seconds.
fn deadline(object: &DynamicObject) -> Result<i64> {
    let value = serde_json::to_value(object)?;
    let record = trimtab_api::mapping::record(&value)?;
    let entered = record.phases.iter().find(|(phase, _)| *phase == Phase::Processing);
    let (_, entered) = entered.context("no entry of Processing is recorded")?;
    Ok(i64::try_from(entered.as_millis())? + i64::try_from(PROCESSING.as_millis())?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlines_are_met_to_the_millisecond_or_nearly() -> Result<()> {
    let cluster = Cluster::start(ClusterKind::Embedded).await?;
    let namespace = cluster.namespace().await?;
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("config.json");
    std::fs::write(&config, json!({"timeouts": {"processing": format!("{}s", PROCESSING.as_secs())}}).to_string())?;
    let arguments = ["--policy-config".to_owned(), format!("all={}", config.display())];
    let run = Run::start(cluster.kubeconfig(), &arguments)?;
    let api = api(&cluster, Kind::RemediationRequest, &namespace)?;
    let seen = tokio::spawn(first_timeouts(api.clone()));
    for nth in 0..REMEDIATIONS {
        let name = format!("rr-late-{nth}");
        api.create(&PostParams::default(), &remediation(&name, &name, &json!({}))?).await?;
        tokio::time::sleep(APART).await;
    }
    let seen = tokio::time::timeout(PATIENCE, seen).await.with_context(|| run.process.tail())???;
    let mut late = Vec::new();
    for (object, at) in seen.values() {
        let behind = at.as_millisecond() - deadline(object)?;
        ensure!(behind >= 0, "{:?} timed out {} ms early", object.metadata.name, -behind);
        late.push(behind);
    }
    let late = Spread::of(late)?;
    let (p50, p99) = (late.at(500), late.at(990));
    println!("{} deadlines: late by p50 {p50} ms, p99 {p99} ms, at most {} ms", late.count(), late.longest());
    ensure!(p99 <= i64::try_from(LATE_MAX.as_millis())?, "the 99th percentile is {p99} ms late");
    Ok(())
}

/// Every remediation when it is first seen timed out, and that moment: the write came before it.
async fn first_timeouts(api: Api<DynamicObject>) -> Result<BTreeMap<String, (DynamicObject, Timestamp)>> {
    let mut seen = BTreeMap::new();
    let mut changes = pin!(watcher(api, watcher::Config::default()).default_backoff().applied_objects());
    while seen.len() < REMEDIATIONS {
        let Ok(object) = changes.next().await.context("the watch ended")? else { continue };
        if object.data["status"]["overallPhase"] == Phase::TimedOut.name() {
            let name = object.metadata.name.clone().unwrap_or_default();
            seen.entry(name).or_insert_with(|| (object, Timestamp::now()));
        }
    }
    Ok(seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_remediation_whose_children_answer_at_once_on_the_embedded_cluster() -> Result<()> {
    one_at_a_time(ClusterKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_remediation_whose_children_answer_at_once_on_the_real_api_server() -> Result<()> {
    if leaves_out_real("one remediation whose children answer at once") {
        return Ok(());
    }
    one_at_a_time(ClusterKind::Real).await
}

#[expect(clippy::print_stdout, reason = "the number is what the test is for")]
async fn one_at_a_time(kind: ClusterKind) -> Result<()> {
    let cluster = Cluster::start(kind).await?;
    let namespace = cluster.namespace().await?;
    let run = Run::start(cluster.kubeconfig(), &[])?;
    let _services = Services::start(&cluster, &namespace, "named-by-each")?;
    let api = api(&cluster, Kind::RemediationRequest, &namespace)?;
    let mut lives = Vec::new();
    for nth in 0..LIVES {
        let name = format!("rr-life-{nth}");
        let object = remediation(&name, &name, &json!({}))?;
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut changes = pin!(watcher(api.clone(), config).default_backoff().applied_objects());
        let life = async {
            let begun = Instant::now();
            api.create(&PostParams::default(), &object).await?;
            while let Some(change) = changes.next().await {
                if change.is_ok_and(|object| object.data["status"]["overallPhase"] == Phase::Completed.name()) {
                    break;
                }
            }
            anyhow::Ok(begun.elapsed())
        };
        lives.push(tokio::time::timeout(PATIENCE, life).await.with_context(|| run.process.tail())??);
    }
    let lives = Spread::of(lives)?;
    let (best, middle) = (lives.at(0), lives.at(500));
    println!(
        "one remediation on the {}: {} ms at best, {} ms usually",
        kind.name(),
        best.as_millis(),
        middle.as_millis()
    );
    ensure!(best <= LIFE_MAX, "one remediation takes {best:?}");
    Ok(())
}
