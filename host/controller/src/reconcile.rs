//! One reconcile: a straight line from observe to perform, repeated until nothing is left to do now.

use std::sync::Arc;
use std::time::Duration;

use tracing::Instrument as _;
use trimtab_api::Kind;
use trimtab_core::audit;
use trimtab_core::decide::{Need, Verdict, decide};
use trimtab_core::json::text;
use trimtab_core::observation::Observation;
use trimtab_core::plan::Plan;
use trimtab_core::plan::counts::counts_of;
use trimtab_core::ports::{Clock, DecisionRecord, Ledger, LedgerFailure, Settlement};
use trimtab_core::time::{Span, Timestamp};

use crate::backoff::Backoff;
use crate::beside::Standing;
use crate::brakes::{Admission, Gate};
use crate::cluster::Cluster;
use crate::events::Events;
use crate::finish::Finishing;
use crate::metrics::Metrics;
use crate::observe::{ObserveError, Wanted, observe};
use crate::offload::Offload;
use crate::perform::{PerformError, Performed, perform};
use crate::ports::{Policies, Responsible};
use crate::routing::{Routing, RoutingFailure};
use crate::settings_in_force::SettingsInForce;
use crate::tries::Tries;
use obstacle::{obstructed, recheck};

mod obstacle;

/// Most steps in a row before other remediations have their turn.
const STEPS_MAX: usize = 8;

/// Most times that a decision is made anew after gathering: each group of lazy facts once, one live read for a limit and
/// one for another host's step, and one to spare.
const ROUNDS_MAX: usize = 9;

/// Pause after that many steps.
const STEPS_PAUSE: Duration = Duration::from_millis(100);

/// The oldest step that a new process carries out as it was planned: later, a limit may have passed.
const ROLL_FORWARD_MAX: Span = Span::from_secs(60);

/// Wait after an effect failed that the step can do without.
const PARTIAL_RETRY: Duration = Duration::from_secs(30);

/// Everything that a reconcile works with.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) cluster: Cluster,
    pub(crate) policies: Arc<dyn Policies>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) offload: Offload,
    pub(crate) settings: SettingsInForce,
    pub(crate) events: Events,
    pub(crate) metrics: Metrics,
    pub(crate) backoff: Arc<Backoff>,
    pub(crate) tries: Arc<Tries>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) beside: Arc<Standing>,
    pub(crate) routing: Arc<Routing>,
    pub(crate) finishing: Arc<Finishing>,
}

impl Context {
    /// Whether the watch still shows this remediation.
    pub(crate) fn shows(&self, namespace: &str, name: &str, uid: &str) -> bool {
        let shown = self.cluster.cached(Kind::RemediationRequest, namespace, name);
        shown.is_some_and(|shown| text(&shown, "/metadata/uid") == uid)
    }

    /// Forgets a remediation that went while it was looked at: what was noted since the watch told so, nobody else forgets.
    pub(crate) fn forget(&self, uid: &str) {
        self.backoff.forget(uid);
        self.tries.forget(uid);
        self.gate.forget(uid);
        self.metrics.waiting(self.backoff.waiting());
    }
}

