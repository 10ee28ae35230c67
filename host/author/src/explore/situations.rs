//! Situations: every phase with every state of the child that it waits for.

use trimtab_core::block::{BlockReason, DEDUPLICATED};
use trimtab_core::observation::{AwaitedObject, ChildKind, Observation, Routing, WorkflowOverride};
use trimtab_core::phase::Phase;

use super::remediation::{base, end_of_child, in_phase, sealed, settle};
use super::variations::shifted;

/// One remediation in one phase.
#[derive(Debug, Clone)]
pub(crate) struct Situation {
    /// Short name, for people: "Analyzing/Completed/WorkflowNotNeeded".
    pub(crate) name: String,
    /// The remediation.
    pub(crate) seen: Observation,
    /// Whether it is the phase's most usual situation, which every variation is tried on.
    pub(crate) is_usual: bool,
    /// Whether the host could observe it.
    pub(crate) is_consistent: bool,
}

impl Situation {
    fn new(name: impl Into<String>, seen: Observation) -> Self {
        Self { name: name.into(), seen: sealed(seen), is_usual: false, is_consistent: true }
    }

    fn usual(self) -> Self {
        Self { is_usual: true, ..self }
    }

    fn inconsistent(self) -> Self {
        Self { is_consistent: false, ..self }
    }

    fn with(mut self, name: &str, change: impl FnOnce(&mut Observation)) -> Self {
        change(&mut self.seen);
        Self { name: format!("{}/{name}", self.name), seen: sealed(self.seen), is_usual: false, ..self }
    }
}

/// Every situation, in the order of a remediation's life.
pub(crate) fn situations() -> Vec<Situation> {
    let mut all = vec![
        Situation::new("none", base()).usual(),
        Situation::new("none", base()).with("started", |seen| seen.started_at = Some(seen.now)),
    ];
    for phase in Phase::ALL {
        if let Some(kind) = ChildKind::of_phase(phase) {
            all.extend(with_child(phase, kind));
        } else {
            let plain = Situation::new(phase.name(), in_phase(phase));
            all.push(if phase.is_terminal() { plain.clone() } else { plain.clone().usual() });
            if phase == Phase::Blocked {
                all.extend(blocks(&plain));
            }
        }
        all.push(Situation::new(phase.name(), in_phase(phase)).inconsistent().with("no-entry", |seen| {
            seen.phases.clear();
            seen.started_at = None;
        }));
    }
    all.push(Situation::new("Failed", in_phase(Phase::Failed)).with("children-unfinished", |seen| {
        settle(seen, ChildKind::AIAnalysis, "Investigating", None);
    }));
    all
}

/// Every block, as it is when it has begun and when what it waits for is over.
fn blocks(plain: &Situation) -> Vec<Situation> {
    let mut all = Vec::new();
    for reason in BlockReason::ALL {
        let blocked = |name: &str, change: &dyn Fn(&mut Routing)| {
            plain.clone().with(&format!("{}{name}", reason.name()), |seen| {
                let from = if reason.follows_analysis() { Phase::Analyzing } else { Phase::Pending };
                if from == Phase::Analyzing {
                    settle(seen, ChildKind::AIAnalysis, "Completed", Some(seen.now));
                }
                seen.facts.routing = Routing {
                    block_reason: reason.name().to_owned(),
                    block_message: "something is in the way".to_owned(),
                    blocked_from: from.name().to_owned(),
                    ..Routing::default()
                };
                change(&mut seen.facts.routing);
            })
        };
        let Some(kind) = reason.awaited_kind() else {
            let until =
                |shift: i64| move |routing: &mut Routing| routing.blocked_until = Some(shifted(plain.seen.now, shift));
            all.push(blocked("", &until(60_000)));
            all.push(blocked("-over", &until(-1)));
            if reason == BlockReason::IneffectiveChain {
                all.push(blocked("-for-a-person", &|_| {}));
            }
            continue;
        };
        for (name, phase) in [("", "Executing"), ("-completed", "Completed"), ("-failed", "Failed"), ("-gone", "")] {
            all.push(blocked(name, &|routing| {
                routing.awaited = Some(AwaitedObject {
                    kind: kind.to_owned(),
                    name: "another".to_owned(),
                    found: !phase.is_empty(),
                    phase: phase.to_owned(),
                    outcome: String::new(),
                });
            }));
        }
        all.push(blocked("-unnamed", &|_| {}));
    }
    all
}

