//! Requests that fail: laid between the controller and the in-process API.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body as AnswerBody;
use http::{Method, Request, Response};
use kube::client::Body;
use serde::Deserialize;
use serde_json::json;
use tower::{BoxError, Service};
use trimtab_api::Kind;
use trimtab_embedded_cluster::ApiService;

use super::lag::Lag;

/// How requests fail.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FaultLaw {
    /// Which verb.
    pub verb: Verb,
    /// Which kind; empty: the remediation.
    #[serde(default)]
    pub kind: String,
    /// HTTP status of the answer; the request is not carried out.
    #[serde(default)]
    pub status: Option<u16>,
    /// The connection breaks instead.
    #[serde(default)]
    pub drop: Option<Loss>,
    /// Seconds of a `Retry-After` header.
    #[serde(default)]
    pub retry_after: Option<u32>,
    /// How many requests fail, at least 1.
    pub times: u32,
}

/// A verb of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verb {
    /// Of one object.
    Get,
    /// Of a kind.
    List,
    /// Of a kind.
    Watch,
    /// Of one object.
    Create,
    /// Of one object, its status included.
    Patch,
    /// Of one object.
    Delete,
}

/// When the connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Loss {
    /// Before the request arrives.
    Request,
    /// After it was carried out.
    Answer,
}

/// The laws in force and how often they struck.
#[derive(Debug, Default)]
pub struct Faults {
    laws: Mutex<Vec<(FaultLaw, u32)>>,
}

impl Faults {
    /// Puts a law in force.
    pub fn add(&self, law: FaultLaw) {
        let times = law.times;
        self.laws.lock().unwrap_or_else(PoisonError::into_inner).push((law, times));
    }

    /// Laws that have not struck as often as they should.
    pub fn unused(&self) -> Vec<String> {
        let laws = self.laws.lock().unwrap_or_else(PoisonError::into_inner);
        laws.iter().filter(|(_, left)| *left > 0).map(|(law, left)| format!("{left} more times: {law:?}")).collect()
    }

    fn strike(&self, method: &Method, path: &str, query: &str) -> Option<FaultLaw> {
        let verb = verb_of(method, path, query)?;
        let mut laws = self.laws.lock().unwrap_or_else(PoisonError::into_inner);
        let (law, left) =
            laws.iter_mut().find(|(law, left)| *left > 0 && law.verb == verb && is_of(path, &law.kind))?;
        *left -= 1;
        Some(law.clone())
    }
}

/// The path's parts after the namespace: plural, name, subresource.
fn parts(path: &str) -> Vec<&str> {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    let rest = match parts.iter().position(|part| *part == "namespaces") {
        Some(at) if parts.len() > at + 2 => parts.get(at + 2..),
        _ => parts.get(if path.starts_with("/apis/") { 3 } else { 2 }..),
    };
    rest.unwrap_or_default().to_vec()
}

fn verb_of(method: &Method, path: &str, query: &str) -> Option<Verb> {
    let names_one = parts(path).len() > 1;
    Some(match *method {
        Method::GET if query.split('&').any(|pair| pair == "watch=true" || pair == "watch=1") => Verb::Watch,
        Method::GET if names_one => Verb::Get,
        Method::GET => Verb::List,
        Method::POST => Verb::Create,
        Method::PATCH => Verb::Patch,
        Method::DELETE => Verb::Delete,
        _ => return None,
    })
}

fn is_of(path: &str, kind: &str) -> bool {
    parts(path).first().is_some_and(|found| *found == plural(kind))
}

/// A kind as paths name it; empty: the remediation.
pub(super) fn plural(kind: &str) -> String {
    let kind = if kind.is_empty() { Kind::RemediationRequest.kind() } else { kind };
    Kind::from_kind(kind).map_or_else(|| format!("{}s", kind.to_ascii_lowercase()), |kind| kind.api_resource().plural)
}

/// The API as the controller reaches it.
#[derive(Debug, Clone)]
pub struct Faulty {
    /// The API.
    pub inner: ApiService,
    /// What fails.
    pub faults: Arc<Faults>,
    /// Watches that are held back.
    pub lag: Arc<Lag>,
}

impl Service<Request<Body>> for Faulty {
    type Response = Response<AnswerBody>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (method, uri) = (request.method(), request.uri());
        let law = self.faults.strike(method, uri.path(), uri.query().unwrap_or_default());
        let is_watch = verb_of(method, uri.path(), uri.query().unwrap_or_default()) == Some(Verb::Watch);
        let watched = parts(uri.path()).first().filter(|_| is_watch).map(|plural| (*plural).to_owned());
        let (mut inner, lag) = (self.inner.clone(), Arc::clone(&self.lag));
        Box::pin(async move {
            if let Some(law) = &law {
                if let Some(status) = law.status {
                    return refusal(status, law.retry_after);
                }
                if law.drop != Some(Loss::Answer) {
                    return Err("the connection was refused".into());
                }
            }
            let answer = inner.call(request).await?;
            if law.is_some() {
                return Err("the connection was closed before the answer came".into());
            }
            Ok(match watched {
                Some(plural) if answer.status().is_success() => lag.lay(plural, answer),
                _ => answer,
            })
        })
    }
}

fn refusal(code: u16, retry_after: Option<u32>) -> Result<Response<AnswerBody>, BoxError> {
    let reason = match code {
        400 => "BadRequest",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        422 => "Invalid",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "this scenario lets the request fail", "reason": reason, "code": code,
    });
    let mut answer = Response::builder().status(code).header("content-type", "application/json");
    if let Some(seconds) = retry_after {
        answer = answer.header("retry-after", seconds);
    }
    Ok(answer.body(AnswerBody::from(status.to_string()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_law_strikes_its_verb_and_kind_as_often_as_it_says() {
        let faults = Faults::default();
        let text = "{verb: patch, kind: SignalProcessing, status: 500, times: 1}";
        faults.add(serde_saphyr::from_str(text).unwrap());
        let path = "/apis/kubernaut.ai/v1alpha1/namespaces/ns/signalprocessings";
        let one = format!("{path}/sp-a/status");
        assert!(faults.strike(&Method::POST, path, "").is_none());
        assert!(faults.strike(&Method::PATCH, &one.replace("signalp", "p"), "").is_none());
        assert_eq!(faults.unused().len(), 1);
        assert!(faults.strike(&Method::PATCH, &one, "fieldManager=x").is_some());
        assert!(faults.strike(&Method::PATCH, &one, "").is_none(), "once");
        assert!(faults.unused().is_empty());
    }

    #[test]
    fn verbs_are_told_by_method_path_and_query() {
        let path = "/apis/kubernaut.ai/v1alpha1/remediationrequests";
        assert_eq!(verb_of(&Method::GET, path, "limit=5"), Some(Verb::List));
        assert_eq!(verb_of(&Method::GET, path, "limit=5&watch=true"), Some(Verb::Watch));
        assert_eq!(verb_of(&Method::GET, "/api/v1/namespaces/ns/configmaps/x", ""), Some(Verb::Get));
        assert!(is_of("/api/v1/namespaces/ns/configmaps/x", "ConfigMap"));
        assert!(is_of(path, ""));
    }
}
