//! One virtual run: a cluster in memory, a ledger in memory, and a controller that can be killed and started again.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::future::pending;
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use kube::Client;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use trimtab_controller::{ControllerConfig, ControllerError, Metrics, Offload};
use trimtab_core::settings::Settings;
use trimtab_embedded_cluster::{ClusterConfig, EmbeddedCluster, WallClock};
use trimtab_ledger::SqliteLedger;
use trimtab_ledger::outbox::Outbox as _;

use super::clock::VirtualClock;
use super::faults::{FaultLaw, Faulty};
use super::lag::Lag;
use super::workshop::{Inline, Workshop};
use crate::cluster::target_namespace;
use crate::scenario::model::Scenario;

/// Audit events read at once: more than any scenario has.
const EVENTS_MAX: usize = 100_000;

/// Remediations worked on at once.
const WORKERS: u16 = 2;

/// A stage; clones share it.
#[derive(Clone)]
pub struct Stage(Arc<Parts>);

struct Parts {
    clock: VirtualClock,
    cluster: EmbeddedCluster,
    /// The API as the controller reaches it.
    api: Faulty,
    ledger: Arc<SqliteLedger>,
    policies: Inline,
    settings: Settings,
    life: Mutex<Life>,
}

/// The present controller.
struct Life {
    task: JoinHandle<Result<(), ControllerError>>,
    metrics: Metrics,
    // A controller whose policies cannot be swapped any more would have nothing to wait for.
    _swapped: watch::Sender<u64>,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").field("clock", &self.0.clock).field("ledger", &self.0.ledger).finish_non_exhaustive()
    }
}

impl Stage {
    /// Sets the stage for a scenario, and starts its controller.
    pub fn open(workshop: &Workshop, scenario: &Scenario) -> anyhow::Result<Self> {
        let clock = VirtualClock::start();
        let config = ClusterConfig {
            crds: workshop.crds(),
            namespaces: vec![target_namespace()],
            clock: WallClock::new(move || clock.timestamp()),
            seed: Some(seed(&scenario.name)),
            ..ClusterConfig::default()
        };
        let cluster = EmbeddedCluster::open(config).context("open an embedded cluster")?;
        let policy_config = scenario.policy_config.as_ref().map_or_else(String::new, ToString::to_string);
        let settings = if scenario.settings.is_null() {
            Settings::default()
        } else {
            serde_json::from_value(scenario.settings.clone()).context("the scenario's settings")?
        };
        let api = Faulty { inner: cluster.service(), faults: Arc::default(), lag: Arc::default() };
        let ledger = Arc::new(SqliteLedger::in_memory()?);
        let policies = workshop.policies(&policy_config)?;
        let life = Mutex::new(begin(clock, &api, &ledger, &policies, &settings));
        Ok(Self(Arc::new(Parts { clock, cluster, api, ledger, policies, settings, life })))
    }

    /// A client beside the controller's, whose requests never fail.
    pub fn client(&self) -> Client {
        self.0.cluster.client()
    }

    /// The present of this run.
    pub fn now(&self) -> Timestamp {
        self.0.clock.timestamp()
    }

    /// Lets requests of the controller fail.
    pub fn fail(&self, law: FaultLaw) {
        self.0.api.faults.add(law);
    }

    /// What holds the controller's watches back.
    pub fn lag(&self) -> &Lag {
        &self.0.api.lag
    }

    /// Kills the controller where it stands, and starts another one with the same ledger.
    pub async fn restart(&self) -> anyhow::Result<()> {
        let Parts { clock, api, ledger, policies, settings, .. } = &*self.0;
        let next = begin(*clock, api, ledger, policies, settings);
        let last = std::mem::replace(&mut *self.life(), next);
        end(last).await
    }

    /// Kills the controller where it stands; nobody works until [`Self::restart`].
    pub async fn kill(&self) -> anyhow::Result<()> {
        let none = watch::channel(0).0;
        let idle = Life { task: tokio::spawn(pending()), metrics: Metrics::default(), _swapped: none };
        let last = std::mem::replace(&mut *self.life(), idle);
        end(last).await
    }

    /// The metrics of the present controller, as text.
    pub fn metrics(&self) -> String {
        self.life().metrics.encode()
    }

    /// Every audit event that is to be delivered, in order.
    pub fn audit(&self) -> anyhow::Result<Vec<Value>> {
        let due = self.0.ledger.due(EVENTS_MAX, usize::MAX >> 1)?;
        Ok(due.into_iter().map(|outgoing| outgoing.event.body).collect())
    }

    /// Ends the run. A controller that ended by itself, and a law that never struck, are faults.
    pub async fn close(&self) -> anyhow::Result<()> {
        let unused = self.0.api.faults.unused();
        let (clock, none) = (self.0.clock, watch::channel(0).0);
        let idle = Life { task: tokio::spawn(pending()), metrics: Metrics::default(), _swapped: none };
        let last = std::mem::replace(&mut *self.life(), idle);
        end(last).await.with_context(|| format!("at {}", clock.timestamp()))?;
        self.0.cluster.close();
        ensure!(unused.is_empty(), "requests that were to fail did not come: {}", unused.join(", "));
        Ok(())
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.0.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn begin(
    clock: VirtualClock,
    api: &Faulty,
    ledger: &Arc<SqliteLedger>,
    policies: &Inline,
    settings: &Settings,
) -> Life {
    let client = Client::new(api.clone(), "default");
    let (sender, swapped) = watch::channel(0);
    let metrics = Metrics::default();
    let config = ControllerConfig {
        namespaces: Vec::new(),
        workers: WORKERS,
        settings: settings.clone().into(),
        policies: Arc::new(policies.clone()),
        ledger: Arc::clone(ledger) as _,
        history: Arc::new(trimtab_ledger::LedgerHistory::of(Arc::clone(ledger))),
        clock: Arc::new(clock),
        offload: Offload::Inline,
        metrics: metrics.clone(),
        brakes: trimtab_controller::brakes::BrakesConfig::of("kubernaut-system"),
        beside: trimtab_controller::Beside::default(),
        policies_in_force: watch::channel(true).1,
        swapped,
        ready: watch::channel(false).0,
    };
    Life { task: tokio::spawn(trimtab_controller::run(client, config, pending())), metrics, _swapped: sender }
}

async fn end(life: Life) -> anyhow::Result<()> {
    life.task.abort();
    match life.task.await {
        Err(error) if error.is_cancelled() => Ok(()),
        Err(error) => Err(error).context("the controller panicked"),
        Ok(Ok(())) => anyhow::bail!("the controller ended by itself"),
        Ok(Err(error)) => Err(error).context("the controller ended by itself"),
    }
}

/// Uids differ from scenario to scenario, and not from run to run.
fn seed(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}
