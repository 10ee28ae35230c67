//! The table itself.

use super::*;

const READY_FAILED: &str = "Ready False RemediationFailed";
const READY_TIMED_OUT: &str = "Ready False RemediationTimedOut";
const FAILURE: &str = "lifecycle.completed completed failure";
const SUCCESS: &str = "lifecycle.completed completed success";

/// A failure that escalates.
const ESCALATED: Expected = Expected {
    events: &["NotificationCreated", "RemediationFailed"],
    counts: &[],
    notifications: &["nr-escalation-rr"],
    audit: &[FAILURE],
    conditions: &[READY_FAILED],
};

fn row(name: &str, path: Path, observation: Observation, judge: Fixed, expected: Expected) -> Row {
    Row { name: name.to_owned(), path, observation, judge, expected }
}

fn wish(intent: Intent, created: &[&str]) -> Fixed {
    Fixed { intent: Ok(intent), creations: Ok(create(created)), ..Fixed::default() }
}

fn fails(failure_phase: &str) -> Fixed {
    wish(failure(failure_phase), &["NotificationRequest:escalation"])
}

fn failure(failure_phase: &str) -> Intent {
    Intent { failure_phase: failure_phase.into(), reason: "it broke".into(), ..intent("fail") }
}

fn reviewed(failure_phase: &str) -> Fixed {
    let outcome = "ManualReviewRequired".to_owned();
    wish(Intent { outcome, manual_review: true, ..failure(failure_phase) }, &["NotificationRequest:manual-review"])
}

fn completes(outcome: Outcome, created: &[&str]) -> Fixed {
    let manual_review = outcome == Outcome::ManualReviewRequired;
    wish(Intent { outcome: outcome.name().into(), manual_review, ..intent("complete") }, created)
}

fn analysis(phase: &str, change: impl FnOnce(&mut crate::observation::Analysis)) -> Observation {
    let mut observation = with_child(analyzed(false), ChildKind::AIAnalysis, phase, &json!({"phase": phase}));
    change(observation.facts.analysis.as_mut().unwrap());
    observation
}

fn assessed(reason: &str) -> Observation {
    let assessment = Assessment { phase: "Completed".into(), reason: reason.into(), ..Assessment::default() };
    executed(Phase::Verifying, "Completed", Some(assessment))
}

/// A remediation in this phase as it can be, without anything that ends it.
fn at_work(phase: Phase) -> Observation {
    match phase {
        Phase::AwaitingApproval => awaiting(""),
        Phase::Executing => executed(phase, "Running", None),
        Phase::Verifying => executed(phase, "Completed", None),
        _ => in_phase(phase),
    }
}

fn overdue(mut observation: Observation, phase: &str, on_expiry: &str) -> (Observation, Fixed) {
    (observation.now, observation.is_live) = (START.plus(Span::from_secs(4000)), true);
    let deadline = Deadline {
        phase: phase.into(),
        at: START.plus(Span::from_secs(3600)),
        on_expiry: on_expiry.into(),
        duration: Span::from_secs(3600),
        notice: None,
        attributes: Vec::new(),
    };
    let schedule = Schedule { deadlines: vec![deadline], ..schedule() };
    (observation, Fixed { schedule: Ok(schedule), ..Fixed::default() })
}

