//! The document that a signature of an artifact is over: "simple signing", as cosign writes it.

use serde::Deserialize;
use serde_json::json;

use crate::digest::Digest;

/// What such a document says it is.
const KIND: &str = "cosign container image signature";

#[derive(Deserialize)]
struct Document {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    manifest: String,
}

/// The document for a manifest of this repository (`registry/repository`).
pub fn document_of(place: &str, manifest: &Digest) -> Vec<u8> {
    let critical = json!({
        "identity": {"docker-reference": place},
        "image": {"docker-manifest-digest": manifest},
        "type": KIND,
    });
    json!({"critical": critical, "optional": null}).to_string().into_bytes()
}

/// Whether the document names this manifest; else what it is instead.
pub(super) fn names(document: &[u8], manifest: Option<&Digest>) -> Result<(), String> {
    let read: Document =
        serde_json::from_slice(document).map_err(|_| "a document that names no artifact: sign this one".to_owned())?;
    if read.critical.kind != KIND {
        return Err(format!("another kind of document, not a \"{KIND}\": sign this artifact"));
    }
    match manifest {
        Some(manifest) if read.critical.image.manifest == manifest.to_string() => Ok(()),
        _ => {
            let named: String = read.critical.image.manifest.chars().take(80).collect();
            Err(format!("the artifact {named}, not this one: sign this one, too"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_names_one_manifest_and_no_other() {
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let document = document_of("r.example/p", &one);
        assert_eq!(names(&document, Some(&one)), Ok(()));
        assert!(names(&document, Some(&other)).unwrap_err().contains(&one.to_string()));
        assert!(names(&document, None).is_err());
    }

    #[test]
    fn other_documents_name_nothing() {
        let one = Digest::of(b"one");
        assert!(names(b"{}", Some(&one)).unwrap_err().contains("names no artifact"));
        let other = String::from_utf8(document_of("r.example/p", &one)).unwrap().replace(KIND, "a postcard");
        assert!(names(other.as_bytes(), Some(&one)).unwrap_err().contains("another kind"));
    }
}
