//! The workflow as the analysis chose it; the execution carries a verbatim copy.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema::{any_json, any_object};

/// A catalogue entry, frozen at the moment of choice.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowSnapshot {
    /// Action type in the catalogue, such as `IncreaseMemoryLimits`.
    pub action_type: String,
    /// Parameters that the workflow declares; writers may send `null`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared_parameter_names: Option<BTreeMap<String, bool>>,
    /// Secrets and config maps that the run needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependencies: Option<WorkflowDependencies>,
    /// Settings of the engine; any JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_json")]
    pub engine_config: Option<Value>,
    /// OCI reference of what is run.
    pub execution_bundle: String,
    /// Digest of the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_bundle_digest: Option<String>,
    /// What runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["tekton", "job", "ansible"]))]
    pub execution_engine: Option<String>,
    /// Compute resources of the run; core/v1 `ResourceRequirements`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub resources: Option<Value>,
    /// Service account that the run uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Version of the catalogue entry.
    pub version: String,
    /// Id of the catalogue entry.
    pub workflow_id: String,
    /// Name of the catalogue entry.
    pub workflow_name: String,
    /// Fields that are not declared here; kept, so that a copy is verbatim.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// What must exist before the workflow can run.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowDependencies {
    /// Config maps, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_maps: Option<Vec<DependencyName>>,
    /// Secrets, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<DependencyName>>,
    /// Fields that are not declared here.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// Name of a secret or config map.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DependencyName {
    /// Name, in the namespace of the run.
    pub name: String,
    /// Fields that are not declared here.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}
