//! The cluster as the controller sees it: caches filled by watches, live reads, and writes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt as _};
use kube_runtime::reflector::{ObjectRef, Store};
use serde_json::{Value, json};
use tokio::time::Instant;
use trimtab_api::Kind;
use trimtab_core::json::remove;

use crate::beside;
use crate::discovery::Discovery;
use crate::written::{Known, Written};

mod deletion;
mod glimpse;

pub(crate) use glimpse::Glimpse;

/// Longest that one request may take, retries included.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Name under which the controller writes.
pub(crate) const FIELD_MANAGER: &str = "trimtab";

/// Why the cluster could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterError {
    /// The API server answered with an error, or not at all.
    #[error("cannot {verb} {kind} {namespace}/{name}: {source}")]
    Request {
        verb: &'static str,
        kind: Kind,
        namespace: String,
        name: String,
        #[source]
        source: Box<kube::Error>,
    },
    /// It did not answer in time.
    #[error("cannot {verb} {kind} {namespace}/{name}: no answer within 10 s")]
    Late { verb: &'static str, kind: Kind, namespace: String, name: String },
}

impl ClusterError {
    /// The API server's answer, where there was one.
    pub(crate) fn answer(&self) -> Option<&kube::core::Status> {
        match self {
            Self::Request { source, .. } => crate::errors::answer(source),
            Self::Late { .. } => None,
        }
    }

    /// The HTTP status, where the API server answered with one.
    pub(crate) fn code(&self) -> Option<u16> {
        match self {
            Self::Request { source, .. } => match &**source {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            Self::Late { .. } => None,
        }
    }
}

/// Caches, memory of writes, and a client.
#[derive(Clone)]
pub(crate) struct Cluster {
    client: Client,
    stores: Arc<HashMap<Kind, Store<DynamicObject>>>,
    written: Arc<Written>,
    discovery: Arc<Discovery>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("kinds", &self.stores.len()).finish_non_exhaustive()
    }
}

impl Cluster {
    pub(crate) fn new(
        client: Client,
        stores: HashMap<Kind, Store<DynamicObject>>,
        written: Arc<Written>,
        discovery: Arc<Discovery>,
    ) -> Self {
        Self { client, stores: Arc::new(stores), written, discovery }
    }

    /// The client, for objects that are none of ours.
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// What the API server serves.
    pub(crate) fn discovery(&self) -> &Discovery {
        &self.discovery
    }