/// Why a reconcile ended early; it is tried again after a wait.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReconcileError {
    #[error(transparent)]
    Observe(#[from] ObserveError),
    #[error(transparent)]
    Perform(#[from] PerformError),
    #[error(transparent)]
    Routing(#[from] RoutingFailure),
    #[error(transparent)]
    Ledger(#[from] LedgerFailure),
    #[error("the decision was not settled after {ROUNDS_MAX} rounds of gathering")]
    Unsettled,
    #[error("work on the blocking pool did not come to its end: {0}")]
    Aborted(String),
}

/// Takes a remediation as far as it can go now; the result is when to look again.
pub(crate) async fn reconcile(
    context: &Arc<Context>,
    namespace: &str,
    name: &str,
    uid: &str,
) -> Result<Option<Duration>, ReconcileError> {
    let done = match advance(context, namespace, name, uid).await {
        Err(error) => obstructed(context, namespace, name, uid, error).await,
        done => done,
    };
    Box::pin(context.routing.finish(&context.cluster, uid)).await;
    done
}

async fn advance(
    context: &Arc<Context>,
    namespace: &str,
    name: &str,
    uid: &str,
) -> Result<Option<Duration>, ReconcileError> {
    context.finishing.wait(uid).await;
    let mut wanted = Wanted { is_live: settle_open_step(context, namespace, name, uid).await?, ..Wanted::default() };
    for _ in 0..STEPS_MAX {
        let Some(record) = observe_and_decide(context, namespace, name, wanted).await? else {
            // What is remembered of it is forgotten when the watch shows the deletion.
            return Ok(None);
        };
        let decision = &record.decision;
        tell(context, &record);
        match context.gate.admit(&record.observation, decision).await {
            Admission::Go => {}
            Admission::LookAgain => {
                wanted = Wanted::default();
                continue;
            }
            Admission::Wait(turn) => return Ok(Some(until(context.clock.now(), turn))),
        }
        let wake = decision.wake_at.map(|at| until(context.clock.now(), at));
        wanted = Wanted::default();
        match &decision.verdict {
            Verdict::Stay => {
                tracing::trace!(rule = decision.why.rule, "stays");
                written(context, move |ledger| ledger.note(&record)).await?;
                return Ok(recheck(context, namespace, wake));
            }
            Verdict::Step(plan) => {
                let (plan, seen) = (Arc::clone(plan), Arc::clone(&record.observation));
                if plan.is_removal() && !seen.is_live && context.ledger.knows(&plan.uid, plan.sequence) {
                    // It is deleted, and only the cache still shows it.
                    wanted.is_live = true;
                    continue;
                }
                if !Box::pin(context.routing.admit(&seen, &plan)).await? {
                    // The lock was lost meanwhile: what others have begun under it is looked at first.
                    continue;
                }
                // No step is recorded before the one before it is settled.
                context.finishing.wait(uid).await;
                prepare(context, record, &plan).await?;
                match carry_out(context, &plan, &seen).await? {
                    Carried::Wholly if plan.is_removal() => return Ok(None),
                    Carried::Wholly => {}
                    Carried::Partly => return Ok(Some(wake.unwrap_or(PARTIAL_RETRY).min(PARTIAL_RETRY))),
                    Carried::Not => {
                        context.routing.starts_none(uid);
                        settle_open_step(context, namespace, name, uid).await?;
                        wanted.is_live = true;
                    }
                }
            }
        }
    }
    Ok(Some(STEPS_PAUSE))
}

/// Records a step before any of its effects.
async fn prepare(context: &Context, record: DecisionRecord, plan: &Arc<Plan>) -> Result<(), ReconcileError> {
    let plan = Arc::clone(plan);
    written(context, move |ledger| ledger.prepare(&record, &plan)).await
}

/// Records how the open step ended.
async fn settle(context: &Context, uid: &str, settlement: Settlement) -> Result<(), ReconcileError> {
    let (uid, at) = (uid.to_owned(), context.clock.now());
    written(context, move |ledger| ledger.settle(&uid, &settlement, at)).await
}

/// Takes over the last step of another host that did not say, to this ledger, what it did.
async fn adopt(context: &Context, seen: &Observation) -> Result<(), ReconcileError> {
    let Some(step) = audit::of_observed(seen) else { return Ok(()) };
    tracing::info!(sequence = step.sequence, events = step.audit.len(), "took over a step of another host");
    written(context, move |ledger| ledger.adopt(&step)).await
}

/// Writes to the ledger on the blocking pool: encoding a record and a slow disk must not hold up the watches.
async fn written(
    context: &Context,
    write: impl FnOnce(&dyn Ledger) -> Result<(), LedgerFailure> + Send + 'static,
) -> Result<(), ReconcileError> {
    let ledger = Arc::clone(&context.ledger);
    context
        .offload
        .run(move || write(&*ledger))
        .await
        .map_err(|error| ReconcileError::Aborted(error.to_string()))??;
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum Carried {
    Wholly,
    /// An effect that the step can do without failed, and nothing else came of it.
    Partly,
    /// Somebody else has written: the step is open, and what became of it is seen at the next observation.
    Not,
}

/// Performs a recorded plan and settles it.
async fn carry_out(context: &Arc<Context>, plan: &Arc<Plan>, seen: &Observation) -> Result<Carried, ReconcileError> {
    match perform(&context.cluster, &context.tries, plan).await? {
        Performed::Done { is_partial } => {
            confirm(context, plan, seen).await?;
            Ok(if is_partial && plan.status.is_none() { Carried::Partly } else { Carried::Wholly })
        }
        Performed::Stale => {
            tracing::debug!(sequence = plan.sequence, "somebody else has written; observing again");
            Ok(Carried::Not)
        }
    }
}

/// A step that its object shows: told to the world at least once, then settled. `seen` is what it was planned on, or
/// what it has left behind. What the cluster is told, and the settlement, come in their own time.
async fn confirm(context: &Arc<Context>, plan: &Arc<Plan>, seen: &Observation) -> Result<(), ReconcileError> {
    if plan.status.is_none() {
        return settle(context, &plan.uid, Settlement::Confirmed).await;
    }
    context.metrics.step(&counts_of(plan, seen), &plan.namespace);
    report(plan);
    let end = finish(Arc::clone(context), Arc::clone(plan)).in_current_span();
    context.finishing.start(context.offload, &plan.uid, end).await;
    Ok(())
}

/// The end of a step: its events, then its settlement. One that fails leaves the step open, and the remediation is woken to
/// see to it.
async fn finish(context: Arc<Context>, plan: Arc<Plan>) {
    context.events.publish(&plan).await;
    if let Err(error) = settle(&context, &plan.uid, Settlement::Confirmed).await {
        tracing::warn!(sequence = plan.sequence, %error, "a step could not be settled");
        context.gate.wake(&plan.namespace, &plan.name);
    }
}

fn report(plan: &Plan) {
    let name = |phase: Option<trimtab_core::phase::Phase>| phase.map_or("", trimtab_core::phase::Phase::name);
    if plan.from != plan.to {
        tracing::info!(
            sequence = plan.sequence,
            from = name(plan.from),
            to = name(plan.to),
            rule = plan.why.rule,
            why = plan.why.text,
            "phase changed"
        );
    }
}

/// Settles the step that was left open by a conflict, an error, or the death of a process. The result is whether there
/// was one: then the next observation has to be live.
async fn settle_open_step(
    context: &Arc<Context>,
    namespace: &str,
    name: &str,
    uid: &str,
) -> Result<bool, ReconcileError> {
    let Some(open) = context.ledger.unsettled(uid) else { return Ok(false) };
    let live = Wanted { is_live: true, ..Wanted::default() };
    let (cluster, routing) = (&context.cluster, &context.routing);
    let found = Box::pin(observe(cluster, routing, namespace, name, &live, || context.clock.now())).await?;
    let settlement = match found {
        // Whether it is gone for good is seen when the watch shows the deletion, or swept up later.
        None => return Ok(true),
        Some(seen) if open.is_removal() && (seen.uid != open.uid || is_deleted(&seen)) => Settlement::Confirmed,
        Some(seen) if seen.uid != open.uid => Settlement::Unknown,
        // It is derived from the objects again, should anything of it be left to do.
        Some(_) if open.status.is_none() => discarded("Rederived"),
        Some(seen) if seen.record.sequence >= open.sequence => {
            if open.is_shown_by(&seen.record) {
                confirm(context, &open, &seen).await?;
                return Ok(true);
            }
            discarded("Superseded")
        }
        // This process has tried already. It is decided anew: a limit may have passed meanwhile.
        Some(_) if context.backoff.has_failed(uid) => discarded("Failed"),
        Some(seen) if seen.resource_version != open.resource_version => discarded("ObjectMoved"),
        Some(seen) if seen.now.since(open.at) > ROLL_FORWARD_MAX => discarded("Late"),
        Some(seen) if !context.gate.admit_open(&seen, &open) => discarded("Held"),
        Some(seen) if !Box::pin(context.routing.admit_open(&context.cluster, &seen, &open)).await? => {
            discarded("TargetBusy")
        }
        Some(seen) => {
            tracing::info!(sequence = open.sequence, "rolling an open step forward");
            if carry_out(context, &open, &seen).await? == Carried::Not {
                // Somebody has written since; what is there now says what became of the step.
                return Box::pin(settle_open_step(context, namespace, name, uid)).await;
            }
            return Ok(true);
        }
    };
    tracing::info!(sequence = open.sequence, ?settlement, "settled an open step");
    settle(context, uid, settlement).await?;
    Ok(true)
}

fn discarded(reason: &str) -> Settlement {
    Settlement::Discarded { reason: reason.to_owned() }
}

fn is_deleted(seen: &Observation) -> bool {
    seen.object.pointer("/metadata/deletionTimestamp").is_some()
}

/// Observes and decides, gathering what the decision asks for.
async fn observe_and_decide(
    context: &Context,
    namespace: &str,
    name: &str,
    mut wanted: Wanted,
) -> Result<Option<DecisionRecord>, ReconcileError> {
    for _ in 0..ROUNDS_MAX {
        let (cluster, routing) = (&context.cluster, &context.routing);
        let found = observe(cluster, routing, namespace, name, &wanted, || context.clock.now()).await?;
        // One that is being deleted is left to the garbage collector.
        let Some(mut seen) = found.filter(|seen| !is_deleted(seen)) else { return Ok(None) };
        if context.beside.leaves_alone(&seen) {
            return Ok(None);
        }
        seen.brakes = context.gate.look(&seen);
        seen.failed_creations = context.tries.children(&seen.uid);
        context.tries.leave_out_lost(&seen.uid, &mut seen.notifications);
        let observation = Arc::new(seen);
        let sequence = observation.record.sequence;
        if sequence > 0 && !context.ledger.knows(&observation.uid, sequence) {
            if !observation.is_live {
                wanted.is_live = true;
                continue;
            }
            adopt(context, &observation).await?;
        }
        match ask(context, &observation).await? {
            Ok(record) => return Ok(Some(record)),
            Err(Need::Live) => wanted.is_live = true,
            Err(Need::Fact(fact)) => wanted.add(fact),
        }
    }
    Err(ReconcileError::Unsettled)
}

/// Asks the policies in force. Guests run on the blocking pool: an evaluation of 50 ms must not hold up the watches.
pub(crate) async fn ask(
    context: &Context,
    observation: &Arc<Observation>,
) -> Result<Result<DecisionRecord, Need>, ReconcileError> {
    let (policies, settings) = (Arc::clone(&context.policies), context.settings.now());
    let observation = Arc::clone(observation);
    let asked = context.offload.run(move || {
        let Responsible { mut judge, basis } = policies.responsible(&observation)?;
        let decided = decide(&observation, &mut *judge, &settings);
        Ok(decided.map(|decision| DecisionRecord { observation, decision, basis }))
    });
    asked.await.map_err(|error| ReconcileError::Aborted(error.to_string()))?
}

/// Tells the policies, the metrics and the log what came of each question.
fn tell(context: &Context, record: &DecisionRecord) {
    context.policies.settle(record);
    for evaluation in &record.decision.evaluations {
        context.metrics.evaluated(evaluation);
        for line in &evaluation.log {
            tracing::debug!(slot = evaluation.slot.name(), level = line.level, line = line.message, "a policy logged");
        }
        if let Some((reason, line)) = &evaluation.fault {
            let digest = evaluation.revision.as_ref().map_or("", |revision| revision.digest.as_str());
            tracing::warn!(slot = evaluation.slot.name(), reason, line, digest, "an evaluation gave no lawful answer");
        }
    }
}

fn until(now: Timestamp, at: Timestamp) -> Duration {
    Duration::from_millis(at.since(now).as_millis())
}
