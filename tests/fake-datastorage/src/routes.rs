//! The endpoints: writes, queries, readiness, and the fake's own under `/fake`.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::routing::{get, post};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::fault::{Effect, On, parse_script};
use crate::problem::Problem;
use crate::server::Shared;
use crate::store::{Conflict, State as Store, Stored};
use crate::validate;

/// Page of a query that names none.
const PAGE_DEFAULT: usize = 100;

/// Largest page of a query.
const PAGE_MAX: usize = 1000;

/// Marks an answer that is not to be given: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HungUp;

/// Size of a write, noted beside its answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

/// How a write is worded and answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Write {
    Single,
    Batch,
}

pub(crate) fn router(shared: Shared) -> Router {
    Router::new()
        .route("/readyz", get(readyz))
        .route("/api/v1/audit/events", post(single).get(query))
        .route("/api/v1/audit/events/batch", post(batch))
        .route("/api/v1/remediation-history/context", get(history))
        .route("/fake/events", get(stored))
        .route("/fake/report", get(report))
        .route("/fake/faults", post(add_faults))
        .with_state(shared)
}

/// The state under its lock; nothing panics while it is held, so a poisoned lock is sound.
pub(crate) fn lock(shared: &Shared) -> std::sync::MutexGuard<'_, Store> {
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn json(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

async fn readyz(State(shared): State<Shared>) -> Response<Body> {
    if lock(&shared).conditions.is_ready {
        json(StatusCode::OK, &json!({ "status": "ready" }))
    } else {
        json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "not_ready", "reason": "database_unreachable" }))
    }
}

async fn single(State(shared): State<Shared>, headers: HeaderMap, body: Body) -> Response<Body> {
    write(&shared, &headers, body, Write::Single).await
}

async fn batch(State(shared): State<Shared>, headers: HeaderMap, body: Body) -> Response<Body> {
    write(&shared, &headers, body, Write::Batch).await
}

async fn write(shared: &Shared, headers: &HeaderMap, body: Body, kind: Write) -> Response<Body> {
    let bytes_max = lock(shared).conditions.body_bytes_max;
    let read = Limited::new(body, bytes_max).collect().await;
    let Ok(bytes) = read.map(http_body_util::Collected::to_bytes) else {
        let detail = format!("the body has more than {bytes_max} bytes");
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", "Payload Too Large", detail).response();
    };
    let events = serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(&bytes).map_or(1, |events| events.len());
    let mut response = struck(shared, headers, &bytes, kind).await;
    response.extensions_mut().insert(Size { events, bytes: bytes.len() });
    response
}

/// The answer to a write under the fault that is due.
async fn struck(shared: &Shared, headers: &HeaderMap, bytes: &Bytes, kind: Write) -> Response<Body> {
    let fault = lock(shared).strike(On::Write);
    match fault {
        None => take(shared, headers, bytes, kind),
        Some(Effect::Status { status, retry_after, stores }) => {
            let answer = stores.then(|| take(shared, headers, bytes, kind));
            asked_for(status, retry_after.as_deref(), answer)
        }
        Some(Effect::HangUp { stores }) => {
            if stores {
                take(shared, headers, bytes, kind);
            }
            hung_up()
        }
        Some(Effect::Delay { millis, stores }) => {
            let early = stores.then(|| take(shared, headers, bytes, kind));
            tokio::time::sleep(Duration::from_millis(millis)).await;
            early.unwrap_or_else(|| take(shared, headers, bytes, kind))
        }
    }
}

fn hung_up() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(HungUp);
    response
}

