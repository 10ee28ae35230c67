//! The sets as people see them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use trimtab_core::record::SetRevision;

use super::archive::KeptRevision;
use super::named::{InFlight, NamedSet, Pin};
use super::revision::RevisionDocument;
use super::selector::Selector;
use super::{PolicySets, Sets, held};

/// A set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SetView {
    /// Its name.
    pub name: String,
    /// Which remediations it answers for.
    pub selector: Selector,
    /// Which revision a running one goes on with.
    pub pin: Pin,
    /// The revision that new remediations get; empty for a set that is gone.
    pub active: String,
    /// What becomes of those that run with another one, where it is rolled back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<InFlight>,
    /// Another set that always goes before it: this one never answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub never_answers_because_of: Option<String>,
    /// Newest first.
    pub revisions: Vec<RevisionView>,
}

impl SetView {
    /// Set and name of each of its revisions.
    pub fn names(&self) -> Vec<SetRevision> {
        let name = |one: &RevisionView| SetRevision { set: self.name.clone(), revision: one.name.clone() };
        self.revisions.iter().map(name).collect()
    }
}

/// A revision of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionView {
    /// Its name.
    pub name: String,
    /// Remediations that have not ended and run with it.
    pub in_flight: usize,
    /// Why its breaker has tripped, if it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tripped: Option<String>,
    /// What it is made of.
    #[serde(flatten)]
    pub document: RevisionDocument,
}

/// A revision that somebody runs with.
#[derive(Debug, Default)]
struct InUse {
    /// How many do.
    count: usize,
    /// What it is made of, where that is known.
    document: RevisionDocument,
    /// Why its breaker has tripped, where no set's own list says so.
    tripped: Option<String>,
}

type Running = BTreeMap<SetRevision, InUse>;

impl PolicySets {
    /// Every set, for people, in the order of their names.
    pub fn view(&self) -> Vec<SetView> {
        of(&self.sets.load(), &self.in_flight())
    }

    /// The same, and then the sets that are gone and whose revisions remediations finish with; those have no active one.
    pub fn view_with_draining(&self) -> Vec<SetView> {
        let (sets, in_flight) = (self.sets.load(), self.in_flight());
        of(&sets, &in_flight).into_iter().chain(of_removed(&sets, &in_flight)).collect()
    }

    /// How many remediations run with each revision, and what each is made of where that is known.
    fn in_flight(&self) -> Running {
        let mut counts = Running::new();
        for revision in held(&self.running).values() {
            counts.entry(revision.clone()).or_default().count += 1;
        }
        let sets = self.sets.load();
        for (name, in_use) in &mut counts {
            let own = sets.get(&name.set).and_then(|own| own.find(&name.revision));
            let loaded = own.map(|known| Arc::clone(&known.loaded));
            let loaded = loaded.or_else(|| held(&self.restored).get(name).cloned().flatten());
            match loaded {
                Some(loaded) => in_use.document = loaded.document().clone(),
                None => {
                    if let Some(kept) = self.kept(name) {
                        (in_use.document, in_use.tripped) = (kept.document, kept.tripped);
                    }
                }
            }
        }
        counts
    }

    /// A revision that is not loaded now.
    fn kept(&self, name: &SetRevision) -> Option<KeptRevision> {
        self.archive.revisions(&name.set).ok()?.into_iter().find(|kept| kept.name == *name)
    }
}

fn of(sets: &Sets, in_flight: &Running) -> Vec<SetView> {
    let selectors: Vec<_> = sets.iter().map(|(name, set)| (name, &set.settings.selector)).collect();
    let shadowed = shadowed(&selectors);
    let view = |(name, set): (&String, &NamedSet)| {
        let own = set.revisions.iter().map(|known| RevisionView {
            name: known.loaded.name().revision.clone(),
            in_flight: in_flight.get(known.loaded.name()).map(|in_use| in_use.count).unwrap_or_default(),
            tripped: known.tripped.clone(),
            document: known.loaded.document().clone(),
        });
        // Older ones, which only those need that run with them.
        let others = in_flight.iter().filter(|(other, _)| other.set == *name && set.find(&other.revision).is_none());
        SetView {
            name: name.clone(),
            selector: set.settings.selector.clone(),
            pin: set.settings.pin,
            active: set.active().map(|known| known.loaded.name().revision.clone()).unwrap_or_default(),
            rolled_back: set.settings.rollback.as_ref().map(|rollback| rollback.in_flight),
            never_answers_because_of: shadowed.get(name).cloned(),
            revisions: own.chain(others.map(outside)).collect(),
        }
    };
    sets.iter().map(view).collect()
}

/// The sets that are not there any more, by the revisions of theirs that somebody runs with.
fn of_removed(sets: &Sets, in_flight: &Running) -> Vec<SetView> {
    let mut removed: BTreeMap<&str, Vec<RevisionView>> = BTreeMap::new();
    for one in in_flight.iter().filter(|(name, _)| !sets.contains_key(&name.set)) {
        removed.entry(&one.0.set).or_default().push(outside(one));
    }
    let view = |(name, revisions): (&str, Vec<RevisionView>)| SetView {
        name: name.to_owned(),
        selector: Selector::default(),
        pin: Pin::default(),
        active: String::new(),
        rolled_back: None,
        never_answers_because_of: None,
        revisions,
    };
    removed.into_iter().map(view).collect()
}

/// A revision that is in no set's own list.
fn outside((name, in_use): (&SetRevision, &InUse)) -> RevisionView {
    let InUse { count, document, tripped } = in_use;
    RevisionView {
        name: name.revision.clone(),
        in_flight: *count,
        tripped: tripped.clone(),
        document: document.clone(),
    }
}

/// The names of sets that never answer, each with the one that always goes before it.
fn shadowed(sets: &[(&String, &Selector)]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, selector) in sets {
        let first = sets.iter().find(|(other, theirs)| {
            *other < *name && theirs.specificity() >= selector.specificity() && theirs.covers(selector)
        });
        if let Some((other, _)) = first {
            found.insert((*name).clone(), (*other).clone());
        }
    }
    found
}
