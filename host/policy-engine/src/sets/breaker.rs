//! Counts a revision's faults, and says when there are too many.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use trimtab_core::time::{Span, Timestamp};

/// How many faults of one revision are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct BreakerSettings {
    /// Faults within the window, at least 1.
    pub faults: u32,
    /// The window, in seconds, at least 1.
    pub window_seconds: u32,
    /// Faults without a lawful answer between them, at least 1.
    pub in_a_row: u32,
}

impl Default for BreakerSettings {
    /// 5 faults within 10 minutes, or 3 in a row.
    fn default() -> Self {
        Self { faults: 5, window_seconds: 600, in_a_row: 3 }
    }
}

/// The faults of one revision in one slot.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Times of the faults within the window, oldest first.
    faults: VecDeque<Timestamp>,
    in_a_row: u32,
}

impl Breaker {
    /// Begins anew.
    pub(crate) fn reset(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    /// Notes an answer; the result says, in words, why that was one fault too many.
    pub(crate) fn note(&self, is_fault: bool, now: Timestamp, settings: BreakerSettings) -> Option<String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_fault {
            state.in_a_row = 0;
            return None;
        }
        let window = Span::from_secs(u64::from(settings.window_seconds.max(1)));
        state.in_a_row = state.in_a_row.saturating_add(1);
        state.faults.push_back(now);
        while state.faults.front().is_some_and(|oldest| now.since(*oldest) > window) {
            state.faults.pop_front();
        }
        if state.in_a_row >= settings.in_a_row.max(1) {
            return Some(format!("{} faults in a row", state.in_a_row));
        }
        let most = usize::try_from(settings.faults.max(1)).unwrap_or(usize::MAX);
        (state.faults.len() >= most).then(|| format!("{} faults within {window}", state.faults.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn three_in_a_row_are_too_many_and_an_answer_begins_anew() {
        let (breaker, settings) = (Breaker::default(), BreakerSettings::default());
        assert_eq!(breaker.note(true, at(1), settings), None);
        assert_eq!(breaker.note(true, at(2), settings), None);
        assert_eq!(breaker.note(false, at(3), settings), None);
        assert_eq!(breaker.note(true, at(4), settings), None);
        assert_eq!(breaker.note(true, at(5), settings), None);
        assert_eq!(breaker.note(true, at(6), settings), Some("3 faults in a row".to_owned()));
    }

    #[test]
    fn five_within_the_window_are_too_many_and_old_ones_do_not_count() {
        let (breaker, settings) = (Breaker::default(), BreakerSettings::default());
        let fault_then_answer = |seconds| {
            let tripped = breaker.note(true, at(seconds), settings);
            breaker.note(false, at(seconds), settings);
            tripped
        };
        for seconds in [0, 10, 20, 30] {
            assert_eq!(fault_then_answer(seconds), None);
        }
        assert_eq!(fault_then_answer(601), None, "the first is older than ten minutes");
        assert_eq!(fault_then_answer(602), Some("5 faults within 10m0s".to_owned()));
    }
}
