//! Where identifiers and the wall clock come from: the system, or a seed for repeatable runs.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

/// The wall clock behind `creationTimestamp`, `deletionTimestamp` and ages.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl WallClock {
    /// A clock that reads `now`; a virtual run passes its own.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The present.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }

    /// The present as Kubernetes writes it: RFC 3339, UTC, whole seconds.
    pub(crate) fn stamp(&self) -> String {
        stamp(self.now())
    }
}

/// A time as Kubernetes writes it: RFC 3339, UTC, whole seconds.
pub(crate) fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Default for WallClock {
    fn default() -> Self {
        Self::new(Timestamp::now)
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WallClock")
    }
}

/// Makes uids and name suffixes.
#[derive(Debug, Clone)]
pub(crate) struct Identities {
    seed: Option<u64>,
    drawn: u64,
}

impl Identities {
    /// Random without a seed; with one, a function of seed, revision and count alone.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self { seed, drawn: 0 }
    }

    fn bytes(&mut self, revision: u64) -> [u8; 16] {
        self.drawn += 1;
        let Some(seed) = self.seed else {
            return uuid::Uuid::new_v4().into_bytes();
        };
        let mut hash = Sha256::new();
        for word in [seed, revision, self.drawn] {
            hash.update(word.to_be_bytes());
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        bytes
    }

    /// A new uid.
    pub(crate) fn uid(&mut self, revision: u64) -> String {
        uuid::Builder::from_random_bytes(self.bytes(revision)).into_uuid().to_string()
    }

    /// A suffix of five letters for `generateName`.
    pub(crate) fn suffix(&mut self, revision: u64) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let bytes = self.bytes(revision);
        bytes[..5].iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself() {
        let mut one = Identities::new(Some(7));
        let mut other = Identities::new(Some(7));
        assert_eq!(one.uid(3), other.uid(3));
        assert_ne!(one.uid(3), one.uid(3));
        assert_eq!(one.suffix(1).len(), 5);
    }
}
