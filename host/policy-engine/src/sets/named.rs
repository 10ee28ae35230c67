//! One set: its settings, and its revisions that are loaded.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::breaker::BreakerSettings;
use super::revision::LoadedRevision;
use super::selector::Selector;

/// Which revision a running remediation goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Pin {
    /// The one that it started with.
    #[default]
    Remediation,
    /// The active one.
    Active,
}

/// What becomes of the remediations that run with another revision when a set is rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InFlight {
    /// They finish with theirs.
    #[default]
    Drain,
    /// They go on with the one that was rolled back to.
    Move,
}

/// A revision that is active instead of what the slots say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rollback {
    /// Its name.
    pub to: String,
    /// What becomes of the remediations that run with another one.
    #[serde(default)]
    pub in_flight: InFlight,
}

/// What of a set can change without making another revision of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SetSettings {
    /// Which remediations it answers for.
    pub selector: Selector,
    /// Which revision a running one goes on with.
    pub pin: Pin,
    /// The revision that is active instead of the one that is applied.
    pub rollback: Option<Rollback>,
    /// How many faults of a revision are too many.
    pub breaker: BreakerSettings,
    /// Names of revisions that are used again although their breaker has tripped: heeded when a name is added.
    pub forgiven: Vec<String>,
    /// Share of new remediations, in percent, that the newest revision gets; the others get the newest of those that all
    /// have had. `None` for all.
    pub ramp_percent: Option<u8>,
}

impl SetSettings {
    fn is_ramped(&self) -> bool {
        self.ramp_percent.is_some_and(|percent| percent < 100)
    }
}

/// A revision of a set, and whether it may be used.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) loaded: Arc<LoadedRevision>,
    /// Why its breaker has tripped, if it has.
    pub(super) tripped: Option<String>,
    /// Whether only a share of new remediations ever had it.
    pub(super) is_candidate: bool,
}

impl Known {
    pub(super) fn is_usable(&self) -> bool {
        self.tripped.is_none()
    }
}

/// A set at one moment.
#[derive(Debug, Clone)]
pub(super) struct NamedSet {
    pub(super) settings: SetSettings,
    /// Newest first; the first is what was applied last.
    pub(super) revisions: Vec<Known>,
}

impl NamedSet {
    /// The revision of this name, where it is loaded.
    pub(super) fn find(&self, revision: &str) -> Option<&Known> {
        self.revisions.iter().find(|known| known.loaded.name().revision == revision)
    }

    /// The active revision: the newest whose breaker has not tripped, counted from the one that was rolled back to; after
    /// that one those that all have had go first. Where there is none, the one to count from: its slots' fail strategies answer
    /// for it.
    pub(super) fn active(&self) -> Option<&Known> {
        let to = self.settings.rollback.as_ref().map(|rollback| rollback.to.as_str());
        let place = self.revisions.iter().position(|known| Some(known.loaded.name().revision.as_str()) == to);
        let from = self.revisions.get(place.unwrap_or_default()..).unwrap_or_default();
        let first = from.first().filter(|known| known.is_usable());
        let proven = || from.iter().find(|known| known.is_usable() && !known.is_candidate);
        first.or_else(proven).or_else(|| from.iter().find(|known| known.is_usable())).or(from.first())
    }

    /// The revision for a remediation that has none yet. `lot` is a number below 100 that stays the remediation's own.
    pub(super) fn drawn(&self, lot: u8) -> Option<&Known> {
        let active = self.active()?;
        // It is the newest one that is ramped, and no other.
        let is_newest = self.revisions.first().is_some_and(|newest| Arc::ptr_eq(&newest.loaded, &active.loaded));
        let is_ramped = is_newest && active.is_candidate;
        if !is_ramped || self.settings.ramp_percent.is_none_or(|percent| lot < percent) {
            return Some(active);
        }
        self.baseline().or(Some(active))
    }

    /// The revision of those who do not get the newest one while that is ramped.
    pub(super) fn baseline(&self) -> Option<&Known> {
        self.revisions.iter().skip(1).find(|known| known.is_usable() && !known.is_candidate)
    }

    /// Says of the newest revision whether it is a candidate. `was` tells whether it was one when it was kept last; `None` of
    /// one that is new.
    ///
    /// A ramp that goes on says nothing of what all have had before: that is taken back to, and no candidate. One that begins is
    /// about the newest revision, whichever it is.
    pub(super) fn note_ramp(&mut self, was: Option<bool>, before: Option<&SetSettings>) {
        let goes_on = before.is_none_or(SetSettings::is_ramped);
        let is_ramped = self.settings.is_ramped() && self.baseline().is_some();
        if let Some(newest) = self.revisions.first_mut() {
            newest.is_candidate = is_ramped && was.is_none_or(|was| was || !goes_on);
        }
    }

    /// Whether a remediation that began with `revision` goes on with it.
    pub(super) fn keeps(&self, revision: &str) -> bool {
        let is_moved = self.settings.rollback.as_ref().is_some_and(|rollback| rollback.in_flight == InFlight::Move);
        self.settings.pin == Pin::Remediation && !is_moved && self.find(revision).is_none_or(Known::is_usable)
    }
}
