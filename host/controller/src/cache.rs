//! Every object of one kind that a watch shows.
//!
//! Most of a cluster's remediations have ended, or wait for hours: what nobody has looked at for a moment is kept
//! compressed, and unpacked when it is looked at again.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use kube::ResourceExt as _;
use kube_runtime::watcher::Event;
use serde_json::Value;
use tokio::sync::Notify;

use crate::object::Object;
use crate::offload::Offload;
use packer::{Packed, Packer};

mod packer;

/// An object stays unpacked for so many rounds of packing after it was looked at.
const ROUNDS_OPEN: u64 = 2;

/// After so many objects were unpacked, or came unpacked, a round of packing does not wait for its time.
const OPENED_MAX: usize = 256;

/// The objects of one kind.
#[derive(Debug)]
pub(crate) struct Cache {
    state: RwLock<State>,
    packer: Packer,
    round: AtomicU64,
    /// Whether the first list has arrived.
    is_filled: AtomicBool,
    /// How many objects were unpacked, or came unpacked, since the last round of packing.
    opened: AtomicUsize,
    /// Told of the first of them, and when there are many.
    to_pack: Notify,
}

#[derive(Debug, Default)]
struct State {
    objects: HashMap<Box<str>, Whole>,
    /// The list that is arriving.
    listed: HashMap<Box<str>, Whole>,
}

#[derive(Debug)]
enum Whole {
    /// With the round in which it was looked at last.
    Open(Arc<Value>, AtomicU64),
    Packed(Arc<Packed>),
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            state: RwLock::default(),
            packer: Packer::default(),
            round: AtomicU64::new(0),
            is_filled: AtomicBool::new(false),
            opened: AtomicUsize::new(0),
            to_pack: Notify::new(),
        }
    }
}

impl Cache {
    /// Takes over a change that a watch tells of.
    pub(crate) fn apply(&self, change: &Event<Object>) {
        let open = |object: &Object| {
            Whole::Open(Arc::clone(object.json()), AtomicU64::new(self.round.load(Ordering::Relaxed)))
        };
        let mut state = self.write();
        match change {
            Event::Apply(object) => {
                state.objects.insert(key_of(object), open(object));
            }
            Event::Delete(object) => {
                state.objects.remove(&key_of(object));
            }
            Event::Init => state.listed = HashMap::new(),
            Event::InitApply(object) => {
                state.listed.insert(key_of(object), open(object));
            }
            Event::InitDone => {
                state.objects = std::mem::take(&mut state.listed);
                self.is_filled.store(true, Ordering::Relaxed);
            }
        }
        drop(state);
        if matches!(change, Event::Apply(_) | Event::InitApply(_)) {
            self.note_opened();
        }
    }

