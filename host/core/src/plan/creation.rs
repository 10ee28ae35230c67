//! Turns lawful wishes for children and notifications into manifests, and notes them in the status.

use super::{Action, Context, Effects, Event, child_deadline};
use crate::guardrails::creations::Wanted;
use crate::guardrails::intent::Transition;
use crate::guardrails::{Refusal, RefusalReason};
use crate::json::{merge_apply, text};
use crate::manifest::notification::{self, Purpose};
use crate::manifest::{Manifest, ai_analysis, approval_request, assessment, signal_processing, workflow_execution};
use crate::observation::{ChildKind, Observation};
use crate::phase::{FailurePhase, Outcome, Phase};
use crate::proposal::Slot;
use crate::status::StatusDraft;
use crate::time::Timestamp;

/// Creates everything that was wished for, in the order of the wishes.
pub(super) fn create(
    context: &Context<'_>,
    change: &Transition,
    wanted: &[Wanted],
    draft: &mut StatusDraft,
    effects: &mut Effects,
) -> Result<(), Refusal> {
    let observation = context.observation;
    for wish in wanted {
        match wish {
            Wanted::Child { kind, patch } => {
                let mut manifest = child(context, *kind)?;
                if let Some(patch) = patch {
                    apply(&mut manifest, patch);
                }
                draft.child_created(*kind, &manifest, &observation.namespace);
                note_child(context, *kind, &manifest, draft, effects)?;
            }
            Wanted::Notification { purpose, patch } => {
                let purpose = purpose_of(observation, change, purpose);
                notify(context, &purpose, patch.as_ref(), draft, effects);
            }
        }
    }
    Ok(())
}

/// Creates one notification.
pub(super) fn notify(
    context: &Context<'_>,
    purpose: &Purpose,
    patch: Option<&serde_json::Value>,
    draft: &mut StatusDraft,
    effects: &mut Effects,
) {
    let name = purpose.object_name(&context.observation.name);
    // What has been told once is not told again, and a deleted notification does not come back. Nor is an escalation
    // needed where a person has been asked to look.
    let review = notification::review_name(&context.observation.name);
    let is_escalation = matches!(purpose, Purpose::Escalation { .. });
    if draft.has_notification(&name) || (is_escalation && draft.has_notification(&review)) {
        return;
    }
    let selection = workflow_execution::selection(context.observation);
    let mut manifest = notification::manifest(context.observation, context.settings, purpose, selection.as_ref());
    if let Some(patch) = patch {
        apply(&mut manifest, patch);
    }
    draft.notification_created(&manifest.name, &context.observation.namespace);
    if *purpose == Purpose::Approval {
        draft.set(&["completionStatus", "approvalNotificationSent"], true);
    }
    if let Some(note) = purpose.event(&manifest.name) {
        effects.events.push(Event::normal("NotificationCreated", note));
    }
    effects.actions.push(Action::Create(manifest));
}

fn apply(manifest: &mut Manifest, patch: &serde_json::Value) {
    if let Some(spec) = manifest.object.get_mut("spec") {
        merge_apply(spec, patch);
    }
}

fn child(context: &Context<'_>, kind: ChildKind) -> Result<Manifest, Refusal> {
    let observation = context.observation;
    Ok(match kind {
        ChildKind::SignalProcessing => {
            signal_processing::manifest(observation, child_deadline(context, Phase::Processing))
        }
        ChildKind::AIAnalysis => ai_analysis::manifest(observation, child_deadline(context, Phase::Analyzing)),
        ChildKind::RemediationApprovalRequest => approval_request::manifest(observation, latest_decision(context)),
        ChildKind::WorkflowExecution => {
            let Some(selection) = workflow_execution::selection(observation) else {
                let message = "the analysis has selected no workflow";
                return Err(Refusal::new(Slot::Children, RefusalReason::WorkflowIncomplete, message));
            };
            workflow_execution::manifest(observation, &selection, child_deadline(context, Phase::Executing))
        }
        ChildKind::EffectivenessAssessment => assessment::manifest(observation, context.settings),
    })
}

/// Until when an approval can be decided, in whole seconds: by the budget, else by the ceiling.
fn latest_decision(context: &Context<'_>) -> Timestamp {
    let ceiling = context.observation.now.plus(context.settings.deadline_ceiling);
    child_deadline(context, Phase::AwaitingApproval).unwrap_or(ceiling).min(ceiling).whole_seconds()
}

