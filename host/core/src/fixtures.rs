//! Builders for tests: an observation in any phase, and a judge that answers what it is told.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::block::{BlockReason, DEDUPLICATED};
use crate::json::merge_apply;
use crate::members::{Member, Members, Rule, Seat};
use crate::observation::{
    Analysis, Approval, Assessment, AwaitedObject, Child, ChildKind, Classification, Execution, Facts, Observation,
    Signal, SignalRemediation, SignalRemediations, Target, TargetExecution, TargetExecutions, TargetHash,
};
use crate::phase::Phase;
use crate::ports::{Answer, Choice, FailStrategy, Fault, FaultReason, Interruption, Judge};
use crate::proposal::{Attribute, Budget, Creation, Creations, Explanation, Intent, Schedule, Slot};
use crate::record::{Record, Revision};
use crate::time::{Span, Timestamp};

pub(crate) mod arbitrary;
pub(crate) mod carried_out;

/// When every fixture was started.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A remediation that entered `phase` one minute after its start, ten seconds ago.
pub(crate) fn in_phase(phase: Phase) -> Observation {
    let entered = START.plus(Span::from_secs(60));
    let mut record = Record { sequence: 3, ..Record::default() };
    record.enter(Phase::Pending, START);
    record.enter(phase, entered);
    let target = Target {
        kind: "Deployment".into(),
        name: "shop".into(),
        namespace: Some("prod".into()),
        api_version: Some("apps/v1".into()),
    };
    let object = json!({
        "metadata": {"name": "rr", "namespace": "ns", "uid": "u-1", "resourceVersion": "42", "generation": 1},
        "spec": {"signalFingerprint": "f", "signalName": "Oom", "severity": "critical", "signalType": "alert"},
        "status": {"overallPhase": phase.name(), "deduplication": {"occurrenceCount": 7}},
    });
    Observation {
        now: entered.plus(Span::from_secs(10)),
        is_live: false,
        uid: "u-1".into(),
        name: "rr".into(),
        namespace: "ns".into(),
        cluster_id: String::new(),
        generation: 1,
        resource_version: "42".into(),
        phase: Some(phase),
        started_at: Some(START),
        phases: record.phases.clone(),
        signal_name: "Oom".into(),
        severity: "critical".into(),
        target,
        overrides: Vec::new(),
        overrides_fault: None,
        children: Vec::new(),
        notifications: Vec::new(),
        failed_creations: Vec::new(),
        missing_kinds: Vec::new(),
        obstacle: None,
        consecutive_failures: 0,
        brakes: None,
        facts: Facts {
            signal: Signal::default(),
            workflow_override: Some(None),
            target_hash: Some(TargetHash::Absent),
            signal_remediations: Some(SignalRemediations::default()),
            target_executions: Some(locked()),
            ..Facts::default()
        },
        record,
        object: Arc::new(object),
    }
}

/// The lock of the fixtures' target, and nothing on it.
pub(crate) fn locked() -> TargetExecutions {
    TargetExecutions { target: "prod/Deployment/shop".into(), locked: true, ..TargetExecutions::default() }
}

/// The same with another remediation's execution on the target, `we-other`, in this phase.
pub(crate) fn occupied(phase: &str) -> TargetExecutions {
    let other = TargetExecution { name: "we-other".into(), phase: phase.into(), ..TargetExecution::default() };
    TargetExecutions { total: 1, items: vec![other], ..locked() }
}

/// A remediation of the same signal, `rr-0`, in this phase.
pub(crate) fn original(phase: &str, comes_first: bool) -> SignalRemediations {
    let item =
        SignalRemediation { name: "rr-0".into(), phase: phase.into(), comes_first, ..SignalRemediation::default() };
    SignalRemediations { total: 1, items: vec![item] }
}

