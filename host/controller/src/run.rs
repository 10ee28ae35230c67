//! Wires watches, queue and workers, and runs until told to stop.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, Stream, StreamExt as _};
use kube::api::DynamicObject;
use kube::{Client, ResourceExt as _};
use kube_runtime::controller::{Action, Config, Controller};
use kube_runtime::reflector::{self, Store};
use kube_runtime::{WatchStreamExt as _, watcher};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::Instrument as _;
use trimtab_api::Kind;
use trimtab_core::json::text;
use trimtab_core::plan::Plan;
use trimtab_core::ports::{Clock, History, Ledger, Settlement};

use crate::backoff::Backoff;
use crate::beside::{self, Beside, Standing};
use crate::brakes::{BrakesConfig, Caches, Gate};
use crate::cluster::Cluster;
use crate::discovery::Discovery;
use crate::errors;
use crate::events::Events;
use crate::finish::Finishing;
use crate::metrics::Metrics;
use crate::offload::Offload;
use crate::ports::Policies;
use crate::reconcile::{Context, ReconcileError, reconcile};
use crate::routing::Routing;
use crate::settings_in_force::SettingsInForce;
use crate::tries::Tries;
use crate::written::Written;

mod namespaces;

/// Objects in one page of a list.
const PAGE_SIZE: u32 = 250;

/// The kinds that steps create, and whose changes wake their remediation.
pub(crate) const CHILDREN: [Kind; 6] = [
    Kind::SignalProcessing,
    Kind::AIAnalysis,
    Kind::RemediationApprovalRequest,
    Kind::WorkflowExecution,
    Kind::EffectivenessAssessment,
    Kind::NotificationRequest,
];

/// How often is looked for open steps of remediations that are gone.
const SWEEP_PERIOD: Duration = Duration::from_secs(5);

/// How often old records are removed from the ledger.
const TIDY_PERIOD: Duration = Duration::from_mins(10);

/// What the controller runs with.
#[derive(Debug)]
pub struct ControllerConfig {
    /// Namespaces to watch; none for all.
    pub namespaces: Vec<String>,
    /// Remediations worked on at once, at least 1.
    pub workers: u16,
    /// The administrator's settings.
    pub settings: SettingsInForce,
    /// The policies in force.
    pub policies: Arc<dyn Policies>,
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// What was done to objects before.
    pub history: Arc<dyn History>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where work runs that would hold up the watches.
    pub offload: Offload,
    /// The metrics.
    pub metrics: Metrics,
    /// Where the brakes are.
    pub brakes: BrakesConfig,
    /// How it stands to another orchestrator.
    pub beside: Beside,
    /// Wakes every remediation whenever it changes: a policy was swapped.
    pub swapped: watch::Receiver<u64>,
    /// Told true once every remediation is known.
    pub ready: watch::Sender<bool>,
}

/// Why the controller could not run.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// The API server cannot be reached, or refuses.
    #[error("cannot list remediations: {0}")]
    Unreachable(#[source] kube::Error),
    /// The CRDs are not there.
    #[error("the cluster has no RemediationRequest kind: install the CRDs with `trimtab crds | kubectl apply -f -`")]
    NotInstalled,
}

