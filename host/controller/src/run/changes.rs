//! The changes of each kind, and the remediations that there are.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use kube::{Client, ResourceExt as _};
use kube_runtime::reflector::{self, Store};
use kube_runtime::{WatchStreamExt as _, watcher};
use tokio::sync::watch;
use trimtab_api::Kind;

use super::memory::Memory;
use super::{ControllerConfig, namespaces};
use crate::cache::Cache;
use crate::discovery::Discovery;
use crate::object::{Object, Of};

pub(super) type Changes = BoxStream<'static, watcher::Event<Object>>;

/// The changes of one kind that tell something new, when its cache and everybody who follows it have seen them. A kind that
/// is not installed has none: the remediations that need it wait, the others go on.
pub(super) fn changes(
    client: &Client,
    kind: Kind,
    config: &ControllerConfig,
    memory: &Memory,
    caches: &HashMap<Kind, Arc<Cache>>,
    discovery: &Arc<Discovery>,
) -> Changes {
    let cache = caches.get(&kind).map(Arc::clone).unwrap_or_default();
    let (memory, metrics) = (memory.clone(), config.metrics.clone());
    namespaces::changes(client, kind, &config.namespaces, &cache, discovery)
        // Each watch backs off by itself. Passed on, the errors of all watches would add up in the controller's own
        // back-off, and it would be deaf long after the API server is back.
        .filter_map(move |change| {
            let change = change.inspect_err(|error| {
                metrics.watch_error();
                tracing::warn!(%kind, %error, "a watch failed and is tried again");
            });
            futures::future::ready(change.ok())
        })
        .filter_map(move |change| {
            memory.hear(kind, &change, &cache);
            cache.apply(&change);
            futures::future::ready(memory.heard(kind, &change).then_some(change))
        })
        .boxed()
}

/// The remediations that there are, by name.
#[derive(Clone)]
pub(super) struct Known {
    /// For the queue alone to wait for: it wakes only whoever has waited for it last.
    pub(super) names: Store<Object>,
    /// Whether the first list is there.
    pub(super) is_listed: watch::Receiver<bool>,
}

impl Known {
    /// Waits until they are known; never ends where that cannot be any more.
    pub(super) async fn wait(&self) {
        if self.is_listed.clone().wait_for(|is_listed| *is_listed).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub(super) fn uids(&self) -> HashSet<String> {
        self.names.state().iter().filter_map(|object| object.uid()).collect()
    }
}

/// The remediations that there are, and their changes.
pub(super) fn known(changes: Changes) -> (Known, impl Stream<Item = Result<Object, watcher::Error>> + Send) {
    let writer = reflector::store::Writer::new(Of(Kind::RemediationRequest));
    let (listed, is_listed) = watch::channel(false);
    let known = Known { names: writer.as_reader(), is_listed };
    let named = changes.map(|change| {
        Ok(match change {
            watcher::Event::Apply(object) => watcher::Event::Apply(object.stub()),
            watcher::Event::Delete(object) => watcher::Event::Delete(object.stub()),
            watcher::Event::InitApply(object) => watcher::Event::InitApply(object.stub()),
            watcher::Event::Init => watcher::Event::Init,
            watcher::Event::InitDone => watcher::Event::InitDone,
        })
    });
    let shown = named.reflect(writer).inspect(move |change| {
        if matches!(change, Ok(watcher::Event::InitDone)) {
            listed.send_replace(true);
        }
    });
    (known, shown.touched_objects())
}

/// The objects that have changed, or are gone.
pub(super) fn touched(changes: Changes) -> impl Stream<Item = Result<Object, watcher::Error>> + Send {
    changes.map(Ok).touched_objects()
}
