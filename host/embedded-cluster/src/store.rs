//! The store: all objects, one revision counter, the kept history, and all-or-nothing writes.

mod transaction;

pub(crate) use self::transaction::Transaction;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

use crate::cluster::ClusterError;
use crate::failure::Failure;
use crate::identity::{Identities, WallClock};
use crate::kinds::builtin::BuiltIns;
use crate::kinds::{Registry, StorageKey};
use crate::log::{Log, Recovered};

/// Where an object lies: its table, namespace (empty for cluster scope) and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Location {
    pub(crate) storage: StorageKey,
    pub(crate) name: ObjectName,
}

/// Namespace and name; ordered as lists are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectName {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl ObjectName {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// One change of one object.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) at: Location,
    /// The new object; for a removal, the last one with the removal's revision.
    pub(crate) object: Arc<Value>,
    /// What was there before; `None` for a creation.
    pub(crate) previous: Option<Arc<Value>>,
    pub(crate) is_removal: bool,
}

pub(crate) type Table = BTreeMap<ObjectName, Arc<Value>>;

/// Everything behind the lock.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) revision: u64,
    pub(crate) tables: HashMap<StorageKey, Table>,
    history: VecDeque<Arc<Change>>,
    history_max: usize,
    /// A watch may resume from this revision or a later one.
    pub(crate) horizon: u64,
    pub(crate) registry: Arc<Registry>,
    built_ins: BuiltIns,
    pub(crate) identities: Identities,
    pub(crate) clock: WallClock,
    /// Objects by uid.
    pub(crate) uids: HashMap<String, Location>,
    /// Dependents by the uid of their owner.
    pub(crate) dependents: HashMap<String, BTreeSet<Location>>,
    log: Option<Log>,
    /// Nothing is answered any more, and the data folder is free.
    is_closed: bool,
}

/// The shared store.
#[derive(Debug)]
pub(crate) struct Store {
    state: Mutex<State>,
    /// The newest revision, for watches to wait on.
    revision: watch::Sender<u64>,
}

/// What a store starts with.
pub(crate) struct Origins {
    pub(crate) built_ins: BuiltIns,
    pub(crate) history_max: usize,
    pub(crate) identities: Identities,
    pub(crate) clock: WallClock,
    pub(crate) log: Option<Log>,
    pub(crate) recovered: Recovered,
}

impl Store {
    pub(crate) fn new(origins: Origins) -> Self {
        let recovered = origins.recovered;
        let mut state = State {
            revision: recovered.revision,
            tables: HashMap::new(),
            history: VecDeque::new(),
            history_max: origins.history_max.max(1),
            horizon: recovered.revision,
            registry: Arc::default(),
            built_ins: origins.built_ins,
            identities: origins.identities,
            clock: origins.clock,
            uids: HashMap::new(),
            dependents: HashMap::new(),
            log: origins.log,
            is_closed: false,
        };
        for (at, object) in recovered.objects {
            state.set(&at, Some(&Arc::new(object)));
        }
        state.rebuild_registry();
        let (revision, _) = watch::channel(state.revision);
        Self { state: Mutex::new(state), revision }
    }

    /// The state under the lock. A panic elsewhere cannot leave a half-done write behind,
    /// because a transaction undoes itself when it is dropped.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out `work` wholly or not at all; a dry run answers and undoes.
    pub(crate) fn write<T>(
        &self,
        dry_run: bool,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(Failure::closed());
        }
        let mut transaction = Transaction::begin(&mut state);
        let answer = work(&mut transaction)?;
        if dry_run {
            drop(transaction);
            return Ok(answer);
        }
        if transaction.commit()? {
            self.revision.send_replace(state.revision);
        }
        Ok(answer)
    }

    /// Ends every watch, refuses every later request, and gives the data folder back.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.log = None;
        let revision = state.revision;
        drop(state);
        // Wakes the watches, which then see that the store is closed.
        self.revision.send_replace(revision + 1);
    }

    /// Refuses where the store is closed.
    pub(crate) fn check_open(&self) -> Result<(), Failure> {
        if self.lock().is_closed() {
            return Err(Failure::closed());
        }
        Ok(())
    }

    /// A receiver of the newest revision.
    pub(crate) fn revisions(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Writes a snapshot now, where the store is durable.
    pub(crate) fn compact(&self) -> Result<(), ClusterError> {
        let mut state = self.lock();
        let state = &mut *state;
        match &mut state.log {
            Some(log) => log.compact(state.revision, &state.tables),
            None => Ok(()),
        }
    }
}

