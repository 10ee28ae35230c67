//! What comes of changing a set.

use trimtab_core::ports::Fault;
use trimtab_core::proposal::Slot;
use trimtab_core::record::SetRevision;

use super::restoring::RestoreError;
use super::smoke::{SmokeFault, SmokeReport};
use crate::fault::Class;
use crate::policy_set::SwapError;

/// Why a set cannot be applied, or nobody can tell now who answers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SetError {
    /// A policy does not fill its slot.
    #[error(transparent)]
    Slot(#[from] SwapError),
    /// It is to be rolled back to a revision that nobody knows.
    #[error("no revision of {set} is called {revision}: it has had {known}")]
    UnknownRevision {
        /// The set.
        set: String,
        /// The name.
        revision: String,
        /// Those that there are.
        known: String,
    },
    /// It is to be rolled back to a revision that everybody has left.
    #[error("revision {revision} of {set} is not used any more: {why}; list it under breaker.forgive to use it again")]
    Tripped {
        /// The set.
        set: String,
        /// The name.
        revision: String,
        /// Why its breaker has tripped.
        why: String,
    },
    /// It has faulted on something that was seen lately.
    #[error("{policy} faults on {remediation} as it was seen lately: {fault}")]
    Smoke {
        /// The slot, and which of its policies where it has several.
        policy: String,
        /// The remediation: namespace/name.
        remediation: String,
        /// The fault.
        fault: Box<Fault>,
    },
    /// A revision that is needed is kept, and cannot be loaded.
    #[error("the revision {revision} cannot be loaded: {why}")]
    Restore {
        /// The revision.
        revision: SetRevision,
        /// Why not.
        #[source]
        why: Box<RestoreError>,
    },
    /// What is kept cannot be read or written.
    #[error("{0}")]
    Archive(String),
}

impl SetError {
    /// What to do about it.
    pub fn class(&self) -> Class {
        match self {
            Self::Archive(_) => Class::Transient,
            Self::Restore { why, .. } => why.class(),
            Self::Slot(_) | Self::UnknownRevision { .. } | Self::Tripped { .. } | Self::Smoke { .. } => {
                Class::Permanent
            }
        }
    }
}

impl From<SmokeFault> for SetError {
    fn from(SmokeFault { policy, remediation, fault }: SmokeFault) -> Self {
        Self::Smoke { policy, remediation, fault }
    }
}

/// What applying a set has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The revision that its slots make.
    pub revision: SetRevision,
    /// The revision that was active; `None` for a set that is new.
    pub before: Option<SetRevision>,
    /// The revision that is active now: another one than its slots make where it is rolled back or has tripped.
    pub active: SetRevision,
    /// What the revision does with what was seen lately; `None` where it is none that is new.
    pub smoke: Option<SmokeReport>,
}

/// A revision that has had one fault too many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trip {
    /// The revision.
    pub name: SetRevision,
    /// The slot that faulted.
    pub slot: Slot,
    /// How often.
    pub why: String,
    /// The revision of the set that answers now: the same where there is no other, `None` where the set is gone.
    pub next: Option<SetRevision>,
}
