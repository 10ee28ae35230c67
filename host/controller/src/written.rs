//! Read your own writes, and never go back: an object that was written, or read live and was newer than what the cache
//! showed, is remembered until the cache shows it.

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

/// Objects as the API server answered our writes, and our live reads.
#[derive(Debug, Default)]
pub(crate) struct Written {
    objects: Mutex<HashMap<Key, Remembered>>,
    lately: Mutex<Lately>,
}

/// What the cache did not show when it was answered.
#[derive(Debug)]
struct Remembered {
    object: Arc<Value>,
    /// Whether we have written it: then the cache tells nothing new when it shows it.
    is_ours: bool,
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
        objects.insert(key, Remembered { object, is_ours: true });
    }

    /// Remembers an object that was read live, where the cache still shows an older state of it: each kind has a watch of its
    /// own, and a decision on one object's new state must not be followed by one on its old state.
    pub(crate) fn saw(&self, key: Key, object: &Arc<Value>, cached: Option<&Value>) {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let known = objects.get(&key).map(|known| &*known.object);
        if known.or(cached).is_some_and(|known| is_older(known, object)) {
            objects.insert(key, Remembered { object: Arc::clone(object), is_ours: false });
        }
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

    /// An object is gone, which had come to this state. A successor of its name that the cache does not show yet stays.
    pub(crate) fn gone(&self, key: &Key, last: &Value) {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        if objects.get(key).is_some_and(|known| is_same(&known.object, last) || !is_older(last, &known.object)) {
            objects.remove(key);
        }
    }

    /// The cache shows this state of an object: ours, or a newer one, need not be remembered any more. The result is whether
    /// it tells of anything but what this process has written.
    pub(crate) fn shown(&self, key: &Key, shown: &Value) -> bool {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Remembered { object: known, is_ours }) = objects.get(key) else { return true };
        if is_older(shown, known) {
            return !is_ours;
        }
        // One that is not older has the known version or a newer one.
        let is_news = !is_ours || is_older(known, shown) || !is_same(known, shown);
        objects.remove(key);
        is_news
    }

    /// The remembered object, where it is this one and newer than the cache's.
    pub(crate) fn newer(&self, key: &Key, uid: &str, cached: &str) -> Option<Arc<Value>> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let known = &objects.get(key)?.object;
        let is_newer = uid_of(known) == uid && version(known) > cached.parse().unwrap_or(0);
        is_newer.then(|| Arc::clone(known))
    }

    /// Compares the cache's object with the remembered one.
    pub(crate) fn newest(&self, key: &Key, cached: Option<Arc<Value>>) -> Known {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Remembered { object: known, .. }) = objects.get(key) else {
            return cached.map_or(Known::Absent, Known::Newest);
        };
        let Some(cached) = cached else { return Known::Unclear };
        if !is_older(&cached, known) {
            objects.remove(key);
            return Known::Newest(cached);
        }
        Known::Newest(Arc::clone(known))
    }
}

/// Whether one is an older state than the other, of the same object or of its name.
fn is_older(one: &Value, other: &Value) -> bool {
    version(one) < version(other)
}

fn is_same(one: &Value, other: &Value) -> bool {
    uid_of(one) == uid_of(other)
}

fn uid_of(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

/// Resource versions are decimal numbers that grow, over all objects of a kind (guaranteed since Kubernetes 1.35, true of
/// every server before).
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
    fn what_was_read_live_is_not_followed_by_an_older_state() {
        let written = Written::default();
        let cached = object("u", 9);
        written.saw(key(), &object("u", 10), Some(&cached));
        assert_eq!(written.newest(&key(), Some(Arc::clone(&cached))), Known::Newest(object("u", 10)));
        assert!(written.shown(&key(), &cached), "a change that nobody here has written");
        assert!(written.shown(&key(), &object("u", 10)), "nor this one");
        assert_eq!(written.newest(&key(), Some(object("u", 10))), Known::Newest(object("u", 10)));
        for (seen, cached) in [(9, 9), (8, 9)] {
            written.saw(key(), &object("u", seen), Some(&object("u", cached)));
            assert!(written.objects.lock().unwrap().is_empty(), "the cache knows it");
        }
        // Created by us, not shown yet, changed by another and read live; then the cache shows what we have created.
        written.remember(key(), object("u", 9));
        written.saw(key(), &object("u", 10), None);
        assert_eq!(written.newest(&key(), Some(Arc::clone(&cached))), Known::Newest(object("u", 10)));
        written.remember(key(), object("u", 11));
        written.saw(key(), &object("u", 10), Some(&cached));
        assert_eq!(written.newest(&key(), Some(cached)), Known::Newest(object("u", 11)), "our write is newer");
    }

    #[test]
    fn of_two_that_have_one_name_the_later_wins() {
        let written = Written::default();
        written.remember(key(), object("u", 10));
        assert_eq!(written.newest(&key(), Some(object("v", 11))), Known::Newest(object("v", 11)));
        written.remember(key(), object("u", 10));
        let predecessor = object("t", 9);
        assert_eq!(written.newest(&key(), Some(Arc::clone(&predecessor))), Known::Newest(object("u", 10)));
        assert!(!written.shown(&key(), &predecessor), "it does not go on from what was written");
        written.gone(&key(), &predecessor);
        assert_eq!(written.newest(&key(), None), Known::Unclear, "it is not gone with the one before it");
        written.gone(&key(), &object("u", 9));
        assert_eq!(written.newest(&key(), None), Known::Absent);
        written.saw(key(), &object("u", 10), Some(&predecessor));
        assert_eq!(written.newest(&key(), Some(predecessor)), Known::Newest(object("u", 10)));
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
