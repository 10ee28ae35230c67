//! Every row of the peer's transition list that this policy decides; names begin with the row.

use super::*;
use crate::fixtures::{HOUR, MINUTE, analysis_in, child, in_phase, with};
use trimtab_policy_sdk::fact::{AnalysisFacts, ApprovalFacts, AssessmentFacts, ExecutionFacts, WorkflowOverrideFacts};
use trimtab_policy_sdk::{Child, FakeFacts, Target, failure_phases, intents, kinds, outcomes};

fn intent(facts: &FakeFacts, observation: &Observation, expired: &[&str]) -> Intent {
    let expired: Vec<String> = expired.iter().map(ToString::to_string).collect();
    let intent = decide(facts, observation, &expired, &Config::default());
    assert!(!intent.why.rule.is_empty() && !intent.why.text.is_empty(), "every answer says why: {intent:?}");
    assert!(intent.why.rule.len() <= 63 && intent.why.rule.chars().all(|c| c.is_ascii_alphanumeric()));
    intent
}

fn plain(observation: &Observation) -> Intent {
    intent(&FakeFacts::default(), observation, &[])
}

fn analysis(observation: &Observation, facts: AnalysisFacts) -> Intent {
    intent(&FakeFacts { analysis: Some(facts), ..FakeFacts::default() }, observation, &[])
}

fn selected() -> AnalysisFacts {
    AnalysisFacts {
        reason: "AnalysisCompleted".to_owned(),
        workflow_id: "restart-v1".to_owned(),
        confidence: 0.92,
        remediation_target: Some(Target { kind: "Deployment".to_owned(), name: "web".to_owned(), ..Target::default() }),
        ..AnalysisFacts::default()
    }
}

fn text(value: &str) -> String {
    value.to_owned()
}

fn assert_advances(intent: &Intent, phase: &str) {
    assert_eq!((intent.kind.as_str(), intent.target_phase.as_str()), (intents::ADVANCE, phase), "{intent:?}");
}

fn assert_stays(intent: &Intent, rule: &str) {
    assert_eq!((intent.kind.as_str(), intent.why.rule.as_str()), (intents::STAY, rule), "{intent:?}");
    assert_eq!(intent.until, None, "a change or a deadline wakes the host; no polling");
}

fn assert_completes(intent: &Intent, outcome: &str) {
    assert_eq!((intent.kind.as_str(), intent.outcome.as_str()), (intents::COMPLETE, outcome), "{intent:?}");
}

fn assert_fails(intent: &Intent, phase: &str, reason: &str) {
    assert_eq!(
        (intent.kind.as_str(), intent.failure_phase.as_str(), intent.reason.as_str()),
        (intents::FAIL, phase, reason),
        "{intent:?}"
    );
}

fn assert_fails_for_review(intent: &Intent, reason: &str) {
    assert_fails(intent, failure_phases::AI_ANALYSIS, reason);
    assert_eq!(intent.outcome, outcomes::MANUAL_REVIEW_REQUIRED);
    assert!(intent.manual_review);
}

#[test]
fn t2_pending_goes_on_to_processing() {
    assert_advances(&plain(&in_phase(phases::PENDING)), phases::PROCESSING);
}

#[test]
fn t4_a_completed_signal_processing_leads_to_the_analysis() {
    let observation = with(in_phase(phases::PROCESSING), child(kinds::SIGNAL_PROCESSING, "Completed"));
    assert_advances(&plain(&observation), phases::ANALYZING);
}

#[test]
fn t5_a_failed_signal_processing_fails() {
    let observation = with(in_phase(phases::PROCESSING), child(kinds::SIGNAL_PROCESSING, "Failed"));
    assert_fails(&plain(&observation), failure_phases::SIGNAL_PROCESSING, "SignalProcessing failed");
}

#[test]
fn t6_processing_without_a_signal_processing_fails() {
    let intent = plain(&in_phase(phases::PROCESSING));
    assert_fails(&intent, failure_phases::SIGNAL_PROCESSING, "SignalProcessing not found");
}

