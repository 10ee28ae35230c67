//! Killing `trimtab run` and `trimtab cluster` at seeded moments: the outcomes are those of an undisturbed run.

#[path = "crash/campaign.rs"]
mod campaign;
#[path = "crash/ledger.rs"]
mod ledger;

use anyhow::Result;

use campaign::{Campaign, compare};
use trimtab_fake_datastorage::Ids;

/// The bounded campaign of every test run.
const SMALL: Campaign =
    Campaign { seed: 7, remediations: 10, run_kills: 6, cluster_kills: 2, gap_ms: (300, 1_200), ids: Ids::Theirs };

/// The full campaign.
const FULL: Campaign =
    Campaign { seed: 11, remediations: 120, run_kills: 200, cluster_kills: 10, gap_ms: (300, 1_500), ids: Ids::Ours };

/// The same where the receiver gives ids of its own, so that what was sent twice is there twice.
const FULL_WITH_THEIR_IDS: Campaign = Campaign { ids: Ids::Theirs, ..FULL };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_nothing_and_double_nothing() -> Result<()> {
    eprintln!("{}", compare(&SMALL).await?.delivered(&SMALL));
    Ok(())
}

/// `cargo test -p trimtab-tests --test crash -- --ignored --nocapture full_campaign` rewrites `tests/results/crash.md`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; rewrites tests/results/crash.md"]
async fn full_campaign() -> Result<()> {
    let report = compare(&FULL).await?;
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("results/crash.md");
    let theirs = compare(&FULL_WITH_THEIR_IDS).await?.delivered(&FULL_WITH_THEIR_IDS);
    let page = format!("{}\n## With ids of the receiver\n\nThe same once more. {theirs}\n", report.markdown(&FULL));
    std::fs::write(&file, &page)?;
    eprintln!("{page}");
    Ok(())
}
