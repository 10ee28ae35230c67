//! The text of a notification, in Markdown, paragraph by paragraph.

use serde_json::{Value, json};

use super::{Purpose, approval_reason, confidence, review, root_cause};
use crate::json::{is_true, text};
use crate::manifest::workflow_execution::Selection;
use crate::observation::{ChildKind, Observation, Target};
use crate::settings::Settings;

/// Composes the body.
pub(super) fn compose(
    observation: &Observation,
    settings: &Settings,
    purpose: &Purpose,
    selection: Option<&Selection>,
) -> String {
    if let Purpose::Escalation { failure_phase, reason } = purpose {
        let (signal, phase, target) = (&observation.signal_name, failure_phase.name(), slashed(&observation.target));
        return format!(
            "Remediation for signal '{signal}' has failed.\n\n**Failure Phase:** {phase}\n**Reason:** {reason}\n\n\
             **Target:** {target}\n"
        );
    }
    if let Purpose::Block { reason, message } = purpose {
        let (signal, reason, target) = (&observation.signal_name, reason.name(), slashed(&observation.target));
        return format!(
            "Remediation for signal '{signal}' has been blocked.\n\n**Block Reason:** {reason}\n**Details:** {message}\n\n\
             **Target:** {target}\n"
        );
    }
    let mut paragraphs = Vec::new();
    if !settings.cluster.is_empty() {
        paragraphs.push(format!("**Cluster**: {}", settings.cluster));
    }
    paragraphs.push(format!("**Remediation**: {}", observation.name));
    match purpose {
        Purpose::Escalation { .. } | Purpose::Block { .. } => {}
        Purpose::Approval => approval(observation, selection, &mut paragraphs),
        Purpose::Completion { outcome } => completion(observation, outcome.name(), selection, &mut paragraphs),
        Purpose::ManualReview { source, reason, sub_reason, message } => {
            manual_review(observation, [source, reason, sub_reason, message], &mut paragraphs);
        }
        Purpose::SelfResolved => self_resolved(observation, &mut paragraphs),
        Purpose::Overdue { phase, lasted, started_at, ends_at } => {
            super::overdue::body(observation, *phase, (*lasted, *started_at, *ends_at), &mut paragraphs);
        }
        Purpose::GlobalTimeout { .. } | Purpose::PhaseTimeout { .. } => timeout(observation, purpose, &mut paragraphs),
    }
    paragraphs.join("\n\n")
}

/// `Kind/namespace/name`, as the peer's escalations have it.
fn slashed(target: &Target) -> String {
    match target.namespace.as_deref().filter(|namespace| !namespace.is_empty()) {
        Some(namespace) => format!("{}/{namespace}/{}", target.kind, target.name),
        None => target.display(),
    }
}

fn signal(observation: &Observation) -> String {
    format!("**Signal**: {}\n**Severity**: {}", observation.signal_name, observation.severity)
}

fn affected(observation: &Observation) -> String {
    // A signal that does not know its kind is described by what the analysis found.
    let target =
        if observation.target.kind == "Unknown" { observation.remediation_target() } else { &observation.target };
    let mut lines = format!("**Affected Resource**:\n- **Kind**: {}\n- **Name**: {}", target.kind, target.name);
    if let Some(namespace) = target.namespace.as_deref().filter(|namespace| !namespace.is_empty()) {
        lines.push_str("\n- **Namespace**: ");
        lines.push_str(namespace);
    }
    lines
}

fn push_root_cause(observation: &Observation, paragraphs: &mut Vec<String>) {
    let cause = root_cause(observation);
    if !cause.is_empty() {
        paragraphs.push(format!("**Root Cause Analysis**:\n{cause}"));
    }
}

fn push_rationale(selection: Option<&Selection>, paragraphs: &mut Vec<String>) {
    if let Some(chosen) = selection.filter(|chosen| !chosen.rationale.is_empty()) {
        paragraphs.push(format!("**Selection Rationale**:\n{}", chosen.rationale));
    }
}

fn workflow_label(selection: Option<&Selection>) -> String {
    selection.map_or_else(String::new, |chosen| {
        format!("{} ({})", text(&chosen.workflow, "/actionType"), text(&chosen.workflow, "/workflowId"))
    })
}

fn approval(observation: &Observation, selection: Option<&Selection>, paragraphs: &mut Vec<String>) {
    paragraphs.push("Remediation requires approval:".into());
    paragraphs.push("**Status**: Pending Approval".into());
    paragraphs.push(signal(observation));
    paragraphs.push(affected(observation));
    push_root_cause(observation, paragraphs);
    paragraphs.push(format!("**Confidence**: {:.0}%", confidence(selection) * 100.0));
    paragraphs.push(format!("**Proposed Workflow**: {}", workflow_label(selection)));
    paragraphs.push(format!("**Approval Reason**: {}", approval_reason(observation)));
    paragraphs.push("Please review and approve/reject the remediation.".into());
    push_rationale(selection, paragraphs);
}

