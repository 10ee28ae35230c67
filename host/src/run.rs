//! `trimtab run`: the controller against a cluster.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use trimtab_controller::beside::Stance;
use trimtab_controller::{
    Beside, BrakesConfig, ControllerConfig, ControllerError, Metrics, Offload, PolicyObjects, SettingsInForce,
    SystemClock, connect, connect_read_only,
};
use trimtab_core::settings::Settings;
use trimtab_core::time::Span;
use trimtab_ledger::delivery::{Delivery, Drained};
use trimtab_ledger::{RetentionSettings, SqliteLedger, StoreSettings};
use trimtab_policy_engine::EngineConfig;

use crate::cli::{AuditArguments, RunArguments};
use crate::config::{Configuration, InForce};
use crate::engine_metrics::EngineMetrics;
use crate::observe::Journal;
use crate::policies::{Book, ClusterReader, Origins, SetMetrics, Slotted, Trust};
use crate::stop::stop_signal;
use crate::{audit_trail, bad_input, compile, config, logging, paths, serve};

/// Instances that can live at once for each worker: one for each slot, and one to spare while one is dropped.
const INSTANCES_PER_WORKER: u32 = 4;

/// The namespace of Kubernaut's own services.
const STANDARD_NAMESPACE: &str = "kubernaut-system";

/// Runs until told to stop.
pub(crate) async fn main(arguments: RunArguments) -> anyhow::Result<()> {
    let seen = arguments.config.as_deref().map(config::look);
    let configuration = arguments.config.as_deref().map(Configuration::read).transpose()?.unwrap_or_default();
    let level = logging::start(&arguments.log, &configuration)?;
    if let Some(file) = &arguments.config {
        configuration.announce(file);
    }
    let data = data(&arguments)?;
    let settings_over = settings_over(arguments.settings.as_deref())?;
    let settings = configuration.settings(&settings_over)?;
    let listeners = serve::bind(
        arguments.metrics_address.or(configuration.metrics_address),
        arguments.health_address.or(configuration.health_address),
    )
    .await?;
    // A process that only looks on sends nothing, not even what an earlier run has left.
    let has_receiver = !arguments.observe && audit_trail::receiver(&arguments.audit, &configuration).is_some();
    let ledger = open_ledger(&arguments.audit, &data, has_receiver)?;
    let target = kubeconfig(arguments.kubeconfig.as_deref()).await?;
    let address = target.cluster_url.to_string();
    let client = if arguments.observe { connect_read_only(target)? } else { connect(target)? };
    let (watched, home) = namespaces(&arguments, &configuration);
    let below = (configuration.policy.clone(), settings.clone());
    let chosen = (&arguments.policies, origins(&arguments, &home, &client)?);
    let policies = Arc::new(Slotted::load(chosen, engine(&arguments, &data)?, below, Arc::clone(&ledger))?);
    let history = audit_trail::history(&arguments.audit, &configuration, &ledger)?;
    let (trail, delivery) = audit_trail::open(&arguments.audit, has_receiver.then_some(&configuration), &ledger)?;
    let (ready_sender, ready) = watch::channel(false);
    let swaps = policies.swaps().clone();
    let swapped = swaps.subscribe();
    let brakes = BrakesConfig::of(&home);
    let beside = beside(&arguments, &data)?;
    let metrics = metrics(&policies, &trail, (&brakes, &beside));
    serve::spawn(listeners, metrics.clone(), ready.clone(), (trail, Arc::clone(&policies)));
    let (drain, delivering) = deliver(delivery);
    let policies_in_force = follow_policies(&policies, &arguments, (&client, home), ready);
    let settings = SettingsInForce::from(settings);
    if let Some((file, seen)) = arguments.config.zip(seen) {
        let level = arguments.log.log.is_none().then_some(level);
        let (settings, policies) = (settings.clone(), Arc::clone(&policies));
        let in_force = InForce { file, seen, configuration, settings_over, settings, policies, level, swapped: swaps };
        tokio::spawn(config::follow(in_force));
    }
    let config = ControllerConfig {
        namespaces: watched,
        workers: arguments.workers,
        settings,
        policies,
        ledger,
        history,
        clock: Arc::new(SystemClock),
        offload: Offload::BlockingPool,
        metrics,
        brakes,
        beside,
        policies_in_force,
        swapped,
        ready: ready_sender,
    };
    let namespaces = if config.namespaces.is_empty() { "(all)".to_owned() } else { config.namespaces.join(",") };
    let stop = stop_signal(arguments.exit_on_stdin_close);
    tracing::info!(data = %data.display(), namespace = namespaces, observe = arguments.observe, "running");
    let running = trimtab_controller::run(client, config, stop);
    let stopped = Box::pin(running).await;
    // After the last step: its events go out too.
    drop(drain);
    if let Some(delivering) = delivering {
        delivering.await.context("the delivery of audit events ended early")?;
    }
    ended(stopped, &address)
}

