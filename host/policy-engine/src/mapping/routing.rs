//! Facts of routing.

use trimtab_core::observation as core;
use trimtab_core::time::{Span, Timestamp};

use crate::bindings::trimtab::policy::facts;

/// Whether the target is under management.
pub(crate) fn scope(found: &core::Scope) -> facts::ScopeFacts {
    facts::ScopeFacts { verdict: found.verdict.clone(), because: found.because.clone() }
}

/// What is written on the remediation about its way.
pub(crate) fn routing(found: &core::Routing) -> facts::RoutingFacts {
    facts::RoutingFacts {
        block_reason: found.block_reason.clone(),
        block_message: found.block_message.clone(),
        blocked_until: found.blocked_until.map(Timestamp::as_millis),
        blocked_from: found.blocked_from.clone(),
        next_allowed_at: found.next_allowed_at.map(Timestamp::as_millis),
        awaited: found.awaited.as_ref().map(|awaited| facts::AwaitedObject {
            kind: awaited.kind.clone(),
            name: awaited.name.clone(),
            found: awaited.found,
            phase: awaited.phase.clone(),
            outcome: awaited.outcome.clone(),
        }),
    }
}

/// Other remediations of the fingerprint.
pub(crate) fn signal_remediations(found: &core::SignalRemediations) -> facts::SignalRemediationsPage {
    let items = found.items.iter().take(core::ROUTING_ITEMS_MAX).map(|item| facts::SignalRemediation {
        name: item.name.clone(),
        phase: item.phase.clone(),
        outcome: item.outcome.clone(),
        failure_phase: item.failure_phase.clone(),
        block_reason: item.block_reason.clone(),
        target_namespace: item.target_namespace.clone(),
        comes_first: item.comes_first,
        created_at: item.created_at.as_millis(),
    });
    facts::SignalRemediationsPage { total: found.total, items: items.collect() }
}

/// The executions on the object to be healed.
pub(crate) fn target_executions(found: &core::TargetExecutions) -> facts::TargetExecutionsPage {
    let items = found.items.iter().take(core::ROUTING_ITEMS_MAX).map(|item| facts::TargetExecution {
        name: item.name.clone(),
        own: item.own,
        workflow_id: item.workflow_id.clone(),
        phase: item.phase.clone(),
        completed_at: item.completed_at.map(Timestamp::as_millis),
    });
    facts::TargetExecutionsPage {
        locked: found.locked,
        holder: found.holder.clone(),
        total: found.total,
        items: items.collect(),
    }
}

/// What was done to the object to be healed in the last `hours`, of a history that goes back at least as far.
pub(crate) fn remediation_history(
    found: &core::RemediationHistory,
    now: Timestamp,
    hours: u32,
) -> facts::RemediationHistoryPage {
    let length = Span::from_secs(u64::from(hours) * 3600);
    let recent: Vec<_> = found.items.iter().filter(|item| now.since(item.completed_at) <= length).collect();
    let earlier = recent.len().saturating_sub(core::ROUTING_ITEMS_MAX);
    let items = recent.into_iter().skip(earlier).map(|item| facts::HistoryEntry {
        remediation: item.remediation.clone(),
        completed_at: item.completed_at.as_millis(),
        action_type: item.action_type.clone(),
        signal_resolved: item.signal_resolved,
        hash_match: item.hash_match.clone(),
        pre_hash: item.pre_hash.clone(),
        post_hash: item.post_hash.clone(),
    });
    facts::RemediationHistoryPage {
        available: found.available,
        current_hash: found.current_hash.clone(),
        items: items.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_cut_to_the_hours_that_are_asked_for() {
        let now = Timestamp::from_millis(100 * 3_600_000);
        let item = |hours: u64| core::HistoryEntry {
            completed_at: Timestamp::from_millis(hours * 3_600_000),
            ..core::HistoryEntry::default()
        };
        let found = core::RemediationHistory {
            hours: 24,
            available: true,
            items: vec![item(80), item(95), item(96), item(99)],
            ..core::RemediationHistory::default()
        };
        let ends = |hours| {
            let page = remediation_history(&found, now, hours);
            page.items.iter().map(|item| item.completed_at / 3_600_000).collect::<Vec<_>>()
        };
        assert_eq!(ends(4), [96, 99]);
        assert_eq!(ends(24), [80, 95, 96, 99]);
    }

    #[test]
    fn lists_are_cut_and_totals_are_not() {
        let items = vec![core::SignalRemediation::default(); 150];
        let page = signal_remediations(&core::SignalRemediations { total: 150, items });
        assert_eq!((page.total, page.items.len()), (150, 100));
    }
}
