//! What a person who has to look is told beyond the reason: the verdict on the analysis, and earlier tries.

use serde_json::{Value, json};

use crate::json::{is_true, set, some_text, text};
use crate::observation::{ChildKind, Observation};

/// Most findings of a verdict that are told.
const FINDINGS_MAX: usize = 20;

/// Most characters of one finding.
const FINDING_CHARACTERS_MAX: usize = 500;

fn verdict(observation: &Observation) -> Option<&Value> {
    let analysis = observation.child(ChildKind::AIAnalysis).filter(|child| child.found)?;
    analysis.object.pointer("/status/review/alignmentVerdict").filter(|verdict| verdict.is_object())
}

/// The verdict, for machines: added to the review's context.
pub(super) fn add_verdict(observation: &Observation, context: &mut Value) {
    let Some(verdict) = verdict(observation) else { return };
    if let Some(result) = some_text(verdict, "/result") {
        set(context, &["review", "alignmentVerdict"], result.into());
    }
    if is_true(verdict, "/circuitBreakerActivated") {
        set(context, &["review", "circuitBreakerActivated"], "true".into());
    }
}

/// The verdict, for people.
pub(super) fn push_verdict(observation: &Observation, paragraphs: &mut Vec<String>) {
    let Some(verdict) = verdict(observation) else { return };
    let count = |member: &str| verdict.pointer(member).and_then(Value::as_u64).unwrap_or(0);
    let result = some_text(verdict, "/result").unwrap_or("unknown");
    let mut lines =
        vec![format!("**Alignment Verdict**: {result} ({} of {} steps flagged)", count("/flagged"), count("/total"))];
    if is_true(verdict, "/circuitBreakerActivated") {
        lines.push("**Circuit Breaker**: activated, the analysis was stopped".to_owned());
    }
    lines.extend(some_text(verdict, "/summary").map(cut));
    let findings = verdict.pointer("/findings").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    lines.extend(findings.iter().take(FINDINGS_MAX).map(finding));
    let left = findings.len().saturating_sub(FINDINGS_MAX);
    if left > 0 {
        lines.push(format!("- and {left} more"));
    }
    paragraphs.push(lines.join("\n"));
}

fn finding(finding: &Value) -> String {
    let step = finding.pointer("/stepIndex").and_then(Value::as_u64).unwrap_or(0);
    let (kind, tool) = (text(finding, "/stepKind"), text(finding, "/tool"));
    let place = [kind, tool].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let place = if place.is_empty() { String::new() } else { format!(" ({place})") };
    format!("- Step {step}{place}: {}", cut(text(finding, "/explanation")))
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(FINDING_CHARACTERS_MAX).collect()
}

/// Tries of the execution so far.
struct Tries {
    retries: u32,
    previous: Option<String>,
    exit_code: Option<i64>,
}

fn tries(observation: &Observation) -> Tries {
    let child = observation.child(ChildKind::WorkflowExecution).filter(|child| child.found);
    let retries = child.map_or(0, |child| child.attempt.saturating_sub(1));
    let previous = (retries > 0).then(|| ChildKind::WorkflowExecution.object_name(&observation.name, retries));
    let exit_code =
        child.and_then(|child| child.object.pointer("/status/failureDetails/exitCode")).and_then(Value::as_i64);
    Tries { retries, previous, exit_code }
}

/// Tries of the execution, for machines.
pub(super) fn execution(observation: &Observation) -> Value {
    let Tries { retries, previous, exit_code } = tries(observation);
    let mut execution = json!({});
    if retries > 0 {
        set(&mut execution, &["retryCount"], retries.to_string().into());
    }
    if let Some(previous) = previous {
        set(&mut execution, &["previousExecution"], previous.into());
    }
    if let Some(code) = exit_code {
        set(&mut execution, &["lastExitCode"], code.to_string().into());
    }
    execution
}

/// Tries of the execution, for people.
pub(super) fn push_execution(observation: &Observation, paragraphs: &mut Vec<String>) {
    let Tries { retries, previous, exit_code } = tries(observation);
    let mut lines = Vec::new();
    if retries > 0 {
        lines.push(format!("**Retry Count**: {retries}"));
    }
    lines.extend(previous.map(|name| format!("**Previous Execution**: {name}")));
    lines.extend(exit_code.map(|code| format!("**Last Exit Code**: {code}")));
    if !lines.is_empty() {
        paragraphs.push(lines.join("\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{analyzed, executed, with_child};
    use crate::phase::Phase;

    fn judged(findings: usize) -> Observation {
        let one = |n| json!({"stepIndex": n, "stepKind": "tool_result", "tool": "kubectl_get", "explanation": "odd"});
        let findings: Vec<_> = (0..findings).map(one).collect();
        let verdict = json!({
            "result": "suspicious", "circuitBreakerActivated": true, "summary": "two odd calls", "flagged": 2, "total": 5,
            "findings": findings,
        });
        with_child(analyzed(false), ChildKind::AIAnalysis, "Failed", &json!({"review": {"alignmentVerdict": verdict}}))
    }

    #[test]
    fn a_verdict_is_told_with_at_most_twenty_findings() {
        let mut paragraphs = Vec::new();
        push_verdict(&judged(23), &mut paragraphs);
        let lines: Vec<_> = paragraphs[0].lines().collect();
        assert_eq!(lines[0], "**Alignment Verdict**: suspicious (2 of 5 steps flagged)");
        assert_eq!(lines[1], "**Circuit Breaker**: activated, the analysis was stopped");
        assert_eq!(lines[3], "- Step 0 (tool_result kubectl_get): odd");
        assert_eq!((lines.len(), lines[23]), (24, "- and 3 more"));
        let mut context = json!({});
        add_verdict(&judged(1), &mut context);
        let expected = json!({"review": {"alignmentVerdict": "suspicious", "circuitBreakerActivated": "true"}});
        assert_eq!(context, expected);
    }

    #[test]
    fn without_a_verdict_nothing_is_said_of_one() {
        let (mut paragraphs, mut context) = (Vec::new(), json!({}));
        push_verdict(&analyzed(false), &mut paragraphs);
        add_verdict(&analyzed(false), &mut context);
        assert_eq!((paragraphs, context), (Vec::new(), json!({})));
    }

    #[test]
    fn earlier_tries_and_the_exit_code_are_told_where_they_are_known() {
        let observation = executed(Phase::Executing, "Failed", None);
        let mut paragraphs = Vec::new();
        push_execution(&observation, &mut paragraphs);
        assert_eq!((execution(&observation), paragraphs.len()), (json!({}), 0));
        let status = json!({"failureDetails": {"exitCode": 137}});
        let mut observation = with_child(observation, ChildKind::WorkflowExecution, "Failed", &status);
        observation.children.last_mut().unwrap().attempt = 2;
        let expected = json!({"retryCount": "1", "previousExecution": "we-rr", "lastExitCode": "137"});
        assert_eq!(execution(&observation), expected);
        push_execution(&observation, &mut paragraphs);
        assert_eq!(paragraphs, ["**Retry Count**: 1\n**Previous Execution**: we-rr\n**Last Exit Code**: 137"]);
    }
}
