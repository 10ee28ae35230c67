//! What a failed request is worth: who can mend it, and how long to wait before the next try.

use std::time::Duration;

use kube::core::Status;
use trimtab_core::observation::Obstacle;

use crate::cluster::ClusterError;
use crate::observe::ObserveError;
use crate::perform::PerformError;
use crate::reconcile::ReconcileError;
use crate::routing::{LeaseFailure, RoutingFailure};

/// Most causes of a refusal that a person is told.
const CAUSES_MAX: usize = 5;

/// The longest wait that an API server can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(5);

/// The class of an error.
///
/// | class | answer of the API server | what is done |
/// |---|---|---|
/// | conflict | 409 | observed again at once |
/// | not found | 404, 410 | the served kinds are looked at, then observed again |
/// | forbidden | 403 | condition `Stalled` says what to grant; long waits |
/// | invalid | 400, 405, 413, 415, 422 | condition `Stalled` says what is refused; long waits |
/// | terminating | 403 because the namespace is being deleted | left alone |
/// | transient | 401, 408, 429, 5xx, no answer, everything else | waits from 200 ms to 30 s; an object of another owner that stays in the way is shown after a while |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorClass {
    /// Somebody else has written.
    Conflict,
    /// The object, or its kind, is not there.
    NotFound,
    /// The controller may not do this.
    Forbidden,
    /// What was sent is refused, and would be again.
    Invalid,
    /// The namespace is being deleted, and the remediation with it.
    Terminating,
    /// The next try may go well.
    Transient,
}

impl ErrorClass {
    /// The class of an answer.
    pub(crate) fn of(status: &Status) -> Self {
        match status.code {
            409 => Self::Conflict,
            404 | 410 => Self::NotFound,
            403 if is_terminating(status) => Self::Terminating,
            403 => Self::Forbidden,
            400 | 405 | 413 | 415 | 422 => Self::Invalid,
            _ => Self::Transient,
        }
    }

    /// Whether only a person can mend it, so that trying soon again is of no use.
    pub(crate) const fn needs_person(self) -> bool {
        match self {
            Self::Forbidden | Self::Invalid => true,
            Self::Conflict | Self::NotFound | Self::Terminating | Self::Transient => false,
        }
    }
}

fn is_terminating(status: &Status) -> bool {
    status.details.iter().flat_map(|details| &details.causes).any(|cause| cause.reason == "NamespaceTerminating")
}

/// The API server's answer behind an error of a client.
pub(crate) fn answer(error: &kube::Error) -> Option<&Status> {
    match error {
        kube::Error::Api(status) => Some(status),
        _ => None,
    }
}

/// The API server's answer to a watch that broke; `None` where it gave none.
pub(crate) fn watch_answer(error: &kube_runtime::watcher::Error) -> Option<&Status> {
    use kube_runtime::watcher::Error;
    match error {
        Error::InitialListFailed(error) | Error::WatchStartFailed(error) | Error::WatchFailed(error) => answer(error),
        Error::WatchError(status) => Some(&**status),
        Error::NoResourceVersion => None,
    }
}

/// The API server's answer to what ended a reconcile.
fn refusal(error: &ReconcileError) -> Option<&Status> {
    match error {
        ReconcileError::Observe(
            ObserveError::Cluster(request) | ObserveError::Routing(RoutingFailure::Cluster(request)),
        )
        | ReconcileError::Routing(RoutingFailure::Cluster(request))
        | ReconcileError::Perform(PerformError::Cluster(request)) => request.answer(),
        _ => lease(error)?.answer(),
    }
}

fn lease(error: &ReconcileError) -> Option<&LeaseFailure> {
    match error {
        ReconcileError::Observe(ObserveError::Routing(RoutingFailure::Lease(lease)))
        | ReconcileError::Routing(RoutingFailure::Lease(lease)) => Some(lease),
        _ => None,
    }
}

/// The class of what ended a reconcile.
pub(crate) fn class(error: &ReconcileError) -> ErrorClass {
    refusal(error).map_or(ErrorClass::Transient, ErrorClass::of)
}

