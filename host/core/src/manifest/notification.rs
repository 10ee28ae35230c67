//! The `NotificationRequests` of a remediation: which kinds there are and what they hold.

use serde_json::{Value, json};

use crate::block::BlockReason;
use crate::json::{set, some_text, text};
use crate::manifest::workflow_execution::Selection;
use crate::manifest::{Manifest, remediation_reference, set_cluster};
use crate::observation::{ChildKind, Observation};
use crate::phase::{FailurePhase, Outcome, Phase};
use crate::settings::Settings;
use crate::time::{Span, Timestamp};

mod body;
pub mod overdue;
mod review;

/// Kubernetes kind.
pub const KIND: &str = "NotificationRequest";

/// Why a notification goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// A person is asked to approve.
    Approval,
    /// It is over, with this outcome.
    Completion {
        /// The outcome.
        outcome: Outcome,
    },
    /// A person has to look.
    ManualReview {
        /// Who asks for it: "`AIAnalysis`", "`WorkflowExecution`", "`RoutingEngine`".
        source: String,
        /// Code.
        reason: String,
        /// Narrower code; may be empty.
        sub_reason: String,
        /// Text.
        message: String,
    },
    /// It has failed.
    Escalation {
        /// During what.
        failure_phase: FailurePhase,
        /// Why.
        reason: String,
    },
    /// It is blocked.
    Block {
        /// Why.
        reason: BlockReason,
        /// Why, in words.
        message: String,
    },
    /// The problem went away by itself.
    SelfResolved,
    /// A phase, or with none the whole remediation, lasts long; its end is near.
    Overdue {
        /// The phase.
        phase: Option<Phase>,
        /// Longer than this.
        lasted: Span,
        /// When the clock was started.
        started_at: Timestamp,
        /// When it is ended.
        ends_at: Timestamp,
    },
    /// The whole remediation took too long.
    GlobalTimeout {
        /// Phase at that moment.
        phase: Phase,
        /// The budget.
        timeout: Span,
        /// When it started.
        started_at: Timestamp,
    },
    /// A phase took too long.
    PhaseTimeout {
        /// The phase.
        phase: Phase,
        /// The budget.
        timeout: Span,
        /// When the phase was entered.
        started_at: Timestamp,
    },
}

/// The purposes that a policy may ask for, by name.
pub const PURPOSES: [&str; 6] = ["approval", "block", "completion", "escalation", "manual-review", "self-resolved"];

/// Name of the notification that asks a person to look.
pub(crate) fn review_name(remediation: &str) -> String {
    format!("nr-manual-review-{remediation}")
}

impl Purpose {
    /// Name of the notification: a remediation has at most one of each kind.
    pub(crate) fn object_name(&self, remediation: &str) -> String {
        match self {
            Self::Approval => format!("nr-approval-{remediation}"),
            Self::Completion { .. } => format!("nr-completion-{remediation}"),
            Self::ManualReview { .. } => review_name(remediation),
            Self::Escalation { .. } => format!("nr-escalation-{remediation}"),
            Self::Block { reason, .. } => format!("nr-block-{}-{remediation}", reason.name().to_lowercase()),
            Self::SelfResolved => format!("nr-self-resolved-{remediation}"),
            Self::Overdue { phase, .. } => overdue::object_name(*phase, remediation),
            Self::GlobalTimeout { .. } => format!("timeout-{remediation}"),
            Self::PhaseTimeout { phase, .. } => {
                format!("phase-timeout-{}-{remediation}", phase.name().to_lowercase())
            }
        }
    }

    fn type_and_priority(&self, observation: &Observation) -> (&'static str, &'static str) {
        match self {
            Self::Approval => ("Approval", approval_priority(observation)),
            Self::Completion { .. } => ("Completion", "Low"),
            Self::ManualReview { source, sub_reason, .. } => ("ManualReview", review_priority(source, sub_reason)),
            Self::Escalation { .. } | Self::PhaseTimeout { .. } | Self::Overdue { .. } => ("Escalation", "High"),
            Self::Block { reason, .. } if reason.is_escalated() => ("Escalation", "High"),
            Self::Block { .. } | Self::SelfResolved => ("StatusUpdate", "Low"),
            Self::GlobalTimeout { .. } => ("Escalation", "Critical"),
        }
    }

