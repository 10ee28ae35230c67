//! What is to be looked at again, each thing once.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// A queue that holds each thing once, so never more than there are.
#[derive(Debug)]
pub(crate) struct Wakes<T> {
    queue: Mutex<Queue<T>>,
    filled: Notify,
}

#[derive(Debug)]
struct Queue<T> {
    order: VecDeque<T>,
    known: HashSet<T>,
}

impl<T> Default for Wakes<T> {
    fn default() -> Self {
        let queue = Queue { order: VecDeque::new(), known: HashSet::new() };
        Self { queue: Mutex::new(queue), filled: Notify::new() }
    }
}

impl<T: Clone + Eq + Hash> Wakes<T> {
    /// Adds these.
    pub(crate) fn push(&self, woken: impl IntoIterator<Item = T>) {
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
    pub(crate) async fn next(&self) -> T {
        loop {
            if let Some(next) = self.pop() {
                return next;
            }
            self.filled.notified().await;
        }
    }

    fn pop(&self) -> Option<T> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let next = queue.order.pop_front()?;
        queue.known.remove(&next);
        Some(next)
    }
}
