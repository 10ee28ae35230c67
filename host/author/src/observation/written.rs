//! From the core's observation back to the document, so that what a search has found can be run, tested and kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use trimtab_core::observation::{Child, Facts, Observation, Target, TargetHash};
use trimtab_core::proposal::Attribute;
use trimtab_core::time::Timestamp;

use super::{
    AnalysisDocument, ApprovalDocument, AssessmentDocument, ChildDocument, ChildWord, ClassificationDocument,
    ExecutionDocument, FactsDocument, Length, ObservationDocument, PhaseTimes, PhaseWord, RelatedDocument,
    RelatedRemediationsDocument, SignalDocument, TargetDocument, Time, WorkflowOverrideDocument,
};

impl ObservationDocument {
    /// The document that gives this observation again, whole objects aside; `None` where a document cannot say it, such
    /// as a phase that was entered in another order than its times have.
    pub fn of(seen: &Observation) -> Option<Self> {
        let document = written(seen);
        let back = document.observation().ok()?;
        (bare(&back) == bare(seen)).then_some(document)
    }

    /// The same with the whole objects, for policies that read them.
    pub(crate) fn whole(seen: &Observation) -> Option<Self> {
        let mut document = Self::of(seen)?;
        let object = |object: &Arc<Value>| Some(Value::clone(object)).filter(Value::is_object);
        document.object = object(&seen.object);
        for (child, known) in document.children.iter_mut().flatten().zip(&seen.children) {
            child.object = object(&known.object);
        }
        Some(document)
    }

    /// The document that comes nearest to this observation, for people to read.
    pub(crate) fn nearest(seen: &Observation) -> Self {
        written(seen)
    }
}

/// The observation without what a document implies: whole objects and what the host alone remembers.
fn bare(seen: &Observation) -> Observation {
    let nothing = Arc::new(Value::Null);
    let mut bare = seen.clone();
    bare.object = Arc::clone(&nothing);
    for child in &mut bare.children {
        child.object = Arc::clone(&nothing);
    }
    (bare.is_live, bare.generation, bare.resource_version) = (true, 1, String::new());
    bare.record.phases.clone_from(&bare.phases);
    bare.record.slots.clear();
    bare.record.timeouts.clear();
    bare.record.why.clear();
    (bare.record.at, bare.record.from) = (None, None);
    // A document says that there is nothing, where a cluster may not have been asked yet.
    bare.facts.workflow_override.get_or_insert(None);
    bare.facts.related_remediations.get_or_insert_default();
    bare.facts.target_hash.get_or_insert(TargetHash::Absent);
    super::routing::fill(&mut bare);
    bare
}

fn written(seen: &Observation) -> ObservationDocument {
    let overrides = seen.overrides.iter().map(|budget| (budget.phase.clone(), Length(budget.duration)));
    ObservationDocument {
        now: Some(Time(seen.now)),
        uid: Some(seen.uid.clone()),
        name: Some(seen.name.clone()),
        namespace: Some(seen.namespace.clone()),
        cluster_id: said(&seen.cluster_id),
        phase: Some(PhaseWord(seen.phase)),
        phases: Some(PhaseTimes(seen.phases.iter().map(|(phase, at)| (*phase, Time(*at))).collect())),
        started_at: time(seen.started_at),
        attempt: Some(seen.record.attempt),
        sequence: Some(seen.record.sequence),
        signal_name: Some(seen.signal_name.clone()),
        severity: Some(seen.severity.clone()),
        target: Some(target(&seen.target)),
        overrides: (!seen.overrides.is_empty()).then(|| overrides.collect()),
        children: (!seen.children.is_empty()).then(|| seen.children.iter().map(child).collect()),
        consecutive_failures: (seen.consecutive_failures > 0).then_some(seen.consecutive_failures),
        facts: Some(facts(seen)),
        object: None,
    }
}

/// A text, where it says something.
fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn time(at: Option<Timestamp>) -> Option<Time> {
    at.map(Time)
}

fn target(seen: &Target) -> TargetDocument {
    TargetDocument {
        kind: Some(seen.kind.clone()),
        name: Some(seen.name.clone()),
        // What is empty is said, or a default would take its place.
        namespace: Some(seen.namespace.clone().unwrap_or_default()),
        api_version: Some(seen.api_version.clone().unwrap_or_default()),
    }
}