fn completion(observation: &Observation, outcome: &str, selection: Option<&Selection>, paragraphs: &mut Vec<String>) {
    paragraphs.push("Remediation Completed Successfully".into());
    paragraphs.push(format!("**Status**: {outcome}"));
    paragraphs.push(format!("**Outcome**: {outcome}"));
    paragraphs.push(signal(observation));
    paragraphs.push(affected(observation));
    push_root_cause(observation, paragraphs);
    let engine = selection.map_or("", |chosen| text(&chosen.workflow, "/executionEngine"));
    paragraphs.push(format!("**Workflow Executed**: {}\n**Execution Engine**: {engine}", workflow_label(selection)));
    push_rationale(selection, paragraphs);
    paragraphs.push(format!("**Verification Results**:\n{}", verification(observation).summary()));
    paragraphs.push("This incident was automatically detected and remediated by Kubernaut.".into());
}

fn manual_review(observation: &Observation, cause: [&String; 4], paragraphs: &mut Vec<String>) {
    let [source, reason, sub_reason, message] = cause;
    paragraphs.push("Manual review is required before this remediation can go on.".into());
    paragraphs.push("**Status**: Manual Review Required".into());
    paragraphs.push(signal(observation));
    paragraphs.push(affected(observation));
    let mut why = format!("**Source**: {source}\n**Reason**: {reason}");
    if !sub_reason.is_empty() {
        why.push_str("\n**Sub-Reason**: ");
        why.push_str(sub_reason);
    }
    paragraphs.push(why);
    if !message.is_empty() {
        paragraphs.push(format!("**Details**:\n{message}"));
    }
    if source == "WorkflowExecution" {
        review::push_execution(observation, paragraphs);
    } else {
        review::push_verdict(observation, paragraphs);
    }
    push_root_cause(observation, paragraphs);
    let warnings: Vec<_> = observation
        .child(ChildKind::AIAnalysis)
        .and_then(|child| child.object.pointer("/status/investigationMetadata/warnings"))
        .and_then(Value::as_array)
        .map(|warnings| warnings.iter().filter_map(Value::as_str).map(|line| format!("- {line}")).collect())
        .unwrap_or_default();
    if !warnings.is_empty() {
        paragraphs.push(format!("**Warnings**:\n{}", warnings.join("\n")));
    }
}

fn self_resolved(observation: &Observation, paragraphs: &mut Vec<String>) {
    paragraphs.push("The problem resolved itself; no action was taken.".into());
    paragraphs.push("**Status**: Self-Resolved".into());
    paragraphs.push(signal(observation));
    paragraphs.push(affected(observation));
    push_root_cause(observation, paragraphs);
}

fn timeout(observation: &Observation, purpose: &Purpose, paragraphs: &mut Vec<String>) {
    let (is_global, phase, timeout, started_at) = match purpose {
        Purpose::GlobalTimeout { phase, timeout, started_at } => (true, phase, timeout, started_at),
        Purpose::PhaseTimeout { phase, timeout, started_at } => (false, phase, timeout, started_at),
        Purpose::Approval
        | Purpose::Completion { .. }
        | Purpose::ManualReview { .. }
        | Purpose::Escalation { .. }
        | Purpose::Block { .. }
        | Purpose::Overdue { .. }
        | Purpose::SelfResolved => return,
    };
    let what = if is_global { "Remediation" } else { "Remediation phase" };
    paragraphs.push(format!("{what} has exceeded timeout and requires investigation."));
    paragraphs.push("**Status**: Timed Out".into());
    let (phase_label, timeout_label) =
        if is_global { ("Timeout Phase", "Timeout Duration") } else { ("Phase", "Phase Timeout") };
    paragraphs.push(format!(
        "**Signal**: {}\n**{phase_label}**: {phase}\n**{timeout_label}**: {timeout}\n**Started**: {started_at}\n\
         **Timed Out**: {}",
        observation.signal_name, observation.now
    ));
    paragraphs.push(if is_global {
        format!("The remediation was in {phase} phase when it timed out. Please investigate why it did not finish.")
    } else {
        format!(
            "The {phase} phase did not complete within the expected timeframe. Please investigate why this phase is \
             taking longer than expected."
        )
    });
}

