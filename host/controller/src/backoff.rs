//! How long a remediation waits after an error, and a watch after it broke: doubling up to a cap, with a spread so that
//! those that failed together do not all come back together; forgotten on success.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt as _};
use kube_runtime::utils::Backoff as _;
use kube_runtime::watcher::{Error, Event};

use crate::errors::ErrorClass;

/// Waits that double from the first to the longest.
#[derive(Debug, Clone, Copy)]
struct Waits {
    first: Duration,
    longest: Duration,
}

/// After an error that may pass by itself.
const PASSING: Waits = Waits { first: Duration::from_millis(200), longest: Duration::from_secs(30) };

/// After an error that only a person can mend.
const LASTING: Waits = Waits { first: Duration::from_secs(5), longest: Duration::from_mins(5) };

/// After a broken watch: short enough that a kind which comes back is seen within seconds.
const WATCHING: Waits = Waits { first: Duration::from_millis(500), longest: Duration::from_secs(5) };

impl Waits {
    /// The wait after `count` errors before this one: up to a quarter longer or shorter, by `key`, within both bounds.
    fn after(self, key: &str, count: u32) -> Duration {
        let wait = self.first.saturating_mul(1 << count.min(16)).min(self.longest);
        let mut hasher = DefaultHasher::new();
        (key, count).hash(&mut hasher);
        // From 75 % to 125 %, in thousandths.
        let share = 750 + u32::try_from(hasher.finish() % 501).unwrap_or(250);
        (wait / 1000).saturating_mul(share).clamp(self.first, self.longest)
    }
}

/// Errors in a row of each remediation, by uid.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: Mutex<HashMap<String, u32>>,
}

impl Backoff {
    /// Counts an error and says how long to wait: never less than the API server has asked for.
    pub(crate) fn after_error(&self, uid: &str, class: ErrorClass, asked: Option<Duration>) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(uid.to_owned()).or_insert(0);
        let waits = if class.needs_person() { LASTING } else { PASSING };
        let wait = waits.after(uid, *count);
        *count = count.saturating_add(1);
        asked.map_or(wait, |asked| asked.max(wait))
    }

    /// Errors in a row of this remediation.
    pub(crate) fn failures(&self, uid: &str) -> u32 {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).get(uid).copied().unwrap_or(0)
    }

    /// Whether the last reconcile of this remediation ended with an error.
    pub(crate) fn has_failed(&self, uid: &str) -> bool {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).contains_key(uid)
    }

    /// Forgets the errors of a remediation: it went well, or is gone.
    pub(crate) fn forget(&self, uid: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// Remediations that wait after an error.
    pub(crate) fn waiting(&self) -> usize {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// The waits of one watch.
#[derive(Debug)]
pub(crate) struct WatchBackoff {
    kind: &'static str,
    failures: u32,
}

impl WatchBackoff {
    pub(crate) const fn new(kind: &'static str) -> Self {
        Self { kind, failures: 0 }
    }
}

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let wait = WATCHING.after(self.kind, self.failures);
        self.failures = self.failures.saturating_add(1);
        Some(wait)
    }
}

