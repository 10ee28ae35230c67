//! Routing: the facts that say whether a remediation may go on, the lock of its target, and who wakes whom.
//!
//! What is decided with them is the policies' and core's. Here they are gathered, each at the smallest price: from a
//! watch where one can tell, live where something depends on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::Client;
use kube_runtime::reflector::ObjectRef;
use kube_runtime::watcher;
use trimtab_api::Kind;
use trimtab_core::brakes;
use trimtab_core::observation::{LazyFact, Observation, RemediationHistory, TargetExecutions};
use trimtab_core::plan::Plan;
use trimtab_core::ports::History;

use crate::beside::Stance;
use crate::cluster::{Cluster, ClusterError};
use crate::metrics::Metrics;
use crate::object::{self, Object};
use crate::run::ControllerConfig;
use crate::wakes::Wakes;
use executions::{Executions, Listed};
use index::Index;
pub(crate) use lock::LeaseFailure;
use lock::{Asker, Hold, Key, Locks};
use scope::Scopes;

pub(crate) mod awaited;
mod executions;
mod history;
mod index;
mod lock;
mod scope;
mod signal;

/// Why a fact of routing could not be gathered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RoutingFailure {
    /// The cluster could not be read.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The lock could not be taken or renewed.
    #[error(transparent)]
    Lease(#[from] LeaseFailure),
}

/// What a holder has found out under its lock; it holds for as long as the lock.
#[derive(Debug, Clone, Default)]
struct Notes {
    executions: Vec<Listed>,
    history: Option<RemediationHistory>,
}

/// Gathers the facts of routing.
pub(crate) struct Routing {
    scopes: Scopes,
    executions: Executions,
    history: Arc<dyn History>,
    locks: Locks<Notes>,
    /// Whether it changes nothing: what the other orchestrator does under its locks is only looked at.
    is_observer: bool,
    index: Mutex<Index>,
    wakes: Arc<Wakes<Key>>,
    metrics: Metrics,
}

impl std::fmt::Debug for Routing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routing").field("locks", &self.locks).finish_non_exhaustive()
    }
}

impl Routing {
    /// The Leases are in the controller's own namespace, which is that of the brakes. An observer takes none.
    pub(crate) fn new(client: &Client, config: &ControllerConfig) -> Arc<Self> {
        let wakes: Arc<Wakes<Key>> = Arc::default();
        let (namespace, clock, metrics) = (&config.brakes.namespace, Arc::clone(&config.clock), &config.metrics);
        Arc::new(Self {
            scopes: Scopes::new(client.clone()),
            executions: Executions::new(client.clone()),
            history: Arc::clone(&config.history),
            locks: Locks::new(client.clone(), namespace, clock, metrics.clone(), Arc::clone(&wakes)),
            is_observer: matches!(config.beside.stance, Stance::Observe(_)),
            index: Mutex::default(),
            wakes,
            metrics: metrics.clone(),
        })
    }

    /// Follows what it needs, and gives locks back whose time is over; for ever.
    pub(crate) async fn follow(&self) {
        if self.is_observer {
            return self.scopes.follow().await;
        }
        tokio::join!(self.scopes.follow(), self.locks.keep());
    }

    /// Gives every lock back: the process ends.
    pub(crate) async fn end(&self) {
        self.locks.give_back_all().await;
    }