    fn subject(&self, signal: &str) -> String {
        match self {
            Self::Approval => format!("Approval Required: {signal}"),
            Self::Completion { .. } => format!("Remediation Completed: {signal}"),
            Self::ManualReview { .. } => format!("⚠️ Manual Review Required: {signal}"),
            Self::Escalation { failure_phase, .. } => {
                format!("🚨 Remediation Failed: {signal} (phase: {})", failure_phase.name())
            }
            Self::Block { reason, .. } => format!("Remediation Blocked: {signal} ({})", reason.name()),
            Self::SelfResolved => format!("ℹ️ Auto-Resolved: {signal}"),
            Self::Overdue { phase, .. } => overdue::subject(*phase, signal),
            Self::GlobalTimeout { .. } => format!("Remediation Timeout: {signal}"),
            Self::PhaseTimeout { phase, .. } => format!("Phase Timeout: {phase} - {signal}"),
        }
    }

    /// The Kubernetes event that tells of it; timeouts of a phase have none.
    pub fn event(&self, name: &str) -> Option<String> {
        let what = match self {
            // The approval's own event is `ApprovalRequired`.
            Self::Approval | Self::PhaseTimeout { .. } => return None,
            Self::Completion { .. } => "Completion",
            Self::ManualReview { .. } => "Manual review",
            Self::Escalation { .. } => "Escalation",
            Self::Block { .. } => "Block",
            Self::SelfResolved => "Self-resolved",
            Self::Overdue { .. } => "Overdue",
            Self::GlobalTimeout { .. } => "Timeout",
        };
        Some(format!("{what} notification created: {name}"))
    }
}

/// The API takes subjects of at most 500 characters.
const SUBJECT_CHARACTERS_MAX: usize = 500;

/// Builds the notification.
pub fn manifest(
    observation: &Observation,
    settings: &Settings,
    purpose: &Purpose,
    selection: Option<&Selection>,
) -> Manifest {
    let (kind, priority) = purpose.type_and_priority(observation);
    let subject: String = purpose.subject(&observation.signal_name).chars().take(SUBJECT_CHARACTERS_MAX).collect();
    let mut spec = json!({
        "type": kind,
        "priority": priority,
        "subject": subject,
        "body": body::compose(observation, settings, purpose, selection),
        "remediationRequestRef": remediation_reference(observation),
        "severity": observation.severity,
    });
    if let Some(context) = context(observation, purpose, selection) {
        set(&mut spec, &["context"], context);
    }
    match purpose {
        Purpose::PhaseTimeout { phase, .. } => set(&mut spec, &["phase"], phase.name().into()),
        Purpose::ManualReview { source, .. } => set(&mut spec, &["reviewSource"], source.clone().into()),
        Purpose::Approval
        | Purpose::Completion { .. }
        | Purpose::Escalation { .. }
        | Purpose::Block { .. }
        | Purpose::SelfResolved
        | Purpose::Overdue { .. }
        | Purpose::GlobalTimeout { .. } => {}
    }
    set_cluster(observation, &mut spec);
    let mut manifest = Manifest::owned(observation, KIND, purpose.object_name(&observation.name), &spec);
    // Kubernaut goes on without a notification that cannot be created, except where a person is waited for.
    manifest.is_required = matches!(purpose, Purpose::Approval | Purpose::ManualReview { .. });
    manifest
}

fn approval_priority(observation: &Observation) -> &'static str {
    match observation.environment_and_priority().1 {
        "P0" => "Critical",
        "P1" => "High",
        "P2" => "Medium",
        _ => "Low",
    }
}

/// Kubernaut's table, read by the causes that really arrive: sub-reasons and, in `snake_case`, review reasons.
fn review_priority(source: &str, sub_reason: &str) -> &'static str {
    match (source, sub_reason) {
        ("WorkflowExecution", _) | (_, "alignment_check_failed") => "Critical",
        ("RoutingEngine", _)
        | (
            _,
            "WorkflowNotFound"
            | "ImageMismatch"
            | "ParameterValidationFailed"
            | "LLMParsingError"
            | "DecisionExpired"
            | "MaxRetriesExceeded"
            | "TransientError"
            | "PermanentError"
            | "workflow_not_found"
            | "image_mismatch"
            | "parameter_validation_failed"
            | "llm_parsing_error"
            | "decision_expired",
        ) => "High",
        _ => "Medium",
    }
}

