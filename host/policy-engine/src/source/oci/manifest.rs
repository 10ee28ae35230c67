//! Manifests: what an artifact is made of, and whether it is a component.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::fault::{cut, one_line};
use crate::source::error::SourceError;

/// Media type of a manifest.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an index, also of a list of referrers.
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Media type of the config of a component.
pub(super) const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// Media type of the one layer of a component.
pub(super) const WASM_LAYER: &str = "application/wasm";
/// What `Accept` says for manifests: also what we refuse by name.
pub(super) const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

/// The layout before the CNCF's: taken, not made.
const OLD_CONFIG: &str = "application/vnd.wasm.config.v1+json";
const OLD_LAYER: &str = "application/vnd.wasm.content.layer.v1+wasm";

/// What is refused by its beginning, with what it is and what to do.
const KNOWN: [(&str, &str); 10] = [
    ("application/vnd.oci.image.index.", "this is an index of several artifacts: name one of them by its digest"),
    ("application/vnd.docker.distribution.manifest.list.", "this is a list of container images: name a component"),
    ("application/vnd.docker.", "this is a container image: push the component with `trimtab policy push`"),
    (
        "application/vnd.module.wasm.",
        "this is the Envoy spec layout, which holds a core module: push a component with `trimtab policy push`",
    ),
    (
        "application/vnd.oci.image.layer.",
        "this is a container image or the Envoy compat layout, a tar that is not unpacked: push the component with `trimtab policy push`",
    ),
    (
        "application/vnd.oci.image.config.",
        "this is a container image or the Envoy compat layout: push the component with `trimtab policy push`",
    ),
    (
        "application/vnd.fermyon.spin.",
        "this is a Spin application: push its component alone with `trimtab policy push`",
    ),
    ("application/vnd.cncf.helm.", "this is a Helm chart: name a component"),
    ("application/vnd.dev.cosign.", "this is a signature: name the component that was signed"),
    ("application/vnd.dev.sigstore.", "this is a sigstore bundle: name the component that was signed"),
];
const UNKNOWN: &str = "a component is one layer of application/wasm with a config of \
    application/vnd.wasm.config.v0+json: push it with `trimtab policy push`";

/// A manifest as it came, its digest checked.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) bytes: Vec<u8>,
    pub(super) digest: Digest,
    /// As the answer's header said it.
    pub(super) media_type: Option<String>,
}

/// A piece of an artifact, as a manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
}

/// An image manifest.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub(super) schema_version: u32,
    #[serde(default)]
    pub(super) media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) artifact_type: Option<String>,
    pub(super) config: Descriptor,
    #[serde(default)]
    pub(super) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
}

/// A piece whose digest was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) digest: Digest,
    /// In bytes.
    pub(super) size: u64,
}

impl Descriptor {
    /// The descriptor of these bytes.
    pub(super) fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes).to_string(),
            size: bytes.len() as u64,
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }

    pub(super) fn piece(&self) -> Result<Piece, SourceError> {
        let digest = self.digest.parse().map_err(|error| malformed(&format!("{error}")))?;
        Ok(Piece { digest, size: self.size })
    }
}

impl Manifest {
    /// Reads a manifest; anything else is refused by its media type.
    pub(super) fn read(stored: &Stored) -> Result<Self, SourceError> {
        let told = told_type(stored);
        if let Some(other) = told.filter(|told| told != MANIFEST) {
            return Err(refused(&other));
        }
        serde_json::from_slice(&stored.bytes).map_err(|error| malformed(&error.to_string()))
    }
}

/// The media type that the document gives itself, else the one of the answer.
fn told_type(stored: &Stored) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        media_type: Option<String>,
    }
    let inside = serde_json::from_slice::<Typed>(&stored.bytes).ok().and_then(|typed| typed.media_type);
    inside.or_else(|| stored.media_type.clone())
}

