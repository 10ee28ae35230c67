//! The cluster as the controller sees it: caches filled by watches, live reads, and writes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::time::Instant;
use trimtab_api::Kind;

use crate::cache::Cache;
use crate::discovery::Discovery;
use crate::object::{Object, Of};
use crate::written::{Key, Known, Written};

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
    caches: Arc<HashMap<Kind, Arc<Cache>>>,
    written: Arc<Written>,
    discovery: Arc<Discovery>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("kinds", &self.caches.len()).finish_non_exhaustive()
    }
}

impl Cluster {
    pub(crate) fn new(
        client: Client,
        caches: HashMap<Kind, Arc<Cache>>,
        written: Arc<Written>,
        discovery: Arc<Discovery>,
    ) -> Self {
        Self { client, caches: Arc::new(caches), written, discovery }
    }

    /// The client, for objects that are none of ours.
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// What the API server serves.
    pub(crate) fn discovery(&self) -> &Discovery {
        &self.discovery
    }

    fn api(&self, kind: Kind, namespace: &str) -> Api<Object> {
        Api::namespaced_with(self.client.clone(), namespace, &Of(kind))
    }

    /// What the watch shows of an object.
    pub(crate) fn cached(&self, kind: Kind, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.caches.get(&kind)?.get(namespace, name)
    }

    /// Whether the watch shows an object.
    pub(crate) fn shows(&self, kind: Kind, namespace: &str, name: &str) -> bool {
        self.caches.get(&kind).is_some_and(|cache| cache.shows(namespace, name))
    }

    /// The newest known state of an object: from the cache, from our own writes, or live where those cannot tell.
    pub(crate) async fn read(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Arc<Value>>, ClusterError> {
        let Some(cache) = self.caches.get(&kind) else { return self.read_live(kind, namespace, name).await };
        let key = key(kind, namespace, name);
        match self.written.newest(&key, cache.get(namespace, name)) {
            Known::Newest(object) => Ok(Some(object)),
            // A cache that is still being filled cannot tell that something is absent.
            Known::Absent if !cache.is_filled() => self.read_live(kind, namespace, name).await,
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
        let found = found.map(|object| Arc::clone(object.json()));
        if let (Some(object), Some(cache)) = (&found, self.caches.get(&kind)) {
            self.written.saw(key(kind, namespace, name), object, cache.get(namespace, name).as_deref());
        }
        Ok(found)
    }

    /// Whether this version of an object's is what this process has written last, so short ago that nobody need be asked.
    pub(crate) fn is_vouched(&self, kind: Kind, namespace: &str, name: &str, version: &str) -> bool {
        self.written.is_vouched(&key(kind, namespace, name), version)
    }

    /// Creates an object. `Ok(None)`: one of this name is there already.
    pub(crate) async fn create(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        object: &Value,
    ) -> Result<Option<Arc<Value>>, ClusterError> {
        let body = Object::of(Arc::new(object.clone()));
        let api = self.api(kind, namespace);
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        match self.within("create", kind, namespace, name, api.create(&parameters, &body)).await {
            Ok(created) => Ok(Some(self.remember(kind, namespace, name, &created))),
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
        let patched = self.remember(kind, namespace, name, &patched);
        self.written.vouch(key(kind, namespace, name), &patched, sent);
        Ok(patched)
    }

    /// Every object of a kind that the watch shows in a namespace.
    pub(crate) fn list(&self, kind: Kind, namespace: &str) -> Vec<Arc<Value>> {
        self.caches.get(&kind).map(|cache| cache.list(namespace)).unwrap_or_default()
    }

    /// Remembers what only a watch can make stale; of a kind that is not watched nothing is kept.
    fn remember(&self, kind: Kind, namespace: &str, name: &str, object: &Object) -> Arc<Value> {
        let value = Arc::clone(object.json());
        if self.caches.contains_key(&kind) {
            self.written.remember(key(kind, namespace, name), Arc::clone(&value));
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

/// What is remembered of an object is found by this.
fn key(kind: Kind, namespace: &str, name: &str) -> Key {
    (kind, namespace.to_owned(), name.to_owned())
}
