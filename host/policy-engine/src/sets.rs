//! Named sets of policies: which of them answers for a remediation, and in which of its revisions.
//!
//! A revision never changes: another component, config, limit or fail strategy makes another one. A remediation goes on
//! with the revision that it started with, unless its set says otherwise; a revision whose breaker has tripped is left by
//! everybody. What is not loaded any more comes back from the [`Archive`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};
use trimtab_core::decide::Evaluation;
use trimtab_core::observation::Observation;
use trimtab_core::phase::Phase;
use trimtab_core::ports::{Choice, FaultReason};
use trimtab_core::proposal::Slot;
use trimtab_core::record::SetRevision;
use trimtab_core::time::Timestamp;

use crate::config::ConfiguredPolicy;
use crate::engine::Engine;
use crate::times::EvaluationTimes;

mod archive;
mod breaker;
mod named;
mod outcome;
mod restoring;
mod revision;
mod selector;
mod smoke;
mod view;

pub use archive::{Archive, KeptRevision};
pub use breaker::BreakerSettings;
pub use named::{InFlight, Pin, Rollback, SetSettings};
pub use outcome::{Applied, SetError, Trip};
pub use revision::{Filled, Filling, LoadedRevision, PolicyDocument, RevisionDocument, SlotDocument};
pub use selector::Selector;
pub use smoke::SmokeReport;
pub use view::{RevisionView, SetView};

use named::{Known, NamedSet};

/// Most observations that a new revision is asked about.
const OBSERVATIONS_MAX: usize = 32;

/// Revisions of a set that stay loaded although no remediation runs with them.
const LOADED_MAX: usize = 5;

/// The annotation of a remediation that is to go on with another revision of its set: its name, or [`FOLLOW`].
pub const REPIN_ANNOTATION: &str = "trimtab.dev/policy-revision";

/// Its value for whatever is active.
const FOLLOW: &str = "active";

type Sets = BTreeMap<String, NamedSet>;

/// Revisions outside of the sets' own lists; `None` for one that cannot be used any more.
type Restored = BTreeMap<SetRevision, Option<Arc<LoadedRevision>>>;

/// Every set, and who runs with which revision.
#[derive(Debug)]
pub struct PolicySets {
    engine: Engine,
    builtin: Arc<ConfiguredPolicy>,
    archive: Arc<dyn Archive>,
    sets: ArcSwap<Sets>,
    /// Held while sets change.
    changing: Mutex<()>,
    /// Revisions outside of the sets' own lists that somebody runs with.
    restored: Mutex<Restored>,
    /// Remediations that have not ended, by uid.
    running: Mutex<HashMap<String, SetRevision>>,
}

impl PolicySets {
    /// No set yet.
    pub fn new(engine: Engine, builtin: Arc<ConfiguredPolicy>, archive: Arc<dyn Archive>) -> Self {
        Self {
            engine,
            builtin,
            archive,
            sets: ArcSwap::default(),
            changing: Mutex::default(),
            restored: Mutex::default(),
            running: Mutex::default(),
        }
    }

    /// Puts a set in force, or another form of it. Where it cannot be, nothing changes. A revision that is new is first asked
    /// about what was seen lately of the remediations that the set selects.
    pub fn apply(
        &self,
        set: &str,
        settings: SetSettings,
        fillings: &BTreeMap<Slot, Filling>,
    ) -> Result<Applied, SetError> {
        let began = Instant::now();
        let fresh = LoadedRevision::new(set, &self.builtin, fillings)?;
        let smoke = self.smoke(set, &settings, &fresh)?;
        self.note_environment(&fresh)?;
        let _turn = held(&self.changing);
        let present = self.sets.load();
        let known = present.get(set);
        let before = known.and_then(NamedSet::active).map(|known| known.loaded.name().clone());
        let kept = self.archive.revisions(set).map_err(SetError::Archive)?;
        let mut revisions = known.map_or_else(|| self.loaded_of(&kept), |known| known.revisions.clone());
        let forgiven = forgive(&mut revisions, &settings, known);
        let name = fresh.name().clone();
        let newest = if let Some(place) = revisions.iter().position(|known| *known.loaded.name() == name) {
            revisions.remove(place)
        } else {
            if let Some(before) = revisions.iter().find(|known| known.is_usable()) {
                fresh.slots().inherit(before.loaded.slots());
            }
            let tripped = kept.iter().find(|kept| kept.name == name).and_then(|kept| kept.tripped.clone());
            let tripped = tripped.filter(|_| !forgiven.contains(&name.revision));
            Known { loaded: Arc::new(fresh), tripped }
        };
        let document = newest.loaded.document().clone();
        revisions.insert(0, newest);
        self.add_rolled_back(set, &settings, &kept, &mut revisions)?;
        let mut next = NamedSet { settings, revisions };
        check_rollback(set, &next, known)?;
        self.let_go(&mut next);
        // What is refused has written nothing: this comes last.
        self.note_forgiven(&next, &kept, &forgiven)?;
        self.archive.keep(&name, &document).map_err(SetError::Archive)?;
        let active = next.active().map_or_else(|| name.clone(), |known| known.loaded.name().clone());
        self.store(&present, set, next);
        // What is applied again as it was is no swap.
        if smoke.is_some() || before.as_ref() != Some(&active) {
            self.engine.work().swap.note(began.elapsed());
        }
        Ok(Applied { revision: name, before, active, smoke })
    }

