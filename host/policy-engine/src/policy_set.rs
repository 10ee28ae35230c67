//! Which policy fills which slot: swapped as a whole, read without a lock.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use arc_swap::ArcSwap;
use trimtab_core::members::{MEMBERS_MAX, Members, Rule, Seat};
use trimtab_core::ports::{Choice, FailStrategy};
use trimtab_core::proposal::Slot;
use trimtab_core::record::{Revision, SetRevision};

use crate::config::ConfiguredPolicy;
use crate::fault::Class;
use crate::session::Session;
use crate::times::EvaluationTimes;

mod snapshot;

pub(crate) use snapshot::Snapshot;

use snapshot::{Installed, Place, SlotPlaces};

/// Why a policy does not become active.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SwapError {
    /// The component does not fill the slot.
    #[error("{policy} does not fill the {slot} slot, it fills {filled}")]
    SlotMissing {
        /// Name of the policy.
        policy: String,
        /// The slot.
        slot: Slot,
        /// What it fills instead.
        filled: String,
    },
    /// One slot named twice in one swap.
    #[error("the {slot} slot is named twice: name each slot once")]
    SlotTwice {
        /// The slot.
        slot: Slot,
    },
    /// A list of policies without one.
    #[error("the {slot} slot has an empty list of policies: name at least one, or leave the slot out")]
    NoPolicy {
        /// The slot.
        slot: Slot,
    },
    /// Several policies where only one can answer.
    #[error("the {slot} slot has {count} policies: only the timeouts slot can have several, name one here")]
    Several {
        /// The slot.
        slot: Slot,
        /// How many.
        count: usize,
    },
    /// More policies than a slot may have.
    #[error("the {slot} slot has {count} policies: at most {most} are allowed", most = MEMBERS_MAX)]
    TooMany {
        /// The slot.
        slot: Slot,
        /// How many.
        count: usize,
    },
}

impl SwapError {
    /// What to do about it.
    pub fn class(&self) -> Class {
        Class::Permanent
    }

    /// Stable code for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::SlotMissing { .. } => "SlotMissing",
            Self::SlotTwice { .. } => "SlotTwice",
            Self::NoPolicy { .. } => "SlotEmpty",
            Self::Several { .. } => "SlotTakesOne",
            Self::TooMany { .. } => "TooManyPolicies",
        }
    }
}

/// How a revision stands after a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// Whether it has just become the slot's last good revision.
    pub promoted: bool,
    /// Its faults since it was set.
    pub faults: u64,
    /// Its faults since it last decided without one.
    pub faults_in_a_row: u32,
}

/// One slot, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotView {
    /// The revision that is asked.
    pub active: Revision,
    /// Name and version of its policy.
    pub policy: (String, String),
    /// The last revision that decided without a fault.
    pub last_good: Option<Revision>,
    /// What happens when the active one faults.
    pub strategy: FailStrategy,
    /// Decisions of the active one without a fault.
    pub decided: u64,
    /// Its faults.
    pub faults: u64,
}

/// Per slot the active, last good and built-in policy.
#[derive(Debug)]
pub struct PolicySet {
    snapshot: ArcSwap<Snapshot>,
    builtin: Arc<ConfiguredPolicy>,
}

impl PolicySet {
    /// Every slot is filled by the built-in policy, which must fill all three.
    pub fn new(builtin: Arc<ConfiguredPolicy>) -> Result<Self, SwapError> {
        Self::made(builtin, None)
    }

    /// The same, as a revision of a named set: whoever is asked says so.
    pub fn named(builtin: Arc<ConfiguredPolicy>, name: SetRevision) -> Result<Self, SwapError> {
        Self::made(builtin, Some(name))
    }

    fn made(builtin: Arc<ConfiguredPolicy>, name: Option<SetRevision>) -> Result<Self, SwapError> {
        for slot in Slot::ALL {
            check(slot, &builtin)?;
        }
        let mut snapshot = Snapshot::of(&builtin);
        snapshot.name = name;
        Ok(Self { snapshot: ArcSwap::from_pointee(snapshot), builtin })
    }

