//! Between the core's types and the WIT's. Lists are cut to the bounds that the WIT names.

use trimtab_core::observation as core;
use trimtab_core::proposal;
use trimtab_core::time::{Span, Timestamp};

use crate::bindings::exports::trimtab::policy::{children, timeouts};
use crate::bindings::trimtab::policy::{facts, types};

pub(crate) mod routing;
mod weight;

pub(crate) use weight::Weigh;

const PHASES_MAX: usize = 16;
const OVERRIDES_MAX: usize = 8;
const CHILDREN_MAX: usize = 16;
const LABELS_MAX: usize = 64;
const RELATED_MAX: usize = 100;

/// What every slot is told.
pub(crate) fn observation(seen: &core::Observation) -> types::Observation {
    let (environment, priority) = seen.environment_and_priority();
    let earlier = seen.phases.len().saturating_sub(PHASES_MAX);
    let phases = seen.phases.iter().skip(earlier);
    types::Observation {
        now: seen.now.as_millis(),
        seed: seen.seed(),
        uid: seen.uid.clone(),
        name: seen.name.clone(),
        namespace: seen.namespace.clone(),
        cluster_id: seen.cluster_id.clone(),
        phase: seen.phase.map_or(String::new(), |phase| phase.name().to_owned()),
        phases: phases
            .map(|(phase, at)| types::PhaseEntry { phase: phase.name().to_owned(), entered_at: at.as_millis() })
            .collect(),
        started_at: seen.started_at.map(Timestamp::as_millis),
        attempt: seen.record.attempt,
        signal_name: seen.signal_name.clone(),
        severity: seen.severity.clone(),
        target: target(&seen.target),
        environment: environment.to_owned(),
        priority: priority.to_owned(),
        overrides: seen
            .overrides
            .iter()
            .take(OVERRIDES_MAX)
            .map(|budget| types::Budget { phase: budget.phase.clone(), duration: budget.duration.as_millis() })
            .collect(),
        children: seen.children.iter().take(CHILDREN_MAX).map(child).collect(),
        consecutive_failures: seen.consecutive_failures,
        attributes: attributes(&seen.marks()),
    }
}

fn child(child: &core::Child) -> types::Child {
    types::Child {
        kind: child.kind.name().to_owned(),
        name: child.name.clone(),
        attempt: child.attempt,
        found: child.found,
        phase: child.phase.clone(),
        reason: child.reason.clone(),
        finished_at: child.finished_at.map(Timestamp::as_millis),
        deadline: child.deadline.map(Timestamp::as_millis),
        attributes: Vec::new(),
    }
}

fn target(target: &core::Target) -> types::Target {
    types::Target {
        kind: target.kind.clone(),
        name: target.name.clone(),
        namespace: target.namespace.clone(),
        api_version: target.api_version.clone(),
    }
}

fn attribute(attribute: &proposal::Attribute) -> types::Attribute {
    types::Attribute { key: attribute.key.clone(), value: attribute.value.clone() }
}

fn attributes(list: &[proposal::Attribute]) -> Vec<types::Attribute> {
    list.iter().map(attribute).collect()
}

/// The signal.
pub(crate) fn signal(signal: &core::Signal) -> facts::SignalFacts {
    facts::SignalFacts {
        fingerprint: signal.fingerprint.clone(),
        signal_type: signal.signal_type.clone(),
        source: signal.source.clone(),
        firing_at: signal.firing_at.as_millis(),
        received_at: signal.received_at.as_millis(),
        labels: signal.labels.iter().take(LABELS_MAX).map(attribute).collect(),
        annotations: signal.annotations.iter().take(LABELS_MAX).map(attribute).collect(),
    }
}

/// What signal processing found.
pub(crate) fn classification(found: &core::Classification) -> facts::ClassificationFacts {
    facts::ClassificationFacts {
        severity: found.severity.clone(),
        environment: found.environment.clone(),
        priority: found.priority.clone(),
        signal_mode: found.signal_mode.clone(),
    }
}

/// What the analysis found.
pub(crate) fn analysis(found: &core::Analysis) -> facts::AnalysisFacts {
    facts::AnalysisFacts {
        reason: found.reason.clone(),
        sub_reason: found.sub_reason.clone(),
        message: found.message.clone(),
        needs_human_review: found.needs_human_review,
        human_review_reason: found.human_review_reason.clone(),
        approval_required: found.approval_required,
        approval_reason: found.approval_reason.clone(),
        workflow_id: found.workflow_id.clone(),
        workflow_incomplete: found.workflow_incomplete.clone(),
        confidence: found.confidence,
        remediation_target: found.remediation_target.as_ref().map(target),
        session_active: found.session_active,
    }
}

/// The request for a person's approval.
pub(crate) fn approval(found: &core::Approval) -> facts::ApprovalFacts {
    facts::ApprovalFacts {
        decision: found.decision.clone(),
        decided_by: found.decided_by.clone(),
        message: found.message.clone(),
        decided_at: found.decided_at.map(Timestamp::as_millis),
        required_by: found.required_by.as_millis(),
    }
}

