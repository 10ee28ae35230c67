//! `ConfigMap`s and Secrets that sources name, read from the cluster.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Client;
use kube::api::Api;
use trimtab_policy_engine::source::{ConfigMapFault, ConfigMaps, Entries};

/// The key of a Secret of type `kubernetes.io/dockerconfigjson`.
const DOCKER_CONFIG: &str = ".dockerconfigjson";

/// Reads what sources name.
#[derive(Clone)]
pub(crate) struct ClusterReader(pub(crate) Client);

impl fmt::Debug for ClusterReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterReader").finish_non_exhaustive()
    }
}

impl ClusterReader {
    /// The text of a pull secret; an error is one line.
    pub(super) async fn docker_config(&self, namespace: &str, name: &str) -> Result<Vec<u8>, String> {
        let api: Api<Secret> = Api::namespaced(self.0.clone(), namespace);
        let secret = match api.get(name).await {
            Ok(secret) => secret,
            Err(kube::Error::Api(status)) if status.code == 404 => {
                return Err(format!(
                    "there is no Secret {namespace}/{name}: create it with `kubectl create secret docker-registry`"
                ));
            }
            Err(kube::Error::Api(status)) if status.code == 403 => {
                return Err(format!(
                    "the Secret {namespace}/{name} may not be read: let the host's service account get it"
                ));
            }
            Err(error) => return Err(format!("the Secret {namespace}/{name} cannot be read: {error}")),
        };
        let text = secret.data.and_then(|mut data| data.remove(DOCKER_CONFIG)).map(|text| text.0);
        text.ok_or_else(|| {
            format!("the Secret {namespace}/{name} has no {DOCKER_CONFIG}: make it with `kubectl create secret docker-registry`")
        })
    }
}

impl ConfigMaps for ClusterReader {
    fn entries<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Entries, ConfigMapFault>> + Send + 'a>> {
        Box::pin(async move {
            let api: Api<ConfigMap> = Api::namespaced(self.0.clone(), namespace);
            let map = api.get(name).await.map_err(fault)?;
            let text = map.data.into_iter().flatten().map(|(key, value)| (key, value.into_bytes()));
            let bytes = map.binary_data.into_iter().flatten().map(|(key, value)| (key, value.0));
            Ok(text.chain(bytes).collect())
        })
    }
}

fn fault(error: kube::Error) -> ConfigMapFault {
    match error {
        kube::Error::Api(status) if status.code == 404 => ConfigMapFault::Missing,
        kube::Error::Api(status) if status.code == 403 => ConfigMapFault::Forbidden(status.message),
        error => ConfigMapFault::Unreachable(error.to_string()),
    }
}