#[test]
fn a_child_at_work_or_gone_for_a_moment_is_waited_for() {
    for phase in ["", "Pending", "Enriching", "Classifying", "Categorizing", "SomethingNew"] {
        let observation = with(in_phase(phases::PROCESSING), child(kinds::SIGNAL_PROCESSING, phase));
        assert_stays(&plain(&observation), "SignalProcessingAtWork");
    }
    let gone = Child { found: false, ..child(kinds::SIGNAL_PROCESSING, "Completed") };
    assert_stays(&plain(&with(in_phase(phases::PROCESSING), gone)), "SignalProcessingGone");
    for phase in ["", "Pending", "Investigating", "Analyzing"] {
        assert_stays(&plain(&analysis_in(phase)), "AnalysisAtWork");
    }
    let gone = Child { found: false, ..child(kinds::AI_ANALYSIS, "Completed") };
    assert_stays(&plain(&with(in_phase(phases::ANALYZING), gone)), "AnalysisGone");
    assert_stays(&plain(&in_phase(phases::ANALYZING)), "AnalysisGone");
    for phase in ["", "Pending", "Running"] {
        let observation = with(in_phase(phases::EXECUTING), child(kinds::WORKFLOW_EXECUTION, phase));
        assert_stays(&plain(&observation), "WorkflowExecutionAtWork");
    }
    for phase in ["", "Pending", "WaitingForPropagation", "Stabilizing", "Assessing"] {
        let observation = with(in_phase(phases::VERIFYING), child(kinds::EFFECTIVENESS_ASSESSMENT, phase));
        assert_stays(&plain(&observation), "AssessmentAtWork");
    }
    assert_stays(&plain(&in_phase(phases::VERIFYING)), "AssessmentGone");
    for phase in [phases::COMPLETED, phases::FAILED, phases::TIMED_OUT, "SomethingNew"] {
        assert_stays(&plain(&in_phase(phase)), "NothingToDecide");
    }
    assert_stays(&plain(&Observation::default()), "NotStarted");
}

#[test]
fn t7_no_workflow_needed_completes_without_action_for_a_day() {
    let observation = analysis_in("Completed");
    let facts = AnalysisFacts {
        reason: text("WorkflowNotNeeded"),
        sub_reason: text("ProblemResolved"),
        message: text("problem resolved by itself"),
        needs_human_review: true,
        ..selected()
    };
    let intent = analysis(&observation, facts);
    assert_completes(&intent, outcomes::NO_ACTION_REQUIRED);
    assert_eq!(intent.message, "problem resolved by itself");
    assert_eq!(intent.next_allowed_at, Some(observation.now + 24 * HOUR));
    assert!(!intent.manual_review);
}

#[test]
fn t7_no_delay_means_no_limit() {
    let mut config = Config::default();
    config.routing.no_action_required_delay = trimtab_policy_sdk::GoDuration::ZERO;
    let facts = AnalysisFacts { reason: text("WorkflowNotNeeded"), ..AnalysisFacts::default() };
    let facts = FakeFacts { analysis: Some(facts), ..FakeFacts::default() };
    assert_eq!(decide(&facts, &analysis_in("Completed"), &[], &config).next_allowed_at, None);
}

#[test]
fn t8_and_t15_a_review_without_a_workflow_completes_for_a_person() {
    for phase in ["Completed", "Failed"] {
        let observation = analysis_in(phase);
        let facts = AnalysisFacts {
            needs_human_review: true,
            human_review_reason: text("no_matching_workflows"),
            message: text("nothing fits"),
            ..AnalysisFacts::default()
        };
        let intent = analysis(&observation, facts);
        assert_completes(&intent, outcomes::MANUAL_REVIEW_REQUIRED);
        assert!(intent.manual_review);
        assert_eq!(intent.message, "nothing fits");
        assert_eq!(intent.next_allowed_at, Some(observation.now + 24 * HOUR));
    }
}

fn marked(observation: Observation, value: &str) -> Observation {
    let mark = trimtab_policy_sdk::Attribute { key: "trimtab.dev/dry-run".to_owned(), value: value.to_owned() };
    Observation { attributes: vec![mark], ..observation }
}

