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
    /// Share of new remediations, in percent, that the newest revision gets; the others get the one before. `None` for all.
    pub ramp_percent: Option<u8>,
}

/// A revision of a set, and whether it may be used.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) loaded: Arc<LoadedRevision>,
    /// Why its breaker has tripped, if it has.
    pub(super) tripped: Option<String>,
}

impl Known {
    fn is_usable(&self) -> bool {
        self.tripped.is_none()
    }
}

/// A set at one moment.
#[derive(Debug, Clone)]
pub(super) struct NamedSet {
    pub(super) settings: SetSettings,
    /// Newest first; the first is what was applied last. Never empty.
    pub(super) revisions: Vec<Known>,
}

impl NamedSet {
    /// The revision of this name, where it is loaded.
    pub(super) fn find(&self, revision: &str) -> Option<&Known> {
        self.revisions.iter().find(|known| known.loaded.name().revision == revision)
    }

    /// The active revision: what was rolled back to, else the newest whose breaker has not tripped. Where every breaker has
    /// tripped, the newest: its slots' fail strategies answer for it.
    pub(super) fn active(&self) -> Option<&Known> {
        let rolled_back = self.settings.rollback.as_ref().and_then(|rollback| self.find(&rollback.to));
        rolled_back.or_else(|| self.revisions.iter().find(|known| known.is_usable())).or(self.revisions.first())
    }

    /// The revision for a remediation that has none yet. `lot` is a number below 100 that stays the remediation's own.
    pub(super) fn drawn(&self, lot: u8) -> Option<&Known> {
        let active = self.active()?;
        let Some(percent) = self.settings.ramp_percent.filter(|_| self.settings.rollback.is_none()) else {
            return Some(active);
        };
        if lot < percent {
            return Some(active);
        }
        let before = self.revisions.iter().filter(|known| known.is_usable());
        let name = active.loaded.name();
        Some(before.skip_while(|known| known.loaded.name() != name).nth(1).unwrap_or(active))
    }

    /// Whether a remediation that began with `revision` goes on with it.
    pub(super) fn keeps(&self, revision: &str) -> bool {
        let is_moved = self.settings.rollback.as_ref().is_some_and(|rollback| rollback.in_flight == InFlight::Move);
        self.settings.pin == Pin::Remediation && !is_moved && self.find(revision).is_none_or(Known::is_usable)
    }
}
