//! Everything a decision may depend on, `now` included. Pure data, gathered by `observe`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::brakes::Brakes;
use crate::phase::Phase;
use crate::proposal::Budget;
use crate::record::Record;
use crate::time::Timestamp;

mod child;
mod facts;
mod marks;
mod missing;
mod notification;
mod routing;

pub use child::{Child, ChildKind};
pub use facts::{
    Analysis, Approval, Assessment, Classification, Execution, Facts, LazyFact, RelatedRemediation,
    RelatedRemediations, Signal, Target, TargetHash, WorkflowOverride,
};
pub use marks::MARKS_MAX;
pub use missing::{Absence, MissingKind, Obstacle};
pub use notification::{FailedCreation, NOTIFICATIONS_MAX, Notification};
pub use routing::{
    AwaitedObject, HISTORY_HOURS_MAX, HistoryEntry, ROUTING_ITEMS_MAX, RemediationHistory, Routing, Scope,
    SignalRemediation, SignalRemediations, TargetExecution, TargetExecutions,
};

/// One remediation at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The only clock.
    pub now: Timestamp,
    /// Whether the remediation and its children were read live at `now`, not from a cache.
    pub is_live: bool,
    /// Uid.
    pub uid: String,
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Cluster that raised the signal; empty for this one.
    pub cluster_id: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// `metadata.resourceVersion` that the status write is conditional on.
    pub resource_version: String,
    /// Current phase; `None` before the first step.
    pub phase: Option<Phase>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When the current and earlier phases were entered, the current one last.
    pub phases: Vec<(Phase, Timestamp)>,
    /// Name of the signal.
    pub signal_name: String,
    /// Raw severity.
    pub severity: String,
    /// Object that the signal points at.
    pub target: Target,
    /// Budgets set by hand.
    pub overrides: Vec<Budget>,
    /// What is wrong with the hand-set budgets, for a person; the remediation fails with it.
    pub overrides_fault: Option<String>,
    /// Children of the current attempt.
    pub children: Vec<Child>,
    /// The first [`NOTIFICATIONS_MAX`] notifications that it refers to, in that order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notifications: Vec<Notification>,
    /// Children that could not be created, try after try.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_creations: Vec<FailedCreation>,
    /// Kinds of objects that cannot be read: what is not seen of them may still be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_kinds: Vec<MissingKind>,
    /// What the last try to carry out a step met, until it is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<Obstacle>,
    /// Failures in a row.
    pub consecutive_failures: u32,
    /// The brakes, where one is on or a limit is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brakes: Option<Brakes>,
    /// Answers to facts.
    pub facts: Facts,
    /// What the host remembers.
    pub record: Record,
    /// The `RemediationRequest`.
    pub object: Arc<Value>,
}

impl Observation {
    /// When the current phase was entered.
    pub fn phase_entered_at(&self) -> Option<Timestamp> {
        self.phases.last().map(|(_, at)| *at)
    }

    /// The child of this kind of the current attempt.
    pub fn child(&self, kind: ChildKind) -> Option<&Child> {
        self.children.iter().find(|child| child.kind == kind)
    }

    /// The only randomness of a step: the same for every evaluation of one step.
    pub fn seed(&self) -> u64 {
        use sha2::{Digest as _, Sha256};
        let mut hasher = Sha256::new();
        hasher.update(self.uid.as_bytes());
        hasher.update(self.record.sequence.to_be_bytes());
        let bytes = hasher.finalize();
        bytes.iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
    }

    /// Environment and business priority found by signal processing; empty until then.
    pub fn environment_and_priority(&self) -> (&str, &str) {
        self.facts.classification.as_ref().map_or(("", ""), |c| (c.environment.as_str(), c.priority.as_str()))
    }

    /// The object to be healed: the analysis's, or the signal's where it names none.
    pub fn remediation_target(&self) -> &Target {
        self.facts.analysis.as_ref().and_then(|analysis| analysis.remediation_target.as_ref()).unwrap_or(&self.target)
    }
}
