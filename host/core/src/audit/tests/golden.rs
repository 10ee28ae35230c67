//! Whole remediations against the events that Kubernaut's own orchestrator told of the same ones.
//!
//! `peer.json` has, for each scenario, what the peer told, with times, lengths and hashes masked, and the differences
//! that are meant, each under the number of the quirk that it mends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::audit::{AuditEvent, of_observed, validate};
use crate::decide::{Verdict, decide};
use crate::fixtures::carried_out::carried_out;
use crate::fixtures::{Fixed, START, advance, create, in_phase, intent, locked, schedule};
use crate::json::{merge_apply, text};
use crate::observation::{
    Analysis, Approval, Assessment, ChildKind, Classification, Execution, Observation, Target, TargetExecutions,
};
use crate::phase::Phase;
use crate::proposal::{Deadline, Intent, Schedule};
use crate::record::Record;
use crate::settings::Settings;
use crate::time::Span;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    name: String,
    namespace: String,
    spec: Value,
    events: Vec<Value>,
    differences: Vec<Difference>,
}

/// A change of the peer's events that is meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    quirk: String,
    event: Option<String>,
    patch: Option<Value>,
    append: Option<Value>,
}

/// What happens in a scenario.
type Telling = fn(&mut Story);

/// One remediation on its way.
struct Story {
    now: Observation,
    told: Vec<AuditEvent>,
}

impl Story {
    fn begin(scenario: &Scenario) -> Self {
        let mut now = in_phase(Phase::Pending);
        now.name.clone_from(&scenario.name);
        now.namespace.clone_from(&scenario.namespace);
        now.record = Record::default();
        (now.now, now.phase, now.started_at) = (START, None, None);
        now.phases.clear();
        let member = |name: &str| text(&scenario.spec, &format!("/targetResource/{name}")).to_owned();
        now.target = Target {
            kind: member("kind"),
            name: member("name"),
            namespace: Some(member("namespace")),
            api_version: Some(member("apiVersion")),
        };
        let target = now.target.qualified();
        now.facts.target_executions = Some(TargetExecutions { target, ..locked() });
        now.object = Arc::new(json!({
            "metadata": {"name": now.name, "namespace": now.namespace, "uid": now.uid, "resourceVersion": "1"},
            "spec": scenario.spec,
        }));
        Self { now, told: Vec::new() }
    }

    /// Makes the step that the judge wants, and takes its events from what it leaves behind.
    fn step(&mut self, judge: &mut Fixed) {
        let decision = decide(&Arc::new(self.now.clone()), judge, &Settings::default()).unwrap();
        let Verdict::Step(plan) = decision.verdict else { panic!("a step was expected: {decision:?}") };
        self.now = carried_out(&self.now, &plan);
        let observed = of_observed(&self.now).unwrap();
        assert_eq!(observed.audit, plan.audit);
        self.told.extend(observed.audit);
        self.now.now = self.now.now.plus(Span::from_millis(1_234));
    }

    fn go(&mut self, intent: Intent, creations: &[&str]) {
        self.step(&mut Fixed { intent: Ok(intent), creations: Ok(create(creations)), ..Fixed::default() });
    }

    /// The controller of a child, or a person, finishes it.
    fn finish(&mut self, kind: ChildKind, phase: &str, status: &Value) {
        let child = self.now.children.iter_mut().find(|child| child.kind == kind).unwrap();
        phase.clone_into(&mut child.phase);
        merge_apply(Arc::make_mut(&mut child.object), &json!({"status": status}));
    }

    fn process(&mut self) {
        self.step(&mut Fixed::default());
        self.go(advance("Processing"), &["SignalProcessing"]);
    }

    fn analyze(&mut self) {
        self.process();
        self.finish(ChildKind::SignalProcessing, "Completed", &json!({"phase": "Completed"}));
        self.now.facts.classification = Some(Classification::default());
        self.go(advance("Analyzing"), &["AIAnalysis"]);
    }

    fn select(&mut self, approval_required: bool) {
        self.analyze();
        let workflow = json!({
            "workflowId": "wf-increase-memory", "workflowName": "increase-memory-limit", "version": "1.0.0",
            "actionType": "IncreaseMemoryLimits", "executionBundle": "bundle", "executionEngine": "job",
            "confidence": 0.92, "rationale": "memory limit is the bottleneck",
        });
        let status = json!({"phase": "Completed", "rcaResult": {"selectedWorkflow": workflow}});
        self.finish(ChildKind::AIAnalysis, "Completed", &status);
        self.now.facts.analysis = Some(Analysis {
            reason: "AnalysisCompleted".into(),
            approval_required,
            workflow_id: "wf-increase-memory".into(),
            remediation_target: Some(self.now.target.clone()),
            ..Analysis::default()
        });
    }
}

fn completed(story: &mut Story) {
    story.select(false);
    let hash = json!({"status": {"operatorAudit": {"preRemediationSpecHash": "<hash>"}}});
    merge_apply(Arc::make_mut(&mut story.now.object), &hash);
    story.go(advance("Executing"), &["WorkflowExecution"]);
    story.finish(ChildKind::WorkflowExecution, "Completed", &json!({"phase": "Completed"}));
    story.now.facts.execution = Some(Execution { phase: "Completed".into(), ..Execution::default() });
    story.go(intent("verify"), &["EffectivenessAssessment"]);
    let assessed = Assessment { phase: "Completed".into(), reason: "Full".into(), ..Assessment::default() };
    story.finish(ChildKind::EffectivenessAssessment, "Completed", &json!({"phase": "Completed"}));
    story.now.facts.assessment = Some(assessed);
    let done = Intent { outcome: "Remediated".into(), ..intent("complete") };
    story.go(done, &["NotificationRequest:completion"]);
}

