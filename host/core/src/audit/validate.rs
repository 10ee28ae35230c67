//! What `DataStorage` asks of the body of an audit event, whoever sends it.
//!
//! How old an event may be is not asked here: that needs a clock.

use serde_json::Value;

use crate::json::text;
use crate::time::Timestamp;

/// Most bytes of `event_data`.
pub const PAYLOAD_BYTES_MAX: usize = 256 * 1024;

/// Most levels of `event_data`, itself included.
pub const PAYLOAD_DEPTH_MAX: usize = 10;

const CATEGORIES: [&str; 14] = [
    "gateway",
    "notification",
    "analysis",
    "aiagent",
    "signalprocessing",
    "workflow",
    "workflowexecution",
    "orchestration",
    "approval",
    "effectiveness",
    "actiontype",
    "apifrontend",
    "security",
    "agentsession",
];

/// Required texts, with their most characters.
const REQUIRED: [(&str, usize); 6] = [
    ("version", 10),
    ("event_type", 100),
    ("event_timestamp", 64),
    ("event_category", 50),
    ("event_action", 50),
    ("correlation_id", 255),
];

/// Texts that may be absent, with their most characters.
const OPTIONAL: [(&str, usize); 12] = [
    ("actor_type", 50),
    ("actor_id", 255),
    ("actor_ip", 45),
    ("resource_type", 100),
    ("resource_id", 255),
    ("namespace", 255),
    ("cluster_id", 255),
    ("severity", 20),
    ("parent_event_id", 36),
    ("parent_event_date", 64),
    ("error_code", 50),
    ("error_message", usize::MAX),
];

/// Enums of the orchestrator's payload.
const ENUMS: [(&str, &[&str]); 4] = [
    ("outcome", &["Success", "Failed", "Pending"]),
    ("failure_phase", &["SignalProcessing", "AIAnalysis", "WorkflowExecution", "Approval"]),
    ("failure_reason", &["Timeout", "ValidationError", "InfrastructureError", "ApprovalRejected", "Unknown"]),
    ("decision", &["Approved", "Rejected", "Pending"]),
];

/// Holds a body against the rules; the error names the member and what it has to be.
pub fn validate(body: &Value) -> Result<(), String> {
    if !body.is_object() {
        return Err("an event must be an object".to_owned());
    }
    for (member, most) in REQUIRED {
        bounded(body, member, most)?.ok_or_else(|| format!("{member} is missing"))?;
    }
    for (member, most) in OPTIONAL {
        bounded(body, member, most)?;
    }
    one_of(body, "version", &["1.0"])?;
    one_of(body, "event_category", &CATEGORIES)?;
    if text(body, "/event_outcome").is_empty() {
        return Err("event_outcome is missing".to_owned());
    }
    one_of(body, "event_outcome", &["success", "failure", "pending"])?;
    let at = text(body, "/event_timestamp");
    if Timestamp::parse(at).is_none() {
        return Err(format!("event_timestamp is \"{at}\"; it must be a time as RFC 3339 has it"));
    }
    if let Some(parent) = body.get("parent_event_id").and_then(Value::as_str)
        && uuid::Uuid::parse_str(parent).is_err()
    {
        return Err(format!("parent_event_id is \"{parent}\"; it must be a UUID"));
    }
    whole(body, "duration_ms", 0, u64::MAX)?;
    whole(body, "retention_days", 1, 2555)?;
    if body.get("is_sensitive").is_some_and(|value| !value.is_boolean()) {
        return Err("is_sensitive must be true or false".to_owned());
    }
    let payload = body.get("event_data").ok_or("event_data is missing")?;
    check_payload(text(body, "/event_type"), text(body, "/event_category"), payload)
}

fn check_payload(event_type: &str, category: &str, payload: &Value) -> Result<(), String> {
    if !payload.is_object() {
        return Err("event_data must be an object".to_owned());
    }
    let depth = depth(payload);
    if depth > PAYLOAD_DEPTH_MAX {
        return Err(format!("event_data has {depth} levels; at most {PAYLOAD_DEPTH_MAX}"));
    }
    let bytes = payload.to_string().len();
    if bytes > PAYLOAD_BYTES_MAX {
        return Err(format!("event_data has {bytes} bytes; at most {PAYLOAD_BYTES_MAX}"));
    }
    let inner = text(payload, "/event_type");
    if inner != event_type {
        return Err(format!("event_data.event_type is \"{inner}\"; it must be \"{event_type}\" as outside"));
    }
    if category == super::envelope::CATEGORY {
        for member in ["rr_name", "namespace"] {
            if text(payload, &format!("/{member}")).is_empty() {
                return Err(format!("event_data.{member} is missing"));
            }
        }
        for (member, values) in ENUMS {
            one_of(payload, member, values)?;
        }
        whole(payload, "duration_ms", 0, u64::MAX)?;
    }
    Ok(())
}

/// The text of a member, which has 1 to `most` characters; `None` where it is absent.
fn bounded<'v>(body: &'v Value, member: &str, most: usize) -> Result<Option<&'v str>, String> {
    let Some(value) = body.get(member).filter(|value| !value.is_null()) else { return Ok(None) };
    let Some(text) = value.as_str() else { return Err(format!("{member} must be a text")) };
    match text.chars().count() {
        0 => Err(format!("{member} is empty")),
        characters if characters > most => Err(format!("{member} has {characters} characters; at most {most}")),
        _ => Ok(Some(text)),
    }
}

/// A member that is absent or one of these values.
fn one_of(body: &Value, member: &str, values: &[&str]) -> Result<(), String> {
    match body.get(member) {
        None => Ok(()),
        Some(value) if value.as_str().is_some_and(|text| values.contains(&text)) => Ok(()),
        Some(value) => Err(format!("{member} is {value}; it must be one of {}", values.join(", "))),
    }
}

/// A member that is absent or a whole number in a range.
fn whole(body: &Value, member: &str, least: u64, most: u64) -> Result<(), String> {
    match body.get(member) {
        None => Ok(()),
        Some(value) if value.as_u64().is_some_and(|number| (least..=most).contains(&number)) => Ok(()),
        Some(value) => Err(format!("{member} is {value}; it must be a whole number from {least} to {most}")),
    }
}

/// Levels of a document: 1 for an empty object or list, 0 for a plain value.
fn depth(value: &Value) -> usize {
    // A list of what is left to look at instead of recursion: a hostile document is as deep as it likes.
    let mut deepest = 0;
    let mut left = vec![(value, 0_usize)];
    while let Some((value, above)) = left.pop() {
        match value {
            Value::Object(map) => {
                deepest = deepest.max(above + 1);
                left.extend(map.values().map(|value| (value, above + 1)));
            }
            Value::Array(list) => {
                deepest = deepest.max(above + 1);
                left.extend(list.iter().map(|value| (value, above + 1)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    deepest
}
