//! A component from an OCI registry, in the CNCF's layout for WebAssembly.
//!
//! The client is our own and small: what a registry may answer is bounded everywhere, a tag is resolved once, and
//! nothing of what was asked for is believed before its digest is right.

mod challenge;
mod evidence;
mod manifest;
mod push;
mod reference;
mod registry;
mod sign;

pub use push::{ComponentNote, Pushed, push};
pub use reference::{Reference, Version};
pub use sign::{SignaturePlace, attach};

use crate::digest::Digest;
use crate::source::context::FetchContext;
use crate::source::error::SourceError;
use crate::source::fetched::{Evidence, Fetched};
use crate::source::place::OciSource;
use registry::Registry;

const SMALLER: &str = "make the component smaller, or raise componentBytes";

pub(super) async fn fetch(source: &OciSource, context: &FetchContext<'_>) -> Result<Fetched, SourceError> {
    let reference: Reference = source.reference.parse()?;
    if context.requires_digest && !reference.is_pinned() {
        let place = reference.place();
        return Err(SourceError::DigestRequired { reference: source.reference.clone(), place });
    }
    let mut registry = Registry::open(&reference, source, context.credentials)?;
    let stored = registry.manifest(&reference.version).await?;
    let layer = manifest::component_layer(&stored)?;
    let what = format!("the layer of {reference}");
    if layer.size > context.component_bytes {
        let (bytes, most) = (Some(layer.size), context.component_bytes);
        return Err(SourceError::TooLarge { what, bytes, most, mend: SMALLER });
    }
    let bytes = registry.blob(&layer, &what).await?;
    let evidence = if context.seeks_signatures {
        evidence::look(&mut registry, &stored.digest).await?
    } else {
        Evidence::default()
    };
    Ok(Fetched {
        digest: Digest::of(&bytes),
        bytes,
        manifest: Some(stored.digest),
        resolved: reference.pinned(&stored.digest).to_string(),
        place: reference.place(),
        evidence,
    })
}
