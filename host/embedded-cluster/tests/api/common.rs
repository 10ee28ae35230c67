//! What the integration tests share: a small definition and objects of it.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use trimtab_embedded_cluster::{ClusterConfig, EmbeddedCluster};

/// Longest wait for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Widgets: spec with required, enum, pattern, default and a rule; status; columns; selectable field.
pub(crate) fn widget_definition() -> CustomResourceDefinition {
    serde_saphyr::from_str(include_str!("widgets.yaml")).expect("the definition is well-formed")
}

pub(crate) fn open(config: ClusterConfig) -> EmbeddedCluster {
    let crds = vec![widget_definition()];
    EmbeddedCluster::open(ClusterConfig { crds, ..config }).expect("the cluster opens")
}

pub(crate) fn resource() -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("example.test", "v1alpha1", "Widget"), "widgets")
}

pub(crate) fn widgets(client: &kube::Client) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), "default", &resource())
}

pub(crate) fn widget(name: &str, spec: &Value) -> DynamicObject {
    DynamicObject::new(name, &resource()).data(json!({ "spec": spec }))
}

/// The refusal in an error of the client.
pub(crate) fn refusal<T: std::fmt::Debug>(answer: kube::Result<T>) -> (u16, String, String) {
    match answer {
        Err(kube::Error::Api(status)) => (status.code, status.reason.clone(), status.message.clone()),
        other => panic!("expected a refusal, got {other:?}"),
    }
}
