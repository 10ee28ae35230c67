//! Everything that happens in one namespace, seen through watches.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::StreamExt as _;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use kube::{Client, ResourceExt as _};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use trimtab_api::Kind;
use trimtab_core::time::Timestamp;

use crate::process::PATIENCE;

/// The kind of the events of steps.
pub const EVENT: &str = "Event";

/// One life of a remediation: a recreated namesake is another.
#[derive(Debug, Clone)]
pub struct Life {
    /// Its uid.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// Every phase it was seen in, in order; empty before the first.
    pub phases: Vec<String>,
    /// Every step that its own record showed: the number, and when it was decided.
    pub steps: BTreeMap<u64, Timestamp>,
    /// Its last state.
    pub last: Value,
    /// Whether it is gone.
    pub is_gone: bool,
}

/// What has been seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// Objects that exist, by kind and name.
    pub objects: BTreeMap<(String, String), Value>,
    /// Every remediation that was ever seen, in order.
    pub lives: Vec<Life>,
    /// Errors of watches, for failure messages.
    pub errors: Vec<String>,
    /// Kinds that have been listed once.
    listed: BTreeSet<String>,
}

/// Records a namespace until it is dropped.
#[derive(Debug)]
pub struct Recorder {
    seen: Arc<Mutex<Seen>>,
    changes: watch::Receiver<u64>,
    remediations: Api<DynamicObject>,
    _tasks: JoinSet<()>,
}

