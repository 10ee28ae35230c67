//! Create: `POST` on a collection.

use serde_json::{Value, json};

use super::admit::{self, Source};
use super::{Target, WriteOptions, Written};
use crate::failure::Failure;
use crate::gc;
use crate::kinds::{BuiltIn, StorageKey};
use crate::metadata::is_deleting;
use crate::store::{Location, ObjectName, Transaction};
use crate::view;

/// Attempts to find a free name for `generateName`.
const NAME_DRAWS_MAX: usize = 8;
/// Longest `generateName` prefix that is kept.
const PREFIX_BYTES_MAX: usize = 58;

/// Creates the object in `body`; the target's name is taken from it.
pub(crate) fn create(
    transaction: &mut Transaction<'_>,
    target: &Target,
    mut object: Value,
    options: WriteOptions,
) -> Result<Written, Failure> {
    let warnings = admit::decode(target, &mut object, Source::Body, options)?;
    let mut target = target.clone();
    place(&target, &mut object)?;
    if object["metadata"]["resourceVersion"].as_str().is_some_and(|version| !version.is_empty()) {
        return Err(Failure::bad_request("resourceVersion should not be set on objects to be created"));
    }
    check_namespace(transaction, &target, &object)?;
    let kind = std::sync::Arc::clone(&target.kind);
    if kind.has_status
        && let Some(members) = object.as_object_mut()
    {
        members.remove("status");
    }
    let is_generated = object["metadata"]["name"].as_str().is_none_or(str::is_empty);
    let mut draws = 0;
    loop {
        draws += 1;
        if is_generated {
            draw_name(transaction, &mut object);
        }
        object["metadata"]["name"].as_str().unwrap_or_default().clone_into(&mut target.name);
        if transaction.get(&target.location()).is_none() || !is_generated || draws == NAME_DRAWS_MAX {
            break;
        }
    }
    stamp(transaction, &target, &mut object);
    let now = transaction.stamp();
    admit::default(&target, &mut object, &now);
    admit::check(&target, &object, None)?;
    let at = target.location();
    if transaction.get(&at).is_some() {
        return Err(Failure::already_exists(&kind.name, &target.name));
    }
    let created = transaction.put(&at, view::stored(&kind, object));
    gc::check_owners(transaction, &at);
    Ok(Written { object: created, is_new: true, warnings })
}

/// Puts the object into the path's namespace.
fn place(target: &Target, object: &mut Value) -> Result<(), Failure> {
    let metadata = &mut object["metadata"];
    let named = metadata["namespace"].as_str().unwrap_or_default();
    if !target.kind.is_namespaced {
        if let Some(members) = metadata.as_object_mut() {
            members.remove("namespace");
        }
        return Ok(());
    }
    if !named.is_empty() && named != target.namespace {
        return Err(Failure::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    metadata["namespace"] = json!(target.namespace);
    Ok(())
}

fn check_namespace(transaction: &Transaction<'_>, target: &Target, object: &Value) -> Result<(), Failure> {
    if !target.kind.is_namespaced {
        return Ok(());
    }
    let storage = StorageKey::new("", "namespaces");
    let at = Location { storage: storage.clone(), name: ObjectName::new("", &target.namespace) };
    let namespaces = crate::failure::ResourceName { group: String::new(), plural: "namespaces".to_owned() };
    let Some(namespace) = transaction.get(&at) else {
        return Err(Failure::not_found(&namespaces, &target.namespace));
    };
    if is_deleting(&namespace) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let why =
            format!("unable to create new content in namespace {} because it is being terminated", target.namespace);
        let mut refusal = Failure::forbidden(&target.kind.name, name, &why);
        if let Some(details) = &mut refusal.details {
            let message = format!("namespace {} is being terminated", target.namespace);
            details["causes"] =
                json!([{"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}]);
        }
        return Err(refusal);
    }
    Ok(())
}

fn draw_name(transaction: &mut Transaction<'_>, object: &mut Value) {
    let Some(prefix) = object["metadata"]["generateName"].as_str() else {
        return;
    };
    let mut end = prefix.len().min(PREFIX_BYTES_MAX);
    while !prefix.is_char_boundary(end) {
        end -= 1;
    }
    let name = format!("{}{}", &prefix[..end], transaction.suffix());
    object["metadata"]["name"] = json!(name);
}

/// Sets the members of metadata that only the server may set.
fn stamp(transaction: &mut Transaction<'_>, target: &Target, object: &mut Value) {
    let uid = transaction.uid();
    let now = transaction.stamp();
    let metadata = &mut object["metadata"];
    if let Some(members) = metadata.as_object_mut() {
        for member in ["deletionTimestamp", "deletionGracePeriodSeconds", "generation", "resourceVersion"] {
            members.remove(member);
        }
    }
    metadata["uid"] = json!(uid);
    metadata["creationTimestamp"] = json!(now);
    if has_generation(target) {
        metadata["generation"] = json!(1);
    }
    if target.kind.is(BuiltIn::Namespace) && !object["spec"].is_object() {
        object["spec"] = json!({"finalizers": ["kubernetes"]});
    }
}

/// Whether objects of the kind count generations.
pub(super) fn has_generation(target: &Target) -> bool {
    !target.kind.is_built_in() || [BuiltIn::Definition, BuiltIn::Workload].into_iter().any(|one| target.kind.is(one))
}