/// Where policy sets come from.
fn origins(arguments: &RunArguments, home: &str, client: &kube::Client) -> anyhow::Result<Origins> {
    Ok(Origins {
        documents: arguments.policies_folder.clone(),
        files: arguments.policy_files.clone(),
        namespace: home.to_owned(),
        cluster: ClusterReader(client.clone()),
        trust: Trust::read(arguments.policy_trust.as_deref())?,
    })
}

/// Follows what policies are made from: files, and the objects of the cluster where no folder takes their place. The result is
/// true once all of them are in force.
fn follow_policies(
    policies: &Arc<Slotted>,
    arguments: &RunArguments,
    (client, namespace): (&kube::Client, String),
    ready: watch::Receiver<bool>,
) -> watch::Receiver<bool> {
    tokio::spawn(Arc::clone(policies).follow());
    let has_folder = arguments.policies_folder.is_some();
    let (sender, in_force) = watch::channel(has_folder);
    if !has_folder {
        let objects = PolicyObjects {
            book: Arc::new(Book::new(Arc::clone(policies))),
            namespace,
            writes: !arguments.observe,
            clock: Arc::new(SystemClock),
            swapped: policies.swaps().clone(),
            ready,
        };
        tokio::spawn(objects.follow(client.clone(), sender));
    }
    in_force
}

/// The folder of the ledger; in a cluster it has to be named, since what is not a volume is lost.
fn data(arguments: &RunArguments) -> anyhow::Result<PathBuf> {
    if paths::is_in_cluster() && arguments.data.is_none() {
        return Err(bad_input(anyhow::anyhow!(
            "in a cluster --data is required: name a folder on a volume that stays"
        )));
    }
    paths::data(arguments.data.as_deref())
}

/// Delivers until the sender is dropped.
fn deliver(delivery: Option<Delivery>) -> (oneshot::Sender<()>, Option<JoinHandle<Drained>>) {
    let (drain, drained) = oneshot::channel::<()>();
    let stop = async {
        let _ = drained.await;
    };
    (drain, delivery.map(|delivery| tokio::spawn(delivery.run(stop))))
}

/// How the run ended, as the process does.
fn ended(stopped: Result<(), ControllerError>, address: &str) -> anyhow::Result<()> {
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

/// What `--settings` says; only what it names comes before the config file.
fn settings_over(file: Option<&Path>) -> anyhow::Result<serde_json::Value> {
    let Some(file) = file else { return Ok(serde_json::Value::Null) };
    // Read as settings first: a fault is told with its place.
    let _: Settings = paths::read_document(file)?;
    paths::read_document(file)
}

fn open_ledger(arguments: &AuditArguments, data: &Path, has_receiver: bool) -> anyhow::Result<Arc<SqliteLedger>> {
    let retention = RetentionSettings {
        bytes_max: arguments.ledger_mib << 20,
        age_max: Span::from_secs(arguments.ledger_days * 24 * 3600),
    };
    let store = StoreSettings { retention, has_receiver, ..StoreSettings::default() };
    Ok(Arc::new(SqliteLedger::open(data, store)?))
}

fn engine(arguments: &RunArguments, data: &Path) -> anyhow::Result<EngineConfig> {
    Ok(EngineConfig {
        cache: compile::cache(data)?,
        compiler: compile::apart(data),
        instances: u32::from(arguments.workers) * INSTANCES_PER_WORKER,
        ..EngineConfig::default()
    })
}

/// The namespaces to watch, none for all of them, and that of the controller.
fn namespaces(arguments: &RunArguments, configuration: &Configuration) -> (Vec<String>, String) {
    let named = if arguments.namespaces.is_empty() { &configuration.namespaces } else { &arguments.namespaces };
    let mut watched: Vec<String> = Vec::new();
    for name in named {
        if !watched.contains(name) {
            watched.push(name.clone());
        }
    }
    let home = arguments.controller_namespace.clone().or_else(|| watched.first().cloned());
    let home = home.unwrap_or_else(|| STANDARD_NAMESPACE.to_owned());
    if arguments.all_namespaces {
        watched.clear();
    } else if watched.is_empty() {
        watched.push(home.clone());
    }
    (watched, home)
}

/// How it stands to another orchestrator.
fn beside(arguments: &RunArguments, data: &Path) -> anyhow::Result<Beside> {
    let stance = if arguments.observe {
        Stance::Observe(Arc::new(Journal::open(data)?))
    } else {
        Stance::Act { take_over: arguments.take_over.clone() }
    };
    Ok(Beside { stance, ..Beside::default() })
}

/// The controller's metrics, and those of what it works with.
fn metrics(policies: &Arc<Slotted>, trail: &audit_trail::AuditTrail, rest: (&BrakesConfig, &Beside)) -> Metrics {
    let engine = EngineMetrics(policies.engine().clone());
    let (brakes, beside) = (rest.0.metrics.clone(), rest.1.metrics.clone());
    let sets = SetMetrics(Arc::clone(policies));
    Metrics::with(vec![Box::new(engine), Box::new(sets), Box::new(trail.clone()), Box::new(brakes), Box::new(beside)])
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
