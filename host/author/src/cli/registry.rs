//! The arguments of the commands that bring components to clusters: `policy configmap`, `push`, `pull`, `sign`, `verify`.

use std::path::PathBuf;

use clap::Args;
use trimtab_policy_engine::Digest;

use crate::output::Format;

/// How a registry is reached. Users and passwords come from `$DOCKER_CONFIG/config.json`, else
/// `~/.docker/config.json`.
#[derive(Debug, Clone, Args)]
pub struct RegistryArguments {
    /// PEM file with the only authorities to trust [default: the machine's]
    #[arg(long, value_name = "FILE")]
    pub ca_bundle: Option<PathBuf>,
    /// Speak HTTP without TLS; to a registry on this machine only
    #[arg(long)]
    pub plain_http: bool,
}

/// Arguments of `configmap`.
#[derive(Debug, Clone, Args)]
pub struct ConfigMapArguments {
    /// The component
    #[arg(value_name = "COMPONENT")]
    pub component: PathBuf,
    /// Name of the `ConfigMap`
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Its namespace, where kubectl is not to choose it
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
}

/// Arguments of `push`.
#[derive(Debug, Clone, Args)]
pub struct PushArguments {
    /// The component
    #[arg(value_name = "COMPONENT")]
    pub component: PathBuf,
    /// Where to: registry/repository:tag
    #[arg(value_name = "REFERENCE")]
    pub reference: String,
    /// How the registry is reached.
    #[command(flatten)]
    pub registry: RegistryArguments,
    /// How the result is printed
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
}

/// Arguments of `pull`.
#[derive(Debug, Clone, Args)]
pub struct PullArguments {
    /// What: registry/repository:tag or registry/repository@sha256:…
    #[arg(value_name = "REFERENCE", required_unless_present = "url", conflicts_with = "url")]
    pub reference: Option<String>,
    /// A file of an HTTPS server instead
    #[arg(long, value_name = "URL", requires = "sha256")]
    pub url: Option<String>,
    /// With --url: the digest that its bytes must have
    #[arg(long, value_name = "DIGEST", value_parser = digest, requires = "url")]
    pub sha256: Option<Digest>,
    /// Where the component is written
    #[arg(short = 'o', long, value_name = "FILE")]
    pub out: PathBuf,
    /// How the registry is reached.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

/// Arguments of `sign`.
#[derive(Debug, Clone, Args)]
pub struct SignArguments {
    /// What: registry/repository:tag or registry/repository@sha256:…
    #[arg(value_name = "REFERENCE")]
    pub reference: String,
    /// The private key: PKCS#8 PEM of P-256 or Ed25519, in plain, as `openssl genpkey` writes it
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// How the registry is reached.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

/// Arguments of `verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyPolicyArguments {
    /// What: registry/repository:tag or registry/repository@sha256:…
    #[arg(value_name = "REFERENCE")]
    pub reference: String,
    /// A public key, PEM; one of several has to have signed
    #[arg(long = "key", required = true, value_name = "FILE")]
    pub keys: Vec<PathBuf>,
    /// How the registry is reached.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

fn digest(text: &str) -> Result<Digest, String> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    format!("sha256:{digits}").parse().map_err(|error| format!("{error}"))
}
