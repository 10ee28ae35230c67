//! What a body has to be: each rule refuses what breaks it.

use serde_json::{Value, json};

use crate::audit::{PAYLOAD_BYTES_MAX, PAYLOAD_DEPTH_MAX, validate};
use crate::json::merge_apply;

fn sound() -> Value {
    json!({
        "version": "1.0", "event_type": "orchestrator.lifecycle.started", "event_timestamp": "2026-11-22T08:30:18Z",
        "event_category": "orchestration", "event_action": "started", "event_outcome": "pending",
        "correlation_id": "rr",
        "event_data": {"event_type": "orchestrator.lifecycle.started", "rr_name": "rr", "namespace": "ns"},
    })
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!({"a": inner}))
}

#[test]
fn a_sound_body_passes() {
    assert_eq!(validate(&sound()), Ok(()));
    let mut other = sound();
    let gateway = json!({
        "event_category": "gateway", "event_type": "gateway.signal.received", "retention_days": 2555,
        "is_sensitive": false, "parent_event_id": "9e055db1-556c-5a66-883a-93cbb5ace078", "duration_ms": 0,
        "event_data": {"event_type": "gateway.signal.received", "rr_name": null, "namespace": null, "outcome": "any"},
    });
    merge_apply(&mut other, &gateway);
    assert_eq!(validate(&other), Ok(()));
}

#[test]
fn each_rule_names_what_breaks_it() {
    let deep = nested(PAYLOAD_DEPTH_MAX);
    let cases = [
        (json!({"version": null}), "version is missing"),
        (json!({"version": "2.0"}), "version is \"2.0\""),
        (json!({"event_type": null}), "event_type is missing"),
        (json!({"event_type": "x".repeat(101)}), "event_type has 101 characters"),
        (json!({"event_timestamp": null}), "event_timestamp is missing"),
        (json!({"event_timestamp": "noon"}), "event_timestamp is \"noon\""),
        (json!({"event_category": null}), "event_category is missing"),
        (json!({"event_category": "lunch"}), "event_category is \"lunch\""),
        (json!({"event_action": null}), "event_action is missing"),
        (json!({"event_action": "ä".repeat(51)}), "event_action has 51 characters"),
        (json!({"event_outcome": null}), "event_outcome is missing"),
        (json!({"event_outcome": "Success"}), "event_outcome is \"Success\""),
        (json!({"correlation_id": ""}), "correlation_id is empty"),
        (json!({"correlation_id": "x".repeat(256)}), "correlation_id has 256 characters"),
        (json!({"correlation_id": 7}), "correlation_id must be a text"),
        (json!({"actor_ip": "1".repeat(46)}), "actor_ip has 46 characters"),
        (json!({"parent_event_id": "mother"}), "parent_event_id is \"mother\""),
        (json!({"duration_ms": -1}), "duration_ms is -1"),
        (json!({"retention_days": 2556}), "retention_days is 2556"),
        (json!({"is_sensitive": "no"}), "is_sensitive must be"),
        (json!({"event_data": null}), "event_data is missing"),
        (json!({"event_data": "text"}), "event_data must be an object"),
        (json!({"event_data": {"event_type": "other"}}), "event_data.event_type is \"other\""),
        (json!({"event_data": {"rr_name": null}}), "event_data.rr_name is missing"),
        (json!({"event_data": {"namespace": null}}), "event_data.namespace is missing"),
        (json!({"event_data": {"outcome": "success"}}), "outcome is \"success\""),
        (json!({"event_data": {"failure_phase": "Blocked"}}), "failure_phase is \"Blocked\""),
        (json!({"event_data": {"failure_reason": "phase timeout"}}), "failure_reason is"),
        (json!({"event_data": {"decision": "Expired"}}), "decision is \"Expired\""),
        (json!({"event_data": {"duration_ms": 1.5}}), "duration_ms is 1.5"),
        (json!({"event_data": {"deep": deep}}), "event_data has 11 levels"),
        (json!({"event_data": {"long": "x".repeat(PAYLOAD_BYTES_MAX)}}), "event_data has 2622"),
    ];
    for (change, expected) in cases {
        let mut body = sound();
        merge_apply(&mut body, &change);
        let refused = validate(&body).expect_err(expected);
        assert!(refused.contains(expected), "{refused}: {expected}");
    }
    assert_eq!(validate(&json!([])), Err("an event must be an object".to_owned()));
}

#[test]
fn the_deepest_lawful_payload_passes() {
    let mut body = sound();
    body["event_data"]["deep"] = nested(PAYLOAD_DEPTH_MAX - 1);
    assert_eq!(validate(&body), Ok(()));
}