/// Runs until `stop` resolves, then lets the reconciles in flight come to their end. Before every remediation is known
/// none is in flight, so then it ends at once.
pub async fn run(
    client: Client,
    config: ControllerConfig,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) -> Result<(), ControllerError> {
    let stop = stop.shared();
    tokio::select! {
        checked = namespaces::check(&client, &config.namespaces) => checked?,
        () = stop.clone() => return Ok(()),
    }
    let gate = Gate::new(config.brakes.clone(), client.clone(), Arc::clone(&config.clock), &config.settings.now());
    tokio::select! {
        () = gate.read_first() => {}
        () = stop.clone() => return Ok(()),
    }
    let resource = Kind::RemediationRequest.api_resource();
    let routing = Routing::new(&client, &config);
    let memory = Memory::new(Arc::clone(&gate), Arc::clone(&routing), &config);
    let discovery = Arc::new(Discovery::new(client.clone()));
    let (remediations, changes) = cached(&client, Kind::RemediationRequest, &config, memory.clone(), &discovery);
    let mut stores = HashMap::from([(Kind::RemediationRequest, remediations.clone())]);
    let mut controller = Controller::for_stream_with(changes, remediations.clone(), resource)
        .with_config(Config::default().concurrency(config.workers.max(1)))
        .graceful_shutdown_on(stop.clone());
    for kind in CHILDREN {
        let (store, changes) = cached(&client, kind, &config, memory.clone(), &discovery);
        stores.insert(kind, store);
        controller = controller.owns_stream_with(changes, kind.api_resource());
    }
    controller =
        controller.reconcile_all_on(swaps(config.swapped.clone())).reconcile_all_on(swaps(discovery.changes()));
    controller = controller.reconcile_on(gate.wakes()).reconcile_on(routing.wakes());
    if let Some(signals) = stores.get(&Kind::SignalProcessing) {
        gate.connect(Caches { remediations: remediations.clone(), signals: signals.clone() });
    }
    announce(remediations.clone(), config.ready, memory.clone());
    let tidied = memory.clone();
    let finishing = Arc::clone(&memory.finishing);
    let context = Arc::new(Context {
        events: Events::new(client.clone()),
        cluster: Cluster::new(client, stores, memory.written, Arc::clone(&discovery)),
        policies: config.policies,
        ledger: config.ledger,
        clock: config.clock,
        offload: config.offload,
        settings: config.settings,
        metrics: config.metrics,
        backoff: memory.backoff,
        tries: memory.tries,
        gate: memory.gate,
        routing: memory.routing,
        beside: memory.beside,
        finishing: memory.finishing,
    });
    let reconciled = controller.run(work, |object, error, context| wait(&object, error, &context), context).for_each(
        |result| async move {
            if let Err(error) = result {
                tracing::debug!(%error, "reconcile ended with an error");
            }
        },
    );
    tokio::select! {
        () = reconciled => {}
        () = stopped_early(stop, remediations.clone()) => {}
        () = tidy(remediations, tidied) => {}
        () = discovery.keep_looking() => {}
        () = gate.follow() => {}
        () = routing.follow() => {}
    }
    finishing.wait_all().await;
    routing.end().await;
    Ok(())
}

/// Resolves if the stop comes before every remediation is known: a controller that is told to end then waits for ever,
/// because its watches, which would tell it, have ended first.
async fn stopped_early(stop: impl Future<Output = ()>, remediations: Store<DynamicObject>) {
    stop.await;
    if remediations.wait_until_ready().now_or_never().is_some() {
        std::future::pending::<()>().await;
    }
}

/// What is remembered of remediations, to be forgotten when they are gone.
#[derive(Clone)]
struct Memory {
    gate: Arc<Gate>,
    routing: Arc<Routing>,
    written: Arc<Written>,
    backoff: Arc<Backoff>,
    tries: Arc<Tries>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    finishing: Arc<Finishing>,
    offload: Offload,
    beside: Arc<Standing>,
}

impl Memory {
    fn new(gate: Arc<Gate>, routing: Arc<Routing>, config: &ControllerConfig) -> Self {
        Self {
            gate,
            routing,
            written: Arc::default(),
            backoff: Arc::default(),
            tries: Arc::default(),
            ledger: Arc::clone(&config.ledger),
            clock: Arc::clone(&config.clock),
            finishing: Arc::default(),
            offload: config.offload,
            beside: Arc::new(Standing::new(config.beside.clone())),
        }
    }