    fn api(&self, kind: Kind, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &kind.api_resource())
    }

    /// The newest known state of an object: from the cache, from our own writes, or live where those cannot tell.
    pub(crate) async fn read(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Arc<Value>>, ClusterError> {
        let Some(store) = self.stores.get(&kind) else { return self.read_live(kind, namespace, name).await };
        let reference = ObjectRef::new_with(name, kind.api_resource()).within(namespace);
        let cached = store.get(&reference).map(|object| Arc::new(as_value(&object)));
        let key = (kind, namespace.to_owned(), name.to_owned());
        match self.written.newest(&key, cached) {
            Known::Newest(object) => Ok(Some(object)),
            // A cache that is still being filled cannot tell that something is absent.
            Known::Absent if !is_filled(store) => self.read_live(kind, namespace, name).await,
            Known::Absent => Ok(None),
            Known::Unclear => {
                let live = self.read_live(kind, namespace, name).await?;
                if live.is_none() {
                    self.written.forget(&key);
                }
                Ok(live)
            }
        }
    }

    /// The object as the API server has it now. A kind that is not installed has no objects.
    pub(crate) async fn read_live(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Arc<Value>>, ClusterError> {
        let api = self.api(kind, namespace);
        let found = self.within("get", kind, namespace, name, api.get_opt(name)).await?;
        Ok(found.map(|mut object| {
            slim(&mut object);
            Arc::new(as_value(&object))
        }))
    }

    /// Whether this version of an object's is what this process has written last, so short ago that nobody need be asked.
    pub(crate) fn is_vouched(&self, kind: Kind, namespace: &str, name: &str, version: &str) -> bool {
        self.written.is_vouched(&(kind, namespace.to_owned(), name.to_owned()), version)
    }

    /// Creates an object. `Ok(None)`: one of this name is there already.
    pub(crate) async fn create(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        object: &Value,
    ) -> Result<Option<Arc<Value>>, ClusterError> {
        let body: DynamicObject = match serde_json::from_value(object.clone()) {
            Ok(body) => body,
            Err(error) => {
                let source = kube::Error::SerdeError(error);
                return Err(request_error("create", kind, namespace, name, source));
            }
        };
        let api = self.api(kind, namespace);
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        match self.within("create", kind, namespace, name, api.create(&parameters, &body)).await {
            Ok(created) => Ok(Some(self.remember(kind, namespace, name, created))),
            Err(error) if error.code() == Some(409) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Merge-patches a status, conditional on `resource_version` where one is given.
    pub(crate) async fn patch_status(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        status: &Value,
        resource_version: Option<&str>,
    ) -> Result<Arc<Value>, ClusterError> {
        let mut body = json!({"status": status});
        if let Some(version) = resource_version {
            body["metadata"] = json!({"resourceVersion": version});
        }
        let api = self.api(kind, namespace);
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(body);
        let sent = Instant::now();
        let patched = self
            .within("patch the status of", kind, namespace, name, api.patch_status(name, &parameters, &patch))
            .await?;
        let patched = self.remember(kind, namespace, name, patched);
        self.written.vouch((kind, namespace.to_owned(), name.to_owned()), &patched, sent);
        Ok(patched)
    }

    /// Every cached object of a kind in a namespace.
    pub(crate) fn list(&self, kind: Kind, namespace: &str) -> Vec<Arc<DynamicObject>> {
        let Some(store) = self.stores.get(&kind) else { return Vec::new() };
        store.state().into_iter().filter(|object| object.namespace().as_deref() == Some(namespace)).collect()
    }

    /// Remembers what only a watch can make stale; of a kind that is not watched nothing is kept.
    fn remember(&self, kind: Kind, namespace: &str, name: &str, mut object: DynamicObject) -> Arc<Value> {
        slim(&mut object);
        let value = Arc::new(as_value(&object));
        if self.stores.contains_key(&kind) {
            self.written.remember((kind, namespace.to_owned(), name.to_owned()), Arc::clone(&value));
        }
        value
    }

    async fn within<T>(
        &self,
        verb: &'static str,
        kind: Kind,
        namespace: &str,
        name: &str,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ClusterError> {
        match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
            Ok(answer) => answer.map_err(|source| request_error(verb, kind, namespace, name, source)),
            Err(_) => Err(ClusterError::Late { verb, kind, namespace: namespace.to_owned(), name: name.to_owned() }),
        }
    }
}

fn request_error(verb: &'static str, kind: Kind, namespace: &str, name: &str, source: kube::Error) -> ClusterError {
    let source = Box::new(source);
    ClusterError::Request { verb, kind, namespace: namespace.to_owned(), name: name.to_owned(), source }
}

/// Whether the first list has arrived.
fn is_filled(store: &Store<DynamicObject>) -> bool {
    store.wait_until_ready().now_or_never().is_some_and(|ready| ready.is_ok())
}

/// Leaves out what no policy and no plan reads, and what can be large. Done once, where an object arrives: from a watch,
/// a live read or a write.
pub(crate) fn slim(object: &mut DynamicObject) {
    beside::mark(object);
    object.managed_fields_mut().clear();
    object.annotations_mut().remove("kubectl.kubernetes.io/last-applied-configuration");
    remove(&mut object.data, &["spec", "originalPayload"]);
    // The text of a notification, and the list of tries to deliver it.
    for path in [["spec", "body"], ["spec", "context"], ["status", "deliveryAttempts"]] {
        remove(&mut object.data, &path);
    }
}

/// The object as JSON.
pub(crate) fn as_value(object: &DynamicObject) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}
