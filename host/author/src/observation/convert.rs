//! From the document to the core's observation: fills in what was left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use trimtab_core::observation::{
    Analysis, Approval, Assessment, Child, ChildKind, Classification, Execution, Facts, Observation,
    RelatedRemediation, RelatedRemediations, Signal, Target, TargetHash, WorkflowOverride,
};
use trimtab_core::phase::Phase;
use trimtab_core::proposal::{Attribute, Budget};
use trimtab_core::record::Record;
use trimtab_core::time::{Span, Timestamp};

use super::objects::child_object;
use super::routing;
use super::{ChildDocument, FactsDocument, ObservationDocument, SignalDocument, TargetDocument, Time};

/// `now` of a document that does not say.
const NOW_MILLIS: u64 = 1_767_268_800_000;
/// Bounds of the interface.
const CHILDREN_MAX: usize = 16;
const OVERRIDES_MAX: usize = 8;
const LABELS_MAX: usize = 64;
const RELATED_MAX: usize = 100;
/// Until when an approval can be decided where nothing says.
const APPROVAL_LENGTH: Span = Span::from_secs(900);

impl ObservationDocument {
    /// The moment that it speaks of.
    pub fn moment(&self) -> Timestamp {
        self.now.map_or(Timestamp::from_millis(NOW_MILLIS), |now| now.0)
    }

    /// What the slots are told.
    ///
    /// # Errors
    /// One line where a list is longer than the interface allows, or a name that must be known is not.
    pub fn observation(&self) -> Result<Observation, String> {
        self.check()?;
        let now = self.moment();
        let (phase, phases) = self.phases(now);
        let started_at = phase.and_then(|_| {
            let earliest = phases.iter().map(|(_, at)| *at).min();
            self.started_at.map(|at| at.0).or(earliest)
        });
        let name = text_or(self.name.as_ref(), "rr-example");
        let attempt = self.attempt.unwrap_or(1);
        let target = target(self.target.as_ref());
        let record = Record {
            sequence: self.sequence.unwrap_or(phases.len() as u64),
            attempt,
            phases: phases.clone(),
            ..Record::default()
        };
        let mut observation = Observation {
            now,
            is_live: true,
            uid: text_or(self.uid.as_ref(), "5d3c1f0e-0000-4000-8000-000000000001"),
            name,
            namespace: text_or(self.namespace.as_ref(), "kubernaut-system"),
            cluster_id: text_or(self.cluster_id.as_ref(), ""),
            generation: 1,
            resource_version: "1".to_owned(),
            phase,
            started_at,
            phases,
            signal_name: text_or(self.signal_name.as_ref(), "KubePodCrashLooping"),
            severity: text_or(self.severity.as_ref(), "critical"),
            target,
            overrides: self.overrides(),
            overrides_fault: None,
            children: Vec::new(),
            notifications: Vec::new(),
            failed_creations: Vec::new(),
            missing_kinds: Vec::new(),
            obstacle: None,
            consecutive_failures: self.consecutive_failures.unwrap_or(0),
            brakes: None,
            facts: Facts::default(),
            record,
            object: Arc::new(Value::Null),
        };
        observation.facts = self.facts(&observation);
        observation.children = self.children.iter().flatten().map(|one| child(&observation, one)).collect();
        observation.object = Arc::new(self.object(&observation));
        Ok(observation)
    }

    fn check(&self) -> Result<(), String> {
        let children = self.children.as_deref().unwrap_or_default();
        let at_most = |what: &str, count: usize, most: usize| {
            if count > most { Err(format!("{count} {what}: at most {most} are shown to a policy")) } else { Ok(()) }
        };
        at_most("children", children.len(), CHILDREN_MAX)?;
        for (place, one) in children.iter().enumerate() {
            if children.iter().take(place).any(|earlier| earlier.kind == one.kind) {
                return Err(format!("two children of kind {}: an attempt has at most one", one.kind.0.name()));
            }
        }
        let overrides = self.overrides.iter().flatten();
        at_most("overrides", overrides.clone().count(), OVERRIDES_MAX)?;
        for (name, _) in overrides {
            if name != "Global" {
                super::words::phase(name).map_err(|unknown| format!("overrides: {unknown}, or Global"))?;
            }
        }
        if self.attempt == Some(0) {
            return Err("attempt is 0: attempts count from 1".to_owned());
        }
        let Some(facts) = &self.facts else { return Ok(()) };
        if let Some(signal) = &facts.signal {
            at_most("labels", signal.labels.iter().flatten().count(), LABELS_MAX)?;
            at_most("annotations", signal.annotations.iter().flatten().count(), LABELS_MAX)?;
        }
        let related = facts.related_remediations.iter().filter_map(|page| page.items.as_ref()).flatten().count();
        at_most("related remediations", related, RELATED_MAX)?;
        routing::check(facts)
    }

