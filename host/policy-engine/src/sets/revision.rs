//! A revision of a set: which component answers each slot, with which config, limits and fail strategy.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use trimtab_core::members::{Rule, Seat};
use trimtab_core::ports::{Basis, FailStrategy};
use trimtab_core::proposal::Slot;
use trimtab_core::record::{Revision, SetRevision};

use super::breaker::Breaker;
use crate::config::ConfiguredPolicy;
use crate::limits::Limits;
use crate::policy_set::{PolicySet, SwapError};

/// Hexadecimal digits of a revision's name.
const NAME_DIGITS: usize = 12;

/// One policy of a slot, by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyDocument {
    /// Component and config.
    #[serde(flatten)]
    pub revision: Revision,
    /// What one instance of it may use.
    pub limits: Limits,
    /// What happens when it faults.
    pub fail_strategy: FailStrategy,
}

/// What answers one slot, by digest. One policy is written by itself, several as a list with their rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct SlotDocument {
    /// What makes one answer of several.
    pub rule: Rule,
    /// The policies, in the order in which they are asked; usually one.
    pub policies: Vec<PolicyDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Several { rule: Rule, policies: Vec<PolicyDocument> },
    One(PolicyDocument),
}

impl From<Written> for SlotDocument {
    fn from(written: Written) -> Self {
        match written {
            Written::Several { rule, policies } => Self { rule, policies },
            Written::One(policy) => Self { rule: Rule::default(), policies: vec![policy] },
        }
    }
}

impl From<SlotDocument> for Written {
    fn from(SlotDocument { rule, mut policies }: SlotDocument) -> Self {
        match (policies.pop(), policies.is_empty()) {
            // The rule says nothing about one: its name stays what it always was.
            (Some(only), true) => Self::One(only),
            (last, _) => {
                policies.extend(last);
                Self::Several { rule, policies }
            }
        }
    }
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
pub struct Filled {
    /// The policy.
    pub policy: Arc<ConfiguredPolicy>,
    /// What happens when it faults.
    pub strategy: FailStrategy,
}

/// What fills a slot.
#[derive(Debug, Clone)]
pub struct Filling {
    /// What makes one answer of several.
    pub rule: Rule,
    /// The policies, in the order in which they are asked: one, and in the timeouts slot up to
    /// [`MEMBERS_MAX`](trimtab_core::members::MEMBERS_MAX).
    pub policies: Vec<Filled>,
}

impl Filling {
    /// One policy.
    pub fn one(policy: Arc<ConfiguredPolicy>, strategy: FailStrategy) -> Self {
        Self { rule: Rule::default(), policies: vec![Filled { policy, strategy }] }
    }

    fn document(&self) -> SlotDocument {
        let document = |filled: &Filled| PolicyDocument {
            revision: filled.policy.revision().clone(),
            limits: *filled.policy.component().limits(),
            fail_strategy: filled.strategy,
        };
        SlotDocument { rule: self.rule, policies: self.policies.iter().map(document).collect() }
    }
}

/// A revision that can answer.
#[derive(Debug)]
pub struct LoadedRevision {
    name: SetRevision,
    document: RevisionDocument,
    slots: PolicySet,
    basis: ArcSwapOption<Basis>,
    /// One for each policy of each slot, in their order.
    breakers: [Vec<Breaker>; Slot::ALL.len()],
}

impl LoadedRevision {
    /// Makes a revision of what fills the slots; the built-in policy fills the others.
    pub(super) fn new(
        set: &str,
        builtin: &Arc<ConfiguredPolicy>,
        fillings: &BTreeMap<Slot, Filling>,
    ) -> Result<Self, SwapError> {
        let standard = Filling::one(Arc::clone(builtin), FailStrategy::default());
        let filling = |slot: &Slot| fillings.get(slot).unwrap_or(&standard);
        let slots = Slot::ALL.iter().map(|slot| (*slot, filling(slot).document())).collect();
        let document = RevisionDocument { slots };
        let name = SetRevision { set: set.to_owned(), revision: document.name() };
        let slots = PolicySet::named(Arc::clone(builtin), name.clone())?;
        for (slot, filling) in fillings {
            let policies: Vec<_> = filling.policies.iter().map(|one| (Arc::clone(&one.policy), one.strategy)).collect();
            slots.fill(*slot, filling.rule, &policies)?;
        }
        let breakers = Slot::ALL.map(|slot| slots.members(slot).all().map(|_| Breaker::default()).collect());
        Ok(Self { name, document, slots, basis: ArcSwapOption::empty(), breakers })
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
        let policies = self.document.slots.values().flat_map(|slot| &slot.policies);
        let slots = policies.map(|policy| policy.revision.clone()).collect();
        let basis = Basis { set_revision: Some(self.name.clone()), environment: environment.to_owned(), slots };
        self.basis.store(Some(Arc::new(basis)));
    }

    /// What its decisions are recorded with.
    pub fn basis(&self) -> Option<Arc<Basis>> {
        self.basis.load_full()
    }

    /// Its faults count no more.
    pub(super) fn forgive(&self) {
        self.breakers.iter().flatten().for_each(Breaker::reset);
    }

    pub(super) fn breaker(&self, Seat { slot, member }: Seat) -> Option<&Breaker> {
        let [timeouts, transitions, children] = &self.breakers;
        let own = match slot {
            Slot::Timeouts => timeouts,
            Slot::Transitions => transitions,
            Slot::Children => children,
        };
        own.get(member.place())
    }

    /// A policy's place in words; its number is told where its slot has several.
    pub(super) fn describe(&self, Seat { slot, member }: Seat) -> String {
        if self.slots.members(slot).are_several() {
            format!("policy {member} of the {slot} slot")
        } else {
            format!("the {slot} slot")
        }
    }
}
