//! Serving on loopback, and the handle to look inside.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::{Request as HttpRequest, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceExt as _;

use crate::fault::Fault;
use crate::routes::{HungUp, Size, lock, router};
use crate::store::{Conditions, Ids, Request, State, Stored};

/// How to start.
#[derive(Debug, Clone, Default)]
pub struct FakeSettings {
    /// Whose event ids count.
    pub ids: Ids,
    /// What holds from the start.
    pub conditions: Conditions,
    /// Faults for the first requests.
    pub faults: Vec<Fault>,
    /// Port on loopback; a free one where 0.
    pub port: u16,
}

#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) state: Arc<Mutex<State>>,
    /// Number of requests answered, to wait for.
    answered: watch::Sender<usize>,
    /// Number of open connections.
    open: watch::Sender<usize>,
}

/// A running fake. It ends when this is dropped.
#[derive(Debug)]
pub struct FakeDataStorage {
    address: SocketAddr,
    shared: Shared,
    task: JoinHandle<()>,
}

impl FakeDataStorage {
    /// Starts on loopback.
    pub async fn start(settings: FakeSettings) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port)).await?;
        Self::start_on(listener, settings)
    }

    /// Starts on a listener, whatever port is set. It needs a runtime around it.
    pub fn start_on(listener: TcpListener, settings: FakeSettings) -> io::Result<Self> {
        let state = State::new(settings.ids, settings.conditions, settings.faults);
        let shared =
            Shared { state: Arc::new(Mutex::new(state)), answered: watch::Sender::new(0), open: watch::Sender::new(0) };
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { address, shared, task })
    }

    /// Address for clients, without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has stored, in order.
    pub fn stored(&self) -> Vec<Stored> {
        lock(&self.shared).stored.clone()
    }

    /// How many stored events say the same as an earlier one.
    pub fn doubles(&self) -> usize {
        lock(&self.shared).doubles()
    }

    /// The requests so far, in the order of their answers.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared).requests.clone()
    }

    /// Adds a fault behind those that still wait.
    pub fn add_fault(&self, fault: Fault) {
        lock(&self.shared).faults.push_back(fault);
    }

    /// Changes what holds.
    pub fn change(&self, change: impl FnOnce(&mut Conditions)) {
        change(&mut lock(&self.shared).conditions);
    }

    /// Resolves once so many requests have been answered or hung up on.
    pub async fn answered(&self, count: usize) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.shared.answered.subscribe().wait_for(|answered| *answered >= count).await;
    }

    /// Resolves once whatever clients sent before has been dealt with and they are gone.
    pub async fn idle(&self) -> io::Result<()> {
        // Connections are accepted in order: once this one is served, every earlier one has been accepted.
        let mut last = TcpStream::connect(self.address).await?;
        last.write_all(b"GET /readyz HTTP/1.1\r\nhost: fake\r\nconnection: close\r\n\r\n").await?;
        last.read_to_end(&mut Vec::new()).await?;
        drop(last);
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.shared.open.subscribe().wait_for(|open| *open == 0).await;
        Ok(())
    }

    /// Serves until the process ends.
    pub async fn serve(mut self) {
        let _ = (&mut self.task).await;
    }
}

impl Drop for FakeDataStorage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Shared) {
    let router = router(shared.clone());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let (router, shared) = (router.clone(), shared.clone());
                shared.open.send_modify(|open| *open += 1);
                connections.spawn(async move {
                    let service = hyper::service::service_fn(|request| answer(request, &router, &shared));
                    // A connection that a fault or the client ends is no failure of the fake.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                    shared.open.send_modify(|open| *open -= 1);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Answers one request; an error closes its connection.
async fn answer(request: HttpRequest<Incoming>, router: &Router, shared: &Shared) -> io::Result<Response<Body>> {
    let line = format!("{} {}", request.method(), request.uri().path());
    let query = request.uri().query().unwrap_or_default().to_owned();
    let response = match router.clone().oneshot(request.map(Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let is_hung_up = response.extensions().get::<HungUp>().is_some();
    if !line.contains("/fake/") && !line.contains("/readyz") {
        let Size { events, bytes } = response.extensions().get().copied().unwrap_or_default();
        let status = if is_hung_up { 0 } else { response.status().as_u16() };
        lock(shared).requests.push(Request { line, query, events, bytes, status });
        shared.answered.send_modify(|count| *count += 1);
    }
    if is_hung_up { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(response) }
}
