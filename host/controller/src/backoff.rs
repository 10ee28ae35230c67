//! How long a remediation waits after an error: doubling per object up to a cap, forgotten on success.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Wait after the first error.
const FIRST: Duration = Duration::from_millis(200);

/// Longest wait.
const CAP: Duration = Duration::from_secs(30);

/// Errors in a row of each remediation, by uid.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: Mutex<HashMap<String, u32>>,
}

impl Backoff {
    /// Counts an error and says how long to wait.
    pub(crate) fn after_error(&self, uid: &str) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(uid.to_owned()).or_insert(0);
        let wait = FIRST.saturating_mul(1 << (*count).min(16)).min(CAP);
        *count = count.saturating_add(1);
        wait
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_success_forgets_them() {
        let backoff = Backoff::default();
        let waits: Vec<_> = (0..12).map(|_| backoff.after_error("a")).collect();
        assert_eq!(waits[0], FIRST);
        assert_eq!(waits[1], FIRST * 2);
        assert_eq!(waits[11], CAP);
        assert_eq!(backoff.after_error("b"), FIRST);
        assert!(backoff.has_failed("a"));
        backoff.forget("a");
        assert!(!backoff.has_failed("a"));
        assert_eq!(backoff.after_error("a"), FIRST);
        assert_eq!(backoff.waiting(), 2);
    }
}
