//! Many remediations at once on the real API server: what they cost it, and what they cost us.
//!
//! The numbers are always printed; requests are what is held here, since they do not depend on who shares the machine.
//! `cargo test --test load -- --ignored --nocapture --test-threads 1` measures as many as were measured of the peer, a
//! thousand at once, and what ten thousand that wait take in memory; with `TRIMTAB_PROGRAM` of a release build.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{Api, DynamicObject, ListParams, PostParams};
use serde_json::json;
use trimtab_api::Kind;
use trimtab_tests::cluster::{Cluster, ClusterKind, leaves_out_real};
use trimtab_tests::process::Run;
use trimtab_tests::scenario::remediation;
use trimtab_tests::services::Services;

/// How many at once in every test run.
const FEW: u32 = 24;

/// How many at once were measured of the peer.
const MANY: u32 = 200;

/// How many at once show what an ended one takes in memory.
const MORE: u32 = 1000;

/// How many are held while they wait for their first child.
const HELD: u32 = 10_000;

/// Most memory that one remediation may take while nothing happens to it, in KB.
const HELD_KB_MAX: f64 = 4.0;

/// After so long without a change, memory is as small as it gets.
const QUIET: Duration = Duration::from_secs(15);

/// Longest that all of them may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// Most requests for each remediation, Kubernetes events left out; the peer sends 41.6 with them.
const REQUESTS_MAX: f64 = 18.0;

/// Most requests for each remediation.
const REQUESTS_WITH_EVENTS_MAX: f64 = 25.0;

