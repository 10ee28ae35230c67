//! Wires watches, queue and workers, and runs until told to stop.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use futures::{FutureExt as _, Stream, StreamExt as _};
use kube::{Client, ResourceExt as _};
use kube_runtime::controller::{Action, Config, Controller};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::Instrument as _;
use trimtab_api::Kind;
use trimtab_core::json::text;
use trimtab_core::ports::{Clock, History, Ledger, Settlement};

use crate::beside::{self, Beside};
use crate::brakes::{BrakesConfig, Caches, Gate};
use crate::cache::Cache;
use crate::cluster::Cluster;
use crate::discovery::Discovery;
use crate::errors;
use crate::events::Events;
use crate::metrics::Metrics;
use crate::object::{Object, Of};
use crate::offload::Offload;
use crate::ports::Policies;
use crate::reconcile::{Context, ReconcileError, reconcile};
use crate::routing::Routing;
use crate::settings_in_force::SettingsInForce;
use crate::waited::timed;

use changes::{Known, changes, known, touched};
use memory::Memory;

mod changes;
mod lists;
mod memory;
mod namespaces;
mod swaps;

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

/// How often is looked for objects that nobody looks at any more, to be packed.
const PACKING_PERIOD: Duration = Duration::from_secs(1);

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
    /// True once the policies are in force; nothing is decided before.
    pub policies_in_force: watch::Receiver<bool>,
    /// Wakes every remediation that has not ended whenever it changes: a policy was swapped.
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
        () = before_decisions(&gate, config.policies_in_force.clone()) => {}
        () = stop.clone() => return Ok(()),
    }
    let routing = Routing::new(&client, &config);
    let memory = Memory::new(Arc::clone(&gate), Arc::clone(&routing), &config);
    let discovery = Arc::new(Discovery::new(client.clone()));
    let all = [Kind::RemediationRequest].into_iter().chain(CHILDREN);
    let caches: HashMap<Kind, Arc<Cache>> = all.map(|kind| (kind, Arc::default())).collect();
    let changes = |kind| changes(&client, kind, &config, &memory, &caches, &discovery);
    let (known, remediations) = known(changes(Kind::RemediationRequest));
    let mut controller = Controller::for_stream_with(remediations, known.names.clone(), Of(Kind::RemediationRequest))
        .with_config(Config::default().concurrency(config.workers.max(1)))
        .graceful_shutdown_on(stop.clone());
    for kind in CHILDREN {
        controller = controller.owns_stream_with(touched(changes(kind)), Of(kind));
    }
    controller = controller.reconcile_all_on(each(discovery.changes()));
    let woken = swaps::wakes(config.swapped.clone(), known.clone(), Arc::clone(&memory.ended));
    controller = controller.reconcile_on(woken);
    controller = controller.reconcile_on(gate.wakes()).reconcile_on(routing.wakes());
    let cache = |kind| caches.get(&kind).map(Arc::clone).unwrap_or_default();
    gate.connect(Caches { remediations: cache(Kind::RemediationRequest), signals: cache(Kind::SignalProcessing) });
    let announced = announce(known.clone(), config.ready, memory.clone());
    let tidied = memory.clone();
    let finishing = Arc::clone(&memory.finishing);
    let context = Arc::new(Context {
        events: Events::new(client.clone()),
        cluster: Cluster::new(client, caches.clone(), memory.written, Arc::clone(&discovery)),
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
        () = stopped_early(stop, known.clone()) => {}
        () = announced => {}
        () = tidy(known, tidied) => {}
        _ = join_all(caches.into_values().map(|cache| cache.keep_small(config.offload, PACKING_PERIOD))) => {}
        () = discovery.keep_looking() => {}
        () = gate.follow() => {}
        () = routing.follow() => {}
    }
    finishing.wait_all().await;
    routing.end().await;
    Ok(())
}

/// Waits for what the first decision must not miss: the brakes, and the policies.
async fn before_decisions(gate: &Gate, mut in_force: watch::Receiver<bool>) {
    gate.read_first().await;
    // Where nobody is left to say so, they are what they are.
    let _ = in_force.wait_for(|are_in_force| *are_in_force).await;
}