    /// Lets a set whose slots cannot be filled as they are now go on with its revisions, and with these settings where they fit
    /// them; one that this process has not seen before, with the revisions that were kept. The result is the active one; `None`
    /// where there is none.
    pub fn apply_kept(&self, set: &str, settings: SetSettings) -> Result<Option<SetRevision>, SetError> {
        let _turn = held(&self.changing);
        let present = self.sets.load();
        let kept = self.archive.revisions(set).map_err(SetError::Archive)?;
        let active = |set: &NamedSet| set.active().map(|known| known.loaded.name().clone());
        let next = match (self.kept_with(set, settings, &kept, present.get(set)), present.get(set)) {
            (Ok(next), _) => next,
            (Err(error), Some(known)) => {
                tracing::warn!(set, %error, "a policy set goes on with the settings that it had");
                return Ok(active(known));
            }
            (Err(error), None) => return Err(error),
        };
        let Some(active) = active(&next) else { return Ok(None) };
        self.store(&present, set, next);
        Ok(Some(active))
    }

    fn kept_with(
        &self,
        set: &str,
        settings: SetSettings,
        kept: &[KeptRevision],
        known: Option<&NamedSet>,
    ) -> Result<NamedSet, SetError> {
        let mut revisions = known.map_or_else(|| self.loaded_of(kept), |known| known.revisions.clone());
        let forgiven = forgive(&mut revisions, &settings, known);
        match self.add_rolled_back(set, &settings, kept, &mut revisions) {
            Err(error) if known.is_some() => return Err(error),
            // Where what it is rolled back to is gone, the newest answers.
            Err(error) => tracing::warn!(set, %error, "a policy set cannot be rolled back"),
            Ok(()) => {}
        }
        let mut next = NamedSet { settings, revisions };
        check_rollback(set, &next, known)?;
        self.let_go(&mut next);
        self.note_forgiven(&next, kept, &forgiven)?;
        Ok(next)
    }

    /// Notes that revisions of these names may be used again.
    fn note_forgiven(&self, next: &NamedSet, kept: &[KeptRevision], forgiven: &[String]) -> Result<(), SetError> {
        for kept in kept.iter().filter(|kept| kept.tripped.is_some() && forgiven.contains(&kept.name.revision)) {
            self.archive.trip(&kept.name, None).map_err(SetError::Archive)?;
        }
        for known in next.revisions.iter().filter(|known| forgiven.contains(&known.loaded.name().revision)) {
            known.loaded.forgive();
        }
        Ok(())
    }

    fn store(&self, present: &Sets, set: &str, next: NamedSet) {
        let mut sets = Sets::clone(present);
        sets.insert(set.to_owned(), next);
        self.sets.store(Arc::new(sets));
    }

    /// Asks a revision that is new about what was seen lately; `None` where it is known.
    fn smoke(
        &self,
        set: &str,
        settings: &SetSettings,
        fresh: &LoadedRevision,
    ) -> Result<Option<SmokeReport>, SetError> {
        let sets = self.sets.load();
        let known = sets.get(set);
        if known.is_some_and(|known| known.find(&fresh.name().revision).is_some()) {
            return Ok(None);
        }
        let active = known.and_then(NamedSet::active).map(|known| &*known.loaded);
        let concerned = |seen: &Observation| !is_ended(seen) && settings.selector.selects(seen);
        let selected = self.archive.seen_lately(OBSERVATIONS_MAX, &concerned).map_err(SetError::Archive)?;
        Ok(Some(smoke::run(fresh, active, &selected)?))
    }

