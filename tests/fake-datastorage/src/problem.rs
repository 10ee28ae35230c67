//! RFC 7807 problems, as `DataStorage` words its refusals.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response, StatusCode};
use serde_json::{Map, Value, json};

/// A refusal.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// Last part of the type's address.
    pub(crate) slug: &'static str,
    pub(crate) title: &'static str,
    pub(crate) detail: String,
    /// Field, such as `events[3].event_type`, to message.
    pub(crate) field_errors: Map<String, Value>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, slug: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, slug, title, detail: detail.into(), field_errors: Map::new() }
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "validation-error", "Validation Error", detail)
    }

    pub(crate) fn invalid_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", "Invalid Request", detail)
    }

    pub(crate) fn parameter(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid-parameter", "Invalid Parameter", detail)
    }

    pub(crate) fn of_status(status: StatusCode) -> Self {
        let (slug, title) = match status.as_u16() {
            401 => ("unauthorized", "Unauthorized"),
            403 => ("forbidden", "Forbidden"),
            404 => ("not-found", "Not Found"),
            429 => ("rate-limited", "Too Many Requests"),
            503 => ("service-unavailable", "Service Unavailable"),
            500 => ("database-error", "Database Error"),
            _ => ("internal-error", "Internal Error"),
        };
        Self::new(status, slug, title, "a fault was asked for")
    }

    pub(crate) fn response(&self) -> Response<Body> {
        let mut body = json!({
            "type": format!("https://kubernaut.ai/problems/{}", self.slug),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let (Some(body), false) = (body.as_object_mut(), self.field_errors.is_empty()) {
            body.insert("field_errors".to_owned(), Value::Object(self.field_errors.clone()));
        }
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}
