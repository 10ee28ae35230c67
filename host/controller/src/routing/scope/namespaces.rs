//! The labels of namespaces, from a watch of their metadata.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::{Client, ResourceExt as _};
use kube_runtime::{WatchStreamExt as _, watcher};

use super::{LABEL, LOOK_TIMEOUT, Label, label};

/// What the watch shows.
#[derive(Debug, Default)]
struct Known {
    labels: HashMap<String, Label>,
    /// Those of the list that is arriving.
    listed: HashMap<String, Label>,
    is_filled: bool,
    is_told: bool,
}

/// Every namespace's label.
pub(super) struct Namespaces {
    client: Client,
    known: RwLock<Known>,
}

impl Namespaces {
    pub(super) fn new(client: Client) -> Self {
        Self { client, known: RwLock::default() }
    }

    /// Follows them, for ever.
    pub(super) async fn follow(&self) {
        let api: Api<PartialObjectMeta<Namespace>> = Api::all(self.client.clone());
        let mut changes = watcher(api, watcher::Config::default()).default_backoff().boxed();
        while let Some(change) = changes.next().await {
            match change {
                Ok(change) => self.apply(change),
                Err(error) => self.broken(&error.to_string()),
            }
        }
    }

    /// The label of a namespace; `None` where there is no such namespace. What the watch does not show is asked for.
    pub(super) async fn label(&self, name: &str) -> Result<Option<Label>, String> {
        let shown = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if known.is_filled { known.labels.get(name).copied() } else { None }
        };
        if let Some(label) = shown {
            return Ok(Some(label));
        }
        let api: Api<Namespace> = Api::all(self.client.clone());
        match tokio::time::timeout(LOOK_TIMEOUT, api.get_metadata_opt(name)).await {
            Ok(Ok(found)) => Ok(found.map(|found| label_of(&found))),
            Ok(Err(error)) => {
                Err(crate::errors::answer(&error).map_or_else(|| error.to_string(), |no| no.message.clone()))
            }
            Err(_) => Err("no answer within 5 s".to_owned()),
        }
    }

    fn apply(&self, change: watcher::Event<PartialObjectMeta<Namespace>>) {
        let mut known = self.write();
        match change {
            watcher::Event::Apply(object) => {
                known.labels.insert(object.name_any(), label_of(&object));
            }
            watcher::Event::Delete(object) => {
                known.labels.remove(&object.name_any());
            }
            watcher::Event::Init => known.listed.clear(),
            watcher::Event::InitApply(object) => {
                known.listed.insert(object.name_any(), label_of(&object));
            }
            watcher::Event::InitDone => {
                known.labels = std::mem::take(&mut known.listed);
                (known.is_filled, known.is_told) = (true, false);
            }
        }
    }

    /// The watch is broken: what it showed last stays in force; where it never showed anything each look is a request.
    fn broken(&self, error: &str) {
        let mut known = self.write();
        if !std::mem::replace(&mut known.is_told, true) {
            tracing::warn!(
                error,
                is_filled = known.is_filled,
                "namespaces cannot be watched; the controller needs get, list and watch on namespaces"
            );
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn label_of(object: &PartialObjectMeta<Namespace>) -> Label {
    label(object.labels().get(LABEL).map(String::as_str))
}
