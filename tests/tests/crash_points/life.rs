//! A scenario played to its end by a controller that may be struck once on the way.

use std::collections::BTreeMap;
use std::future::pending;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use kube::client::ClientBuilder;
use kube::{Client, Config};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower::buffer::BufferLayer;
use trimtab_controller::{ControllerConfig, Metrics, Offload};
use trimtab_core::ports::Ledger as _;
use trimtab_core::settings::Settings;
use trimtab_ledger::{SqliteLedger, StoreSettings};
use trimtab_policy_engine::{BUILTIN, Component, Engine, EngineConfig, Limits, PolicySet};
use trimtab_tests::cluster::Cluster;
use trimtab_tests::process::PATIENCE;
use trimtab_tests::scenario::model::{Scenario, Step};
use trimtab_tests::scenario::play::{Golden, Play};
use trimtab_tests::virtual_time::workshop::Inline;

use crate::mortal::{Blow, Fate, MortalClock, MortalLayer, MortalLedger};
use crate::trail::Trail;

/// How long nothing may change before a performance without a golden counts as over.
const QUIET: Duration = Duration::from_secs(1);

/// Requests that may wait for the connection at once.
const REQUESTS_WAITING_MAX: usize = 256;

/// What every performance shares.
#[derive(Debug)]
pub(crate) struct Workshop {
    cluster: Cluster,
    policy: Arc<Component>,
    /// One set for each config, made when it is first used.
    sets: Mutex<BTreeMap<String, Arc<PolicySet>>>,
}

impl Workshop {
    pub(crate) fn open(cluster: Cluster) -> Result<Self> {
        let engine = Engine::new(EngineConfig { instances: 512, ..EngineConfig::default() })?;
        Ok(Self { cluster, policy: engine.load(BUILTIN, Limits::default())?, sets: Mutex::default() })
    }

    fn policies(&self, scenario: &Scenario) -> Result<Arc<PolicySet>> {
        let config = scenario.policy_config.as_ref().map_or_else(String::new, ToString::to_string);
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = sets.get(&config) {
            return Ok(Arc::clone(set));
        }
        let builtin = self.policy.configure("")?;
        let set = Arc::new(PolicySet::new(builtin)?);
        for slot in trimtab_core::proposal::Slot::ALL {
            set.swap(slot, &self.policy.configure(&config)?)?;
        }
        sets.insert(config, Arc::clone(&set));
        Ok(set)
    }
}

/// What came of a scenario.
#[derive(Debug)]
pub(crate) struct Performance {
    /// Effects of the first life.
    pub(crate) effects: u64,
    /// What the ledger holds in the end.
    pub(crate) trail: Trail,
}

/// What befalls the host, and who goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ordeal {
    /// It dies; another process goes on with its ledger.
    SameLedger,
    /// It dies; another host goes on with an empty ledger. In the end the first one comes back, with its own.
    EmptyLedger,
    /// It stands still while another host with an empty ledger takes over; then it goes on where it stopped.
    Pause,
    /// Its clock steps back; it goes on by itself.
    ClockBack,
}

impl Ordeal {
    const fn blow(self) -> Blow {
        match self {
            Self::SameLedger | Self::EmptyLedger => Blow::Death,
            Self::Pause => Blow::Pause,
            Self::ClockBack => Blow::ClockBack,
        }
    }
}