    /// The current phase, and when each was entered, the current one last.
    fn phases(&self, now: Timestamp) -> (Option<Phase>, Vec<(Phase, Timestamp)>) {
        let mut entered: Vec<(Phase, Timestamp)> =
            self.phases.iter().flat_map(|times| &times.0).map(|(phase, at)| (*phase, at.0)).collect();
        // The order of a life breaks ties.
        entered.sort_by_key(|(phase, at)| (*at, *phase));
        let current = match self.phase {
            Some(word) => word.0,
            None => Some(entered.last().map_or(Phase::Processing, |(phase, _)| *phase)),
        };
        let Some(current) = current else { return (None, Vec::new()) };
        let at = entered.iter().find(|(phase, _)| *phase == current).map_or(now, |(_, at)| *at);
        entered.retain(|(phase, _)| *phase != current);
        entered.push((current, at));
        (Some(current), entered)
    }

    fn overrides(&self) -> Vec<Budget> {
        let set = self.overrides.iter().flatten();
        set.map(|(phase, length)| Budget { phase: phase.clone(), duration: length.0 }).collect()
    }

    fn child(&self, kind: ChildKind) -> Option<&ChildDocument> {
        self.children.iter().flatten().find(|child| child.kind.0 == kind)
    }

    fn facts(&self, seen: &Observation) -> Facts {
        let nothing = FactsDocument::default();
        let told = self.facts.as_ref().unwrap_or(&nothing);
        let classification = told.classification.as_ref().map(|found| Classification {
            severity: text_or(found.severity.as_ref(), &seen.severity),
            environment: text_or(found.environment.as_ref(), ""),
            priority: text_or(found.priority.as_ref(), ""),
            signal_mode: text_or(found.signal_mode.as_ref(), "reactive"),
        });
        let analysis = self.analysis(told, &seen.target);
        let healed = analysis.as_ref().and_then(|analysis| analysis.remediation_target.as_ref());
        let target = healed.unwrap_or(&seen.target).qualified();
        let has_analysis = self.child(ChildKind::AIAnalysis).is_some();
        Facts {
            signal: signal(told.signal.as_ref(), seen),
            classification,
            analysis,
            approval: self.approval(told, seen.phase_entered_at().unwrap_or(seen.now)),
            execution: self.execution(told),
            assessment: self.assessment(told),
            workflow_override: Some(workflow_override(told)),
            related_remediations: Some(related(told)),
            target_hash: Some(TargetHash::Absent),
            target_group: None,
            routing: routing::routing(told, seen.phase, has_analysis),
            scope: Some(routing::scope(told)),
            signal_remediations: Some(routing::remediations(told, seen.now, seen.target.namespace.as_deref())),
            target_executions: Some(routing::executions(told, target)),
            remediation_history: Some(routing::history(told, seen.now)),
        }
    }

    fn analysis(&self, told: &FactsDocument, signalled: &Target) -> Option<Analysis> {
        let child = self.child(ChildKind::AIAnalysis);
        if told.analysis.is_none() && child.is_none_or(|child| child.found == Some(false)) {
            return None;
        }
        let found = told.analysis.clone().unwrap_or_default();
        let is_done = child.and_then(|child| child.phase.as_deref()) == Some("Completed");
        let workflow_id = found.workflow_id.unwrap_or_default();
        let has_workflow = !workflow_id.is_empty();
        let healed = found.remediation_target.as_ref().map(|named| target(Some(named)));
        Some(Analysis {
            reason: text_or(found.reason.as_ref(), if is_done { "AnalysisCompleted" } else { "" }),
            sub_reason: found.sub_reason.unwrap_or_default(),
            message: found.message.unwrap_or_default(),
            needs_human_review: found.needs_human_review.unwrap_or(false),
            human_review_reason: found.human_review_reason.unwrap_or_default(),
            approval_required: found.approval_required.unwrap_or(false),
            approval_reason: found.approval_reason.unwrap_or_default(),
            workflow_id,
            workflow_incomplete: found.workflow_incomplete.unwrap_or_default(),
            confidence: found.confidence.unwrap_or(if has_workflow { 0.9 } else { 0.0 }),
            remediation_target: healed.or_else(|| has_workflow.then(|| signalled.clone())),
            session_active: found.session_active.unwrap_or(false),
        })
    }

    fn approval(&self, told: &FactsDocument, entered: Timestamp) -> Option<Approval> {
        let child = self.child(ChildKind::RemediationApprovalRequest);
        if told.approval.is_none() && child.is_none_or(|child| child.found == Some(false)) {
            return None;
        }
        let found = told.approval.clone().unwrap_or_default();
        let decided_at = found.decided_at.or_else(|| child.and_then(|child| child.finished_at));
        let required_by = found.required_by.or_else(|| child.and_then(|child| child.deadline));
        Some(Approval {
            decision: found.decision.or_else(|| child.and_then(|child| child.phase.clone())).unwrap_or_default(),
            decided_by: found.decided_by.unwrap_or_default(),
            message: found.message.unwrap_or_default(),
            decided_at: decided_at.map(|at| at.0),
            required_by: required_by.map_or_else(|| entered.plus(APPROVAL_LENGTH), |at| at.0),
        })
    }