/// The answer that a fault asks for; a refusal that the write met on the way goes first.
fn asked_for(status: u16, retry_after: Option<&str>, answer: Option<Response<Body>>) -> Response<Body> {
    if let Some(refusal) = answer.filter(|answer| !answer.status().is_success()) {
        return refusal;
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = if status.is_success() {
        json(status, &json!({ "status": "accepted", "message": "queued for later processing" }))
    } else {
        Problem::of_status(status).response()
    };
    if let Some(value) = retry_after.and_then(|text| HeaderValue::from_str(text).ok()) {
        response.headers_mut().insert(RETRY_AFTER, value);
    }
    response
}

/// Lets in, reads, checks and stores; the answer without any fault.
fn take(shared: &Shared, headers: &HeaderMap, bytes: &Bytes, kind: Write) -> Response<Body> {
    let mut store = lock(shared);
    let taken = admit(&store, headers)
        .and_then(|()| read(bytes, kind))
        .and_then(|events| check(&store, events, kind))
        .and_then(|events| {
            let times: Vec<_> = events.iter().map(|event| event["event_timestamp"].clone()).collect();
            let ids = store.store(events).map_err(|Conflict(id)| {
                Problem::new(StatusCode::CONFLICT, "conflict", "Conflict", format!("{id} has another body"))
            })?;
            Ok((ids, times))
        });
    match (taken, kind) {
        (Err(problem), _) => problem.response(),
        (Ok((ids, _)), Write::Batch) => {
            let message = format!("{} audit events created successfully", ids.len());
            json(StatusCode::CREATED, &json!({ "event_ids": ids, "message": message }))
        }
        (Ok((ids, times)), Write::Single) => json(
            StatusCode::CREATED,
            &json!({ "event_id": ids.first(), "event_timestamp": times.first(), "message": "audit event created" }),
        ),
    }
}

fn admit(store: &Store, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(token) = &store.conditions.token else { return Ok(()) };
    let sent = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if sent.and_then(|sent| sent.strip_prefix("Bearer ")) == Some(token) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized", "the token is not valid"))
}

fn read(bytes: &Bytes, kind: Write) -> Result<Vec<Value>, Problem> {
    let parsed: Value = serde_json::from_slice(bytes)
        .map_err(|error| Problem::invalid_request(format!("the body is no JSON: {error}")))?;
    match (kind, parsed) {
        (Write::Batch, Value::Array(events)) if events.is_empty() => {
            Err(Problem::invalid("the batch must hold at least one event"))
        }
        (Write::Batch, Value::Array(events)) => Ok(events),
        (Write::Batch, _) => Err(Problem::invalid_request("the body must be a JSON array")),
        (Write::Single, event) => Ok(vec![event]),
    }
}

fn check(store: &Store, events: Vec<Value>, kind: Write) -> Result<Vec<Value>, Problem> {
    let conditions = &store.conditions;
    if events.len() > conditions.batch_events_max {
        let detail = format!("{} events exceed the most of {}", events.len(), conditions.batch_events_max);
        return Err(Problem::new(StatusCode::BAD_REQUEST, "batch-size-exceeded", "Batch Size Exceeded", detail));
    }
    let now = store.now();
    for (index, event) in events.iter().enumerate() {
        let text = event.to_string();
        if conditions.stumbling.iter().any(|marker| text.contains(marker.as_str())) {
            let detail = format!("event {index} cannot be stored");
            return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "database-error", "Database Error", detail));
        }
        let poison = conditions.poison.iter().find(|marker| text.contains(marker.as_str()));
        let verdict = match poison {
            Some(marker) => Err(("event_data".to_owned(), format!("event_data contains {marker}"))),
            None => validate::event(event, now),
        };
        let Err((field, why)) = verdict else { continue };
        if !conditions.names_fields {
            return Err(Problem::invalid("one or more events are not valid"));
        }
        let (place, detail) = match kind {
            Write::Batch => (format!("events[{index}].{field}"), format!("event {index}: {why}")),
            Write::Single => (field, why.clone()),
        };
        let mut problem = Problem::invalid(detail);
        problem.field_errors = Map::from_iter([(place, Value::String(why))]);
        return Err(problem);
    }
    Ok(events)
}

async fn query(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Query(parameters): Query<HashMap<String, String>>,
) -> Response<Body> {
    let fault = lock(&shared).strike(On::Query);
    match fault {
        None => {}
        Some(Effect::Status { status, retry_after, .. }) => return asked_for(status, retry_after.as_deref(), None),
        Some(Effect::HangUp { .. }) => return hung_up(),
        Some(Effect::Delay { millis, .. }) => tokio::time::sleep(Duration::from_millis(millis)).await,
    }
    let store = lock(&shared);
    if let Some(status) = store.conditions.query_status {
        return asked_for(status, None, None);
    }
    let found = admit(&store, &headers).and_then(|()| find(&store, &parameters));
    found.map_or_else(|problem| problem.response(), |page| json(StatusCode::OK, &page))
}

