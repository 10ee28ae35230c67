//! A real Kubernetes control plane for tests.
//!
//! Where it comes from is decided by [`Source::from_environment`]. One control
//! plane serves a whole test process ([`ControlPlane::shared`]); a test keeps
//! to itself in a namespace of its own ([`ControlPlane::namespace`]). What is
//! started here ends with the test process, however that ends.

mod assets;
mod bundled;
mod child;
mod crds;
mod error;
mod namespace;
mod source;

use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::sync::OnceCell;

use child::Child;
pub use error::{StartError, UseError};
pub use namespace::TEST_LABEL;
pub use source::{Environment, Source, is_quick_run};

/// How long a control plane may take to become ready.
pub const READY_DEADLINE: Duration = Duration::from_mins(2);

/// How long a control plane that was given by the environment may take to answer.
const GIVEN_DEADLINE: Duration = Duration::from_secs(20);

/// What a test may want to be different from the default.
#[derive(Debug, Clone, Default)]
pub struct StartOptions {
    /// More flags for kube-apiserver, such as `--audit-policy-file=…`.
    /// Refused where the control plane is given and not started here.
    pub api_server_arguments: Vec<String>,
}

/// A running control plane, and full rights in it.
#[derive(Debug)]
pub struct ControlPlane {
    source: Source,
    kubeconfig: PathBuf,
    config: Config,
    has_garbage_collector: bool,
    // Dropped in this order: clients before servers.
    children: Vec<Child>,
}

impl ControlPlane {
    /// The control plane of this process, started by whoever asks first. A
    /// failed start is remembered, so that it costs its deadline only once.
    pub async fn shared() -> Result<&'static ControlPlane, &'static StartError> {
        static SHARED: OnceCell<Result<ControlPlane, StartError>> = OnceCell::const_new();
        SHARED.get_or_init(ControlPlane::start).await.as_ref()
    }

    /// Starts a control plane of the caller's own, which ends when it is dropped.
    pub async fn start() -> Result<ControlPlane, StartError> {
        ControlPlane::start_with(&StartOptions::default()).await
    }

    /// Like [`ControlPlane::start`], with options.
    pub async fn start_with(options: &StartOptions) -> Result<ControlPlane, StartError> {
        ControlPlane::start_from(Source::from_environment()?, options).await
    }

    /// Like [`ControlPlane::start_with`], from a source the caller chose.
    pub async fn start_from(source: Source, options: &StartOptions) -> Result<ControlPlane, StartError> {
        install_crypto_provider();
        match source {
            Source::Given(kubeconfig) => connect_given(kubeconfig, options).await,
            Source::Assets(folder) => assets::start(folder, options).await,
            Source::Bundled(program) => bundled::start(program, options).await,
        }
    }

    /// Where this control plane comes from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// A kubeconfig file with full rights, for programs under test.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The same as a client configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether owned objects go with their owner and deleted namespaces
    /// vanish. False for `KUBEBUILDER_ASSETS`, which has no controllers.
    pub fn has_garbage_collector(&self) -> bool {
        self.has_garbage_collector
    }

    /// A new client. It belongs to the tokio runtime it is made on, so each
    /// test makes its own.
    pub fn client(&self) -> Result<Client, UseError> {
        Client::try_from(self.config.clone()).map_err(UseError::Client)
    }

    /// The ids of the processes started here, those they started excluded.
    pub fn process_ids(&self) -> Vec<u32> {
        self.children.iter().map(Child::id).collect()
    }
}

/// Chooses the process-wide TLS provider. Harmless when one is chosen already.
pub fn install_crypto_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that another part of the process was first: just as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

async fn connect_given(kubeconfig: PathBuf, options: &StartOptions) -> Result<ControlPlane, StartError> {
    if !options.api_server_arguments.is_empty() {
        return Err(StartError::FlagsForGiven { flags: options.api_server_arguments.join(" ") });
    }
    let config = read_kubeconfig(&kubeconfig).await?;
    let answered = tokio::time::timeout(GIVEN_DEADLINE, ask(&config, "/readyz")).await;
    let problem = match answered {
        Ok(Ok(())) => None,
        Ok(Err(problem)) => Some(problem),
        Err(_) => Some(format!("no answer within {GIVEN_DEADLINE:?}")),
    };
    if let Some(problem) = problem {
        return Err(StartError::GivenUnreachable { kubeconfig, server: config.cluster_url.to_string(), problem });
    }
    Ok(ControlPlane {
        source: Source::Given(kubeconfig.clone()),
        kubeconfig,
        config,
        has_garbage_collector: true,
        children: Vec::new(),
    })
}

/// Reads a kubeconfig file's current context.
async fn read_kubeconfig(path: &Path) -> Result<Config, StartError> {
    let unreadable = |source| StartError::Kubeconfig { path: path.to_owned(), source: Box::new(source) };
    let kubeconfig = Kubeconfig::read_from(path).map_err(unreadable)?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(unreadable)
}

/// Asks for a path and returns what went wrong in words.
async fn ask(config: &Config, path: &str) -> Result<(), String> {
    let client = Client::try_from(config.clone()).map_err(|error| error.to_string())?;
    request(&client, path).await
}

/// Like [`ask`], with a client that is there already.
async fn request(client: &Client, path: &str) -> Result<(), String> {
    let request = http::Request::get(path).body(Vec::new()).map_err(|error| error.to_string())?;
    let answer = client.request_text(request).await;
    answer.map(|_| ()).map_err(|error| error.to_string())
}
