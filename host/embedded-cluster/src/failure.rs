//! Refusals of the API: what becomes a `Status` object and an HTTP code.

use serde_json::{Value, json};

/// A refused request, in the words and codes of the real API server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    /// HTTP status code.
    pub(crate) code: u16,
    /// Machine-readable reason, for example `NotFound`.
    pub(crate) reason: &'static str,
    /// Sentence for people.
    pub(crate) message: String,
    /// The `details` member, where the reason has one.
    pub(crate) details: Option<Value>,
}

/// The plural and group of a resource, as messages name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResourceName {
    /// API group, empty for the core group.
    pub(crate) group: String,
    /// Plural, for example `configmaps`.
    pub(crate) plural: String,
}

impl std::fmt::Display for ResourceName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.group.is_empty() {
            formatter.write_str(&self.plural)
        } else {
            write!(formatter, "{}.{}", self.plural, self.group)
        }
    }
}

impl Failure {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None }
    }

    fn about(mut self, resource: &ResourceName, name: &str) -> Self {
        let mut details = json!({"kind": resource.plural});
        if !name.is_empty() {
            details["name"] = json!(name);
        }
        if !resource.group.is_empty() {
            details["group"] = json!(resource.group);
        }
        self.details = Some(details);
        self
    }

    pub(crate) fn not_found(resource: &ResourceName, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{resource} {name:?} not found")).about(resource, name)
    }

    /// The path names nothing that is served here.
    pub(crate) fn unknown_path() -> Self {
        let mut failure = Self::new(404, "NotFound", "the server could not find the requested resource");
        failure.details = Some(json!({}));
        failure
    }

    pub(crate) fn already_exists(resource: &ResourceName, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{resource} {name:?} already exists")).about(resource, name)
    }

    pub(crate) fn conflict(resource: &ResourceName, name: &str, why: &str) -> Self {
        Self::new(409, "Conflict", format!("Operation cannot be fulfilled on {resource} {name:?}: {why}"))
            .about(resource, name)
    }

    /// The resourceVersion that was sent is not the stored one.
    pub(crate) fn stale(resource: &ResourceName, name: &str) -> Self {
        Self::conflict(
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    pub(crate) fn forbidden(resource: &ResourceName, name: &str, why: &str) -> Self {
        Self::new(403, "Forbidden", format!("{resource} {name:?} is forbidden: {why}")).about(resource, name)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// The body is larger than `limit_bytes`.
    pub(crate) fn too_large(limit_bytes: usize) -> Self {
        Self::new(413, "RequestEntityTooLarge", format!("Request entity too large: limit is {limit_bytes}"))
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    }

    pub(crate) fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::new(415, "UnsupportedMediaType", message)
    }

    pub(crate) fn not_acceptable(offered: &str) -> Self {
        Self::new(406, "NotAcceptable", format!("only the following media types are accepted: {offered}"))
    }

    /// A JSON patch that parses but cannot be carried out.
    pub(crate) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(422, "", message)
    }

    /// The named resourceVersion or continue token lies before the kept history.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// The named resourceVersion lies in the future.
    pub(crate) fn version_too_large(asked: u64, current: u64) -> Self {
        let mut failure = Self::new(504, "Timeout", format!("Too large resource version: {asked}, current: {current}"));
        failure.details = Some(json!({
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        }));
        failure
    }

    /// The cluster was closed in this process.
    pub(crate) fn closed() -> Self {
        Self::new(503, "ServiceUnavailable", "the embedded cluster is closed")
    }

    /// A part of the Kubernetes API that is outside the fence of this server.
    pub(crate) fn not_implemented(what: &str) -> Self {
        Self::new(501, "NotImplemented", format!("{what} is not part of the embedded API; use a real cluster for it"))
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message)
    }

    /// The object breaks its schema; `kind` and `group` qualify the message.
    pub(crate) fn invalid(kind: &str, group: &str, name: &str, faults: &[FieldFault]) -> Self {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let mut messages: Vec<String> = Vec::with_capacity(faults.len());
        for fault in faults {
            let message = fault.to_string();
            if !messages.contains(&message) {
                messages.push(message);
            }
        }
        let listed = match messages.as_slice() {
            [only] => only.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        let mut failure = Self::new(422, "Invalid", format!("{qualified} {name:?} is invalid: {listed}"));
        let causes: Vec<Value> = faults.iter().map(FieldFault::cause).collect();
        let mut details = json!({"causes": causes});
        for (member, value) in [("name", name), ("group", group), ("kind", kind)] {
            if !value.is_empty() {
                details[member] = json!(value);
            }
        }
        failure.details = Some(details);
        failure
    }

    /// A query parameter or option that is not allowed; `kind` is that of the options object.
    pub(crate) fn option(kind: &str, fault: FieldFault) -> Self {
        Self::invalid(kind, "meta.k8s.io", "", &[fault])
    }

    /// A query parameter or option whose value is none of the known ones.
    pub(crate) fn unknown_option(kind: &str, path: &str, found: &str, known: &[&str]) -> Self {
        let known: Vec<String> = known.iter().map(|value| format!("{value:?}")).collect();
        let detail = format!("supported values: {}", known.join(", "));
        Self::option(kind, FieldFault::new(FaultKind::NotSupported, path, Some(json!(found)), detail))
    }

    /// A query parameter or option that may not be given here.
    pub(crate) fn forbidden_option(kind: &str, path: &str, why: &str) -> Self {
        Self::option(kind, FieldFault::new(FaultKind::Forbidden, path, None, why))
    }

    /// The `Status` object that carries this refusal.
    pub(crate) fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
        }
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }
}

