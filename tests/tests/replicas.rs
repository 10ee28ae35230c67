//! Two replicas of the controller, each a process with a ledger of its own, at work on the same remediations: of one target
//! there is never more than one execution at a time, and the lock of one that is killed goes to the other.

#[path = "replicas/arena.rs"]
mod arena;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use kube::api::DeleteParams;
use trimtab_api::Kind;
use trimtab_tests::cluster::{ClusterKind, leaves_out_real};
use trimtab_tests::process::PATIENCE;

use arena::{Arena, Killed, Replica};

/// Objects to be healed.
const TARGETS: usize = 4;

/// Remediations of each, all at the same time.
const RIVALS: usize = 3;

/// How long the Lease of a target holds without being renewed.
const TERM: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_start_one_execution_at_a_time_on_the_embedded_cluster() -> Result<()> {
    beside_each_other(ClusterKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_start_one_execution_at_a_time_on_the_real_api_server() -> Result<()> {
    if leaves_out_real("two replicas") {
        return Ok(());
    }
    beside_each_other(ClusterKind::Real).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_holders_remediation_goes_on_at_once_on_the_embedded_cluster() -> Result<()> {
    heir(ClusterKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_holders_remediation_goes_on_at_once_on_the_real_api_server() -> Result<()> {
    if leaves_out_real("the heir of a killed holder") {
        return Ok(());
    }
    heir(ClusterKind::Real).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_holders_lock_ends_with_its_term_on_the_embedded_cluster() -> Result<()> {
    term(ClusterKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_holders_lock_ends_with_its_term_on_the_real_api_server() -> Result<()> {
    if leaves_out_real("the term of a killed holder's lock") {
        return Ok(());
    }
    term(ClusterKind::Real).await
}

/// Several remediations of each target, two replicas, and executions that take their time.
#[expect(clippy::print_stdout, reason = "how the work was shared is worth knowing")]
async fn beside_each_other(kind: ClusterKind) -> Result<()> {
    let mut arena = Arena::open(kind).await?;
    arena.analyse()?;
    let replicas = [Replica::start(&arena).await?, Replica::start(&arena).await?];
    let mut names = Vec::new();
    for rival in 0..RIVALS {
        for target in 0..TARGETS {
            let name = format!("rr-{target}-{rival}");
            arena.create(&name, target).await?;
            names.push(name);
        }
    }
    arena.until_all("Completed", &names).await.with_context(|| told(&replicas))?;
    let executions = arena.list(Kind::WorkflowExecution).await?;
    ensure!(executions.len() == names.len(), "{} executions of {} remediations", executions.len(), names.len());
    let steps = replicas.each_ref().map(Replica::steps);
    println!("on the {}: {steps:?} steps of {} remediations", kind.name(), names.len());
    ensure!(steps.iter().all(|steps| *steps > 0), "one of them did nothing: {steps:?}\n{}", told(&replicas));
    arena.close()
}

fn told(replicas: &[Replica]) -> String {
    replicas.iter().map(Replica::tail).collect()
}

/// The holder's own remediation is what the lock names: whoever goes on with it has the lock.
async fn heir(kind: ClusterKind) -> Result<()> {
    let mut arena = Arena::open(kind).await?;
    let Killed { holder, other, .. } = arena.killed_holder().await?;
    let begun = Instant::now();
    let replica = Replica::start(&arena).await?;
    arena.until_started(&holder).await.with_context(|| replica.tail())?;
    let waited = begun.elapsed();
    ensure!(waited < TERM, "the heir waited for {waited:?}, as if the lock were another's");
    arena.until_all("Completed", &[holder, other]).await.with_context(|| replica.tail())?;
    arena.close()
}

/// The holder's remediation is gone with its process: the lock is nobody's, and ends with its term.
async fn term(kind: ClusterKind) -> Result<()> {
    let mut arena = Arena::open(kind).await?;
    let Killed { holder, other, renewed } = arena.killed_holder().await?;
    arena.api(Kind::RemediationRequest).delete(&holder, &DeleteParams::background()).await?;
    let replica = Replica::start(&arena).await?;
    arena.until_started(&other).await.with_context(|| replica.tail())?;
    let execution = arena.api(Kind::WorkflowExecution).get(&format!("we-{other}")).await?;
    let created = execution.creation_timestamp().context("an execution has a time")?.0;
    // Times of creation have whole seconds.
    let term = SignedDuration::try_from(TERM)? - SignedDuration::from_secs(1);
    let early = Timestamp::from_second(created.as_second())?.duration_since(renewed + term);
    ensure!(!early.is_negative(), "it started {early:?} before the killed holder's lock had ended\n{}", replica.tail());
    arena.until_all("Completed", &[other]).await.with_context(|| replica.tail())?;
    ensure!(Timestamp::now().duration_since(renewed) < SignedDuration::try_from(TERM + PATIENCE)?, "it took too long");
    arena.close()
}
