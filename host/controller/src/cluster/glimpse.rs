//! A look at many objects without copying them.

use kube::ResourceExt as _;
use kube_runtime::reflector::ObjectRef;
use serde_json::Value;
use trimtab_api::Kind;
use trimtab_core::json::text;
use trimtab_core::time::Timestamp;

use super::Cluster;

/// What is looked at of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Glimpse<'a> {
    pub(crate) uid: &'a str,
    /// When the API server created it, to the second.
    pub(crate) created_at: Timestamp,
    /// Holds `spec` and `status`.
    pub(crate) data: &'a Value,
}

impl<'a> Glimpse<'a> {
    /// Of an object as a live read answers it.
    pub(crate) fn of(object: &'a Value) -> Self {
        let created = text(object, "/metadata/creationTimestamp");
        Self {
            uid: text(object, "/metadata/uid"),
            created_at: Timestamp::parse(created).unwrap_or_default(),
            data: object,
        }
    }
}

impl Cluster {
    /// Looks at the newest known state of an object: our own write where the cache does not show it yet. `None` where
    /// neither has it.
    pub(crate) fn glimpse<T>(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        look: impl FnOnce(Glimpse<'_>) -> T,
    ) -> Option<T> {
        let reference = ObjectRef::new_with(name, kind.api_resource()).within(namespace);
        let cached = self.stores.get(&kind).and_then(|store| store.get(&reference))?;
        let version = cached.resource_version().unwrap_or_default();
        let uid = cached.uid().unwrap_or_default();
        let key = (kind, namespace.to_owned(), name.to_owned());
        if let Some(ours) = self.written.newer(&key, &uid, &version) {
            return Some(look(Glimpse::of(&ours)));
        }
        let created = cached.metadata.creation_timestamp.as_ref().map_or(0, |at| at.0.as_millisecond());
        let created_at = Timestamp::from_millis(u64::try_from(created).unwrap_or(0));
        Some(look(Glimpse { uid: &uid, created_at, data: &cached.data }))
    }

    /// Whether the cache shows an object.
    pub(crate) fn shows(&self, kind: Kind, namespace: &str, name: &str) -> bool {
        let reference = ObjectRef::new_with(name, kind.api_resource()).within(namespace);
        self.stores.get(&kind).is_some_and(|store| store.get(&reference).is_some())
    }
}
