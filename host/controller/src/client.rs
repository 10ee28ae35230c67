//! A client whose retries are bounded well below any timeout of a phase, and whose answers' waits are counted.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{Method, Request, Response, StatusCode};
use kube::client::retry::RetryPolicy;
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use tower::BoxError;
use tower::buffer::BufferLayer;
use tower::retry::{Policy, RetryLayer};
use tower::util::MapFutureLayer;

use crate::waited::counted;

/// Requests that may wait for the connection at once.
const REQUESTS_WAITING_MAX: usize = 1024;

/// Retries of one request after 429, 503 or 504.
const RETRIES_MAX: u32 = 3;

/// Wait before the first of them.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(100);

/// Longest wait before each; all of them together stay below the limit of one request.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(2);

/// Longest that a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest that a server may be silent in an answer. Reads and writes of one object have a shorter limit of their own; this
/// is for lists, and for the start of a watch. A watch ends by itself before: kube asks for 290 s, and waits 5 s longer.
const SILENCE_MAX: Duration = Duration::from_mins(5);

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The configuration cannot be used.
    #[error("the kubeconfig cannot be used: {0}")]
    Config(#[source] kube::Error),
    /// The delays of retries are out of order.
    #[error("retry delays are invalid: {0}")]
    Retry(String),
}

/// Connects. The client library's own default would retry for minutes inside one call, holding a worker while a
/// deadline passes; this one gives up after 3 retries and 2 seconds at most before each, and the work queue goes on. A
/// server that asks for a longer wait is not asked again: its answer is handed on to whoever can wait.
pub fn connect(config: Config) -> Result<Client, ClientError> {
    let config = limited(config);
    let retry = Patience::new()?;
    let builder = ClientBuilder::try_from(config).map_err(ClientError::Config)?;
    let builder = builder.with_layer(&BufferLayer::new(REQUESTS_WAITING_MAX)).with_layer(&RetryLayer::new(retry));
    Ok(builder.with_layer(&MapFutureLayer::new(counted)).build())
}

/// Retries after 429, 503 and 504: as the server asks where that is soon, else not at all.
#[derive(Clone)]
struct Patience(RetryPolicy);

impl Patience {
    fn new() -> Result<Self, ClientError> {
        let retries = RetryPolicy::new(RETRY_WAIT_MIN, RETRY_WAIT_MAX, RETRIES_MAX, true);
        retries.map(Self).map_err(|error| ClientError::Retry(error.to_string()))
    }
}

impl<B> Policy<Request<Body>, Response<B>, BoxError> for Patience {
    type Future = tokio::time::Sleep;

    fn retry(
        &mut self,
        request: &mut Request<Body>,
        result: &mut Result<Response<B>, BoxError>,
    ) -> Option<tokio::time::Sleep> {
        let headers = result.as_ref().ok()?.headers();
        let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        if asked.is_some_and(|seconds| Duration::from_secs(seconds) > RETRY_WAIT_MAX) {
            return None;
        }
        self.0.retry(request, result)
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        Policy::<_, Response<B>, BoxError>::clone_request(&mut self.0, request)
    }
}

/// With a limit to every silence.
fn limited(mut config: Config) -> Config {
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(SILENCE_MAX);
    // Else the time that a connection was idle before a request counts as silence after it.
    config.reset_reader_on_write = true;
    config
}

/// Connects, and lets nothing but reads through: every other request is answered 403 here, and sent nowhere.
pub fn connect_read_only(config: Config) -> Result<Client, ClientError> {
    let namespace = config.default_namespace.clone();
    Ok(read_only(connect(config)?, namespace))
}

/// A client that only reads.
pub(crate) fn read_only(client: Client, namespace: String) -> Client {
    let reading = tower::service_fn(move |request: Request<Body>| {
        let client = client.clone();
        async move { if request.method() == Method::GET { client.send(request).await } else { Ok(refused(&request)) } }
    });
    Client::new(reading, namespace)
}

fn refused(request: &Request<Body>) -> Response<Body> {
    let message = format!("{} {} is refused: this process only reads", request.method(), request.uri().path());
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403, "message": message,
    });
    let mut response = Response::new(Body::from(status.to_string().into_bytes()));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

#[cfg(test)]
mod tests {
    use kube::api::{Api, ObjectMeta, PostParams};

    use super::*;
    use crate::fake::Answers;
    use k8s_openapi::api::core::v1::ConfigMap;

    #[test]
    fn a_server_that_falls_silent_is_given_up_after_a_watch_would_have_ended() {
        let config = limited(Config::new("http://127.0.0.1:1".parse().unwrap()));
        let watch_max = Duration::from_secs(295);
        assert!(config.read_timeout.is_some_and(|silence| silence > watch_max), "{:?}", config.read_timeout);
        assert!(config.reset_reader_on_write && config.connect_timeout.is_some());
    }

    #[tokio::test]
    async fn a_server_is_asked_again_soon_or_as_it_wants_but_never_late() {
        let wait = |asked: Option<&str>| {
            let mut response = Response::builder().status(StatusCode::TOO_MANY_REQUESTS);
            if let Some(asked) = asked {
                response = response.header(RETRY_AFTER, asked);
            }
            let mut request = Request::new(Body::empty());
            let mut result: Result<_, BoxError> = Ok(response.body(()).unwrap());
            let began = tokio::time::Instant::now();
            let sleep = Patience::new().unwrap().retry(&mut request, &mut result)?;
            Some(sleep.deadline().duration_since(began))
        };
        assert!(wait(None).is_some_and(|wait| wait < Duration::from_secs(1)));
        let asked = wait(Some("1")).unwrap();
        assert!((Duration::from_secs(1)..RETRY_WAIT_MAX).contains(&asked), "{asked:?}");
        assert_eq!(wait(Some("3")), None, "the answer goes to whoever can wait");
        assert_eq!(wait(Some("600")), None);
    }

    #[tokio::test]
    async fn a_reading_client_sends_nothing_but_reads() {
        let answers = Answers::default();
        let object = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "known"}});
        answers.set("/api/v1/namespaces/ns/configmaps/known", 200, object.clone());
        // Would be answered, were it sent.
        answers.set("/api/v1/namespaces/ns/configmaps", 201, object);
        let client = read_only(answers.client(), "ns".to_owned());
        let api: Api<ConfigMap> = Api::namespaced(client, "ns");
        assert_eq!(api.get("known").await.unwrap().metadata.name.as_deref(), Some("known"));
        let new = ConfigMap {
            metadata: ObjectMeta { name: Some("new".into()), ..ObjectMeta::default() },
            ..ConfigMap::default()
        };
        let error = api.create(&PostParams::default(), &new).await.unwrap_err();
        assert!(error.to_string().contains("only reads"), "{error}");
    }
}