/// Plays a scenario; the controller is struck after its effect of this number.
pub(crate) async fn perform(
    workshop: &Workshop,
    scenario: &Scenario,
    fatal: Option<u64>,
    ordeal: Ordeal,
) -> Result<Performance> {
    let (folder, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let namespace = workshop.cluster.namespace().await?;
    let play = Play::prepare(scenario, workshop.cluster.client()?, namespace.clone()).await?.disturbed();
    // What an object shows that is deleted depends on who is faster; one that the controller itself removes has
    // shown everything before.
    let deletes = scenario.steps.iter().any(|step| matches!(step, Step::Delete(_)));
    let begin = |folder, fate: &Arc<Fate>| Life::begin(workshop, scenario, &namespace, folder, fate);
    let fate = Fate::new(fatal, ordeal.blow());
    let mut lives = vec![begin(&folder, &fate)?];
    let heirs_folder = if ordeal == Ordeal::SameLedger { &folder } else { &other };
    let follow = async |lives: &mut Vec<Life>| {
        if fate.is_dead() {
            lives.pop().context("nobody died")?.end().await;
        }
        if ordeal != Ordeal::ClockBack {
            lives.push(begin(heirs_folder, &Fate::new(None, ordeal.blow()))?);
        }
        anyhow::Ok(())
    };
    let mut performed = pin!(async {
        play.play().await?;
        // A host that was not there does not publish the Kubernetes events of a step that it takes over, and events are
        // in the order of the clock.
        let is_told_alike = fatal.is_none() || (ordeal == Ordeal::SameLedger && !deletes);
        if is_told_alike {
            return play.settle(Golden::Compare).await;
        }
        let is_at_rest = play.recorder().quiet(QUIET, PATIENCE).await;
        ensure!(is_at_rest, "it does not come to rest");
        Ok(())
    });
    let mut is_followed = false;
    let played = tokio::select! {
        played = &mut performed => played,
        () = fate.struck() => {
            is_followed = true;
            follow(&mut lives).await?;
            performed.await
        }
    };
    fate.wake();
    // The last effects come after what the play waits for, and so does a blow after them.
    let is_settled = tokio::select! {
        () = fate.struck(), if !is_followed => {
            follow(&mut lives).await?;
            fate.wake();
            settled(&lives).await
        }
        is_settled = settled(&lives) => is_settled,
    };
    for life in lives {
        life.end().await;
    }
    fate.end();
    played?;
    is_settled?;
    let mut trail = Trail::default();
    // A host that died and had no heir of its own, and one that was ended in the middle of a step that came to nothing
    // beside the other's: whoever comes next settles it.
    for left in [&folder, &other] {
        if SqliteLedger::path(left.path()).exists() && has_open_steps(left.path())? {
            let life = begin(left, &Fate::new(None, ordeal.blow()))?;
            let settled = life.settled().await;
            life.end().await;
            settled?;
        }
    }
    // A step that came after everything seemed to be at rest: a clock that steps back lets one wait.
    play.recorder().caught_up().await?;
    if heirs_folder.path() != folder.path() && SqliteLedger::path(other.path()).exists() {
        trail.read(other.path(), &play.recorder().seen())?;
    }
    trail.read(folder.path(), &play.recorder().seen())?;
    Ok(Performance { effects: fate.effects(), trail })
}

/// Waits until every step of these is settled.
async fn settled(lives: &[Life]) -> Result<()> {
    for life in lives {
        life.settled().await?;
    }
    Ok(())
}

/// One process, as far as its cluster and its ledger can tell.
struct Life {
    ledger: Arc<MortalLedger>,
    task: JoinHandle<()>,
}

impl Life {
    fn begin(
        workshop: &Workshop,
        scenario: &Scenario,
        namespace: &str,
        folder: &TempDir,
        fate: &Arc<Fate>,
    ) -> Result<Self> {
        let ledger = Arc::new(MortalLedger::new(open_ledger(folder.path())?, Arc::clone(fate)));
        let client = mortal_client(workshop.cluster.config(), fate)?;
        let (swapped_by, swapped) = watch::channel(0);
        let config = ControllerConfig {
            namespaces: vec![namespace.to_owned()],
            workers: 2,
            settings: Settings::default().into(),
            policies: Arc::new(Inline(workshop.policies(scenario)?)),
            ledger: Arc::clone(&ledger) as _,
            history: Arc::new(trimtab_core::ports::NoHistory),
            clock: Arc::new(MortalClock(Arc::clone(fate))),
            offload: Offload::BlockingPool,
            metrics: Metrics::default(),
            brakes: trimtab_controller::brakes::BrakesConfig::of(namespace),
            beside: trimtab_controller::Beside::default(),
            policies_in_force: watch::channel(true).1,
            swapped,
            ready: watch::channel(false).0,
        };
        let task = tokio::spawn(async move {
            let _swapped_by = swapped_by;
            if let Err(error) = Box::pin(trimtab_controller::run(client, config, pending())).await {
                eprintln!("the controller ended: {error}");
            }
        });
        Ok(Self { ledger, task })
    }

    /// Waits until every step is settled.
    async fn settled(&self) -> Result<()> {
        let begun = Instant::now();
        while !self.ledger.open_remediations().is_empty() {
            ensure!(begun.elapsed() < PATIENCE, "steps stay open: {:?}", self.ledger.open_remediations());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Ends at once, whatever is under way.
    async fn end(self) {
        self.task.abort();
        let _ = self.task.await;
        self.ledger.bury();
    }
}

fn has_open_steps(folder: &Path) -> Result<bool> {
    Ok(!open_ledger(folder)?.open_remediations().is_empty())
}

/// Opens the ledger once what a dead process still had under way has let go of it.
fn open_ledger(folder: &Path) -> Result<SqliteLedger> {
    let begun = Instant::now();
    loop {
        match SqliteLedger::open(folder, StoreSettings::default()) {
            Ok(ledger) => return Ok(ledger),
            Err(error) if begun.elapsed() > PATIENCE => return Err(error).context("open the ledger of the dead"),
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

fn mortal_client(config: &Config, fate: &Arc<Fate>) -> Result<Client> {
    let mut config = config.clone();
    config.default_retry = false;
    let builder = ClientBuilder::try_from(config)?.with_layer(&MortalLayer(Arc::clone(fate)));
    Ok(builder.with_layer(&BufferLayer::new(REQUESTS_WAITING_MAX)).build())
}