    /// The object, if the watch shows it.
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.look_up(&key(namespace, name))
    }

    /// Whether the watch shows an object.
    pub(crate) fn shows(&self, namespace: &str, name: &str) -> bool {
        self.read().objects.contains_key(&*key(namespace, name))
    }

    /// Every object of a namespace, unpacked.
    pub(crate) fn list(&self, namespace: &str) -> Vec<Arc<Value>> {
        let prefix = key(namespace, "");
        let keys: Vec<_> = self.read().objects.keys().filter(|key| key.starts_with(&*prefix)).cloned().collect();
        keys.iter().filter_map(|key| self.look_up(key)).collect()
    }

    /// Objects of a namespace, or of all where it is empty, that are none of these; those of a list that is arriving too.
    pub(crate) fn unlisted(&self, namespace: &str, listed: &HashSet<Box<str>>) -> Vec<Arc<Value>> {
        let prefix = if namespace.is_empty() { Box::default() } else { key(namespace, "") };
        let is_unlisted = |key: &str| key.starts_with(&*prefix) && !listed.contains(key);
        let (known, mut found) = {
            let state = self.read();
            let known: Vec<_> = state.objects.keys().filter(|key| is_unlisted(key)).cloned().collect();
            let arriving = state.listed.iter().filter(|(key, _)| is_unlisted(key) && !state.objects.contains_key(*key));
            let arriving = arriving.filter_map(|(_, whole)| match whole {
                Whole::Open(json, _) => Some(Arc::clone(json)),
                Whole::Packed(packed) => Packer::unpack(packed).map(Arc::new),
            });
            (known, arriving.collect::<Vec<_>>())
        };
        found.extend(known.iter().filter_map(|key| self.look_up(key)));
        found
    }

    /// Whether the first list has arrived.
    pub(crate) fn is_filled(&self) -> bool {
        self.is_filled.load(Ordering::Relaxed)
    }

    /// How many objects are packed.
    #[cfg(test)]
    fn packed(&self) -> usize {
        self.read().objects.values().filter(|whole| matches!(whole, Whole::Packed(_))).count()
    }

    /// Packs what has not been looked at for a while, once every `period`; for ever.
    pub(crate) async fn keep_small(self: Arc<Self>, offload: Offload, period: Duration) {
        loop {
            let this = Arc::clone(&self);
            // A round that was broken off is made up for by the next.
            if offload.run(move || this.pack()).await.unwrap_or(true) {
                let _ = tokio::time::timeout(period, self.crowded()).await;
            } else {
                self.to_pack.notified().await;
            }
        }
    }

    /// Waits until many objects are unpacked.
    async fn crowded(&self) {
        while self.opened.load(Ordering::Relaxed) < OPENED_MAX {
            self.to_pack.notified().await;
        }
    }

    fn note_opened(&self) {
        let opened = self.opened.fetch_add(1, Ordering::Relaxed) + 1;
        if opened == 1 || opened == OPENED_MAX {
            self.to_pack.notify_one();
        }
    }

    /// One round of packing; the result is whether anything is unpacked still.
    fn pack(&self) -> bool {
        let round = self.round.fetch_add(1, Ordering::Relaxed);
        self.opened.store(0, Ordering::Relaxed);
        let (mut idle, mut is_any_left) = (Vec::new(), false);
        for (key, whole) in &self.read().objects {
            match whole {
                Whole::Open(json, looked_at)
                    if round.saturating_sub(looked_at.load(Ordering::Relaxed)) >= ROUNDS_OPEN =>
                {
                    idle.push((key.clone(), Arc::clone(json)));
                }
                Whole::Open(..) => is_any_left = true,
                Whole::Packed(_) => {}
            }
        }
        let packed = self.packer.pack(&idle);
        let mut state = self.write();
        for ((key, json), packed) in idle.into_iter().zip(packed) {
            // What has come meanwhile stays as it is.
            if let (Some(whole), Some(packed)) = (state.objects.get_mut(&key), packed)
                && whole.is(&json)
            {
                *whole = Whole::Packed(packed);
            }
        }
        is_any_left
    }

    fn look_up(&self, key: &str) -> Option<Arc<Value>> {
        let round = self.round.load(Ordering::Relaxed);
        let packed = match self.read().objects.get(key)? {
            Whole::Open(json, looked_at) => {
                looked_at.store(round, Ordering::Relaxed);
                return Some(Arc::clone(json));
            }
            Whole::Packed(packed) => Arc::clone(packed),
        };
        let json = Arc::new(Packer::unpack(&packed)?);
        if let Some(whole) = self.write().objects.get_mut(key)
            && matches!(whole, Whole::Packed(known) if Arc::ptr_eq(known, &packed))
        {
            *whole = Whole::Open(Arc::clone(&json), AtomicU64::new(round));
        }
        self.note_opened();
        Some(json)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Whole {
    fn is(&self, other: &Arc<Value>) -> bool {
        matches!(self, Self::Open(json, _) if Arc::ptr_eq(json, other))
    }
}

/// What the cache names an object by.
pub(crate) fn key_of(object: &Object) -> Box<str> {
    key(&object.namespace().unwrap_or_default(), &object.name_any())
}

/// No namespace and no name has a slash in it.
fn key(namespace: &str, name: &str) -> Box<str> {
    [namespace, "/", name].concat().into()
}

#[cfg(test)]
mod tests;