/// What the assessment found, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verification {
    assessed: bool,
    outcome: &'static str,
    reason: String,
    sentence: &'static str,
    findings: Vec<String>,
    /// Why it had to do without part of its input; empty where it had all.
    degraded: String,
}

impl Verification {
    pub(super) fn summary(&self) -> String {
        let mut lines = vec![self.sentence.to_owned()];
        lines.extend(self.findings.iter().map(|finding| format!("- {finding}")));
        if !self.degraded.is_empty() {
            lines.push(format!("- degraded: {}", self.degraded));
        }
        lines.join("\n")
    }

    pub(super) fn context(&self) -> Value {
        let mut context = json!({"assessed": self.assessed, "outcome": self.outcome, "summary": self.summary()});
        if !self.reason.is_empty() {
            crate::json::set(&mut context, &["reason"], self.reason.clone().into());
        }
        if !self.degraded.is_empty() {
            crate::json::set(&mut context, &["degraded"], true.into());
            crate::json::set(&mut context, &["degradedReason"], self.degraded.clone().into());
        }
        context
    }
}

/// Reads the assessment: reason to outcome as the peer's table has it.
pub(super) fn verification(observation: &Observation) -> Verification {
    let Some(child) = observation.child(ChildKind::EffectivenessAssessment).filter(|child| child.found) else {
        return Verification {
            assessed: false,
            outcome: "unavailable",
            reason: String::new(),
            sentence: "Verification unavailable: no assessment was made.",
            findings: Vec::new(),
            degraded: degraded(&observation.object, None),
        };
    };
    let reason = text(&child.object, "/status/assessmentReason").to_owned();
    let findings = findings(&child.object);
    let (outcome, sentence) = match reason.as_str() {
        "Full" if findings.is_empty() => {
            ("passed", "Verification passed: all checks confirmed the remediation was effective.")
        }
        "Full" => ("completed", "Verification completed with findings:"),
        "Partial" => ("partial", "Verification partially completed: not every check could be made."),
        "MetricsTimedOut" => ("partial", "Verification partially completed: metrics did not arrive in time."),
        "SpecDrift" => ("inconclusive", "Verification inconclusive: the target was changed meanwhile."),
        "AlertDecayTimeout" => ("inconclusive", "Verification inconclusive: the alert did not clear in time."),
        "Expired" => ("unavailable", "Verification unavailable: the assessment expired."),
        "NoExecution" => ("unavailable", "Verification unavailable: nothing was executed."),
        _ => ("unavailable", "Verification unavailable: the assessment gave no usable result."),
    };
    let degraded = degraded(&observation.object, Some(&child.object));
    Verification { assessed: true, outcome, reason, sentence, findings, degraded }
}

/// What the assessment had to do without: a hash of the target before the execution, or after it.
fn degraded(remediation: &Value, assessment: Option<&Value>) -> String {
    let lacking = |object: &Value, kind: &str, default: &str| {
        let conditions = object.pointer("/status/conditions").and_then(Value::as_array)?;
        let condition = conditions.iter().find(|one| one["type"] == kind && one["status"] == "False")?;
        let message = text(condition, "/message");
        Some(if message.is_empty() { default.to_owned() } else { message.to_owned() })
    };
    let before = lacking(remediation, "PreRemediationHashCaptured", "no hash of the target before the execution");
    let after = assessment.and_then(|object| lacking(object, "PostHashCaptured", "no hash of the target after it"));
    before.into_iter().chain(after).collect::<Vec<_>>().join("; ")
}

fn findings(assessment: &Value) -> Vec<String> {
    let at = |name: &str| format!("/status/components/{name}");
    let score = |name: &str| assessment.pointer(&at(name)).and_then(Value::as_f64);
    let mut findings = Vec::new();
    if is_true(assessment, &at("healthAssessed")) && score("healthScore").is_some_and(|score| score < 1.0) {
        findings.push("the target is not fully healthy".to_owned());
    }
    if is_true(assessment, &at("alertAssessed")) && score("alertScore").is_some_and(|score| score < 1.0) {
        findings.push("the alert has not cleared".to_owned());
    }
    let (after, current) = (text(assessment, &at("postRemediationSpecHash")), text(assessment, &at("currentSpecHash")));
    if !after.is_empty() && !current.is_empty() && after != current {
        findings.push("the target has changed since the remediation".to_owned());
    }
    if is_true(assessment, &at("metricsAssessed")) {
        match score("metricsScore") {
            Some(score) if score >= 1.0 => {}
            Some(score) if score >= 0.5 => findings.push("metrics improved partially".to_owned()),
            Some(score) if score > 0.0 => findings.push("metrics improved minimally".to_owned()),
            _ => findings.push("metrics did not improve".to_owned()),
        }
    }
    findings
}
