//! From the documents to the core's facts: fills in what was left out.

use trimtab_core::block::BlockReason;
use trimtab_core::observation::{
    AwaitedObject, HISTORY_HOURS_MAX, HistoryEntry, ROUTING_ITEMS_MAX, RemediationHistory, Routing, Scope,
    SignalRemediation, SignalRemediations, TargetExecution, TargetExecutions,
};
use trimtab_core::phase::Phase;
use trimtab_core::time::Timestamp;

use super::super::{FactsDocument, Time};

fn text(told: Option<&String>) -> String {
    told.cloned().unwrap_or_default()
}

fn text_or(told: Option<&String>, default: &str) -> String {
    told.cloned().unwrap_or_else(|| default.to_owned())
}

fn moment(told: Option<Time>) -> Option<Timestamp> {
    told.map(|at| at.0)
}

fn total(told: Option<u32>, items: usize) -> u32 {
    told.unwrap_or_else(|| u32::try_from(items).unwrap_or(u32::MAX))
}

/// Refuses lists that are longer than a policy is shown.
pub(in super::super) fn check(told: &FactsDocument) -> Result<(), String> {
    let lists = [
        (
            "remediations of the signal",
            told.signal_remediations.as_ref().and_then(|page| Some(page.items.as_ref()?.len())),
        ),
        ("executions on the target", told.target_executions.as_ref().and_then(|page| Some(page.items.as_ref()?.len()))),
        ("entries of history", told.remediation_history.as_ref().and_then(|page| Some(page.items.as_ref()?.len()))),
    ];
    for (what, count) in lists {
        if count.is_some_and(|count| count > ROUTING_ITEMS_MAX) {
            let count = count.unwrap_or_default();
            return Err(format!("{count} {what}: at most {ROUTING_ITEMS_MAX} are shown to a policy"));
        }
    }
    match told.remediation_history.as_ref().and_then(|page| page.hours) {
        Some(hours) if hours > HISTORY_HOURS_MAX => {
            Err(format!("a history of {hours} hours: at most {HISTORY_HOURS_MAX} can be asked for"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether the target is under management.
pub(in super::super) fn scope(told: &FactsDocument) -> Scope {
    let found = told.scope.clone().unwrap_or_default();
    Scope { verdict: text_or(found.verdict.as_ref(), "managed"), because: text(found.because.as_ref()) }
}

/// What is written on the remediation; `has_analysis` tells whether it has come so far.
pub(in super::super) fn routing(told: &FactsDocument, phase: Option<Phase>, has_analysis: bool) -> Routing {
    let Some(found) = &told.routing else { return Routing::default() };
    let block_reason = text(found.block_reason.as_ref());
    let came_from = || {
        let needs_analysis = BlockReason::parse(&block_reason).is_some_and(BlockReason::follows_analysis);
        match phase {
            Some(Phase::Blocked) if has_analysis || needs_analysis => Phase::Analyzing.name().to_owned(),
            Some(Phase::Blocked) => Phase::Pending.name().to_owned(),
            Some(_) | None => String::new(),
        }
    };
    Routing {
        block_message: text(found.block_message.as_ref()),
        blocked_until: moment(found.blocked_until),
        blocked_from: found.blocked_from.clone().unwrap_or_else(came_from),
        next_allowed_at: moment(found.next_allowed_at),
        awaited: found.awaited.as_ref().map(|awaited| AwaitedObject {
            kind: text_or(awaited.kind.as_ref(), "RemediationRequest"),
            name: text(awaited.name.as_ref()),
            found: awaited.found.unwrap_or(true),
            phase: text(awaited.phase.as_ref()),
            outcome: text(awaited.outcome.as_ref()),
        }),
        block_reason,
    }
}

/// Other remediations of the fingerprint.
pub(in super::super) fn remediations(
    told: &FactsDocument,
    now: Timestamp,
    namespace: Option<&str>,
) -> SignalRemediations {
    let page = told.signal_remediations.clone().unwrap_or_default();
    let items: Vec<_> = page
        .items
        .iter()
        .flatten()
        .map(|item| SignalRemediation {
            name: text(item.name.as_ref()),
            phase: text(item.phase.as_ref()),
            outcome: text(item.outcome.as_ref()),
            failure_phase: text(item.failure_phase.as_ref()),
            block_reason: text(item.block_reason.as_ref()),
            target_namespace: text_or(item.target_namespace.as_ref(), namespace.unwrap_or_default()),
            comes_first: item.comes_first.unwrap_or(false),
            created_at: moment(item.created_at).unwrap_or(now),
        })
        .collect();
    SignalRemediations { total: total(page.total, items.len()), items }
}

/// The executions on the object to be healed, `target`.
pub(in super::super) fn executions(told: &FactsDocument, target: String) -> TargetExecutions {
    let page = told.target_executions.clone().unwrap_or_default();
    let items: Vec<_> = page
        .items
        .iter()
        .flatten()
        .map(|item| TargetExecution {
            name: text(item.name.as_ref()),
            own: item.own.unwrap_or(false),
            workflow_id: text(item.workflow_id.as_ref()),
            phase: text(item.phase.as_ref()),
            completed_at: moment(item.completed_at),
        })
        .collect();
    TargetExecutions {
        target: page.target.unwrap_or(target),
        locked: page.locked.unwrap_or(true),
        holder: text(page.holder.as_ref()),
        total: total(page.total, items.len()),
        items,
    }
}

/// What was done to the object to be healed.
pub(in super::super) fn history(told: &FactsDocument, now: Timestamp) -> RemediationHistory {
    let page = told.remediation_history.clone().unwrap_or_default();
    let items = page.items.iter().flatten().map(|item| HistoryEntry {
        remediation: text(item.remediation.as_ref()),
        completed_at: moment(item.completed_at).unwrap_or(now),
        action_type: text(item.action_type.as_ref()),
        signal_resolved: item.signal_resolved,
        hash_match: text_or(item.hash_match.as_ref(), "none"),
        pre_hash: text(item.pre_hash.as_ref()),
        post_hash: text(item.post_hash.as_ref()),
    });
    RemediationHistory {
        hours: page.hours.unwrap_or(HISTORY_HOURS_MAX),
        available: page.available.unwrap_or(true),
        current_hash: text(page.current_hash.as_ref()),
        items: items.collect(),
    }
}