    /// Forgets a set. Remediations that are pinned to a revision of it finish with that.
    pub fn remove(&self, set: &str) -> bool {
        let _turn = held(&self.changing);
        let mut sets = Sets::clone(&self.sets.load());
        let removed = sets.remove(set);
        let mut restored = held(&self.restored);
        for known in removed.iter().flat_map(|set| &set.revisions) {
            let usable = known.is_usable().then(|| Arc::clone(&known.loaded));
            restored.insert(known.loaded.name().clone(), usable);
        }
        self.sets.store(Arc::new(sets));
        removed.is_some()
    }

    /// The revision that answers for a remediation; `None` where no set does, and where it has ended.
    ///
    /// It may have to be loaded again, which takes milliseconds: keep it off async workers. An error, of the archive, says
    /// nothing about the revision: ask again.
    pub fn responsible(&self, seen: &Observation) -> Result<Option<Arc<LoadedRevision>>, SetError> {
        if is_ended(seen) {
            return Ok(None);
        }
        let sets = self.sets.load();
        let wished = seen.object["metadata"]["annotations"][REPIN_ANNOTATION].as_str();
        let follows = wished == Some(FOLLOW);
        if let Some(pinned) = &seen.record.set_revision {
            let own = sets.get(&pinned.set);
            let other = wished
                .filter(|_| !follows)
                .map(|revision| SetRevision { revision: revision.to_owned(), ..pinned.clone() });
            if let Some(found) = other.map(|other| self.loaded(own, &other)).transpose()?.flatten() {
                return Ok(Some(found));
            }
            if !follows
                && own.is_none_or(|own| own.keeps(&pinned.revision))
                && let Some(found) = self.loaded(own, pinned)?
            {
                return Ok(Some(found));
            }
            // It leaves the revision, and not the set.
            let stays = |own: &&NamedSet| own.settings.pin == Pin::Remediation || own.settings.selector.selects(seen);
            if let Some(own) = own.filter(stays) {
                let next = if follows { own.active() } else { own.drawn(lot(&seen.uid)) };
                return Ok(next.map(|known| Arc::clone(&known.loaded)));
            }
        }
        let Some(set) = selected(&sets, seen) else { return Ok(None) };
        let has_begun_without = seen.record.set_revision.is_none() && seen.record.sequence > 0;
        if has_begun_without && set.settings.pin == Pin::Remediation && !follows {
            return Ok(None);
        }
        let next = if follows { set.active() } else { set.drawn(lot(&seen.uid)) };
        Ok(next.map(|known| Arc::clone(&known.loaded)))
    }

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

    /// Notes which revision a remediation runs with; `None` once it has ended or is gone.
    pub fn note_running(&self, uid: &str, revision: Option<&SetRevision>) {
        let mut running = held(&self.running);
        match revision {
            Some(revision) if running.get(uid) == Some(revision) => {}
            Some(revision) => drop(running.insert(uid.to_owned(), revision.clone())),
            None => drop(running.remove(uid)),
        }
    }

    /// Forgets what runs of remediations that there are none of any more.
    pub fn tidy(&self, exists: &dyn Fn(&str) -> bool) {
        held(&self.running).retain(|uid, _| exists(uid));
    }

    /// Every set, for people, in the order of their names.
    pub fn view(&self) -> Vec<SetView> {
        view::of(&self.sets.load(), &self.in_flight())
    }

    /// The same, and then the sets that are gone and whose revisions remediations finish with; those have no active one.
    pub fn view_with_draining(&self) -> Vec<SetView> {
        let (sets, in_flight) = (self.sets.load(), self.in_flight());
        view::of(&sets, &in_flight).into_iter().chain(view::of_removed(&sets, &in_flight)).collect()
    }

    /// Settings that decisions depend on have changed: from now on they are recorded with the new ones.
    pub fn renew_environments(&self) -> Result<(), SetError> {
        let sets = self.sets.load();
        let own = sets.values().flat_map(|set| &set.revisions).map(|known| Arc::clone(&known.loaded));
        let all: Vec<_> = own.chain(held(&self.restored).values().flatten().cloned()).collect();
        all.iter().try_for_each(|revision| self.note_environment(revision))
    }

