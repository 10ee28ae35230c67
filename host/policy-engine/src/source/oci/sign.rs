//! Puts a signature beside an artifact, where cosign puts it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::evidence::{SIGNATURE, SIGNED, tag_of};
use super::manifest::{Descriptor, MANIFEST, Manifest};
use super::push::json;
use super::reference::Reference;
use super::registry::Registry;
use crate::digest::Digest;
use crate::source::credentials::Credentials;
use crate::source::error::SourceError;
use crate::source::place::OciSource;
use crate::trust::{SigningKey, document_of};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Most signatures of one artifact; further ones are refused.
const SIGNATURES_MAX: usize = 32;

/// Where a signature was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignaturePlace {
    /// The artifact, with its digest.
    pub signed: String,
    /// The tag that holds its signatures.
    pub tag: String,
}

/// Signs an artifact and adds the signature to those that it has.
pub async fn attach(
    target: &OciSource,
    credentials: &Credentials,
    key: &SigningKey,
) -> Result<SignaturePlace, SourceError> {
    let reference: Reference = target.reference.parse()?;
    let mut registry = Registry::open(&reference, target, credentials)?;
    let artifact = registry.manifest(&reference.version).await?.digest;
    let document = document_of(&reference.place(), &artifact);
    let signature = key.sign(&document).map_err(|why| SourceError::NoClient { why })?;
    let version = tag_of(&artifact);
    let mut layers = match registry.manifest_if_there(&version).await? {
        Some(stored) => Manifest::read(&stored)?.layers,
        None => Vec::new(),
    };
    if layers.len() >= SIGNATURES_MAX {
        let why = format!("{reference} has {} signatures already: delete its tag {version}", layers.len());
        return Err(SourceError::Invalid { why });
    }
    let annotations = BTreeMap::from([(SIGNATURE.to_owned(), STANDARD.encode(signature))]);
    layers.push(Descriptor { annotations, ..Descriptor::of(SIGNED, &document) });
    registry.put_blob(&document, "the signed document").await?;
    write(&mut registry, layers, &version).await?;
    let place = reference.place();
    Ok(SignaturePlace { signed: reference.pinned(&artifact).to_string(), tag: format!("{place}:{version}") })
}

async fn write(
    registry: &mut Registry,
    layers: Vec<Descriptor>,
    version: &super::Version,
) -> Result<Digest, SourceError> {
    let differences: Vec<_> = layers.iter().map(|layer| &layer.digest).collect();
    // What cosign writes: an image without a moment, an architecture or a system.
    let never = "0001-01-01T00:00:00Z";
    let config = json(&json!({
        "architecture": "", "os": "", "created": never, "config": {},
        "history": layers.iter().map(|_| json!({"created": never})).collect::<Vec<_>>(),
        "rootfs": {"type": "layers", "diff_ids": differences},
    }))?;
    registry.put_blob(&config, "the config of the signatures").await?;
    let manifest = json(&Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.to_owned()),
        artifact_type: None,
        config: Descriptor::of(CONFIG, &config),
        layers,
        annotations: BTreeMap::new(),
    })?;
    registry.put_manifest(version, &manifest).await
}