/// Resolves if the stop comes before every remediation is known: a controller that is told to end then waits for ever,
/// because its watches, which would tell it, have ended first.
async fn stopped_early(stop: impl Future<Output = ()>, known: Known) {
    stop.await;
    if *known.is_listed.borrow() {
        std::future::pending::<()>().await;
    }
}

fn each(receiver: watch::Receiver<u64>) -> impl Stream<Item = ()> + Send + 'static {
    futures::stream::unfold(receiver, |mut receiver| async move {
        match receiver.changed().await {
            Ok(()) => Some(((), receiver)),
            // Nobody looks any more; the stream must not end before the controller does.
            Err(_) => futures::future::pending().await,
        }
    })
}

/// Once every remediation is known: says so, and gives up the open steps of those that went while nobody watched; does not
/// end.
async fn announce(known: Known, ready: watch::Sender<bool>, memory: Memory) {
    known.wait().await;
    let uids = known.uids();
    for uid in memory.ledger.open_remediations() {
        if !uids.contains(&uid) {
            memory.conclude(&uid, Settlement::Unknown);
        }
    }
    ready.send_replace(true);
    std::future::pending::<()>().await;
}

/// Keeps the ledger tidy, for ever. While not every remediation is known, nothing counts as gone.
async fn tidy(known: Known, memory: Memory) {
    known.wait().await;
    let mut ticks = tokio::time::interval(SWEEP_PERIOD);
    let mut missing = HashSet::new();
    let mut tidied: Option<Instant> = None;
    loop {
        ticks.tick().await;
        memory.finishing.tidy();
        let uids = known.uids();
        memory.policies.tidy(&|uid| uids.contains(uid));
        memory.ended.tidy(&uids);
        // A step that was prepared while its remediation was being deleted: no watch tells of that any more. Missed twice,
        // so that the last state, which may tell that the step was done, has been looked at.
        let open = memory.ledger.open_remediations().into_iter().filter(|uid| !uids.contains(uid));
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
        let tidied = memory.offload.run(move || ledger.tidy(now, &|uid| uids.contains(uid)));
        if let Ok(Err(error)) = tidied.await {
            tracing::warn!(%error, "old records could not be removed");
        }
    }
}

async fn work(object: Arc<Object>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let uid = object.uid().unwrap_or_default();
    let shown = context.cluster.cached(Kind::RemediationRequest, &namespace, &name).unwrap_or_default();
    let phase = text(&shown, "/status/overallPhase").parse().map_or("", trimtab_core::phase::Phase::name);
    let decision = decision_id(&uid, &shown);
    let span = tracing::info_span!("reconcile", remediation = %name, %namespace, %uid, decision);
    let begun = Instant::now();
    let work = async {
        if context.beside.is_observer() {
            beside::watch(&context, &namespace, &name, &uid).await
        } else {
            reconcile(&context, &namespace, &name, &uid).await
        }
    };
    let (result, waited) = Box::pin(timed(work.instrument(span.clone()))).await;
    let took = begun.elapsed();
    context.metrics.reconciled(phase, &namespace, took.as_secs_f64());
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::debug!(phase, micros = micros(took), waited = micros(waited), "reconciled"));
    context.gate.ended(&uid, result.is_ok());
    if !context.shows(&namespace, &name, &uid) {
        context.forget(&uid);
        return Ok(Action::await_change());
    }
    let wake = result?;
    context.backoff.forget(&uid);
    context.metrics.waiting(context.backoff.waiting());
    Ok(wake.map_or_else(Action::await_change, Action::requeue))
}

/// Names the decision that is about to be made: the remediation and the number of its next step.
fn decision_id(uid: &str, shown: &Value) -> String {
    let sequence = trimtab_api::mapping::record(shown).map_or(0, |record| record.sequence);
    format!("{}-{}", uid.get(..8).unwrap_or(uid), sequence.saturating_add(1))
}

fn wait(object: &Object, error: &ReconcileError, context: &Context) -> Action {
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
