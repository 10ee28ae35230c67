//! Who answers for a remediation.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use trimtab_core::observation::Observation;
use trimtab_core::record::SetRevision;

use super::named::{NamedSet, Pin};
use super::outcome::SetError;
use super::revision::LoadedRevision;
use super::{PolicySets, Sets, is_ended};

/// The annotation of a remediation that is to go on with another revision of its set: its name, or [`FOLLOW`].
pub const REPIN_ANNOTATION: &str = "trimtab.dev/policy-revision";

/// Its value for whatever is active.
const FOLLOW: &str = "active";

impl PolicySets {
    /// The revision that answers for a remediation; `None` where no set does, and where it has ended.
    ///
    /// It may have to be loaded again, which takes milliseconds: keep it off async workers. An error says that the
    /// revision cannot be loaded just now, and nothing else of it: ask again.
    pub fn responsible(&self, seen: &Observation) -> Result<Option<Arc<LoadedRevision>>, SetError> {
        if is_ended(seen) {
            return Ok(None);
        }
        let sets = self.sets.load();
        let wished = seen.object["metadata"]["annotations"][REPIN_ANNOTATION].as_str();
        let follows = wished == Some(FOLLOW);
        if let Some(pinned) = &seen.record.set_revision {
            let own = sets.get(&pinned.set);
            let other = wished
                .filter(|_| !follows)
                .map(|revision| SetRevision { revision: revision.to_owned(), ..pinned.clone() });
            if let Some(found) = other.map(|other| self.loaded(own, &other)).transpose()?.flatten() {
                return Ok(Some(found));
            }
            if !follows
                && own.is_none_or(|own| own.keeps(&pinned.revision))
                && let Some(found) = self.loaded(own, pinned)?
            {
                return Ok(Some(found));
            }
            // It leaves the revision, and not the set.
            let stays = |own: &&NamedSet| own.settings.pin == Pin::Remediation || own.settings.selector.selects(seen);
            if let Some(own) = own.filter(stays) {
                let next = if follows { own.active() } else { own.drawn(lot(&seen.uid)) };
                return Ok(next.map(|known| Arc::clone(&known.loaded)));
            }
        }
        let Some(set) = selected(&sets, seen) else { return Ok(None) };
        let has_begun_without = seen.record.set_revision.is_none() && seen.record.sequence > 0;
        if has_begun_without && set.settings.pin == Pin::Remediation && !follows {
            return Ok(None);
        }
        let next = if follows { set.active() } else { set.drawn(lot(&seen.uid)) };
        Ok(next.map(|known| Arc::clone(&known.loaded)))
    }
}

/// The set that goes first of those that select a remediation: the most specific one, then the first by name.
fn selected<'a>(sets: &'a Sets, seen: &Observation) -> Option<&'a NamedSet> {
    let selecting = sets.iter().filter(|(_, set)| set.settings.selector.selects(seen));
    let first = selecting.min_by_key(|(name, set)| (std::cmp::Reverse(set.settings.selector.specificity()), *name));
    first.map(|(_, set)| set)
}

/// A number below 100 that follows from a remediation's uid: evenly spread, and the same at every decision.
fn lot(uid: &str) -> u8 {
    let hash = Sha256::digest(uid);
    let number = hash.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    u8::try_from(number % 100).unwrap_or_default()
}
