//! What was done to an object before, asked of whoever has recorded it.

use std::future::Future;
use std::pin::Pin;

use crate::observation::{HistoryEntry, Target};
use crate::time::Timestamp;

/// A question about an object's past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuestion {
    /// The object to be healed.
    pub target: Target,
    /// Its cluster; empty for this one.
    pub cluster_id: String,
    /// Its present state, `sha256:…`; empty where it has none.
    pub current_hash: String,
    /// How far back, in hours, 1 to [`crate::observation::HISTORY_HOURS_MAX`].
    pub hours: u32,
    /// The present moment.
    pub now: Timestamp,
    /// Uid of the remediation that asks: it is no part of its own past.
    pub remediation: String,
}

/// Why there is no answer. None of it stops a remediation: it goes on without.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the history of {target} cannot be read: {why}")]
pub struct HistoryFailure {
    /// The object, as [`Target::qualified`] has it.
    pub target: String,
    /// Cause and mend.
    pub why: String,
}

/// An answer on its way.
pub type HistoryAnswer<'a> = Pin<Box<dyn Future<Output = Result<Vec<HistoryEntry>, HistoryFailure>> + Send + 'a>>;

/// Knows what was done to objects.
pub trait History: Send + Sync + std::fmt::Debug {
    /// The remediations of the object that ended within the time asked for, in any order.
    fn entries<'a>(&'a self, question: &'a HistoryQuestion) -> HistoryAnswer<'a>;
}

/// Nobody has recorded anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHistory;

impl History for NoHistory {
    fn entries<'a>(&'a self, _: &'a HistoryQuestion) -> HistoryAnswer<'a> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}
