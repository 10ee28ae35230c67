//! Why a component could not be fetched.

use crate::digest::Digest;
use crate::fault::Class;

/// Whom a request went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// An OCI registry.
    Registry,
    /// A web server.
    Server,
}

impl Peer {
    /// As it stands in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Server => "server",
        }
    }
}

/// Why a component could not be fetched, or not be pushed. One line each, with the mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The source is written wrongly.
    #[error("the source cannot be used: {why}")]
    Invalid {
        /// What is wrong, and what would be right.
        why: String,
    },
    /// The caller has no means for such a source.
    #[error("there are no {what} here: {mend}")]
    Unsupported {
        /// Kind of the source, in the plural.
        what: &'static str,
        /// The mend.
        mend: &'static str,
    },
    /// It is not there.
    #[error("{what} is not there: {mend}")]
    NotFound {
        /// What.
        what: String,
        /// The mend.
        mend: String,
    },
    /// It is there and cannot be read.
    #[error("cannot read {what}: {why}")]
    Unreadable {
        /// What.
        what: String,
        /// Cause and mend.
        why: String,
    },
    /// The cluster does not answer.
    #[error("the cluster does not give {what}: {why}; it is asked again")]
    ClusterDown {
        /// What was asked for.
        what: String,
        /// Cause.
        why: String,
    },
    /// The other side does not answer, or says that it cannot now.
    #[error("the {} {host} does not answer: {why}; see whether it runs and can be reached from here", .peer.name())]
    Down {
        /// Whom.
        peer: Peer,
        /// Its name and port.
        host: String,
        /// Cause.
        why: String,
    },
    /// Fewer bytes came than were announced.
    #[error("{what} of {host} broke off: {why}; it is fetched again, or see what stands between")]
    Truncated {
        /// Name and port of the other side.
        host: String,
        /// What.
        what: String,
        /// Cause.
        why: String,
    },
    /// The other side does not let us.
    #[error("{host} does not allow {what}{}: {mend}", quoted(.said))]
    Unauthorized {
        /// Name and port of the other side.
        host: String,
        /// What was asked.
        what: String,
        /// What it said.
        said: String,
        /// The mend.
        mend: &'static str,
    },
    /// No authority vouches for the other side.
    #[error("the certificate of {host} is not trusted ({why}): give its authority as caBundle")]
    Untrusted {
        /// Name and port of the other side.
        host: String,
        /// Cause.
        why: String,
    },
    /// Any other answer that is no success.
    #[error("{host} answers {what} with {status}{}: see its log", quoted(.said))]
    Refused {
        /// Name and port of the other side.
        host: String,
        /// What was asked.
        what: String,
        /// HTTP status.
        status: u16,
        /// What it said.
        said: String,
    },
    /// It wants us to go to a place where we do not go.
    #[error("{from} redirects to {to}, which is not followed: {mend}")]
    Redirected {
        /// Where from.
        from: String,
        /// Where to.
        to: String,
        /// The mend.
        mend: &'static str,
    },
    /// A tag, where only digests are let in.
    #[error(
        "{reference} names a tag, and digests are required here: write {place}@sha256:…, as `trimtab policy push` prints it"
    )]
    DigestRequired {
        /// As given.
        reference: String,
        /// Registry and repository.
        place: String,
    },
    /// Other bytes than were asked for.
    #[error(
        "{what} has the digest {found}, not {expected}: it was changed or damaged; fetch nothing from there, or write the new digest"
    )]
    DigestMismatch {
        /// What.
        what: String,
        /// As asked for.
        expected: Digest,
        /// As it came.
        found: Digest,
    },
    /// More bytes than are allowed.
    #[error("{what} has {}, {most} are allowed: {mend}", size(*.bytes, *.most))]
    TooLarge {
        /// What.
        what: String,
        /// Its size, where it was told.
        bytes: Option<u64>,
        /// What is allowed.
        most: u64,
        /// The mend.
        mend: &'static str,
    },
    /// More than one layer.
    #[error("the artifact has {layers} layers, a component is exactly one: push it with `trimtab policy push`")]
    TooManyLayers {
        /// How many.
        layers: usize,
    },
    /// No layer at all.
    #[error("the artifact has no layer, a component is exactly one: push it with `trimtab policy push`")]
    NoLayer,
    /// Something else than a component.
    #[error("the media type {found} is refused, {why}")]
    MediaType {
        /// As it stands in the manifest.
        found: String,
        /// What it is, and the mend.
        why: &'static str,
    },
    /// A document of the registry that cannot be read.
    #[error("{what} cannot be read: {why}; push the artifact again")]
    Malformed {
        /// What.
        what: String,
        /// Cause.
        why: String,
    },
    /// The bytes begin or end in the middle.
    #[error("{what} holds {bytes} bytes that are no whole component ({why}): {mend}")]
    Incomplete {
        /// What.
        what: String,
        /// How many bytes.
        bytes: usize,
        /// What the decoder said.
        why: String,
        /// The mend.
        mend: String,
    },
    /// The process has not chosen its cryptography, or it does not work.
    #[error("no client can be made: {why}")]
    NoClient {
        /// Cause.
        why: String,
    },
}

impl SourceError {
    /// What to do about it.
    pub fn class(&self) -> Class {
        match self {
            // What is missing now is perhaps being written.
            Self::NotFound { .. }
            | Self::Unreadable { .. }
            | Self::ClusterDown { .. }
            | Self::Down { .. }
            | Self::Truncated { .. } => Class::Transient,
            Self::Invalid { .. }
            | Self::Unsupported { .. }
            | Self::Unauthorized { .. }
            | Self::Untrusted { .. }
            | Self::Refused { .. }
            | Self::Redirected { .. }
            | Self::DigestRequired { .. }
            | Self::DigestMismatch { .. }
            | Self::TooLarge { .. }
            | Self::TooManyLayers { .. }
            | Self::NoLayer
            | Self::MediaType { .. }
            | Self::Malformed { .. }
            | Self::Incomplete { .. } => Class::Permanent,
            Self::NoClient { .. } => Class::Bug,
        }
    }

    /// Stable code for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "SourceInvalid",
            Self::Unsupported { .. } => "SourceUnsupported",
            Self::NotFound { .. } => "NotFound",
            Self::Unreadable { .. } => "Unreadable",
            Self::ClusterDown { .. } => "ClusterDown",
            Self::Down { peer: Peer::Registry, .. } => "RegistryDown",
            Self::Down { peer: Peer::Server, .. } => "ServerDown",
            Self::Truncated { .. } => "Truncated",
            Self::Unauthorized { .. } => "Unauthorized",
            Self::Untrusted { .. } => "CertificateUntrusted",
            Self::Refused { .. } => "Refused",
            Self::Redirected { .. } => "RedirectRefused",
            Self::DigestRequired { .. } => "DigestRequired",
            Self::DigestMismatch { .. } => "DigestMismatch",
            Self::TooLarge { .. } => "TooLarge",
            Self::TooManyLayers { .. } => "TooManyLayers",
            Self::NoLayer => "NoLayer",
            Self::MediaType { .. } => "MediaType",
            Self::Malformed { .. } => "ManifestMalformed",
            Self::Incomplete { .. } => "ComponentIncomplete",
            Self::NoClient { .. } => "ClientFailed",
        }
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" (it says: {text})") }
}

fn size(bytes: Option<u64>, most: u64) -> String {
    bytes.map_or_else(|| format!("more than {most} bytes"), |bytes| format!("{bytes} bytes"))
}