/// Whether an object of another owner is in the way. As a rule the garbage collector removes it in a moment.
pub(crate) const fn is_foreign(error: &ReconcileError) -> bool {
    matches!(error, ReconcileError::Perform(PerformError::Foreign { .. }))
}

/// How long the API server asks to be left alone.
pub(crate) fn retry_after(error: &ReconcileError) -> Option<Duration> {
    let details = refusal(error)?.details.as_ref()?;
    let asked = Duration::from_secs(details.retry_after_seconds.into());
    (!asked.is_zero()).then_some(asked.min(RETRY_AFTER_MAX))
}

/// What a person has to mend before the step can be carried out. `None` where the step may go well without.
pub(crate) fn obstacle(error: &ReconcileError) -> Option<Obstacle> {
    if let Some(lease) = lease(error) {
        return without_lock(lease);
    }
    let ReconcileError::Perform(error) = error else { return None };
    if let PerformError::Foreign { .. } = error {
        return Some(Obstacle { reason: "ForeignObject".to_owned(), message: error.to_string() });
    }
    let PerformError::Cluster(request @ ClusterError::Request { verb, kind, namespace, name, .. }) = error else {
        return None;
    };
    let status = request.answer()?;
    let what = format!("cannot {verb} {kind} {namespace}/{name}");
    match ErrorClass::of(status) {
        ErrorClass::Forbidden => {
            let definition = format!("{}.{}", kind.plural(), trimtab_api::kinds::GROUP);
            let grant = if *verb == "create" {
                format!("create on {definition}")
            } else {
                format!("get and patch on {definition} and its status")
            };
            let message = format!("{what}: {}; grant the controller {grant}, or mend what denies it", status.message);
            Some(Obstacle { reason: "Forbidden".to_owned(), message })
        }
        ErrorClass::Invalid => {
            Some(Obstacle { reason: "Invalid".to_owned(), message: format!("{what}: {}", refused(status)) })
        }
        ErrorClass::Conflict | ErrorClass::NotFound | ErrorClass::Terminating | ErrorClass::Transient => None,
    }
}

/// Without the target's lock no execution starts.
fn without_lock(lease: &LeaseFailure) -> Option<Obstacle> {
    let (what, status) = (lease.tried(), lease.answer()?);
    match ErrorClass::of(status) {
        ErrorClass::Forbidden => {
            let message = format!(
                "{what}: {}; grant the controller get, list, create, update and delete on leases.coordination.k8s.io in \
                 its own namespace, or mend what denies it",
                status.message
            );
            Some(Obstacle { reason: "Forbidden".to_owned(), message })
        }
        ErrorClass::Invalid => {
            Some(Obstacle { reason: "Invalid".to_owned(), message: format!("{what}: {}", refused(status)) })
        }
        // Nobody creates a Lease where there is no namespace.
        ErrorClass::NotFound => {
            let message = format!(
                "{what}: {}; create that namespace, or name the controller's own with --controller-namespace",
                status.message
            );
            Some(Obstacle { reason: "NamespaceMissing".to_owned(), message })
        }
        ErrorClass::Conflict | ErrorClass::Terminating | ErrorClass::Transient => None,
    }
}

/// What the API server refuses, field by field.
fn refused(status: &Status) -> String {
    let causes: Vec<_> = status.details.iter().flat_map(|details| &details.causes).collect();
    if causes.is_empty() {
        return status.message.clone();
    }
    let told: Vec<_> =
        causes.iter().take(CAUSES_MAX).map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
    let more = causes.len().saturating_sub(CAUSES_MAX);
    let rest = if more == 0 { String::new() } else { format!("; and {more} more") };
    format!("{}{rest}", told.join("; "))
}

#[cfg(test)]
mod tests {
    use kube::core::response::{StatusCause, StatusDetails};
    use trimtab_api::Kind;

    use super::*;

