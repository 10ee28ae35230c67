//! Whether events have arrived whose answer was lost: the questions to ask, and how their answers are matched.
//!
//! A receiver that gives ids of its own knows an event only by what it says: correlation, type, time and payload. Two
//! events that agree in all of these are told apart by their number alone.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use trimtab_core::audit::AuditEvent;
use trimtab_core::time::{Span, Timestamp};

/// How far a question reaches beyond the times of its events: their milliseconds may be cut off.
const MARGIN: Span = Span::from_secs(2);

/// What to ask for: the events of one correlation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) correlation_id: String,
    /// Where all have the same.
    pub(super) event_type: Option<String>,
    pub(super) since: String,
    pub(super) until: String,
    /// Places of the events in question.
    pub(super) places: Vec<usize>,
}

/// The questions that settle these events, given with their places.
pub(super) fn questions<'a>(events: impl Iterator<Item = (usize, &'a AuditEvent)>) -> Vec<Question> {
    let mut groups: BTreeMap<&str, Vec<(usize, &AuditEvent)>> = BTreeMap::new();
    for (place, event) in events {
        groups.entry(&event.correlation_id).or_default().push((place, event));
    }
    groups.into_iter().map(|(correlation_id, group)| question(correlation_id, &group)).collect()
}

fn question(correlation_id: &str, group: &[(usize, &AuditEvent)]) -> Question {
    let times = || group.iter().map(|(_, event)| time_of(event));
    let since = times().min().unwrap_or_default().as_millis().saturating_sub(MARGIN.as_millis());
    let until = times().max().unwrap_or_default().plus(MARGIN);
    let types: HashSet<_> = group.iter().map(|(_, event)| event.event_type.as_str()).collect();
    Question {
        correlation_id: correlation_id.to_owned(),
        event_type: types.iter().next().filter(|_| types.len() == 1).map(|only| (*only).to_owned()),
        since: Timestamp::from_millis(since).to_string(),
        until: until.to_string(),
        places: group.iter().map(|(place, _)| *place).collect(),
    }
}

/// The time that the event's body says; it is what the receiver stores.
fn time_of(event: &AuditEvent) -> Timestamp {
    event.body["event_timestamp"].as_str().and_then(Timestamp::parse).unwrap_or(event.at)
}

/// Places of the events that are among the receiver's `rows`; each row stands for one event.
pub(super) fn matched<'a>(rows: &[Value], events: impl Iterator<Item = (usize, &'a AuditEvent)>) -> HashSet<usize> {
    let mut rows: Vec<_> = rows.iter().map(Some).collect();
    let mut found = HashSet::new();
    for (place, event) in events {
        let same = rows.iter_mut().find(|row| row.is_some_and(|row| says_the_same(row, event)));
        if let Some(row) = same {
            *row = None;
            found.insert(place);
        }
    }
    found
}

fn says_the_same(row: &Value, event: &AuditEvent) -> bool {
    let time = row["event_timestamp"].as_str().and_then(Timestamp::parse);
    row["event_type"] == event.event_type.as_str()
        && row["correlation_id"] == event.correlation_id.as_str()
        && time == Some(time_of(event))
        && is_equal(&row["event_data"], &event.body["event_data"])
}

/// Equality of JSON as databases and typed clients keep it: a member that is null is one that is absent, and 1.0 is 1.
fn is_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let names = one.keys().chain(other.keys());
            names.into_iter().all(|name| is_equal(member(one, name), member(other, name)))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_equal(one, other))
        }
        (Value::Number(a), Value::Number(b)) => one == other || (a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64(),
        _ => one == other,
    }
}

fn member<'a>(members: &'a serde_json::Map<String, Value>, name: &str) -> &'a Value {
    members.get(name).unwrap_or(&Value::Null)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn event(correlation_id: &str, event_type: &str, at: &str, data: &Value) -> AuditEvent {
        let body = json!({
            "event_type": event_type, "event_timestamp": at, "correlation_id": correlation_id, "event_data": data
        });
        AuditEvent {
            id: Uuid::from_u128(1),
            at: Timestamp::parse(at).unwrap(),
            event_type: event_type.to_owned(),
            correlation_id: correlation_id.to_owned(),
            body,
        }
    }

    const AT: &str = "2026-11-22T08:30:37Z";

    #[test]
    fn events_are_asked_for_by_correlation_within_their_times() {
        let later = "2026-11-22T08:31:00Z";
        let events =
            [event("b", "t", AT, &json!({})), event("a", "t", AT, &json!({})), event("b", "u", later, &json!({}))];
        let asked = questions(events.iter().enumerate());
        assert_eq!(asked.iter().map(|question| question.places.clone()).collect::<Vec<_>>(), [vec![1], vec![0, 2]]);
        assert_eq!(asked[0].event_type.as_deref(), Some("t"));
        assert_eq!(asked[1].event_type, None);
        assert_eq!(
            (asked[1].since.as_str(), asked[1].until.as_str()),
            ("2026-11-22T08:30:35Z", "2026-11-22T08:31:02Z")
        );
    }

    #[test]
    fn an_event_is_there_if_correlation_type_time_and_payload_agree() {
        let sound = event("a", "t", AT, &json!({ "n": 1, "x": [1, { "y": null }] }));
        let mut row = sound.body.clone();
        row["event_timestamp"] = json!("2026-11-22T09:30:37.000+01:00");
        row["event_data"] = json!({ "x": [1.0, {}], "n": 1, "z": null });
        let is_there = |row: &Value| !matched(std::slice::from_ref(row), [(5, &sound)].into_iter()).is_empty();
        assert!(is_there(&row));
        for (name, value) in [
            ("event_type", json!("u")),
            ("correlation_id", json!("b")),
            ("event_timestamp", json!("2026-11-22T08:30:38Z")),
            ("event_data", json!({ "n": 2, "x": [1, {}] })),
            ("event_data", json!({ "n": 1, "x": [1, {}, 2] })),
        ] {
            let mut other = row.clone();
            other[name] = value;
            assert!(!is_there(&other), "{name}");
        }
    }

    #[test]
    fn one_row_stands_for_one_event() {
        let (first, second) = (event("a", "t", AT, &json!({})), event("a", "t", AT, &json!({})));
        let row = first.body.clone();
        let found = matched(std::slice::from_ref(&row), [(0, &first), (1, &second)].into_iter());
        assert_eq!(found, HashSet::from([0]));
        let found = matched(&[row.clone(), row], [(0, &first), (1, &second)].into_iter());
        assert_eq!(found, HashSet::from([0, 1]));
    }
}
