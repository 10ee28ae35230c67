//! Brakes at work: what holds executions back now, who waits for it, and which places are taken.
//!
//! The decision itself is core's, from the observation. Here a place is reserved between a decision and its effects, so
//! that workers who decide at once cannot start more executions together than each may.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use kube::Client;
use kube_runtime::reflector::ObjectRef;
use kube_runtime::watcher;
use trimtab_api::Kind;
use trimtab_core::brakes::{self, Brakes, Rule, Subject, Trip};
use trimtab_core::decide::{Decision, Verdict};
use trimtab_core::observation::Observation;
use trimtab_core::phase::Phase;
use trimtab_core::plan::Plan;
use trimtab_core::ports::Clock;
use trimtab_core::settings::Settings;
use trimtab_core::time::Timestamp;

mod follow;
mod late;
mod places;
mod rechecks;
mod state;
mod tell;

pub mod document;
pub mod metrics;
pub mod store;
pub mod survey;

use crate::object::{self, Object};
use crate::wakes::Wakes;
use late::{Late, Lateness};
use metrics::BrakesMetrics;
pub(crate) use places::Caches;
use places::Key;
use rechecks::Rechecks;
use state::{Held, State};

/// Most remediations that are woken for a place that has become free; the others look by themselves.
const WOKEN_MAX: usize = 64;

/// Where the brakes are, and who counts them.
#[derive(Debug, Clone)]
pub struct BrakesConfig {
    /// The controller's own namespace, which holds the `ConfigMap`.
    pub namespace: String,
    /// Their metrics.
    pub metrics: BrakesMetrics,
}

impl BrakesConfig {
    /// Brakes in this namespace, with metrics of their own.
    pub fn of(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), metrics: BrakesMetrics::default() }
    }
}

/// What is to be done with a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It holds.
    Go,
    /// The brakes have changed since it was observed.
    LookAgain,
    /// Its turn comes then; it is made anew.
    Wait(Timestamp),
}

/// Stands between decisions and their effects.
pub(crate) struct Gate {
    namespace: String,
    metrics: BrakesMetrics,
    clock: Arc<dyn Clock>,
    client: Client,
    caches: OnceLock<Caches>,
    state: Mutex<State>,
    late: Mutex<Late>,
    rechecks: Mutex<Rechecks>,
    wakes: Wakes<(String, String)>,
    tripped: tokio::sync::Notify,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gate {
    pub(crate) fn new(config: BrakesConfig, client: Client, clock: Arc<dyn Clock>, settings: &Settings) -> Arc<Self> {
        Arc::new(Self {
            namespace: config.namespace,
            metrics: config.metrics,
            clock,
            client,
            caches: OnceLock::new(),
            state: Mutex::default(),
            late: Mutex::new(Late::new(settings)),
            rechecks: Mutex::new(Rechecks::new(settings)),
            wakes: Wakes::default(),
            tripped: tokio::sync::Notify::new(),
        })
    }

    /// Gives it the caches, once there are any.
    pub(crate) fn connect(&self, caches: Caches) {
        let _ = self.caches.set(caches);
    }

    /// Has a remediation looked at again.
    pub(crate) fn wake(&self, namespace: &str, name: &str) {
        self.wakes.push(vec![(namespace.to_owned(), name.to_owned())]);
    }

    /// Remediations that are to be looked at again; never ends.
    pub(crate) fn wakes(self: &Arc<Self>) -> impl futures::Stream<Item = ObjectRef<Object>> + Send + 'static {
        let gate = Arc::clone(self);
        futures::stream::unfold(gate, |gate| async move {
            let (namespace, name) = gate.wakes.next().await;
            Some((object::remediation(&namespace, &name), gate))
        })
    }

    /// What the brakes look like for this remediation now; `None` where nothing is on and nothing is limited.
    pub(crate) fn look(&self, seen: &Observation) -> Option<Brakes> {
        let mut found = match seen.phase {
            Some(phase) if brakes::can_start_from(phase) => self.holding(seen),
            _ => Brakes::default(),
        };
        if seen.phase.is_some_and(|phase| !phase.is_terminal()) {
            found.recheck_from = locked(&self.rechecks).look(&seen.uid, seen.now);
            found.storm = locked(&self.late).storm(&seen.uid);
        }
        (!found.is_free()).then_some(found)
    }

    fn holding(&self, seen: &Observation) -> Brakes {
        let mut state = locked(&self.state);
        if state.is_free() {
            return Brakes::default();
        }
        let subject = Subject::of(seen);
        state.brakes(&seen.uid, &subject, self.caches.get(), seen.now)
    }

    /// Whether a decision may take effect. Whoever is held is remembered, and told once.
    pub(crate) async fn admit(&self, seen: &Observation, decision: &Decision) -> Admission {
        let admission = match &decision.verdict {
            Verdict::Step(plan) => self.admit_step(seen, plan),
            Verdict::Stay => Admission::Go,
        };
        if admission != Admission::Go {
            return admission;
        }
        let hold = Rule::parse(&decision.why.rule).filter(|_| decision.verdict == Verdict::Stay);
        locked(&self.rechecks).decided(&self.metrics, seen, decision);
        let is_news = self.note_held(seen, hold);
        if let Some(rule) = hold.filter(|_| is_news) {
            tracing::info!(rule = rule.code(), why = decision.why.text, "the brakes hold an execution");
            tell::held(&self.client, seen, rule, &decision.why.text).await;
        }
        Admission::Go
    }

