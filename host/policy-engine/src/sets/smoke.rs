//! A new revision over what was seen lately, before it is put in force: a fault refuses it, and where it answers otherwise is
//! counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use trimtab_core::observation::Observation;
use trimtab_core::phase::Phase;
use trimtab_core::ports::{Choice, Fault, Interruption};
use trimtab_core::proposal::Slot;

use super::revision::LoadedRevision;
use crate::config::ConfiguredPolicy;
use crate::session::ask_once;

/// Most observations that a revision is asked about.
const OBSERVATIONS_MAX: usize = 32;

/// What came of a smoke run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SmokeReport {
    /// Observations that the revision was asked about.
    pub observations: usize,
    /// How many of them each slot answers otherwise than the revision that was active before; slots without a difference
    /// are left out.
    pub differing: BTreeMap<Slot, usize>,
}

/// A fault in a smoke run, and the remediation that was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SmokeFault {
    pub(super) slot: Slot,
    pub(super) remediation: String,
    pub(super) fault: Fault,
}

/// Asks every slot of `fresh`. A question for a fact that was not recorded cannot be answered here, and is no fault.
pub(super) fn run(
    fresh: &LoadedRevision,
    active: Option<&LoadedRevision>,
    observations: &[Arc<Observation>],
) -> Result<SmokeReport, SmokeFault> {
    let running = |seen: &&Arc<Observation>| !seen.phase.is_some_and(Phase::is_terminal);
    let mut report = SmokeReport::default();
    for observation in observations.iter().filter(running).take(OBSERVATIONS_MAX) {
        report.observations += 1;
        for slot in Slot::ALL {
            let Some(policy) = fresh.slots().policy(slot, Choice::Active) else { continue };
            let answer = ask_once(&policy, slot, observation);
            if let Err(Interruption::Fault(fault)) = answer {
                let remediation = format!("{}/{}", observation.namespace, observation.name);
                return Err(SmokeFault { slot, remediation, fault });
            }
            let before = active.and_then(|active| active.slots().policy(slot, Choice::Active));
            let is_same = |before: Arc<ConfiguredPolicy>| {
                policy.shares_instance_with(&before) || ask_once(&before, slot, observation) == answer
            };
            if !before.is_none_or(is_same) {
                *report.differing.entry(slot).or_default() += 1;
            }
        }
    }
    Ok(report)
}
