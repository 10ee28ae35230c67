//! Remediations that are to be looked at again because the brakes have changed.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// Most remediations that are woken for a place that has become free; the others look by themselves.
pub(super) const WOKEN_MAX: usize = 64;

/// A queue that holds each remediation once, so never more than there are.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    queue: Mutex<Queue>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    order: VecDeque<(String, String)>,
    known: HashSet<(String, String)>,
}

impl Wakes {
    /// Adds remediations by namespace and name.
    pub(super) fn push(&self, woken: Vec<(String, String)>) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        for one in woken {
            if queue.known.insert(one.clone()) {
                queue.order.push_back(one);
            }
        }
        drop(queue);
        self.filled.notify_one();
    }

    /// The next one, once there is one.
    pub(super) async fn next(&self) -> (String, String) {
        loop {
            if let Some(next) = self.pop() {
                return next;
            }
            self.filled.notified().await;
        }
    }

    fn pop(&self) -> Option<(String, String)> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let next = queue.order.pop_front()?;
        queue.known.remove(&next);
        Some(next)
    }
}
