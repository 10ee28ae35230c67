//! What the delivery tells about itself: counters for metrics, and whether it works.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use trimtab_core::time::Timestamp;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptResult {
    /// Stored.
    Stored,
    /// Taken, to be stored later.
    Queued,
    /// Refused for what it holds.
    Refused,
    /// The token was not accepted, or cannot be read.
    Unauthorized,
    /// The receiver has no such path.
    PathUnknown,
    /// The receiver asked to slow down.
    Throttled,
    /// The receiver failed.
    ReceiverFailed,
    /// No connection came about.
    Unreachable,
    /// No answer came, or not to its end.
    AnswerLost,
    /// An answer that makes no sense here.
    Unexpected,
    /// The ledger could not be read or written.
    LedgerFailed,
}

impl AttemptResult {
    /// Every result.
    pub const ALL: [Self; 11] = [
        Self::Stored,
        Self::Queued,
        Self::Refused,
        Self::Unauthorized,
        Self::PathUnknown,
        Self::Throttled,
        Self::ReceiverFailed,
        Self::Unreachable,
        Self::AnswerLost,
        Self::Unexpected,
        Self::LedgerFailed,
    ];

    /// Stable code, for metrics and logs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Stored => "Stored",
            Self::Queued => "Queued",
            Self::Refused => "Refused",
            Self::Unauthorized => "Unauthorized",
            Self::PathUnknown => "PathUnknown",
            Self::Throttled => "Throttled",
            Self::ReceiverFailed => "ReceiverFailed",
            Self::Unreachable => "Unreachable",
            Self::AnswerLost => "AnswerLost",
            Self::Unexpected => "Unexpected",
            Self::LedgerFailed => "LedgerFailed",
        }
    }
}

#[derive(Debug, Default)]
struct Numbers {
    attempts: [AtomicU64; AttemptResult::ALL.len()],
    questions: AtomicU64,
    delivered: AtomicU64,
    found: AtomicU64,
    quarantined: AtomicU64,
    doubles_possible: AtomicU64,
    last_success_millis: AtomicU64,
    is_failing: AtomicBool,
    last_error: Mutex<Option<Arc<str>>>,
}

/// What the delivery did and how it is; cheap to clone, and read at any time.
#[derive(Debug, Clone, Default)]
pub struct DeliveryReport(Arc<Numbers>);

impl DeliveryReport {
    /// Attempts that ended so.
    pub fn attempts(&self, result: AttemptResult) -> u64 {
        self.0.attempts.get(result as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Questions asked whether events have arrived.
    pub fn questions(&self) -> u64 {
        self.0.questions.load(Ordering::Relaxed)
    }

    /// Events that the receiver has, as far as this process learned it.
    pub fn delivered(&self) -> u64 {
        self.0.delivered.load(Ordering::Relaxed)
    }

    /// Those of [`Self::delivered`] that a question found, after their answer was lost.
    pub fn found(&self) -> u64 {
        self.0.found.load(Ordering::Relaxed)
    }

    /// Events that the receiver refused for good.
    pub fn quarantined(&self) -> u64 {
        self.0.quarantined.load(Ordering::Relaxed)
    }

    /// Events that were sent again although they may have arrived before.
    pub fn doubles_possible(&self) -> u64 {
        self.0.doubles_possible.load(Ordering::Relaxed)
    }

    /// When the receiver last took events.
    pub fn last_success(&self) -> Option<Timestamp> {
        let millis = self.0.last_success_millis.load(Ordering::Relaxed);
        (millis > 0).then(|| Timestamp::from_millis(millis))
    }

    /// Why the last failed attempt failed; kept after it works again.
    pub fn last_error(&self) -> Option<Arc<str>> {
        self.0.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether events wait because attempts fail.
    pub fn is_failing(&self) -> bool {
        self.0.is_failing.load(Ordering::Relaxed)
    }

    pub(super) fn count_attempt(&self, result: AttemptResult) {
        if let Some(count) = self.0.attempts.get(result as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn count_question(&self) {
        self.0.questions.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_delivered(&self, count: usize, at: Timestamp) {
        self.0.delivered.fetch_add(wide(count), Ordering::Relaxed);
        self.0.last_success_millis.store(at.as_millis(), Ordering::Relaxed);
    }

    pub(super) fn count_found(&self, count: usize) {
        self.0.found.fetch_add(wide(count), Ordering::Relaxed);
    }

    pub(super) fn count_quarantined(&self) {
        self.0.quarantined.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_doubles(&self, count: usize) {
        self.0.doubles_possible.fetch_add(wide(count), Ordering::Relaxed);
    }

    fn set_failing(&self, message: &str) {
        *self.0.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(message.into());
        self.0.is_failing.store(true, Ordering::Relaxed);
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// A time of failure, from the first failed attempt until events settle again. It logs its begin, each further kind of
/// failure once, and its end.
#[derive(Debug, Default)]
pub(super) struct Episode {
    attempts: u64,
    kinds: Vec<AttemptResult>,
    began: Option<Timestamp>,
}

impl Episode {
    /// Notes a failed attempt.
    pub(super) fn failed(&mut self, kind: AttemptResult, message: &str, now: Timestamp, report: &DeliveryReport) {
        report.set_failing(message);
        self.attempts += 1;
        if self.began.is_none() {
            self.began = Some(now);
            tracing::warn!(reason = kind.code(), error = message, "audit events wait: their delivery began to fail");
        } else if !self.kinds.contains(&kind) {
            tracing::warn!(reason = kind.code(), error = message, "the delivery of audit events fails in another way");
        }
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
    }

    /// Notes that events settle again.
    pub(super) fn over(&mut self, now: Timestamp, report: &DeliveryReport) {
        let Some(began) = self.began else { return };
        let seconds = now.since(began).as_millis() / 1000;
        tracing::info!(failed_attempts = self.attempts, seconds, "the delivery of audit events works again");
        report.0.is_failing.store(false, Ordering::Relaxed);
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_has_a_place_and_a_code_of_its_own() {
        let report = DeliveryReport::default();
        for (place, result) in AttemptResult::ALL.into_iter().enumerate() {
            assert_eq!(result as usize, place);
            report.count_attempt(result);
            assert_eq!(report.attempts(result), 1);
        }
        let codes: std::collections::HashSet<_> = AttemptResult::ALL.iter().map(|result| result.code()).collect();
        assert_eq!(codes.len(), AttemptResult::ALL.len());
    }

    #[test]
    fn an_episode_begins_once_and_ends_with_its_error_kept() {
        let (report, mut episode) = (DeliveryReport::default(), Episode::default());
        let now = Timestamp::from_millis(1000);
        episode.over(now, &report);
        assert!(!report.is_failing());
        for _ in 0..3 {
            episode.failed(AttemptResult::Unreachable, "nobody listens", now, &report);
        }
        assert!(report.is_failing() && episode.attempts == 3 && episode.kinds.len() == 1);
        episode.over(now, &report);
        assert!(!report.is_failing() && episode.began.is_none());
        assert_eq!(report.last_error().as_deref(), Some("nobody listens"));
    }
}