/// The run of the workflow.
pub(crate) fn execution(found: &core::Execution) -> facts::ExecutionFacts {
    facts::ExecutionFacts {
        phase: found.phase.clone(),
        failure_reason: found.failure_reason.clone(),
        failure_code: found.failure_code.clone(),
        deduplicated_by: found.deduplicated_by.clone(),
    }
}

/// The assessment of the effect.
pub(crate) fn assessment(found: &core::Assessment) -> facts::AssessmentFacts {
    facts::AssessmentFacts {
        phase: found.phase.clone(),
        reason: found.reason.clone(),
        validity_deadline: found.validity_deadline.map(Timestamp::as_millis),
        alert_score: found.alert_score,
    }
}

/// A person's change to the workflow.
pub(crate) fn workflow_override(found: &core::WorkflowOverride) -> facts::WorkflowOverrideFacts {
    facts::WorkflowOverrideFacts {
        workflow_name: found.workflow_name.clone(),
        found: found.found,
        incomplete: found.incomplete.clone(),
        replaces_parameters: found.replaces_parameters,
    }
}

/// Other remediations of the fingerprint.
pub(crate) fn related(found: &core::RelatedRemediations) -> facts::RelatedRemediationsPage {
    let items = found.items.iter().take(RELATED_MAX).map(|item| facts::RelatedRemediation {
        name: item.name.clone(),
        phase: item.phase.clone(),
        outcome: item.outcome.clone(),
        started_at: item.started_at.map(Timestamp::as_millis),
    });
    facts::RelatedRemediationsPage { total: found.total, items: items.collect() }
}

/// The intent that the children slot is told.
pub(crate) fn intent(intent: &proposal::Intent) -> types::Intent {
    types::Intent {
        kind: intent.kind.clone(),
        target_phase: intent.target_phase.clone(),
        outcome: intent.outcome.clone(),
        failure_phase: intent.failure_phase.clone(),
        reason: intent.reason.clone(),
        message: intent.message.clone(),
        until: intent.until.map(Timestamp::as_millis),
        next_allowed_at: intent.next_allowed_at.map(Timestamp::as_millis),
        manual_review: intent.manual_review,
        source: intent.source.clone(),
        why: types::Explanation {
            rule: intent.why.rule.clone(),
            text: intent.why.text.clone(),
            attributes: attributes(&intent.why.attributes),
        },
        attributes: attributes(&intent.attributes),
    }
}

fn attributes_back(list: Vec<types::Attribute>) -> Vec<proposal::Attribute> {
    list.into_iter().map(|one| proposal::Attribute { key: one.key, value: one.value }).collect()
}

fn explanation_back(why: types::Explanation) -> proposal::Explanation {
    proposal::Explanation { rule: why.rule, text: why.text, attributes: attributes_back(why.attributes) }
}

/// The timeouts slot's answer, as it came.
pub(crate) fn schedule_back(answer: timeouts::Schedule) -> proposal::Schedule {
    let deadlines = answer.deadlines.into_iter().map(|deadline| proposal::Deadline {
        phase: deadline.phase,
        at: Timestamp::from_millis(deadline.at),
        on_expiry: deadline.on_expiry,
        duration: Span::from_millis(deadline.duration),
        notice: deadline.notice,
        attributes: attributes_back(deadline.attributes),
    });
    let budgets = answer
        .budgets
        .into_iter()
        .map(|budget| proposal::Budget { phase: budget.phase, duration: Span::from_millis(budget.duration) });
    proposal::Schedule {
        deadlines: deadlines.collect(),
        budgets: budgets.collect(),
        why: explanation_back(answer.why),
        attributes: attributes_back(answer.attributes),
    }
}

/// The transitions slot's answer, as it came.
pub(crate) fn intent_back(answer: types::Intent) -> proposal::Intent {
    proposal::Intent {
        kind: answer.kind,
        target_phase: answer.target_phase,
        outcome: answer.outcome,
        failure_phase: answer.failure_phase,
        reason: answer.reason,
        message: answer.message,
        until: answer.until.map(Timestamp::from_millis),
        next_allowed_at: answer.next_allowed_at.map(Timestamp::from_millis),
        manual_review: answer.manual_review,
        source: answer.source,
        why: explanation_back(answer.why),
        attributes: attributes_back(answer.attributes),
    }
}

/// The children slot's answer, as it came.
pub(crate) fn creations_back(answer: children::Creations) -> proposal::Creations {
    let items = answer.items.into_iter().map(|item| proposal::Creation {
        kind: item.kind,
        purpose: item.purpose,
        patch: item.patch,
        attributes: attributes_back(item.attributes),
    });
    proposal::Creations {
        items: items.collect(),
        why: explanation_back(answer.why),
        attributes: attributes_back(answer.attributes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_survives_the_way_to_a_guest_and_back() {
        let told = proposal::Intent {
            kind: "fail".into(),
            failure_phase: "AIAnalysis".into(),
            reason: "no workflow".into(),
            until: Some(Timestamp::from_millis(5)),
            manual_review: true,
            why: proposal::Explanation::new("NoWorkflow", "The analysis selected none."),
            attributes: vec![proposal::Attribute { key: "k".into(), value: "v".into() }],
            ..proposal::Intent::default()
        };
        assert_eq!(intent_back(intent(&told)), told);
    }
}