    /// Falls back on what `before` would have fallen back on, or else on what it asked: the revision that this one follows.
    /// Each policy falls back on the one at its place there; one that comes after all of them, on the built-in policy.
    pub fn inherit(&self, before: &Self) {
        let before = before.snapshot.load();
        self.snapshot.rcu(|present| {
            let mut next = Snapshot::clone(present);
            for slot in Slot::ALL {
                for member in present.members(slot).all() {
                    let earlier = before.place(Seat { slot, member });
                    let good = earlier.map(|earlier| earlier.last_good.as_ref().unwrap_or(&earlier.active));
                    if let Some(place) = next.slot_mut(slot).get_mut(member) {
                        place.last_good = good.map(Arc::clone);
                    }
                }
            }
            next
        });
    }

    /// The set and revision that it is, where it is one of a named set.
    pub fn name(&self) -> Option<SetRevision> {
        self.snapshot.load().name().cloned()
    }

    /// Takes the handles for one decision; a swap meanwhile does not touch it.
    pub fn session(&self) -> Session {
        Session::new(self.snapshot.load_full())
    }

    /// Makes a policy active in one slot; the former one's record as last good stays.
    pub fn swap(&self, slot: Slot, policy: &Arc<ConfiguredPolicy>) -> Result<(), SwapError> {
        self.swap_all(&[(slot, Arc::clone(policy))])
    }

    /// Makes several policies active at the same moment, or none of them.
    pub fn swap_all(&self, changes: &[(Slot, Arc<ConfiguredPolicy>)]) -> Result<(), SwapError> {
        let began = Instant::now();
        for (place, (slot, policy)) in changes.iter().enumerate() {
            check(*slot, policy)?;
            if changes.iter().take(place).any(|(earlier, _)| earlier == slot) {
                return Err(SwapError::SlotTwice { slot: *slot });
            }
        }
        let installed: Vec<_> = changes.iter().map(|(slot, policy)| (*slot, Installed::new(policy))).collect();
        self.snapshot.rcu(|present| {
            let mut next = Snapshot::clone(present);
            for (slot, fresh) in &installed {
                let place = next.slot_mut(*slot);
                place.first.active = Arc::clone(fresh);
                place.others.clear();
            }
            next
        });
        if let Some((_, policy)) = changes.first() {
            policy.component().runnable().engine.work().swap.note(began.elapsed());
        }
        Ok(())
    }

    /// Fills a slot with these policies, each with what happens when it faults. Nothing is known of them yet. Only the
    /// timeouts slot takes several, at most [`MEMBERS_MAX`].
    pub fn fill(
        &self,
        slot: Slot,
        rule: Rule,
        policies: &[(Arc<ConfiguredPolicy>, FailStrategy)],
    ) -> Result<(), SwapError> {
        let count = policies.len();
        if count > 1 && slot != Slot::Timeouts {
            return Err(SwapError::Several { slot, count });
        }
        if count > MEMBERS_MAX {
            return Err(SwapError::TooMany { slot, count });
        }
        policies.iter().try_for_each(|(policy, _)| check(slot, policy))?;
        let mut places = policies.iter().map(|(policy, strategy)| Place::new(policy, &self.builtin, *strategy));
        let Some(first) = places.next() else { return Err(SwapError::NoPolicy { slot }) };
        let filled = SlotPlaces { rule, first, others: places.collect() };
        self.snapshot.rcu(|present| {
            let mut next = Snapshot::clone(present);
            *next.slot_mut(slot) = filled.clone();
            next
        });
        Ok(())
    }

    /// How long its evaluations took, since it was made: its name says whose they are, where it has one.
    pub fn evaluation_times(&self) -> EvaluationTimes {
        self.snapshot.load().evaluations().read()
    }

