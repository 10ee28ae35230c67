//! What is known of one remediation that is watched: writes that are not compared yet, comparisons that are not complete.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::Value;
use trimtab_core::json::text;
use trimtab_core::manifest::Manifest;
use trimtab_core::time::{Span, Timestamp};

use super::comparison::{Comparison, Verdict};
use super::explain::Failures;

/// How long after a step what belongs to it may appear.
pub(super) const OBJECTS_PATIENCE: Span = Span::from_secs(10);

/// How long a step that is due here may be left out there.
pub(super) const STEP_PATIENCE: Span = Span::from_secs(60);

/// Most writes that wait to be compared; the oldest go first.
const WRITES_MAX: usize = 32;

/// Tries to find out what would have been done, after which nobody can tell.
pub(super) const TRIES_MAX: u32 = 5;

/// What is known of a remediation.
#[derive(Debug)]
pub(super) struct Life {
    /// Whether it was seen from its beginning.
    pub(super) is_new: bool,
    /// Whether what belongs to it was looked at once.
    pub(super) is_met: bool,
    writes: VecDeque<Write>,
    /// Comparisons that wait for what belongs to their steps.
    pub(super) open: Vec<Open>,
    /// A step that is due here.
    pub(super) due: Option<Due>,
    /// Objects, as `Kind/name`, that were accounted for.
    pub(super) known: BTreeSet<String>,
}

/// A step of the other.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) before: Arc<Value>,
    pub(super) after: Arc<Value>,
    pub(super) seen_at: Timestamp,
    /// Failed tries to compare it.
    pub(super) tries: u32,
}

/// A comparison that waits for what belongs to its step.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) comparison: Comparison,
    /// The remediation before and after the step.
    pub(super) write: Write,
    /// What the plan creates.
    pub(super) planned: Vec<Manifest>,
    /// What the remediation would be after the plan; absent where there is none that goes the same way.
    pub(super) carried_out: Option<Value>,
    /// What the other counts among the failures of the signal.
    pub(super) failures: Failures,
    /// How much later than here the step was taken.
    pub(super) late: Span,
}

/// A step that is due here and was not taken yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) since: Timestamp,
    /// Whether it was told that the other does not take it.
    pub(super) is_told: bool,
}

/// Whether a write takes the remediation a step on: into another phase, or into its block anew.
pub(super) fn is_step(before: &Value, after: &Value) -> bool {
    let phase = |object| text(object, "/status/overallPhase").to_owned();
    if phase(before) != phase(after) {
        return true;
    }
    let block = |pointer: &str| before.pointer(pointer) != after.pointer(pointer);
    phase(after) == "Blocked"
        && (block("/status/routingStatus/blockReason") || block("/status/routingStatus/blockedUntil"))
        && !text(after, "/status/routingStatus/blockReason").is_empty()
}

impl Write {
    pub(super) const fn new(before: Arc<Value>, after: Arc<Value>, seen_at: Timestamp) -> Self {
        Self { before, after, seen_at, tries: 0 }
    }

    /// The phase before and after.
    pub(super) fn phases(&self) -> (&str, &str) {
        (text(&self.before, "/status/overallPhase"), text(&self.after, "/status/overallPhase"))
    }
}

impl Life {
    pub(super) fn new(is_new: bool) -> Self {
        Self { is_new, is_met: false, writes: VecDeque::new(), open: Vec::new(), due: None, known: BTreeSet::new() }
    }

    pub(super) fn push(&mut self, write: Write) {
        if self.writes.len() == WRITES_MAX {
            self.writes.pop_front();
        }
        self.writes.push_back(write);
    }

    /// A write goes back to where it came from.
    pub(super) fn push_back(&mut self, write: Write) {
        self.writes.push_front(write);
    }

    pub(super) fn pop(&mut self) -> Option<Write> {
        self.writes.pop_front()
    }

    /// The remediation is gone: what was not compared to its end never will be.
    pub(super) fn give_up(self) -> Vec<Comparison> {
        let gone = "the remediation was deleted before what belongs to the step was seen";
        let open = self.open.into_iter().map(|open| match open.comparison.verdict {
            Verdict::Agreed => Comparison { verdict: Verdict::Undecidable(gone.to_owned()), ..open.comparison },
            Verdict::Differing(_) | Verdict::Undecidable(_) => open.comparison,
        });
        let unread = "the remediation was deleted before the step was compared";
        let writes = self.writes.into_iter().map(|write| super::watch::undecidable(&write, unread));
        open.chain(writes).collect()
    }
}

impl Open {
    /// Until when what belongs to the step may appear.
    pub(super) fn until(&self) -> Timestamp {
        self.write.seen_at.plus(OBJECTS_PATIENCE)
    }
}
