//! Read your own writes: an object that was written is remembered until the cache shows it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use trimtab_api::Kind;
use trimtab_core::json::text;

/// Kind, namespace and name.
pub(crate) type Key = (Kind, String, String);

/// Objects as the API server answered our writes.
#[derive(Debug, Default)]
pub(crate) struct Written {
    objects: Mutex<HashMap<Key, Arc<Value>>>,
}

/// What the cache and the memory together say of an object.
#[derive(Debug, PartialEq)]
pub(crate) enum Known {
    /// This is its newest state.
    Newest(Arc<Value>),
    /// It does not exist.
    Absent,
    /// It was written and the cache does not have it: not shown yet, or deleted since. Only the cluster knows.
    Unclear,
}

impl Written {
    /// Remembers an object as the API server answered it.
    pub(crate) fn remember(&self, key: Key, object: Arc<Value>) {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.insert(key, object);
    }

    /// Forgets an object.
    pub(crate) fn forget(&self, key: &Key) {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Compares the cache's object with the remembered one.
    pub(crate) fn newest(&self, key: &Key, cached: Option<Arc<Value>>) -> Known {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(ours) = objects.get(key) else {
            return cached.map_or(Known::Absent, Known::Newest);
        };
        let Some(cached) = cached else { return Known::Unclear };
        let is_same_object = text(ours, "/metadata/uid") == text(&cached, "/metadata/uid");
        if !is_same_object || version(&cached) >= version(ours) {
            objects.remove(key);
            return Known::Newest(cached);
        }
        Known::Newest(Arc::clone(ours))
    }
}

/// Resource versions are decimal numbers that grow (guaranteed since Kubernetes 1.35, true of every server before).
fn version(object: &Value) -> u128 {
    text(object, "/metadata/resourceVersion").parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(uid: &str, version: u32) -> Arc<Value> {
        Arc::new(json!({"metadata": {"uid": uid, "resourceVersion": version.to_string()}}))
    }

    fn key() -> Key {
        (Kind::RemediationRequest, "ns".into(), "rr".into())
    }

    #[test]
    fn our_write_is_seen_until_the_cache_has_it() {
        let written = Written::default();
        written.remember(key(), object("u", 10));
        assert_eq!(written.newest(&key(), Some(object("u", 9))), Known::Newest(object("u", 10)));
        assert_eq!(written.newest(&key(), Some(object("u", 10))), Known::Newest(object("u", 10)));
        assert_eq!(written.newest(&key(), Some(object("u", 9))), Known::Newest(object("u", 9)), "forgotten by now");
    }

    #[test]
    fn a_successor_of_the_same_name_wins() {
        let written = Written::default();
        written.remember(key(), object("u", 10));
        assert_eq!(written.newest(&key(), Some(object("v", 3))), Known::Newest(object("v", 3)));
    }

    #[test]
    fn a_written_object_that_the_cache_lacks_is_unclear() {
        let written = Written::default();
        assert_eq!(written.newest(&key(), None), Known::Absent);
        written.remember(key(), object("u", 10));
        assert_eq!(written.newest(&key(), None), Known::Unclear);
        written.forget(&key());
        assert_eq!(written.newest(&key(), None), Known::Absent);
    }
}
