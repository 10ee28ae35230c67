//! Delete: one object, or all that a selector matches.

use serde_json::{Value, json};

use super::Target;
use super::read::Selection;
use crate::failure::Failure;
use crate::gc::{self, Deletion, Propagation};
use crate::kinds::BuiltIn;
use crate::request::Query;
use crate::store::{Location, Transaction};
use crate::view;

/// Namespaces that may not be deleted.
const PROTECTED: [&str; 3] = ["default", "kube-system", "kube-public"];

/// Options of a deletion, from the query and the body; the body wins.
#[derive(Debug)]
pub(crate) struct DeleteOptions {
    propagation: Propagation,
    uid: Option<String>,
    resource_version: Option<String>,
    pub(crate) dry_run: bool,
}

impl DeleteOptions {
    pub(crate) fn parse(query: &Query, body: &Value) -> Result<Self, Failure> {
        let policy = body["propagationPolicy"].as_str().or(query.text("propagationPolicy"));
        let orphan = body["orphanDependents"].as_bool().unwrap_or(query.flag("orphanDependents"));
        let propagation = match policy {
            None if orphan => Propagation::Orphan,
            None | Some("Background") => Propagation::Background,
            Some("Foreground") => Propagation::Foreground,
            Some("Orphan") => Propagation::Orphan,
            Some(other) => {
                let known = ["Foreground", "Background", "Orphan", "nil"];
                return Err(Failure::unknown_option("DeleteOptions", "propagationPolicy", other, &known));
            }
        };
        let text = |name: &str| body["preconditions"][name].as_str().map(str::to_owned);
        let dry_run = body["dryRun"].as_array().is_some_and(|list| list.contains(&json!("All")));
        Ok(Self {
            propagation,
            uid: text("uid"),
            resource_version: text("resourceVersion"),
            dry_run: dry_run || query.dry_run("DeleteOptions")?,
        })
    }
}

/// Deletes the named object and answers what the client is shown.
pub(crate) fn delete(
    transaction: &mut Transaction<'_>,
    target: &Target,
    options: &DeleteOptions,
) -> Result<Value, Failure> {
    let at = target.location();
    let current = transaction.get(&at).ok_or_else(|| target.not_found())?;
    check_preconditions(target, &current, options)?;
    let kind = &target.kind;
    if kind.is(BuiltIn::Namespace) && PROTECTED.contains(&target.name.as_str()) {
        return Err(Failure::forbidden(&kind.name, &target.name, "this namespace may not be deleted"));
    }
    let deletion = gc::delete(transaction, &at, options.propagation).ok_or_else(|| target.not_found())?;
    Ok(match deletion {
        Deletion::Marked(object) => view::served(kind, &object).into_owned(),
        Deletion::Removed(object) => {
            let mut details = json!({"name": target.name, "kind": kind.name.plural, "uid": object["metadata"]["uid"]});
            if !kind.name.group.is_empty() {
                details["group"] = json!(kind.name.group);
            }
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
        }
    })
}

fn check_preconditions(target: &Target, current: &Value, options: &DeleteOptions) -> Result<(), Failure> {
    let checks = [
        ("UID", "uid", &options.uid, "deleted and then recreated"),
        ("ResourceVersion", "resourceVersion", &options.resource_version, "modified"),
    ];
    for (label, member, wanted, happened) in checks {
        let found = current["metadata"][member].as_str().unwrap_or_default();
        if let Some(wanted) = wanted.as_deref().filter(|wanted| *wanted != found) {
            let why = format!(
                "the {label} in the precondition ({wanted}) does not match the {label} in record ({found}). The object might have been {happened}"
            );
            return Err(Failure::conflict(&target.kind.name, &target.name, &why));
        }
    }
    Ok(())
}

/// Deletes every selected object; answers the list of them as they were.
pub(crate) fn delete_collection(
    transaction: &mut Transaction<'_>,
    target: &Target,
    selection: &Selection,
    options: &DeleteOptions,
) -> Result<Value, Failure> {
    if target.kind.is(BuiltIn::Namespace) {
        return Err(Failure::method_not_allowed());
    }
    let kind = &target.kind;
    let table = transaction.state().tables.get(&kind.storage).cloned().unwrap_or_default();
    let mut items = Vec::new();
    for (name, object) in table {
        let served = view::served(kind, &object);
        if !selection.matches(&name, &served) {
            continue;
        }
        items.push(served.into_owned());
        let at = Location { storage: kind.storage.clone(), name };
        gc::delete(transaction, &at, options.propagation);
    }
    Ok(json!({
        "kind": kind.list_kind(),
        "apiVersion": kind.api_version(),
        "metadata": {"resourceVersion": transaction.state().revision.to_string()},
        "items": items,
    }))
}
