//! What `DataStorage` checks before it stores an event.
//!
//! The rules that need no clock are the core's; the age of an event, and which types there are, are checked here.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use trimtab_core::audit::validate;

/// How far ahead of the receiver's clock an event may be.
const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(60);

/// How old an event may be.
const AGE_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Types that belong to the category `orchestration`.
const ORCHESTRATION_TYPES: [&str; 15] = [
    "orchestrator.lifecycle.started",
    "orchestrator.lifecycle.created",
    "orchestrator.lifecycle.transitioned",
    "orchestrator.lifecycle.verifying_started",
    "orchestrator.lifecycle.verification_completed",
    "orchestrator.lifecycle.verification_timed_out",
    "orchestrator.lifecycle.completed",
    "orchestrator.lifecycle.failed",
    "orchestrator.approval.requested",
    "orchestrator.approval.approved",
    "orchestrator.approval.rejected",
    "orchestrator.routing.blocked",
    "orchestrator.remediation.manual_review",
    "remediation.workflow_created",
    "orchestrator.ea.created",
];

/// A field that does not fit, and why.
pub(crate) type Misfit = (String, String);

/// Checks one event as if it arrived at `now`.
pub(crate) fn event(body: &Value, now: Timestamp) -> Result<(), Misfit> {
    validate(body).map_err(|why| {
        let field = why.split([' ', '.']).next().unwrap_or_default();
        (if body.is_object() { field.to_owned() } else { String::new() }, why)
    })?;
    let misfit = |field: &str, why: &str| Err((field.to_owned(), format!("{field} {why}")));
    let Ok(at) = body["event_timestamp"].as_str().unwrap_or_default().parse::<Timestamp>() else {
        return misfit("event_timestamp", "must be an RFC 3339 time");
    };
    let age = now.duration_since(at);
    if age > AGE_MAX {
        return misfit("event_timestamp", "is more than 7 days old");
    }
    if age < -AHEAD_MAX {
        return misfit("event_timestamp", "is more than 60 minutes in the future");
    }
    let event_type = body["event_type"].as_str().unwrap_or_default();
    if body["event_category"] == "orchestration" && !ORCHESTRATION_TYPES.contains(&event_type) {
        return misfit("event_data", "has a type that no payload of orchestration has");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T08:30:38Z".parse().unwrap()
    }

    fn sound() -> Value {
        json!({
            "version": "1.0", "event_type": "orchestrator.lifecycle.started", "event_timestamp": "2026-11-22T08:30:37Z",
            "event_category": "orchestration", "event_action": "started", "event_outcome": "pending",
            "correlation_id": "rr-1", "namespace": "kubernaut-system",
            "event_data": {
                "event_type": "orchestrator.lifecycle.started", "rr_name": "rr-1", "namespace": "kubernaut-system"
            }
        })
    }

    #[test]
    fn a_sound_event_passes() {
        assert_eq!(event(&sound(), now()), Ok(()));
    }

    #[test]
    fn each_rule_names_the_field_that_breaks_it() {
        let cases = [
            ("/version", json!("2.0"), "version"),
            ("/correlation_id", json!(""), "correlation_id"),
            ("/event_category", json!("weather"), "event_category"),
            ("/event_timestamp", json!("yesterday"), "event_timestamp"),
            ("/event_timestamp", json!("2026-11-15T08:30:37Z"), "event_timestamp"),
            ("/event_timestamp", json!("2026-11-22T09:30:39Z"), "event_timestamp"),
            ("/event_data/event_type", json!("orchestrator.lifecycle.created"), "event_data"),
        ];
        for (pointer, value, field) in cases {
            let mut body = sound();
            *body.pointer_mut(pointer).unwrap() = value;
            assert_eq!(event(&body, now()).unwrap_err().0, field, "{pointer}");
        }
        assert_eq!(event(&json!("text"), now()).unwrap_err().0, "");
    }

    #[test]
    fn an_orchestration_type_that_is_not_in_the_catalogue_is_refused() {
        let mut body = sound();
        body["event_type"] = json!("orchestrator.lifecycle.renamed");
        body["event_data"]["event_type"] = body["event_type"].clone();
        assert_eq!(event(&body, now()).unwrap_err().0, "event_data");
        body["event_category"] = json!("workflow");
        assert_eq!(event(&body, now()), Ok(()));
    }

    #[test]
    fn times_at_the_very_limits_pass() {
        for at in ["2026-11-15T08:30:38Z", "2026-11-22T09:30:38Z"] {
            let mut body = sound();
            body["event_timestamp"] = json!(at);
            assert_eq!(event(&body, now()), Ok(()), "{at}");
        }
    }
}
