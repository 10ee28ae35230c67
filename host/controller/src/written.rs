//! Read your own writes: an object that was written is remembered until the cache shows it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use trimtab_api::Kind;
use trimtab_core::json::text;

/// Kind, namespace and name.
pub(crate) type Key = (Kind, String, String);

/// How long our own last write vouches for an object: nobody else is asked whether it is still the same. A stranger's write
/// of the last moments can be missed by any reader; a cache that lags further behind, or a process that was stopped, not.
const VOUCHED: Duration = Duration::from_secs(2);

/// Objects as the API server answered our writes.
#[derive(Debug, Default)]
pub(crate) struct Written {
    objects: Mutex<HashMap<Key, Arc<Value>>>,
    lately: Mutex<Lately>,
}

/// The versions that we have written lately, each with the moment before its request was sent.
#[derive(Debug, Default)]
struct Lately {
    versions: HashMap<Key, (u128, Instant)>,
    order: VecDeque<(Instant, Key)>,
}

impl Lately {
    fn note(&mut self, key: Key, version: u128, sent: Instant) {
        while let Some((at, _)) = self.order.front()
            && at.elapsed() > VOUCHED
        {
            let Some((at, key)) = self.order.pop_front() else { break };
            if self.versions.get(&key).is_some_and(|(_, newest)| *newest == at) {
                self.versions.remove(&key);
            }
        }
        self.order.push_back((sent, key.clone()));
        self.versions.insert(key, (version, sent));
    }
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

    /// Notes which version of an object our write has made, and when its request was sent.
    pub(crate) fn vouch(&self, key: Key, object: &Value, sent: Instant) {
        self.lately.lock().unwrap_or_else(PoisonError::into_inner).note(key, version(object), sent);
    }

    /// Whether this version of the object is what we wrote last, a moment ago.
    pub(crate) fn is_vouched(&self, key: &Key, version: &str) -> bool {
        let lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        lately.versions.get(key).is_some_and(|(ours, sent)| version.parse() == Ok(*ours) && sent.elapsed() <= VOUCHED)
    }

    /// Forgets an object.
    pub(crate) fn forget(&self, key: &Key) {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// The cache shows this state of an object: ours, or a newer one, need not be remembered any more. The result is whether
    /// it tells of anything but what this process has written.
    pub(crate) fn shown(&self, key: &Key, shown: &Value) -> bool {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(ours) = objects.get(key) else { return true };
        if is_older(shown, ours) {
            return false;
        }
        // Of the same object, one that is not older has our version or a newer one.
        let is_news = is_older(ours, shown) || text(ours, "/metadata/uid") != text(shown, "/metadata/uid");
        objects.remove(key);
        is_news
    }

    /// The remembered object, where it is this one and newer than the cache's.
    pub(crate) fn newer(&self, key: &Key, uid: &str, cached: &str) -> Option<Arc<Value>> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = objects.get(key)?;
        let is_newer = text(ours, "/metadata/uid") == uid && version(ours) > cached.parse().unwrap_or(0);
        is_newer.then(|| Arc::clone(ours))
    }

    /// Compares the cache's object with the remembered one.
    pub(crate) fn newest(&self, key: &Key, cached: Option<Arc<Value>>) -> Known {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(ours) = objects.get(key) else {
            return cached.map_or(Known::Absent, Known::Newest);
        };
        let Some(cached) = cached else { return Known::Unclear };
        if !is_older(&cached, ours) {
            objects.remove(key);
            return Known::Newest(cached);
        }
        Known::Newest(Arc::clone(ours))
    }
}

/// Whether what the cache shows is an older state of our object.
fn is_older(shown: &Value, ours: &Value) -> bool {
    text(ours, "/metadata/uid") == text(shown, "/metadata/uid") && version(shown) < version(ours)
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

    #[tokio::test(start_paused = true)]
    async fn our_own_write_vouches_for_its_version_for_a_while() {
        let written = Written::default();
        assert!(!written.is_vouched(&key(), "10"));
        written.vouch(key(), &object("u", 10), Instant::now());
        assert!(written.is_vouched(&key(), "10"));
        assert!(!written.is_vouched(&key(), "11"), "somebody else's");
        tokio::time::advance(VOUCHED + Duration::from_millis(1)).await;
        assert!(!written.is_vouched(&key(), "10"));
        written.vouch((Kind::RemediationRequest, "ns".into(), "other".into()), &object("v", 12), Instant::now());
        assert_eq!(written.lately.lock().unwrap().versions.len(), 1, "what no longer counts is forgotten");
    }

    #[test]
    fn what_the_cache_shows_is_not_remembered() {
        let written = Written::default();
        written.remember(key(), object("u", 10));
        assert!(!written.shown(&key(), &object("u", 9)));
        assert_eq!(written.newest(&key(), Some(object("u", 9))), Known::Newest(object("u", 10)), "an older state");
        assert!(!written.shown(&key(), &object("u", 10)));
        assert!(written.objects.lock().unwrap().is_empty());
        assert!(written.shown(&key(), &object("u", 10)), "it is told of once");
        for other in [object("u", 11), object("v", 10)] {
            written.remember(key(), object("u", 10));
            assert!(written.shown(&key(), &other), "somebody else's");
        }
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
