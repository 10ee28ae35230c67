//! `NotificationRequest`: a message to people. The orchestrator creates it and reads whether it was delivered.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ObjectReference;
use crate::schema::any_objects;

mod context;

pub use context::{
    AnalysisContext, DeduplicationContext, ExecutionContext, LineageContext, NotificationContext, ReviewContext,
    TargetContext, VerificationContext, WorkflowContext,
};

/// What people are told; written once, at creation.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "kubernaut.ai",
    version = "v1alpha1",
    kind = "NotificationRequest",
    plural = "notificationrequests",
    shortname = "notif",
    shortname = "notifs",
    namespaced,
    status = "NotificationRequestStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "One message to people about a remediation.",
    selectable = ".spec.remediationRequestRef.name",
    selectable = ".spec.type",
    selectable = ".spec.severity",
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "Priority", type_ = "string", json_path = ".spec.priority"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Attempts", type_ = "integer", json_path = ".status.totalAttempts"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self == oldSelf",
    "message": "spec is immutable once the object exists; create a new NotificationRequest instead",
}]))]
pub struct NotificationRequestSpec {
    /// Links that the message offers; not interpreted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_objects")]
    pub action_links: Option<Vec<Value>>,
    /// Text of the message, Markdown; not empty.
    #[schemars(length(min = 1))]
    pub body: String,
    /// Cluster of the target; absent for the local one.
    #[serde(rename = "clusterID", skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// What the message is about, for machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<NotificationContext>,
    /// Values that a policy adds for the routing rules; any JSON. The orchestrator itself sets none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extensions: Option<BTreeMap<String, Value>>,
    /// Phase of the remediation that the message is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// How urgent it is.
    #[schemars(extend("enum" = ["Critical", "High", "Medium", "Low"], "default" = "Medium"))]
    pub priority: String,
    /// The remediation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediation_request_ref: Option<ObjectReference>,
    /// How long the object is kept, in days, 1 to 90; the API server fills in 7.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 90), extend("default" = 7))]
    pub retention_days: Option<i64>,
    /// How delivery is retried; the orchestrator leaves it to the notification service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryPolicy>,
    /// What asks for a review.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["AIAnalysis", "WorkflowExecution", "RoutingEngine"]))]
    pub review_source: Option<String>,
    /// Severity of the signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// Subject line; 1 to 500 characters.
    #[schemars(length(min = 1, max = 500))]
    pub subject: String,
    /// Kind of the message.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = [
        "Escalation", "Simple", "StatusUpdate", "Approval", "ManualReview", "Completion",
    ]))]
    pub type_: String,
}

/// How delivery is retried.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetryPolicy {
    /// Factor between two waits, 1 to 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10), extend("default" = 2))]
    pub backoff_multiplier: Option<i64>,
    /// First wait, in seconds, 1 to 300.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 300), extend("default" = 30))]
    pub initial_backoff_seconds: Option<i64>,
    /// Attempts in all, 1 to 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10), extend("default" = 5))]
    pub max_attempts: Option<i64>,
    /// Longest wait, in seconds, 60 to 3600.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 3600), extend("default" = 480))]
    pub max_backoff_seconds: Option<i64>,
}

/// How the delivery stands; the notification service writes it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationRequestStatus {
    /// Result, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Pending", "Sending", "Retrying", "Sent", "PartiallySent", "Failed"]))]
    pub phase: Option<String>,
    /// Attempts so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_attempts: Option<i64>,
}
