//! The embedded cluster: how it is opened, and how a client reaches it in process.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::{Request as HttpRequest, Response};
use http_body_util::{BodyExt as _, Limited};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;

use crate::failure::Failure;
use crate::identity::{Identities, WallClock};
use crate::kinds::builtin::{BuiltIns, built_ins};
use crate::kinds::{BuiltIn, ResourceKind};
use crate::log::{Log, Recovered};
use crate::request::{Query, Request};
use crate::routes;
use crate::store::{Origins, Store};
use crate::verbs::create::create;
use crate::verbs::update::replace;
use crate::verbs::{Part, Target, WriteOptions};

/// Largest request body, in bytes, as in the real server.
const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;
/// Namespaces that exist from the start.
const NAMESPACES: [&str; 2] = ["default", "kubernaut-system"];

/// How an embedded cluster is set up.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// Folder for log, snapshot and token; without one the cluster lives in memory alone.
    pub data: Option<PathBuf>,
    /// Definitions that are installed, or brought up to date, when the cluster opens.
    pub crds: Vec<CustomResourceDefinition>,
    /// Namespaces beside `default` and `kubernaut-system`; one that is there already is kept.
    pub namespaces: Vec<Namespace>,
    /// Changes kept for watches and older lists (default 10 000, at least 1).
    pub watch_history: usize,
    /// The wall clock for timestamps and ages (default: the system's).
    pub clock: WallClock,
    /// With a seed, uids and generated names repeat from run to run (default: random).
    pub seed: Option<u64>,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            data: None,
            crds: Vec::new(),
            namespaces: Vec::new(),
            watch_history: 10_000,
            clock: WallClock::default(),
            seed: None,
        }
    }
}

