//! How an artifact of a registry is named.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;
use crate::source::error::SourceError;

/// Most characters of a reference's repository, as registries have it.
const REPOSITORY_CHARS_MAX: usize = 255;
/// Most characters of a tag.
const TAG_CHARS_MAX: usize = 128;

/// Registry, repository and version of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Name of the registry, and its port where it is not the usual one.
    pub registry: String,
    /// Path of the repository.
    pub repository: String,
    /// Which of its artifacts.
    pub version: Version,
}

/// Which artifact of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// Whatever the tag is put on.
    Tag(String),
    /// This one for ever.
    Digest(Digest),
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl Reference {
    /// Whether it names one artifact for ever.
    pub fn is_pinned(&self) -> bool {
        matches!(self.version, Version::Digest(_))
    }

    /// Registry and repository.
    pub fn place(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The same place, with this digest.
    #[must_use]
    pub fn pinned(&self, digest: &Digest) -> Self {
        Self { version: Version::Digest(*digest), ..self.clone() }
    }

    /// The host that answers for the registry.
    pub(super) fn host(&self) -> &str {
        if self.registry == "docker.io" { "registry-1.docker.io" } else { &self.registry }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.is_pinned() { '@' } else { ':' };
        write!(f, "{}/{}{mark}{}", self.registry, self.repository, self.version)
    }
}

impl FromStr for Reference {
    type Err = SourceError;

    /// Reads `registry/repository:tag`, `registry/repository@sha256:…` or both, where the digest counts.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shown: String = text.chars().take(300).collect();
        let refused = |why: &str| SourceError::Invalid { why: format!("the reference \"{shown}\" {why}") };
        let text = text.strip_prefix("oci://").unwrap_or(text);
        let (named, digest) = text.split_once('@').map_or((text, None), |(named, digest)| (named, Some(digest)));
        let Some((registry, path)) = named.split_once('/').filter(|(registry, _)| is_registry(registry)) else {
            return Err(refused(
                "names no registry: write registry/repository:tag, such as registry.example/acme/policy:1",
            ));
        };
        let (repository, tag) = path.split_once(':').map_or((path, None), |(path, tag)| (path, Some(tag)));
        if !is_repository(repository) {
            return Err(refused("has no usable repository: use lower-case words, digits and . _ - between slashes"));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(refused("has no usable tag: use up to 128 letters, digits and . _ -"));
        }
        let version = match (digest, tag) {
            (Some(digest), _) => {
                Version::Digest(digest.parse().map_err(|error| refused(&format!("ends badly: {error}")))?)
            }
            (None, Some(tag)) => Version::Tag(tag.to_owned()),
            (None, None) => return Err(refused("names no version: add :tag or @sha256:…")),
        };
        let registry = one_spelling(registry);
        Ok(Self { registry, repository: repository.to_owned(), version })
    }
}

/// One name for one registry, so that no other spelling gets around a trust rule.
fn one_spelling(registry: &str) -> String {
    let registry = registry.to_ascii_lowercase();
    let name = registry.strip_suffix(":443").unwrap_or(&registry);
    if name == "index.docker.io" { "docker.io".to_owned() } else { name.to_owned() }
}

fn is_registry(text: &str) -> bool {
    let (name, port) = if text.ends_with(']') { (text, None) } else { split_port(text) };
    let is_name = name.starts_with('[') || name.contains('.') || name == "localhost" || port.is_some();
    let letters = |letter: char| letter.is_ascii_alphanumeric() || ".-[]:".contains(letter);
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    !name.is_empty() && !name.ends_with('.') && is_name && is_port && name.chars().all(letters)
}

fn split_port(text: &str) -> (&str, Option<&str>) {
    text.rsplit_once(':').map_or((text, None), |(name, port)| (name, Some(port)))
}

fn is_repository(text: &str) -> bool {
    let inner = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "._-".contains(letter);
    let edge = |letter: Option<char>| letter.is_some_and(|letter| !"._-".contains(letter));
    let is_part = |part: &str| {
        part.chars().all(inner) && edge(part.chars().next()) && edge(part.chars().last()) && !part.contains("..")
    };
    text.len() <= REPOSITORY_CHARS_MAX && text.split('/').all(is_part)
}

fn is_tag(text: &str) -> bool {
    let letters = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    !text.is_empty() && text.len() <= TAG_CHARS_MAX && text.chars().all(letters) && !text.starts_with(['.', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn references_are_read_and_written() {
        let rows = [
            ("registry.example/acme/policies/cautious:1.0", "registry.example", "acme/policies/cautious", "1.0"),
            ("localhost:5000/p:latest", "localhost:5000", "p", "latest"),
            ("127.0.0.1:5000/p_q:a-b", "127.0.0.1:5000", "p_q", "a-b"),
            ("[::1]:5000/p:1", "[::1]:5000", "p", "1"),
        ];
        for (text, registry, repository, version) in rows {
            let read: Reference = text.parse().unwrap();
            assert_eq!((read.registry.as_str(), read.repository.as_str()), (registry, repository));
            assert_eq!(read.version.to_string(), version);
            assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn a_digest_counts_more_than_a_tag() {
        let read: Reference = format!("oci://REGISTRY.example:443/acme/p:1@{DIGEST}").parse().unwrap();
        assert_eq!(read.to_string(), format!("registry.example/acme/p@{DIGEST}"));
        assert!(read.is_pinned());
    }

    #[test]
    fn what_is_no_reference_is_refused_with_the_mend() {
        let rows = [
            ("acme/policy:1", "names no registry"),
            ("policy", "names no registry"),
            ("r.example:x/p:1", "names no registry"),
            ("r.example./p:1", "names no registry"),
            ("r.example/Policy:1", "usable repository"),
            ("r.example/../p:1", "usable repository"),
            ("r.example/a//b:1", "usable repository"),
            ("r.example/p:-1", "usable tag"),
            ("r.example/p:a/b", "usable tag"),
            ("r.example/p", "add :tag"),
            ("r.example/p@sha256:12", "is no digest"),
        ];
        for (text, part) in rows {
            let error = text.parse::<Reference>().unwrap_err();
            assert_eq!(error.reason(), "SourceInvalid");
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
    }
}