#[test]
fn t9_a_dry_run_completes_before_an_execution_or_an_approval() {
    let dry = Config { dry_run: true, ..Config::default() };
    let plain = analysis_in("Completed");
    for (observation, config, is_dry) in [
        (plain.clone(), dry.clone(), true),
        (marked(plain.clone(), "true"), Config::default(), true),
        (marked(plain.clone(), "false"), Config::default(), false),
        (marked(plain.clone(), "false"), dry.clone(), true),
        (plain, Config::default(), false),
    ] {
        for approval_required in [false, true] {
            let facts = AnalysisFacts { approval_required, ..selected() };
            let facts = FakeFacts { analysis: Some(facts), ..FakeFacts::default() };
            let intent = decide(&facts, &observation, &[], &config);
            assert_eq!(intent.outcome == outcomes::DRY_RUN, is_dry, "{intent:?}");
            if is_dry {
                assert_completes(&intent, outcomes::DRY_RUN);
                assert_eq!(intent.next_allowed_at, Some(observation.now + HOUR));
                assert!(!intent.manual_review && intent.why.text.contains("restart-v1"));
            }
        }
    }
}

#[test]
fn t9_a_dry_run_comes_after_what_needs_no_workflow_and_after_a_review() {
    let dry = Config { dry_run: true, ..Config::default() };
    let outcome = |facts: AnalysisFacts, phase: &str| {
        let facts = FakeFacts { analysis: Some(facts), ..FakeFacts::default() };
        decide(&facts, &analysis_in(phase), &[], &dry).outcome
    };
    let not_needed = AnalysisFacts { reason: text("WorkflowNotNeeded"), ..selected() };
    assert_eq!(outcome(not_needed, "Completed"), outcomes::NO_ACTION_REQUIRED);
    let review = AnalysisFacts { needs_human_review: true, ..AnalysisFacts::default() };
    assert_eq!(outcome(review, "Completed"), outcomes::MANUAL_REVIEW_REQUIRED);
    assert_eq!(outcome(selected(), "Failed"), outcomes::MANUAL_REVIEW_REQUIRED, "a failure is a failure");
    let incomplete = AnalysisFacts { workflow_incomplete: text("version"), remediation_target: None, ..selected() };
    assert_eq!(outcome(incomplete, "Completed"), outcomes::DRY_RUN, "nothing would be executed anyway");
}

#[test]
fn t9_the_hold_of_a_dry_run_is_configured() {
    let hold = trimtab_policy_sdk::GoDuration::from_hours(168);
    let dry = Config { dry_run: true, dry_run_hold_period: hold, ..Config::default() };
    let facts = FakeFacts { analysis: Some(selected()), ..FakeFacts::default() };
    let observation = analysis_in("Completed");
    let intent = decide(&facts, &observation, &[], &dry);
    assert_eq!(intent.next_allowed_at, Some(observation.now + 168 * HOUR));
}

#[test]
fn t10_an_analysis_that_needs_approval_asks_a_person() {
    let facts =
        AnalysisFacts { approval_required: true, approval_reason: text("production environment"), ..selected() };
    let intent = analysis(&analysis_in("Completed"), facts.clone());
    assert_advances(&intent, phases::AWAITING_APPROVAL);
    assert!(
        intent.why.text.contains("production environment") && intent.why.text.contains("92 %"),
        "{}",
        intent.why.text
    );
    let without_target = AnalysisFacts { remediation_target: None, ..facts };
    assert_advances(&analysis(&analysis_in("Completed"), without_target), phases::AWAITING_APPROVAL);
}

#[test]
fn t11_a_complete_analysis_leads_to_the_execution() {
    assert_advances(&analysis(&analysis_in("Completed"), selected()), phases::EXECUTING);
    let reviewed = AnalysisFacts { needs_human_review: true, ..selected() };
    assert_advances(&analysis(&analysis_in("Completed"), reviewed), phases::EXECUTING);
}

#[test]
fn t12_an_analysis_without_a_target_fails_for_review() {
    for target in [None, Some(Target::default()), Some(Target { kind: text("Deployment"), ..Target::default() })] {
        let facts = AnalysisFacts { remediation_target: target, ..selected() };
        let intent = analysis(&analysis_in("Completed"), facts);
        assert_fails_for_review(
            &intent,
            "the analysis names no object to be healed (remediationTarget with kind and name)",
        );
        assert_eq!(intent.why.rule, "RemediationTargetMissing");
    }
}