    /// An object is gone. What a remediation had open in the ledger cannot be known any more.
    fn forget(&self, kind: Kind, object: &DynamicObject) {
        self.written.forget(&(kind, object.namespace().unwrap_or_default(), object.name_any()));
        if kind == Kind::RemediationRequest {
            let uid = object.uid().unwrap_or_default();
            self.backoff.forget(&uid);
            self.tries.forget(&uid);
            self.gate.forget(&uid);
            self.routing.forget(&uid);
            self.beside.forget(&uid);
            let is_shown =
                |plan: Plan| trimtab_api::mapping::record(&object.data).is_ok_and(|record| plan.is_shown_by(&record));
            let is_done = self.ledger.unsettled(&uid).is_some_and(is_shown);
            self.conclude(&uid, if is_done { Settlement::Confirmed } else { Settlement::Unknown });
        }
    }

    /// Settles what was left open of a remediation that is gone.
    fn conclude(&self, uid: &str, settlement: Settlement) {
        let (ledger, at, uid) = (Arc::clone(&self.ledger), self.clock.now(), uid.to_owned());
        // Not on the watch's task: a slow disk must not hold it up.
        self.offload.spawn(move || {
            // One that was to be deleted is: its absence is what the step leaves behind.
            let is_removed = ledger.unsettled(&uid).is_some_and(|open| open.is_removal());
            let settlement = if is_removed { Settlement::Confirmed } else { settlement };
            // The second one finds nothing open, and says that the remediation is gone.
            let settled =
                ledger.settle(&uid, &settlement, at).and_then(|()| ledger.settle(&uid, &Settlement::Unknown, at));
            if let Err(error) = settled {
                tracing::warn!(uid, %error, "an open step of a deleted remediation could not be settled");
            }
        });
    }
}

type Changes = std::pin::Pin<Box<dyn Stream<Item = Result<DynamicObject, watcher::Error>> + Send>>;

/// A cache of one kind and the stream of its changes. A kind that is not installed yields errors only: the
/// remediations that need it wait, the others go on.
fn cached(
    client: &Client,
    kind: Kind,
    config: &ControllerConfig,
    memory: Memory,
    discovery: &Arc<Discovery>,
) -> (Store<DynamicObject>, Changes) {
    let writer = reflector::store::Writer::new(kind.api_resource());
    let store = writer.as_reader();
    let metrics = config.metrics.clone();
    let (beside, clock, before) = (Arc::clone(&memory.beside), Arc::clone(&memory.clock), store.clone());
    let changes = namespaces::changes(client, kind, &config.namespaces, &store, discovery)
        .inspect(move |change| {
            if let (Kind::RemediationRequest, Ok(change)) = (kind, change) {
                beside.hear(change, &before, clock.now());
            }
        })
        .reflect(writer)
        .inspect(move |change| {
            if let Ok(change) = change {
                memory.gate.changed(kind, change);
                memory.routing.changed(kind, change);
            }
            if let Ok(watcher::Event::Delete(object)) = change {
                memory.forget(kind, object);
            }
        })
        .touched_objects()
        .inspect(move |change| {
            if let Err(error) = change {
                metrics.watch_error();
                tracing::warn!(%kind, %error, "a watch failed and is tried again");
            }
        })
        // Each watch backs off by itself. Passed on, the errors of all watches would add up in the controller's own
        // back-off, and it would be deaf long after the API server is back.
        .filter(|change| futures::future::ready(change.is_ok()))
        .boxed();
    (store, changes)
}

fn swaps(receiver: watch::Receiver<u64>) -> impl Stream<Item = ()> + Send + 'static {
    futures::stream::unfold(receiver, |mut receiver| async move {
        match receiver.changed().await {
            Ok(()) => Some(((), receiver)),
            // Nobody can swap any more; the stream must not end before the controller does.
            Err(_) => futures::future::pending().await,
        }
    })
}

