//! The API over HTTP on a loopback address, for kubectl and for a controller in another process.

use std::convert::Infallible;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, Request, Response, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::cluster::{ApiService, ClusterError, EmbeddedCluster};
use crate::failure::Failure;
use crate::routes::refusal;

/// Most connections at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 1024;
/// A client that does not finish its request head in this time is dropped.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);
/// Pause after a failed accept, so that a lack of descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The API lies under this path and the token, for clients that send no credentials.
const BASE: &str = "/access/";
/// File of the bearer token in the data folder.
const TOKEN_FILE: &str = "token";

/// A running listener; dropping it without [`Listening::shutdown`] stops it at once.
#[derive(Debug)]
pub struct Listening {
    /// Where it listens; the port is never 0.
    pub addr: SocketAddr,
    token: Arc<str>,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

impl EmbeddedCluster {
    /// Serves the API on `address`, which must be a loopback address; port 0 takes a free one.
    pub async fn listen(&self, address: SocketAddr) -> Result<Listening, ClusterError> {
        if !address.ip().is_loopback() {
            return Err(ClusterError::NotLoopback { address });
        }
        let token: Arc<str> = token(self.data.as_deref())?.into();
        let bound = async {
            let listener = TcpListener::bind(address).await?;
            let addr = listener.local_addr()?;
            Ok((listener, addr))
        };
        let (listener, addr) = bound.await.map_err(|source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => ClusterError::AddressInUse { address },
            _ => ClusterError::Listen { address, source },
        })?;
        let (stop, stopped) = watch::channel(false);
        let mut service = self.service();
        service.stopped = Some(stopped.clone());
        let entrance = Entrance { service, token: Arc::clone(&token) };
        let task = tokio::spawn(accept(listener, entrance, stopped));
        Ok(Listening { addr, token, stop, task: Some(task) })
    }
}

impl Listening {
    /// A kubeconfig (YAML) that reaches this listener with its token.
    ///
    /// The token stands in the server's path as well as in the user entry: kubectl sends no bearer
    /// token without TLS. Whoever may read the file may use the cluster.
    pub fn kubeconfig(&self) -> String {
        // The values need no quoting: an address and a hexadecimal token.
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: trimtab\nclusters:\n- name: trimtab\n  cluster:\n    server: http://{}{BASE}{token}\ncontexts:\n- name: trimtab\n  context:\n    cluster: trimtab\n    user: trimtab\n    namespace: kubernaut-system\nusers:\n- name: trimtab\n  user:\n    token: {token}\n",
            self.addr,
            token = self.token,
        )
    }

    /// Stops accepting, ends watches, lets running requests finish.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "listener ended badly");
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// What every request passes before the API.
#[derive(Clone)]
struct Entrance {
    service: ApiService,
    token: Arc<str>,
}

impl Entrance {
    async fn answer(self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let path = request.uri().path();
        let mut service = self.service;
        let sent = path.strip_prefix(BASE).and_then(|rest| rest.split('/').next());
        if sent.is_some_and(|sent| is_same(sent, &self.token)) {
            service.base = format!("{BASE}{}", self.token);
        } else {
            let is_open = ["/healthz", "/livez", "/readyz", "/version"].contains(&path);
            if !is_open && !carries(request.headers(), &self.token) {
                return Ok(refusal(&Failure::unauthorized()));
            }
        }
        Ok(service.answer(request).await)
    }
}

/// Whether two secrets are the same. Digests are compared, so that the time taken says nothing
/// about where the two differ.
fn is_same(sent: &str, token: &str) -> bool {
    Sha256::digest(sent) == Sha256::digest(token)
}

/// Whether the request carries the token as a bearer token.
fn carries(headers: &HeaderMap, token: &str) -> bool {
    let sent = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    sent.is_some_and(|sent| is_same(sent.trim(), token))
}

async fn accept(listener: TcpListener, entrance: Entrance, mut stopped: watch::Receiver<bool>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let next = async {
            let permit = Arc::clone(&permits).acquire_owned().await.map_err(io::Error::other)?;
            let (stream, _) = listener.accept().await?;
            Ok::<_, io::Error>((stream, permit))
        };
        tokio::select! {
            () = is_stopping(&mut stopped) => break,
            accepted = next => match accepted {
                Ok((stream, permit)) => {
                    let (entrance, stopped) = (entrance.clone(), stopped.clone());
                    connections.spawn(async move {
                        serve(stream, entrance, stopped).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Waits until the listener is told to stop, or is gone.
pub(crate) async fn is_stopping(stopped: &mut watch::Receiver<bool>) {
    // An error means that the listener was dropped.
    let _ = stopped.wait_for(|is_stopped| *is_stopped).await.is_ok();
}

async fn serve(stream: TcpStream, entrance: Entrance, mut stopped: watch::Receiver<bool>) {
    // Small answers must not wait for more to send; failing to say so only costs time.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| entrance.clone().answer(request));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = is_stopping(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
}

/// The token: kept in the data folder, readable by its owner alone; made on first use.
fn token(data: Option<&Path>) -> Result<String, ClusterError> {
    let Some(folder) = data else { return Ok(new_token()) };
    let path = folder.join(TOKEN_FILE);
    let storage = |source| ClusterError::Storage { path: path.clone(), source };
    match fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(storage(source)),
    }
    let token = new_token();
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path).map_err(storage)?;
    file.write_all(token.as_bytes()).map_err(storage)?;
    Ok(token)
}

fn new_token() -> String {
    let halves = json!([uuid::Uuid::new_v4(), uuid::Uuid::new_v4()]).to_string();
    hex::encode(Sha256::digest(halves))
}
