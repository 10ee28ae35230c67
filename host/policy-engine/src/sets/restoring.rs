//! Revisions that are not loaded, from the archive.

use std::collections::BTreeMap;
use std::sync::Arc;

use trimtab_core::record::{Revision, SetRevision};

use super::archive::KeptRevision;
use super::named::{Known, NamedSet, SetSettings};
use super::outcome::SetError;
use super::revision::{Filled, Filling, LoadedRevision, PolicyDocument};
use super::{LOADED_MAX, PolicySets, held};
use crate::component::LoadError;
use crate::config::ConfigError;
use crate::fault::Class;
use crate::policy_set::SwapError;

/// Most names of revisions that nobody knows which are remembered: mistyped wishes, and pins that were forgotten.
const UNKNOWN_MAX: usize = 64;

/// Why a revision that is kept cannot be loaded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RestoreError {
    /// What is kept cannot be read or written.
    #[error("{0}")]
    Archive(String),
    /// A component of it is not kept any more.
    #[error("its component {0} is gone")]
    ComponentGone(String),
    /// A config of it is not kept any more.
    #[error("its config {0} is gone")]
    ConfigGone(String),
    /// A component of it cannot be loaded.
    #[error(transparent)]
    Component(#[from] LoadError),
    /// A config of it is not taken.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A component of it does not fill its slot.
    #[error(transparent)]
    Slot(#[from] SwapError),
    /// What is kept is something else.
    #[error("what is kept of it makes {0}")]
    Other(SetRevision),
}

impl RestoreError {
    /// What to do about it.
    pub fn class(&self) -> Class {
        match self {
            // It has compiled once: what keeps it from that now is the machine.
            Self::Archive(_) | Self::Component(LoadError::Compile { .. }) => Class::Transient,
            Self::Component(error) => error.class(),
            Self::Config(error) => error.class(),
            Self::Slot(error) => error.class(),
            Self::ComponentGone(_) | Self::ConfigGone(_) | Self::Other(_) => Class::Permanent,
        }
    }

    fn of(self, revision: &SetRevision) -> SetError {
        SetError::Restore { revision: revision.clone(), why: Box::new(self) }
    }
}

impl PolicySets {
    /// The newest of the revisions of a set that this process has not seen before, so that one of them can take over at once.
    /// The error says why the newest of all is not among them now, where that may pass by itself.
    pub(super) fn loaded_of(&self, kept: &[KeptRevision]) -> (Vec<Known>, Result<(), SetError>) {
        let mut revisions: Vec<Known> = Vec::new();
        let mut newest = Ok(());
        // What all have had, however many candidates have come since.
        let proven = kept.iter().position(|kept| kept.tripped.is_none() && !kept.is_candidate);
        let wanted = kept.iter().enumerate().filter(|(place, _)| *place < LOADED_MAX || Some(*place) == proven);
        for (place, kept) in wanted {
            match self.load(kept) {
                Ok(loaded) => revisions.push(known(loaded, kept)),
                Err(why) => {
                    tracing::warn!(revision = %kept.name, %why, "a revision that was kept cannot be loaded");
                    if place == 0 && why.class() == Class::Transient {
                        newest = Err(why.of(&kept.name));
                    }
                }
            }
        }
        // Each was in force once, so the one after it can fall back on it.
        for (place, younger) in revisions.iter().enumerate() {
            if let Some(older) = revisions.iter().skip(place + 1).find(|known| known.is_usable()) {
                younger.loaded.slots().inherit(older.loaded.slots());
            }
        }
        (revisions, newest)
    }

    /// Adds the revision that a set is rolled back to, where it is kept and not loaded.
    pub(super) fn add_rolled_back(
        &self,
        set: &str,
        settings: &SetSettings,
        kept: &[KeptRevision],
        revisions: &mut Vec<Known>,
    ) -> Result<(), SetError> {
        let Some(rollback) = &settings.rollback else { return Ok(()) };
        if revisions.iter().any(|known| known.loaded.name().revision == rollback.to) {
            return Ok(());
        }
        let Some(found) = kept.iter().find(|kept| kept.name.revision == rollback.to) else {
            let names: Vec<_> = kept.iter().map(|kept| kept.name.revision.as_str()).collect();
            let (set, revision) = (set.to_owned(), rollback.to.clone());
            return Err(SetError::UnknownRevision { set, revision, known: names.join(", ") });
        };
        let loaded = self.load(found).map_err(|why| why.of(&found.name))?;
        revisions.push(known(loaded, found));
        Ok(())
    }

    /// The revision, from wherever it is; `None` where it is nowhere, can never be used, or everybody has left it. What may
    /// pass by itself is an error.
    pub(super) fn loaded(
        &self,
        own: Option<&NamedSet>,
        wanted: &SetRevision,
    ) -> Result<Option<Arc<LoadedRevision>>, SetError> {
        if let Some(known) = own.and_then(|own| own.find(&wanted.revision)) {
            return Ok(known.is_usable().then(|| Arc::clone(&known.loaded)));
        }
        if let Some(known) = held(&self.restored).get(wanted) {
            return Ok(known.clone());
        }
        if held(&self.unknown).contains(wanted) {
            return Ok(None);
        }
        let all = self.archive.revisions(&wanted.set).map_err(SetError::Archive)?;
        let Some(kept) = all.into_iter().find(|kept| kept.name == *wanted) else {
            let mut unknown = held(&self.unknown);
            if unknown.len() < UNKNOWN_MAX && unknown.insert(wanted.clone()) {
                tracing::warn!(revision = %wanted, "remediations name a revision that is not kept: another one answers");
            }
            return Ok(None);
        };
        let restored = match self.load_untripped(&kept) {
            Err(why) if why.class() == Class::Transient => return Err(why.of(wanted)),
            Err(why) => {
                tracing::warn!(revision = %wanted, %why, "a revision that remediations are pinned to cannot be used");
                None
            }
            Ok(restored) => restored,
        };
        held(&self.restored).insert(wanted.clone(), restored.clone());
        if let Some(restored) = &restored {
            tracing::info!(revision = %wanted, "a revision that remediations are pinned to was loaded again");
            // Settings may have changed before it was listed.
            self.note_environment(restored).inspect_err(|_| drop(held(&self.restored).remove(wanted)))?;
        }
        Ok(restored)
    }

    fn load_untripped(&self, kept: &KeptRevision) -> Result<Option<Arc<LoadedRevision>>, RestoreError> {
        if kept.tripped.is_some() { Ok(None) } else { self.load(kept).map(Some) }
    }

    fn load(&self, kept: &KeptRevision) -> Result<Arc<LoadedRevision>, RestoreError> {
        let mut fillings = BTreeMap::new();
        for (slot, document) in &kept.document.slots {
            let policies = document.policies.iter().map(|policy| self.load_policy(policy));
            let policies = policies.collect::<Result<_, _>>()?;
            fillings.insert(*slot, Filling { rule: document.rule, policies });
        }
        let loaded = LoadedRevision::new(&kept.name.set, &self.builtin, &fillings)?;
        if *loaded.name() != kept.name {
            return Err(RestoreError::Other(loaded.name().clone()));
        }
        let environment = self.archive.environment(loaded.slots()).map_err(RestoreError::Archive)?;
        loaded.set_environment(&environment);
        Ok(Arc::new(loaded))
    }

    fn load_policy(&self, document: &PolicyDocument) -> Result<Filled, RestoreError> {
        let Revision { digest, config } = &document.revision;
        let bytes = self.archive.component(digest).map_err(RestoreError::Archive)?;
        let bytes = bytes.ok_or_else(|| RestoreError::ComponentGone(digest.clone()))?;
        let kept = self.archive.config(config).map_err(RestoreError::Archive)?;
        let kept = kept.ok_or_else(|| RestoreError::ConfigGone(config.clone()))?;
        let policy = self.engine.load(&bytes, document.limits)?.configure(&kept)?;
        Ok(Filled { policy, strategy: document.fail_strategy })
    }

    pub(super) fn note_environment(&self, revision: &LoadedRevision) -> Result<(), SetError> {
        let digest = self.archive.environment(revision.slots()).map_err(SetError::Archive)?;
        revision.set_environment(&digest);
        Ok(())
    }
}

fn known(loaded: Arc<LoadedRevision>, kept: &KeptRevision) -> Known {
    Known { loaded, tripped: kept.tripped.clone(), is_candidate: kept.is_candidate }
}

#[cfg(test)]
mod tests {
    use trimtab_core::ports::{Fault, FaultReason};

    use super::*;

    fn fault(reason: FaultReason) -> Fault {
        Fault { reason, message: String::new(), revision: None, fuel: 0 }
    }

    #[test]
    fn what_the_machine_does_may_pass_and_what_the_component_is_may_not() {
        let passes = |error: RestoreError| error.class() == Class::Transient;
        let described = |reason| LoadError::Meta { function: "describe", fault: fault(reason) };
        assert!(passes(described(FaultReason::DeadlineExceeded).into()));
        assert!(passes(ConfigError::Faulted { fault: fault(FaultReason::Host) }.into()));
        assert!(passes(LoadError::Compile { detail: "it was not compiled within 60 s".to_owned() }.into()));
        assert!(passes(RestoreError::Archive("the disk does not answer".to_owned())));
        assert!(!passes(described(FaultReason::Trap).into()));
        assert!(!passes(LoadError::NoSlot.into()));
        assert!(!passes(ConfigError::TooLarge { bytes: 1 << 20 }.into()));
        assert!(!passes(RestoreError::ComponentGone("sha256:aa".to_owned())));
    }
}
