//! The objects that describe policies: watched, handed to a [`PolicyBook`], and told in their status what came of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::join;
use kube::api::{Api, DynamicObject};
use kube::{Client, ResourceExt as _};
use kube_runtime::WatchStreamExt as _;
use kube_runtime::watcher::{self, Event, watcher};
use serde_json::Value;
use tokio::sync::{Notify, watch};
use trimtab_api::PolicyKind;
use trimtab_core::ports::Clock;

use crate::backoff::WatchBackoff;
use crate::errors::watch_answer;
use crate::offload::Offload;

mod status;

/// How often what the objects name is looked at again: files, `ConfigMap`s, what could not be fetched; and how often what
/// remediations run with is told.
const LOOK_PERIOD: Duration = Duration::from_secs(2);

/// Wait before a kind is asked for again that the cluster does not have, or that may not be read.
const ABSENT_PAUSE: Duration = Duration::from_secs(10);

/// What the objects are made into.
pub trait PolicyBook: Send + Sync + std::fmt::Debug {
    /// Puts in force what the objects say: every `Policy` and `PolicySet` that there is. `are_new` tells that they are others
    /// than the last time; else only what they name may have changed. The result is whether anything has. It may fetch and
    /// compile, so it is not called on an async worker.
    fn apply(&self, objects: &[Arc<Value>], are_new: bool) -> bool;

    /// What came of each object.
    fn verdicts(&self) -> Vec<PolicyVerdict>;
}

/// What came of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyVerdict {
    /// Its kind.
    pub kind: PolicyKind,
    /// Its name.
    pub name: String,
    /// Its status; times and generation are filled in where it is written.
    pub status: Value,
    /// Whether it has to stay although somebody deletes it.
    pub is_held: bool,
}

/// Follows the objects of one namespace.
#[derive(Debug)]
pub struct PolicyObjects {
    /// What they are made into.
    pub book: Arc<dyn PolicyBook>,
    /// Their namespace.
    pub namespace: String,
    /// Whether the status of the objects is written, and they are held while they are needed.
    pub writes: bool,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Told of each change.
    pub swapped: watch::Sender<u64>,
    /// True once every remediation is known: before, nobody can tell that an object is not needed.
    pub ready: watch::Receiver<bool>,
}

type Key = (PolicyKind, String);
type Objects = BTreeMap<Key, Arc<DynamicObject>>;

/// What the watches show.
#[derive(Debug, Default)]
struct Shown {
    objects: Mutex<Objects>,
    /// Kinds whose first list is there, or that there are none of.
    listed: watch::Sender<BTreeSet<PolicyKind>>,
    changed: Notify,
}

impl Shown {
    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PolicyObjects {
    /// Follows the objects, for ever. `first` is told true once what there was at the start is in force.
    pub async fn follow(self, client: Client, first: watch::Sender<bool>) {
        let shown = Arc::new(Shown::default());
        let watches = PolicyKind::ALL.map(|kind| watch_kind(client.clone(), &self.namespace, kind, Arc::clone(&shown)));
        let [policies, sets] = watches;
        tokio::select! {
            _ = join(policies, sets) => {}
            () = self.apply(client.clone(), &shown, first) => {}
        }
    }

    async fn apply(&self, client: Client, shown: &Shown, first: watch::Sender<bool>) {
        let mut listed = shown.listed.subscribe();
        // The sender lives as long as what is shown.
        let _ = listed.wait_for(|listed| listed.len() == PolicyKind::ALL.len()).await;
        let mut ticks = tokio::time::interval(LOOK_PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        ticks.tick().await;
        let (mut are_new, mut faults) = (true, BTreeMap::new());
        loop {
            let applied = shown.objects().clone();
            let objects: Vec<_> = applied.values().map(|object| json(object)).collect();
            let book = Arc::clone(&self.book);
            match Offload::BlockingPool.run(move || book.apply(&objects, are_new)).await {
                Ok(true) => self.swapped.send_modify(|count| *count += 1),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "the policies of the cluster could not be looked at"),
            }
            first.send_replace(true);
            if self.writes {
                self.tell(&client, shown, (&applied, &mut faults)).await;
            }
            are_new = tokio::select! {
                () = shown.changed.notified() => true,
                _ = ticks.tick() => false,
            };
        }
    }

    /// Writes into every object what came of it, unless it asks for something else by now. Of `faults` each is told once.
    async fn tell(&self, client: &Client, shown: &Shown, (applied, faults): (&Objects, &mut BTreeMap<Key, String>)) {
        let book = Arc::clone(&self.book);
        let Ok(verdicts) = Offload::BlockingPool.run(move || book.verdicts()).await else { return };
        for verdict in verdicts {
            let key = (verdict.kind, verdict.name.clone());
            let now = shown.objects().get(&key).cloned();
            let Some((object, before)) = now.zip(applied.get(&key)) else { continue };
            if !asks_the_same(before, &object) {
                continue;
            }
            let api = api(client, &self.namespace, verdict.kind);
            let is_settled = *self.ready.borrow();
            match status::write(&api, &object, &verdict, (self.clock.now(), is_settled)).await {
                Ok(written) => {
                    faults.remove(&key);
                    // What the watch has shown meanwhile is newer, or tells the same.
                    let mut objects = shown.objects();
                    let known = objects.get_mut(&key).filter(|known| Arc::ptr_eq(known, &object));
                    if let Some((known, written)) = known.zip(written) {
                        *known = Arc::new(slim(written));
                    }
                }
                Err(error) if error.is_conflict() => {}
                Err(error) => {
                    let (kind, name, line) = (verdict.kind.kind(), &verdict.name, error.to_string());
                    if faults.insert(key, line.clone()).as_ref() != Some(&line) {
                        tracing::warn!(kind, name, %error, "the status of an object could not be written; it is tried again");
                    }
                }
            }
        }
    }
}

fn api(client: &Client, namespace: &str, kind: PolicyKind) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &kind.api_resource())
}