    fn status(code: u16, reason: &str, causes: &[(&str, &str, &str)], retry_after_seconds: u32) -> Status {
        let causes = causes.iter().map(|(reason, field, message)| StatusCause {
            reason: (*reason).to_owned(),
            field: (*field).to_owned(),
            message: (*message).to_owned(),
        });
        let details = StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: causes.collect(),
            retry_after_seconds,
        };
        Status::failure("no", reason).with_code(code).with_details(details)
    }

    fn failed(status: Status) -> ReconcileError {
        let source = Box::new(kube::Error::Api(status.boxed()));
        let (kind, namespace, name) = (Kind::AIAnalysis, "ns".to_owned(), "ai-rr".to_owned());
        PerformError::from(ClusterError::Request { verb: "create", kind, namespace, name, source }).into()
    }

    #[test]
    fn every_answer_has_its_class() {
        let table = [
            (409, ErrorClass::Conflict),
            (404, ErrorClass::NotFound),
            (410, ErrorClass::NotFound),
            (403, ErrorClass::Forbidden),
            (400, ErrorClass::Invalid),
            (413, ErrorClass::Invalid),
            (422, ErrorClass::Invalid),
            (401, ErrorClass::Transient),
            (429, ErrorClass::Transient),
            (500, ErrorClass::Transient),
            (503, ErrorClass::Transient),
        ];
        for (code, expected) in table {
            assert_eq!(class(&failed(status(code, "", &[], 0))), expected, "{code}");
        }
        let ending = status(403, "Forbidden", &[("NamespaceTerminating", "", "being terminated")], 0);
        assert_eq!(class(&failed(ending.clone())), ErrorClass::Terminating);
        assert_eq!(obstacle(&failed(ending)), None, "nobody has to mend that");
        assert_eq!(class(&ReconcileError::Unsettled), ErrorClass::Transient);
    }

    #[test]
    fn a_person_is_told_what_to_grant_and_what_is_refused() {
        let forbidden = obstacle(&failed(status(403, "Forbidden", &[], 0))).unwrap();
        assert_eq!(forbidden.reason, "Forbidden");
        assert_eq!(
            forbidden.message,
            "cannot create AIAnalysis ns/ai-rr: no; grant the controller create on aianalyses.kubernaut.ai, or mend what \
             denies it"
        );
        let causes = [("FieldValueInvalid", "spec.severity", "must not be empty"), ("", "spec.a", "required")];
        let invalid = obstacle(&failed(status(422, "Invalid", &causes, 0))).unwrap();
        assert_eq!(invalid.reason, "Invalid");
        assert_eq!(
            invalid.message,
            "cannot create AIAnalysis ns/ai-rr: spec.severity: must not be empty; spec.a: required"
        );
        assert_eq!(obstacle(&failed(status(503, "", &[], 0))), None);
        let foreign = PerformError::Foreign { kind: "X".into(), namespace: "ns".into(), name: "x".into() };
        assert_eq!(obstacle(&foreign.into()).unwrap().reason, "ForeignObject");
    }

    #[test]
    fn a_lock_that_cannot_be_taken_is_told_with_what_to_mend() {
        let failed = |status: Status| {
            let source = Box::new(kube::Error::Api(status.boxed()));
            let (namespace, name) = ("own".to_owned(), "ro-lock-1".to_owned());
            let lease = LeaseFailure::Request { verb: "create", namespace, name, source };
            ReconcileError::from(ObserveError::from(RoutingFailure::from(lease)))
        };
        let forbidden = failed(status(403, "Forbidden", &[], 0));
        assert_eq!(class(&forbidden), ErrorClass::Forbidden);
        assert_eq!(
            obstacle(&forbidden).unwrap().message,
            "cannot create Lease own/ro-lock-1: no; grant the controller get, list, create, update and delete on \
             leases.coordination.k8s.io in its own namespace, or mend what denies it"
        );
        assert_eq!(obstacle(&failed(status(404, "NotFound", &[], 0))).unwrap().reason, "NamespaceMissing");
        assert_eq!(obstacle(&failed(status(503, "", &[], 0))), None);
    }

    #[test]
    fn a_server_that_asks_for_time_is_given_it_within_bounds() {
        assert_eq!(retry_after(&failed(status(429, "", &[], 7))), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&failed(status(429, "", &[], 0))), None);
        assert_eq!(retry_after(&failed(status(503, "", &[], 86_400))), Some(RETRY_AFTER_MAX));
    }
}