pub(super) fn rows() -> Vec<Row> {
    [
        before_an_execution(),
        approvals(),
        executions(),
        inheritances(),
        analyses(),
        verifications(),
        hosts(),
        timeouts(),
        others(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn before_an_execution() -> Vec<Row> {
    let failed = |from| (from, Phase::Failed, None);
    let processed = |phase| with_child(in_phase(Phase::Processing), ChildKind::SignalProcessing, phase, &json!({}));
    let asked = |phase| analysis(phase, |analysis| analysis.needs_human_review = true);
    let review = |events: &'static [&'static str], conditions: &'static [&'static str]| Expected {
        events,
        counts: &[],
        notifications: &["nr-manual-review-rr"],
        audit: &[FAILURE],
        conditions,
    };
    let plain = &["NotificationCreated", "RemediationFailed"][..];
    let escalated = &["NotificationCreated", "EscalatedToManualReview", "RemediationFailed"][..];
    let analysis_failed = &["AIAnalysisComplete False AIAnalysisFailed", READY_FAILED][..];
    let analysis_done = &["AIAnalysisComplete True AIAnalysisSucceeded", READY_FAILED][..];
    let signal_failed = &[READY_FAILED, "SignalProcessingComplete False SignalProcessingFailed"][..];
    vec![
        row("Pending fails", failed(Phase::Pending), in_phase(Phase::Pending), fails("SignalProcessing"), ESCALATED),
        row(
            "T5",
            failed(Phase::Processing),
            processed("Failed"),
            fails("SignalProcessing"),
            Expected { conditions: signal_failed, ..ESCALATED },
        ),
        row("T6", failed(Phase::Processing), in_phase(Phase::Processing), fails("SignalProcessing"), ESCALATED),
        row(
            "T12",
            failed(Phase::Analyzing),
            analysis("Completed", |analysis| analysis.remediation_target = None),
            reviewed("AIAnalysis"),
            review(escalated, analysis_done),
        ),
        row(
            "T16",
            failed(Phase::Analyzing),
            asked("Failed"),
            reviewed("AIAnalysis"),
            review(escalated, analysis_failed),
        ),
        row(
            "T17",
            failed(Phase::Analyzing),
            analysis("Failed", |analysis| analysis.reason = "WorkflowResolutionFailed".into()),
            reviewed("AIAnalysis"),
            review(plain, analysis_failed),
        ),
        row(
            "T18",
            failed(Phase::Analyzing),
            analysis("Failed", |analysis| analysis.reason = "APIError".into()),
            reviewed("AIAnalysis"),
            review(plain, analysis_failed),
        ),
        row(
            "T32, its time is up",
            failed(Phase::Blocked),
            blocked(BlockReason::ConsecutiveFailures, Phase::Pending),
            fails("Blocked"),
            Expected { conditions: &["Ready False RemediationBlocked"], ..ESCALATED },
        ),
    ]
}

fn approvals() -> Vec<Row> {
    let path = (Phase::AwaitingApproval, Phase::Failed, None);
    let late = |decision| {
        let mut observation = awaiting(decision);
        observation.now = START.plus(Span::from_secs(1000));
        observation
    };
    let expired = || Expected {
        events: &["ApprovalExpired", "NotificationCreated", "RemediationFailed"],
        counts: &["approval Expired"],
        audit: &["approval.rejected expired failure", FAILURE],
        ..ESCALATED
    };
    vec![
        row(
            "T21",
            path,
            decided_by_a_person("Approved"),
            fails("Approval"),
            Expected {
                events: &["ApprovalGranted", "NotificationCreated", "RemediationFailed"],
                counts: &["approval Approved"],
                audit: &["approval.approved approved success", FAILURE],
                ..ESCALATED
            },
        ),
        row(
            "T22",
            path,
            decided_by_a_person("Rejected"),
            fails("Approval"),
            Expected {
                events: &["ApprovalRejected", "NotificationCreated", "RemediationFailed"],
                counts: &["approval Rejected"],
                audit: &["approval.rejected rejected failure", FAILURE],
                ..ESCALATED
            },
        ),
        row("T23, nobody has closed it", path, late(""), fails("Approval"), expired()),
        row("T23, somebody has closed it", path, late("Expired"), fails("Approval"), expired()),
    ]
}

fn decided_by_a_person(decision: &str) -> Observation {
    let status = json!({"decision": decision, "decidedBy": "anna", "decidedAt": START.to_string()});
    with_child(awaiting(decision), ChildKind::RemediationApprovalRequest, decision, &status)
}

fn executions() -> Vec<Row> {
    let path = (Phase::Executing, Phase::Failed, None);
    let mut gone = executed(Phase::Executing, "", None);
    for child in gone.children.iter_mut().filter(|child| child.kind == ChildKind::WorkflowExecution) {
        child.found = false;
    }
    let failed = failure("WorkflowExecution");
    vec![
        row(
            "T28",
            path,
            executed(Phase::Executing, "Failed", None),
            wish(failed, &["NotificationRequest:manual-review"]),
            Expected {
                notifications: &["nr-manual-review-rr"],
                conditions: &[READY_FAILED, "WorkflowExecutionComplete False WorkflowFailed"],
                ..ESCALATED
            },
        ),
        row("T29", path, gone, fails("WorkflowExecution"), ESCALATED),
    ]
}

/// Ends that another object has come to.
fn inheritances() -> Vec<Row> {
    let inherited = |source: &str, to: Phase| {
        let notice = if to == Phase::Completed { "completion" } else { "escalation" };
        wish(inherit(source, to), &[&format!("NotificationRequest:{notice}")])
    };
    let duplicate = |phase| {
        let observation = blocked(BlockReason::DuplicateInProgress, Phase::Pending);
        awaiting_object(observation, "RemediationRequest", "rr-0", phase)
    };
    let completed = || Expected {
        events: &["NotificationCreated", "InheritedCompleted"],
        counts: &[],
        notifications: &["nr-completion-rr"],
        audit: &[SUCCESS],
        conditions: &["Ready True Ready"],
    };
    let failed = || Expected { events: &["NotificationCreated", "InheritedFailed"], ..ESCALATED };
    let remediated = Some(Outcome::Remediated);
    let mut rows = vec![
        row(
            "T26",
            (Phase::Executing, Phase::Completed, remediated),
            deduplicated(Some("Completed")),
            inherited("we-other", Phase::Completed),
            completed(),
        ),
        row(
            "T32, the original has completed",
            (Phase::Blocked, Phase::Completed, remediated),
            duplicate(Some("Completed")),
            inherited("rr-0", Phase::Completed),
            completed(),
        ),
    ];
    for (how, phase) in [("has failed", Some("Failed")), ("is gone", None)] {
        rows.push(row(
            &format!("T27, it {how}"),
            (Phase::Executing, Phase::Failed, None),
            deduplicated(phase),
            inherited("we-other", Phase::Failed),
            failed(),
        ));
        rows.push(row(
            &format!("T32, the original {how}"),
            (Phase::Blocked, Phase::Failed, None),
            duplicate(phase),
            inherited("rr-0", Phase::Failed),
            failed(),
        ));
    }
    rows
}

fn analyses() -> Vec<Row> {
    let done = |outcome| (Phase::Analyzing, Phase::Completed, Some(outcome));
    let ended = |events, counts, notifications, conditions| Expected {
        events,
        counts,
        notifications,
        audit: &[SUCCESS],
        conditions,
    };
    let review = completes(Outcome::ManualReviewRequired, &["NotificationRequest:manual-review"]);
    let asked = |phase| analysis(phase, |analysis| analysis.needs_human_review = true);
    vec![
        row(
            "T7",
            done(Outcome::NoActionRequired),
            analysis("Completed", |analysis| analysis.sub_reason = "ProblemResolved".into()),
            completes(Outcome::NoActionRequired, &[]),
            ended(
                &["RemediationCompleted"],
                &["no action ProblemResolved"],
                &[],
                &["AIAnalysisComplete True AIAnalysisSucceeded", "Ready True NoActionRequired"],
            ),
        ),
        row(
            "T8",
            done(Outcome::ManualReviewRequired),
            asked("Completed"),
            review.clone(),
            ended(
                &["NotificationCreated", "RemediationCompleted"],
                &["no action manual_review"],
                &["nr-manual-review-rr"],
                &["AIAnalysisComplete True AIAnalysisSucceeded", "Ready True ManualReviewRequired"],
            ),
        ),
        row(
            "T9",
            done(Outcome::DryRun),
            analysis("Completed", |_| {}),
            completes(Outcome::DryRun, &[]),
            ended(
                &["DryRunCompleted"],
                &["no action DryRun"],
                &[],
                &["AIAnalysisComplete True AIAnalysisSucceeded", "Ready True DryRun"],
            ),
        ),
        row(
            "T15",
            done(Outcome::ManualReviewRequired),
            asked("Failed"),
            review,
            ended(
                &["NotificationCreated", "EscalatedToManualReview", "RemediationCompleted"],
                &["no action manual_review"],
                &["nr-manual-review-rr"],
                &["AIAnalysisComplete False AIAnalysisFailed", "Ready True ManualReviewRequired"],
            ),
        ),
    ]
}

fn verifications() -> Vec<Row> {
    let done = |outcome| (Phase::Verifying, Phase::Completed, Some(outcome));
    let verified = |audit: &'static [&'static str], conditions: &'static [&'static str]| Expected {
        events: &["NotificationCreated"],
        counts: &[],
        notifications: &["nr-completion-rr"],
        audit,
        conditions,
    };
    let completed = &["lifecycle.verification_completed completed success", SUCCESS][..];
    let in_full = &["EffectivenessAssessed True AssessmentCompleted"][..];
    let completion = &["NotificationRequest:completion"][..];
    let unfinished = Assessment { phase: "Assessing".into(), ..Assessment::default() };
    vec![
        row(
            "T30",
            done(Outcome::Remediated),
            assessed("Full"),
            completes(Outcome::Remediated, completion),
            verified(completed, in_full),
        ),
        row(
            "T30, in vain",
            done(Outcome::Inconclusive),
            assessed("Full"),
            completes(Outcome::Inconclusive, completion),
            verified(completed, in_full),
        ),
        row(
            "T31",
            done(Outcome::VerificationTimedOut),
            executed(Phase::Verifying, "Completed", Some(unfinished)),
            completes(Outcome::VerificationTimedOut, completion),
            verified(&["lifecycle.verification_timed_out expired failure", SUCCESS], &[]),
        ),
    ]
}