fn rejected(story: &mut Story) {
    story.select(true);
    story.go(advance("AwaitingApproval"), &["RemediationApprovalRequest", "NotificationRequest:approval"]);
    let (by, said) = ("operator@example.test", "too risky");
    let at = story.now.now;
    let status = json!({"decision": "Rejected", "decidedBy": by, "decidedAt": at.to_string(), "decisionMessage": said});
    story.finish(ChildKind::RemediationApprovalRequest, "Rejected", &status);
    story.now.facts.approval = Some(Approval {
        decision: "Rejected".into(),
        decided_by: by.into(),
        message: said.into(),
        decided_at: Some(at),
        required_by: at.plus(Span::from_secs(600)),
    });
    let failure = Intent { failure_phase: "Approval".into(), reason: said.into(), ..intent("fail") };
    story.go(failure, &["NotificationRequest:escalation"]);
}

fn spfailed(story: &mut Story) {
    story.process();
    story.finish(ChildKind::SignalProcessing, "Failed", &json!({"phase": "Failed"}));
    let reason = "SignalProcessing failed".to_owned();
    let failure = Intent { failure_phase: "SignalProcessing".into(), reason, ..intent("fail") };
    story.go(failure, &["NotificationRequest:escalation"]);
}

fn noworkflow(story: &mut Story) {
    story.analyze();
    let status = json!({"phase": "Completed", "reason": "WorkflowNotNeeded"});
    story.finish(ChildKind::AIAnalysis, "Completed", &status);
    story.now.facts.analysis = Some(Analysis { reason: "WorkflowNotNeeded".into(), ..Analysis::default() });
    story.go(Intent { outcome: "NoActionRequired".into(), ..intent("complete") }, &[]);
}

fn timeout_processing(story: &mut Story) {
    story.process();
    let deadline = Deadline {
        phase: "Processing".into(),
        at: story.now.now,
        on_expiry: "time-out".into(),
        duration: Span::from_secs(2),
        notice: None,
        attributes: Vec::new(),
    };
    story.now.now = story.now.now.plus(Span::from_secs(1));
    story.now.is_live = true;
    let schedule = Schedule { deadlines: vec![deadline], ..schedule() };
    story.step(&mut Fixed { schedule: Ok(schedule), ..Fixed::default() });
}

/// What differs from run to run, masked as in the file; each is checked before it is masked.
fn masked(event: &AuditEvent, story: &Story) -> Value {
    let mut body = event.body.clone();
    assert_eq!(body["event_timestamp"], event.at.to_string());
    body["event_timestamp"] = "<time>".into();
    for pointer in ["/duration_ms", "/event_data/duration_ms"] {
        if let Some(duration) = body.pointer_mut(pointer) {
            assert_eq!(*duration, event.at.since(START).as_millis());
            *duration = "<duration>".into();
        }
    }
    if let Some(required_by) = body.pointer_mut("/event_data/required_by") {
        let request = story.now.child(ChildKind::RemediationApprovalRequest).unwrap();
        assert_eq!(*required_by, request.object["spec"]["requiredBy"]);
        *required_by = "<requiredBy of the request>".into();
    }
    body
}

fn expected(scenario: Scenario) -> Vec<Value> {
    let mut events = scenario.events;
    for difference in scenario.differences {
        assert!(["Q9", "Q10"].contains(&difference.quirk.as_str()), "{difference:?} is no difference that is meant");
        if let (Some(name), Some(patch)) = (&difference.event, &difference.patch) {
            let event = events.iter_mut().find(|event| event["event_type"] == name.as_str()).unwrap();
            let before = event.clone();
            merge_apply(event, patch);
            assert_ne!(*event, before, "the difference changes nothing");
        }
        events.extend(difference.append);
    }
    events
}

#[test]
fn a_remediation_tells_what_the_peer_tells() {
    let scenarios: BTreeMap<String, Scenario> = serde_json::from_str(include_str!("../peer.json")).unwrap();
    let stories: [(&str, Telling); 5] = [
        ("completed", completed),
        ("rejected", rejected),
        ("spfailed", spfailed),
        ("noworkflow", noworkflow),
        ("timeout-processing", timeout_processing),
    ];
    assert_eq!(scenarios.len(), stories.len(), "every recorded scenario is told");
    for (name, scenario) in scenarios {
        let (_, tell) = stories.iter().find(|(known, _)| *known == name).unwrap();
        let mut story = Story::begin(&scenario);
        tell(&mut story);
        let told: Vec<Value> = story.told.iter().map(|event| masked(event, &story)).collect();
        assert_eq!(told, expected(scenario), "{name}");
        let ids: BTreeSet<_> = story.told.iter().map(|event| event.id).collect();
        assert_eq!(ids.len(), story.told.len(), "{name}: an id occurs once in a remediation's life");
        for event in &story.told {
            assert_eq!(validate(&event.body), Ok(()), "{name}");
        }
    }
}