/// Once every remediation is known: says so, and gives up the open steps of those that went while nobody watched.
fn announce(store: Store<DynamicObject>, ready: watch::Sender<bool>, memory: Memory) {
    tokio::spawn(async move {
        if store.wait_until_ready().await.is_err() {
            return;
        }
        let known = uids(&store);
        for uid in memory.ledger.open_remediations() {
            if !known.contains(&uid) {
                memory.conclude(&uid, Settlement::Unknown);
            }
        }
        ready.send_replace(true);
    });
}

/// Keeps the ledger tidy, for ever. While not every remediation is known, nothing counts as gone.
async fn tidy(store: Store<DynamicObject>, memory: Memory) {
    if store.wait_until_ready().await.is_err() {
        return std::future::pending().await;
    }
    let mut ticks = tokio::time::interval(SWEEP_PERIOD);
    let mut missing = HashSet::new();
    let mut tidied: Option<Instant> = None;
    loop {
        ticks.tick().await;
        memory.finishing.tidy();
        // A step that was prepared while its remediation was being deleted: no watch tells of that any more. Missed twice,
        // so that the last state, which may tell that the step was done, has been looked at.
        let known = uids(&store);
        let open = memory.ledger.open_remediations().into_iter().filter(|uid| !known.contains(uid));
        let (gone, first_missed): (Vec<_>, Vec<_>) = open.partition(|uid| missing.contains(uid));
        missing = first_missed.into_iter().collect();
        for uid in gone {
            memory.conclude(&uid, Settlement::Unknown);
        }
        if tidied.is_some_and(|at| at.elapsed() < TIDY_PERIOD) {
            continue;
        }
        tidied = Some(Instant::now());
        let (ledger, now) = (Arc::clone(&memory.ledger), memory.clock.now());
        let tidied = memory.offload.run(move || ledger.tidy(now, &|uid| known.contains(uid)));
        if let Ok(Err(error)) = tidied.await {
            tracing::warn!(%error, "old records could not be removed");
        }
    }
}

fn uids(store: &Store<DynamicObject>) -> HashSet<String> {
    store.state().iter().filter_map(|object| object.uid()).collect()
}

async fn work(object: Arc<DynamicObject>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let uid = object.uid().unwrap_or_default();
    let phase = text(&object.data, "/status/overallPhase").parse().map_or("", trimtab_core::phase::Phase::name);
    let span = tracing::info_span!("reconcile", remediation = %name, %namespace, %uid, decision = decision_id(&object));
    let begun = Instant::now();
    let result = if context.beside.is_observer() {
        beside::watch(&context, &namespace, &name, &uid).instrument(span).await
    } else {
        reconcile(&context, &namespace, &name, &uid).instrument(span).await
    };
    context.metrics.reconciled(phase, &namespace, begun.elapsed().as_secs_f64());
    context.gate.ended(&uid, result.is_ok());
    let wake = result?;
    context.backoff.forget(&uid);
    context.metrics.waiting(context.backoff.waiting());
    Ok(wake.map_or_else(Action::await_change, Action::requeue))
}

/// Names the decision that is about to be made: the remediation and the number of its next step.
fn decision_id(object: &DynamicObject) -> String {
    let sequence = trimtab_api::mapping::record(&object.data).map_or(0, |record| record.sequence);
    let uid = object.uid().unwrap_or_default();
    format!("{}-{}", uid.get(..8).unwrap_or(&uid), sequence.saturating_add(1))
}

fn wait(object: &DynamicObject, error: &ReconcileError, context: &Context) -> Action {
    let uid = object.uid().unwrap_or_default();
    let wait = context.backoff.after_error(&uid, errors::class(error), errors::retry_after(error));
    context.metrics.waiting(context.backoff.waiting());
    tracing::warn!(
        remediation = object.name_any(),
        uid,
        %error,
        wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        "a reconcile failed and is tried again"
    );
    Action::requeue(wait.max(Duration::from_millis(1)))
}

#[cfg(test)]
mod tests;
