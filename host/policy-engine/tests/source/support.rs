//! A registry with a component in it, and the openssl of this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use trimtab_fake_registry::{Door, FakeRegistry, Settings, digest_of};
use trimtab_policy_engine::BUILTIN;
use trimtab_policy_engine::source::{
    ComponentNote, Credential, Credentials, FetchContext, Fetched, OciSource, Pushed, Source, SourceError, fetch, push,
};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
pub(crate) const WASM: &str = "application/wasm";

/// The provider of this process. Another test may have installed it before.
pub(crate) fn install_cryptography() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A registry on this machine, as a source.
pub(crate) fn oci(reference: impl Into<String>) -> OciSource {
    OciSource { plain_http: true, ..OciSource::of(reference) }
}

pub(crate) async fn registry() -> FakeRegistry {
    registry_with(Settings::default()).await
}

pub(crate) async fn registry_with(settings: Settings) -> FakeRegistry {
    install_cryptography();
    FakeRegistry::start(settings).await.unwrap()
}

pub(crate) async fn behind(door: Door) -> FakeRegistry {
    registry_with(Settings { door, ..Settings::default() }).await
}

pub(crate) fn user(registry: &FakeRegistry, password: &str) -> Credentials {
    let credential = Credential { user: "ann".to_owned(), password: password.to_owned() };
    Credentials::default().and(&registry.address().to_string(), credential)
}

/// The default policy at `policies/p:1`.
pub(crate) async fn pushed(registry: &FakeRegistry) -> Pushed {
    push(&oci(registry.reference("policies/p:1")), &Credentials::default(), BUILTIN, &ComponentNote::default())
        .await
        .unwrap()
}

pub(crate) async fn pull(reference: impl Into<String>) -> Result<Fetched, SourceError> {
    pull_as(reference, &Credentials::default()).await
}

pub(crate) async fn pull_as(reference: impl Into<String>, credentials: &Credentials) -> Result<Fetched, SourceError> {
    fetch(&Source::Oci(oci(reference)), &FetchContext::with(credentials)).await
}

/// Checks code and words of an error; it is one line.
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, SourceError>, reason: &str, words: &[&str]) {
    let error = result.unwrap_err();
    let line = error.to_string();
    assert_eq!(error.reason(), reason, "{line}");
    assert!(!line.contains('\n'), "{line}");
    for word in words {
        assert!(line.contains(word), "\"{word}\" is not in: {line}");
    }
}

/// An artifact of these layers, each with its media type, at `policies/p:1`.
pub(crate) fn artifact(registry: &FakeRegistry, config: &str, layers: &[(&str, &[u8])]) -> String {
    let piece = |(media_type, bytes): (&str, &[u8])| {
        registry.put_blob(bytes);
        json!({"mediaType": media_type, "digest": digest_of(bytes), "size": bytes.len()})
    };
    let layers: Vec<_> = layers.iter().map(|layer| piece(*layer)).collect();
    manifest(registry, &json!({"config": piece((config, b"{}")), "layers": layers}))
}

/// A manifest as it is, at `policies/p:1`.
pub(crate) fn manifest(registry: &FakeRegistry, members: &Value) -> String {
    let mut document = json!({"schemaVersion": 2, "mediaType": MANIFEST});
    document.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    registry.put_manifest("policies/p", Some("1"), MANIFEST, document.to_string().as_bytes())
}

/// Runs openssl; a machine without it fails the test.
pub(crate) fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("openssl cannot be started: {error}; apt-get install openssl"));
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A key pair that openssl has made.
pub(crate) struct Pair {
    folder: tempfile::TempDir,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    P256,
    Ed25519,
}

impl Pair {
    pub(crate) fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pair = Self { folder, kind };
        let algorithm = match kind {
            Kind::P256 => vec!["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            Kind::Ed25519 => vec!["-algorithm", "ed25519"],
        };
        let (private, public) = (pair.file("key.pem"), pair.file("key.pub"));
        openssl(&[vec!["genpkey"], algorithm, vec!["-out", text(&private)]].concat());
        openssl(&["pkey", "-in", text(&private), "-pubout", "-out", text(&public)]);
        pair
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn private(&self) -> String {
        std::fs::read_to_string(self.file("key.pem")).unwrap()
    }

    pub(crate) fn public(&self) -> String {
        std::fs::read_to_string(self.file("key.pub")).unwrap()
    }

    /// What openssl signs.
    pub(crate) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let (private, message) = (self.file("key.pem"), self.file("message"));
        std::fs::write(&message, bytes).unwrap();
        let (private, message) = (text(&private), text(&message));
        match self.kind {
            Kind::P256 => openssl(&["dgst", "-sha256", "-sign", private, message]),
            Kind::Ed25519 => openssl(&["pkeyutl", "-sign", "-rawin", "-inkey", private, "-in", message]),
        }
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
