//! `PolicySet`: which policies answer for which remediations.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Condition;
use crate::schema::{any_json, conditions};

/// Which remediations it answers for, and with what.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "trimtab.dev",
    version = "v1alpha1",
    kind = "PolicySet",
    plural = "policysets",
    namespaced,
    status = "PolicySetStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "Which policies answer for which remediations, in revisions.",
    printcolumn(name = "Active", type_ = "string", json_path = ".status.conditions[?(@.type==\"Active\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Active\")].reason"),
    printcolumn(name = "Revision", type_ = "string", json_path = ".status.active"),
    printcolumn(name = "InFlight", type_ = "integer", json_path = ".status.inFlight"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct PolicySetSpec {
    /// When a revision has faulted too often: everybody leaves it then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<PolicyBreaker>,
    /// Which revision a running remediation goes on with: the one that it started with (`Remediation`, the default), or the
    /// active one (`Active`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Remediation", "Active"]))]
    pub pin: Option<String>,
    /// Lets only a share of new remediations have the newest revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ramp: Option<PolicyRamp>,
    /// Makes an older revision the active one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<PolicyRollback>,
    /// What a remediation must have; all of them where absent. Of two sets the one with more criteria goes first, then the
    /// one whose name comes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<PolicySelector>,
    /// What fills each slot; the built-in policy where one is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<PolicySlots>,
}

/// When a revision has faulted too often.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyBreaker {
    /// So many faults within the window; 5 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub faults: Option<i32>,
    /// Revisions that are used again although they have faulted too often: heeded when a name is added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forgive: Option<Vec<String>>,
    /// So many in a row; 3 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub in_a_row: Option<i32>,
    /// Length of the window in seconds; 600 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub window_seconds: Option<i32>,
}

/// A share of new remediations.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRamp {
    /// In percent, 0 to 100; the others get the newest of the revisions that all have had.
    #[schemars(range(min = 0, max = 100))]
    pub percent: i32,
}

/// An older revision that is active.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRollback {
    /// What becomes of remediations that run with another one: they finish with theirs (`drain`, the default), or go on with
    /// this one (`move`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["drain", "move"]))]
    pub in_flight: Option<String>,
    /// Name of the revision.
    #[schemars(length(min = 1))]
    pub to: String,
}

/// What a remediation must have.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicySelector {
    /// The cluster that raised the signal is one of these; the empty text is the host's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_ids: Option<Vec<String>>,
    /// It has all of these labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Its namespace is one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub namespaces: Option<Vec<String>>,
    /// Its signal's severity is one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severities: Option<Vec<String>>,
    /// Its signal's name is one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signals: Option<Vec<String>>,
    /// The kind of the object that the signal points at is one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_kinds: Option<Vec<String>>,
}

/// What fills each slot.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicySlots {
    /// Which children are created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub children: Option<PolicySlot>,
    /// Deadlines and budgets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<PolicyTimeoutsSlot>,
    /// From phase to phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transitions: Option<PolicySlot>,
}

/// What fills a slot.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicySlot {
    /// The policy's config; held against its schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_json")]
    pub config: Option<Value>,
    /// What happens when it faults; `LastGood` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["LastGood", "Builtin", "Hold", "Fail"]))]
    pub fail_strategy: Option<String>,
    /// Name of a `Policy` of the same namespace; the built-in one where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub policy: Option<String>,
}

/// What fills the timeouts slot: one policy, or several with a rule.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyTimeoutsSlot {
    /// Where it is one policy.
    #[serde(flatten)]
    pub only: PolicySlot,
    /// Several policies instead of one, in the order in which they are asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub policies: Option<Vec<PolicySlot>>,
    /// What makes one answer of several: of each clock the earliest deadline, or the latest, or the whole answer of the first
    /// policy that gives a deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["earliest", "latest", "first-that-answers"]))]
    pub rule: Option<String>,
}

/// What came of a set; the host writes it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicySetStatus {
    /// The revision that new remediations get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<String>,
    /// `Fetched`, `Verified`, `Compatible`, `Compiled`, `ConfigValid`, `Active`: in this order, over all policies that it
    /// names; what comes after the first that is false is `Unknown`, except `Active`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Option<Vec<Condition>>,
    /// Remediations that have not ended and run with any of its revisions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<i64>,
    /// `metadata.generation` that this was written for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Its revisions that are loaded, newest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revisions: Option<Vec<PolicyRevision>>,
    /// What the newest revision did with what was seen lately, before it was put in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smoke: Option<PolicySmoke>,
}

/// A revision of a set.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRevision {
    /// Remediations that have not ended and run with it.
    pub in_flight: i64,
    /// Its name, which follows from what it is made of.
    pub name: String,
    /// What fills each slot.
    pub slots: BTreeMap<String, PolicyRevisionSlot>,
    /// Why everybody has left it, where its breaker has tripped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tripped: Option<String>,
}

/// What fills a slot of a revision.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRevisionSlot {
    /// The policies, in the order in which they are asked; usually one.
    pub policies: Vec<PolicyRevisionMember>,
    /// What makes one answer of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// A policy of a slot of a revision.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRevisionMember {
    /// First digits of its config's digest.
    pub config: String,
    /// Digest of its component.
    pub digest: String,
    /// What happens when it faults.
    pub fail_strategy: String,
}

/// What a revision did with what was seen lately.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicySmoke {
    /// How many of them each slot answers otherwise than the revision that was active before.
    pub differing: BTreeMap<String, i64>,
    /// Observations that it was asked about.
    pub observations: i64,
}