impl kube_runtime::utils::Backoff for WatchBackoff {
    fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A watch that waits after each error, longer each time until it has come on: a list that has only begun, or broke off, is
/// none. The library's own back-off starts anew with the first word of every try.
pub(crate) fn backing_off<K: Send + 'static>(
    changes: impl Stream<Item = Result<Event<K>, Error>> + Send + 'static,
    waits: WatchBackoff,
) -> impl Stream<Item = Result<Event<K>, Error>> + Send {
    let state = (changes.boxed(), waits, None);
    stream::unfold(state, |(mut changes, mut waits, wait)| async move {
        if let Some(wait) = wait {
            tokio::time::sleep(wait).await;
        }
        let change = changes.next().await?;
        let wait = match &change {
            Err(_) => waits.next(),
            Ok(Event::Init | Event::InitApply(_)) => None,
            Ok(Event::InitDone | Event::Apply(_) | Event::Delete(_)) => {
                waits.reset();
                None
            }
        };
        Some((change, (changes, waits, wait)))
    })
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn is_near(wait: Duration, expected: Duration) -> bool {
        (expected * 3 / 4..=expected * 5 / 4).contains(&wait)
    }

    #[test]
    fn waits_double_up_to_the_cap_and_success_forgets_them() {
        let backoff = Backoff::default();
        let after_error = |uid| backoff.after_error(uid, ErrorClass::Transient, None);
        let waits: Vec<_> = (0..12).map(|_| after_error("a")).collect();
        for (wait, nth) in waits.iter().zip(0..7) {
            assert!(is_near(*wait, PASSING.first * (1 << nth)), "{nth}: {wait:?}");
        }
        assert!(waits.iter().all(|wait| (PASSING.first..=PASSING.longest).contains(wait)), "{waits:?}");
        assert!(is_near(waits[11], PASSING.longest));
        assert!(is_near(after_error("b"), PASSING.first));
        assert!(backoff.has_failed("a"));
        backoff.forget("a");
        assert!(!backoff.has_failed("a"));
        assert_eq!(after_error("a"), waits[0]);
        assert_eq!(backoff.waiting(), 2);
    }

    #[test]
    fn those_that_fail_together_do_not_come_back_together() {
        let backoff = Backoff::default();
        for uid in (0..100).map(|nth| nth.to_string()) {
            backoff.after_error(&uid, ErrorClass::Transient, None);
        }
        let mut waits: Vec<_> =
            (0..100).map(|nth| backoff.after_error(&nth.to_string(), ErrorClass::Transient, None)).collect();
        waits.sort_unstable();
        waits.dedup();
        assert!(waits.len() > 50, "{} different waits", waits.len());
    }

    #[test]
    fn what_a_person_has_to_mend_and_what_the_server_asks_for_takes_longer() {
        let backoff = Backoff::default();
        for class in [ErrorClass::Forbidden, ErrorClass::Invalid] {
            backoff.forget("a");
            let waits: Vec<_> = (0..12).map(|_| backoff.after_error("a", class, None)).collect();
            assert!(waits[0] >= LASTING.first && is_near(waits[11], LASTING.longest), "{waits:?}");
        }
        let asked = Duration::from_mins(1);
        assert_eq!(backoff.after_error("b", ErrorClass::Transient, Some(asked)), asked);
    }

    #[test]
    fn a_watch_comes_back_within_seconds() {
        let mut backoff = WatchBackoff::new("SignalProcessing");
        let waits: Vec<_> = backoff.by_ref().take(10).collect();
        assert!(waits.iter().all(|wait| *wait <= WATCHING.longest), "{waits:?}");
        backoff.reset();
        assert_eq!(backoff.next(), Some(waits[0]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_fails_again_and_again_is_asked_for_less_and_less_often() {
        let failing = || [Ok(Event::Init), Ok(Event::InitApply(())), Err(Error::NoResourceVersion)];
        let well = [Ok(Event::Init), Ok(Event::InitDone)];
        let changes = (0..5).flat_map(|_| failing()).chain(well).chain(failing()).chain([Ok(Event::Init)]);
        let changes: Vec<_> = changes.collect();
        let mut changes = backing_off(stream::iter(changes), WatchBackoff::new("AIAnalysis")).boxed();
        let (mut waits, mut since) = (Vec::new(), Instant::now());
        while let Some(change) = changes.next().await {
            if matches!(change, Ok(Event::Init)) {
                waits.push(since.elapsed());
                since = Instant::now();
            }
        }
        let expected: Vec<_> = WatchBackoff::new("AIAnalysis").take(5).collect();
        assert_eq!(waits.get(1..6).unwrap(), expected, "{waits:?}");
        assert_eq!(waits.last(), expected.first(), "after a list that was complete");
    }
}
