//! Reads and changes the `ConfigMap` of the brakes, safe against others who change it at the same time.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::{Api, PostParams};
use trimtab_core::brakes::CONFIG_MAP;
use trimtab_core::brakes::rules::Rules;

use super::document::{self, DocumentFault};
use crate::cluster::REQUEST_TIMEOUT;

/// Most times that a change is tried again because somebody else was faster.
const TRIES_MAX: usize = 10;

/// Why the brakes could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreFailure {
    /// The API server refused, or could not be reached.
    #[error("cannot {verb} ConfigMap {namespace}/{CONFIG_MAP}: {source}")]
    Request {
        /// What was tried.
        verb: &'static str,
        /// Where.
        namespace: String,
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
    /// It did not answer.
    #[error("cannot {verb} ConfigMap {namespace}/{CONFIG_MAP}: no answer within 10 s")]
    Late {
        /// What was tried.
        verb: &'static str,
        /// Where.
        namespace: String,
    },
    /// What is there cannot be used, so nothing is changed.
    #[error("{0}; mend it with `kubectl edit configmap {CONFIG_MAP}`, or delete it to have no brakes")]
    Document(#[from] DocumentFault),
    /// Others were faster each time.
    #[error("ConfigMap {namespace}/{CONFIG_MAP} was changed by others {TRIES_MAX} times in a row; try again")]
    Contended {
        /// Where.
        namespace: String,
    },
}

/// The `ConfigMap`, where there is one.
pub async fn fetch(client: &Client, namespace: &str) -> Result<Option<ConfigMap>, StoreFailure> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    within("read", namespace, api.get_opt(CONFIG_MAP)).await
}

/// The rules in a `ConfigMap`; none where it is absent.
pub fn rules_of(found: Option<&ConfigMap>) -> Result<Rules, DocumentFault> {
    let nothing = BTreeMap::new();
    document::read(found.and_then(|map| map.data.as_ref()).unwrap_or(&nothing))
}

/// Changes the rules, and tries again where somebody else was faster. Nothing is written where nothing changes. The
/// result is the `ConfigMap` and the rules as they are then.
pub async fn edit(
    client: &Client,
    namespace: &str,
    mut change: impl FnMut(&mut Rules),
) -> Result<(Option<ConfigMap>, Rules), StoreFailure> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    for _ in 0..TRIES_MAX {
        let found = fetch(client, namespace).await?;
        let before = rules_of(found.as_ref())?;
        let mut after = before.clone();
        change(&mut after);
        if after == before {
            return Ok((found, after));
        }
        if let Some(fault) = after.faults().first() {
            return Err(DocumentFault::Senseless(fault.clone()).into());
        }
        let is_new = found.is_none();
        let mut map = found.unwrap_or_else(|| ConfigMap {
            metadata: ObjectMeta {
                name: Some(CONFIG_MAP.to_owned()),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        });
        document::write(map.data.get_or_insert_default(), &before, &after)?;
        // A replacement carries the resourceVersion that was read, so a change in between is a conflict.
        let parameters = PostParams::default();
        let written = if is_new {
            within("create", namespace, api.create(&parameters, &map)).await
        } else {
            within("change", namespace, api.replace(CONFIG_MAP, &parameters, &map)).await
        };
        match written {
            Ok(map) => return Ok((Some(map), after)),
            Err(error) if is_conflict(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Err(StoreFailure::Contended { namespace: namespace.to_owned() })
}

/// 409: somebody else has written, or created, it meanwhile.
fn is_conflict(error: &StoreFailure) -> bool {
    matches!(error, StoreFailure::Request { source, .. }
        if matches!(&**source, kube::Error::Api(status) if status.code == 409))
}

async fn within<T>(
    verb: &'static str,
    namespace: &str,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, StoreFailure> {
    let namespace = namespace.to_owned();
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(|source| StoreFailure::Request { verb, namespace, source: Box::new(source) }),
        Err(_) => Err(StoreFailure::Late { verb, namespace }),
    }
}
