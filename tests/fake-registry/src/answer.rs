//! Answers, whole ones and broken ones.

use std::io;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::shelf::Kept;

pub(crate) fn status(code: u16) -> Response {
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::IM_A_TEAPOT);
    let reason = code.canonical_reason().unwrap_or_default().to_uppercase();
    let body = json!({"errors": [{"code": reason, "message": "so it was set"}]}).to_string();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = code;
    response
}

fn with(mut response: Response, name: http::HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}

pub(crate) fn challenge(text: &str) -> Response {
    with(status(401), WWW_AUTHENTICATE, text)
}

pub(crate) fn at(code: u16, place: &str) -> Response {
    with(status(code), LOCATION, place)
}

pub(crate) fn json(document: &serde_json::Value, media_type: &str) -> Response {
    with(Response::new(Body::from(document.to_string())), CONTENT_TYPE, media_type)
}

pub(crate) fn manifest(kept: Kept) -> Response {
    let response = with(Response::new(Body::from(kept.bytes)), CONTENT_TYPE, &kept.media_type);
    with(response, http::HeaderName::from_static("docker-content-digest"), &kept.digest)
}

pub(crate) fn bytes(bytes: Bytes) -> Response {
    Response::new(Body::from(bytes))
}

/// The bytes once and once more, their number untold.
pub(crate) fn endless(bytes: Bytes) -> Response {
    Response::new(Body::from_stream(stream::iter([Ok::<_, io::Error>(bytes.clone()), Ok(bytes)])))
}

/// Half of the bytes, though all of them are promised.
pub(crate) fn half(bytes: &Bytes) -> Response {
    let half = bytes.slice(..bytes.len() / 2);
    // The first half has to be on its way before the end of it all.
    let end = stream::once(async {
        tokio::task::yield_now().await;
        Err(io::Error::other("it breaks off"))
    });
    let broken = stream::iter([Ok(half)]).chain(end);
    with(Response::new(Body::from_stream(broken)), CONTENT_LENGTH, &bytes.len().to_string())
}
