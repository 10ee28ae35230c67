//! Manifests and lists of referrers: read with their digest checked, and written.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;

use super::{Ask, Registry};
use crate::digest::Digest;
use crate::source::error::SourceError;
use crate::source::http::{Cut, host_of, portion};
use crate::source::oci::manifest::{ACCEPTED, Descriptor, INDEX, MANIFEST, Stored, malformed};
use crate::source::oci::reference::Version;

/// Most bytes of a manifest and of a list of referrers; registries are bound to take 4 MiB.
const MANIFEST_BYTES_MAX: u64 = 4 << 20;

const TOO_LONG: &str = "no manifest of a component is near that: see what was pushed";

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

impl Registry {
    /// The manifest of a version. A tag is resolved by this: the digest is the one of these bytes.
    pub(in crate::source::oci) async fn manifest(&mut self, version: &Version) -> Result<Stored, SourceError> {
        let response = self.ask_manifest(version).await?;
        if response.status() != StatusCode::OK {
            return Err(self.refused(&self.named(version), response).await);
        }
        self.stored(version, response).await
    }

    /// The manifest of a version, or nothing where there is none.
    pub(in crate::source::oci) async fn manifest_if_there(
        &mut self,
        version: &Version,
    ) -> Result<Option<Stored>, SourceError> {
        let response = self.ask_manifest(version).await?;
        match response.status() {
            StatusCode::OK => self.stored(version, response).await.map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(self.refused(&self.named(version), response).await),
        }
    }

    async fn ask_manifest(&mut self, version: &Version) -> Result<Response, SourceError> {
        let url = self.below(&format!("manifests/{version}"))?;
        self.send(&Ask::to(Method::GET, url).accept(ACCEPTED)).await
    }

    fn named(&self, version: &Version) -> String {
        let mark = if matches!(version, Version::Digest(_)) { '@' } else { ':' };
        format!("the manifest of {}{mark}{version}", self.place)
    }

    async fn stored(&self, version: &Version, mut response: Response) -> Result<Stored, SourceError> {
        let what = self.named(version);
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let media_type =
            header(CONTENT_TYPE.as_str()).map(|told| told.split(';').next().unwrap_or("").trim().to_owned());
        let told = header("docker-content-digest").and_then(|told| told.parse::<Digest>().ok());
        let bytes = self.bounded(&mut response, &what).await?;
        let digest = Digest::of(&bytes);
        let expected = match version {
            Version::Digest(expected) => Some(*expected),
            Version::Tag(_) => told,
        };
        match expected.filter(|expected| *expected != digest) {
            Some(expected) => Err(SourceError::DigestMismatch { what, expected, found: digest }),
            None => Ok(Stored { bytes, digest, media_type }),
        }
    }

    async fn bounded(&self, response: &mut Response, what: &str) -> Result<Vec<u8>, SourceError> {
        let (what, most) = (what.to_owned(), MANIFEST_BYTES_MAX);
        portion(response, most).await.map_err(|cut| match cut {
            Cut::TooLong => SourceError::TooLarge { what, bytes: None, most, mend: TOO_LONG },
            Cut::Early(why) => SourceError::Truncated { host: host_of(&self.base), what, why },
        })
    }

    /// What refers to a manifest, or nothing where the registry keeps no such lists.
    pub(in crate::source::oci) async fn referrers(
        &mut self,
        digest: &Digest,
    ) -> Result<Option<Vec<Descriptor>>, SourceError> {
        let url = self.below(&format!("referrers/{digest}"))?;
        let mut response = self.send(&Ask::to(Method::GET, url).accept(INDEX)).await?;
        let what = format!("the list of what refers to {}@{digest}", self.place);
        match response.status() {
            StatusCode::OK => {
                let bytes = self.bounded(&mut response, &what).await?;
                let index: Index = serde_json::from_slice(&bytes).map_err(|error| malformed(&error.to_string()))?;
                Ok(Some(index.manifests))
            }
            // Registries without such lists answer so, each in its way.
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::BAD_REQUEST => Ok(None),
            _ => Err(self.refused(&what, response).await),
        }
    }

    /// Writes a manifest; its digest.
    pub(in crate::source::oci) async fn put_manifest(
        &mut self,
        version: &Version,
        bytes: &[u8],
    ) -> Result<Digest, SourceError> {
        let url = self.below(&format!("manifests/{version}"))?;
        let put = self.send(&Ask::to(Method::PUT, url).content(MANIFEST, bytes.to_vec())).await?;
        if put.status().is_success() {
            Ok(Digest::of(bytes))
        } else {
            Err(self.refused(&self.named(version), put).await)
        }
    }
}
