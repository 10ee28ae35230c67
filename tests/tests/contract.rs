//! What the embedded cluster promises, held against the real API server: each case runs on both.

#[path = "contract/target.rs"]
mod target;

#[path = "contract/discovery.rs"]
mod discovery;
#[path = "contract/lists.rs"]
mod lists;
#[path = "contract/outside.rs"]
mod outside;
#[path = "contract/refusals.rs"]
mod refusals;
#[path = "contract/removal.rs"]
mod removal;
#[path = "contract/watches.rs"]
mod watches;
#[path = "contract/writes.rs"]
mod writes;

use std::pin::Pin;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use target::Target;
use trimtab_tests::cluster::{Cluster, ClusterKind, leaves_out_real};

type Case = fn(Arc<Target>) -> Pin<Box<dyn Future<Output = Result<()>> + Send>>;

macro_rules! cases {
    ($($module:ident::$case:ident),+ $(,)?) => {
        [$((stringify!($case), (|target| Box::pin($module::$case(target))) as Case)),+]
    };
}

/// Every "in" line of the fence.
const CASES: [(&str, Case); 24] = cases![
    discovery::groups_and_kinds_are_discovered,
    discovery::the_kinds_are_described,
    discovery::a_table_has_the_printer_columns,
    lists::a_list_is_cut_into_pages,
    lists::labels_select,
    lists::declared_fields_select_and_others_are_refused,
    watches::a_watch_resumes_where_it_was,
    watches::a_watch_has_bookmarks,
    watches::a_watch_from_too_long_ago_is_told_so,
    watches::a_watch_can_send_the_initial_events,
    writes::create_fills_what_is_the_servers,
    writes::put_replaces_and_needs_the_version,
    writes::merge_patches_change_and_remove,
    writes::json_patches_are_applied_in_order,
    writes::status_and_spec_are_written_apart,
    writes::a_stale_version_is_a_conflict,
    writes::the_generation_counts_changes_of_the_spec,
    writes::unknown_fields_are_pruned_or_refused,
    writes::defaults_are_filled_in,
    refusals::enums_patterns_and_types_are_validated,
    refusals::what_is_missing_and_what_exists_is_told,
    removal::children_are_collected_in_the_background,
    removal::a_finalizer_keeps_an_object,
    removal::events_and_leases_are_served,
];

async fn run(kind: ClusterKind) -> Result<()> {
    let cluster = Cluster::start(kind).await?;
    let mut failures = Vec::new();
    let mut running = tokio::task::JoinSet::new();
    for (name, case) in CASES {
        let target = Arc::new(Target::new(&cluster).await?);
        running.spawn(async move { case(target).await.with_context(|| name.to_owned()) });
    }
    while let Some(done) = running.join_next().await {
        match done {
            Ok(Ok(())) => {}
            Ok(Err(error)) => failures.push(format!("{error:#}")),
            Err(panic) => failures.push(panic.to_string()),
        }
    }
    ensure!(failures.is_empty(), "on the {}:\n{}", kind.name(), failures.join("\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_cluster_keeps_the_contract() -> Result<()> {
    run(ClusterKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_api_server_keeps_the_contract() -> Result<()> {
    if leaves_out_real("the contract") {
        return Ok(());
    }
    run(ClusterKind::Real).await
}

#[tokio::test]
async fn what_is_outside_the_fence_is_refused_by_name() -> Result<()> {
    let cluster = Cluster::start(ClusterKind::Embedded).await?;
    outside::refused_by_name(&Target::new(&cluster).await?).await
}
