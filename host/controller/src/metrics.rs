//! Prometheus metrics: Kubernaut's names where the meaning is the same, ours under `trimtab_`.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use trimtab_core::decide::Evaluation;
use trimtab_core::phase::Phase;
use trimtab_core::plan::Plan;

/// Prefix of Kubernaut's metrics.
const PEER: &str = "kubernaut_remediationorchestrator";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Transition {
    from_phase: &'static str,
    to_phase: &'static str,
    namespace: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChildType {
    child_type: String,
    namespace: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseIn {
    phase: &'static str,
    namespace: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonIn {
    reason: &'static str,
    namespace: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultOf {
    slot: &'static str,
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SlotOf {
    slot: &'static str,
}

/// The controller's metrics; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconcile_seconds: Family<PhaseIn, Histogram>,
    transitions: Family<Transition, Counter>,
    children: Family<ChildType, Counter>,
    timeouts: Family<PhaseIn, Counter>,
    no_action: Family<ReasonIn, Counter>,
    faults: Family<FaultOf, Counter>,
    evaluations: Family<SlotOf, Counter>,
    fuel: Family<SlotOf, Counter>,
    waiting: Gauge,
    watch_errors: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::with(Vec::new())
    }
}

impl Metrics {
    /// The controller's metrics, and what these collectors add at each scrape.
    pub fn with(collectors: Vec<Box<dyn Collector>>) -> Self {
        let mut registry = Registry::default();
        for collector in collectors {
            registry.register_collector(collector);
        }
        let reconcile_seconds =
            Family::<PhaseIn, Histogram>::new_with_constructor(|| Histogram::new(exponential_buckets(0.01, 2.0, 10)));
        let metrics = Self {
            registry: Arc::default(),
            reconcile_seconds,
            transitions: Family::default(),
            children: Family::default(),
            timeouts: Family::default(),
            no_action: Family::default(),
            faults: Family::default(),
            evaluations: Family::default(),
            fuel: Family::default(),
            waiting: Gauge::default(),
            watch_errors: Counter::default(),
        };
        let peer = registry.sub_registry_with_prefix(PEER);
        peer.register("reconcile_duration_seconds", "Duration of reconciles", metrics.reconcile_seconds.clone());
        peer.register("phase_transitions", "Changes of phase", metrics.transitions.clone());
        peer.register("child_crd_creations", "Children created", metrics.children.clone());
        peer.register("timeouts", "Remediations that timed out, by phase", metrics.timeouts.clone());
        peer.register("no_action_needed", "Remediations that ended without action", metrics.no_action.clone());
        let ours = registry.sub_registry_with_prefix("trimtab");
        ours.register("policy_faults", "Evaluations without a lawful answer", metrics.faults.clone());
        ours.register("policy_evaluations", "Questions asked of policies", metrics.evaluations.clone());
        ours.register("policy_fuel", "Fuel used by policies", metrics.fuel.clone());
        ours.register("remediations_waiting", "Remediations that wait after an error", metrics.waiting.clone());
        ours.register("watch_errors", "Errors of watches", metrics.watch_errors.clone());
        Self { registry: Arc::new(registry), ..metrics }
    }

    /// The text exposition of every metric.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // INVARIANT: writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    pub(crate) fn reconciled(&self, phase: &'static str, namespace: &str, seconds: f64) {
        let labels = PhaseIn { phase, namespace: namespace.to_owned() };
        self.reconcile_seconds.get_or_create(&labels).observe(seconds);
    }

    pub(crate) fn moved(&self, plan: &Plan) {
        let name = |phase: Option<Phase>| phase.map_or("", Phase::name);
        let namespace = plan.namespace.clone();
        let (from_phase, to_phase) = (name(plan.from), name(plan.to));
        self.transitions.get_or_create(&Transition { from_phase, to_phase, namespace: namespace.clone() }).inc();
        if plan.to == Some(Phase::TimedOut) {
            self.timeouts.get_or_create(&PhaseIn { phase: from_phase, namespace: namespace.clone() }).inc();
        }
        if let Some(outcome) = plan.outcome.filter(|_| plan.from == Some(Phase::Analyzing)) {
            self.no_action.get_or_create(&ReasonIn { reason: outcome.name(), namespace }).inc();
        }
    }

    pub(crate) fn child_created(&self, kind: &str, namespace: &str) {
        let labels = ChildType { child_type: kind.to_owned(), namespace: namespace.to_owned() };
        self.children.get_or_create(&labels).inc();
    }

    pub(crate) fn evaluated(&self, evaluation: &Evaluation) {
        let slot = evaluation.slot.name();
        self.evaluations.get_or_create(&SlotOf { slot }).inc();
        self.fuel.get_or_create(&SlotOf { slot }).inc_by(evaluation.fuel);
        if let Some((reason, _)) = &evaluation.fault {
            self.faults.get_or_create(&FaultOf { slot, reason: reason.clone() }).inc();
        }
    }

    pub(crate) fn waiting(&self, count: usize) {
        self.waiting.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn watch_error(&self) {
        self.watch_errors.inc();
    }
}