#[test]
fn q13_a_workflow_that_cannot_run_fails_at_once_and_names_the_field() {
    for approval_required in [false, true] {
        let lacking = AnalysisFacts { workflow_incomplete: text("executionBundle"), approval_required, ..selected() };
        let intent = analysis(&analysis_in("Completed"), lacking);
        assert_fails(&intent, failure_phases::AI_ANALYSIS, "the selected workflow lacks executionBundle");
        assert!(!intent.manual_review);
        let missing = AnalysisFacts { workflow_id: String::new(), approval_required, ..selected() };
        let intent = analysis(&analysis_in("Completed"), missing);
        assert_fails(&intent, failure_phases::AI_ANALYSIS, "the analysis completed without a selected workflow");
    }
}

#[test]
fn t15_a_failed_analysis_that_asks_for_a_person_completes_only_without_a_workflow() {
    let asks = AnalysisFacts { needs_human_review: true, human_review_reason: text("rca_incomplete"), ..selected() };
    assert_eq!(analysis(&analysis_in("Failed"), asks.clone()).kind, intents::FAIL, "T16: it has selected one");
    let incomplete = AnalysisFacts { workflow_id: String::new(), workflow_incomplete: text("version"), ..asks.clone() };
    assert_eq!(analysis(&analysis_in("Failed"), incomplete).kind, intents::FAIL, "T16: a part of one is one");
    let without = AnalysisFacts { workflow_id: String::new(), ..asks };
    assert_completes(&analysis(&analysis_in("Failed"), without), outcomes::MANUAL_REVIEW_REQUIRED);
}

#[test]
fn t16_t17_t18_a_failed_analysis_fails_for_review_with_its_message() {
    let cases = [
        (AnalysisFacts { needs_human_review: true, ..selected() }, "AnalysisNeedsHumanReview"),
        (AnalysisFacts { reason: text("WorkflowResolutionFailed"), ..selected() }, "WorkflowResolutionFailed"),
        (AnalysisFacts { reason: text("APIError"), ..selected() }, "AnalysisFailed"),
    ];
    for (facts, rule) in cases {
        let facts = AnalysisFacts { message: text("model unreachable"), ..facts };
        let intent = analysis(&analysis_in("Failed"), facts);
        assert_fails_for_review(&intent, "AIAnalysis failed: model unreachable");
        assert_eq!(intent.why.rule, rule);
    }
    let silent = AnalysisFacts { reason: text("APIError"), ..AnalysisFacts::default() };
    assert_fails_for_review(&analysis(&analysis_in("Failed"), silent), "AIAnalysis failed: APIError");
}

fn approval(decision: &str, facts: &FakeFacts, expired: &[&str]) -> Intent {
    let request = child(kinds::REMEDIATION_APPROVAL_REQUEST, decision);
    intent(facts, &with(in_phase(phases::AWAITING_APPROVAL), request), expired)
}

#[test]
fn t19_an_approval_leads_to_the_execution() {
    let facts = ApprovalFacts { decided_by: text("ann@example.test"), ..ApprovalFacts::default() };
    let facts = FakeFacts { approval: Some(facts), ..FakeFacts::default() };
    let intent = approval("Approved", &facts, &[]);
    assert_advances(&intent, phases::EXECUTING);
    assert!(intent.why.text.contains("ann@example.test"));
}

#[test]
fn t19_an_approval_with_another_workflow_leads_to_the_execution() {
    let chosen = WorkflowOverrideFacts {
        workflow_name: text("rollback"),
        found: true,
        replaces_parameters: true,
        ..WorkflowOverrideFacts::default()
    };
    let intent = approval("Approved", &FakeFacts { workflow_override: Some(chosen), ..FakeFacts::default() }, &[]);
    assert_advances(&intent, phases::EXECUTING);
    assert_eq!(intent.why.rule, "ApprovedWithOverride");
}

#[test]
fn t21_an_approval_of_a_workflow_that_does_not_exist_fails_and_names_it() {
    let chosen = WorkflowOverrideFacts { workflow_name: text("rollback"), ..WorkflowOverrideFacts::default() };
    let intent = approval("Approved", &FakeFacts { workflow_override: Some(chosen), ..FakeFacts::default() }, &[]);
    let reason = "RemediationWorkflow rollback was named in the approval and does not exist";
    assert_fails(&intent, failure_phases::APPROVAL, reason);
}

