//! Named sets of policies: which of them answers for a remediation, and in which of its revisions.
//!
//! A revision never changes: another component, config, limit or fail strategy makes another one. A remediation goes on
//! with the revision that it started with, unless its set says otherwise; a revision whose breaker has tripped is left by
//! everybody. What is not loaded any more comes back from the [`Archive`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use trimtab_core::observation::Observation;
use trimtab_core::phase::Phase;
use trimtab_core::proposal::Slot;
use trimtab_core::record::SetRevision;

use crate::config::ConfiguredPolicy;
use crate::engine::Engine;
use crate::fault::Class;
use crate::times::EvaluationTimes;

mod answering;
mod archive;
mod breaker;
mod named;
mod outcome;
mod restoring;
mod revision;
mod selector;
mod settling;
mod smoke;
mod view;

pub use answering::REPIN_ANNOTATION;
pub use archive::{Archive, KeptRevision};
pub use breaker::BreakerSettings;
pub use named::{InFlight, Pin, Rollback, SetSettings};
pub use outcome::{Applied, SetError, Trip};
pub use restoring::RestoreError;
pub use revision::{Filled, Filling, LoadedRevision, PolicyDocument, RevisionDocument, SlotDocument};
pub use selector::Selector;
pub use smoke::SmokeReport;
pub use view::{RevisionView, SetView};

use named::{Known, NamedSet};

/// Most observations that a new revision is asked about.
const OBSERVATIONS_MAX: usize = 32;

/// Revisions of a set that stay loaded although no remediation runs with them.
const LOADED_MAX: usize = 5;

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
    /// Names that remediations ask for and that are not kept, until a set is applied.
    unknown: Mutex<HashSet<SetRevision>>,
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
            unknown: Mutex::default(),
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
        let mut revisions = known.map_or_else(|| self.loaded_of(&kept).0, |known| known.revisions.clone());
        let forgiven = forgive(&mut revisions, &settings, known);
        let name = fresh.name().clone();
        let was_kept = kept.iter().find(|kept| kept.name == name);
        let mut was_candidate = was_kept.map(|kept| kept.is_candidate);
        let newest = if let Some(place) = revisions.iter().position(|known| *known.loaded.name() == name) {
            let newest = revisions.remove(place);
            was_candidate = Some(newest.is_candidate);
            newest
        } else {
            if let Some(before) = revisions.iter().find(|known| known.is_usable()) {
                fresh.slots().inherit(before.loaded.slots());
            }
            let tripped = was_kept.and_then(|kept| kept.tripped.clone());
            let tripped = tripped.filter(|_| !forgiven.contains(&name.revision));
            Known { loaded: Arc::new(fresh), tripped, is_candidate: false }
        };
        let document = newest.loaded.document().clone();
        revisions.insert(0, newest);
        self.add_rolled_back(set, &settings, &kept, &mut revisions)?;
        let mut next = NamedSet { settings, revisions };
        check_rollback(set, &next, known)?;
        next.note_ramp(was_candidate, known.map(|known| &known.settings));
        self.let_go(&mut next);
        // What is refused has written nothing: this comes last.
        self.note_forgiven(&next, &kept, &forgiven)?;
        let is_candidate = next.revisions.first().is_some_and(|newest| newest.is_candidate);
        let needed: Vec<_> =
            self.needed(&next).into_iter().filter(|one| one.set == set).map(|one| one.revision).collect();
        self.archive.keep(&name, &document, is_candidate, &needed).map_err(SetError::Archive)?;
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
    /// where there is none. After an error nothing has changed; where that may pass by itself no other revision answers in place
    /// of the one that is meant: try again.
    pub fn apply_kept(&self, set: &str, settings: SetSettings) -> Result<Option<SetRevision>, SetError> {
        let _turn = held(&self.changing);
        let present = self.sets.load();
        let kept = self.archive.revisions(set).map_err(SetError::Archive)?;
        let active = |set: &NamedSet| set.active().map(|known| known.loaded.name().clone());
        let next = match (self.kept_with(set, settings, &kept, present.get(set)), present.get(set)) {
            (Ok(next), _) => next,
            (Err(error), Some(known)) if error.class() != Class::Transient => {
                tracing::warn!(set, %error, "a policy set goes on with the settings that it had");
                return Ok(active(known));
            }
            (Err(error), _) => return Err(error),
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
        let (mut revisions, newest) =
            known.map_or_else(|| self.loaded_of(kept), |known| (known.revisions.clone(), Ok(())));
        // No older one answers for one that is only waited for.
        newest?;
        let forgiven = forgive(&mut revisions, &settings, known);
        match self.add_rolled_back(set, &settings, kept, &mut revisions) {
            Err(error) if known.is_some() || error.class() == Class::Transient => return Err(error),
            // Where what it is rolled back to is gone, the newest answers.
            Err(error) => tracing::warn!(set, %error, "a policy set cannot be rolled back"),
            Ok(()) => {}
        }
        let mut next = NamedSet { settings, revisions };
        check_rollback(set, &next, known)?;
        let was_candidate = next.revisions.first().map(|newest| newest.is_candidate);
        next.note_ramp(was_candidate, known.map(|known| &known.settings));
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
        // One that was in force before this process, or long ago, has been asked when it was new.
        let kept = self.archive.revisions(set).map_err(SetError::Archive)?;
        if kept.iter().any(|kept| kept.name == *fresh.name()) {
            return Ok(None);
        }
        let active = known.and_then(NamedSet::active).map(|known| &*known.loaded);
        let concerned = |seen: &Observation| !is_ended(seen) && settings.selector.selects(seen);
        let selected = self.archive.seen_lately(OBSERVATIONS_MAX, &concerned).map_err(SetError::Archive)?;
        let selects_others = known.is_none_or(|known| known.settings.selector != settings.selector);
        Ok(Some(smoke::run(fresh, active, selects_others, &selected)?))
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

    /// Lets go of old revisions that nobody runs with and nothing names.
    fn let_go(&self, set: &mut NamedSet) {
        let needed = self.needed(set);
        let mut place = 0;
        set.revisions.retain(|known| {
            place += 1;
            place <= LOADED_MAX || needed.contains(known.loaded.name())
        });
        held(&self.restored).retain(|name, _| needed.contains(name));
        held(&self.unknown).clear();
    }

    /// What somebody runs with, and of a set what it was rolled back to and what a ramp falls back on.
    fn needed(&self, set: &NamedSet) -> HashSet<SetRevision> {
        let mut needed: HashSet<SetRevision> = held(&self.running).values().cloned().collect();
        needed.extend(set.baseline().map(|known| known.loaded.name().clone()));
        if let (Some(rollback), Some(newest)) = (&set.settings.rollback, set.revisions.first()) {
            needed.insert(SetRevision { revision: rollback.to.clone(), ..newest.loaded.name().clone() });
        }
        needed
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

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