fn child(seen: &Child) -> ChildDocument {
    ChildDocument {
        kind: ChildWord(seen.kind),
        name: Some(seen.name.clone()),
        attempt: Some(seen.attempt),
        found: (!seen.found).then_some(false),
        phase: said(&seen.phase),
        reason: said(&seen.reason),
        finished_at: time(seen.finished_at),
        deadline: time(seen.deadline),
        object: None,
    }
}

fn attributes(list: &[Attribute]) -> Option<BTreeMap<String, String>> {
    (!list.is_empty()).then(|| list.iter().map(|one| (one.key.clone(), one.value.clone())).collect())
}

fn facts(observed: &Observation) -> FactsDocument {
    let seen = &observed.facts;
    let mut document = FactsDocument {
        signal: Some(SignalDocument {
            fingerprint: Some(seen.signal.fingerprint.clone()),
            signal_type: Some(seen.signal.signal_type.clone()),
            source: said(&seen.signal.source),
            firing_at: Some(Time(seen.signal.firing_at)),
            received_at: Some(Time(seen.signal.received_at)),
            labels: attributes(&seen.signal.labels),
            annotations: attributes(&seen.signal.annotations),
        }),
        classification: seen.classification.as_ref().map(|found| ClassificationDocument {
            severity: Some(found.severity.clone()),
            environment: said(&found.environment),
            priority: said(&found.priority),
            signal_mode: Some(found.signal_mode.clone()),
        }),
        analysis: analysis(seen),
        approval: seen.approval.as_ref().map(|found| ApprovalDocument {
            decision: Some(found.decision.clone()),
            decided_by: said(&found.decided_by),
            message: said(&found.message),
            decided_at: time(found.decided_at),
            required_by: Some(Time(found.required_by)),
        }),
        execution: seen.execution.as_ref().map(|found| ExecutionDocument {
            phase: Some(found.phase.clone()),
            failure_reason: said(&found.failure_reason),
            failure_code: Some(found.failure_code.clone()),
            deduplicated_by: said(&found.deduplicated_by),
        }),
        assessment: seen.assessment.as_ref().map(|found| AssessmentDocument {
            phase: Some(found.phase.clone()),
            reason: Some(found.reason.clone()),
            validity_deadline: time(found.validity_deadline),
            alert_score: found.alert_score,
        }),
        workflow_override: workflow_override(seen),
        related_remediations: related(seen),
        ..FactsDocument::default()
    };
    super::routing::write(observed, &mut document);
    document
}

fn analysis(seen: &Facts) -> Option<AnalysisDocument> {
    seen.analysis.as_ref().map(|found| AnalysisDocument {
        reason: Some(found.reason.clone()),
        sub_reason: said(&found.sub_reason),
        message: said(&found.message),
        needs_human_review: found.needs_human_review.then_some(true),
        human_review_reason: said(&found.human_review_reason),
        approval_required: found.approval_required.then_some(true),
        approval_reason: said(&found.approval_reason),
        workflow_id: said(&found.workflow_id),
        workflow_incomplete: said(&found.workflow_incomplete),
        confidence: Some(found.confidence),
        remediation_target: found.remediation_target.as_ref().map(target),
        session_active: found.session_active.then_some(true),
    })
}

fn workflow_override(seen: &Facts) -> Option<WorkflowOverrideDocument> {
    seen.workflow_override.as_ref().and_then(Option::as_ref).map(|found| WorkflowOverrideDocument {
        workflow_name: said(&found.workflow_name),
        found: (!found.found).then_some(false),
        incomplete: said(&found.incomplete),
        replaces_parameters: found.replaces_parameters.then_some(true),
        workflow: (!found.workflow.is_null()).then(|| (*found.workflow).clone()),
    })
}

fn related(seen: &Facts) -> Option<RelatedRemediationsDocument> {
    let page = seen.related_remediations.as_ref().filter(|page| page.total > 0 || !page.items.is_empty())?;
    let items = page.items.iter().map(|item| RelatedDocument {
        name: said(&item.name),
        phase: said(&item.phase),
        outcome: said(&item.outcome),
        started_at: time(item.started_at),
    });
    Some(RelatedRemediationsDocument { total: Some(page.total), items: Some(items.collect()) })
}