    /// How long the evaluations of each loaded revision took. What is let go of is told no more.
    pub fn evaluation_times(&self) -> BTreeMap<SetRevision, EvaluationTimes> {
        let sets = self.sets.load();
        let own = sets.values().flat_map(|set| &set.revisions).map(|known| Arc::clone(&known.loaded));
        let mut loaded: Vec<_> = own.chain(held(&self.restored).values().flatten().cloned()).collect();
        loaded.sort_by(|one, other| one.name().cmp(other.name()));
        loaded.dedup_by(|one, other| Arc::ptr_eq(one, other));
        let mut times: BTreeMap<SetRevision, EvaluationTimes> = BTreeMap::new();
        for revision in loaded {
            let told = times.entry(revision.name().clone()).or_default();
            for (of, more) in revision.slots().evaluation_times() {
                // The same revision may have been loaded twice.
                match told.iter_mut().find(|(known, _)| *known == of) {
                    Some((_, known)) => known.add(&more),
                    None => told.push((of, more)),
                }
            }
        }
        times
    }

    /// How many remediations run with each revision, and what each is made of where that is known.
    fn in_flight(&self) -> BTreeMap<SetRevision, (usize, RevisionDocument)> {
        let mut counts: BTreeMap<SetRevision, (usize, RevisionDocument)> = BTreeMap::new();
        for revision in held(&self.running).values() {
            counts.entry(revision.clone()).or_default().0 += 1;
        }
        let sets = self.sets.load();
        for (name, (_, document)) in &mut counts {
            let own = sets.get(&name.set).and_then(|own| own.find(&name.revision));
            let loaded = own.map(|known| Arc::clone(&known.loaded));
            let loaded = loaded.or_else(|| held(&self.restored).get(name).cloned().flatten());
            *document = match loaded {
                Some(loaded) => loaded.document().clone(),
                None => self.kept_document(name).unwrap_or_default(),
            };
        }
        counts
    }

    /// Lets go of old revisions that nobody runs with and nothing names.
    fn let_go(&self, set: &mut NamedSet) {
        let running: HashSet<SetRevision> = held(&self.running).values().cloned().collect();
        let rolled_back = set.settings.rollback.as_ref().map(|rollback| rollback.to.clone());
        let mut place = 0;
        set.revisions.retain(|known| {
            place += 1;
            let name = known.loaded.name();
            place <= LOADED_MAX || running.contains(name) || rolled_back.as_ref() == Some(&name.revision)
        });
        held(&self.restored).retain(|name, _| running.contains(name));
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

/// Names of `list` that are not on the list that was applied before.
fn newly(list: &[String], before: Option<&[String]>) -> Vec<String> {
    list.iter().filter(|name| !before.is_some_and(|before| before.contains(name))).cloned().collect()
}

/// Lets revisions be used again whose names the settings list and did not list before; these names.
fn forgive(revisions: &mut [Known], settings: &SetSettings, before: Option<&NamedSet>) -> Vec<String> {
    let forgiven = newly(&settings.forgiven, before.map(|before| before.settings.forgiven.as_slice()));
    for known in revisions.iter_mut().filter(|known| forgiven.contains(&known.loaded.name().revision)) {
        known.tripped = None;
    }
    forgiven
}

/// Refuses what is asked for now and nobody may use. What could be used when it was asked for stays: its elders answer.
fn check_rollback(set: &str, next: &NamedSet, before: Option<&NamedSet>) -> Result<(), SetError> {
    let Some(rollback) = &next.settings.rollback else { return Ok(()) };
    let is_new = before.is_some_and(|before| before.settings.rollback.as_ref() != Some(rollback));
    match next.find(&rollback.to) {
        Some(Known { tripped: Some(why), .. }) if is_new => {
            let (set, revision) = (set.to_owned(), rollback.to.clone());
            Err(SetError::Tripped { set, revision, why: why.clone() })
        }
        _ => Ok(()),
    }
}

/// Nobody is asked about one that has ended.
fn is_ended(seen: &Observation) -> bool {
    seen.phase.is_some_and(Phase::is_terminal)
}

/// A fault that says nothing about the policy: the host lacks something, or the machine was too busy.
fn is_of_the_machine(code: &str) -> bool {
    [FaultReason::Host, FaultReason::DeadlineExceeded].iter().any(|reason| reason.code() == code)
}

/// The set that goes first of those that select a remediation: the most specific one, then the first by name.
fn selected<'a>(sets: &'a Sets, seen: &Observation) -> Option<&'a NamedSet> {
    let selecting = sets.iter().filter(|(_, set)| set.settings.selector.selects(seen));
    let first = selecting.min_by_key(|(name, set)| (std::cmp::Reverse(set.settings.selector.specificity()), *name));
    first.map(|(_, set)| set)
}

/// A number below 100 that follows from a remediation's uid: evenly spread, and the same at every decision.
fn lot(uid: &str) -> u8 {
    let hash = Sha256::digest(uid);
    let number = hash.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    u8::try_from(number % 100).unwrap_or_default()
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
