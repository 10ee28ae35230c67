//! Update: `PUT` and `PATCH`, of an object or of its status.

use serde_json::{Value, json};

use super::admit::{self, Source};
use super::create::{create, has_generation};
use super::{Part, Target, WriteOptions, Written};
use crate::failure::{Failure, FaultKind, FieldFault};
use crate::gc;
use crate::kinds::{BuiltIn, Origin};
use crate::metadata::{finalizers, is_deleting};
use crate::patch::{PatchType, patched};
use crate::store::Transaction;
use crate::view;

/// Replaces the named object (or its status) by `object`.
pub(crate) fn replace(
    transaction: &mut Transaction<'_>,
    target: &Target,
    object: Value,
    options: WriteOptions,
) -> Result<Written, Failure> {
    let Some(current) = transaction.get(&target.location()) else {
        if creates_on_update(target) {
            check_name(target, &object)?;
            return create(transaction, target, object, options);
        }
        return Err(target.not_found());
    };
    let old = view::served(&target.kind, &current).into_owned();
    apply(transaction, target, &old, object, Source::Body, options)
}

/// Applies a patch to the named object (or its status).
pub(crate) fn patch(
    transaction: &mut Transaction<'_>,
    target: &Target,
    patch: &Value,
    how: PatchType,
    options: WriteOptions,
) -> Result<Written, Failure> {
    let current = transaction.get(&target.location()).ok_or_else(|| target.not_found())?;
    let old = view::served(&target.kind, &current).into_owned();
    let object = patched(&old, patch, how)?;
    apply(transaction, target, &old, object, Source::Patch, options)
}

fn apply(
    transaction: &mut Transaction<'_>,
    target: &Target,
    old: &Value,
    mut object: Value,
    source: Source,
    options: WriteOptions,
) -> Result<Written, Failure> {
    let kind = &target.kind;
    let warnings = admit::decode(target, &mut object, source, options)?;
    check_name(target, &object)?;
    check_preconditions(target, old, &object)?;
    keep_server_members(target, old, &mut object);
    let now = transaction.stamp();
    admit::default(target, &mut object, &now);
    keep_other_part(target, old, &mut object);
    check_finalizers(target, old, &object)?;
    admit::check(target, &object, Some(old))?;
    bump_generation(target, old, &mut object);
    let at = target.location();
    let updated = transaction.put(&at, view::stored(kind, object));
    if is_deleting(&updated) {
        gc::settle(transaction, &at);
    } else if updated["metadata"]["ownerReferences"] != old["metadata"]["ownerReferences"] {
        gc::check_owners(transaction, &at);
    }
    Ok(Written { object: updated, is_new: false, warnings })
}

/// Leases and Events may be created by `PUT`.
fn creates_on_update(target: &Target) -> bool {
    let made = [BuiltIn::Lease, BuiltIn::CoreEvent, BuiltIn::EventsEvent];
    target.part == Part::Main && made.into_iter().any(|built_in| target.kind.is(built_in))
}

fn check_name(target: &Target, object: &Value) -> Result<(), Failure> {
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().unwrap_or_default();
    if name != target.name {
        return Err(Failure::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            target.name
        )));
    }
    let namespace = metadata["namespace"].as_str().unwrap_or_default();
    if !namespace.is_empty() && namespace != target.namespace {
        return Err(Failure::bad_request(format!(
            "the namespace of the object ({namespace}) does not match the namespace on the URL ({})",
            target.namespace
        )));
    }
    Ok(())
}

fn check_preconditions(target: &Target, old: &Value, object: &Value) -> Result<(), Failure> {
    let kind = &target.kind;
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    let known = old["metadata"]["uid"].as_str().unwrap_or_default();
    if !uid.is_empty() && uid != known {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {known}");
        return Err(Failure::conflict(&kind.name, &target.name, &why));
    }
    let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    // A `0` means any version, as an absent one does.
    if version.is_empty() || version == "0" {
        let unconditional = matches!(
            kind.origin,
            Origin::BuiltIn(
                BuiltIn::Namespace
                    | BuiltIn::ConfigMap
                    | BuiltIn::Secret
                    | BuiltIn::CoreEvent
                    | BuiltIn::EventsEvent
                    | BuiltIn::Workload
            )
        );
        if unconditional {
            return Ok(());
        }
        let detail = "must be specified for an update";
        let fault = FieldFault::new(FaultKind::Invalid, "metadata.resourceVersion", Some(json!(0)), detail);
        return Err(Failure::invalid(&kind.kind, &kind.name.group, &target.name, &[fault]));
    }
    if old["metadata"]["resourceVersion"] != version {
        return Err(Failure::stale(&kind.name, &target.name));
    }
    Ok(())
}

/// Restores the members of metadata that a client cannot change.
fn keep_server_members(target: &Target, old: &Value, object: &mut Value) {
    let members = [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "resourceVersion",
        "name",
        "namespace",
        "generateName",
    ];
    for member in members {
        match (&old["metadata"][member], object["metadata"].as_object_mut()) {
            (Value::Null, Some(metadata)) => {
                metadata.remove(member);
            }
            (value, Some(metadata)) => {
                metadata.insert(member.to_owned(), value.clone());
            }
            (_, None) => {}
        }
    }
    if target.kind.is(BuiltIn::Namespace) {
        object["spec"] = old["spec"].clone();
    }
    if target.kind.is(BuiltIn::Definition) && target.part == Part::Main {
        object["status"] = old["status"].clone();
    }
}

/// `/status` changes the status alone, the object itself all but the status.
fn keep_other_part(target: &Target, old: &Value, object: &mut Value) {
    if !target.kind.has_status {
        return;
    }
    let (mut kept, taken) = match target.part {
        Part::Status => (old.clone(), &*object),
        Part::Main if target.kind.is(BuiltIn::Definition) => return,
        Part::Main => (object.clone(), old),
    };
    match (taken.get("status"), kept.as_object_mut()) {
        (Some(status), Some(members)) => {
            members.insert("status".to_owned(), status.clone());
        }
        (None, Some(members)) => {
            members.remove("status");
        }
        (_, None) => {}
    }
    *object = kept;
}

fn check_finalizers(target: &Target, old: &Value, object: &Value) -> Result<(), Failure> {
    if !is_deleting(old) {
        return Ok(());
    }
    let added: Vec<&str> =
        finalizers(object).filter(|finalizer| finalizers(old).all(|known| known != *finalizer)).collect();
    if added.is_empty() {
        return Ok(());
    }
    let listed: Vec<String> = added.iter().map(|finalizer| format!("{finalizer:?}")).collect();
    let detail = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        listed.join(", ")
    );
    let fault = FieldFault::new(FaultKind::Forbidden, "metadata.finalizers", None, detail);
    let kind = &target.kind;
    Err(Failure::invalid(&kind.kind, &kind.name.group, &target.name, &[fault]))
}

/// The generation counts changes of everything but metadata and (where it is apart) status.
fn bump_generation(target: &Target, old: &Value, object: &mut Value) {
    if !has_generation(target) {
        return;
    }
    let strip = |value: &Value| {
        let mut members = value.as_object().cloned().unwrap_or_default();
        members.remove("metadata");
        if target.kind.has_status {
            members.remove("status");
        }
        members
    };
    if strip(old) != strip(object) {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(0);
        object["metadata"]["generation"] = json!(generation + 1);
    }
}