/// What else belongs to a child: the status of an approval request, the display fields of an execution, events.
fn note_child(
    context: &Context<'_>,
    kind: ChildKind,
    manifest: &Manifest,
    draft: &mut StatusDraft,
    effects: &mut Effects,
) -> Result<(), Refusal> {
    let observation = context.observation;
    effects.actions.push(Action::Create(manifest.clone()));
    match kind {
        ChildKind::SignalProcessing | ChildKind::AIAnalysis => {}
        ChildKind::RemediationApprovalRequest => {
            if observation.child(kind).is_some_and(|child| child.found) {
                // It goes on after a block: the request was asked for before, and may be decided.
                return Ok(());
            }
            let latest = latest_decision(context);
            let asked = Timestamp::parse(text(&manifest.object, "/spec/requiredBy"));
            let Some(required_by) = asked.filter(|asked| *asked <= latest) else {
                let message = format!("requiredBy must be a time no later than {latest}");
                return Err(Refusal::new(Slot::Children, RefusalReason::PatchForbidden, message));
            };
            effects.actions.push(Action::PatchStatus {
                kind: manifest.kind.clone(),
                name: manifest.name.clone(),
                status: approval_request::awaiting(observation.now, required_by),
                resource_version: None,
                is_required: false,
            });
            let confidence = manifest.object.pointer("/spec/confidence").and_then(serde_json::Value::as_f64);
            let note = format!(
                "Human approval required (confidence {:.0}%): {}",
                confidence.unwrap_or(0.0) * 100.0,
                text(&manifest.object, "/spec/reason")
            );
            effects.events.push(Event::normal("ApprovalRequired", note));
        }
        ChildKind::WorkflowExecution => note_execution(observation, manifest, draft),
        ChildKind::EffectivenessAssessment => {
            effects
                .events
                .push(Event::normal("RemediationCompleted", "Remediation succeeded, entering verification phase"));
            let note =
                format!("Created EffectivenessAssessment {} (correlationID: {})", manifest.name, observation.name);
            effects.events.push(Event::normal("EffectivenessAssessmentCreated", note));
        }
    }
    Ok(())
}

fn note_execution(observation: &Observation, manifest: &Manifest, draft: &mut StatusDraft) {
    let workflow = &manifest.object["spec"]["workflowRef"];
    for member in ["workflowId", "version", "executionBundle", "executionBundleDigest"] {
        let value = text(workflow, &format!("/{member}"));
        if !value.is_empty() {
            draft.set(&["workflowSelection", "selectedWorkflowRef", member], value);
        }
    }
    let label = format!("{}:{}", text(workflow, "/actionType"), text(workflow, "/workflowName"));
    draft.set(&["workflowSelection", "workflowDisplayName"], label);
    if let Some(confidence) = manifest.object.pointer("/spec/confidence").and_then(serde_json::Value::as_f64) {
        draft.set(&["workflowSelection", "confidence"], format!("{confidence:.2}"));
    }
    let target = observation.remediation_target();
    draft.set(&["workflowSelection", "remediationTarget"], crate::manifest::target_object(target, true));
    draft.set(&["workflowSelection", "targetDisplay"], target.display());
    draft.set(&["workflowSelection", "signalTargetDisplay"], observation.target.display());
}

fn purpose_of(observation: &Observation, change: &Transition, purpose: &str) -> Purpose {
    if let Some(block) = change.block.as_ref().filter(|_| purpose == "block") {
        return Purpose::Block { reason: block.reason, message: change.message.clone() };
    }
    match purpose {
        "approval" => Purpose::Approval,
        "completion" => Purpose::Completion { outcome: change.outcome.unwrap_or(Outcome::Remediated) },
        "manual-review" => review(observation, change),
        "self-resolved" => Purpose::SelfResolved,
        _ => Purpose::Escalation {
            failure_phase: change.failure_phase.unwrap_or(FailurePhase::SignalProcessing),
            reason: change.reason.clone(),
        },
    }
}

fn review(observation: &Observation, change: &Transition) -> Purpose {
    let analysis = observation.facts.analysis.as_ref();
    let message = [&change.reason, &change.message, &change.why.text].into_iter().find(|text| !text.is_empty());
    let message = message.cloned().unwrap_or_default();
    if let Some(block) = &change.block {
        let (source, reason) = ("RoutingEngine".to_owned(), block.reason.name().to_owned());
        return Purpose::ManualReview { source, reason, sub_reason: String::new(), message };
    }
    if change.failure_phase == Some(FailurePhase::WorkflowExecution) {
        let sub_reason = observation.facts.execution.as_ref().map_or("", |run| run.failure_code.as_str()).to_owned();
        let (source, reason) = ("WorkflowExecution".to_owned(), "ExecutionFailure".to_owned());
        return Purpose::ManualReview { source, reason, sub_reason, message };
    }
    let (reason, sub_reason) = match analysis {
        Some(analysis) if analysis.needs_human_review => {
            ("HumanReviewRequired".to_owned(), analysis.human_review_reason.clone())
        }
        Some(analysis) if analysis.remediation_target.is_none() && analysis.reason == "AnalysisCompleted" => {
            ("RemediationTargetMissing".to_owned(), "rca_resource_missing".to_owned())
        }
        Some(analysis) => (analysis.reason.clone(), analysis.sub_reason.clone()),
        None => ("AnalysisMissing".to_owned(), String::new()),
    };
    Purpose::ManualReview { source: "AIAnalysis".to_owned(), reason, sub_reason, message }
}
