//! Policies as objects of the cluster: the controller brings them, and writes what came of them.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use trimtab_api::PolicyKind;
use trimtab_controller::{PolicyBook, PolicyVerdict};

use super::documents::Documents;
use super::report::{PolicyReport, SetReport};
use super::sets::Look;
use super::{SetsReport, Slotted};

/// The sets as the cluster's objects make them.
#[derive(Debug)]
pub(crate) struct Book {
    slotted: Arc<Slotted>,
    /// What the last look has shown.
    last: Mutex<Option<Look>>,
}

impl Book {
    pub(crate) fn new(slotted: Arc<Slotted>) -> Self {
        Self { slotted, last: Mutex::default() }
    }
}

impl PolicyBook for Book {
    fn apply(&self, objects: &[Arc<Value>], are_new: bool) -> bool {
        // A tag is looked up once for each form of a policy, whichever process does it.
        self.slotted.sets.set_resolved(objects.iter().filter_map(|object| resolved(object)).collect());
        let now = self.slotted.sets.look(Documents::of_objects(objects.iter().map(AsRef::as_ref)), are_new);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // An object changes as a whole; a file that one names may be in the middle of being written.
        let is_steady = are_new || last.as_ref() == Some(&now);
        let has_changed = is_steady && self.slotted.put_in_force(&now);
        *last = Some(now);
        has_changed
    }

    fn verdicts(&self) -> Vec<PolicyVerdict> {
        let SetsReport { policies, sets, .. } = self.slotted.report();
        let policies = policies.into_iter().map(|PolicyReport { name, status, is_used }| {
            let status = serde_json::to_value(status).unwrap_or_default();
            PolicyVerdict { kind: PolicyKind::Policy, name, status, is_held: is_used }
        });
        let sets = sets.into_iter().map(|SetReport { name, status, .. }| {
            let status = serde_json::to_value(status).unwrap_or_default();
            PolicyVerdict { kind: PolicyKind::PolicySet, name, status, is_held: false }
        });
        policies.chain(sets).collect()
    }
}

/// Name and resolved source of a policy whose status is of its present form.
fn resolved(object: &Value) -> Option<(String, String)> {
    let (metadata, status) = (&object["metadata"], &object["status"]);
    let is_present =
        object["kind"] == PolicyKind::Policy.kind() && metadata["generation"] == status["observedGeneration"];
    let member = |value: &Value| value.as_str().map(str::to_owned);
    member(&metadata["name"]).zip(member(&status["resolved"])).filter(|_| is_present)
}
