//! The objects that a remediation creates, built from the remediation and its earlier children.
//!
//! Field for field Kubernaut's, so its other services cannot tell who created them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::observation::{ChildKind, Observation};

pub mod ai_analysis;
pub mod approval_request;
pub mod assessment;
pub mod notification;
pub mod signal_processing;
pub mod workflow_execution;

/// Group and version of every kind here.
pub const API_VERSION: &str = "kubernaut.ai/v1alpha1";

/// A complete object, ready to be created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Kubernetes kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// The object: apiVersion, kind, metadata with its owner, spec.
    pub object: Value,
    /// Whether the step cannot go on without it.
    pub is_required: bool,
}

impl Manifest {
    /// Wraps a spec into an object that the remediation owns.
    pub(crate) fn owned(observation: &Observation, kind: &str, name: String, spec: &Value) -> Self {
        let object = json!({
            "apiVersion": API_VERSION,
            "kind": kind,
            "metadata": {
                "name": name,
                "namespace": observation.namespace,
                "ownerReferences": [{
                    "apiVersion": API_VERSION,
                    "kind": "RemediationRequest",
                    "name": observation.name,
                    "uid": observation.uid,
                    "controller": true,
                    // An assessment outlives a foreground deletion of its remediation by design.
                    "blockOwnerDeletion": kind != ChildKind::EffectivenessAssessment.name(),
                }],
            },
            "spec": spec,
        });
        Self { kind: kind.to_owned(), name, object, is_required: true }
    }

    /// The child of this kind, standard spec.
    pub(crate) fn child(observation: &Observation, kind: ChildKind, spec: &Value) -> Self {
        let name = observation.record.object_name(kind, &observation.name);
        let mut manifest = Self::owned(observation, kind.name(), name, spec);
        manifest.is_required = kind != ChildKind::EffectivenessAssessment;
        manifest
    }

    /// The reference to it in the remediation's status.
    pub fn reference(&self, namespace: &str) -> Value {
        json!({"apiVersion": API_VERSION, "kind": self.kind, "name": self.name, "namespace": namespace})
    }
}

/// The reference to the remediation that most children carry in their spec.
pub(crate) fn remediation_reference(observation: &Observation) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": "RemediationRequest",
        "name": observation.name,
        "namespace": observation.namespace,
        "uid": observation.uid,
    })
}

/// A target as an object; members that are absent are left out.
pub(crate) fn target_object(target: &crate::observation::Target, with_api_version: bool) -> Value {
    let mut object = serde_json::Map::new();
    object.insert("kind".into(), target.kind.clone().into());
    object.insert("name".into(), target.name.clone().into());
    if let Some(namespace) = target.namespace.as_ref().filter(|text| !text.is_empty()) {
        object.insert("namespace".into(), namespace.clone().into());
    }
    if let Some(version) = target.api_version.as_ref().filter(|text| with_api_version && !text.is_empty()) {
        object.insert("apiVersion".into(), version.clone().into());
    }
    Value::Object(object)
}

/// Sets `clusterID` where the signal came from another cluster.
pub(crate) fn set_cluster(observation: &Observation, spec: &mut Value) {
    if !observation.cluster_id.is_empty() {
        crate::json::set(spec, &["clusterID"], observation.cluster_id.clone().into());
    }
}
