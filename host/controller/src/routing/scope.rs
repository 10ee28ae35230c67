//! Whether an object is under management: its own label, else its namespace's.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::core::ApiResource;
use tokio::time::Instant;
use trimtab_core::observation::{Observation, Scope, Target};

use namespaces::Namespaces;

mod namespaces;

/// The label that says so: `true` or `false`; anything else counts as none.
const LABEL: &str = "kubernaut.ai/managed";

/// Longest that one look may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an object that turned out to be managed is not looked at again. One that is not is looked at each time.
const KNOWN_FOR: Duration = Duration::from_secs(10);

/// Objects that are remembered at most.
const KNOWN_MAX: usize = 1024;

/// The kinds whose own label counts, with their group, plural and whether they live in namespaces.
const KINDS: [(&str, &str, &str, bool); 13] = [
    ("Pod", "", "pods", true),
    ("Node", "", "nodes", false),
    ("Service", "", "services", true),
    ("ConfigMap", "", "configmaps", true),
    ("Secret", "", "secrets", true),
    ("Namespace", "", "namespaces", false),
    ("PersistentVolume", "", "persistentvolumes", false),
    ("ReplicaSet", "apps", "replicasets", true),
    ("Deployment", "apps", "deployments", true),
    ("StatefulSet", "apps", "statefulsets", true),
    ("DaemonSet", "apps", "daemonsets", true),
    ("Job", "batch", "jobs", true),
    ("CronJob", "batch", "cronjobs", true),
];

/// What a label says: true, false, or nothing.
type Label = Option<bool>;

/// Knows which objects are managed.
pub(super) struct Scopes {
    client: Client,
    namespaces: Namespaces,
    /// Own labels of objects that were managed, by the object, and when they were read.
    known: Mutex<HashMap<String, (Instant, Label)>>,
}

impl Scopes {
    pub(super) fn new(client: Client) -> Self {
        Self { namespaces: Namespaces::new(client.clone()), client, known: Mutex::default() }
    }

    /// Follows the labels of namespaces, for ever.
    pub(super) async fn follow(&self) {
        self.namespaces.follow().await;
    }

    /// Whether the signal's target is managed now.
    pub(super) async fn look(&self, observation: &Observation) -> Scope {
        let target = &observation.target;
        let own = self.own_label(target).await;
        let scope = match (own, namespace_of(target)) {
            (Some(is_managed), _) => said(is_managed, format!("{LABEL}={is_managed} on {}", target.display())),
            (None, None) => said(false, format!("{} has no label {LABEL} and no namespace", target.display())),
            (None, Some(namespace)) => self.by_namespace(target, namespace).await,
        };
        if scope.verdict == MANAGED {
            self.remember(target, own);
        }
        scope
    }

    async fn by_namespace(&self, target: &Target, namespace: &str) -> Scope {
        match self.namespaces.label(namespace).await {
            Ok(Some(Some(is_managed))) => said(is_managed, format!("{LABEL}={is_managed} on namespace {namespace}")),
            Ok(Some(None)) => {
                said(false, format!("neither {} nor namespace {namespace} has the label {LABEL}", target.display()))
            }
            Ok(None) => unknown(format!("there is no namespace {namespace}")),
            Err(why) => unknown(format!("namespace {namespace} cannot be read: {why}")),
        }
    }

    /// What the object's own label says. One that cannot be read says nothing, as one that is not there.
    async fn own_label(&self, target: &Target) -> Label {
        let (kind, group, plural, is_namespaced) = KINDS.into_iter().find(|(kind, ..)| *kind == target.kind)?;
        if kind == "Namespace" {
            return self.namespaces.label(&target.name).await.ok().flatten().flatten();
        }
        if let Some(known) = self.recall(target) {
            return known;
        }
        let resource = ApiResource {
            group: group.to_owned(),
            version: "v1".to_owned(),
            api_version: if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") },
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        };
        let api: Api<DynamicObject> = match namespace_of(target) {
            Some(namespace) if is_namespaced => Api::namespaced_with(self.client.clone(), namespace, &resource),
            // Without a namespace there is nothing to ask for.
            None if is_namespaced => return None,
            _ => Api::all_with(self.client.clone(), &resource),
        };
        let found = match tokio::time::timeout(LOOK_TIMEOUT, api.get_metadata_opt(&target.name)).await {
            Ok(Ok(found)) => found?,
            Ok(Err(error)) => {
                tracing::warn!(target = target.qualified(), %error, "the target's own label cannot be read");
                return None;
            }
            Err(_) => {
                tracing::warn!(target = target.qualified(), "the target's own label cannot be read within 5 s");
                return None;
            }
        };
        found.metadata.labels.as_ref().and_then(|labels| label(labels.get(LABEL).map(String::as_str)))
    }

    fn recall(&self, target: &Target) -> Option<Label> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&target.qualified()).filter(|(at, _)| at.elapsed() < KNOWN_FOR).map(|(_, label)| *label)
    }

    fn remember(&self, target: &Target, own: Label) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (at, _)| at.elapsed() < KNOWN_FOR);
        if known.len() < KNOWN_MAX {
            // When it was read first counts.
            known.entry(target.qualified()).or_insert((Instant::now(), own));
        }
    }
}

const MANAGED: &str = "managed";

fn said(is_managed: bool, because: String) -> Scope {
    Scope { verdict: if is_managed { MANAGED } else { "unmanaged" }.to_owned(), because }
}

fn unknown(because: String) -> Scope {
    Scope { verdict: "unknown".to_owned(), because }
}

fn namespace_of(target: &Target) -> Option<&str> {
    target.namespace.as_deref().filter(|namespace| !namespace.is_empty())
}

fn label(value: Option<&str>) -> Label {
    match value {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
