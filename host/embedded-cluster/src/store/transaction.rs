//! One write: changes applied at once, undone when dropped before the commit.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Change, Location, State};
use crate::failure::Failure;
use crate::kinds::Registry;

/// A write in progress.
pub(crate) struct Transaction<'a> {
    state: &'a mut State,
    changes: Vec<Arc<Change>>,
    started_at: u64,
    is_committed: bool,
}

impl<'a> Transaction<'a> {
    pub(super) fn begin(state: &'a mut State) -> Self {
        let started_at = state.revision;
        Self { state, changes: Vec::new(), started_at, is_committed: false }
    }

    pub(crate) fn state(&self) -> &State {
        self.state
    }

    pub(crate) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.state.registry)
    }

    pub(crate) fn get(&self, at: &Location) -> Option<Arc<Value>> {
        self.state.object(at).cloned()
    }

    /// The present, as Kubernetes writes it.
    pub(crate) fn stamp(&self) -> String {
        self.state.clock.stamp()
    }

    pub(crate) fn uid(&mut self) -> String {
        let revision = self.state.revision;
        self.state.identities.uid(revision)
    }

    pub(crate) fn suffix(&mut self) -> String {
        let revision = self.state.revision;
        self.state.identities.suffix(revision)
    }

    /// Stores `object` under the next revision. An object equal to the stored one changes nothing.
    pub(crate) fn put(&mut self, at: &Location, mut object: Value) -> Arc<Value> {
        if let Some(current) = self.state.object(at) {
            object["metadata"]["resourceVersion"] = current["metadata"]["resourceVersion"].clone();
            if **current == object {
                return Arc::clone(current);
            }
        }
        self.state.revision += 1;
        let revision = self.state.revision;
        object["metadata"]["resourceVersion"] = json!(revision.to_string());
        let object = Arc::new(object);
        let previous = self.state.set(at, Some(&object));
        self.changes.push(Arc::new(Change {
            revision,
            at: at.clone(),
            object: Arc::clone(&object),
            previous,
            is_removal: false,
        }));
        object
    }

    /// Removes the object; what is returned carries the removal's revision.
    pub(crate) fn remove(&mut self, at: &Location) -> Option<Arc<Value>> {
        let previous = self.state.set(at, None)?;
        self.state.revision += 1;
        let revision = self.state.revision;
        let mut last = (*previous).clone();
        last["metadata"]["resourceVersion"] = json!(revision.to_string());
        let last = Arc::new(last);
        self.changes.push(Arc::new(Change {
            revision,
            at: at.clone(),
            object: Arc::clone(&last),
            previous: Some(previous),
            is_removal: true,
        }));
        Some(last)
    }

    /// Makes the changes lasting and visible to watches; answers whether there were any.
    pub(super) fn commit(mut self) -> Result<bool, Failure> {
        if self.changes.is_empty() {
            self.is_committed = true;
            return Ok(false);
        }
        if let Some(log) = &mut self.state.log {
            // A failure here drops the transaction, which undoes it.
            log.append(self.state.revision, &self.changes).map_err(|error| {
                Failure::internal(format!("the write was not made durable and was undone: {error}"))
            })?;
        }
        self.is_committed = true;
        let changes = std::mem::take(&mut self.changes);
        let definitions =
            |change: &Arc<Change>| change.at.storage.0.as_ref() == "apiextensions.k8s.io/customresourcedefinitions";
        let redefined = changes.iter().any(definitions);
        for change in changes {
            self.state.remember(change);
        }
        if redefined {
            self.state.rebuild_registry();
        }
        let state = &mut *self.state;
        if let Some(log) = state.log.as_mut().filter(|log| log.wants_compaction())
            && let Err(error) = log.compact(state.revision, &state.tables)
        {
            // The log itself is complete, so only its size suffers.
            tracing::warn!(%error, "snapshot not written");
        }
        Ok(true)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.is_committed {
            return;
        }
        for change in std::mem::take(&mut self.changes).into_iter().rev() {
            self.state.set(&change.at, change.previous.as_ref());
        }
        self.state.revision = self.started_at;
    }
}
