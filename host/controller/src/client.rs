//! A client whose retries are bounded well below any timeout of a phase, and whose answers' waits are counted.

use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use kube::client::retry::RetryPolicy;
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use tower::buffer::BufferLayer;
use tower::retry::RetryLayer;
use tower::util::MapFutureLayer;

use crate::waited::counted;

/// Requests that may wait for the connection at once.
const REQUESTS_WAITING_MAX: usize = 1024;

/// Retries of one request after 429, 503 or 504.
const RETRIES_MAX: u32 = 3;

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
/// deadline passes; this one gives up after 3 tries and 2 seconds at most between them, and the work queue goes on.
pub fn connect(mut config: Config) -> Result<Client, ClientError> {
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    let retry = RetryPolicy::new(Duration::from_millis(100), Duration::from_secs(2), RETRIES_MAX, true)
        .map_err(|error| ClientError::Retry(error.to_string()))?;
    let builder = ClientBuilder::try_from(config).map_err(ClientError::Config)?;
    let builder = builder.with_layer(&BufferLayer::new(REQUESTS_WAITING_MAX)).with_layer(&RetryLayer::new(retry));
    Ok(builder.with_layer(&MapFutureLayer::new(counted)).build())
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