    /// The policies of a slot.
    pub fn members(&self, slot: Slot) -> Members {
        self.snapshot.load().members(slot)
    }

    /// Puts the built-in policy back into a slot.
    pub fn reset(&self, slot: Slot) -> Result<(), SwapError> {
        self.swap(slot, &Arc::clone(&self.builtin))
    }

    /// Sets what happens when a slot's active policy faults.
    pub fn set_strategy(&self, slot: Slot, strategy: FailStrategy) {
        self.snapshot.rcu(|present| {
            let mut next = Snapshot::clone(present);
            next.slot_mut(slot).first.strategy = strategy;
            next
        });
    }

    /// Notes how a revision did: an active one without a fault becomes the last good one.
    ///
    /// `None`: the place does not have this revision any more, and nothing is noted.
    pub fn settle(&self, seat: impl Into<Seat>, revision: &Revision, ok: bool) -> Option<Settled> {
        let (seat, snapshot) = (seat.into(), self.snapshot.load());
        let revisions = snapshot.place(seat)?;
        let known = [Some(&revisions.active), revisions.last_good.as_ref(), Some(&revisions.builtin)];
        let installed = known.into_iter().flatten().find(|installed| installed.is(revision))?;
        if !ok {
            let faults = installed.faults.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            let faults_in_a_row = installed.faults_in_a_row.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            return Some(Settled { promoted: false, faults, faults_in_a_row });
        }
        installed.decided.fetch_add(1, Ordering::Relaxed);
        installed.faults_in_a_row.store(0, Ordering::Relaxed);
        let is_promotion =
            revisions.active.is(revision) && revisions.last_good.as_ref().is_none_or(|good| !good.is(revision));
        if is_promotion {
            self.promote(seat, revision);
        }
        let faults = installed.faults.load(Ordering::Relaxed);
        Some(Settled { promoted: is_promotion, faults, faults_in_a_row: 0 })
    }

    /// The policy that a choice means right now; of a slot the first one.
    pub fn policy(&self, seat: impl Into<Seat>, choice: Choice) -> Option<Arc<ConfiguredPolicy>> {
        self.snapshot.load().policy(seat.into(), choice).ok()
    }

    /// What happens when the active revision of a policy fails; of a slot the first one's.
    pub fn strategy(&self, seat: impl Into<Seat>) -> FailStrategy {
        self.snapshot.load().strategy(seat.into())
    }

    /// One slot, for people: its first policy.
    pub fn view(&self, slot: Slot) -> SlotView {
        let snapshot = self.snapshot.load();
        let revisions = &snapshot.slot(slot).first;
        let active = &revisions.active;
        let description = active.policy.component().description();
        SlotView {
            active: active.policy.revision().clone(),
            policy: (description.name.clone(), description.version.clone()),
            last_good: revisions.last_good.as_ref().map(|good| good.policy.revision().clone()),
            strategy: revisions.strategy,
            decided: active.decided.load(Ordering::Relaxed),
            faults: active.faults.load(Ordering::Relaxed),
        }
    }

    /// A swap may have come between: only the revision that was judged becomes last good.
    fn promote(&self, Seat { slot, member }: Seat, revision: &Revision) {
        self.snapshot.rcu(|present| {
            let mut next = Snapshot::clone(present);
            let place = next.slot_mut(slot).get_mut(member).filter(|place| place.active.is(revision));
            if let Some(place) = place {
                place.last_good = Some(Arc::clone(&place.active));
            }
            next
        });
    }
}

fn check(slot: Slot, policy: &ConfiguredPolicy) -> Result<(), SwapError> {
    let component = policy.component();
    if component.slots().contains(&slot) {
        return Ok(());
    }
    let filled = component.slots().iter().map(|slot| slot.name()).collect::<Vec<_>>().join(", ");
    Err(SwapError::SlotMissing { policy: component.description().name.clone(), slot, filled })
}
