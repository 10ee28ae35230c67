//! Audit events: what a step tells the audit trail, in Kubernaut's catalogue.
//!
//! Ids, times and bodies follow from what a step leaves behind in the cluster, and from nothing else: whoever derives an
//! event again, after a crash or in another process, derives the same one. Before a step, what it will leave behind is
//! its plan applied to the observation ([`of_plan`]); afterwards it is the next observation ([`of_observed`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::observation::Observation;
use crate::plan::Plan;
use crate::ports::ForeignStep;
use crate::time::Timestamp;

pub mod catalogue;
mod derive;
pub mod envelope;
mod failure;
pub mod payload;
pub mod step;
mod validate;

pub use step::StepView;
pub use validate::{PAYLOAD_BYTES_MAX, PAYLOAD_DEPTH_MAX, validate};

/// Namespace of the ids of audit events: the `UUIDv5` of `audit.trimtab.dev` as a domain name.
pub const ID_NAMESPACE: Uuid = Uuid::from_u128(0x9e05_5db1_556c_5a66_883a_93cb_b5ac_e078);

/// One event, ready for `DataStorage`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// `UUIDv5` over the remediation's uid, the number of the step and the event's type.
    pub id: Uuid,
    /// When the step was decided.
    pub at: Timestamp,
    /// Type, such as `orchestrator.lifecycle.started`.
    pub event_type: String,
    /// Groups the events of one remediation: its name.
    pub correlation_id: String,
    /// The envelope of `DataStorage`'s API, without an id.
    pub body: Value,
}

/// The events of a step, in the order in which they are told.
pub fn of_step(step: &StepView<'_>) -> Vec<AuditEvent> {
    told(step, derive::envelopes(step))
}

fn told(step: &StepView<'_>, envelopes: Vec<(catalogue::Row, envelope::Envelope)>) -> Vec<AuditEvent> {
    let mut told: BTreeMap<&'static str, u32> = BTreeMap::new();
    envelopes
        .into_iter()
        .map(|(row, envelope)| {
            let ordinal = told.entry(row.event_type).and_modify(|count| *count += 1).or_insert(1);
            AuditEvent {
                id: id(step.uid(), step.sequence(), row.event_type, *ordinal),
                at: step.at(),
                event_type: row.event_type.to_owned(),
                correlation_id: envelope.correlation_id.clone(),
                body: envelope.into_body(),
            }
        })
        .collect()
}

/// The events of a planned step. A plan that neither writes nor deletes the remediation has none.
pub fn of_plan(observation: &Observation, plan: &Plan) -> Vec<AuditEvent> {
    if let Some(step) = StepView::removed(observation, plan) {
        // Its number is none that a step before it can have had, so its id is none of the end's own event.
        return told(&step, vec![derive::cleaned_up(&step)]);
    }
    StepView::planned(observation, plan).map(|step| of_step(&step)).unwrap_or_default()
}

/// The last step of a remediation, as its own record and its children show it, with the step's events. `None` where no
/// step of this host's kind is recorded.
pub fn of_observed(observation: &Observation) -> Option<ForeignStep> {
    let step = StepView::observed(observation)?;
    Some(ForeignStep {
        uid: observation.uid.clone(),
        namespace: observation.namespace.clone(),
        name: observation.name.clone(),
        sequence: step.sequence(),
        at: step.at(),
        audit: of_step(&step),
    })
}

/// The id of an event; `ordinal` counts the events of one type within the step, from 1.
fn id(uid: &str, sequence: u64, event_type: &str, ordinal: u32) -> Uuid {
    let name = match ordinal {
        0 | 1 => format!("{uid}/{sequence}/{event_type}"),
        more => format!("{uid}/{sequence}/{event_type}/{more}"),
    };
    Uuid::new_v5(&ID_NAMESPACE, name.as_bytes())
}

#[cfg(test)]
mod tests;