/// Ends that the host itself makes.
fn hosts() -> Vec<Row> {
    let failed = |from| (from, Phase::Failed, None);
    let mut misconfigured = in_phase(Phase::Processing);
    misconfigured.overrides_fault = Some("ERR_INVALID_TIMEOUT_CONFIG: global is \"-1h\"".into());
    let broken = Fixed { intent: Err(FaultReason::Trap), strategy: FailStrategy::Fail, ..Fixed::default() };
    let done = |observation: Observation, kind| {
        let mut observation = with_child(observation, kind, "Completed", &json!({"phase": "Completed"}));
        observation.children.last_mut().unwrap().finished_at = Some(START);
        observation
    };
    let (left, silent) =
        overdue(done(in_phase(Phase::Processing), ChildKind::SignalProcessing), "Processing", "time-out");
    let (unverified, mute) = overdue(assessed("Full"), "Verifying", "time-out");
    let (failing, strict) = overdue(at_work(Phase::Executing), "Executing", "fail");
    vec![
        row("the budgets are broken", failed(Phase::Processing), misconfigured, Fixed::default(), ESCALATED),
        row("the policy is broken", failed(Phase::Analyzing), in_phase(Phase::Analyzing), broken, ESCALATED),
        row(
            "the policy stays",
            failed(Phase::Processing),
            left,
            Fixed { intent: Ok(stay()), ..silent },
            Expected {
                conditions: &[READY_FAILED, "SignalProcessingComplete True SignalProcessingSucceeded"],
                ..ESCALATED
            },
        ),
        row(
            "the policy stays in Verifying",
            (Phase::Verifying, Phase::Completed, Some(Outcome::VerificationTimedOut)),
            unverified,
            Fixed { intent: Ok(stay()), ..mute },
            Expected {
                events: &["NotificationCreated"],
                counts: &[],
                notifications: &["nr-completion-rr"],
                audit: &["lifecycle.verification_timed_out expired failure", SUCCESS],
                conditions: &["EffectivenessAssessed True AssessmentCompleted"],
            },
        ),
        row(
            "a deadline that fails",
            failed(Phase::Executing),
            failing,
            strict,
            Expected { events: &["RemediationFailed", "NotificationCreated"], ..ESCALATED },
        ),
    ]
}

