//! What belongs to a watched remediation: children and notifications that its steps have created.

use serde_json::Value;
use trimtab_api::Kind;
use trimtab_api::mapping::is_owned_by;
use trimtab_core::json::text;
use trimtab_core::manifest::Manifest;

use super::comparison::{Difference, aspect_of};
use crate::observe::ObserveError;
use crate::reconcile::{Context, ReconcileError};
use crate::run::CHILDREN;

/// Every object of a remediation as `Kind/name`, from the caches, in order.
pub(super) fn of(context: &Context, namespace: &str, uid: &str) -> Vec<String> {
    let of_kind = |kind: Kind| {
        let owned = context.cluster.list(kind, namespace).into_iter().filter(|object| is_owned_by(object, uid));
        owned.map(move |object| format!("{}/{}", kind.kind(), text(&object, "/metadata/name"))).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = CHILDREN.into_iter().flat_map(of_kind).collect();
    all.sort();
    all
}

/// The objects that a plan creates, as far as they are there, in the plan's order.
pub(super) async fn planned(
    context: &Context,
    namespace: &str,
    planned: &[Manifest],
) -> Result<Vec<Option<std::sync::Arc<Value>>>, ReconcileError> {
    let mut found = Vec::new();
    for manifest in planned {
        let object = match Kind::from_kind(&manifest.kind) {
            Some(kind) => context.cluster.read(kind, namespace, &manifest.name).await.map_err(ObserveError::from)?,
            None => None,
        };
        found.push(object);
    }
    Ok(found)
}

/// An object that no plan creates.
pub(super) fn unplanned(object: &str) -> Difference {
    let (kind, name) = object.split_once('/').unwrap_or(("", object));
    Difference::new(aspect_of(kind), name, format!("creates the {kind}"), "(none)")
}

/// `Kind/name` of what a plan creates.
pub(super) fn word(manifest: &Manifest) -> String {
    format!("{}/{}", manifest.kind, manifest.name)
}
