//! Scenarios in virtual time: the real controller, ledger, engine and embedded cluster on one thread, under a clock that
//! stands still while anything is under way and leaps to the next timer when nothing is.
//!
//! No sockets, no files, no other threads: the API is called in process, the ledger writes in memory, evaluations run
//! inline under fuel alone.

pub mod clock;
pub mod faults;
pub mod lag;
pub mod stage;
pub mod workshop;

use anyhow::Context as _;

use self::stage::Stage;
use self::workshop::Workshop;
use crate::scenario::model::Scenario;
use crate::scenario::play::{Golden, Play};

/// The namespace of every virtual run: each has a cluster of its own.
pub const NAMESPACE: &str = "kubernaut-system";

/// Plays a scenario on a stage of its own and settles its transcript.
pub fn play(workshop: &Workshop, scenario: &Scenario, golden: Golden) -> anyhow::Result<()> {
    run(async {
        let stage = Stage::open(workshop, scenario)?;
        let play = Play::prepare(scenario, stage.client(), NAMESPACE.to_owned()).await?.on(stage.clone());
        let played = match play.play().await {
            Ok(()) => play.settle(golden).await,
            Err(error) => Err(error),
        };
        let ended = stage.close().await;
        played.and(ended).with_context(|| format!("=== {}", scenario.name))
    })
}

/// Runs a future to its end on this thread, in virtual time.
pub fn run<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(future)
}
