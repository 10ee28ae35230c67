//! An OCI registry in memory, on loopback, that can be made to fail.
//!
//! It checks what registries check: digests of what is written, tokens and what they are for. It keeps lists of referrers
//! where it is told to, and none otherwise, as many registries do.

mod answer;
mod routes;
mod shelf;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use shelf::Shelf;
pub use shelf::digest_of;

/// Who is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// Everybody.
    Open,
    /// Who sends this user and password.
    Basic(String, String),
    /// Who sends a token, which this user and password give for reading and for writing, and nothing for reading alone.
    Token(String, String),
    /// Nobody, and no way is told.
    Shut,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Every answer is this status.
    Status(u16),
    /// Answers to requests whose path has this part are this status.
    StatusAt(&'static str, u16),
    /// A blob is given as these bytes.
    BlobIs(Vec<u8>),
    /// A blob goes on after its end, and its length is not told.
    BlobGoesOn,
    /// A blob breaks off in the middle.
    BlobBreaksOff,
    /// A blob lies there.
    BlobElsewhere(String),
    /// Manifests are given as these bytes.
    ManifestIs(Vec<u8>),
    /// After a tag was asked for, it is put on this digest.
    TagMovesTo(String),
    /// The place of an upload is there.
    UploadElsewhere(String),
    /// Tokens are to be had there.
    TokensAt(String),
    /// The token service answers so.
    TokenIs(&'static str),
}

/// How to start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who is let in.
    pub door: Door,
    /// Whether lists of referrers are kept.
    pub keeps_referrers: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { door: Door::Open, keeps_referrers: true }
    }
}

#[derive(Debug)]
struct State {
    shelf: Shelf,
    settings: Settings,
    faults: Vec<Fault>,
    requests: Vec<String>,
}

#[derive(Debug, Clone)]
struct Shared {
    state: Arc<Mutex<State>>,
    address: SocketAddr,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running registry. It ends when this is dropped.
#[derive(Debug)]
pub struct FakeRegistry {
    shared: Shared,
    task: JoinHandle<()>,
}

impl FakeRegistry {
    /// Starts on a free port of loopback.
    pub async fn start(settings: Settings) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let state = State { shelf: Shelf::default(), settings, faults: Vec::new(), requests: Vec::new() };
        let shared = Shared { state: Arc::new(Mutex::new(state)), address: listener.local_addr()? };
        let router = routes::router(shared.clone());
        let task = tokio::spawn(async move {
            // It ends with the task only.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { shared, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// `127.0.0.1:PORT/` and the rest.
    pub fn reference(&self, rest: &str) -> String {
        format!("{}/{rest}", self.shared.address)
    }

    /// From now on this goes wrong, and nothing else.
    pub fn fail(&self, fault: Fault) {
        self.shared.lock().faults = vec![fault];
    }

    /// From now on nothing goes wrong.
    pub fn recover(&self) {
        self.shared.lock().faults.clear();
    }

    /// Every request so far: method and path.
    pub fn requests(&self) -> Vec<String> {
        self.shared.lock().requests.clone()
    }

    /// Puts a blob there; its digest.
    pub fn put_blob(&self, bytes: &[u8]) -> String {
        self.shared.lock().shelf.put_blob(bytes)
    }

    /// Puts a manifest there as it is, and a tag on it; its digest.
    pub fn put_manifest(&self, repository: &str, tag: Option<&str>, media_type: &str, bytes: &[u8]) -> String {
        self.shared.lock().shelf.put_manifest(repository, tag, media_type, bytes)
    }

    /// The manifest that a tag or a digest names.
    pub fn manifest(&self, repository: &str, version: &str) -> Option<Vec<u8>> {
        self.shared.lock().shelf.manifest(repository, version).map(|found| found.bytes.to_vec())
    }

    /// Takes a tag away.
    pub fn untag(&self, repository: &str, tag: &str) -> bool {
        self.shared.lock().shelf.untag(repository, tag)
    }
}

impl Drop for FakeRegistry {
    fn drop(&mut self) {
        self.task.abort();
    }
}
