//! What came of the questions to a revision: too many faults, and everybody leaves it.

use std::sync::Arc;

use trimtab_core::decide::Evaluation;
use trimtab_core::ports::{Choice, FaultReason};
use trimtab_core::proposal::Slot;
use trimtab_core::record::SetRevision;
use trimtab_core::time::Timestamp;

use super::breaker::BreakerSettings;
use super::named::NamedSet;
use super::outcome::Trip;
use super::{PolicySets, Sets, held};

impl PolicySets {
    /// Hears what came of each question to a revision: faults are counted, and too many of them trip its breaker.
    pub fn settle(&self, name: &SetRevision, evaluations: &[Evaluation], now: Timestamp) -> Option<Trip> {
        let sets = self.sets.load();
        let own = sets.get(&name.set);
        let revision = match own.and_then(|own| own.find(&name.revision)) {
            Some(known) => Arc::clone(&known.loaded),
            None => held(&self.restored).get(name).cloned().flatten()?,
        };
        let breaker = own.map_or_else(BreakerSettings::default, |own| own.settings.breaker);
        let mut tripped = None;
        for one in evaluations {
            if let Some(answered) = &one.revision {
                revision.slots().settle(one.seat(), answered, one.fault.is_none());
            }
            let is_own = !one.fault.as_ref().is_some_and(|(code, _)| is_of_the_machine(code));
            if one.choice == Choice::Active && is_own {
                let own = revision.breaker(one.seat());
                let too_many = own.and_then(|own| own.note(one.fault.is_some(), now, breaker));
                let why = too_many.map(|why| format!("{why} of {}", revision.describe(one.seat())));
                tripped = tripped.or(why.map(|why| (one.slot, why)));
            }
        }
        let (slot, why) = tripped?;
        self.trip(name, slot, &why)
    }

    fn trip(&self, name: &SetRevision, slot: Slot, why: &str) -> Option<Trip> {
        let _turn = held(&self.changing);
        let why = why.to_owned();
        let mut sets = Sets::clone(&self.sets.load());
        let own = sets.get_mut(&name.set);
        let known = own.and_then(|own| own.revisions.iter_mut().find(|known| known.loaded.name() == name));
        match known {
            Some(known) if !known.is_usable() => return None,
            Some(known) => known.tripped = Some(why.clone()),
            // One of a set that is gone, or an old one: whoever runs with it goes on with what is active.
            None => drop(held(&self.restored).insert(name.clone(), None)?),
        }
        if let Err(error) = self.archive.trip(name, Some(&why)) {
            tracing::error!(revision = %name, error, "that its breaker has tripped will be forgotten at the next start");
        }
        let next = sets.get(&name.set).and_then(NamedSet::active).map(|known| known.loaded.name().clone());
        self.sets.store(Arc::new(sets));
        Some(Trip { name: name.clone(), slot, why, next })
    }
}

/// A fault that says nothing about the policy: the host lacks something, or the machine was too busy.
pub(super) fn is_of_the_machine(code: &str) -> bool {
    [FaultReason::Host, FaultReason::DeadlineExceeded].iter().any(|reason| reason.code() == code)
}
