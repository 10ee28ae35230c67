//! A new revision over what was seen lately, before it is put in force: a fault refuses it, and where it answers otherwise is
//! counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use trimtab_core::observation::Observation;
use trimtab_core::phase::Phase;
use trimtab_core::ports::{Choice, Fault, Interruption};
use trimtab_core::proposal::{Proposal, Slot};

use super::revision::LoadedRevision;
use crate::config::ConfiguredPolicy;
use crate::session::ask_once;

/// Most observations that a revision is asked about.
const OBSERVATIONS_MAX: usize = 32;

/// How often one question is asked where the machine has no time for it.
const TRIES_MAX: usize = 3;

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

/// What a policy answers. A busy machine may have no time for it, which says nothing about the policy: then it is asked again,
/// and in the end there is no answer.
fn asked(
    policy: &Arc<ConfiguredPolicy>,
    slot: Slot,
    observation: &Arc<Observation>,
) -> Option<Result<Proposal, Interruption>> {
    let is_of_the_machine = |answer: &Result<Proposal, Interruption>| matches!(answer, Err(Interruption::Fault(fault)) if super::is_of_the_machine(fault.reason.code()));
    (0..TRIES_MAX).map(|_| ask_once(policy, slot, observation)).find(|answer| !is_of_the_machine(answer))
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
            let Some(answer) = asked(&policy, slot, observation) else { continue };
            if let Err(Interruption::Fault(fault)) = answer {
                let remediation = format!("{}/{}", observation.namespace, observation.name);
                return Err(SmokeFault { slot, remediation, fault });
            }
            let before = active.and_then(|active| active.slots().policy(slot, Choice::Active));
            let is_same = |before: Arc<ConfiguredPolicy>| {
                policy.shares_instance_with(&before)
                    || asked(&before, slot, observation).is_none_or(|before| before == answer)
            };
            if !before.is_none_or(is_same) {
                *report.differing.entry(slot).or_default() += 1;
            }
        }
    }
    Ok(report)
}