/// A blocked remediation, back to this phase from the block.
pub(crate) fn blocked(reason: BlockReason, from: Phase) -> Observation {
    let mut observation = if from == Phase::Analyzing { analyzed(false) } else { in_phase(from) };
    observation.phase = Some(Phase::Blocked);
    observation.record.enter(Phase::Blocked, START.plus(Span::from_secs(60)));
    observation.phases.clone_from(&observation.record.phases);
    let source = match reason.awaited_kind() {
        Some("RemediationRequest") => "rr-0",
        Some(_) => "we-other",
        None => "",
    };
    let mut status = json!({"overallPhase": "Blocked", "routingStatus": {
        "blockReason": reason.name(), "blockMessage": "in the way",
    }});
    if let Some(member) = reason.awaited_member() {
        status["routingStatus"][member] = source.into();
    }
    merge_apply(Arc::make_mut(&mut observation.object), &json!({"status": status}));
    let routing = &mut observation.facts.routing;
    routing.block_reason = reason.name().into();
    routing.block_message = "in the way".into();
    routing.blocked_from = from.name().into();
    observation
}

/// The same, waiting for an object that is in this phase; `None` where it is gone.
pub(crate) fn awaiting_object(
    mut observation: Observation,
    kind: &str,
    name: &str,
    phase: Option<&str>,
) -> Observation {
    observation.facts.routing.awaited = Some(AwaitedObject {
        kind: kind.into(),
        name: name.into(),
        found: phase.is_some(),
        phase: phase.unwrap_or_default().into(),
        outcome: String::new(),
    });
    observation
}

/// A remediation in Executing whose execution `we-other` stands for.
pub(crate) fn deduplicated(phase: Option<&str>) -> Observation {
    let mut observation = executed(Phase::Executing, "Failed", None);
    for child in observation.children.iter_mut().filter(|child| child.kind == ChildKind::WorkflowExecution) {
        child.reason = DEDUPLICATED.into();
    }
    if let Some(run) = &mut observation.facts.execution {
        (run.failure_code, run.deduplicated_by) = (DEDUPLICATED.into(), "we-other".into());
    }
    awaiting_object(observation, "WorkflowExecution", "we-other", phase)
}

/// Adds a child of this kind with this phase.
pub(crate) fn with_child(mut observation: Observation, kind: ChildKind, phase: &str, status: &Value) -> Observation {
    let name = kind.object_name(&observation.name, 1);
    let object = json!({
        "metadata": {"name": name, "resourceVersion": "5", "generation": 1},
        "spec": {},
        "status": status,
    });
    observation.children.retain(|child| child.kind != kind);
    observation.children.push(Child {
        kind,
        name,
        attempt: 1,
        found: true,
        phase: phase.into(),
        reason: String::new(),
        finished_at: None,
        deadline: None,
        object: Arc::new(object),
    });
    observation
}

/// A complete selected workflow.
pub(crate) fn workflow() -> Value {
    json!({
        "workflowId": "wf", "workflowName": "grow", "actionType": "IncreaseMemory", "version": "1.0.0",
        "executionBundle": "bundle", "executionEngine": "job", "confidence": 0.9, "rationale": "because",
        "parameters": {"LIMIT": "256Mi"},
    })
}

/// A remediation in Analyzing whose analysis selected a workflow.
pub(crate) fn analyzed(approval_required: bool) -> Observation {
    let status = json!({"phase": "Completed", "rcaResult": {"selectedWorkflow": workflow()}});
    let mut observation = with_child(in_phase(Phase::Analyzing), ChildKind::AIAnalysis, "Completed", &status);
    observation.facts.classification = Some(Classification::default());
    observation.facts.analysis = Some(Analysis {
        reason: "AnalysisCompleted".into(),
        approval_required,
        workflow_id: "wf".into(),
        remediation_target: Some(observation.target.clone()),
        ..Analysis::default()
    });
    observation
}

