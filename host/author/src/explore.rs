//! Looks for observations that tell something about a policy: where two differ, where one breaks a rule.
//!
//! [`observations`] makes boundary observations, [`diff`] compares two policies on them and on what their answers lead
//! to, [`conformance`] holds one policy against what every policy must keep. Nothing here draws on a clock or on
//! randomness, except that [`diff`] stops when its budget is used up and says so.

mod asking;
mod case;
mod compare;
mod conformance;
mod diff;
mod hindrances;
mod random;
mod remediation;
mod search;
mod shrink;
mod situations;
mod variations;
mod vocabulary;

#[cfg(test)]
mod tests;

use serde::Serialize;
use trimtab_policy_engine::{ConfigError, ConfiguredPolicy, EngineError, LoadError, SwapError};

pub use asking::{Answers, AnswersToIntent, Given};
pub use case::{Case, cases, observations, observations_with};
pub use compare::{Difference, Kind};
pub use conformance::{Check, ConformanceReport, Failure, Headroom, Outcome, Share, conformance};
pub use diff::{DiffReport, EXAMPLES_MAX, Example, diff, diff_recorded};
pub use vocabulary::{Rule, Vocabulary};

/// Which policy a report is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Named {
    /// Its name, as it says itself.
    pub name: String,
    /// Its version, as it says itself.
    pub version: String,
    /// `sha256:…` of the component.
    pub digest: String,
    /// First 16 hexadecimal digits of the config's sha256.
    pub config: String,
}

impl Named {
    fn of(policy: &ConfiguredPolicy) -> Self {
        let (description, revision) = (policy.component().description(), policy.revision());
        Self {
            name: description.name.clone(),
            version: description.version.clone(),
            digest: revision.digest.clone(),
            config: revision.config.clone(),
        }
    }
}

/// Why nothing could be looked for.
#[derive(Debug, thiserror::Error)]
pub enum ExploreError {
    /// Two policies that have no slot in common.
    #[error("{a} fills {a_slots} and {b} fills {b_slots}: compare policies that fill a slot in common")]
    NoCommonSlot {
        /// Name of the one policy.
        a: String,
        /// What it fills.
        a_slots: String,
        /// Name of the other policy.
        b: String,
        /// What it fills.
        b_slots: String,
    },
    /// The engine of the built-in policy, which fills the slots that a policy leaves open, cannot be set up.
    #[error("set up the built-in policy for the slots that are left open")]
    Engine(#[from] EngineError),
    /// The built-in policy cannot be loaded.
    #[error("load the built-in policy for the slots that are left open")]
    Load(#[from] Box<LoadError>),
    /// The built-in policy cannot be configured.
    #[error("configure the built-in policy for the slots that are left open")]
    Config(#[from] Box<ConfigError>),
    /// The policy cannot be put into a slot.
    #[error("put the policy into its slots")]
    Swap(#[from] SwapError),
}