/// Requests by verb and resource.
type Requests = BTreeMap<(String, String), f64>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_at_once() -> Result<()> {
    at_once(FEW).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement that wants a machine of its own"]
async fn as_many_at_once_as_were_measured_of_the_peer() -> Result<()> {
    at_once(MANY).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement that wants a machine of its own"]
async fn a_thousand_at_once() -> Result<()> {
    at_once(MORE).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement that wants a machine of its own"]
async fn ten_thousand_that_wait() -> Result<()> {
    let cluster = Cluster::start(ClusterKind::Embedded).await?;
    let namespace = cluster.namespace().await?;
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("config.json");
    std::fs::write(&config, json!({"timeouts": {"global": "48h", "processing": "24h"}}).to_string())?;
    let run = Run::start(cluster.kubeconfig(), &["--policy-config".to_owned(), format!("all={}", config.display())])?;
    run.process.address(1).await?;
    let api = Api::namespaced_with(cluster.client()?, &namespace, &Kind::RemediationRequest.api_resource());
    create(&api, u32::MAX).await?;
    reached(&api, "Processing", 1).await?;
    tokio::time::sleep(QUIET).await;
    let before = usage(&run)?;
    create_all(&api, HELD).await?;
    tokio::time::timeout(PATIENCE * 4, reached(&api, "Processing", HELD + 1))
        .await
        .with_context(|| run.process.tail())??;
    tokio::time::sleep(QUIET).await;
    let each = memory_each(&before, &usage(&run)?, HELD);
    println!("{HELD} that wait: {each:.2} KB of memory each");
    ensure!(each <= HELD_KB_MAX, "{each:.2} KB each");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the numbers are what the test is for")]
async fn at_once(count: u32) -> Result<()> {
    if leaves_out_real("many remediations at once") {
        return Ok(());
    }
    let cluster = Cluster::start(ClusterKind::Real).await?;
    let namespace = cluster.namespace().await?;
    let mut services = Services::start(&cluster, &namespace, "load")?;
    let run = Run::start(cluster.kubeconfig(), &[])?;
    let api: Api<DynamicObject> =
        Api::namespaced_with(cluster.client()?, &namespace, &Kind::RemediationRequest.api_resource());
    // The process is ready, and what it asks once is behind it.
    run.process.address(1).await?;
    create(&api, u32::MAX).await?;
    tokio::time::timeout(PATIENCE, reached(&api, "Completed", 1)).await??;
    if count > FEW {
        tokio::time::sleep(QUIET).await;
    }
    let (before, cpu_before, work_before) = (requests(&cluster).await?, usage(&run)?, work(&run).await?);
    let begun = Instant::now();
    create_all(&api, count).await?;
    tokio::select! {
        done = tokio::time::timeout(PATIENCE, reached(&api, "Completed", count + 1)) => {
            done.with_context(|| run.process.tail())??;
        }
        error = services.failure() => return Err(error),
    }
    let took = begun.elapsed();
    let after = requests(&cluster).await?;
    let cpu = usage(&run)?;
    let own = own_requests(&before, &after, count);
    report(&own, count);
    let (all, events) = totals(&own, count);
    let conflicts = after.get(&conflict()).unwrap_or(&0.0) - before.get(&conflict()).unwrap_or(&0.0);
    println!("{count} at once: {all:.1} requests each, {:.1} without events; {conflicts} conflicts", all - events);
    println!(
        "{:.1} remediations/s, {:.1} ms of CPU each, {:.1} MB resident afterwards ({:.1} before)",
        f64::from(count) / took.as_secs_f64(),
        (cpu.seconds - cpu_before.seconds) * 1000.0 / f64::from(count),
        cpu.resident_mb,
        cpu_before.resident_mb,
    );
    for (((_, what), before), after) in WORK.iter().zip(work_before).zip(work(&run).await?) {
        println!("{:.1} {what} each", (after - before) / f64::from(count));
    }
    if count > FEW {
        tokio::time::sleep(QUIET).await;
        let settled = usage(&run)?;
        let each = memory_each(&cpu_before, &settled, count);
        println!("{:.1} MB resident when nothing has happened for a while: {each:.2} KB each", settled.resident_mb);
    }
    no_doubles(&cluster, &namespace, count + 1).await?;
    ensure!(all - events <= REQUESTS_MAX, "{:.1} requests each without events", all - events);
    ensure!(all <= REQUESTS_WITH_EVENTS_MAX, "{all:.1} requests each");
    Ok(())
}

async fn create_all(api: &Api<DynamicObject>, count: u32) -> Result<()> {
    let creations = (0..count).map(|nth| create(api, nth));
    futures::stream::iter(creations).buffer_unordered(16).try_collect::<Vec<_>>().await?;
    Ok(())
}

/// Each has a fingerprint and a target of its own.
async fn create(api: &Api<DynamicObject>, nth: u32) -> Result<()> {
    let name = format!("rr-load-{nth}");
    api.create(&PostParams::default(), &remediation(&name, &name, &json!({}))?).await?;
    Ok(())
}

/// Waits until so many are in this phase. Looks once a second: a watch would cost the API server what is measured here.
async fn reached(api: &Api<DynamicObject>, wanted: &str, count: u32) -> Result<()> {
    loop {
        let found = api.list(&ListParams::default()).await?;
        let phases = found.items.iter().map(|item| item.data["status"]["overallPhase"].as_str().unwrap_or(""));
        let (mut those, mut ended_otherwise) = (0, Vec::new());
        for (item, phase) in found.items.iter().zip(phases) {
            match phase {
                phase if phase == wanted => those += 1,
                "Failed" | "TimedOut" | "Skipped" | "Cancelled" => ended_otherwise.push((&item.metadata.name, phase)),
                _ => {}
            }
        }
        ensure!(ended_otherwise.is_empty(), "ended otherwise: {ended_otherwise:?}");
        if those >= count {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The API server's own count of finished requests, with the conflicts among them under a name of their own.
async fn requests(cluster: &Cluster) -> Result<Requests> {
    let page = cluster.client()?.request_text(http::Request::get("/metrics").body(Vec::new())?).await?;
    let mut found = Requests::new();
    for line in page.lines().filter_map(|line| line.strip_prefix("apiserver_request_total{")) {
        let (labels, count) = line.rsplit_once("} ").context("a metric has a value")?;
        let label = |name: &str| {
            let quoted = labels.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
            quoted.unwrap_or_default().to_owned()
        };
        let count: f64 = count.trim().parse()?;
        let mut resource = label("resource");
        if !label("subresource").is_empty() {
            resource = format!("{resource}/{}", label("subresource"));
        }
        if label("code") == "409" {
            *found.entry(conflict()).or_default() += count;
        }
        *found.entry((label("verb"), resource)).or_default() += count;
    }
    Ok(found)
}

fn conflict() -> (String, String) {
    ("409".to_owned(), String::new())
}

/// Kinds whose statuses the services of this suite patch, one patch for each object.
const ANSWERED: [&str; 4] =
    ["signalprocessings/status", "aianalyses/status", "workflowexecutions/status", "effectivenessassessments/status"];

/// What the run has sent: all that was counted meanwhile, less what this suite sent and what the API server and its
/// collector do by themselves (they do it whether anybody works or not, and with none of these kinds).
fn own_requests(before: &Requests, after: &Requests, count: u32) -> Requests {
    let mut own = Requests::new();
    for (key @ (verb, resource), total) in after {
        let mut grown = total - before.get(key).unwrap_or(&0.0);
        let is_ours = Kind::ALL.iter().any(|kind| resource.split('/').next() == Some(&kind.api_resource().plural))
            || ["events", "leases", "deployments", "configmaps", "namespaces"].contains(&resource.as_str());
        if !is_ours || ["WATCH", "409"].contains(&verb.as_str()) {
            continue;
        }
        grown -= match (verb.as_str(), resource.as_str()) {
            ("PATCH", resource) if ANSWERED.contains(&resource) => f64::from(count),
            ("POST", "remediationrequests") => f64::from(count),
            // The suite's own looks.
            ("LIST", "remediationrequests") => grown,
            _ => 0.0,
        };
        if grown > 0.0 {
            own.insert(key.clone(), grown);
        }
    }
    own
}

#[expect(clippy::print_stdout, reason = "the table is what the test is for")]
fn report(own: &Requests, count: u32) {
    println!("{:<8} {:<36} {:>8} {:>8}", "verb", "resource", "requests", "each");
    for ((verb, resource), total) in own {
        println!("{verb:<8} {resource:<36} {total:>8} {:>8.2}", total / f64::from(count));
    }
}

/// Requests for each remediation: all, and those for events.
fn totals(own: &Requests, count: u32) -> (f64, f64) {
    let each = |sum: f64| sum / f64::from(count);
    let events = own.iter().filter(|((_, resource), _)| resource == "events").map(|(_, total)| total).sum();
    (each(own.values().sum()), each(events))
}

/// What the process has used.
struct Usage {
    seconds: f64,
    resident_mb: f64,
}

fn usage(run: &Run) -> Result<Usage> {
    let folder = PathBuf::from(format!("/proc/{}", run.process.id()));
    let stat = std::fs::read_to_string(folder.join("stat")).context("this measurement reads /proc, which Linux has")?;
    // After the command in parentheses: state is the first, user and system time the 12th and 13th.
    let fields: Vec<&str> = stat.rsplit_once(')').context("a command")?.1.split_whitespace().collect();
    let ticks = |nth: usize| fields.get(nth).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    let status = std::fs::read_to_string(folder.join("status"))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: f64 = resident.trim().trim_end_matches("kB").trim().parse()?;
    // Linux tells ticks of 10 ms to every program.
    Ok(Usage { seconds: (ticks(11) + ticks(12)) / 100.0, resident_mb: kilobytes / 1024.0 })
}

/// What the process counts of its own work: the metric, and what it counts.
const WORK: [(&str, &str); 2] =
    [("reconcile_duration_seconds_count", "reconciles"), ("policy_evaluations_total", "questions asked of policies")];

async fn work(run: &Run) -> Result<[f64; 2]> {
    let page = run.metrics().await?;
    let sum = |(name, _): (&str, &str)| {
        let is_it = |line: &&str| line.split(['{', ' ']).next().is_some_and(|metric| metric.ends_with(name));
        page.lines().filter(is_it).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    Ok(WORK.map(sum))
}

/// Memory in KB that each of these takes.
fn memory_each(before: &Usage, after: &Usage, count: u32) -> f64 {
    (after.resident_mb - before.resident_mb) * 1024.0 / f64::from(count)
}

/// One child of each kind for every remediation.
async fn no_doubles(cluster: &Cluster, namespace: &str, count: u32) -> Result<()> {
    for kind in [Kind::SignalProcessing, Kind::AIAnalysis, Kind::WorkflowExecution, Kind::EffectivenessAssessment] {
        let api: Api<DynamicObject> = Api::namespaced_with(cluster.client()?, namespace, &kind.api_resource());
        let found = api.list(&ListParams::default()).await?.items.len();
        ensure!(u32::try_from(found)? == count, "{found} objects of kind {} for {count} remediations", kind.kind());
    }
    Ok(())
}
