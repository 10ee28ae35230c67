//! What a fetch brings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::digest::Digest;
use crate::source::error::SourceError;

/// Most bytes of a signature, in base64.
const SIGNATURE_BYTES_MAX: usize = 1024;

/// The bytes of a component, and where they come from.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The component.
    pub bytes: Vec<u8>,
    /// Its digest.
    pub digest: Digest,
    /// Digest of the manifest that names it, where a registry gave it.
    pub manifest: Option<Digest>,
    /// The source with its version pinned, as far as it can be: a tag is replaced by its digest.
    pub resolved: String,
    /// What trust rules are looked up by: the source without its version.
    pub place: String,
    /// The signatures that were found.
    pub evidence: Evidence,
}

/// The signatures that lie beside a component. Nothing is known of them yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Those that can be verified.
    pub signatures: Vec<Signature>,
    /// Why others cannot be.
    pub unusable: Vec<String>,
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// What was signed.
    pub signed: Signed,
    /// The signature itself.
    pub bytes: Vec<u8>,
}

/// What a signature is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// The bytes of the component.
    Component,
    /// This document, which names the digest of a manifest.
    Document(Vec<u8>),
}

impl Evidence {
    /// A signature over the component's bytes that is written beside its source.
    pub(super) fn beside(signature: Option<&str>) -> Result<Self, SourceError> {
        let Some(text) = signature else { return Ok(Self::default()) };
        let bytes = decode_signature(text).map_err(|why| SourceError::Invalid { why: format!("signature {why}") })?;
        Ok(Self { signatures: vec![Signature { signed: Signed::Component, bytes }], unusable: Vec::new() })
    }
}

/// The bytes of a signature in base64; line breaks, as tools put in, are skipped.
pub(super) fn decode_signature(text: &str) -> Result<Vec<u8>, String> {
    if text.len() > SIGNATURE_BYTES_MAX {
        return Err(format!("has {} characters, a signature has at most {SIGNATURE_BYTES_MAX}", text.len()));
    }
    let text: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(text).map_err(|error| format!("is no base64 ({error}): write what `base64 FILE.sig` prints"))
}