/// The one layer of a component.
pub(super) fn component_layer(stored: &Stored) -> Result<Piece, SourceError> {
    let manifest = Manifest::read(stored)?;
    let is_wasm = |layer: &&Descriptor| layer.media_type == WASM_LAYER || layer.media_type == OLD_LAYER;
    // What it is says more than how many layers it has.
    if let Some(foreign) = manifest.layers.iter().find(|layer| !is_wasm(layer)) {
        return Err(refused(&foreign.media_type));
    }
    let config = manifest.config.media_type.as_str();
    if config != WASM_CONFIG && config != OLD_CONFIG {
        return Err(refused(config));
    }
    match manifest.layers.as_slice() {
        [layer] => layer.piece(),
        [] => Err(SourceError::NoLayer),
        layers => Err(SourceError::TooManyLayers { layers: layers.len() }),
    }
}

fn refused(found: &str) -> SourceError {
    let known = KNOWN.iter().find(|(prefix, _)| found.starts_with(prefix));
    let why = known.map_or(UNKNOWN, |(_, why)| why);
    SourceError::MediaType { found: cut(&one_line(found), 200).to_owned(), why }
}

pub(super) fn malformed(why: &str) -> SourceError {
    SourceError::Malformed { what: "the manifest".to_owned(), why: one_line(why) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn stored(document: &Value) -> Stored {
        let bytes = document.to_string().into_bytes();
        Stored { digest: Digest::of(&bytes), bytes, media_type: None }
    }

    fn artifact(config: &str, layers: &[&str]) -> Value {
        let piece = |media_type: &str| json!({"mediaType": media_type, "digest": Digest::of(b"x"), "size": 1});
        let layers: Vec<_> = layers.iter().map(|layer| piece(layer)).collect();
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": piece(config), "layers": layers})
    }

    #[test]
    fn the_layer_of_either_layout_is_found() {
        let found = Piece { digest: Digest::of(b"x"), size: 1 };
        assert_eq!(component_layer(&stored(&artifact(WASM_CONFIG, &[WASM_LAYER]))), Ok(found.clone()));
        assert_eq!(component_layer(&stored(&artifact(OLD_CONFIG, &[OLD_LAYER]))), Ok(found));
    }

    #[test]
    fn every_other_artifact_is_refused_by_its_name() {
        let tar = "application/vnd.oci.image.layer.v1.tar+gzip";
        let image = "application/vnd.oci.image.config.v1+json";
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []});
        let docker = json!({"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"});
        let rows = [
            (artifact(image, &[tar]), tar, "Envoy compat"),
            (artifact(WASM_CONFIG, &[tar]), tar, "Envoy compat"),
            (artifact(image, &[WASM_LAYER]), image, "container image"),
            (
                artifact(OLD_CONFIG, &["application/vnd.module.wasm.content.layer.v1+wasm"]),
                "vnd.module.wasm",
                "Envoy spec",
            ),
            (artifact(image, &["application/vnd.dev.cosign.simplesigning.v1+json"]), "simplesigning", "a signature"),
            (artifact("application/vnd.cncf.helm.config.v1+json", &[WASM_LAYER]), "helm", "Helm chart"),
            (artifact(WASM_CONFIG, &["text/plain"]), "text/plain", "one layer of application/wasm"),
            (index, INDEX, "an index"),
            (docker, "vnd.docker", "container image"),
        ];
        for (document, found, why) in rows {
            let error = component_layer(&stored(&document)).unwrap_err();
            assert_eq!(error.reason(), "MediaType");
            let line = error.to_string();
            assert!(line.contains(found) && line.contains(why), "{line}");
        }
    }

    #[test]
    fn one_layer_is_neither_two_nor_none() {
        let two = component_layer(&stored(&artifact(WASM_CONFIG, &[WASM_LAYER, WASM_LAYER])));
        assert_eq!(two, Err(SourceError::TooManyLayers { layers: 2 }));
        assert_eq!(component_layer(&stored(&artifact(WASM_CONFIG, &[]))), Err(SourceError::NoLayer));
    }

    #[test]
    fn a_manifest_that_cannot_be_read_is_told_so() {
        let mut odd = artifact(WASM_CONFIG, &[WASM_LAYER]);
        odd["layers"][0]["digest"] = json!("sha512:00");
        for document in [json!({"mediaType": MANIFEST}), json!([]), odd] {
            let error = component_layer(&stored(&document)).unwrap_err();
            assert_eq!(error.reason(), "ManifestMalformed", "{document}");
        }
    }
}
