//! A client whose retries are bounded well below any timeout of a phase.

use std::time::Duration;

use kube::client::ClientBuilder;
use kube::client::retry::RetryPolicy;
use kube::{Client, Config};
use tower::buffer::BufferLayer;
use tower::retry::RetryLayer;

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
    Ok(builder.build())
}
