//! Which policy fills which slot: swapped as a whole, read without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use trimtab_core::ports::{Choice, FailStrategy, Fault, FaultReason};
use trimtab_core::proposal::Slot;
use trimtab_core::record::{Revision, SetRevision};

use crate::config::ConfiguredPolicy;
use crate::fault::Class;
use crate::session::Session;

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
        }
    }
}

/// A policy in a slot, with what it has done there.
#[derive(Debug)]
struct Installed {
    policy: Arc<ConfiguredPolicy>,
    decided: AtomicU64,
    faults: AtomicU64,
    faults_in_a_row: AtomicU32,
}

impl Installed {
    fn new(policy: &Arc<ConfiguredPolicy>) -> Arc<Self> {
        Arc::new(Self {
            policy: Arc::clone(policy),
            decided: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            faults_in_a_row: AtomicU32::new(0),
        })
    }

    fn is(&self, revision: &Revision) -> bool {
        self.policy.revision() == revision
    }
}

#[derive(Debug, Clone)]
struct SlotRevisions {
    active: Arc<Installed>,
    last_good: Option<Arc<Installed>>,
    builtin: Arc<Installed>,
    strategy: FailStrategy,
}

/// All slots at one moment; a decision holds one from beginning to end.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    slots: [SlotRevisions; Slot::ALL.len()],
    name: Option<SetRevision>,
}

impl Snapshot {
    /// One policy in every slot, for runs outside of a set.
    pub(crate) fn of(policy: &Arc<ConfiguredPolicy>) -> Self {
        let slots = std::array::from_fn(|_| SlotRevisions {
            active: Installed::new(policy),
            last_good: None,
            builtin: Installed::new(policy),
            strategy: FailStrategy::default(),
        });
        Self { slots, name: None }
    }

    /// The set and revision that it is, where it is one of a named set.
    pub(crate) fn name(&self) -> Option<&SetRevision> {
        self.name.as_ref()
    }

    fn slot(&self, slot: Slot) -> &SlotRevisions {
        let [timeouts, transitions, children] = &self.slots;
        match slot {
            Slot::Timeouts => timeouts,
            Slot::Transitions => transitions,
            Slot::Children => children,
        }
    }

    fn slot_mut(&mut self, slot: Slot) -> &mut SlotRevisions {
        let [timeouts, transitions, children] = &mut self.slots;
        match slot {
            Slot::Timeouts => timeouts,
            Slot::Transitions => transitions,
            Slot::Children => children,
        }
    }

    pub(crate) fn strategy(&self, slot: Slot) -> FailStrategy {
        self.slot(slot).strategy
    }

    /// The policy that a choice means. A last good revision that is the active one is none: it would fault again.
    pub(crate) fn policy(&self, slot: Slot, choice: Choice) -> Result<Arc<ConfiguredPolicy>, Fault> {
        let revisions = self.slot(slot);
        let chosen = match choice {
            Choice::Active => Some(&revisions.active),
            Choice::LastGood => {
                revisions.last_good.as_ref().filter(|good| !good.is(revisions.active.policy.revision()))
            }
            Choice::Builtin => Some(&revisions.builtin),
        };
        chosen.map(|installed| Arc::clone(&installed.policy)).ok_or_else(|| Fault {
            reason: FaultReason::Unavailable,
            message: format!("the {slot} slot has no last good revision besides the active one"),
            revision: None,
            fuel: 0,
        })
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
        let snapshot = Snapshot { name, ..Snapshot::of(&builtin) };
        Ok(Self { snapshot: ArcSwap::from_pointee(snapshot), builtin })
    }

    /// Falls back on what `before` would have fallen back on, or else on what it asked: the revision that this one follows.
    pub fn inherit(&self, before: &Self) {
        let before = before.snapshot.load();
        self.snapshot.rcu(|present| {
            let mut next = Snapshot::clone(present);
            for slot in Slot::ALL {
                let earlier = before.slot(slot);
                let good = earlier.last_good.as_ref().unwrap_or(&earlier.active);
                next.slot_mut(slot).last_good = Some(Arc::clone(good));
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
                next.slot_mut(*slot).active = Arc::clone(fresh);
            }
            next
        });
        Ok(())
    }

    /// Puts the built-in policy back into a slot.
    pub fn reset(&self, slot: Slot) -> Result<(), SwapError> {
        self.swap(slot, &Arc::clone(&self.builtin))
    }

    /// Sets what happens when a slot's active policy faults.
    pub fn set_strategy(&self, slot: Slot, strategy: FailStrategy) {
        self.snapshot.rcu(|present| {
            let mut next = Snapshot::clone(present);
            next.slot_mut(slot).strategy = strategy;
            next
        });
    }

    /// Notes how a revision did: an active one without a fault becomes the last good one.
    ///
    /// `None`: the slot does not have this revision any more, and nothing is noted.
    pub fn settle(&self, slot: Slot, revision: &Revision, ok: bool) -> Option<Settled> {
        let snapshot = self.snapshot.load();
        let revisions = snapshot.slot(slot);
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
            self.promote(slot, revision);
        }
        let faults = installed.faults.load(Ordering::Relaxed);
        Some(Settled { promoted: is_promotion, faults, faults_in_a_row: 0 })
    }

    /// The policy that a choice means right now.
    pub fn policy(&self, slot: Slot, choice: Choice) -> Option<Arc<ConfiguredPolicy>> {
        self.snapshot.load().policy(slot, choice).ok()
    }

    /// One slot, for people.
    pub fn view(&self, slot: Slot) -> SlotView {
        let snapshot = self.snapshot.load();
        let revisions = snapshot.slot(slot);
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
    fn promote(&self, slot: Slot, revision: &Revision) {
        self.snapshot.rcu(|present| {
            let mut next = Snapshot::clone(present);
            let revisions = next.slot_mut(slot);
            if revisions.active.is(revision) {
                revisions.last_good = Some(Arc::clone(&revisions.active));
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
