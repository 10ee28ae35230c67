//! From the core's facts back to the documents.

use trimtab_core::observation::{Facts, Observation, SignalRemediations};
use trimtab_core::time::Timestamp;

use super::convert::{executions, history, remediations, scope};
use super::{
    AwaitedDocument, HistoryEntryDocument, RemediationHistoryDocument, RoutingDocument, ScopeDocument,
    SignalRemediationDocument, SignalRemediationsDocument, TargetExecutionDocument, TargetExecutionsDocument,
};
use crate::observation::{FactsDocument, Time};

fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn time(at: Option<Timestamp>) -> Option<Time> {
    at.map(Time)
}

/// Puts in what a document says that says nothing, where a cluster was not asked.
pub(in super::super) fn fill(seen: &mut Observation) {
    let nothing = FactsDocument::default();
    let (now, target) = (seen.now, seen.remediation_target().qualified());
    let facts = &mut seen.facts;
    facts.scope.get_or_insert_with(|| scope(&nothing));
    facts.signal_remediations.get_or_insert_with(SignalRemediations::default);
    facts.target_executions.get_or_insert_with(|| executions(&nothing, target));
    facts.remediation_history.get_or_insert_with(|| history(&nothing, now));
}

/// Writes them into the document; what a document says by default is left out.
pub(in super::super) fn write(seen: &Observation, document: &mut FactsDocument) {
    let facts = &seen.facts;
    let nothing = FactsDocument::default();
    document.scope = facts
        .scope
        .as_ref()
        .filter(|found| **found != scope(&nothing))
        .map(|found| ScopeDocument { verdict: Some(found.verdict.clone()), because: said(&found.because) });
    document.routing = routing(facts);
    document.signal_remediations = signal_remediations(seen);
    document.target_executions = target_executions(seen);
    document.remediation_history = remediation_history(seen);
}

fn routing(facts: &Facts) -> Option<RoutingDocument> {
    let found = &facts.routing;
    (!found.is_empty()).then(|| RoutingDocument {
        block_reason: said(&found.block_reason),
        block_message: said(&found.block_message),
        blocked_until: time(found.blocked_until),
        // What is empty is said, or a default would take its place.
        blocked_from: Some(found.blocked_from.clone()),
        next_allowed_at: time(found.next_allowed_at),
        awaited: found.awaited.as_ref().map(|awaited| AwaitedDocument {
            kind: Some(awaited.kind.clone()),
            name: said(&awaited.name),
            found: (!awaited.found).then_some(false),
            phase: said(&awaited.phase),
            outcome: said(&awaited.outcome),
        }),
    })
}

fn signal_remediations(seen: &Observation) -> Option<SignalRemediationsDocument> {
    let plain = remediations(&FactsDocument::default(), seen.now, None);
    let page = seen.facts.signal_remediations.as_ref().filter(|page| **page != plain)?;
    let items = page.items.iter().map(|item| SignalRemediationDocument {
        name: said(&item.name),
        phase: said(&item.phase),
        outcome: said(&item.outcome),
        failure_phase: said(&item.failure_phase),
        block_reason: said(&item.block_reason),
        target_namespace: Some(item.target_namespace.clone()),
        comes_first: item.comes_first.then_some(true),
        created_at: Some(Time(item.created_at)),
    });
    Some(SignalRemediationsDocument { total: Some(page.total), items: Some(items.collect()) })
}

fn target_executions(seen: &Observation) -> Option<TargetExecutionsDocument> {
    let plain = executions(&FactsDocument::default(), seen.remediation_target().qualified());
    let page = seen.facts.target_executions.as_ref().filter(|page| **page != plain)?;
    let items = page.items.iter().map(|item| TargetExecutionDocument {
        name: said(&item.name),
        own: item.own.then_some(true),
        workflow_id: said(&item.workflow_id),
        phase: said(&item.phase),
        completed_at: time(item.completed_at),
    });
    Some(TargetExecutionsDocument {
        target: (page.target != plain.target).then(|| page.target.clone()),
        locked: (!page.locked).then_some(false),
        holder: said(&page.holder),
        total: Some(page.total),
        items: Some(items.collect()),
    })
}

fn remediation_history(seen: &Observation) -> Option<RemediationHistoryDocument> {
    let plain = history(&FactsDocument::default(), seen.now);
    let page = seen.facts.remediation_history.as_ref().filter(|page| **page != plain)?;
    let items = page.items.iter().map(|item| HistoryEntryDocument {
        remediation: said(&item.remediation),
        completed_at: Some(Time(item.completed_at)),
        action_type: said(&item.action_type),
        signal_resolved: item.signal_resolved,
        hash_match: Some(item.hash_match.clone()),
        pre_hash: said(&item.pre_hash),
        post_hash: said(&item.post_hash),
    });
    Some(RemediationHistoryDocument {
        hours: (page.hours != plain.hours).then_some(page.hours),
        available: (!page.available).then_some(false),
        current_hash: said(&page.current_hash),
        items: Some(items.collect()),
    })
}
