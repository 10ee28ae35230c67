//! Analyzing: the cause is searched and a workflow selected.

use trimtab_policy_sdk::fact::AnalysisFacts;
use trimtab_policy_sdk::{
    Explanation, Facts, GoDuration, Intent, Observation, attributes, child, child_phases, failure_phases, kinds,
    outcomes, phases,
};

use super::{fail, first_of, percent, quiet_until, routing};
use crate::config::Config;

pub(super) fn decide<F: Facts>(facts: &F, observation: &Observation, config: &Config) -> Intent {
    let Some(child) = child(observation, kinds::AI_ANALYSIS).filter(|child| child.found) else {
        let text = "there is no AIAnalysis; Analyzing ends with its timeout unless it comes back";
        return Intent::stay(Explanation::new("AnalysisGone", text));
    };
    let has_ended = matches!(child.phase.as_str(), child_phases::COMPLETED | child_phases::FAILED);
    let Some(analysis) = has_ended.then(|| facts.analysis()).flatten() else {
        let at = if child.phase.is_empty() { "not begun" } else { child.phase.as_str() };
        return Intent::stay(Explanation::new("AnalysisAtWork", format!("AIAnalysis {} is {at}", child.name)));
    };
    if child.phase == child_phases::COMPLETED {
        completed(facts, observation, &analysis, config)
    } else {
        failed(observation, &analysis, config)
    }
}

fn completed<F: Facts>(facts: &F, observation: &Observation, analysis: &AnalysisFacts, config: &Config) -> Intent {
    if analysis.reason == "WorkflowNotNeeded" {
        return no_action(observation, analysis, config);
    }
    if analysis.needs_human_review && !selected(analysis) {
        return manual_review(observation, analysis, config);
    }
    if config.dry_run || is_marked_dry(observation) {
        return dry_run(observation, analysis, config);
    }
    let has_target =
        analysis.remediation_target.as_ref().is_some_and(|target| !target.kind.is_empty() && !target.name.is_empty());
    if !analysis.approval_required && !has_target {
        return target_missing(observation, config);
    }
    if let Some(fault) = workflow_fault(observation, analysis, config) {
        return fault;
    }
    if analysis.approval_required {
        let reason = first_of(&[&analysis.approval_reason, "no reason given"]);
        let text = format!(
            "workflow {} with confidence {} % needs a person's approval: {reason}",
            analysis.workflow_id,
            percent(analysis.confidence)
        );
        return Intent::advance(phases::AWAITING_APPROVAL, Explanation::new("AnalysisNeedsApproval", text));
    }
    if let Some(obstacle) = routing::before_execution(facts, observation, analysis, config) {
        return obstacle;
    }
    let text = format!(
        "workflow {} with confidence {} % runs without approval",
        analysis.workflow_id,
        percent(analysis.confidence)
    );
    Intent::advance(phases::EXECUTING, Explanation::new("AnalysisCompleted", text))
}

fn failed(observation: &Observation, analysis: &AnalysisFacts, config: &Config) -> Intent {
    if analysis.needs_human_review && !selected(analysis) {
        return manual_review(observation, analysis, config);
    }
    let message = first_of(&[&analysis.message, &analysis.sub_reason, &analysis.reason, "no message"]);
    let (rule, text) = if analysis.needs_human_review {
        let review = first_of(&[&analysis.human_review_reason, "no reason given"]);
        ("AnalysisNeedsHumanReview", format!("the analysis failed and asks for a person: {review}"))
    } else if analysis.reason == "WorkflowResolutionFailed" {
        let detail = first_of(&[&analysis.sub_reason, message]);
        ("WorkflowResolutionFailed", format!("the analysis could not settle on a workflow: {detail}"))
    } else {
        ("AnalysisFailed", format!("the analysis failed: {message}"))
    };
    let reason = format!("AIAnalysis failed: {message}");
    fail(observation, config, failure_phases::AI_ANALYSIS, reason, Explanation::new(rule, text))
        .with_outcome(outcomes::MANUAL_REVIEW_REQUIRED)
        .for_manual_review()
}

/// Whether a person wants no execution for this one remediation.
fn is_marked_dry(observation: &Observation) -> bool {
    observation.attributes.iter().any(|mark| mark.key == attributes::DRY_RUN && mark.value == "true")
}

fn dry_run(observation: &Observation, analysis: &AnalysisFacts, config: &Config) -> Intent {
    let workflow = first_of(&[&analysis.workflow_id, "none"]);
    let approval = if analysis.approval_required { "after an approval" } else { "without approval" };
    let hold = config.dry_run_hold_period;
    let text = format!("dry run: workflow {workflow} would have run {approval}; the signal stays quiet for {hold}");
    Intent::complete(outcomes::DRY_RUN, Explanation::new("DryRun", text))
        .not_again_before(Some(observation.now.saturating_add(hold.milliseconds())))
}

fn no_action(observation: &Observation, analysis: &AnalysisFacts, config: &Config) -> Intent {
    let detail = first_of(&[&analysis.sub_reason, &analysis.message, "no detail given"]);
    let text = format!("the analysis found nothing to do ({detail}){}", quiet_text(config));
    Intent::complete(outcomes::NO_ACTION_REQUIRED, Explanation::new("WorkflowNotNeeded", text))
        .with_message(analysis.message.as_str())
        .not_again_before(quiet_until(observation, config))
}

fn manual_review(observation: &Observation, analysis: &AnalysisFacts, config: &Config) -> Intent {
    let detail = first_of(&[&analysis.human_review_reason, &analysis.message, "no reason given"]);
    let text = format!("a person has to look, since no workflow was selected: {detail}{}", quiet_text(config));
    Intent::complete(outcomes::MANUAL_REVIEW_REQUIRED, Explanation::new("HumanReviewRequired", text))
        .with_message(analysis.message.as_str())
        .not_again_before(quiet_until(observation, config))
        .for_manual_review()
}

fn quiet_text(config: &Config) -> String {
    match config.routing.no_action_required_delay {
        GoDuration::ZERO => String::new(),
        delay => format!("; the signal stays quiet for {delay}"),
    }
}

fn selected(analysis: &AnalysisFacts) -> bool {
    !analysis.workflow_id.is_empty() || !analysis.workflow_incomplete.is_empty()
}

/// A workflow that cannot be run ends the remediation at once, with the field that it lacks.
fn workflow_fault(observation: &Observation, analysis: &AnalysisFacts, config: &Config) -> Option<Intent> {
    let lacking =
        first_of(&[&analysis.workflow_incomplete, if analysis.workflow_id.is_empty() { "selection" } else { "" }]);
    let (rule, reason) = match lacking {
        "" => return None,
        "selection" => ("WorkflowMissing", "the analysis completed without a selected workflow".to_owned()),
        field => ("WorkflowIncomplete", format!("the selected workflow lacks {field}")),
    };
    let why = Explanation::new(rule, format!("{reason}: mend the workflow's catalogue entry or the analysis"));
    Some(fail(observation, config, failure_phases::AI_ANALYSIS, reason, why))
}

fn target_missing(observation: &Observation, config: &Config) -> Intent {
    let reason = "the analysis names no object to be healed (remediationTarget with kind and name)";
    let why = Explanation::new("RemediationTargetMissing", format!("{reason}: a person has to find it"));
    fail(observation, config, failure_phases::AI_ANALYSIS, reason, why)
        .with_outcome(outcomes::MANUAL_REVIEW_REQUIRED)
        .for_manual_review()
}
