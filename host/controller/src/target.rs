//! The state of the object to be healed, before an execution.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, DynamicObject};
use serde_json::Value;
use trimtab_core::observation::{Observation, Target, TargetHash};
use trimtab_core::phase::Phase;
use trimtab_core::target_hash::{composite, config_map_hash, config_maps, fingerprint};

use crate::discovery::{Discovery, Place};

/// Longest that gathering may take.
const GATHER_TIMEOUT: Duration = Duration::from_secs(20);

/// `ConfigMaps` that are read at once.
const READS_AT_ONCE: usize = 4;

/// Reads the object and its `ConfigMaps` as they are now, and hashes them.
pub(crate) async fn hash(client: &Client, discovery: &Discovery, observation: &Observation) -> TargetHash {
    if !observation.cluster_id.is_empty() {
        let cluster = &observation.cluster_id;
        return TargetHash::Degraded(format!(
            "the target is in the cluster {cluster}, and remote reading is not supported"
        ));
    }
    let gathered = gather(client, discovery, observation.remediation_target());
    match tokio::time::timeout(GATHER_TIMEOUT, gathered).await {
        Ok(hash) => hash,
        Err(_) => TargetHash::Degraded("the target could not be read within 20 s".to_owned()),
    }
}

async fn gather(client: &Client, discovery: &Discovery, target: &Target) -> TargetHash {
    let what = target.display();
    let found = match discovery.resolve(&target.kind, target.api_version.as_deref()).await {
        Ok(Some(place)) => read(client, &place, target).await,
        Ok(None) => return TargetHash::Absent,
        Err(error) => return TargetHash::Degraded(format!("failed to fetch target resource {what}: {error}")),
    };
    let object = match found {
        Ok(Some(object)) => object,
        Ok(None) => return TargetHash::Absent,
        Err(kube::Error::SerdeError(error)) => return TargetHash::Failed(format!("{what} cannot be read: {error}")),
        Err(error) => return TargetHash::Degraded(format!("failed to fetch target resource {what}: {}", told(&error))),
    };
    let hashed = fingerprint(&object.data).and_then(|own| Ok((own, config_maps(&object.data, &target.kind)?)));
    let (own, names) = match hashed {
        Ok(hashed) => hashed,
        Err(failure) => return TargetHash::Failed(format!("{what}: {failure}")),
    };
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let parts: BTreeMap<_, _> = futures::stream::iter(names)
        .map(|name| async move {
            let hash = config_map_hash(&name, config_map(client, namespace, &name).await.as_ref());
            (name, hash)
        })
        .buffer_unordered(READS_AT_ONCE)
        .collect()
        .await;
    TargetHash::Known(composite(&own, &parts))
}

async fn read(client: &Client, place: &Place, target: &Target) -> kube::Result<Option<DynamicObject>> {
    let namespace = target.namespace.as_deref().filter(|namespace| !namespace.is_empty());
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) if place.is_namespaced => Api::namespaced_with(client.clone(), namespace, &place.resource),
        _ => Api::all_with(client.clone(), &place.resource),
    };
    api.get_opt(&target.name).await
}

/// A `ConfigMap`, where it is there and may be read. The hash goes without one for whatever reason, as long as it is
/// the same one each time.
async fn config_map(client: &Client, namespace: &str, name: &str) -> Option<Value> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    match api.get_opt(name).await {
        Ok(found) => found.and_then(|found| serde_json::to_value(found).ok()),
        Err(error) => {
            tracing::debug!(namespace, name, %error, "a ConfigMap of the target cannot be read");
            None
        }
    }
}

/// What the API server said, without the client's wrapping.
fn told(error: &kube::Error) -> String {
    crate::errors::answer(error).map_or_else(|| error.to_string(), |status| status.message.clone())
}

/// The API group of the object to be healed, by its kind alone. Only where nothing else tells, and where it is about to
/// matter; one that cannot be discovered now counts as unknown.
pub(crate) async fn group(discovery: &Discovery, observation: &Observation) -> Option<String> {
    let target = observation.remediation_target();
    let is_about_to_matter = matches!(observation.phase, Some(Phase::Executing | Phase::Verifying));
    if !is_about_to_matter || target.api_version.is_some() || !observation.cluster_id.is_empty() {
        return None;
    }
    match discovery.resolve(&target.kind, None).await {
        Ok(place) => place.map(|place| place.resource.group),
        Err(error) => {
            tracing::warn!(kind = target.kind, %error, "it is not known whether an operator manages the target");
            None
        }
    }
}

#[cfg(test)]
mod tests;
