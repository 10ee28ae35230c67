//! `EffectivenessAssessment`: the check whether a remediation helped. The orchestrator creates it and reads its status.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::conditions;
use crate::{Condition, TargetResource, WireTime};

/// What is to be assessed; the orchestrator writes it at creation.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "kubernaut.ai",
    version = "v1alpha1",
    kind = "EffectivenessAssessment",
    plural = "effectivenessassessments",
    shortname = "ea",
    namespaced,
    status = "EffectivenessAssessmentStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "Check whether one remediation helped.",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.assessmentReason"),
    printcolumn(name = "CorrelationID", type_ = "string", json_path = ".spec.correlationID"),
    printcolumn(
        name = "ReadyReason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct EffectivenessAssessmentSpec {
    /// Cluster of the target; absent for the local one.
    #[serde(rename = "clusterID", skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// How long to wait before the checks.
    pub config: AssessmentConfig,
    /// Name of the parent; not empty.
    #[serde(rename = "correlationID")]
    #[schemars(length(min = 1))]
    pub correlation_id: String,
    /// Hash of the target's spec before the execution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pre_remediation_spec_hash: Option<String>,
    /// When the parent was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediation_created_at: Option<WireTime>,
    /// Phase of the parent at creation.
    #[schemars(extend("enum" = ["Verifying", "Completed", "Failed", "TimedOut"]))]
    pub remediation_request_phase: String,
    /// Object that was remediated.
    pub remediation_target: TargetResource,
    /// Name of the signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal_name: Option<String>,
    /// Object that the signal is about.
    pub signal_target: TargetResource,
}

/// How long to wait before the checks, as Go duration strings.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssessmentConfig {
    /// Wait before the signal is looked at again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert_check_delay: Option<String>,
    /// Wait before the target's spec is hashed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_compute_delay: Option<String>,
    /// Wait before anything is assessed.
    pub stabilization_window: String,
}

/// How the assessment stands; the effectiveness monitor writes it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EffectivenessAssessmentStatus {
    /// Why the assessment ended as it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [
        "Full", "Partial", "NoExecution", "MetricsTimedOut", "Expired", "SpecDrift",
        "AlertDecayTimeout", "Unrecoverable",
    ]))]
    pub assessment_reason: Option<String>,
    /// What each check found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub components: Option<AssessmentComponents>,
    /// Conditions, one a type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Option<Vec<Condition>>,
    /// Phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [
        "Pending", "WaitingForPropagation", "Stabilizing", "Assessing", "Completed", "Failed",
    ]))]
    pub phase: Option<String>,
    /// Until when the assessment counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validity_deadline: Option<WireTime>,
}

/// What each check found; scores run from 0 (no better) to 1 (well).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssessmentComponents {
    /// Whether the signal was looked at again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert_assessed: Option<bool>,
    /// How often the check of the signal was put off because it still faded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert_decay_retries: Option<i32>,
    /// Score of the signal; 0 means that it still fires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert_score: Option<f64>,
    /// Hash of the target's spec now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_spec_hash: Option<String>,
    /// Whether the target's spec was hashed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_computed: Option<bool>,
    /// Whether the target's health was assessed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_assessed: Option<bool>,
    /// Score of the target's health.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_score: Option<f64>,
    /// Whether metrics were assessed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_assessed: Option<bool>,
    /// Score of the metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_score: Option<f64>,
    /// Hash of the target's spec after the execution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_remediation_spec_hash: Option<String>,
}
