//! Revisions that are not loaded, from the archive.

use std::collections::BTreeMap;
use std::sync::Arc;

use trimtab_core::record::SetRevision;

use super::archive::KeptRevision;
use super::named::{Known, NamedSet, SetSettings};
use super::outcome::SetError;
use super::revision::{Filled, Filling, LoadedRevision, PolicyDocument};
use super::{LOADED_MAX, PolicySets, held};

impl PolicySets {
    /// The newest of the revisions of a set that this process has not seen before, so that one of them can take over at once.
    pub(super) fn loaded_of(&self, kept: &[KeptRevision]) -> Vec<Known> {
        let mut revisions: Vec<Known> = Vec::new();
        for kept in kept.iter().take(LOADED_MAX) {
            match self.load(kept) {
                Ok(loaded) => revisions.push(Known { loaded, tripped: kept.tripped.clone() }),
                Err(why) => tracing::warn!(revision = %kept.name, why, "a revision that was kept cannot be loaded"),
            }
        }
        // Each was in force once, so the one after it can fall back on it.
        for (place, younger) in revisions.iter().enumerate() {
            if let Some(older) = revisions.iter().skip(place + 1).find(|known| known.is_usable()) {
                younger.loaded.slots().inherit(older.loaded.slots());
            }
        }
        revisions
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
        let loaded = self.load(found).map_err(SetError::Archive)?;
        revisions.push(Known { loaded, tripped: found.tripped.clone() });
        Ok(())
    }

    /// The revision, from wherever it is; `None` where it is nowhere, or everybody has left it.
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
        let all = self.archive.revisions(&wanted.set).map_err(SetError::Archive)?;
        // What nobody has ever made is a mistyped wish: nothing is remembered of it.
        let Some(kept) = all.into_iter().find(|kept| kept.name == *wanted) else { return Ok(None) };
        let restored = match (&kept.tripped, self.load(&kept)) {
            (None, Ok(loaded)) => {
                tracing::info!(revision = %wanted, "a revision that remediations are pinned to was loaded again");
                Some(loaded)
            }
            (None, Err(why)) => {
                tracing::warn!(revision = %wanted, why, "a revision that remediations are pinned to cannot be used");
                None
            }
            (Some(_), _) => None,
        };
        held(&self.restored).insert(wanted.clone(), restored.clone());
        if let Some(restored) = &restored {
            // Settings may have changed before it was listed.
            self.note_environment(restored)?;
        }
        Ok(restored)
    }

    fn load(&self, kept: &KeptRevision) -> Result<Arc<LoadedRevision>, String> {
        let mut fillings = BTreeMap::new();
        for (slot, document) in &kept.document.slots {
            let policies = document.policies.iter().map(|policy| self.load_policy(policy));
            let policies = policies.collect::<Result<_, _>>()?;
            fillings.insert(*slot, Filling { rule: document.rule, policies });
        }
        let loaded =
            LoadedRevision::new(&kept.name.set, &self.builtin, &fillings).map_err(|error| error.to_string())?;
        if *loaded.name() != kept.name {
            return Err(format!("what is kept of it makes {}", loaded.name()));
        }
        self.note_environment(&loaded).map_err(|error| error.to_string())?;
        Ok(Arc::new(loaded))
    }

    fn load_policy(&self, document: &PolicyDocument) -> Result<Filled, String> {
        let digest = &document.revision.digest;
        let bytes = self.archive.component(digest)?.ok_or_else(|| format!("the component {digest} is gone"))?;
        let config = self.archive.config(&document.revision.config)?;
        let config = config.ok_or_else(|| format!("the config {} is gone", document.revision.config))?;
        let component = self.engine.load(&bytes, document.limits).map_err(|error| error.to_string())?;
        let policy = component.configure(&config).map_err(|error| error.to_string())?;
        Ok(Filled { policy, strategy: document.fail_strategy })
    }

    pub(super) fn note_environment(&self, revision: &LoadedRevision) -> Result<(), SetError> {
        let digest = self.archive.environment(revision.slots()).map_err(SetError::Archive)?;
        revision.set_environment(&digest);
        Ok(())
    }
}