#[test]
fn t21_an_approval_of_a_workflow_that_cannot_run_fails_and_names_what_it_lacks() {
    let incomplete = text("executionBundle");
    let chosen = WorkflowOverrideFacts {
        workflow_name: text("rollback"),
        found: true,
        incomplete,
        ..WorkflowOverrideFacts::default()
    };
    let intent = approval("Approved", &FakeFacts { workflow_override: Some(chosen), ..FakeFacts::default() }, &[]);
    let reason = "RemediationWorkflow rollback was named in the approval and has no executionBundle";
    assert_fails(&intent, failure_phases::APPROVAL, reason);
}

#[test]
fn t22_a_rejection_fails_with_the_persons_words() {
    let facts = ApprovalFacts { message: text("too risky"), ..ApprovalFacts::default() };
    let facts = FakeFacts { approval: Some(facts), ..FakeFacts::default() };
    assert_fails(&approval("Rejected", &facts, &[]), failure_phases::APPROVAL, "too risky");
    let silent = FakeFacts::default();
    assert_fails(&approval("Rejected", &silent, &[]), failure_phases::APPROVAL, "Rejected by operator");
}

#[test]
fn t23_an_expired_approval_fails() {
    let reason = "approval request expired (timeout)";
    let facts = FakeFacts::default();
    assert_fails(&approval("Expired", &facts, &[]), failure_phases::APPROVAL, reason);
    assert_fails(&approval("", &facts, &[phases::AWAITING_APPROVAL]), failure_phases::APPROVAL, reason);
    let gone = intent(&facts, &in_phase(phases::AWAITING_APPROVAL), &[phases::AWAITING_APPROVAL]);
    assert_fails(&gone, failure_phases::APPROVAL, reason);
}

#[test]
fn an_undecided_approval_waits_for_a_person() {
    assert_stays(&approval("", &FakeFacts::default(), &[]), "ApprovalPending");
    assert_stays(&plain(&in_phase(phases::AWAITING_APPROVAL)), "ApprovalRequestGone");
}

#[test]
fn a_persons_decision_wins_over_the_deadline_of_the_same_moment() {
    let expired = &[phases::AWAITING_APPROVAL];
    assert_advances(&approval("Approved", &FakeFacts::default(), expired), phases::EXECUTING);
    assert_eq!(approval("Rejected", &FakeFacts::default(), expired).reason, "Rejected by operator");
}

fn executing(phase: &str, facts: ExecutionFacts) -> Intent {
    let observation = with(in_phase(phases::EXECUTING), child(kinds::WORKFLOW_EXECUTION, phase));
    intent(&FakeFacts { execution: Some(facts), ..FakeFacts::default() }, &observation, &[])
}

#[test]
fn t24_a_completed_execution_is_verified() {
    let intent = executing("Completed", ExecutionFacts::default());
    assert_eq!(intent.kind, intents::VERIFY);
}

#[test]
fn q18_in_executing_only_the_execution_counts() {
    let gone = |kind| Child { found: false, ..child(kind, "Completed") };
    let observation = with(in_phase(phases::EXECUTING), gone(kinds::SIGNAL_PROCESSING));
    let observation = with(with(observation, gone(kinds::AI_ANALYSIS)), child(kinds::WORKFLOW_EXECUTION, ""));
    assert_stays(&plain(&observation), "WorkflowExecutionAtWork");
}

#[test]
fn t28_a_failed_execution_fails_with_its_reason() {
    for (failure_reason, failure_code, expected) in [
        ("task restart failed", "TaskFailed", "WorkflowExecution failed: task restart failed"),
        ("", "OOMKilled", "WorkflowExecution failed: OOMKilled"),
        ("", "", "WorkflowExecution failed"),
    ] {
        let facts = ExecutionFacts {
            failure_reason: text(failure_reason),
            failure_code: text(failure_code),
            ..ExecutionFacts::default()
        };
        assert_fails(&executing("Failed", facts), failure_phases::WORKFLOW_EXECUTION, expected);
    }
}

#[test]
fn t29_a_missing_execution_fails() {
    let reason = "WorkflowExecution not found";
    assert_fails(&plain(&in_phase(phases::EXECUTING)), failure_phases::WORKFLOW_EXECUTION, reason);
    let gone = Child { found: false, ..child(kinds::WORKFLOW_EXECUTION, "Running") };
    let intent = plain(&with(in_phase(phases::EXECUTING), gone));
    assert_fails(&intent, failure_phases::WORKFLOW_EXECUTION, reason);
}