/// Phases of a child's own before its end, the most usual one first.
fn working(kind: ChildKind) -> &'static [&'static str] {
    match kind {
        ChildKind::SignalProcessing => &["Enriching", ""],
        ChildKind::AIAnalysis => &["Investigating", ""],
        ChildKind::RemediationApprovalRequest => &[""],
        ChildKind::WorkflowExecution => &["Running", "Pending", ""],
        ChildKind::EffectivenessAssessment => &["Assessing", "Stabilizing", ""],
    }
}

fn with_child(phase: Phase, kind: ChildKind) -> Vec<Situation> {
    let plain = Situation::new(phase.name(), in_phase(phase));
    let mut all = Vec::new();
    for (place, at) in working(kind).iter().enumerate() {
        let name = if at.is_empty() { "at-work" } else { at };
        let situation = plain.clone().with(name, |seen| settle(seen, kind, at, None));
        all.push(if place == 0 { situation.usual() } else { situation });
    }
    all.push(plain.clone().with("absent", |_| {}));
    all.push(plain.clone().with("gone", |seen| {
        settle(seen, kind, "", None);
        if let Some(child) = seen.children.last_mut() {
            child.found = false;
            child.deadline = None;
        }
    }));
    all.extend(ended_children(&plain, kind));
    all
}

/// Every end of the child.
fn ended_children(plain: &Situation, kind: ChildKind) -> Vec<Situation> {
    let mut all = Vec::new();
    let at = end_of_child(&plain.seen);
    let ended = |end: &str| plain.clone().with(end, |seen| settle(seen, kind, end, Some(at)));
    match kind {
        ChildKind::SignalProcessing => all.extend([ended("Completed"), ended("Failed")]),
        ChildKind::AIAnalysis => all.extend(analyses(&ended("Completed"), &ended("Failed"))),
        ChildKind::RemediationApprovalRequest => {
            all.extend([ended("Rejected"), ended("Expired")]);
            all.extend(approvals(&ended("Approved")));
        }
        ChildKind::WorkflowExecution => {
            all.extend([ended("Completed"), ended("Failed")]);
            for (name, phase) in [("awaited", "Running"), ("inherits", "Completed"), ("inherits-failure", "Failed")] {
                all.push(ended("Failed").with(&format!("{DEDUPLICATED}-{name}"), |seen| deduplicate(seen, phase)));
            }
            for code in ["OOMKilled", "TaskFailed", DEDUPLICATED] {
                all.push(ended("Failed").with(code, |seen| {
                    if let Some(execution) = &mut seen.facts.execution {
                        code.clone_into(&mut execution.failure_code);
                        if code == DEDUPLICATED {
                            "we-another".clone_into(&mut execution.deduplicated_by);
                        }
                        "the job failed".clone_into(&mut execution.failure_reason);
                    }
                }));
            }
        }
        ChildKind::EffectivenessAssessment => {
            all.extend([ended("Completed"), ended("Failed")]);
            for (name, score) in [("score-0", 0.0), ("score-half", 0.5), ("score-1", 1.0)] {
                all.push(ended("Completed").with(name, |seen| {
                    if let Some(assessment) = &mut seen.facts.assessment {
                        "Full".clone_into(&mut assessment.reason);
                        assessment.alert_score = Some(score);
                    }
                }));
            }
        }
    }
    // A child that does not say when it ended.
    all.push(ended("Failed").with("no-time", |seen| {
        if let Some(child) = seen.children.last_mut() {
            child.finished_at = None;
        }
    }));
    all
}

