//! Whether what was done to a target before has helped: three looks at its history, each of which asks for a person.

use trimtab_policy_sdk::TimestampMs;
use trimtab_policy_sdk::fact::{HistoryEntry, RemediationHistoryPage};

use crate::config::RoutingConfig;

/// Remediations that did not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ineffective {
    /// How many there are.
    pub(crate) count: u32,
    /// From how many on a person has to look.
    pub(crate) threshold: u32,
    /// Which look saw them.
    pub(crate) seen_by: &'static str,
}

/// The first look that sees too many. `action` answers, where that matters, what is about to be done, in the
/// catalogue's word. Without a state of the target, or where the history could not be read, nothing is seen.
pub(crate) fn look(
    history: &RemediationHistoryPage,
    now: TimestampMs,
    routing: &RoutingConfig,
    action: impl FnOnce() -> String,
) -> Option<Ineffective> {
    if !history.available || history.current_hash.is_empty() {
        return None;
    }
    let within = |window: u64| {
        let from = now.saturating_sub(window);
        history.items.iter().filter(move |entry| entry.completed_at >= from)
    };
    let window = routing.ineffective_time_window.milliseconds();
    let reverted = within(window).rev().take_while(|entry| is_reverted(entry, &history.current_hash));
    seen(reverted.count(), routing.ineffective_chain_threshold, "hash chain")
        .or_else(|| {
            let unresolved = within(routing.forward_chain_window.milliseconds());
            let unresolved: Vec<_> = unresolved.filter(|entry| entry.signal_resolved == Some(false)).collect();
            // What is about to be done is asked only where it can matter: the answer is a large one.
            seen(unresolved.len(), routing.forward_chain_threshold, "")?;
            let length = forward(&unresolved, &history.current_hash, &action());
            seen(length, routing.forward_chain_threshold, "forward chain")
        })
        .or_else(|| seen(within(window).count(), routing.recurrence_count_threshold, "recurrence"))
}

fn seen(count: usize, threshold: u32, seen_by: &'static str) -> Option<Ineffective> {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    (count >= threshold).then_some(Ineffective { count, threshold, seen_by })
}

/// Whether the target is again as it was before this remediation.
fn is_reverted(entry: &HistoryEntry, current_hash: &str) -> bool {
    entry.hash_match == "preRemediation" || entry.pre_hash == current_hash
}

/// How many remediations that did the same led from state to state, the last one to the present state.
fn forward(unresolved: &[&HistoryEntry], current_hash: &str, action: &str) -> usize {
    let mut state = current_hash;
    let same = unresolved.iter().rev().filter(|entry| !action.is_empty() && entry.action_type == action);
    same.take_while(|entry| {
        let is_link = !state.is_empty() && entry.post_hash == state;
        state = &entry.pre_hash;
        is_link
    })
    .count()
}

#[cfg(test)]
mod tests;