/// A page of the stored events that fit, newest first.
fn find(store: &Store, parameters: &HashMap<String, String>) -> Result<Value, Problem> {
    let number = |name: &str, default: usize| match parameters.get(name) {
        None => Ok(default),
        Some(text) => text.parse::<usize>().map_err(|_| Problem::parameter(format!("{name} must be a whole number"))),
    };
    let time = |name: &str| match parameters.get(name) {
        None => Ok(None),
        Some(text) => {
            text.parse::<Timestamp>().map(Some).map_err(|_| Problem::parameter(format!("{name} must be RFC 3339")))
        }
    };
    let (limit, offset) = (number("limit", PAGE_DEFAULT)?, number("offset", 0)?);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Problem::parameter(format!("limit must be from 1 to {PAGE_MAX}")));
    }
    let (since, until) = (time("since")?, time("until")?);
    let at = |stored: &Stored| stored.text("event_timestamp").parse::<Timestamp>().unwrap_or_default();
    let texts = ["event_type", "event_category", "event_outcome", "severity", "correlation_id"];
    let fits = |stored: &&Stored| {
        texts.iter().all(|name| parameters.get(*name).is_none_or(|wanted| stored.text(name) == wanted))
            && since.is_none_or(|since| at(stored) >= since)
            && until.is_none_or(|until| at(stored) <= until)
    };
    let mut found: Vec<_> = store.stored.iter().filter(fits).collect();
    found.sort_by_key(|stored| std::cmp::Reverse((at(stored), stored.event_id)));
    let total = found.len();
    let page: Vec<_> = found.into_iter().skip(offset).take(limit).map(shown).collect();
    let has_more = offset + page.len() < total;
    let pagination = json!({ "limit": limit, "offset": offset, "total": total, "has_more": has_more });
    Ok(json!({ "data": page, "pagination": pagination }))
}

/// The event as a query shows it: with the id that counts here.
fn shown(stored: &Stored) -> Value {
    let mut body = stored.body.clone();
    if let Some(members) = body.as_object_mut() {
        members.insert("event_id".to_owned(), Value::String(stored.event_id.to_string()));
    }
    body
}

/// What was done to one object.
async fn history(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Query(asked): Query<HashMap<String, String>>,
) -> Response<Body> {
    let store = lock(&shared);
    if let Err(problem) = admit(&store, &headers) {
        return problem.response();
    }
    let named = |name: &str| asked.get(name).filter(|value| !value.is_empty());
    let (Some(kind), Some(name), Some(hash)) = (named("targetKind"), named("targetName"), named("currentSpecHash"))
    else {
        let detail = "targetKind, targetName and currentSpecHash are required";
        return Problem::new(StatusCode::BAD_REQUEST, "missing-parameter", "Missing Parameter", detail).response();
    };
    let target = match named("targetNamespace") {
        Some(namespace) => format!("{namespace}/{kind}/{name}"),
        None => format!("{kind}/{name}"),
    };
    let chain = store.conditions.history.get(&target).map_or(&[][..], Vec::as_slice);
    let window = named("tier1Window").map_or("24h0m0s", String::as_str);
    let body = json!({
        "targetResource": target, "currentSpecHash": hash, "regressionDetected": false,
        "tier1": { "window": window, "chain": chain }, "tier2": { "window": "2160h0m0s", "chain": [] },
    });
    json(StatusCode::OK, &body)
}

async fn stored(State(shared): State<Shared>) -> Response<Body> {
    let events = lock(&shared).stored.clone();
    json(StatusCode::OK, &json!(events))
}

async fn report(State(shared): State<Shared>) -> Response<Body> {
    let store = lock(&shared);
    let body = json!({ "stored": store.stored.len(), "doubles": store.doubles(), "requests": store.requests });
    json(StatusCode::OK, &body)
}

async fn add_faults(State(shared): State<Shared>, body: String) -> Response<Body> {
    match parse_script(&body) {
        Ok(faults) => {
            lock(&shared).faults.extend(faults);
            json(StatusCode::OK, &json!({}))
        }
        Err(error) => Problem::invalid_request(error.to_string()).response(),
    }
}
