//! Deletion and what follows from it: finalizers, dependents, namespaces, definitions.
//!
//! The real server does this in controllers, some time later; here it happens in the same write,
//! so that a virtual run needs no background task. The order of watch events is the real one:
//! owner first, then dependents.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::kinds::{BuiltIn, ResourceKind, StorageKey};
use crate::metadata::{finalizers, is_deleting};
use crate::store::{Location, ObjectName, Transaction, owner_uids};

/// The finalizer of an owner that waits for its dependents.
const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer of a definition whose objects still exist.
const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// What happens to dependents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// How a deletion ended.
#[derive(Debug)]
pub(crate) enum Deletion {
    /// Gone; the object as it last was.
    Removed(Arc<Value>),
    /// Marked, waiting for finalizers; the object as it is.
    Marked(Arc<Value>),
}

/// Deletes the object at `at`; `None` if there is none.
pub(crate) fn delete(transaction: &mut Transaction<'_>, at: &Location, propagation: Propagation) -> Option<Deletion> {
    let current = transaction.get(at)?;
    let mut object = (*current).clone();
    match propagation {
        Propagation::Orphan => orphan(transaction, &current),
        Propagation::Foreground if !dependents(transaction, &current).is_empty() => {
            add_finalizer(&mut object, FOREGROUND);
        }
        Propagation::Background | Propagation::Foreground => {}
    }
    let kind = transaction.registry().by_storage(&at.storage).cloned();
    let contents = kind.as_deref().map(|kind| contents(transaction, kind, &object)).unwrap_or_default();
    if !contents.is_empty() && is_definition(&at.storage) {
        add_finalizer(&mut object, CLEANUP);
    }
    let is_namespace = kind.as_deref().is_some_and(|kind| kind.is(BuiltIn::Namespace));
    if !is_namespace && finalizers(&object).next().is_none() {
        let removed = transaction.remove(at)?;
        follow(transaction, Arc::clone(&removed));
        return Some(Deletion::Removed(removed));
    }
    mark(transaction, &mut object);
    if is_namespace {
        object["status"]["phase"] = json!("Terminating");
    }
    let marked = transaction.put(at, object);
    if propagation == Propagation::Foreground && !has_finalizer(&current, FOREGROUND) {
        for dependent in dependents(transaction, &marked) {
            delete(transaction, &dependent, Propagation::Foreground);
        }
    }
    for content in contents {
        delete(transaction, &content, Propagation::Background);
    }
    settle(transaction, at);
    Some(Deletion::Marked(transaction.get(at).unwrap_or(marked)))
}

fn mark(transaction: &Transaction<'_>, object: &mut Value) {
    if is_deleting(object) {
        return;
    }
    let now = transaction.stamp();
    let metadata = &mut object["metadata"];
    metadata["deletionTimestamp"] = json!(now);
    metadata["deletionGracePeriodSeconds"] = json!(0);
    if let Some(generation) = metadata["generation"].as_i64() {
        metadata["generation"] = json!(generation + 1);
    }
}

fn add_finalizer(object: &mut Value, finalizer: &str) {
    if has_finalizer(object, finalizer) {
        return;
    }
    match object["metadata"]["finalizers"].as_array_mut() {
        Some(list) => list.push(json!(finalizer)),
        None => object["metadata"]["finalizers"] = json!([finalizer]),
    }
}

fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    finalizers(object).any(|one| one == finalizer)
}

fn drop_finalizer(object: &mut Value, finalizer: &str) {
    let Some(list) = object["metadata"]["finalizers"].as_array_mut() else {
        return;
    };
    list.retain(|one| one != finalizer);
    if list.is_empty()
        && let Some(metadata) = object["metadata"].as_object_mut()
    {
        metadata.remove("finalizers");
    }
}

fn is_definition(storage: &StorageKey) -> bool {
    storage.0.as_ref() == "apiextensions.k8s.io/customresourcedefinitions"
}

fn dependents(transaction: &Transaction<'_>, owner: &Value) -> Vec<Location> {
    let uid = owner["metadata"]["uid"].as_str().unwrap_or_default();
    let found = transaction.state().dependents.get(uid);
    found.into_iter().flatten().cloned().collect()
}

/// Takes the references to `owner` out of its dependents.
fn orphan(transaction: &mut Transaction<'_>, owner: &Value) {
    let uid = owner["metadata"]["uid"].clone();
    for at in dependents(transaction, owner) {
        drop_owners(transaction, &at, |reference| reference["uid"] == uid);
    }
}

fn drop_owners(transaction: &mut Transaction<'_>, at: &Location, gone: impl Fn(&Value) -> bool) {
    let Some(current) = transaction.get(at) else { return };
    let mut object = (*current).clone();
    let Some(owners) = object["metadata"]["ownerReferences"].as_array_mut() else {
        return;
    };
    owners.retain(|reference| !gone(reference));
    if owners.is_empty()
        && let Some(metadata) = object["metadata"].as_object_mut()
    {
        metadata.remove("ownerReferences");
    }
    transaction.put(at, object);
}

