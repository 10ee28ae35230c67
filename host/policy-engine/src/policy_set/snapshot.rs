//! The slots of a set at one moment: who is asked at each place, and who answers instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};

use trimtab_core::members::{Member, Members, Rule, Seat};
use trimtab_core::ports::{Choice, FailStrategy, Fault, FaultReason};
use trimtab_core::proposal::Slot;
use trimtab_core::record::{Revision, SetRevision};

use crate::config::ConfiguredPolicy;
use crate::times::Evaluations;

/// A policy in a slot, with what it has done there.
#[derive(Debug)]
pub(super) struct Installed {
    pub(super) policy: Arc<ConfiguredPolicy>,
    pub(super) decided: AtomicU64,
    pub(super) faults: AtomicU64,
    pub(super) faults_in_a_row: AtomicU32,
}

impl Installed {
    pub(super) fn new(policy: &Arc<ConfiguredPolicy>) -> Arc<Self> {
        Arc::new(Self {
            policy: Arc::clone(policy),
            decided: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            faults_in_a_row: AtomicU32::new(0),
        })
    }

    pub(super) fn is(&self, revision: &Revision) -> bool {
        self.policy.revision() == revision
    }
}

/// One policy's place in a slot: what is asked, and who answers instead.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) active: Arc<Installed>,
    pub(super) last_good: Option<Arc<Installed>>,
    pub(super) builtin: Arc<Installed>,
    pub(super) strategy: FailStrategy,
}

impl Place {
    pub(super) fn new(active: &Arc<ConfiguredPolicy>, builtin: &Arc<ConfiguredPolicy>, strategy: FailStrategy) -> Self {
        let (active, builtin) = (Installed::new(active), Installed::new(builtin));
        Self { active, last_good: None, builtin, strategy }
    }
}

/// The policies of a slot.
#[derive(Debug, Clone)]
pub(super) struct SlotPlaces {
    pub(super) rule: Rule,
    pub(super) first: Place,
    /// Those after the first, of which most slots have none.
    pub(super) others: Vec<Place>,
}

impl SlotPlaces {
    fn one(place: Place) -> Self {
        Self { rule: Rule::default(), first: place, others: Vec::new() }
    }

    pub(super) fn members(&self) -> Members {
        Members::new(self.rule, self.others.len() + 1)
    }

    pub(super) fn get(&self, member: Member) -> Option<&Place> {
        if member.is_first() { Some(&self.first) } else { self.others.get(member.place() - 1) }
    }

    pub(super) fn get_mut(&mut self, member: Member) -> Option<&mut Place> {
        if member.is_first() { Some(&mut self.first) } else { self.others.get_mut(member.place() - 1) }
    }
}

/// All slots at one moment; a decision holds one from beginning to end.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    slots: [SlotPlaces; Slot::ALL.len()],
    pub(super) name: Option<SetRevision>,
    evaluations: Arc<Evaluations>,
}

impl Snapshot {
    /// One policy in every slot, for runs outside of a set.
    pub(crate) fn of(policy: &Arc<ConfiguredPolicy>) -> Self {
        let slots = std::array::from_fn(|_| SlotPlaces::one(Place::new(policy, policy, FailStrategy::default())));
        Self { slots, name: None, evaluations: Arc::default() }
    }

    pub(crate) fn evaluations(&self) -> &Evaluations {
        &self.evaluations
    }

    /// The set and revision that it is, where it is one of a named set.
    pub(crate) fn name(&self) -> Option<&SetRevision> {
        self.name.as_ref()
    }

    pub(super) fn slot(&self, slot: Slot) -> &SlotPlaces {
        let [timeouts, transitions, children] = &self.slots;
        match slot {
            Slot::Timeouts => timeouts,
            Slot::Transitions => transitions,
            Slot::Children => children,
        }
    }

    pub(super) fn slot_mut(&mut self, slot: Slot) -> &mut SlotPlaces {
        let [timeouts, transitions, children] = &mut self.slots;
        match slot {
            Slot::Timeouts => timeouts,
            Slot::Transitions => transitions,
            Slot::Children => children,
        }
    }

    pub(super) fn place(&self, Seat { slot, member }: Seat) -> Option<&Place> {
        self.slot(slot).get(member)
    }

    pub(crate) fn members(&self, slot: Slot) -> Members {
        self.slot(slot).members()
    }

    pub(crate) fn strategy(&self, seat: Seat) -> FailStrategy {
        self.place(seat).map_or_else(FailStrategy::default, |place| place.strategy)
    }

    /// The policy that a choice means. A last good revision that is the active one is none: it would fault again.
    pub(crate) fn policy(&self, seat: Seat, choice: Choice) -> Result<Arc<ConfiguredPolicy>, Fault> {
        let Seat { slot, member } = seat;
        let unavailable = |message| Fault { reason: FaultReason::Unavailable, message, revision: None, fuel: 0 };
        let Some(place) = self.place(seat) else {
            return Err(unavailable(format!("the {slot} slot has no policy {member}")));
        };
        let chosen = match choice {
            Choice::Active => Some(&place.active),
            Choice::LastGood => place.last_good.as_ref().filter(|good| !good.is(place.active.policy.revision())),
            Choice::Builtin => Some(&place.builtin),
        };
        let chosen = chosen.map(|installed| Arc::clone(&installed.policy));
        chosen.ok_or_else(|| unavailable(format!("the {slot} slot has no last good revision besides the active one")))
    }
}