    fn execution(&self, told: &FactsDocument) -> Option<Execution> {
        let child = self.child(ChildKind::WorkflowExecution);
        if told.execution.is_none() && child.is_none_or(|child| child.found == Some(false)) {
            return None;
        }
        let found = told.execution.clone().unwrap_or_default();
        Some(Execution {
            phase: found.phase.or_else(|| child.and_then(|child| child.phase.clone())).unwrap_or_default(),
            failure_reason: found.failure_reason.unwrap_or_default(),
            failure_code: found
                .failure_code
                .or_else(|| child.and_then(|child| child.reason.clone()))
                .unwrap_or_default(),
            deduplicated_by: found.deduplicated_by.unwrap_or_default(),
        })
    }

    fn assessment(&self, told: &FactsDocument) -> Option<Assessment> {
        let child = self.child(ChildKind::EffectivenessAssessment);
        if told.assessment.is_none() && child.is_none_or(|child| child.found == Some(false)) {
            return None;
        }
        let found = told.assessment.clone().unwrap_or_default();
        let until = found.validity_deadline.or_else(|| child.and_then(|child| child.deadline));
        Some(Assessment {
            phase: found.phase.or_else(|| child.and_then(|child| child.phase.clone())).unwrap_or_default(),
            reason: found.reason.or_else(|| child.and_then(|child| child.reason.clone())).unwrap_or_default(),
            validity_deadline: until.map(|at| at.0),
            alert_score: found.alert_score,
        })
    }
}

fn text_or(text: Option<&String>, default: &str) -> String {
    text.map_or_else(|| default.to_owned(), Clone::clone)
}

fn target(named: Option<&TargetDocument>) -> Target {
    let nothing = TargetDocument::default();
    let named = named.unwrap_or(&nothing);
    let kind = text_or(named.kind.as_ref(), "Deployment");
    let standard = (kind == "Deployment").then(|| "apps/v1".to_owned());
    Target {
        name: text_or(named.name.as_ref(), "shop"),
        namespace: Some(text_or(named.namespace.as_ref(), "default")).filter(|namespace| !namespace.is_empty()),
        api_version: named.api_version.clone().or(standard).filter(|version| !version.is_empty()),
        kind,
    }
}

fn signal(told: Option<&SignalDocument>, seen: &Observation) -> Signal {
    let told = told.cloned().unwrap_or_default();
    let started = seen.started_at.unwrap_or(seen.now);
    let time = |at: Option<Time>| at.map_or(started, |at| at.0);
    let attributes = |map: Option<BTreeMap<String, String>>| {
        map.into_iter().flatten().map(|(key, value)| Attribute { key, value }).collect()
    };
    Signal {
        fingerprint: text_or(told.fingerprint.as_ref(), &"1f".repeat(32)),
        signal_type: text_or(told.signal_type.as_ref(), "alert"),
        source: told.source.unwrap_or_default(),
        firing_at: time(told.firing_at),
        received_at: time(told.received_at),
        labels: attributes(told.labels),
        annotations: attributes(told.annotations),
    }
}

fn workflow_override(told: &FactsDocument) -> Option<WorkflowOverride> {
    told.workflow_override.clone().map(|found| WorkflowOverride {
        workflow_name: found.workflow_name.unwrap_or_default(),
        found: found.found.unwrap_or(true),
        incomplete: found.incomplete.unwrap_or_default(),
        replaces_parameters: found.replaces_parameters.unwrap_or(false),
        workflow: Arc::new(found.workflow.unwrap_or(Value::Null)),
    })
}

fn related(told: &FactsDocument) -> RelatedRemediations {
    let Some(page) = &told.related_remediations else { return RelatedRemediations::default() };
    let items: Vec<_> = page
        .items
        .iter()
        .flatten()
        .map(|item| RelatedRemediation {
            name: item.name.clone().unwrap_or_default(),
            phase: item.phase.clone().unwrap_or_default(),
            outcome: item.outcome.clone().unwrap_or_default(),
            started_at: item.started_at.map(|at| at.0),
        })
        .collect();
    let counted = u32::try_from(items.len()).unwrap_or(u32::MAX);
    RelatedRemediations { total: page.total.unwrap_or(counted), items }
}

fn child(seen: &Observation, told: &ChildDocument) -> Child {
    let kind = told.kind.0;
    let attempt = told.attempt.unwrap_or(seen.record.attempt);
    let name = told.name.clone().unwrap_or_else(|| kind.object_name(&seen.name, attempt));
    let found = told.found.unwrap_or(true);
    let mut child = Child {
        kind,
        name,
        attempt,
        found,
        phase: told.phase.clone().unwrap_or_default(),
        reason: told.reason.clone().unwrap_or_default(),
        finished_at: told.finished_at.map(|at| at.0),
        deadline: told.deadline.map(|at| at.0),
        object: Arc::new(Value::Null),
    };
    if found {
        child.object = Arc::new(child_object(seen, told, &child));
    }
    child
}