    fn admit_step(&self, seen: &Observation, plan: &Plan) -> Admission {
        if let Some(execution) = brakes::execution_of(plan) {
            let key = (plan.namespace.clone(), execution.name.clone());
            return if self.reserve(seen, key) { Admission::Go } else { Admission::LookAgain };
        }
        match self.with_late(|late| late.admit(seen, brakes::late_since(plan))) {
            Lateness::Go { is_late } => {
                if is_late {
                    self.metrics.late_expiry();
                }
                Admission::Go
            }
            Lateness::LookAgain => Admission::LookAgain,
            Lateness::Wait(until) => Admission::Wait(until),
        }
    }

    /// Does something with the missed expiries, and hands on what has come of it.
    fn with_late<T>(&self, work: impl FnOnce(&mut Late) -> T) -> T {
        let (result, news) = {
            let mut late = locked(&self.late);
            let result = work(&mut late);
            (result, late.take_news())
        };
        if let Some(size) = news.storm_size {
            self.metrics.storm();
            tracing::warn!(size, "many remediations ran out of time while nobody watched; one summary goes out");
        }
        if !news.woken.is_empty() {
            self.wakes.push(news.woken);
        }
        result
    }

    /// Whether a step that was prepared by an earlier process, or before an error, may still be carried out.
    pub(crate) fn admit_open(&self, seen: &Observation, plan: &Plan) -> bool {
        let Some(execution) = brakes::execution_of(plan) else { return true };
        self.reserve(seen, (plan.namespace.clone(), execution.name.clone()))
    }

    /// Takes a place for an execution, if nothing holds it now.
    fn reserve(&self, seen: &Observation, key: Key) -> bool {
        let now = self.clock.now();
        let mut state = locked(&self.state);
        let subject = Subject::of(seen);
        if !state.is_free() && state.brakes(&seen.uid, &subject, self.caches.get(), now).hold(now).is_some() {
            return false;
        }
        state.places.reserve(key, &seen.uid, &subject, now);
        true
    }

    /// Remembers who is held; the result is whether that is news.
    fn note_held(&self, seen: &Observation, hold: Option<Rule>) -> bool {
        let mut state = locked(&self.state);
        let is_news = if let Some(rule) = hold {
            let (namespace, name) = (seen.namespace.clone(), seen.name.clone());
            let since = state.held.get(&seen.uid).map_or(seen.now, |known| known.since);
            let before = state.held.insert(seen.uid.clone(), Held { namespace, name, rule, since });
            before.is_none_or(|before| before.rule != rule)
        } else {
            state.held.remove(&seen.uid);
            false
        };
        self.metrics.held(&state.held);
        is_news
    }

    /// A reconcile has come to its end, well or with an error.
    pub(crate) fn ended(&self, uid: &str, is_well: bool) {
        let now = self.clock.now();
        self.with_late(|late| if is_well { late.ended(uid, now) } else { late.failed(uid, now) });
    }

    /// A change that a watch tells of.
    pub(crate) fn changed(&self, kind: Kind, change: &watcher::Event<Object>) {
        match kind {
            Kind::RemediationRequest => self.with_late(|late| late.changed(change, self.clock.now())),
            Kind::WorkflowExecution => self.execution_changed(change),
            _ => {}
        }
    }

    fn execution_changed(&self, change: &watcher::Event<Object>) {
        let now = self.clock.now();
        let (is_freed, trip) = {
            let mut state = locked(&self.state);
            let is_freed = state.places.changed(change, now);
            (is_freed, is_freed.then(|| state.check_breaker(self.caches.get(), now)).flatten())
        };
        self.tell_trip(trip);
        if is_freed {
            self.wake_waiting();
        }
    }

    fn tell_trip(&self, trip: Option<Trip>) {
        if let Some(trip) = trip {
            tracing::error!(why = trip.text, "the breaker is open: no execution starts until `trimtab brakes reset`");
            self.metrics.breaker(true);
            self.tripped.notify_one();
        }
    }

    /// A remediation is gone.
    pub(crate) fn forget(&self, uid: &str) {
        let is_freed = {
            let mut state = locked(&self.state);
            state.held.remove(uid);
            self.metrics.held(&state.held);
            state.places.release(uid)
        };
        self.with_late(|late| late.forget(uid, self.clock.now()));
        locked(&self.rechecks).forget(uid);
        if is_freed {
            self.wake_waiting();
        }
    }

    /// Wakes those who wait for a place, the longest waiting first.
    fn wake_waiting(&self) {
        let waiting = locked(&self.state).waiting(WOKEN_MAX);
        self.wakes.push(waiting);
    }

    /// Wakes everyone who is held.
    fn wake_held(&self) {
        let held = locked(&self.state).all_held();
        self.wakes.push(held);
    }
}

/// Whether a remediation, as a watch shows it, has ended.
fn has_ended(object: &Object) -> bool {
    object.phase(Kind::RemediationRequest).parse().is_ok_and(Phase::is_terminal)
}

#[cfg(test)]
mod tests;
