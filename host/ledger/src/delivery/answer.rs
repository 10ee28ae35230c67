//! What an answer of the receiver means for the events that were sent.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::fmt::rfc2822;
use reqwest::StatusCode;
use serde_json::Value;
use trimtab_core::time::Timestamp;
use uuid::Uuid;

use super::report::AttemptResult;

/// Most characters of a reason or an error that are kept.
const REASON_CHARS_MAX: usize = 1000;

/// The problem type of a batch with too many events.
const BATCH_SIZE_EXCEEDED: &str = "batch-size-exceeded";

/// What became of events that were sent.
#[derive(Debug)]
pub(super) enum Answer {
    /// They are stored, under these ids where the receiver says so.
    Stored(Vec<Uuid>),
    /// They are taken, to be stored later.
    Queued,
    /// They are more than the receiver takes at once.
    TooMany,
    /// They are larger together than the receiver takes at once.
    TooLarge(Problem),
    /// The receiver has one of them already, under the same id.
    Duplicate(Problem),
    /// One of them at least is refused for what it holds, and all with it.
    Refused(Problem),
    /// It did not come to that.
    Failed(Trouble),
}

/// Whether events of a failed attempt may have arrived all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Surely not by this attempt.
    No,
    /// Nobody can tell.
    Unknown,
}

/// A failed attempt that is worth repeating.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) result: AttemptResult,
    /// One line: cause and mend.
    pub(super) message: String,
    pub(super) arrival: Arrival,
    /// How long the receiver wants to be left alone.
    pub(super) retry_after: Option<Duration>,
}

impl Trouble {
    pub(super) fn new(result: AttemptResult, message: &str, arrival: Arrival) -> Self {
        Self { result, message: one_line(message), arrival, retry_after: None }
    }
}

/// A refusal in the receiver's words (RFC 7807).
#[derive(Debug, Default)]
pub(super) struct Problem {
    status: u16,
    /// Last part of the type's address.
    slug: String,
    title: String,
    detail: String,
    /// Places of the events that the field errors name.
    pub(super) suspects: BTreeSet<usize>,
}

impl Problem {
    /// Reads a refusal; `None` where it is no JSON object, which `DataStorage` never sends.
    fn parse(status: StatusCode, body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok().filter(Value::is_object)?;
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let slug = text("type").rsplit('/').next().unwrap_or_default().to_owned();
        let suspects = body.get("field_errors").map(suspects).unwrap_or_default();
        Some(Self { status: status.as_u16(), slug, title: text("title"), detail: text("detail"), suspects })
    }

    /// The refusal as one bounded line.
    pub(super) fn reason(&self) -> String {
        let words = [self.title.as_str(), self.detail.as_str()];
        let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
        let kind = if self.slug.is_empty() { String::new() } else { format!(" {}", self.slug) };
        one_line(&format!("{} ({}{kind})", words.join(": "), self.status))
    }
}

/// Places named by field errors, in any of the forms `events[3].x`, `3.x`, `/3/x`: as keys, or as the members `field`,
/// `path` or `pointer` of a list.
fn suspects(field_errors: &Value) -> BTreeSet<usize> {
    match field_errors {
        Value::Object(members) => members.keys().filter_map(|key| place(key)).collect(),
        Value::Array(items) => {
            let members = ["field", "path", "pointer"];
            let suspect = |item: &Value| members.iter().find_map(|name| item.get(*name)?.as_str().and_then(place));
            items.iter().filter_map(suspect).collect()
        }
        _ => BTreeSet::new(),
    }
}

fn place(field: &str) -> Option<usize> {
    field.split(['[', ']', '.', '/']).find_map(|part| part.parse().ok())
}

/// Words for an error in one line of bounded length, without control characters.
pub(super) fn one_line(text: &str) -> String {
    let clean = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    clean.take(REASON_CHARS_MAX).collect()
}

/// Reads the answer to a request that stores events.
pub(super) fn of_write(status: StatusCode, retry_after: Option<Duration>, body: &[u8], path: &str) -> Answer {
    match status.as_u16() {
        201 => return Answer::Stored(stored_ids(body)),
        202 => return Answer::Queued,
        413 => {
            let bare = Problem { status: 413, title: "payload too large".to_owned(), ..Problem::default() };
            return Answer::TooLarge(Problem::parse(status, body).unwrap_or(bare));
        }
        _ => {}
    }
    match (status.as_u16(), Problem::parse(status, body)) {
        (400, Some(problem)) if problem.slug == BATCH_SIZE_EXCEEDED => Answer::TooMany,
        (400 | 422, Some(problem)) => Answer::Refused(problem),
        (409, Some(problem)) => Answer::Duplicate(problem),
        (_, problem) => Answer::Failed(trouble(status, retry_after, problem.as_ref(), path)),
    }
}

/// What a status means that neither takes nor refuses events.
pub(super) fn trouble(
    status: StatusCode,
    retry_after: Option<Duration>,
    problem: Option<&Problem>,
    path: &str,
) -> Trouble {
    let said = problem.map(|problem| format!(": {}", problem.reason())).unwrap_or_default();
    let (result, arrival, message) = match status.as_u16() {
        401 | 403 => {
            let message = format!(
                "the receiver does not accept the token for {path} ({status}){said}; see the token file and its rights"
            );
            (AttemptResult::Unauthorized, Arrival::No, message)
        }
        404 | 405 => {
            let message =
                format!("the receiver has no {path} ({status}); see whether the address is that of DataStorage");
            (AttemptResult::PathUnknown, Arrival::No, message)
        }
        429 => (AttemptResult::Throttled, Arrival::No, format!("the receiver asks to slow down ({status}){said}")),
        // A gateway may say so although the receiver has stored the events.
        408 | 500.. => {
            (AttemptResult::ReceiverFailed, Arrival::Unknown, format!("the receiver failed ({status}){said}"))
        }
        300..=499 => {
            let message = format!("{path} answers {status}{said}; see whether the address is that of DataStorage");
            (AttemptResult::Unexpected, Arrival::No, message)
        }
        _ => {
            let message =
                format!("{path} answers {status}, which DataStorage never does; see whether the address is right");
            (AttemptResult::Unexpected, Arrival::Unknown, message)
        }
    };
    Trouble { retry_after, ..Trouble::new(result, &message, arrival) }
}