fn timeouts() -> Vec<Row> {
    let mut rows = Vec::new();
    for phase in Phase::ALL.into_iter().filter(|phase| is_edge(*phase, Move::TimeOut, Phase::TimedOut)) {
        let path = (phase, Phase::TimedOut, None);
        let (is_asked, name) = (phase == Phase::AwaitingApproval, phase.name());
        let counts: &'static [&'static str] = match phase {
            Phase::Pending => &["timeout Pending"],
            Phase::Processing => &["timeout Processing"],
            Phase::Analyzing => &["timeout Analyzing"],
            Phase::AwaitingApproval => &["timeout AwaitingApproval", "approval Expired"],
            Phase::Executing => &["timeout Executing"],
            Phase::Verifying => &["timeout Verifying"],
            _ => &["timeout Blocked"],
        };
        let (observation, judge) = overdue(at_work(phase), "Global", "time-out");
        let expected = Expected {
            events: if is_asked {
                &["ApprovalExpired", "RemediationTimeout", "NotificationCreated"]
            } else {
                &["RemediationTimeout", "NotificationCreated"]
            },
            counts,
            notifications: &["timeout-rr"],
            audit: if is_asked { &["approval.rejected expired failure", FAILURE] } else { &[FAILURE] },
            conditions: &[READY_TIMED_OUT],
        };
        rows.push(row(&format!("T33 in {name}"), path, observation, judge, expected));
        let (observation, judge) = overdue(at_work(phase), name, "time-out");
        let expected = Expected {
            events: if is_asked { &["ApprovalExpired", "RemediationTimeout"] } else { &["RemediationTimeout"] },
            counts,
            notifications: match phase {
                Phase::Pending => &["phase-timeout-pending-rr"],
                Phase::Processing => &["phase-timeout-processing-rr"],
                Phase::Analyzing => &["phase-timeout-analyzing-rr"],
                Phase::AwaitingApproval => &["phase-timeout-awaitingapproval-rr"],
                Phase::Executing => &["phase-timeout-executing-rr"],
                Phase::Verifying => &["phase-timeout-verifying-rr"],
                _ => &["phase-timeout-blocked-rr"],
            },
            audit: if is_asked { &["approval.rejected expired failure", FAILURE] } else { &[FAILURE] },
            conditions: &[READY_TIMED_OUT],
        };
        rows.push(row(&format!("T34 in {name}"), path, observation, judge, expected));
    }
    rows
}

/// Ends that others write: nobody but they tells of them; what is left to do is done.
fn others() -> Vec<Row> {
    let mut rows = Vec::new();
    for (to, conditions) in
        [(Phase::Cancelled, &["Ready False NotReady"][..]), (Phase::Skipped, &["Ready True Ready"][..])]
    {
        for from in Phase::ALL.into_iter().filter(|phase| !phase.is_terminal()) {
            let mut observation = at_work(from);
            observation.phase = Some(to);
            observation.phases.push((to, observation.now));
            let expected = Expected { events: &[], counts: &[], notifications: &[], audit: &[], conditions };
            rows.push(row(&format!("{to} in {from}"), (from, to, None), observation, Fixed::default(), expected));
        }
    }
    rows
}