/// A remediation that waits for an approval with this decision.
pub(crate) fn awaiting(decision: &str) -> Observation {
    let mut observation = analyzed(true);
    observation.phase = Some(Phase::AwaitingApproval);
    observation.record.enter(Phase::AwaitingApproval, START.plus(Span::from_secs(60)));
    observation.phases.clone_from(&observation.record.phases);
    let status = json!({"decision": decision});
    let mut observation = with_child(observation, ChildKind::RemediationApprovalRequest, decision, &status);
    observation.facts.approval = Some(Approval {
        decision: decision.into(),
        required_by: START.plus(Span::from_secs(900)),
        ..Approval::default()
    });
    observation
}

/// A remediation in Executing or Verifying with its children so far.
pub(crate) fn executed(phase: Phase, execution: &str, assessment: Option<Assessment>) -> Observation {
    let mut observation = analyzed(false);
    observation.phase = Some(phase);
    observation.record.enter(phase, START.plus(Span::from_secs(60)));
    observation.phases.clone_from(&observation.record.phases);
    let mut observation =
        with_child(observation, ChildKind::WorkflowExecution, execution, &json!({"phase": execution}));
    observation.facts.execution = Some(Execution { phase: execution.into(), ..Execution::default() });
    if let Some(assessment) = assessment {
        let status = json!({"phase": assessment.phase});
        observation = with_child(observation, ChildKind::EffectivenessAssessment, &assessment.phase.clone(), &status);
        observation.facts.assessment = Some(assessment);
    }
    observation
}

/// A judge that gives the same answers whoever is asked, and counts the questions.
#[derive(Debug, Clone)]
pub(crate) struct Fixed {
    pub(crate) schedule: Result<Schedule, FaultReason>,
    pub(crate) intent: Result<Intent, FaultReason>,
    pub(crate) creations: Result<Creations, FaultReason>,
    /// What the built-in policy answers instead of `intent`.
    pub(crate) builtin_intent: Option<Intent>,
    pub(crate) strategy: FailStrategy,
    /// Several policies in the timeouts slot, instead of one that answers `schedule`.
    pub(crate) several: Option<(Rule, Vec<Voice>)>,
    pub(crate) asked: Vec<(Slot, Choice)>,
    /// Which policies of the timeouts slot were asked.
    pub(crate) heard: Vec<(Member, Choice)>,
}

/// One of several policies in the timeouts slot.
#[derive(Debug, Clone)]
pub(crate) struct Voice {
    pub(crate) active: Result<Schedule, FaultReason>,
    /// What the last good and the built-in revision answer.
    pub(crate) others: Result<Schedule, FaultReason>,
    pub(crate) strategy: FailStrategy,
}

impl Default for Fixed {
    fn default() -> Self {
        Self {
            schedule: Ok(schedule()),
            intent: Ok(stay()),
            creations: Ok(Creations::default()),
            builtin_intent: None,
            strategy: FailStrategy::Hold,
            several: None,
            asked: Vec::new(),
            heard: Vec::new(),
        }
    }
}

/// Budgets as the default policy has them, and no deadline but the ceiling.
pub(crate) fn schedule() -> Schedule {
    let budgets =
        [("Global", 3600), ("Processing", 300), ("Analyzing", 600), ("AwaitingApproval", 900), ("Executing", 1800)]
            .map(|(phase, seconds)| Budget { phase: phase.into(), duration: Span::from_secs(seconds) });
    Schedule { budgets: budgets.into(), why: Explanation::new("Test", "For a test."), ..Schedule::default() }
}

/// An intent of a kind.
pub(crate) fn intent(kind: &str) -> Intent {
    Intent { kind: kind.into(), why: Explanation::new("Test", "For a test."), ..Intent::default() }
}

/// To stay.
pub(crate) fn stay() -> Intent {
    intent("stay")
}

/// To advance.
pub(crate) fn advance(to: &str) -> Intent {
    Intent { target_phase: to.into(), ..intent("advance") }
}