fn context(observation: &Observation, purpose: &Purpose, selection: Option<&Selection>) -> Option<Value> {
    let analysis_name = observation.record.object_name(ChildKind::AIAnalysis, &observation.name);
    let lineage = json!({"remediationRequest": observation.name});
    let mut with_analysis = lineage.clone();
    // A duplicate ends without an analysis of its own.
    if observation.child(ChildKind::AIAnalysis).is_some() {
        set(&mut with_analysis, &["aiAnalysis"], analysis_name.into());
    }
    let member = |key: &str| selection.map_or("", |chosen| text(&chosen.workflow, key)).to_owned();
    let root_cause = root_cause(observation);
    let context = match purpose {
        Purpose::Escalation { .. } | Purpose::Block { .. } => return None,
        Purpose::Approval => json!({
            "lineage": with_analysis,
            "workflow": {
                "selectedWorkflow": member("/workflowId"),
                "confidence": confidence_text(selection),
                "workflowName": member("/workflowName"),
                "actionType": member("/actionType"),
            },
            "analysis": {"approvalReason": approval_reason(observation)},
        }),
        Purpose::Completion { outcome } => json!({
            "lineage": with_analysis,
            "workflow": {
                "workflowId": member("/workflowId"),
                "executionEngine": member("/executionEngine"),
                "workflowName": member("/workflowName"),
                "actionType": member("/actionType"),
            },
            "analysis": {"rootCause": root_cause, "outcome": outcome.name()},
            "verification": body::verification(observation).context(),
        }),
        Purpose::ManualReview { source, reason, sub_reason, message: _ } => {
            let mut context = json!({"lineage": lineage, "review": {"reason": reason}});
            if !sub_reason.is_empty() {
                set(&mut context, &["review", "subReason"], sub_reason.clone().into());
            }
            if !root_cause.is_empty() {
                set(&mut context, &["review", "rootCauseAnalysis"], root_cause.into());
            }
            let asked = observation.facts.analysis.as_ref().map_or("", |analysis| &analysis.human_review_reason);
            if !asked.is_empty() {
                set(&mut context, &["review", "humanReviewReason"], asked.into());
            }
            if source == "WorkflowExecution" {
                set(&mut context, &["execution"], review::execution(observation));
            } else {
                review::add_verdict(observation, &mut context);
            }
            context
        }
        Purpose::SelfResolved => json!({
            "lineage": with_analysis,
            "analysis": {"rootCause": root_cause, "outcome": "NoActionRequired"},
        }),
        Purpose::Overdue { phase, lasted, .. } => overdue::context(observation, *phase, *lasted),
        Purpose::GlobalTimeout { phase, .. } => json!({
            "lineage": lineage,
            "execution": {"timeoutPhase": phase.name()},
            "target": {"targetResource": observation.target.display()},
        }),
        Purpose::PhaseTimeout { phase, timeout, .. } => json!({
            "lineage": lineage,
            "execution": {"timeoutPhase": phase.name(), "phaseTimeout": timeout.to_string()},
            "target": {"targetResource": observation.target.display()},
        }),
    };
    Some(context)
}

fn root_cause(observation: &Observation) -> &str {
    observation.child(ChildKind::AIAnalysis).map_or("", |child| {
        some_text(&child.object, "/status/rcaResult/rootCause")
            .unwrap_or_else(|| text(&child.object, "/status/rcaResult/rootCauseAnalysis/summary"))
    })
}

fn approval_reason(observation: &Observation) -> &str {
    observation.facts.analysis.as_ref().map_or("", |analysis| &analysis.approval_reason)
}

fn confidence(selection: Option<&Selection>) -> f64 {
    selection.and_then(|chosen| chosen.confidence.as_ref()).and_then(Value::as_f64).unwrap_or(0.0)
}

fn confidence_text(selection: Option<&Selection>) -> String {
    format!("{:.2}", confidence(selection))
}
