//! Either cluster behind one type: the embedded one, or the real kube-apiserver.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tempfile::TempDir;
use trimtab_embedded_cluster::{ClusterConfig, EmbeddedCluster, Listening};
use uuid::Uuid;

use crate::control_plane::{ControlPlane, install_crypto_provider};

/// Which cluster a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterKind {
    /// The API in this process, without stand-ins.
    Embedded,
    /// The fixture of [`crate::control_plane`].
    Real,
}

impl ClusterKind {
    /// The word for it in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded cluster",
            Self::Real => "real API server",
        }
    }
}

/// A cluster with the CRDs installed.
#[derive(Debug)]
pub struct Cluster {
    kind: ClusterKind,
    kubeconfig: PathBuf,
    config: Config,
    // Held for as long as the cluster is used; the real one belongs to the test process.
    _embedded: Option<(EmbeddedCluster, Listening, TempDir)>,
}

impl Cluster {
    /// Starts a cluster of this kind. The real one is shared by the process and costs its start once.
    pub async fn start(kind: ClusterKind) -> anyhow::Result<Self> {
        match kind {
            ClusterKind::Embedded => Self::embedded().await,
            ClusterKind::Real => Self::real().await,
        }
    }

    async fn embedded() -> anyhow::Result<Self> {
        install_crypto_provider();
        let config = ClusterConfig {
            crds: trimtab_api::crds(),
            namespaces: vec![target_namespace()],
            ..ClusterConfig::default()
        };
        let cluster = EmbeddedCluster::open(config).context("open an embedded cluster")?;
        let listening = cluster.listen(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)).await?;
        let folder = tempfile::tempdir()?;
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, listening.kubeconfig())?;
        let config = read_kubeconfig(&kubeconfig).await?;
        let held = Some((cluster, listening, folder));
        Ok(Self { kind: ClusterKind::Embedded, kubeconfig, config, _embedded: held })
    }

    async fn real() -> anyhow::Result<Self> {
        let control_plane = ControlPlane::shared().await?;
        control_plane.install_crds(trimtab_api::crds()).await?;
        let cluster = Self {
            kind: ClusterKind::Real,
            kubeconfig: control_plane.kubeconfig().to_owned(),
            config: control_plane.config().clone(),
            _embedded: None,
        };
        manage_targets(cluster.client()?).await?;
        Ok(cluster)
    }

    /// Which cluster this is.
    pub const fn kind(&self) -> ClusterKind {
        self.kind
    }

    /// A kubeconfig file with full rights, for programs under test.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A client of the current runtime.
    pub fn client(&self) -> anyhow::Result<Client> {
        Client::try_from(self.config.clone()).context("make a client")
    }

    /// The client configuration.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Makes a namespace that no other test uses and returns its name.
    pub async fn namespace(&self) -> anyhow::Result<String> {
        let name = format!("t-{:.12}", Uuid::new_v4().simple().to_string());
        let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
        let api: Api<Namespace> = Api::all(self.client()?);
        api.create(&PostParams::default(), &Namespace { metadata, ..Namespace::default() }).await?;
        Ok(name)
    }
}

/// The namespace of every scenario's target: under management, as an administrator marks it.
pub fn target_namespace() -> Namespace {
    let labels = BTreeMap::from([("kubernaut.ai/managed".to_owned(), "true".to_owned())]);
    let metadata = ObjectMeta { name: Some("demo".to_owned()), labels: Some(labels), ..ObjectMeta::default() };
    Namespace { metadata, ..Namespace::default() }
}

/// Sees that the cluster of this client has the targets' namespace, and the controller's.
pub async fn manage_targets(client: Client) -> anyhow::Result<()> {
    let own = ObjectMeta { name: Some("kubernaut-system".to_owned()), ..ObjectMeta::default() };
    let api: Api<Namespace> = Api::all(client);
    for namespace in [target_namespace(), Namespace { metadata: own, ..Namespace::default() }] {
        match api.create(&PostParams::default(), &namespace).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            created => created.map(drop).context("make a namespace")?,
        }
    }
    Ok(())
}

/// Reads a kubeconfig file's current context.
pub async fn read_kubeconfig(path: &Path) -> anyhow::Result<Config> {
    install_crypto_provider();
    let kubeconfig = Kubeconfig::read_from(path).with_context(|| format!("read {}", path.display()))?;
    let options = KubeConfigOptions::default();
    Config::from_custom_kubeconfig(kubeconfig, &options).await.with_context(|| format!("use {}", path.display()))
}

/// Whether the slow half of the suite, the real API server, is left out; says so in the output.
pub fn leaves_out_real(test: &str) -> bool {
    let is_quick = crate::control_plane::is_quick_run();
    if is_quick {
        eprintln!("left out in a quick run: {test} on the {}", ClusterKind::Real.name());
    }
    is_quick
}
