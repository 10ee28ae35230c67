//! Signatures that lie in the registry, as cosign puts them there: among the referrers, and at a tag.

use super::manifest::{Descriptor, Manifest};
use super::reference::Version;
use super::registry::Registry;
use crate::digest::Digest;
use crate::fault::Class;
use crate::source::error::SourceError;
use crate::source::fetched::{Evidence, Signature, Signed, decode_signature};

/// Media type of a signed document.
pub(super) const SIGNED: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Annotation of a layer that holds its signature in base64.
pub(super) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// Annotation of a layer that was signed without a key.
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
/// Artifact types of referrers that hold signed documents.
const REFERRERS: [&str; 2] = [SIGNED, "application/vnd.dev.cosign.artifact.sig.v1+json"];
/// Beginning of the artifact type of bundles, which hold other documents.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.";

/// Most manifests of signatures that are looked into, and most signatures of all of them.
const SIGNATURES_MAX: usize = 32;
/// Most bytes of a signed document.
const DOCUMENT_BYTES_MAX: u64 = 64 << 10;

const KEYLESS: &str = "keyless signatures are not supported";
const MEND: &str = "sign it with a key: `trimtab policy sign`";

/// The tag under which cosign keeps the signatures of a manifest.
pub(super) fn tag_of(manifest: &Digest) -> Version {
    Version::Tag(format!("sha256-{}.sig", manifest.hexadecimal()))
}

/// Every signature of a manifest, and why others cannot be used.
pub(super) async fn look(registry: &mut Registry, manifest: &Digest) -> Result<Evidence, SourceError> {
    let mut evidence = Evidence::default();
    let referrers = registry.referrers(manifest).await?.unwrap_or_default();
    let kind_of = |referrer: &Descriptor| referrer.artifact_type.clone().unwrap_or_default();
    if referrers.iter().any(|referrer| kind_of(referrer).starts_with(BUNDLE)) {
        evidence.unusable.push(format!("a sigstore bundle is not read, and {KEYLESS}: {MEND}"));
    }
    let signed = referrers.iter().filter(|referrer| REFERRERS.contains(&kind_of(referrer).as_str()));
    for referrer in signed.take(SIGNATURES_MAX) {
        let read = of_referrer(registry, referrer, &mut evidence).await;
        tolerate(read, &mut evidence)?;
    }
    let read = of_tag(registry, manifest, &mut evidence).await;
    tolerate(read, &mut evidence)?;
    Ok(evidence)
}

/// A signature that is damaged for good is no signature, and hides no other one.
fn tolerate(read: Result<(), SourceError>, evidence: &mut Evidence) -> Result<(), SourceError> {
    match read {
        Err(error) if error.class() == Class::Permanent => {
            evidence.unusable.push(error.to_string());
            Ok(())
        }
        other => other,
    }
}

async fn of_referrer(
    registry: &mut Registry,
    referrer: &Descriptor,
    evidence: &mut Evidence,
) -> Result<(), SourceError> {
    let found = registry.manifest(&Version::Digest(referrer.piece()?.digest)).await?;
    collect(registry, &Manifest::read(&found)?, evidence).await
}

async fn of_tag(registry: &mut Registry, manifest: &Digest, evidence: &mut Evidence) -> Result<(), SourceError> {
    match registry.manifest_if_there(&tag_of(manifest)).await? {
        Some(found) => collect(registry, &Manifest::read(&found)?, evidence).await,
        None => Ok(()),
    }
}

/// The signatures of one manifest of signatures.
async fn collect(registry: &mut Registry, manifest: &Manifest, evidence: &mut Evidence) -> Result<(), SourceError> {
    let left = SIGNATURES_MAX.saturating_sub(evidence.signatures.len() + evidence.unusable.len());
    for layer in manifest.layers.iter().filter(|layer| layer.media_type == SIGNED).take(left) {
        match of_layer(registry, layer).await? {
            // The same one may lie among the referrers and at the tag.
            Ok(signature) if evidence.signatures.contains(&signature) => {}
            Ok(signature) => evidence.signatures.push(signature),
            Err(why) => evidence.unusable.push(why),
        }
    }
    Ok(())
}

async fn of_layer(registry: &mut Registry, layer: &Descriptor) -> Result<Result<Signature, String>, SourceError> {
    if layer.annotations.contains_key(CERTIFICATE) {
        return Ok(Err(format!("{KEYLESS}: {MEND}")));
    }
    let Some(text) = layer.annotations.get(SIGNATURE) else {
        return Ok(Err(format!("a signed document has no annotation {SIGNATURE}: {MEND}")));
    };
    let bytes = match decode_signature(text) {
        Ok(bytes) => bytes,
        Err(why) => return Ok(Err(format!("a signature {why}"))),
    };
    if layer.size > DOCUMENT_BYTES_MAX {
        let size = layer.size;
        return Ok(Err(format!("a signed document has {size} bytes, {DOCUMENT_BYTES_MAX} are allowed: {MEND}")));
    }
    let document = registry.blob(&layer.piece()?, "a signed document").await?;
    Ok(Ok(Signature { signed: Signed::Document(document), bytes }))
}