/// The object as its author wrote it.
fn json(object: &DynamicObject) -> Arc<Value> {
    Arc::new(serde_json::to_value(object).unwrap_or_default())
}

/// Shows the objects of one kind, for ever.
async fn watch_kind(client: Client, namespace: &str, kind: PolicyKind, shown: Arc<Shown>) {
    let key = |object: &DynamicObject| (kind, object.name_any());
    let changes = watcher(api(&client, namespace, kind), watcher::Config::default());
    let mut changes = changes.backoff(WatchBackoff::new(kind.kind())).boxed();
    let (mut is_absent, mut listing) = (false, Vec::new());
    while let Some(change) = changes.next().await {
        let has_changed = match change {
            Ok(Event::Init) => {
                listing.clear();
                false
            }
            Ok(Event::InitApply(object)) => {
                listing.push(slim(object));
                false
            }
            Ok(Event::InitDone) => {
                is_absent = false;
                let mut objects = shown.objects();
                objects.retain(|(other, _), _| *other != kind);
                objects.extend(listing.drain(..).map(|object| (key(&object), Arc::new(object))));
                true
            }
            Ok(Event::Apply(object)) => {
                let object = Arc::new(slim(object));
                let before = shown.objects().insert(key(&object), Arc::clone(&object));
                // A status that was written, by whomever, asks for nothing.
                !before.is_some_and(|before| asks_the_same(&before, &object))
            }
            Ok(Event::Delete(object)) => {
                shown.objects().remove(&key(&object));
                true
            }
            Err(error) => {
                let is_closed = watch_answer(&error).is_some_and(|status| matches!(status.code, 403 | 404));
                if !is_closed {
                    if shown.listed.borrow().contains(&kind) {
                        tracing::warn!(%kind, %error, "policies cannot be watched now; what was read last stays in force");
                    } else {
                        tracing::error!(%kind, %error, "policies cannot be read, and nothing is decided before they are");
                    }
                    continue;
                }
                if !std::mem::replace(&mut is_absent, true) {
                    tell_absent(kind, namespace, &error);
                }
                // There is nothing to wait for at the start.
                shown.listed.send_if_modified(|listed| listed.insert(kind));
                tokio::time::sleep(ABSENT_PAUSE).await;
                false
            }
        };
        if has_changed {
            shown.listed.send_if_modified(|listed| listed.insert(kind));
            shown.changed.notify_one();
        }
    }
}

/// A cluster without these kinds is an ordinary one; one where they may not be read is perhaps not.
fn tell_absent(kind: PolicyKind, namespace: &str, error: &watcher::Error) {
    let kind = kind.kind();
    if watch_answer(error).is_some_and(|status| status.code == 403) {
        let needed = "the controller needs get, list and watch on policies and policysets in its own namespace";
        tracing::warn!(kind, namespace, %error, needed, "policies of the cluster may not be read; those that were read before stay in force");
    } else {
        tracing::info!(
            kind,
            "the cluster has no such kind, which `trimtab crds` has; objects that were read before stay in force"
        );
    }
}

/// Whether an object is the same but for what the host writes itself.
fn asks_the_same(before: &DynamicObject, after: &DynamicObject) -> bool {
    let asked = |object: &DynamicObject| {
        let metadata = &object.metadata;
        (metadata.uid.clone(), metadata.generation, metadata.deletion_timestamp.is_some())
    };
    asked(before) == asked(after) && before.data["spec"] == after.data["spec"]
}

/// An object without what nobody here reads.
fn slim(mut object: DynamicObject) -> DynamicObject {
    object.metadata.managed_fields = None;
    object
}