/// To block, or to wait for `source`.
pub(crate) fn block(kind: &str, reason: &str, source: &str) -> Intent {
    let attributes = vec![Attribute { key: crate::block::ATTRIBUTE.into(), value: reason.into() }];
    Intent { message: "in the way".into(), source: source.into(), attributes, ..intent(kind) }
}

/// To end as `source` has: completed, or failed.
pub(crate) fn inherit(source: &str, to: Phase) -> Intent {
    let intent = Intent { source: source.into(), ..intent("inherit") };
    if to == Phase::Completed {
        Intent { outcome: "Remediated".into(), ..intent }
    } else {
        Intent { failure_phase: "Deduplicated".into(), reason: "it failed".into(), ..intent }
    }
}

/// To fail.
pub(crate) fn fail() -> Intent {
    Intent { failure_phase: "AIAnalysis".into(), reason: "it broke".into(), ..intent("fail") }
}

/// To create these kinds, each with no patch.
pub(crate) fn create(kinds: &[&str]) -> Creations {
    let items = kinds.iter().map(|kind| match kind.split_once(':') {
        Some((kind, purpose)) => Creation { kind: kind.into(), purpose: purpose.into(), ..Creation::default() },
        None => Creation { kind: (*kind).into(), ..Creation::default() },
    });
    Creations { items: items.collect(), ..Creations::default() }
}

impl Fixed {
    fn answer<T: Clone>(
        &mut self,
        slot: Slot,
        choice: Choice,
        value: &Result<T, FaultReason>,
    ) -> Result<Answer<T>, Interruption> {
        self.asked.push((slot, choice));
        let revision = Revision { digest: format!("sha256:{choice:?}"), config: "c".into() };
        match value {
            Ok(value) => Ok(Answer { value: value.clone(), revision, fuel: 1, log: Vec::new() }),
            Err(reason) => Err(Interruption::Fault(Fault {
                reason: *reason,
                message: "for a test".into(),
                revision: Some(revision),
                fuel: 1,
            })),
        }
    }
}

impl Judge for Fixed {
    fn members(&self, slot: Slot) -> Members {
        let several = self.several.as_ref().filter(|_| slot == Slot::Timeouts);
        several.map_or(Members::ONE, |(rule, voices)| Members::new(*rule, voices.len()))
    }

    fn timeouts(
        &mut self,
        member: Member,
        choice: Choice,
        _: &Arc<Observation>,
    ) -> Result<Answer<Schedule>, Interruption> {
        self.heard.push((member, choice));
        let voice = self.several.as_ref().and_then(|(_, voices)| voices.get(member.place()));
        let value = match (voice, choice) {
            (None, _) => self.schedule.clone(),
            (Some(voice), Choice::Active) => voice.active.clone(),
            (Some(voice), Choice::LastGood | Choice::Builtin) => voice.others.clone(),
        };
        self.answer(Slot::Timeouts, choice, &value)
    }

    fn transitions(
        &mut self,
        choice: Choice,
        _: &Arc<Observation>,
        _: &[String],
    ) -> Result<Answer<Intent>, Interruption> {
        let value = match (&self.builtin_intent, choice) {
            (Some(intent), Choice::Builtin) => Ok(intent.clone()),
            _ => self.intent.clone(),
        };
        self.answer(Slot::Transitions, choice, &value)
    }

    fn children(
        &mut self,
        choice: Choice,
        _: &Arc<Observation>,
        _: &Intent,
    ) -> Result<Answer<Creations>, Interruption> {
        let value = self.creations.clone();
        self.answer(Slot::Children, choice, &value)
    }

    fn strategy(&self, seat: Seat) -> FailStrategy {
        let voices = self.several.as_ref().filter(|_| seat.slot == Slot::Timeouts).map(|(_, voices)| voices);
        voices.and_then(|voices| voices.get(seat.member.place())).map_or(self.strategy, |voice| voice.strategy)
    }
}