/// What lies inside a namespace, or under a definition.
fn contents(transaction: &Transaction<'_>, kind: &ResourceKind, object: &Value) -> Vec<Location> {
    let state = transaction.state();
    if kind.is(BuiltIn::Namespace) {
        let namespace = object["metadata"]["name"].as_str().unwrap_or_default();
        return state
            .tables
            .iter()
            .flat_map(|(storage, table)| {
                let first = ObjectName::new(namespace, "");
                table
                    .range(first..)
                    .take_while(|(name, _)| name.namespace == namespace)
                    .map(|(name, _)| Location { storage: storage.clone(), name: name.clone() })
            })
            .collect();
    }
    if kind.is(BuiltIn::Definition) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let spec = &object["spec"];
        let storage = StorageKey::new(&text(&spec["group"]), &text(&spec["names"]["plural"]));
        let table = state.tables.get(&storage);
        return table
            .into_iter()
            .flat_map(|table| table.keys())
            .map(|name| Location { storage: storage.clone(), name: name.clone() })
            .collect();
    }
    Vec::new()
}

/// Carries on after a removal: dependents without owners go, and whoever waited for it goes on.
pub(crate) fn follow(transaction: &mut Transaction<'_>, removed: Arc<Value>) {
    let mut queue = vec![removed];
    while let Some(gone) = queue.pop() {
        for at in dependents(transaction, &gone) {
            collect(transaction, &at, &mut queue);
        }
        let owners: Vec<Location> =
            owner_uids(&gone).filter_map(|uid| transaction.state().uids.get(uid).cloned()).collect();
        for owner in owners {
            settle(transaction, &owner);
        }
        for holder in holders(transaction, &gone) {
            settle(transaction, &holder);
        }
    }
}

/// The namespace and the definition that an object belonged to.
fn holders(transaction: &Transaction<'_>, gone: &Value) -> Vec<Location> {
    let mut holders = Vec::new();
    if let Some(namespace) = gone["metadata"]["namespace"].as_str() {
        holders.push(Location { storage: StorageKey::new("", "namespaces"), name: ObjectName::new("", namespace) });
    }
    let api_version = gone["apiVersion"].as_str().unwrap_or_default();
    if let Some((group, _)) = api_version.split_once('/')
        && let Some(kind) = transaction.registry().by_kind(group, gone["kind"].as_str().unwrap_or_default())
        && !kind.is_built_in()
    {
        holders.push(Location {
            storage: StorageKey::new("apiextensions.k8s.io", "customresourcedefinitions"),
            name: ObjectName::new("", &kind.name.to_string()),
        });
    }
    holders
}

/// Removes or marks a dependent none of whose owners is left; else drops the stale references.
fn collect(transaction: &mut Transaction<'_>, at: &Location, queue: &mut Vec<Arc<Value>>) {
    let Some(object) = transaction.get(at) else { return };
    let namespace = at.name.namespace.clone();
    let stale: Vec<Value> =
        owners(&object).iter().filter(|owner| is_absent(transaction, owner, &namespace)).cloned().collect();
    if stale.is_empty() {
        return;
    }
    if stale.len() < owners(&object).len() {
        drop_owners(transaction, at, |reference| stale.contains(reference));
    } else if finalizers(&object).next().is_none() {
        queue.extend(transaction.remove(at));
    } else {
        let mut object = (*object).clone();
        mark(transaction, &mut object);
        transaction.put(at, object);
    }
}

fn owners(object: &Value) -> &[Value] {
    object["metadata"]["ownerReferences"].as_array().map_or(&[], Vec::as_slice)
}

/// Whether an owner reference leads nowhere. Owners of kinds that are not served here are
/// taken to exist, as the real collector leaves alone what it cannot look up.
fn is_absent(transaction: &Transaction<'_>, reference: &Value, namespace: &str) -> bool {
    let api_version = reference["apiVersion"].as_str().unwrap_or_default();
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let registry = transaction.registry();
    let Some(kind) = registry.by_kind(group, reference["kind"].as_str().unwrap_or_default()) else {
        return false;
    };
    let uid = reference["uid"].as_str().unwrap_or_default();
    let Some(at) = transaction.state().uids.get(uid) else {
        return true;
    };
    let within_reach = !kind.is_namespaced || at.name.namespace == namespace;
    at.storage != kind.storage || !within_reach || reference["name"] != at.name.name.as_str()
}

/// After a create or update: an object all of whose owners are absent is collected.
pub(crate) fn check_owners(transaction: &mut Transaction<'_>, at: &Location) {
    let mut queue = Vec::new();
    collect(transaction, at, &mut queue);
    for removed in queue {
        follow(transaction, removed);
    }
}

/// Lets an object that is being deleted go once nothing holds it any more.
pub(crate) fn settle(transaction: &mut Transaction<'_>, at: &Location) {
    let Some(current) = transaction.get(at).filter(|object| is_deleting(object)) else {
        return;
    };
    let mut object = (*current).clone();
    if has_finalizer(&object, FOREGROUND) && !is_blocked(transaction, &object) {
        drop_finalizer(&mut object, FOREGROUND);
    }
    let registry = transaction.registry();
    if let Some(kind) = registry.by_storage(&at.storage) {
        let is_empty = contents(transaction, kind, &object).is_empty();
        if kind.is(BuiltIn::Namespace) {
            if !is_empty {
                return;
            }
        } else if is_empty {
            drop_finalizer(&mut object, CLEANUP);
        }
    }
    if finalizers(&object).next().is_some() {
        transaction.put(at, object);
    } else if let Some(removed) = transaction.remove(at) {
        follow(transaction, removed);
    }
}

/// Whether a dependent that blocks its owner's deletion is left.
fn is_blocked(transaction: &Transaction<'_>, owner: &Value) -> bool {
    let uid = &owner["metadata"]["uid"];
    dependents(transaction, owner).iter().any(|at| {
        transaction.get(at).is_some_and(|dependent| {
            owners(&dependent)
                .iter()
                .any(|reference| reference["uid"] == *uid && reference["blockOwnerDeletion"] == true)
        })
    })
}
