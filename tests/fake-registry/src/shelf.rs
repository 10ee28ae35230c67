//! What a registry keeps.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// `sha256:` and the digits of these bytes' digest.
pub fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// A manifest as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) bytes: Bytes,
}

/// Blobs, manifests and tags.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    blobs: HashMap<String, Bytes>,
    manifests: HashMap<(String, String), Kept>,
    tags: HashMap<(String, String), String>,
}

impl Shelf {
    pub(crate) fn put_blob(&mut self, bytes: &[u8]) -> String {
        let digest = digest_of(bytes);
        self.blobs.insert(digest.clone(), Bytes::copy_from_slice(bytes));
        digest
    }

    pub(crate) fn blob(&self, digest: &str) -> Option<Bytes> {
        self.blobs.get(digest).cloned()
    }

    pub(crate) fn put_manifest(
        &mut self,
        repository: &str,
        tag: Option<&str>,
        media_type: &str,
        bytes: &[u8],
    ) -> String {
        let digest = digest_of(bytes);
        let (media_type, bytes) = (media_type.to_owned(), Bytes::copy_from_slice(bytes));
        let kept = Kept { media_type, digest: digest.clone(), bytes };
        self.manifests.insert((repository.to_owned(), digest.clone()), kept);
        if let Some(tag) = tag {
            self.put_tag(repository, tag, &digest);
        }
        digest
    }

    pub(crate) fn put_tag(&mut self, repository: &str, tag: &str, digest: &str) {
        self.tags.insert((repository.to_owned(), tag.to_owned()), digest.to_owned());
    }

    pub(crate) fn untag(&mut self, repository: &str, tag: &str) -> bool {
        self.tags.remove(&(repository.to_owned(), tag.to_owned())).is_some()
    }

    pub(crate) fn manifest(&self, repository: &str, version: &str) -> Option<Kept> {
        let key = (repository.to_owned(), version.to_owned());
        let digest = self.tags.get(&key).map_or(version, String::as_str);
        self.manifests.get(&(repository.to_owned(), digest.to_owned())).cloned()
    }

    /// Descriptors of the manifests whose subject is this one.
    pub(crate) fn referrers(&self, repository: &str, digest: &str) -> Vec<Value> {
        let ours = self.manifests.iter().filter(|((place, _), _)| place == repository).map(|(_, kept)| kept);
        let mut found: Vec<Value> = ours
            .filter_map(|kept| {
                let document: Value = serde_json::from_slice(&kept.bytes).ok()?;
                let is_about = document["subject"]["digest"].as_str() == Some(digest);
                let kind = document["artifactType"].as_str().or(document["config"]["mediaType"].as_str());
                is_about.then(|| {
                    json!({"mediaType": kept.media_type, "digest": kept.digest, "size": kept.bytes.len(), "artifactType": kind})
                })
            })
            .collect();
        found.sort_by_key(Value::to_string);
        found
    }
}