/// Why the embedded cluster could not be opened or reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// A file of the data folder could not be read or written.
    #[error("use {}: {source}", path.display())]
    Storage {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The data folder belongs to a running cluster.
    #[error("open {}: it is held by {holder}; stop that one first, or choose another folder with --data", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Who holds it.
        holder: String,
    },
    /// A stored file is not what was written.
    #[error("read {} line {line}: {why}; restore the file, or start in an empty folder", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Line number from 1; 0 for the file as a whole.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// A definition or built-in object was refused.
    #[error("install {what}: {why}")]
    Install {
        /// Kind and name of the object.
        what: String,
        /// The refusal.
        why: String,
    },
    /// The address is not a loopback address.
    #[error("listen on {address}: not a loopback address; the embedded cluster has no TLS, use 127.0.0.1")]
    NotLoopback {
        /// The refused address.
        address: std::net::SocketAddr,
    },
    /// The address is taken.
    #[error("listen on {address}: the address is in use; choose another with --listen, or omit it for a free port")]
    AddressInUse {
        /// The taken address.
        address: std::net::SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("listen on {address}: {source}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// A Kubernetes API in this process. Clones share one store; it closes with the last of them.
#[derive(Debug, Clone)]
pub struct EmbeddedCluster {
    pub(crate) store: Arc<Store>,
    pub(crate) data: Option<PathBuf>,
}

impl EmbeddedCluster {
    /// Opens a cluster, reading back what `data` holds, and installs the definitions.
    pub fn open(config: ClusterConfig) -> Result<Self, ClusterError> {
        let built_ins =
            built_ins().map_err(|why| ClusterError::Install { what: "the built-in kinds".to_owned(), why })?;
        let (log, recovered) = match &config.data {
            Some(folder) => {
                let (log, recovered) = Log::open(folder)?;
                (Some(log), recovered)
            }
            None => (None, Recovered::default()),
        };
        let store = Store::new(Origins {
            built_ins: built_ins.clone(),
            history_max: config.watch_history,
            identities: Identities::new(config.seed),
            clock: config.clock,
            log,
            recovered,
        });
        for name in NAMESPACES {
            let namespace = json!({"metadata": {"name": name}});
            install(&store, &built_ins, BuiltIn::Namespace, namespace, Present::Keep)?;
        }
        for namespace in config.namespaces {
            let namespace = serde_json::to_value(&namespace).map_err(|error| ClusterError::Install {
                what: format!("Namespace {:?}", namespace.metadata.name),
                why: error.to_string(),
            })?;
            install(&store, &built_ins, BuiltIn::Namespace, namespace, Present::Keep)?;
        }
        for crd in config.crds {
            let crd = serde_json::to_value(&crd).map_err(|error| ClusterError::Install {
                what: format!("CustomResourceDefinition {:?}", crd.metadata.name),
                why: error.to_string(),
            })?;
            install(&store, &built_ins, BuiltIn::Definition, crd, Present::Replace)?;
        }
        Ok(Self { store: Arc::new(store), data: config.data })
    }

    /// The API as a tower service, for `kube::Client::new`.
    pub fn service(&self) -> ApiService {
        ApiService { store: Arc::clone(&self.store), stopped: None, base: String::new() }
    }

    /// A client that talks to this cluster without a socket; its namespace is `default`.
    /// Creates the client's worker task, so it must be called within a tokio runtime.
    pub fn client(&self) -> kube::Client {
        kube::Client::new(self.service(), "default")
    }

    /// Writes all objects as a snapshot and empties the log; without `data` nothing happens.
    pub fn compact(&self) -> Result<(), ClusterError> {
        self.store.compact()
    }

    /// Closes the cluster for all its clones and clients: watches end, later requests are answered
    /// 503, and another process may open the data folder.
    pub fn close(&self) {
        self.store.close();
    }

    /// CEL rules of the installed definitions that are not enforced here: kind, path and text.
    pub fn unenforced_rules(&self) -> Vec<String> {
        let registry = Arc::clone(&self.store.lock().registry);
        let mut found = Vec::new();
        for kind in registry.all() {
            kind.schema.unenforced_rules(&kind.kind, &mut found);
        }
        found
    }
}

/// What happens where the object to install is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Present {
    Keep,
    Replace,
}

fn install(
    store: &Store,
    built_ins: &BuiltIns,
    built_in: BuiltIn,
    mut object: Value,
    present: Present,
) -> Result<(), ClusterError> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let refused = |why: String| ClusterError::Install { what: format!("{built_in:?} {name:?}"), why };
    let is_wanted = |kind: &&Arc<ResourceKind>| kind.is(built_in);
    let Some(kind) = built_ins.kinds.iter().find(is_wanted) else {
        return Err(refused("no such built-in kind".to_owned()));
    };
    let target = Target { kind: Arc::clone(kind), namespace: String::new(), name: name.clone(), part: Part::Main };
    let installed = store.write(false, |transaction| {
        let options = WriteOptions::parse(&Query::default(), "CreateOptions")?;
        match (transaction.get(&target.location()), present) {
            (None, _) => create(transaction, &target, object, options).map(|_| ()),
            (Some(_), Present::Keep) => Ok(()),
            (Some(current), Present::Replace) => {
                object["metadata"]["resourceVersion"] = current["metadata"]["resourceVersion"].clone();
                replace(transaction, &target, object, options).map(|_| ())
            }
        }
    });
    installed.map_err(|failure| refused(failure.message))
}

/// The API as a tower service over any request body.
#[derive(Debug, Clone)]
pub struct ApiService {
    store: Arc<Store>,
    /// Turns true when the listener that serves this request shuts down.
    pub(crate) stopped: Option<Receiver<bool>>,
    /// Path under which a listener serves the API; empty in process.
    pub(crate) base: String,
}

impl ApiService {
    /// Answers one request; refusals are answers too.
    pub(crate) async fn answer<B>(self, request: HttpRequest<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let parsed = match Request::parse(&head.method, &head.uri, &head.headers, &self.base) {
            Ok(parsed) => parsed,
            Err(failure) => return routes::refusal(&failure),
        };
        match Limited::new(body, BODY_BYTES_MAX).collect().await {
            Ok(body) => routes::answer(&self.store, &parsed, &body.to_bytes(), self.stopped),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                routes::refusal(&Failure::too_large(BODY_BYTES_MAX))
            }
            Err(error) => routes::refusal(&Failure::bad_request(format!("read the request body: {error}"))),
        }
    }
}

impl<B> tower::Service<HttpRequest<B>> for ApiService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request).await) })
    }
}