    /// Remediations that are to be looked at again; never ends.
    pub(crate) fn wakes(&self) -> impl futures::Stream<Item = ObjectRef<Object>> + Send + 'static {
        futures::stream::unfold(Arc::clone(&self.wakes), |wakes| async move {
            let (namespace, name) = wakes.next().await;
            Some((object::remediation(&namespace, &name), wakes))
        })
    }

    /// A change that a watch tells of.
    pub(crate) fn changed(&self, kind: Kind, change: &watcher::Event<Object>) {
        let woken = match kind {
            Kind::RemediationRequest => {
                let mut index = self.index();
                if index.changed(change) {
                    for (namespace, count) in index.blocked() {
                        self.metrics.blocked(namespace, count);
                    }
                }
                index.woken(kind, change)
            }
            Kind::WorkflowExecution => {
                if let watcher::Event::Apply(object) | watcher::Event::InitApply(object) = change {
                    self.locks.shown(&index::key_of(object));
                }
                self.index().woken(kind, change)
            }
            _ => return,
        };
        if !woken.is_empty() {
            self.wakes.push(woken);
        }
    }

    /// A remediation is gone.
    pub(crate) fn forget(&self, uid: &str) {
        self.locks.forget(uid);
    }

    /// The executions on the object to be healed, where they were asked for.
    pub(crate) async fn executions(
        &self,
        cluster: &Cluster,
        asked: &[LazyFact],
        observation: &Observation,
    ) -> Result<Option<TargetExecutions>, RoutingFailure> {
        if !asked.contains(&LazyFact::TargetExecutions) {
            return Ok(None);
        }
        self.target_executions(cluster, observation).await.map(Some)
    }

    /// Adds the rest of what was asked for. The state of the target has to be there already.
    pub(crate) async fn gather(
        &self,
        cluster: &Cluster,
        asked: &[LazyFact],
        observation: &mut Observation,
    ) -> Result<(), RoutingFailure> {
        for fact in asked {
            match fact {
                LazyFact::Scope => observation.facts.scope = Some(self.scopes.look(observation).await),
                LazyFact::SignalRemediations => {
                    let sharing = self.sharing(&observation.namespace, &observation.facts.signal.fingerprint);
                    let found = signal::gather(cluster, observation, sharing.iter().map(|key| &**key)).await?;
                    observation.facts.signal_remediations = Some(found);
                }
                LazyFact::RemediationHistory(hours) => {
                    let found = self.remediation_history(observation, *hours).await;
                    observation.facts.remediation_history = Some(found);
                }
                LazyFact::WorkflowOverride
                | LazyFact::RelatedRemediations
                | LazyFact::TargetHash
                | LazyFact::TargetExecutions => {}
            }
        }
        Ok(())
    }

    /// The executions on the object to be healed, once its lock is held; without the lock nothing is said of them.
    async fn target_executions(
        &self,
        cluster: &Cluster,
        observation: &Observation,
    ) -> Result<TargetExecutions, RoutingFailure> {
        let Some((locked, target)) = targets(observation) else { return Ok(TargetExecutions::default()) };
        let namespace = &observation.namespace;
        let (cluster_id, uid) = (&observation.cluster_id, &observation.uid);
        if self.is_observer {
            let (total, items) = executions::page(self.executions.list(namespace, &target, cluster_id, uid).await?);
            return Ok(TargetExecutions { target, locked: true, holder: uid.clone(), total, items });
        }
        if let Hold::Others(holder) = self.locks.take(&locked, asker(observation)).await? {
            return Ok(TargetExecutions { target, locked: false, holder, ..TargetExecutions::default() });
        }
        let notes = if let Some(mut notes) = self.locks.notes(&locked, uid) {
            executions::refresh(cluster, namespace, &mut notes.executions);
            notes
        } else {
            let executions = self.executions.list(namespace, &target, cluster_id, uid).await?;
            Notes { executions, history: None }
        };
        let (total, items) = executions::page(notes.executions.clone());
        self.locks.note(&locked, uid, notes);
        Ok(TargetExecutions { target, locked: true, holder: uid.clone(), total, items })
    }

    /// The past of the object to be healed. What was answered under the lock is not asked again.
    async fn remediation_history(&self, observation: &Observation, hours: u32) -> RemediationHistory {
        let hash = history::current_hash(observation);
        let locked = targets(observation).map(|(locked, _)| locked);
        let notes = locked.as_ref().and_then(|locked| self.locks.notes(locked, &observation.uid));
        let is_same = |known: &RemediationHistory| known.hours == hours && known.current_hash == hash;
        if let Some(known) = notes.as_ref().and_then(|notes| notes.history.clone()).filter(is_same) {
            return known;
        }
        let found = history::gather(&self.history, observation, hours, hash).await;
        if let (Some(locked), Some(mut notes)) = (locked, notes) {
            notes.history = Some(found.clone());
            self.locks.note(&locked, &observation.uid, notes);
        }
        found
    }

    /// Whether a step may be carried out: one that starts an execution only under the lock, with nobody else at work.
    ///
    /// Asked right before the step is recorded. The lock is renewed where it is not fresh, and kept until the cache shows
    /// the execution.
    pub(crate) async fn admit(&self, observation: &Observation, plan: &Plan) -> Result<bool, RoutingFailure> {
        let Some(execution) = brakes::execution_of(plan) else { return Ok(true) };
        let Some((locked, _)) = targets(observation) else { return Ok(false) };
        let is_seen = self.locks.notes(&locked, &observation.uid).is_some();
        // Notes end with the lock: where there are none, what the decision was made from was read under another one.
        if !is_seen || self.locks.take(&locked, asker(observation)).await? != Hold::Ours {
            return Ok(false);
        }
        if self.locks.notes(&locked, &observation.uid).is_none() {
            return Ok(false);
        }
        self.locks.starts(&locked, &observation.uid, (plan.namespace.clone(), execution.name.clone()));
        Ok(true)
    }

    /// The same for a step that an earlier process has recorded: what it saw is looked at again.
    pub(crate) async fn admit_open(
        &self,
        cluster: &Cluster,
        observation: &Observation,
        plan: &Plan,
    ) -> Result<bool, RoutingFailure> {
        if brakes::execution_of(plan).is_none() {
            return Ok(true);
        }
        let found = self.target_executions(cluster, observation).await?;
        if !found.locked || found.busy_with().is_some() {
            return Ok(false);
        }
        self.admit(observation, plan).await
    }

    /// The execution that a step was to start was not created.
    pub(crate) fn starts_none(&self, uid: &str) {
        self.locks.starts_none(uid);
    }

    /// A reconcile is over: gives back the locks that nothing needs any more.
    pub(crate) async fn finish(&self, cluster: &Cluster, uid: &str) {
        self.locks.finish(uid, |(namespace, name)| cluster.shows(Kind::WorkflowExecution, namespace, name)).await;
    }

    /// Remediations of a namespace that share a signal, in no order; a few may be among them that do not.
    pub(crate) fn sharing(&self, namespace: &str, fingerprint: &str) -> Vec<Arc<Key>> {
        self.index().sharing(namespace, fingerprint)
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is locked, and the target string of an execution; `None` before the analysis exists.
fn targets(observation: &Observation) -> Option<(String, String)> {
    observation.facts.analysis.as_ref()?;
    let target = observation.remediation_target().qualified();
    let cluster = &observation.cluster_id;
    let locked = if cluster.is_empty() { target.clone() } else { format!("{cluster}:{target}") };
    Some((locked, target))
}

fn asker(observation: &Observation) -> Asker<'_> {
    Asker { uid: &observation.uid, namespace: &observation.namespace, name: &observation.name }
}

#[cfg(test)]
mod tests;