/// What is wrong with one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// Missing.
    Required,
    /// Present, but breaks a rule.
    Invalid,
    /// Of another JSON type than the schema's.
    TypeInvalid,
    /// Not a member of the enumeration.
    NotSupported,
    /// A string above its bound.
    TooLong,
    /// A list or map above its bound.
    TooMany,
    /// Listed twice.
    Duplicate,
    /// Not permitted in this state.
    Forbidden,
}

/// One broken rule of one field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FieldFault {
    pub(crate) kind: FaultKind,
    /// Path as the server writes it: `spec.items[0].name`.
    pub(crate) path: String,
    /// The offending value, where the message shows it.
    pub(crate) value: Option<Value>,
    pub(crate) detail: String,
}

impl FieldFault {
    pub(crate) fn new(kind: FaultKind, path: &str, value: Option<Value>, detail: impl Into<String>) -> Self {
        Self { kind, path: path.to_owned(), value, detail: detail.into() }
    }

    fn words(&self) -> (&'static str, &'static str) {
        match self.kind {
            FaultKind::Required => ("FieldValueRequired", "Required value"),
            FaultKind::Invalid => ("FieldValueInvalid", "Invalid value"),
            FaultKind::TypeInvalid => ("FieldValueTypeInvalid", "Invalid value"),
            FaultKind::NotSupported => ("FieldValueNotSupported", "Unsupported value"),
            FaultKind::TooLong => ("FieldValueTooLong", "Too long"),
            FaultKind::TooMany => ("FieldValueTooMany", "Too many"),
            FaultKind::Duplicate => ("FieldValueDuplicate", "Duplicate value"),
            FaultKind::Forbidden => ("FieldValueForbidden", "Forbidden"),
        }
    }

    /// The message without the field's path.
    pub(crate) fn body(&self) -> String {
        let mut text = self.words().1.to_owned();
        if let Some(value) = &self.value {
            text.push_str(": ");
            text.push_str(&value.to_string());
        }
        if !self.detail.is_empty() {
            text.push_str(": ");
            text.push_str(&self.detail);
        }
        text
    }

    fn cause(&self) -> Value {
        json!({"reason": self.words().0, "message": self.body(), "field": self.shown_path()})
    }

    fn shown_path(&self) -> &str {
        if self.path.is_empty() { "<nil>" } else { &self.path }
    }
}

impl std::fmt::Display for FieldFault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.shown_path(), self.body())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_reads_like_the_real_server() {
        let fault = FieldFault::new(FaultKind::Required, "spec.severity", None, "");
        let failure = Failure::invalid("RemediationRequest", "kubernaut.ai", "x", &[fault]);
        assert_eq!(failure.message, "RemediationRequest.kubernaut.ai \"x\" is invalid: spec.severity: Required value");
        let status = failure.status();
        assert_eq!(status["details"]["causes"][0]["field"], "spec.severity");
        assert_eq!(status["details"]["kind"], "RemediationRequest");
    }

    #[test]
    fn several_faults_are_listed_in_brackets() {
        let faults = [
            FieldFault::new(FaultKind::Required, "spec.a", None, ""),
            FieldFault::new(FaultKind::NotSupported, "spec.b", Some(json!("z")), "supported values: \"x\""),
        ];
        let failure = Failure::invalid("T", "g", "n", &faults);
        assert_eq!(
            failure.message,
            "T.g \"n\" is invalid: [spec.a: Required value, spec.b: Unsupported value: \"z\": supported values: \"x\"]"
        );
    }
}
