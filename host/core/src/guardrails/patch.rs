//! Patches: a policy may change these paths of a standard spec, and no other.

use serde_json::Value;

use super::{Refusal, RefusalReason};
use crate::proposal::Slot;

/// Largest patch in bytes.
pub const PATCH_BYTES_MAX: usize = 64 * 1024;

/// The allow-list: paths below `spec` that a patch may touch, by kind.
pub const fn allowed(kind: &str) -> &'static [&'static [&'static str]] {
    match kind.as_bytes() {
        b"SignalProcessing" => &[&["enrichmentConfig"]],
        b"AIAnalysis" => &[&["analysisRequest", "analysisTypes"]],
        b"EffectivenessAssessment" => &[&["config"]],
        b"NotificationRequest" => &[&["subject"], &["body"], &["priority"], &["extensions"], &["retentionDays"]],
        b"RemediationApprovalRequest" => &[&["requiredBy"]],
        b"WorkflowExecution" => &[&["rationale"]],
        _ => &[],
    }
}

/// Reads a patch and checks that every member that it sets lies on the allow-list of `kind`.
pub fn check(slot: Slot, kind: &str, text: &str) -> Result<Value, Refusal> {
    let refuse = |reason, message: String| Err(Refusal::new(slot, reason, message));
    if text.len() > PATCH_BYTES_MAX {
        let message = format!("the patch of {kind} has {} bytes; at most {PATCH_BYTES_MAX}", text.len());
        return refuse(RefusalReason::PatchInvalid, message);
    }
    let patch: Value = match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Value::Object(map),
        Ok(_) => return refuse(RefusalReason::PatchInvalid, format!("the patch of {kind} is no JSON object")),
        Err(error) => return refuse(RefusalReason::PatchInvalid, format!("the patch of {kind} is no JSON: {error}")),
    };
    match first_forbidden(&patch, allowed(kind), &mut Vec::new()) {
        Some(forbidden) => {
            refuse(RefusalReason::PatchForbidden, format!("a policy may not change spec.{forbidden} of {kind}"))
        }
        None => Ok(patch),
    }
}

fn first_forbidden<'a>(value: &'a Value, allowed: &[&[&str]], path: &mut Vec<&'a str>) -> Option<String> {
    if allowed.iter().any(|entry| path.starts_with(entry)) {
        return None;
    }
    let leads_on = allowed.iter().any(|entry| entry.starts_with(path));
    match value {
        Value::Object(members) if leads_on => members.iter().find_map(|(key, member)| {
            path.push(key);
            let found = first_forbidden(member, allowed, path);
            path.pop();
            found
        }),
        _ => Some(path.join(".")),
    }
}
