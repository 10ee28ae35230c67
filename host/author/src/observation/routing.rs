//! Facts of routing, as people write them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Time;

mod convert;
mod written;

pub(super) use convert::{check, routing, scope};
pub(super) use convert::{executions, history, remediations};
pub(super) use written::{fill, write};

/// Whether the target is under management.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ScopeDocument {
    /// "managed", "unmanaged" or "unknown"; default: managed.
    pub verdict: Option<String>,
    /// What said so, in words.
    pub because: Option<String>,
}

/// What is written on the remediation about its way so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RoutingDocument {
    /// Why it is, or was last, blocked.
    pub block_reason: Option<String>,
    /// The words of that block.
    pub block_message: Option<String>,
    /// Until when it is blocked.
    pub blocked_until: Option<Time>,
    /// The phase to which it goes back from the block; default in Blocked: Analyzing where there is an `AIAnalysis` or the
    /// reason needs one, else Pending.
    pub blocked_from: Option<String>,
    /// No execution before.
    pub next_allowed_at: Option<Time>,
    /// Whom it waits for, as it stands now.
    pub awaited: Option<AwaitedDocument>,
}

/// An object that is waited for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AwaitedDocument {
    /// `RemediationRequest` or `WorkflowExecution`; default: `RemediationRequest`.
    pub kind: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Whether the cluster has it; default: true.
    pub found: Option<bool>,
    /// Its phase.
    pub phase: Option<String>,
    /// Its outcome.
    pub outcome: Option<String>,
}

/// A part of a longer list.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct SignalRemediationsDocument {
    /// How many there are; default: as many as `items`.
    pub total: Option<u32>,
    /// Those that have not ended, then the others, the newest first in both parts, at most 100.
    pub items: Option<Vec<SignalRemediationDocument>>,
}

/// Another remediation of the fingerprint, as routing sees it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct SignalRemediationDocument {
    /// Name of the `RemediationRequest`.
    pub name: Option<String>,
    /// Its phase.
    pub phase: Option<String>,
    /// Its outcome.
    pub outcome: Option<String>,
    /// Its failure phase.
    pub failure_phase: Option<String>,
    /// Why it is blocked.
    pub block_reason: Option<String>,
    /// Namespace of its target; default: that of the signal's target.
    pub target_namespace: Option<String>,
    /// Whether it comes first; default: false.
    pub comes_first: Option<bool>,
    /// When it was created; default: now.
    pub created_at: Option<Time>,
}

/// The executions on the object to be healed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TargetExecutionsDocument {
    /// The object; default: the one that is to be healed.
    pub target: Option<String>,
    /// Whether this remediation holds the object's lock; default: true.
    pub locked: Option<bool>,
    /// Who holds it instead.
    pub holder: Option<String>,
    /// How many there are; default: as many as `items`.
    pub total: Option<u32>,
    /// Those that have not ended, then the others, the newest first in both parts, at most 100.
    pub items: Option<Vec<TargetExecutionDocument>>,
}

/// An execution on the object to be healed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TargetExecutionDocument {
    /// Name of the `WorkflowExecution`.
    pub name: Option<String>,
    /// Whether this remediation owns it; default: false.
    pub own: Option<bool>,
    /// Id of its workflow.
    pub workflow_id: Option<String>,
    /// "Pending", "Running", "Completed" or "Failed"; default: "", before the first write.
    pub phase: Option<String>,
    /// When it ended.
    pub completed_at: Option<Time>,
}

/// What was done to the object to be healed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RemediationHistoryDocument {
    /// How far back it goes, in hours; default: 168, the longest that can be asked for.
    pub hours: Option<u32>,
    /// Whether it could be read; default: true.
    pub available: Option<bool>,
    /// The object's present state.
    pub current_hash: Option<String>,
    /// The newest, in the order of their ends, at most 100.
    pub items: Option<Vec<HistoryEntryDocument>>,
}

/// An earlier remediation of the object to be healed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HistoryEntryDocument {
    /// Uid of its `RemediationRequest`.
    pub remediation: Option<String>,
    /// When it ended; default: now.
    pub completed_at: Option<Time>,
    /// What was done.
    pub action_type: Option<String>,
    /// Whether the signal went away.
    pub signal_resolved: Option<bool>,
    /// "preRemediation", "postRemediation" or "none"; default: none.
    pub hash_match: Option<String>,
    /// State of the object before it.
    pub pre_hash: Option<String>,
    /// State of the object after it.
    pub post_hash: Option<String>,
}