fn verifying(phase: &str, alert_score: Option<f64>, expired: &[&str]) -> (Observation, Intent) {
    let observation = with(in_phase(phases::VERIFYING), child(kinds::EFFECTIVENESS_ASSESSMENT, phase));
    let facts = AssessmentFacts { alert_score, ..AssessmentFacts::default() };
    let intent = intent(&FakeFacts { assessment: Some(facts), ..FakeFacts::default() }, &observation, expired);
    (observation, intent)
}

#[test]
fn t30_an_assessment_completes_the_remediation_whatever_it_says() {
    for phase in ["Completed", "Failed"] {
        for (score, outcome) in [
            (None, outcomes::REMEDIATED),
            (Some(1.0), outcomes::REMEDIATED),
            (Some(0.01), outcomes::REMEDIATED),
            (Some(0.0), outcomes::INCONCLUSIVE),
        ] {
            let (observation, intent) = verifying(phase, score, &[phases::VERIFYING]);
            assert_completes(&intent, outcome);
            let wait = intent.next_allowed_at.map(|at| at - observation.now);
            assert_eq!(wait.is_some(), outcome == outcomes::INCONCLUSIVE);
            assert!(wait.is_none_or(|wait| (MINUTE..=MINUTE * 11 / 10).contains(&wait)));
        }
    }
}

#[test]
fn t30_an_inconclusive_end_counts_as_a_failure_and_waits_until_the_threshold() {
    for (carried, minutes) in [(0, Some(1)), (1, Some(2)), (2, None)] {
        let observation = with(in_phase(phases::VERIFYING), child(kinds::EFFECTIVENESS_ASSESSMENT, "Completed"));
        let observation = Observation { consecutive_failures: carried, ..observation };
        let facts = AssessmentFacts { alert_score: Some(0.0), ..AssessmentFacts::default() };
        let intent = intent(&FakeFacts { assessment: Some(facts), ..FakeFacts::default() }, &observation, &[]);
        assert_completes(&intent, outcomes::INCONCLUSIVE);
        assert_eq!(intent.next_allowed_at.is_some(), minutes.is_some(), "{carried} failures carried");
    }
}

#[test]
fn t30_a_failed_assessment_that_did_not_look_counts_as_done() {
    let (_, intent) = verifying("Failed", None, &[]);
    assert_completes(&intent, outcomes::REMEDIATED);
    assert_eq!(intent.why.rule, "SignalNotAssessed");
}

#[test]
fn t31_a_late_assessment_completes_as_timed_out() {
    assert_completes(&verifying("Assessing", None, &[phases::VERIFYING]).1, outcomes::VERIFICATION_TIMED_OUT);
    let gone = intent(&FakeFacts::default(), &in_phase(phases::VERIFYING), &[phases::VERIFYING]);
    assert_completes(&gone, outcomes::VERIFICATION_TIMED_OUT);
}

#[test]
fn a_deadline_of_another_phase_decides_nothing() {
    assert_stays(&verifying("Assessing", None, &[phases::AWAITING_APPROVAL, phases::GLOBAL]).1, "AssessmentAtWork");
    assert_stays(&approval("", &FakeFacts::default(), &[phases::VERIFYING]), "ApprovalPending");
}

#[test]
fn every_failure_waits_before_the_next_remediation_until_the_threshold() {
    let failed = with(in_phase(phases::PROCESSING), child(kinds::SIGNAL_PROCESSING, "Failed"));
    for (carried, minutes) in [(0, Some(1)), (1, Some(2)), (2, None), (7, None)] {
        let observation = Observation { consecutive_failures: carried, ..failed.clone() };
        let wait = plain(&observation).next_allowed_at.map(|at| at - observation.now);
        assert_eq!(wait.is_some(), minutes.is_some(), "{carried} failures carried");
        let length = minutes.unwrap_or_default() * MINUTE;
        assert!(wait.is_none_or(|wait| wait >= MINUTE && wait.abs_diff(length) <= length / 10));
    }
}

#[test]
fn the_same_observation_gives_the_same_answer() {
    let failed = with(in_phase(phases::PROCESSING), child(kinds::SIGNAL_PROCESSING, "Failed"));
    assert_eq!(plain(&failed), plain(&failed));
    let other_seed = Observation { seed: 43, ..failed.clone() };
    assert_ne!(plain(&failed).next_allowed_at, plain(&other_seed).next_allowed_at);
}
