//! What is looked at of an object that is none of the remediation's own.

use serde_json::Value;
use trimtab_api::Kind;
use trimtab_core::json::text;
use trimtab_core::time::Timestamp;

use super::{Cluster, key};

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
    /// Of a whole object.
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
    /// the cache does not have it.
    pub(crate) fn glimpse<T>(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        look: impl FnOnce(Glimpse<'_>) -> T,
    ) -> Option<T> {
        let cached = self.cached(kind, namespace, name)?;
        let key = key(kind, namespace, name);
        let (uid, version) = (text(&cached, "/metadata/uid"), text(&cached, "/metadata/resourceVersion"));
        let newest = self.written.newer(&key, uid, version).unwrap_or_else(|| cached.clone());
        Some(look(Glimpse::of(&newest)))
    }
}
