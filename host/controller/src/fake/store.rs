//! An API server in memory that keeps objects: create, get, list, replace and delete, with their preconditions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// The last parts of paths that are lists.
const LISTS: [&str; 4] = ["leases", "workflowexecutions", "remediationrequests", "namespaces"];

/// Objects by path.
#[derive(Debug, Default, Clone)]
pub(crate) struct Store(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Value>,
    version: u64,
    requests: Vec<String>,
    /// Fields that lists can be selected by.
    selectable: Vec<String>,
    /// Statuses of requests that fail, by method and the beginning of the path.
    refused: Vec<(Method, String, u16)>,
}

type Answer = (u16, Value);

impl Store {
    /// Puts an object there, or a newer state of one.
    pub(crate) fn put(&self, path: &str, object: Value) {
        self.lock().keep(path, object);
    }

    /// Takes an object away.
    pub(crate) fn remove(&self, path: &str) {
        self.lock().objects.remove(path);
    }

    /// An object as it is now.
    pub(crate) fn object(&self, path: &str) -> Option<Value> {
        self.lock().objects.get(path).cloned()
    }

    /// Lets lists be selected by a field.
    pub(crate) fn select_by(&self, field: &str) {
        self.lock().selectable.push(field.to_owned());
    }

    /// Lets requests fail from now on.
    pub(crate) fn refuse(&self, method: Method, path: &str, status: u16) {
        self.lock().refused.push((method, path.to_owned(), status));
    }

    /// Lets no request fail any more.
    pub(crate) fn refuse_none(&self) {
        self.lock().refused.clear();
    }

    /// Methods and paths of the requests since the last call.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().requests)
    }

    /// A client of this server.
    pub(crate) fn client(&self) -> Client {
        let store = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let store = store.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap_or_default();
                let body: Value = serde_json::from_slice(&body).unwrap_or_default();
                let (path, query) = (head.uri.path().to_owned(), head.uri.query().unwrap_or_default().to_owned());
                let (code, answer) = store.lock().answer(&head.method, &path, &query, body);
                let told = if code < 300 { answer } else { refusal(code) };
                Response::builder().status(code).body(Body::from(told.to_string().into_bytes()))
            }
        });
        Client::new(service, "default")
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

/// A refusal, as the API server words it.
fn refusal(code: u16) -> Value {
    let reason = match code {
        404 => "NotFound",
        409 => "Conflict",
        _ => "Refused",
    };
    json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": "no"})
}

impl State {
    fn keep(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        let uid = self
            .objects
            .get(path)
            .map_or_else(|| json!(format!("uid-{}", self.version)), |old| old["metadata"]["uid"].clone());
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = uid;
        }
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(path.to_owned(), object.clone());
        object
    }

    fn answer(&mut self, method: &Method, path: &str, query: &str, body: Value) -> Answer {
        self.requests.push(format!("{method} {path}"));
        let refused = self.refused.iter().find(|(refused, begin, _)| refused == method && path.starts_with(begin));
        if let Some((_, _, status)) = refused {
            return (*status, Value::Null);
        }
        let is_list = LISTS.iter().any(|list| path.ends_with(&format!("/{list}")));
        match *method {
            Method::GET if is_list => self.list(path, query),
            Method::GET => self.objects.get(path).map_or((404, Value::Null), |found| (200, found.clone())),
            Method::POST => {
                let path = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap_or_default());
                if self.objects.contains_key(&path) { (409, Value::Null) } else { (201, self.keep(&path, body)) }
            }
            Method::PUT => {
                let path = path.strip_suffix("/status").unwrap_or(path);
                match self.objects.get(path) {
                    None => (404, Value::Null),
                    Some(old) if old["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"] => {
                        (409, Value::Null)
                    }
                    Some(_) => (200, self.keep(path, body)),
                }
            }
            Method::DELETE => {
                let Some(old) = self.objects.get(path) else { return (404, Value::Null) };
                let differs = |member: &str| {
                    let wanted = &body["preconditions"][member];
                    !wanted.is_null() && *wanted != old["metadata"][member]
                };
                if differs("uid") || differs("resourceVersion") {
                    return (409, Value::Null);
                }
                self.objects.remove(path);
                (200, json!({"kind": "Status", "status": "Success"}))
            }
            _ => (405, Value::Null),
        }
    }

    fn list(&self, path: &str, query: &str) -> Answer {
        let selector = query.split('&').find_map(|pair| pair.strip_prefix("fieldSelector="));
        let selector = selector.map(|text| text.replace("%2F", "/").replace("%3D", "="));
        let selected = selector.as_deref().and_then(|text| text.split_once('='));
        if selected.is_some_and(|(field, _)| !self.selectable.iter().any(|known| known == field)) {
            return (400, Value::Null);
        }
        let is_selected = |object: &Value| {
            selected.is_none_or(|(field, wanted)| {
                object.pointer(&format!("/{}", field.replace('.', "/"))).and_then(Value::as_str) == Some(wanted)
            })
        };
        let within = format!("{path}/");
        let items: Vec<_> = self
            .objects
            .iter()
            .filter(|(known, object)| known.starts_with(&within) && is_selected(object))
            .map(|(_, object)| object.clone())
            .collect();
        let version = self.version.to_string();
        (200, json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": items}))
    }
}
