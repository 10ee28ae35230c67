//! Writes a component into a registry, in the CNCF's layout.

use std::collections::BTreeMap;

use serde::Serialize;

use super::manifest::{Descriptor, MANIFEST, Manifest, WASM_CONFIG, WASM_LAYER, component_layer};
use super::reference::Reference;
use super::registry::Registry;
use crate::digest::Digest;
use crate::source::credentials::Credentials;
use crate::source::error::SourceError;
use crate::source::place::OciSource;

/// One moment for every artifact, so that the same component is the same artifact whenever it is pushed.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// What the config of an artifact tells of its component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ComponentNote {
    /// Interfaces that it exports, each with its version.
    pub exports: Vec<String>,
    /// Interfaces that it imports, each with its version.
    pub imports: Vec<String>,
    /// The world that it fits, if it fits one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// An artifact that was pushed and read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Its reference with its digest.
    pub reference: String,
    /// Digest of its manifest.
    pub manifest: Digest,
    /// Digest of the component.
    pub component: Digest,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [String; 1],
    component: &'a ComponentNote,
}

/// Pushes a component to a tag and reads it back. Doing it twice changes nothing.
pub async fn push(
    target: &OciSource,
    credentials: &Credentials,
    component: &[u8],
    note: &ComponentNote,
) -> Result<Pushed, SourceError> {
    let reference: Reference = target.reference.parse()?;
    if reference.is_pinned() {
        let why = format!("{reference} is a digest, which follows from the bytes: push to a tag");
        return Err(SourceError::Invalid { why });
    }
    let mut registry = Registry::open(&reference, target, credentials)?;
    let layer = Descriptor::of(WASM_LAYER, component);
    let layer_digests = [layer.digest.clone()];
    let config =
        json(&Config { created: CREATED, architecture: "wasm", os: "wasip2", layer_digests, component: note })?;
    let manifest = json(&Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.to_owned()),
        artifact_type: None,
        config: Descriptor::of(WASM_CONFIG, &config),
        layers: vec![layer],
        annotations: BTreeMap::new(),
    })?;
    registry.put_blob(component, "the component").await?;
    registry.put_blob(&config, "the config").await?;
    let digest = registry.put_manifest(&reference.version, &manifest).await?;
    read_back(&mut registry, &reference.pinned(&digest), component).await
}

async fn read_back(registry: &mut Registry, pinned: &Reference, component: &[u8]) -> Result<Pushed, SourceError> {
    let stored = registry.manifest(&pinned.version).await?;
    let layer = component_layer(&stored)?;
    let bytes = registry.blob(&layer, &format!("the layer of {pinned}")).await?;
    let (expected, found) = (Digest::of(component), Digest::of(&bytes));
    if expected != found {
        let what = format!("what {pinned} gives back");
        return Err(SourceError::DigestMismatch { what, expected, found });
    }
    Ok(Pushed { reference: pinned.to_string(), manifest: stored.digest, component: expected })
}

/// A document as it is written.
pub(super) fn json<T: Serialize>(document: &T) -> Result<Vec<u8>, SourceError> {
    serde_json::to_vec(document)
        .map_err(|error| SourceError::Malformed { what: "what was to be written".to_owned(), why: error.to_string() })
}
