//! A revision of a set: which component answers each slot, with which config, limits and fail strategy.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use trimtab_core::ports::{Basis, FailStrategy};
use trimtab_core::proposal::Slot;
use trimtab_core::record::{Revision, SetRevision};

use super::breaker::Breaker;
use crate::config::ConfiguredPolicy;
use crate::limits::Limits;
use crate::policy_set::{PolicySet, SwapError};

/// Hexadecimal digits of a revision's name.
const NAME_DIGITS: usize = 12;

/// What answers one slot, by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotDocument {
    /// Component and config.
    #[serde(flatten)]
    pub revision: Revision,
    /// What one instance of it may use.
    pub limits: Limits,
    /// What happens when it faults.
    pub fail_strategy: FailStrategy,
}

/// A revision by digests: what it is named after, and all that is needed to load it again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RevisionDocument {
    /// Each slot.
    pub slots: BTreeMap<Slot, SlotDocument>,
}

impl RevisionDocument {
    /// Its name: the same for the same content, on every host and after every restart.
    pub fn name(&self) -> String {
        // INVARIANT: texts and numbers can always be written; a map is written in the order of its keys.
        let text = serde_json::to_string(self).unwrap_or_default();
        hex::encode(Sha256::digest(text)).chars().take(NAME_DIGITS).collect()
    }
}

/// A policy for a slot, and what happens when it faults.
#[derive(Debug, Clone)]
pub struct Filling {
    /// The policy.
    pub policy: Arc<ConfiguredPolicy>,
    /// What happens when it faults.
    pub strategy: FailStrategy,
}

/// A revision that can answer.
#[derive(Debug)]
pub struct LoadedRevision {
    name: SetRevision,
    document: RevisionDocument,
    slots: PolicySet,
    basis: ArcSwapOption<Basis>,
    /// One for each slot, in their order.
    breakers: [Breaker; Slot::ALL.len()],
}

impl LoadedRevision {
    /// Makes a revision of what fills the slots; the built-in policy fills the others.
    pub(super) fn new(
        set: &str,
        builtin: &Arc<ConfiguredPolicy>,
        fillings: &BTreeMap<Slot, Filling>,
    ) -> Result<Self, SwapError> {
        let document = RevisionDocument {
            slots: Slot::ALL
                .into_iter()
                .map(|slot| {
                    let filling = fillings.get(&slot);
                    let policy = filling.map_or(builtin, |filling| &filling.policy);
                    let document = SlotDocument {
                        revision: policy.revision().clone(),
                        limits: *policy.component().limits(),
                        fail_strategy: filling.map_or_else(FailStrategy::default, |filling| filling.strategy),
                    };
                    (slot, document)
                })
                .collect(),
        };
        let name = SetRevision { set: set.to_owned(), revision: document.name() };
        let slots = PolicySet::named(Arc::clone(builtin), name.clone())?;
        let changes: Vec<_> = fillings.iter().map(|(slot, filling)| (*slot, Arc::clone(&filling.policy))).collect();
        slots.swap_all(&changes)?;
        for (slot, filling) in fillings {
            slots.set_strategy(*slot, filling.strategy);
        }
        Ok(Self { name, document, slots, basis: ArcSwapOption::empty(), breakers: Default::default() })
    }

    /// Its set and its name.
    pub fn name(&self) -> &SetRevision {
        &self.name
    }

    /// What it is made of.
    pub fn document(&self) -> &RevisionDocument {
        &self.document
    }

    /// Its slots.
    pub fn slots(&self) -> &PolicySet {
        &self.slots
    }

    /// What its decisions are recorded with from now on; `environment` is the digest of settings, strategies and limits.
    pub fn set_environment(&self, environment: &str) {
        let slots = self.document.slots.values().map(|slot| slot.revision.clone()).collect();
        let basis = Basis { set_revision: Some(self.name.clone()), environment: environment.to_owned(), slots };
        self.basis.store(Some(Arc::new(basis)));
    }

    /// What its decisions are recorded with.
    pub fn basis(&self) -> Option<Arc<Basis>> {
        self.basis.load_full()
    }

    /// Its faults count no more.
    pub(super) fn forgive(&self) {
        self.breakers.iter().for_each(Breaker::reset);
    }

    pub(super) fn breaker(&self, slot: Slot) -> &Breaker {
        let [timeouts, transitions, children] = &self.breakers;
        match slot {
            Slot::Timeouts => timeouts,
            Slot::Transitions => transitions,
            Slot::Children => children,
        }
    }
}
