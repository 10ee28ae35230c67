//! Health, readiness, conditions, policy sets and metrics over HTTP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio::sync::watch;
use trimtab_controller::Metrics;

use crate::audit_trail::AuditTrail;
use crate::policies::Slotted;
use crate::{bad_input, paths};

/// The peer's port of /metrics.
const METRICS_PORT: u16 = 9090;

/// The peer's port of /healthz and /readyz.
const HEALTH_PORT: u16 = 8081;

/// Binds both listeners, so that a port in use is one clear line before anything starts.
pub(crate) async fn bind(
    metrics: Option<SocketAddr>,
    health: Option<SocketAddr>,
) -> anyhow::Result<(TcpListener, TcpListener)> {
    let everywhere = if paths::is_in_cluster() { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
    let default = |port| SocketAddr::new(IpAddr::V4(everywhere), port);
    Ok((
        listen("--metrics-address", metrics.unwrap_or(default(METRICS_PORT))).await?,
        listen("--health-address", health.unwrap_or(default(HEALTH_PORT))).await?,
    ))
}

async fn listen(flag: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another with {flag} (port 0 takes a free one)"))
        .map_err(bad_input)
}

/// Serves until the process ends.
pub(crate) fn spawn(
    (metrics_listener, health_listener): (TcpListener, TcpListener),
    metrics: Metrics,
    ready: watch::Receiver<bool>,
    (trail, policies): (AuditTrail, Arc<Slotted>),
) {
    let metrics = Router::new()
        .route("/metrics", get(|State(metrics): State<Metrics>| measured(move || metrics.encode())))
        .with_state(metrics);
    let health = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readiness))
        .with_state(ready)
        .route("/conditions", get(move || measured(move || Json([trail.condition()]))))
        .route("/policies", get(move || measured(move || Json(policies.report()))));
    for (listener, router) in [(metrics_listener, metrics), (health_listener, health)] {
        let address = listener.local_addr().map_or_else(|_| "?".to_owned(), |address| address.to_string());
        tracing::info!(address, "listening");
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, address, "serving ended");
            }
        });
    }
}

/// Asks off the async workers: the ledger answers when it has written.
async fn measured<T: Send + 'static>(ask: impl FnOnce() -> T + Send + 'static) -> Result<T, StatusCode> {
    tokio::task::spawn_blocking(ask).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn readiness(State(ready): State<watch::Receiver<bool>>) -> (StatusCode, &'static str) {
    if *ready.borrow() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "remediations not listed yet")
    }
}