impl State {
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The object at `at`.
    pub(crate) fn object(&self, at: &Location) -> Option<&Arc<Value>> {
        self.tables.get(&at.storage)?.get(&at.name)
    }

    /// Puts or removes without a trace in history; keeps the indexes.
    fn set(&mut self, at: &Location, object: Option<&Arc<Value>>) -> Option<Arc<Value>> {
        let table = self.tables.entry(at.storage.clone()).or_default();
        let previous = match object {
            Some(object) => table.insert(at.name.clone(), Arc::clone(object)),
            None => table.remove(&at.name),
        };
        if let Some(previous) = &previous {
            self.unindex(at, previous);
        }
        if let Some(object) = object {
            self.index(at, object);
        }
        previous
    }

    fn index(&mut self, at: &Location, object: &Value) {
        if let Some(uid) = object["metadata"]["uid"].as_str() {
            self.uids.insert(uid.to_owned(), at.clone());
        }
        for owner in owner_uids(object) {
            self.dependents.entry(owner.to_owned()).or_default().insert(at.clone());
        }
    }

    fn unindex(&mut self, at: &Location, object: &Value) {
        if let Some(uid) = object["metadata"]["uid"].as_str() {
            self.uids.remove(uid);
        }
        for owner in owner_uids(object) {
            if let Some(dependents) = self.dependents.get_mut(owner) {
                dependents.remove(at);
                if dependents.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
    }

    fn remember(&mut self, change: Arc<Change>) {
        self.history.push_back(change);
        while self.history.len() > self.history_max {
            if let Some(oldest) = self.history.pop_front() {
                self.horizon = oldest.revision;
            }
        }
    }

    fn rebuild_registry(&mut self) {
        let key = StorageKey::new("apiextensions.k8s.io", "customresourcedefinitions");
        let definitions = self.tables.get(&key);
        let definitions = definitions.into_iter().flat_map(BTreeMap::values);
        self.registry = Arc::new(Registry::new(&self.built_ins.kinds, definitions.map(AsRef::as_ref)));
    }

    /// The `OpenAPI` definitions of the built-in kinds.
    pub(crate) fn definitions(&self) -> Arc<serde_json::Map<String, Value>> {
        Arc::clone(&self.built_ins.definitions)
    }

    /// At most `count` changes after `revision`, oldest first.
    pub(crate) fn changes_after(&self, revision: u64, count: usize) -> Vec<Arc<Change>> {
        let start = self.history.partition_point(|change| change.revision <= revision);
        self.history.range(start..).take(count).cloned().collect()
    }

    /// The table as it was at `revision`; `None` where history does not reach back so far.
    pub(crate) fn table_at(&self, storage: &StorageKey, revision: u64) -> Option<Table> {
        if revision < self.horizon || revision > self.revision {
            return None;
        }
        let mut table = self.tables.get(storage).cloned().unwrap_or_default();
        for change in self.history.iter().rev() {
            if change.revision <= revision {
                break;
            }
            if change.at.storage != *storage {
                continue;
            }
            match &change.previous {
                Some(previous) => table.insert(change.at.name.clone(), Arc::clone(previous)),
                None => table.remove(&change.at.name),
            };
        }
        Some(table)
    }
}

/// The uids in an object's owner references.
pub(crate) fn owner_uids(object: &Value) -> impl Iterator<Item = &str> {
    object["metadata"]["ownerReferences"].as_array().into_iter().flatten().filter_map(|owner| owner["uid"].as_str())
}
