//! The ledger as the place where policy sets keep their revisions.

use std::sync::{Arc, PoisonError, RwLock};

use trimtab_author::environment::Environment;
use trimtab_core::observation::Observation;
use trimtab_core::ports::LedgerFailure;
use trimtab_core::record::SetRevision;
use trimtab_core::settings::Settings;
use trimtab_ledger::{BlobKind, SqliteLedger, StoredRevision};
use trimtab_policy_engine::PolicySet;
use trimtab_policy_engine::sets::{Archive, KeptRevision, RevisionDocument};

/// How many of the last decisions are looked through for what a new revision is asked about before it is put in force.
const LAST_DECISIONS: usize = 256;

/// Keeps revisions in the ledger.
#[derive(Debug)]
pub(super) struct LedgerArchive {
    ledger: Arc<SqliteLedger>,
    /// The administrator's settings, which every decision depends on.
    settings: RwLock<Settings>,
}

impl LedgerArchive {
    pub(super) fn new(ledger: Arc<SqliteLedger>, settings: Settings) -> Self {
        Self { ledger, settings: RwLock::new(settings) }
    }

    /// From now on decisions depend on these.
    pub(super) fn set_settings(&self, settings: Settings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }
}

impl Archive for LedgerArchive {
    fn keep(
        &self,
        name: &SetRevision,
        document: &RevisionDocument,
        is_candidate: bool,
        needed: &[String],
    ) -> Result<(), String> {
        let mut blobs = Vec::new();
        for policy in document.slots.values().flat_map(|slot| &slot.policies) {
            blobs.push((BlobKind::Component, policy.revision.digest.clone()));
            blobs.push((BlobKind::Config, policy.revision.config.clone()));
        }
        let text = serde_json::to_string(document).map_err(|error| error.to_string())?;
        let revision = StoredRevision { revision: name.revision.clone(), document: text, tripped: None, is_candidate };
        self.ledger.keep_revision(&name.set, revision, &blobs, needed).map_err(|failure| line(&failure))
    }

    fn trip(&self, name: &SetRevision, why: Option<&str>) -> Result<(), String> {
        self.ledger.trip_revision(&name.set, &name.revision, why).map_err(|failure| line(&failure))
    }

    fn revisions(&self, set: &str) -> Result<Vec<KeptRevision>, String> {
        let stored = self.ledger.revisions(set).map_err(|failure| line(&failure))?;
        // One that a newer host has kept is not known here, and the others are.
        let understood = |one: StoredRevision| {
            let document = serde_json::from_str(&one.document).inspect_err(|error| {
                tracing::warn!(set, revision = one.revision, %error, "a kept revision cannot be understood");
            });
            let name = SetRevision { set: set.to_owned(), revision: one.revision.clone() };
            let StoredRevision { tripped, is_candidate, .. } = one;
            Some(KeptRevision { name, document: document.ok()?, tripped, is_candidate })
        };
        Ok(stored.into_iter().filter_map(understood).collect())
    }

    fn component(&self, digest: &str) -> Result<Option<Vec<u8>>, String> {
        self.ledger.kept(BlobKind::Component, digest).map_err(|failure| line(&failure))
    }

    fn config(&self, digest: &str) -> Result<Option<String>, String> {
        let bytes = self.ledger.kept(BlobKind::Config, digest).map_err(|failure| line(&failure))?;
        bytes.map(String::from_utf8).transpose().map_err(|_| format!("the config {digest} is no text"))
    }

    fn environment(&self, slots: &PolicySet) -> Result<String, String> {
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner);
        self.ledger.keep_environment(&Environment::of(&settings, slots).to_json()).map_err(|failure| line(&failure))
    }

    fn seen_lately(&self, most: usize, wanted: &dyn Fn(&Observation) -> bool) -> Result<Vec<Arc<Observation>>, String> {
        self.ledger.recent_observations(LAST_DECISIONS, most, wanted).map_err(|failure| line(&failure))
    }
}

fn line(failure: &LedgerFailure) -> String {
    failure.to_string()
}
