//! An API server in memory that gives the answers it was told, by path.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

mod store;

pub(crate) use store::Store;

/// Answers by path; every other path is none of the server's.
#[derive(Debug, Default, Clone)]
pub(crate) struct Answers {
    known: Arc<Mutex<BTreeMap<String, (u16, Value)>>>,
}

impl Answers {
    /// Sets the answer to every request for a path.
    pub(crate) fn set(&self, path: &str, code: u16, answer: Value) {
        self.known.lock().unwrap().insert(path.to_owned(), (code, answer));
    }

    /// A client of this server.
    pub(crate) fn client(&self) -> Client {
        let known = Arc::clone(&self.known);
        let service = tower::service_fn(move |request: Request<Body>| {
            let found = known.lock().unwrap().get(request.uri().path()).cloned();
            let (code, answer) = found.unwrap_or_else(|| (404, not_found()));
            async move {
                let body = Body::from(answer.to_string().into_bytes());
                Response::builder().status(code).body(body)
            }
        });
        Client::new(service, "default")
    }
}

/// The answer to a request for something that is not there.
pub(crate) fn not_found() -> Value {
    json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound", "message": "not found"})
}
