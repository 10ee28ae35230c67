//! Patches: a policy may change these paths of a standard spec, and no other.

use serde_json::Value;

use super::{Refusal, RefusalReason};
use crate::go_duration;
use crate::proposal::Slot;
use crate::time::Timestamp;

/// Largest patch in bytes.
pub const PATCH_BYTES_MAX: usize = 64 * 1024;

/// What a patched field may hold; what the API server would refuse is refused here, as the policy's fault.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Any object, or its removal: every member is optional.
    Object,
    /// A text of 1 to this many characters.
    Text(usize),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A whole number in these bounds.
    Whole(i64, i64),
    /// An RFC 3339 time.
    Time,
    /// At least one of these texts.
    Some(&'static [&'static str]),
    /// An object of texts.
    Texts,
    /// An object of these members, each a duration in Go's notation of zero or more.
    Durations(&'static [&'static str]),
}

/// A path below `spec`, and what it may hold.
type Entry = (&'static [&'static str], Shape);

/// The allow-list: what a patch may touch, by kind. Bounds are those of the CRDs.
pub const fn allowed(kind: &str) -> &'static [Entry] {
    match kind.as_bytes() {
        b"SignalProcessing" => &[(&["enrichmentConfig"], Shape::Object)],
        b"AIAnalysis" => &[(
            &["analysisRequest", "analysisTypes"],
            Shape::Some(&["Investigation", "RootCause", "WorkflowSelection"]),
        )],
        b"EffectivenessAssessment" => {
            &[(&["config"], Shape::Durations(&["stabilizationWindow", "hashComputeDelay", "alertCheckDelay"]))]
        }
        b"NotificationRequest" => &[
            (&["subject"], Shape::Text(500)),
            (&["body"], Shape::Text(64 * 1024)),
            (&["priority"], Shape::OneOf(&["Critical", "High", "Medium", "Low"])),
            (&["extensions"], Shape::Texts),
            (&["retentionDays"], Shape::Whole(1, 90)),
        ],
        b"RemediationApprovalRequest" => &[(&["requiredBy"], Shape::Time)],
        b"WorkflowExecution" => &[(&["rationale"], Shape::Text(8 * 1024))],
        _ => &[],
    }
}

/// Reads a patch and checks that every member that it sets lies on the allow-list of `kind` and has its shape.
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
    match first_fault(&patch, allowed(kind), &mut Vec::new()) {
        Some((RefusalReason::PatchForbidden, at)) => {
            refuse(RefusalReason::PatchForbidden, format!("a policy may not change spec.{at} of {kind}"))
        }
        Some((reason, at)) => refuse(reason, format!("the patch gives spec.{at} of {kind} what it cannot hold")),
        None => Ok(patch),
    }
}

fn first_fault<'a>(value: &'a Value, allowed: &[Entry], path: &mut Vec<&'a str>) -> Option<(RefusalReason, String)> {
    if let Some((_, shape)) = allowed.iter().find(|(entry, _)| path == entry) {
        return (!shape.admits(value)).then(|| (RefusalReason::PatchInvalid, path.join(".")));
    }
    let leads_on = allowed.iter().any(|(entry, _)| entry.starts_with(path));
    match value {
        Value::Object(members) if leads_on => members.iter().find_map(|(key, member)| {
            path.push(key);
            let found = first_fault(member, allowed, path);
            path.pop();
            found
        }),
        _ => Some((RefusalReason::PatchForbidden, path.join("."))),
    }
}

impl Shape {
    fn admits(self, value: &Value) -> bool {
        let is_one_of = |value: &Value, known: &[&str]| value.as_str().is_some_and(|text| known.contains(&text));
        match self {
            Self::Object => value.is_object() || value.is_null(),
            Self::Text(longest) => value.as_str().is_some_and(|text| (1..=longest).contains(&text.chars().count())),
            Self::OneOf(known) => is_one_of(value, known),
            Self::Whole(least, most) => value.as_i64().is_some_and(|number| (least..=most).contains(&number)),
            Self::Time => value.as_str().and_then(Timestamp::parse).is_some(),
            Self::Some(known) => {
                value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(|one| is_one_of(one, known)))
            }
            Self::Texts => value.as_object().is_some_and(|map| map.values().all(Value::is_string)),
            Self::Durations(known) => value.as_object().is_some_and(|map| {
                map.iter().all(|(key, length)| {
                    let length = length.as_str().and_then(|text| go_duration::parse(text).ok());
                    known.contains(&key.as_str()) && length.is_some_and(|length| length >= 0)
                })
            }),
        }
    }
}
