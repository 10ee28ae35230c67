//! Where revisions are kept beyond the life of a process, as a port: the host's ledger fills it.

use std::sync::Arc;

use trimtab_core::observation::Observation;
use trimtab_core::record::SetRevision;

use super::revision::RevisionDocument;
use crate::policy_set::PolicySet;

/// A revision that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRevision {
    /// Its set and its name.
    pub name: SetRevision,
    /// What it is made of.
    pub document: RevisionDocument,
    /// Why its breaker has tripped, if it has.
    pub tripped: Option<String>,
    /// Whether only a share of new remediations ever had it.
    pub is_candidate: bool,
}

/// Keeps revisions, and the bytes that they name.
pub trait Archive: Send + Sync + std::fmt::Debug {
    /// Keeps a revision as the newest of its set; one that is known becomes the newest again. Only a share of new remediations
    /// has had it where it `is_candidate`. Those that are `needed` are not forgotten for it. An error is one line.
    fn keep(
        &self,
        name: &SetRevision,
        document: &RevisionDocument,
        is_candidate: bool,
        needed: &[String],
    ) -> Result<(), String>;

    /// Notes that a revision's breaker has tripped, and why; `None`: that it may be used again.
    fn trip(&self, name: &SetRevision, why: Option<&str>) -> Result<(), String>;

    /// The revisions of a set, newest first.
    fn revisions(&self, set: &str) -> Result<Vec<KeptRevision>, String>;

    /// The component of this digest.
    fn component(&self, digest: &str) -> Result<Option<Vec<u8>>, String>;

    /// The config of this digest.
    fn config(&self, digest: &str) -> Result<Option<String>, String>;

    /// Keeps what else decisions with these slots depend on: settings, fail strategies, limits. The result is its digest.
    fn environment(&self, slots: &PolicySet) -> Result<String, String>;

    /// What the last decisions were made from, newest first, for a revision that is new to be asked about: at most so many of
    /// those that are wanted.
    fn seen_lately(&self, most: usize, wanted: &dyn Fn(&Observation) -> bool) -> Result<Vec<Arc<Observation>>, String>;
}
