//! What the watch of remediations tells routing: which of them share a signal, which wait for another object, and how
//! many are blocked. Small on purpose: there is one entry for each remediation of the cluster.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use kube::ResourceExt as _;
use kube_runtime::watcher;
use trimtab_api::Kind;
use trimtab_core::json::{some_text, text};
use trimtab_core::phase::Phase;

use super::lock::Key;
use crate::object::Object;

/// An object that somebody waits for.
pub(super) type Awaited = (Kind, Key);

/// A remediation.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    /// Hash of its namespace and fingerprint.
    signal: u64,
    is_blocked: bool,
    awaited: Option<Box<Awaited>>,
}

/// Those who wait for one object, and the phase in which it was seen last.
#[derive(Debug, Default)]
struct Waiters {
    phase: Option<String>,
    who: BTreeSet<Arc<Key>>,
}

/// Every remediation that the watch shows.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: HashMap<Arc<Key>, Entry>,
    signals: HashMap<u64, Vec<Arc<Key>>>,
    waiters: HashMap<Awaited, Waiters>,
    /// By namespace; one that was there once stays, with zero.
    blocked: HashMap<String, i64>,
    /// Remediations of the list that is arriving.
    listed: HashSet<Arc<Key>>,
}

impl Index {
    /// Remediations that share this signal, in no order; a few may be there that do not.
    pub(super) fn sharing(&self, namespace: &str, fingerprint: &str) -> Vec<Arc<Key>> {
        self.signals.get(&signal_of(namespace, fingerprint)).cloned().unwrap_or_default()
    }

    /// Blocked remediations by namespace.
    pub(super) fn blocked(&self) -> impl Iterator<Item = (&str, i64)> {
        self.blocked.iter().map(|(namespace, count)| (namespace.as_str(), *count))
    }

    /// Notes a change of a remediation; the result is whether the number of blocked ones has changed.
    pub(super) fn changed(&mut self, change: &watcher::Event<Object>) -> bool {
        match change {
            watcher::Event::Apply(object) => self.note(object).1,
            watcher::Event::Delete(object) => self.remove(&key_of(object)),
            watcher::Event::Init => {
                self.listed.clear();
                false
            }
            watcher::Event::InitApply(object) => {
                let (key, has_changed) = self.note(object);
                self.listed.insert(key);
                has_changed
            }
            watcher::Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                let gone: Vec<_> = self.entries.keys().filter(|key| !listed.contains(*key)).cloned().collect();
                gone.iter().fold(false, |has_changed, key| self.remove(key) | has_changed)
            }
        }
    }

    /// Who is to look again because this object has changed: whoever waits for it, if its phase is another one, or it is
    /// gone. Whoever begins to wait looks at it anyhow.
    pub(super) fn woken(&mut self, kind: Kind, change: &watcher::Event<Object>) -> Vec<Key> {
        if self.waiters.is_empty() {
            return Vec::new();
        }
        let (object, phase) = match change {
            watcher::Event::Apply(object) | watcher::Event::InitApply(object) => (object, Some(object.phase(kind))),
            watcher::Event::Delete(object) => (object, None),
            // What went while nobody watched is not named: everybody looks.
            watcher::Event::InitDone => return self.waiting_for(kind),
            watcher::Event::Init => return Vec::new(),
        };
        let Some(waiters) = self.waiters.get_mut(&(kind, key_of(object))) else { return Vec::new() };
        let phase = phase.map(str::to_owned);
        if phase.is_some() && waiters.phase == phase {
            return Vec::new();
        }
        waiters.phase = phase;
        waiters.who.iter().map(|key| Key::clone(key)).collect()
    }

    fn waiting_for(&self, kind: Kind) -> Vec<Key> {
        let all = self.waiters.iter().filter(|((known, _), _)| *known == kind);
        let all: BTreeSet<_> = all.flat_map(|(_, waiters)| &waiters.who).collect();
        all.into_iter().map(|key| Key::clone(key)).collect()
    }

    fn note(&mut self, object: &Object) -> (Arc<Key>, bool) {
        let key = Arc::new(key_of(object));
        let entry = entry_of(&key.0, object);
        if let Some((known, before)) = self.entries.get_key_value(&key) {
            let known = Arc::clone(known);
            if *before == entry {
                return (known, false);
            }
            // A namesake may have another signal; the rest changes with every block.
            let has_changed = self.remove(&known);
            return (Arc::clone(&known), self.insert(known, entry) | has_changed);
        }
        (Arc::clone(&key), self.insert(key, entry))
    }

    fn insert(&mut self, key: Arc<Key>, entry: Entry) -> bool {
        self.signals.entry(entry.signal).or_default().push(Arc::clone(&key));
        if let Some(awaited) = &entry.awaited {
            self.waiters.entry((**awaited).clone()).or_default().who.insert(Arc::clone(&key));
        }
        let is_blocked = entry.is_blocked;
        if is_blocked {
            *self.blocked.entry(key.0.clone()).or_default() += 1;
        }
        self.entries.insert(key, entry);
        is_blocked
    }

    fn remove(&mut self, key: &Key) -> bool {
        let Some(entry) = self.entries.remove(key) else { return false };
        if let Some(sharing) = self.signals.get_mut(&entry.signal) {
            sharing.retain(|known| **known != *key);
            if sharing.is_empty() {
                self.signals.remove(&entry.signal);
            }
        }
        if let Some(awaited) = &entry.awaited
            && let Some(waiters) = self.waiters.get_mut(&**awaited)
        {
            waiters.who.remove(key);
            if waiters.who.is_empty() {
                self.waiters.remove(&**awaited);
            }
        }
        if entry.is_blocked
            && let Some(count) = self.blocked.get_mut(&key.0)
        {
            *count -= 1;
        }
        entry.is_blocked
    }
}

pub(super) fn key_of(object: &Object) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

fn signal_of(namespace: &str, fingerprint: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (namespace, fingerprint).hash(&mut hasher);
    hasher.finish()
}

fn entry_of(namespace: &str, object: &Object) -> Entry {
    let phase: Option<Phase> = text(object.json(), "/status/overallPhase").parse().ok();
    let named = |kind, pointer| {
        let name = some_text(object.json(), &format!("/status/routingStatus/{pointer}"))?;
        Some(Box::new((kind, (namespace.to_owned(), name.to_owned()))))
    };
    let awaited = match (phase, text(object.json(), "/status/routingStatus/blockReason")) {
        (Some(Phase::Blocked), "DuplicateInProgress") => named(Kind::RemediationRequest, "duplicateOf"),
        (Some(Phase::Blocked), "ResourceBusy") => named(Kind::WorkflowExecution, "blockingWorkflowExecution"),
        (Some(Phase::Executing), _) => named(Kind::WorkflowExecution, "deduplicatedByWE"),
        _ => None,
    };
    Entry {
        signal: signal_of(namespace, text(object.json(), "/spec/signalFingerprint")),
        is_blocked: phase == Some(Phase::Blocked),
        awaited,
    }
}

#[cfg(test)]
mod tests;