/// As [`trouble`], for a body that may hold a problem.
pub(super) fn trouble_of(status: StatusCode, retry_after: Option<Duration>, body: &[u8], path: &str) -> Trouble {
    trouble(status, retry_after, Problem::parse(status, body).as_ref(), path)
}

fn stored_ids(body: &[u8]) -> Vec<Uuid> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let ids = body["event_ids"].as_array().into_iter().flatten();
    ids.filter_map(|id| id.as_str()?.parse().ok()).collect()
}

/// Reads `Retry-After`: seconds, or a time.
pub(super) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = rfc2822::DateTimeParser::new().parse_timestamp(value.trim()).ok()?;
    let at = Timestamp::from_millis(u64::try_from(at.as_millisecond()).ok()?);
    Some(Duration::from_millis(at.since(now).as_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "POST /api/v1/audit/events/batch";

    fn answer(status: u16, body: &str) -> Answer {
        of_write(StatusCode::from_u16(status).unwrap(), None, body.as_bytes(), PATH)
    }

    #[test]
    fn only_created_and_accepted_take_events() {
        let id = Uuid::from_u128(7);
        assert!(matches!(answer(201, &format!(r#"{{"event_ids":["{id}"]}}"#)), Answer::Stored(ids) if ids == [id]));
        assert!(matches!(answer(201, "cut off"), Answer::Stored(ids) if ids.is_empty()));
        assert!(matches!(answer(202, ""), Answer::Queued));
        for status in [200, 203, 204, 206] {
            let Answer::Failed(trouble) = answer(status, "<html>") else { panic!("{status}") };
            assert_eq!((trouble.result, trouble.arrival), (AttemptResult::Unexpected, Arrival::Unknown));
        }
    }

    #[test]
    fn a_refusal_is_one_only_in_the_receivers_own_words() {
        let problem = r#"{"type":"https://kubernaut.ai/problems/validation-error","title":"Validation Error",
            "detail":"no\nway","field_errors":{"events[3].event_type":"x","events[11]":"y"}}"#;
        for status in [400, 422] {
            let Answer::Refused(problem) = answer(status, problem) else { panic!("{status}") };
            assert_eq!(problem.reason(), format!("Validation Error: no way ({status} validation-error)"));
            assert_eq!(problem.suspects, BTreeSet::from([3, 11]));
            assert!(matches!(answer(status, "<html>"), Answer::Failed(_)), "{status}");
        }
        assert!(matches!(answer(409, problem), Answer::Duplicate(_)));
        assert!(matches!(answer(413, "<html>"), Answer::TooLarge(_)));
        let many = r#"{"type":"https://kubernaut.ai/problems/batch-size-exceeded"}"#;
        assert!(matches!(answer(400, many), Answer::TooMany));
    }

    #[test]
    fn every_other_status_is_retried_and_says_whether_events_may_have_arrived() {
        let cases = [
            (302, AttemptResult::Unexpected, Arrival::No),
            (401, AttemptResult::Unauthorized, Arrival::No),
            (403, AttemptResult::Unauthorized, Arrival::No),
            (404, AttemptResult::PathUnknown, Arrival::No),
            (405, AttemptResult::PathUnknown, Arrival::No),
            (408, AttemptResult::ReceiverFailed, Arrival::Unknown),
            (415, AttemptResult::Unexpected, Arrival::No),
            (429, AttemptResult::Throttled, Arrival::No),
            (500, AttemptResult::ReceiverFailed, Arrival::Unknown),
            (503, AttemptResult::ReceiverFailed, Arrival::Unknown),
            (504, AttemptResult::ReceiverFailed, Arrival::Unknown),
        ];
        for (status, result, arrival) in cases {
            let Answer::Failed(trouble) = answer(status, "{}") else { panic!("{status}") };
            assert_eq!((trouble.result, trouble.arrival), (result, arrival), "{status}");
            assert!(trouble.message.contains(&status.to_string()), "{}", trouble.message);
        }
    }

    #[test]
    fn field_errors_name_places_in_several_forms() {
        let forms = [
            serde_json::json!({ "events[3].event_type": "x" }),
            serde_json::json!({ "[3].event_type": "x", "version": "y" }),
            serde_json::json!({ "3.event_data": "x" }),
            serde_json::json!([{ "field": "/3/event_data", "message": "x" }, "?"]),
        ];
        for form in forms {
            assert_eq!(suspects(&form), BTreeSet::from([3]), "{form}");
        }
        assert!(suspects(&serde_json::json!({ "event_type": "x" })).is_empty());
    }

    #[test]
    fn retry_after_is_seconds_or_a_time() {
        let now = Timestamp::parse("2026-11-22T08:30:30Z").unwrap();
        assert_eq!(retry_after(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 22 Nov 2026 08:30:37 GMT", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 22 Nov 2026 08:30:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-1", now), None);
    }

    #[test]
    fn a_reason_is_one_bounded_line() {
        let line = one_line(&format!("a\nb\u{7}{}", "é".repeat(5000)));
        assert!(line.starts_with("a b é") && line.chars().count() == REASON_CHARS_MAX);
    }
}