impl Recorder {
    /// Starts to watch, and returns once every kind has been listed.
    pub async fn start(client: &Client, namespace: &str) -> anyhow::Result<Self> {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (sender, changes) = watch::channel(0);
        let sender = Arc::new(sender);
        let mut tasks = JoinSet::new();
        for resource in resources() {
            let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource);
            tasks.spawn(record(api, resource.kind.clone(), Arc::clone(&seen), Arc::clone(&sender)));
        }
        let remediations = Api::namespaced_with(client.clone(), namespace, &Kind::RemediationRequest.api_resource());
        let recorder = Self { seen, changes, remediations, _tasks: tasks };
        let kinds = resources().len();
        let listed = recorder.wait(PATIENCE, |seen| (seen.listed.len() == kinds).then_some(())).await;
        listed.with_context(|| format!("list every kind: {}", recorder.seen().errors.join(", ")))?;
        Ok(recorder)
    }

    /// What has been seen so far.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    /// Waits until `accept` is satisfied by what has been seen.
    pub async fn wait<T>(&self, patience: Duration, mut accept: impl FnMut(&Seen) -> Option<T>) -> anyhow::Result<T> {
        let mut changes = self.changes.clone();
        let search = async {
            loop {
                changes.borrow_and_update();
                if let Some(found) = accept(&self.seen()) {
                    return Ok(found);
                }
                if changes.changed().await.is_err() {
                    bail!("the watches ended");
                }
            }
        };
        match tokio::time::timeout(patience, search).await {
            Ok(found) => found,
            Err(_) => bail!("not within {patience:?}"),
        }
    }

    /// Waits until nothing has changed for this long. `false`: the changes have not ended within `patience`.
    pub async fn quiet(&self, length: Duration, patience: Duration) -> bool {
        let mut changes = self.changes.clone();
        let settle = async {
            loop {
                changes.borrow_and_update();
                if tokio::time::timeout(length, changes.changed()).await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(patience, settle).await.is_ok()
    }

    /// Waits until every remediation has been seen as it is now, or later; watches come after what they tell of.
    pub async fn caught_up(&self) -> anyhow::Result<()> {
        let now = self.remediations.list(&ListParams::default()).await?.items;
        let is_seen = |seen: &Seen| {
            let lives = || seen.lives.iter().filter(|life| !life.is_gone);
            now.iter().all(|object| {
                let (uid, version) = (object.uid().unwrap_or_default(), number(object.resource_version().as_deref()));
                seen.lives.iter().any(|life| life.uid == uid && (life.is_gone || version_of(life) >= version))
            }) && lives().all(|life| now.iter().any(|object| object.uid().as_deref() == Some(&life.uid)))
        };
        self.wait(PATIENCE, |seen| is_seen(seen).then_some(())).await.context("see the last changes")
    }

    /// How many changes have been seen.
    pub fn count(&self) -> u64 {
        *self.changes.borrow()
    }
}

fn version_of(life: &Life) -> u64 {
    number(life.last["metadata"]["resourceVersion"].as_str())
}

/// Versions of one kind count up.
fn number(version: Option<&str>) -> u64 {
    version.and_then(|version| version.parse().ok()).unwrap_or(0)
}

fn resources() -> Vec<ApiResource> {
    let events = ApiResource::from_gvk(&GroupVersionKind::gvk("events.k8s.io", "v1", EVENT));
    Kind::ALL.into_iter().map(Kind::api_resource).chain([events]).collect()
}

async fn record(api: Api<DynamicObject>, kind: String, seen: Arc<Mutex<Seen>>, changes: Arc<watch::Sender<u64>>) {
    let mut listed = HashSet::new();
    let mut stream = watcher(api, watcher::Config::default()).default_backoff().boxed();
    while let Some(change) = stream.next().await {
        let mut state = lock(&seen);
        match change {
            Ok(watcher::Event::Init) => listed.clear(),
            Ok(watcher::Event::InitApply(object)) => {
                listed.insert(object.metadata.name.clone().unwrap_or_default());
                state.apply(&kind, object);
            }
            Ok(watcher::Event::InitDone) => {
                let known = state.objects.keys().filter(|(of, name)| *of == kind && !listed.contains(name));
                for (_, name) in known.cloned().collect::<Vec<_>>() {
                    state.remove(&kind, &name);
                }
                state.listed.insert(kind.clone());
            }
            Ok(watcher::Event::Apply(object)) => state.apply(&kind, object),
            Ok(watcher::Event::Delete(object)) => state.remove(&kind, &object.metadata.name.unwrap_or_default()),
            Err(error) => {
                let line = format!("watch {kind}: {error}");
                // A watch that fails again and again says so once.
                if state.errors.last() != Some(&line) {
                    state.errors.push(line);
                }
            }
        }
        drop(state);
        changes.send_modify(|count| *count += 1);
    }
}

impl Seen {
    /// An object that exists.
    pub fn object(&self, kind: &str, name: &str) -> Option<&Value> {
        self.objects.get(&(kind.to_owned(), name.to_owned()))
    }

    fn apply(&mut self, kind: &str, object: DynamicObject) {
        let name = object.metadata.name.clone().unwrap_or_default();
        let value = serde_json::to_value(object).unwrap_or_default();
        if kind == Kind::RemediationRequest.kind() {
            self.live(&name, &value);
        }
        self.objects.insert((kind.to_owned(), name), value);
    }

    fn live(&mut self, name: &str, value: &Value) {
        let uid = value["metadata"]["uid"].as_str().unwrap_or_default();
        let phase = value["status"]["overallPhase"].as_str().unwrap_or_default();
        if !self.lives.iter().any(|life| life.uid == uid) {
            let (uid, name) = (uid.to_owned(), name.to_owned());
            let (phases, steps) = (Vec::new(), BTreeMap::new());
            self.lives.push(Life { uid, name, phases, steps, last: Value::Null, is_gone: false });
        }
        for life in self.lives.iter_mut().filter(|life| life.uid == uid) {
            if life.phases.last().is_none_or(|last| last != phase) {
                life.phases.push(phase.to_owned());
            }
            if let Some((sequence, at)) =
                trimtab_api::mapping::record(value).ok().and_then(|record| Some((record.sequence, record.at?)))
            {
                life.steps.insert(sequence, at);
            }
            life.last = value.clone();
        }
    }

    fn remove(&mut self, kind: &str, name: &str) {
        let Some(value) = self.objects.remove(&(kind.to_owned(), name.to_owned())) else { return };
        for life in self.lives.iter_mut().filter(|life| Some(life.uid.as_str()) == value["metadata"]["uid"].as_str()) {
            life.is_gone = true;
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
