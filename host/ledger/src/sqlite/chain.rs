//! The hash chain: what makes a change to the past visible.

use sha2::{Digest as _, Sha256};
use trimtab_core::audit::AuditEvent;
use trimtab_core::time::Timestamp;

/// A sha256.
pub(crate) type Hash = [u8; 32];

/// What the first entry of a chain follows.
pub(crate) fn genesis(correlation: &str) -> Hash {
    digest(&[b"trimtab ledger 1", correlation.as_bytes()])
}

/// An entry as the chain sees it.
#[derive(Debug)]
pub(crate) struct Link<'a> {
    pub(crate) previous: &'a [u8],
    pub(crate) kind: &'a str,
    pub(crate) uid: &'a str,
    pub(crate) sequence: u64,
    pub(crate) at: Timestamp,
    pub(crate) body_hash: &'a [u8],
    /// Hashes of the audit events recorded with it, in their order.
    pub(crate) events: &'a [Hash],
}

impl Link<'_> {
    /// The entry's hash.
    pub(crate) fn hash(&self) -> Hash {
        let (sequence, at) = (self.sequence.to_be_bytes(), self.at.as_millis().to_be_bytes());
        let mut parts: Vec<&[u8]> = vec![self.previous, self.kind.as_bytes(), self.uid.as_bytes(), &sequence, &at];
        parts.push(self.body_hash);
        parts.extend(self.events.iter().map(<[u8; 32]>::as_slice));
        digest(&parts)
    }
}

/// An event's hash: its content, without its state.
pub(crate) fn event_hash(id: &[u8], correlation: &str, event_type: &str, at: Timestamp, body: &str) -> Hash {
    let at = at.as_millis().to_be_bytes();
    digest(&[id, correlation.as_bytes(), event_type.as_bytes(), &at, body.as_bytes()])
}

/// The hash of an event whose body is written as `text`.
pub(crate) fn hash_of(event: &AuditEvent, text: &str) -> Hash {
    event_hash(event.id.as_bytes(), &event.correlation_id, &event.event_type, event.at, text)
}

/// Each part with its length before it, so that no two lists of parts have the same bytes.
pub(crate) fn digest(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// sha256 of some bytes alone.
pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}
