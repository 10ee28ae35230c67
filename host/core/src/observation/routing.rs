//! Facts of routing: what stands against a remediation going on, and whom it waits for.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Most entries of a list of these facts.
pub const ROUTING_ITEMS_MAX: usize = 100;

/// The longest time, in hours, that [`RemediationHistory`] goes back.
pub const HISTORY_HOURS_MAX: u32 = 168;

/// Whether the target is under management.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Scope {
    /// "managed", "unmanaged", or "unknown" where it could not be read.
    pub verdict: String,
    /// What said so, in words; may be empty.
    pub because: String,
}

/// The object that decides about a remediation that waits, or was found to be a duplicate, as it stands now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AwaitedObject {
    /// "`RemediationRequest`" or "`WorkflowExecution`".
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Whether the cluster has it; its absence was read live.
    pub found: bool,
    /// Its phase; empty before the first write.
    pub phase: String,
    /// Its outcome, of a `RemediationRequest`; empty until it ends.
    pub outcome: String,
}

impl AwaitedObject {
    /// Whether nothing more is to be expected of it: it has ended, or is gone.
    pub fn is_over(&self) -> bool {
        !self.found || matches!(self.phase.as_str(), "Completed" | "Failed" | "TimedOut" | "Skipped" | "Cancelled")
    }

    /// Whether it has done what was to be done.
    pub fn is_completed(&self) -> bool {
        self.found && self.phase == "Completed"
    }
}

/// What is written on the remediation about its way so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Routing {
    /// Why it is, or was last, blocked; empty if it never was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub block_reason: String,
    /// The words of that block.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub block_message: String,
    /// Until when it is blocked; absent where another object, or a person, ends the block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_until: Option<Timestamp>,
    /// The phase to which it goes back from the block; empty outside of one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub blocked_from: String,
    /// No execution before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_allowed_at: Option<Timestamp>,
    /// Whom it waits for, where its status, or its execution, names somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaited: Option<AwaitedObject>,
}

impl Routing {
    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Another remediation of the same fingerprint, with what routing asks about it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SignalRemediation {
    /// Its name.
    pub name: String,
    /// Its phase; empty before its first step.
    pub phase: String,
    /// Its outcome; empty until it ends.
    pub outcome: String,
    /// Its failure phase; empty unless it failed.
    pub failure_phase: String,
    /// Why it is blocked; empty unless it is.
    pub block_reason: String,
    /// Namespace of its target; empty for an object of the cluster.
    pub target_namespace: String,
    /// Whether it comes first: created before this one, or in the same second with a name that sorts before this one's.
    pub comes_first: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A part of a longer list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SignalRemediations {
    /// How many there are.
    pub total: u32,
    /// At most [`ROUTING_ITEMS_MAX`]: those that have not ended, then the others, the newest first in both parts.
    pub items: Vec<SignalRemediation>,
}

/// An execution on the object to be healed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TargetExecution {
    /// Its name.
    pub name: String,
    /// Whether this remediation owns it.
    pub own: bool,
    /// Id of its workflow.
    pub workflow_id: String,
    /// "Pending", "Running", "Completed" or "Failed"; empty before the first write.
    pub phase: String,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
}

impl TargetExecution {
    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        matches!(self.phase.as_str(), "Completed" | "Failed")
    }
}

/// The executions on the object to be healed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TargetExecutions {
    /// The object, as [`crate::observation::Target::qualified`] has it.
    pub target: String,
    /// Whether this remediation holds the object's lock, so that no other can start an execution on it meanwhile.
    pub locked: bool,
    /// Who holds the lock instead; may be empty.
    pub holder: String,
    /// How many there are.
    pub total: u32,
    /// At most [`ROUTING_ITEMS_MAX`]: those that have not ended, then the others, the newest first in both parts.
    pub items: Vec<TargetExecution>,
}

impl TargetExecutions {
    /// The execution of another remediation that has not ended.
    pub fn busy_with(&self) -> Option<&TargetExecution> {
        self.items.iter().find(|execution| !execution.own && !execution.is_finished())
    }
}

/// An earlier remediation of the object to be healed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Uid of its `RemediationRequest`.
    pub remediation: String,
    /// When it ended.
    pub completed_at: Timestamp,
    /// What was done, in the catalogue's word; may be empty.
    pub action_type: String,
    /// Whether the signal went away; absent where that was not assessed.
    pub signal_resolved: Option<bool>,
    /// "preRemediation" or "postRemediation" where the object's present state equals that of before or after it; else
    /// "none".
    pub hash_match: String,
    /// State of the object before it; may be empty.
    pub pre_hash: String,
    /// State of the object after it; may be empty.
    pub post_hash: String,
}

/// What was done to the object to be healed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RemediationHistory {
    /// How far back it goes, in hours, at most [`HISTORY_HOURS_MAX`]; a question about another time is another one.
    pub hours: u32,
    /// Whether it could be read; if not, there are no items.
    pub available: bool,
    /// The object's present state; empty where it has none.
    pub current_hash: String,
    /// At most [`ROUTING_ITEMS_MAX`], the newest, in the order of their ends.
    pub items: Vec<HistoryEntry>,
}
