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
use trimtab_core::observation::ChildKind;
use trimtab_core::phase::Phase;
use trimtab_core::plan::counts::Count;

/// Prefix of Kubernaut's metrics.
const PEER: &str = "kubernaut_remediationorchestrator";

/// Namespace of the zeros that are shown before anything was counted.
const FIRST_NAMESPACE: &str = "default";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Transition {
    from_phase: &'static str,
    to_phase: &'static str,
    namespace: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChildType {
    child_type: &'static str,
    namespace: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseIn {
    phase: &'static str,
    namespace: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonIn {
    reason: String,
    namespace: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SkipIn {
    skip_reason: String,
    namespace: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionIn {
    decision: &'static str,
    namespace: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TypeIn {
    r#type: &'static str,
    namespace: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NamespaceOf {
    namespace: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServiceOf {
    service: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultOf {
    slot: &'static str,
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultOf {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SlotOf {
    slot: &'static str,
}

/// What confirmed steps count for, under Kubernaut's names.
#[derive(Debug, Clone, Default)]
struct Steps {
    transitions: Family<Transition, Counter>,
    children: Family<ChildType, Counter>,
    timeouts: Family<PhaseIn, Counter>,
    no_action: Family<ReasonIn, Counter>,
    approvals: Family<DecisionIn, Counter>,
    overrides: Family<TypeIn, Counter>,
    blocked: Family<ReasonIn, Counter>,
    skipped: Family<SkipIn, Counter>,
    currently_blocked: Family<NamespaceOf, Gauge>,
}

impl Steps {
    fn register(&self, registry: &mut Registry) {
        let peer = registry.sub_registry_with_prefix(PEER);
        peer.register("phase_transitions", "Changes of phase", self.transitions.clone());
        peer.register("child_crd_creations", "Children created", self.children.clone());
        peer.register("timeouts", "Remediations that timed out, by phase", self.timeouts.clone());
        peer.register("no_action_needed", "Remediations that ended without action", self.no_action.clone());
        peer.register("approval_decisions", "Approvals decided", self.approvals.clone());
        peer.register("blocked", "Remediations blocked, by reason", self.blocked.clone());
        peer.register("duplicates_skipped", "Remediations blocked as duplicates", self.skipped.clone());
        peer.register("current_blocked", "Remediations blocked now", self.currently_blocked.clone());
        registry.register("kubernaut_rar_override_applied", "Overrides of approvers applied", self.overrides.clone());
    }

    /// Shows before its first use what Kubernaut shows then, so that dashboards find it.
    fn show_zeros(&self) {
        let namespace = || FIRST_NAMESPACE.to_owned();
        let child_type = ChildKind::SignalProcessing.name();
        let _ = self.children.get_or_create(&ChildType { child_type, namespace: namespace() });
        let reason = "problem_resolved".to_owned();
        let _ = self.no_action.get_or_create(&ReasonIn { reason, namespace: namespace() });
        let skip_reason = "DuplicateInProgress".to_owned();
        let _ = self.skipped.get_or_create(&SkipIn { skip_reason, namespace: namespace() });
        let _ = self.timeouts.get_or_create(&PhaseIn { phase: Phase::Pending.name(), namespace: namespace() });
        let reason = "ConsecutiveFailures".to_owned();
        let _ = self.blocked.get_or_create(&ReasonIn { reason, namespace: namespace() });
        let _ = self.currently_blocked.get_or_create(&NamespaceOf { namespace: namespace() });
        for decision in ["Approved", "Rejected", "Expired"] {
            let _ = self.approvals.get_or_create(&DecisionIn { decision, namespace: namespace() });
        }
    }

    fn count(&self, count: &Count, namespace: &str) {
        let namespace = namespace.to_owned();
        match count {
            Count::PhaseTransition { from, to } => {
                let (from_phase, to_phase) = (from.map_or("", Phase::name), to.name());
                self.transitions.get_or_create(&Transition { from_phase, to_phase, namespace }).inc();
            }
            Count::Timeout { phase } => {
                self.timeouts.get_or_create(&PhaseIn { phase: phase.name(), namespace }).inc();
            }
            Count::NoActionNeeded { reason } => {
                self.no_action.get_or_create(&ReasonIn { reason: reason.clone(), namespace }).inc();
            }
            Count::ChildCreated { kind } => {
                self.children.get_or_create(&ChildType { child_type: kind.name(), namespace }).inc();
            }
            Count::ApprovalDecided { decision } => {
                self.approvals.get_or_create(&DecisionIn { decision, namespace }).inc();
            }
            Count::OverrideApplied { what } => {
                self.overrides.get_or_create(&TypeIn { r#type: what, namespace }).inc();
            }
            Count::Blocked { reason, is_duplicate } => {
                let labels = ReasonIn { reason: reason.clone(), namespace: namespace.clone() };
                self.blocked.get_or_create(&labels).inc();
                if *is_duplicate {
                    self.skipped.get_or_create(&SkipIn { skip_reason: reason.clone(), namespace }).inc();
                }
            }
        }
    }
}

/// The controller's metrics; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconcile_seconds: Family<PhaseIn, Histogram>,
    steps: Steps,
    faults: Family<FaultOf, Counter>,
    evaluations: Family<SlotOf, Counter>,
    fuel: Family<SlotOf, Counter>,
    waiting: Gauge,
    watch_errors: Counter,
    target_locks: Family<ResultOf, Counter>,
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
            steps: Steps::default(),
            faults: Family::default(),
            evaluations: Family::default(),
            fuel: Family::default(),
            waiting: Gauge::default(),
            watch_errors: Counter::default(),
            target_locks: Family::default(),
        };
        let peer = registry.sub_registry_with_prefix(PEER);
        peer.register("reconcile_duration_seconds", "Duration of reconciles", metrics.reconcile_seconds.clone());
        metrics.steps.register(&mut registry);
        metrics.steps.show_zeros();
        // The ledger drops none: the name stays for the alerts that watch it.
        let dropped = Family::<ServiceOf, Counter>::default();
        let _ = dropped.get_or_create(&ServiceOf { service: "remediation-orchestrator" });
        registry.register("audit_events_dropped", "Audit events that were lost", dropped);
        let ours = registry.sub_registry_with_prefix("trimtab");
        ours.register("policy_faults", "Evaluations without a lawful answer", metrics.faults.clone());
        ours.register("policy_evaluations", "Questions asked of policies", metrics.evaluations.clone());
        ours.register("policy_fuel", "Fuel used by policies", metrics.fuel.clone());
        ours.register("remediations_waiting", "Remediations that wait after an error", metrics.waiting.clone());
        let help = "Locks of targets: taken, taken over, held by others, lost, released or abandoned";
        ours.register("target_locks", help, metrics.target_locks.clone());
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

    /// Counts a confirmed step.
    pub(crate) fn step(&self, counts: &[Count], namespace: &str) {
        for count in counts {
            self.steps.count(count, namespace);
        }
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

    /// Remediations of a namespace that are blocked now.
    pub(crate) fn blocked(&self, namespace: &str, count: i64) {
        let labels = NamespaceOf { namespace: namespace.to_owned() };
        self.steps.currently_blocked.get_or_create(&labels).set(count);
    }

    /// Counts what came of taking, or giving back, a target's lock.
    pub(crate) fn target_lock(&self, result: &'static str) {
        self.target_locks.get_or_create(&ResultOf { result }).inc();
    }

    pub(crate) fn watch_error(&self) {
        self.watch_errors.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_shown_before_anything_is_counted() {
        let text = Metrics::default().encode();
        for line in [
            r#"_child_crd_creations_total{child_type="SignalProcessing",namespace="default"} 0"#,
            r#"_no_action_needed_total{reason="problem_resolved",namespace="default"} 0"#,
            r#"_duplicates_skipped_total{skip_reason="DuplicateInProgress",namespace="default"} 0"#,
            r#"_timeouts_total{phase="Pending",namespace="default"} 0"#,
            r#"_blocked_total{reason="ConsecutiveFailures",namespace="default"} 0"#,
            r#"_current_blocked{namespace="default"} 0"#,
            r#"_approval_decisions_total{decision="Expired",namespace="default"} 0"#,
        ] {
            assert!(text.contains(&format!("\n{PEER}{line}\n")), "{line} in\n{text}");
        }
        assert!(text.contains("\naudit_events_dropped_total{service=\"remediation-orchestrator\"} 0\n"), "{text}");
    }

    #[test]
    fn every_count_has_its_family_and_labels() {
        let metrics = Metrics::default();
        let blocked = |is_duplicate| Count::Blocked { reason: "DuplicateInProgress".into(), is_duplicate };
        let counts = [
            Count::PhaseTransition { from: Some(Phase::Analyzing), to: Phase::Completed },
            Count::Timeout { phase: Phase::Executing },
            Count::NoActionNeeded { reason: "DryRun".into() },
            Count::ChildCreated { kind: ChildKind::AIAnalysis },
            Count::ApprovalDecided { decision: "Approved" },
            Count::OverrideApplied { what: "both" },
            blocked(true),
            blocked(false),
        ];
        metrics.step(&counts, "ns");
        let text = metrics.encode();
        for line in [
            r#"_phase_transitions_total{from_phase="Analyzing",to_phase="Completed",namespace="ns"} 1"#,
            r#"_timeouts_total{phase="Executing",namespace="ns"} 1"#,
            r#"_no_action_needed_total{reason="DryRun",namespace="ns"} 1"#,
            r#"_child_crd_creations_total{child_type="AIAnalysis",namespace="ns"} 1"#,
            r#"_approval_decisions_total{decision="Approved",namespace="ns"} 1"#,
            r#"_blocked_total{reason="DuplicateInProgress",namespace="ns"} 2"#,
            r#"_duplicates_skipped_total{skip_reason="DuplicateInProgress",namespace="ns"} 1"#,
        ] {
            assert!(text.contains(&format!("\n{PEER}{line}\n")), "{line} in\n{text}");
        }
        let applied = "\nkubernaut_rar_override_applied_total{type=\"both\",namespace=\"ns\"} 1\n";
        assert!(text.contains(applied), "{text}");
    }
}
