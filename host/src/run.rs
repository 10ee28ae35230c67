//! `trimtab run`: the controller against a cluster.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::sync::{oneshot, watch};
use trimtab_controller::{BrakesConfig, ControllerConfig, ControllerError, Metrics, Offload, SystemClock, connect};
use trimtab_core::settings::Settings;
use trimtab_core::time::Span;
use trimtab_ledger::{RetentionSettings, SqliteLedger, StoreSettings};
use trimtab_policy_engine::{CacheConfig, EngineConfig};

use crate::cli::RunArguments;
use crate::engine_metrics::EngineMetrics;
use crate::policies::Slotted;
use crate::{audit_trail, bad_input, logging, paths, serve};

/// Instances that can live at once for each worker: one for each slot, and one to spare while one is dropped.
const INSTANCES_PER_WORKER: u32 = 4;

/// Runs until told to stop.
pub(crate) async fn main(arguments: RunArguments) -> anyhow::Result<()> {
    logging::start(&arguments.log)?;
    if paths::is_in_cluster() && arguments.data.is_none() {
        return Err(bad_input(anyhow::anyhow!(
            "in a cluster --data is required: name a folder on a volume that stays"
        )));
    }
    let data = paths::data(arguments.data.as_deref())?;
    let settings: Settings = arguments.settings.as_deref().map(paths::read_document).transpose()?.unwrap_or_default();
    let listeners = serve::bind(arguments.metrics_address, arguments.health_address).await?;
    let retention = RetentionSettings {
        bytes_max: arguments.audit.ledger_mib << 20,
        age_max: Span::from_secs(arguments.audit.ledger_days * 24 * 3600),
    };
    let has_receiver = arguments.audit.datastorage_url.is_some();
    let ledger =
        Arc::new(SqliteLedger::open(&data, StoreSettings { retention, has_receiver, ..StoreSettings::default() })?);
    let key = paths::cache_key(&data)?;
    let engine = EngineConfig {
        cache: paths::cache(&key).map(|folder| CacheConfig::new(folder, key)),
        instances: u32::from(arguments.workers) * INSTANCES_PER_WORKER,
        ..EngineConfig::default()
    };
    let policies = Arc::new(Slotted::load(&arguments.policies, engine, settings.clone(), Arc::clone(&ledger))?);
    let (trail, delivery) = audit_trail::open(&arguments.audit, &ledger)?;
    let target = kubeconfig(arguments.kubeconfig.as_deref()).await?;
    let address = target.cluster_url.to_string();
    let client = connect(target)?;
    let (ready_sender, ready) = watch::channel(false);
    let (swap_sender, swapped) = watch::channel(0);
    let brakes = BrakesConfig::of(&arguments.namespace);
    let metrics = metrics(&policies, &trail, &brakes);
    serve::spawn(listeners, metrics.clone(), ready, trail);
    let (drain, drained) = oneshot::channel::<()>();
    let delivering = delivery.map(|delivery| {
        let stop = async {
            let _ = drained.await;
        };
        tokio::spawn(delivery.run(stop))
    });
    tokio::spawn(Arc::clone(&policies).follow(swap_sender));
    let config = ControllerConfig {
        namespace: (!arguments.all_namespaces).then_some(arguments.namespace),
        workers: arguments.workers,
        settings,
        policies,
        ledger,
        clock: Arc::new(SystemClock),
        offload: Offload::BlockingPool,
        metrics,
        brakes,
        swapped,
        ready: ready_sender,
    };
    tracing::info!(data = %data.display(), namespace = config.namespace.as_deref().unwrap_or("(all)"), "running");
    let stopped = trimtab_controller::run(client, config, stop_signal(arguments.exit_on_stdin_close)).await;
    // After the last step: its events go out too.
    drop(drain);
    if let Some(delivering) = delivering {
        delivering.await.context("the delivery of audit events ended early")?;
    }
    match stopped {
        Ok(()) => {
            tracing::info!("stopped");
            Ok(())
        }
        Err(error @ ControllerError::NotInstalled) => Err(bad_input(error)),
        Err(error @ ControllerError::Unreachable(_)) => Err(error)
            .with_context(|| format!("the API server {address} does not answer; is it up, is the kubeconfig right")),
    }
}

/// The controller's metrics, and those of what it works with.
fn metrics(policies: &Slotted, trail: &audit_trail::AuditTrail, brakes: &BrakesConfig) -> Metrics {
    let engine = EngineMetrics(policies.engine().clone());
    Metrics::with(vec![Box::new(engine), Box::new(trail.clone()), Box::new(brakes.metrics.clone())])
}

/// The cluster's address and credentials.
pub(crate) async fn kubeconfig(file: Option<&Path>) -> anyhow::Result<kube::Config> {
    let Some(file) = file else {
        return kube::Config::infer()
            .await
            .context("no cluster is known; give one with --kubeconfig, or try `trimtab cluster`")
            .map_err(bad_input);
    };
    let read = Kubeconfig::read_from(file)
        .with_context(|| format!("cannot read the kubeconfig {}", file.display()))
        .map_err(bad_input)?;
    kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
        .await
        .with_context(|| format!("the kubeconfig {} cannot be used", file.display()))
        .map_err(bad_input)
}

/// Resolves on SIGTERM, on Ctrl-C and, if asked, when standard input ends.
pub(crate) fn stop_signal(exit_on_stdin_close: bool) -> impl Future<Output = ()> + Send + Sync + 'static {
    let (sender, mut receiver) = watch::channel(false);
    tokio::spawn(async move {
        let stdin_closed = async {
            if exit_on_stdin_close {
                let mut input = tokio::io::stdin();
                let _ = tokio::io::copy(&mut input, &mut tokio::io::sink()).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = stdin_closed => {}
            () = terminated() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        sender.send_replace(true);
    });
    async move {
        // The sender lives until it has sent.
        let _ = receiver.wait_for(|stopped| *stopped).await;
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be heard; use Ctrl-C");
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending::<()>().await;
}
