//! `Policy`: a component by its source. Whoever may run it is written with it; which remediations it answers for is not, that
//! is a [`PolicySet`](crate::PolicySet)'s.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Condition;
use crate::schema::conditions;

/// Held by the host on a policy that a set names or a remediation runs with.
pub const POLICY_FINALIZER: &str = "trimtab.dev/in-use";

/// Where a component comes from, and what it may use.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "trimtab.dev",
    version = "v1alpha1",
    kind = "Policy",
    plural = "policies",
    namespaced,
    status = "PolicyStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A component that fills slots of policy sets: its source, its digest, its limits.",
    printcolumn(name = "Active", type_ = "string", json_path = ".status.conditions[?(@.type==\"Active\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Active\")].reason"),
    printcolumn(name = "Slots", type_ = "string", json_path = ".status.slots"),
    printcolumn(name = "InFlight", type_ = "integer", json_path = ".status.inFlight"),
    printcolumn(name = "Digest", type_ = "string", json_path = ".status.digest", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct PolicySpec {
    /// Digest that the component must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
    /// What one instance of it may use; the host's defaults where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<PolicyLimits>,
    /// Where it comes from.
    pub source: PolicySource,
}

/// Bounds of one instance: one component in one decision.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyLimits {
    /// Bytes of one answer; 262144 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub answer_bytes: Option<i64>,
    /// Bytes of the component itself; 67108864 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub component_bytes: Option<i64>,
    /// Units of fuel, host calls included; 10000000 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub fuel: Option<i64>,
    /// Bytes of log lines that are kept; 4096 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub log_bytes: Option<i64>,
    /// Bytes of linear memory; 16777216 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub memory_bytes: Option<i64>,
    /// Bytes of all facts that it asks for; 65536 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub transfer_bytes: Option<i64>,
    /// Wall clock in milliseconds; 50 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub wall_clock_millis: Option<i64>,
}

/// Where a component comes from: exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.builtin), has(self.configMap), has(self.file), has(self.http), has(self.oci)].filter(x, x).size() == 1",
    "message": "a source has exactly one of builtin, configMap, file, http and oci",
}]))]
pub struct PolicySource {
    /// The host carries it; written `{}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builtin: Option<BuiltinPolicySource>,
    /// A key of a `ConfigMap`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapPolicySource>,
    /// A file that is mounted into the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FilePolicySource>,
    /// A file of an HTTPS server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpPolicySource>,
    /// An artifact of a registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oci: Option<OciPolicySource>,
}

/// The component that the host carries.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct BuiltinPolicySource {}

/// A key of a `ConfigMap` in the policy's own namespace.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapPolicySource {
    /// The key, of `binaryData` as a rule, whose bytes are the component.
    #[schemars(length(min = 1))]
    pub key: String,
    /// Its name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Base64 of a signature over the component's bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// A file that is mounted into the host.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FilePolicySource {
    /// Path in the host's folder of components; neither absolute nor with `..`.
    #[schemars(length(min = 1))]
    pub path: String,
    /// Base64 of a signature over the component's bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// A file of an HTTPS server.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpPolicySource {
    /// PEM certificates of the only authorities to trust; the host's where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Digest that the bytes must have.
    #[schemars(regex(pattern = r"^(sha256:)?[0-9a-f]{64}$"))]
    pub sha256: String,
    /// Base64 of a signature over the component's bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// `https://…`.
    #[schemars(length(min = 1))]
    pub url: String,
}

/// An artifact of a registry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OciPolicySource {
    /// PEM certificates of the only authorities to trust; the host's where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Speak HTTP without TLS; to a registry on the host's own machine only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plain_http: Option<bool>,
    /// Secret of type `kubernetes.io/dockerconfigjson` with the registry's user and password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_secret: Option<PolicyPullSecret>,
    /// `registry/repository:tag` or `registry/repository@sha256:…`.
    #[schemars(length(min = 1))]
    pub reference: String,
}

/// A Secret in the policy's own namespace.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyPullSecret {
    /// Its name.
    #[schemars(length(min = 1))]
    pub name: String,
}

/// What came of a policy; the host writes it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyStatus {
    /// What the component calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<ComponentName>,
    /// `Fetched`, `Verified`, `Compatible`, `Compiled`, `ConfigValid`, `Active`: in this order; what comes after the first
    /// that is false is `Unknown`, except `Active`. `Verified` is `Unknown` where there is no good signature and none is
    /// required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Option<Vec<Condition>>,
    /// Digest of the component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What it imports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imports: Option<Vec<String>>,
    /// Remediations that have not ended and run with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<i64>,
    /// What one instance of it may use, defaults included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<PolicyLimits>,
    /// `metadata.generation` that this was written for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where it was found, a tag replaced by its digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved: Option<String>,
    /// Sets that name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sets: Option<Vec<String>>,
    /// Slots that it can fill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<Vec<String>>,
}

/// What a component calls itself.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentName {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}
