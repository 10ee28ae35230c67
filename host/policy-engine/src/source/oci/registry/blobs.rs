//! Pieces of artifacts: read with their digest checked, written where they are not there yet.

use reqwest::header::LOCATION;
use reqwest::{Method, StatusCode};

use super::{Ask, Registry};
use crate::digest::Digest;
use crate::source::error::SourceError;
use crate::source::http::{Cut, host_of, is_private, portion};
use crate::source::oci::manifest::Piece;

const OCTETS: &str = "application/octet-stream";
const LIES: &str = "it is larger than its manifest says: push the artifact again";

impl Registry {
    /// A piece; no byte more than its size is held.
    pub(in crate::source::oci) async fn blob(&mut self, piece: &Piece, what: &str) -> Result<Vec<u8>, SourceError> {
        let url = self.below(&format!("blobs/{}", piece.digest))?;
        let mut response = self.send(&Ask::to(Method::GET, url)).await?;
        if response.status() != StatusCode::OK {
            return Err(self.refused(what, response).await);
        }
        let told = response.content_length().filter(|bytes| *bytes > piece.size);
        let too_large = |bytes| SourceError::TooLarge { what: what.to_owned(), bytes, most: piece.size, mend: LIES };
        if told.is_some() {
            return Err(too_large(told));
        }
        let truncated = |why| SourceError::Truncated { host: host_of(&self.base), what: what.to_owned(), why };
        let bytes = portion(&mut response, piece.size).await.map_err(|cut| match cut {
            Cut::TooLong => too_large(None),
            Cut::Early(why) => truncated(why),
        })?;
        if (bytes.len() as u64) < piece.size {
            return Err(truncated(format!("{} of {} bytes came", bytes.len(), piece.size)));
        }
        let found = Digest::of(&bytes);
        if found != piece.digest {
            return Err(SourceError::DigestMismatch { what: what.to_owned(), expected: piece.digest, found });
        }
        Ok(bytes)
    }

    /// Writes a piece, unless it is there.
    pub(in crate::source::oci) async fn put_blob(&mut self, bytes: &[u8], what: &str) -> Result<(), SourceError> {
        let digest = Digest::of(bytes);
        let known = self.send(&Ask::to(Method::HEAD, self.below(&format!("blobs/{digest}"))?)).await?;
        if known.status() == StatusCode::OK {
            return Ok(());
        }
        let begun = self.send(&Ask::to(Method::POST, self.below("blobs/uploads/")?)).await?;
        if begun.status() != StatusCode::ACCEPTED {
            return Err(self.refused(&format!("an upload to {}", self.place), begun).await);
        }
        let location = begun.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let place = location.and_then(|location| begun.url().join(location).ok());
        let Some(mut place) = place else {
            let (what, why) = ("the answer to an upload".to_owned(), "it says no place".to_owned());
            return Err(SourceError::Malformed { what, why });
        };
        if !is_private(&place) || (place.scheme() == "http" && place.origin() != self.base.origin()) {
            return Err(self.redirected(&place));
        }
        place.query_pairs_mut().append_pair("digest", &digest.to_string());
        let put = self.send(&Ask::to(Method::PUT, place).content(OCTETS, bytes.to_vec())).await?;
        if put.status().is_success() { Ok(()) } else { Err(self.refused(what, put).await) }
    }
}