/// Another execution, in this phase, stands for the remediation's own.
fn deduplicate(seen: &mut Observation, phase: &str) {
    for child in seen.children.iter_mut().filter(|child| child.kind == ChildKind::WorkflowExecution) {
        DEDUPLICATED.clone_into(&mut child.reason);
    }
    if let Some(execution) = &mut seen.facts.execution {
        DEDUPLICATED.clone_into(&mut execution.failure_code);
        "we-another".clone_into(&mut execution.deduplicated_by);
    }
    seen.facts.routing.awaited = Some(AwaitedObject {
        kind: ChildKind::WorkflowExecution.name().to_owned(),
        name: "we-another".to_owned(),
        found: true,
        phase: phase.to_owned(),
        outcome: String::new(),
    });
}

fn analyses(completed: &Situation, failed: &Situation) -> Vec<Situation> {
    type Change = fn(&mut trimtab_core::observation::Analysis);
    let on_completed: [(&str, Change); 9] = [
        ("runs", |_| {}),
        ("needs-approval", |found| {
            found.approval_required = true;
            "confidence is low".clone_into(&mut found.approval_reason);
        }),
        ("WorkflowNotNeeded", |found| {
            "WorkflowNotNeeded".clone_into(&mut found.reason);
            found.workflow_id.clear();
        }),
        ("needs-review", |found| {
            found.needs_human_review = true;
            "low_confidence".clone_into(&mut found.human_review_reason);
        }),
        ("needs-review-no-workflow", |found| {
            found.needs_human_review = true;
            found.workflow_id.clear();
        }),
        ("no-workflow", |found| found.workflow_id.clear()),
        ("workflow-incomplete", |found| "executionBundle".clone_into(&mut found.workflow_incomplete)),
        ("no-target", |found| found.remediation_target = None),
        ("confidence-0", |found| found.confidence = 0.0),
    ];
    let on_failed: [(&str, Change); 4] = [
        ("no-words", |_| {}),
        ("WorkflowResolutionFailed", |found| "WorkflowResolutionFailed".clone_into(&mut found.reason)),
        ("needs-review", |found| found.needs_human_review = true),
        ("words", |found| {
            "the model gave no answer".clone_into(&mut found.message);
            "NoAnswer".clone_into(&mut found.sub_reason);
        }),
    ];
    let changed = |from: &Situation, (name, change): (&str, Change)| {
        from.clone().with(name, |seen| {
            if let Some(found) = &mut seen.facts.analysis {
                change(found);
            }
        })
    };
    let mut all: Vec<_> = on_completed.into_iter().map(|row| changed(completed, row)).collect();
    all.extend(on_failed.into_iter().map(|row| changed(failed, row)));
    let at_work = Situation::new("Analyzing", in_phase(Phase::Analyzing));
    all.push(at_work.with("session", |seen| {
        settle(seen, ChildKind::AIAnalysis, "Investigating", None);
        if let Some(found) = &mut seen.facts.analysis {
            found.session_active = true;
        }
    }));
    all.push(completed.clone().inconsistent().with("facts-absent", |seen| seen.facts.analysis = None));
    all
}

fn approvals(approved: &Situation) -> Vec<Situation> {
    let plain = || WorkflowOverride { found: true, ..WorkflowOverride::default() };
    let named = || WorkflowOverride {
        workflow_name: "restart".to_owned(),
        workflow: std::sync::Arc::new(serde_json::json!({
            "metadata": {"name": "restart"},
            "spec": {"actionType": "Restart", "version": "1.0.0", "execution": {"bundle": "b", "engine": "job"}},
            "status": {"workflowId": "restart"},
        })),
        ..plain()
    };
    let rows = [
        ("override-parameters", WorkflowOverride { replaces_parameters: true, ..plain() }),
        ("override-workflow", named()),
        ("override-missing", WorkflowOverride { found: false, workflow: std::sync::Arc::default(), ..named() }),
        (
            "override-incomplete",
            WorkflowOverride {
                incomplete: "version".to_owned(),
                workflow: std::sync::Arc::new(serde_json::json!({"metadata": {"name": "restart"}})),
                ..named()
            },
        ),
    ];
    let mut all = vec![approved.clone()];
    all.extend(
        rows.map(|(name, chosen)| {
            approved.clone().with(name, |seen| seen.facts.workflow_override = Some(Some(chosen)))
        }),
    );
    all
}
