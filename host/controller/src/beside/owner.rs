//! Who has written `status.overallPhase`.
//!
//! The API server says so in `metadata.managedFields`, which is too large to keep for every object. What matters of it
//! is kept as an annotation on the copy that is held here, and on nothing else.

use serde_json::Value;
use trimtab_core::json::{remove, set, text};

use crate::cluster::FIELD_MANAGER;

/// The annotation, on copies only: what an object itself says under this name is left out.
const ANNOTATION: &str = "trimtab.dev/phase-manager";

/// Notes which other manager owns the phase, where one does. Called while `managedFields` are still there.
pub(crate) fn mark(object: &mut Value) {
    let manager = manager(object).map(str::to_owned);
    if let Some(manager) = manager {
        set(object, &["metadata", "annotations", ANNOTATION], Value::String(manager));
    } else {
        remove(object, &["metadata", "annotations", ANNOTATION]);
    }
}

/// The other manager that owns the phase; `None` where nobody does, or it is ours as well.
fn manager(object: &Value) -> Option<&str> {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array)?;
    let owners = entries.iter().filter(|entry| entry.pointer("/fieldsV1/f:status/f:overallPhase").is_some());
    let names: Vec<&str> = owners.filter_map(|entry| entry["manager"].as_str()).collect();
    if names.contains(&FIELD_MANAGER) {
        return None;
    }
    names.first().copied()
}

/// The other manager that a remediation belongs to. One that is set to `Cancelled` belongs to nobody: anybody may end
/// it, and the ending is carried out here.
pub(super) fn of(remediation: &Value) -> Option<&str> {
    let phase = text(remediation, "/status/overallPhase");
    if phase.is_empty() || phase == "Cancelled" {
        return None;
    }
    Some(text(remediation, "/metadata/annotations/trimtab.dev~1phase-manager")).filter(|manager| !manager.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Object;
    use serde_json::json;

    fn object(phase: &str, managers: &[(&str, &str)]) -> Object {
        let entries: Vec<_> = managers
            .iter()
            .map(|(manager, member)| {
                json!({
                    "manager": manager, "operation": "Update", "apiVersion": "kubernaut.ai/v1alpha1",
                    "fieldsType": "FieldsV1", "subresource": "status", "fieldsV1": {"f:status": {*member: {}}},
                })
            })
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "kubernaut.ai/v1alpha1", "kind": "RemediationRequest",
            "metadata": {
                "name": "rr", "namespace": "ns", "managedFields": entries,
                "annotations": {"trimtab.dev/phase-manager": "forged"},
            },
            "status": {"overallPhase": phase},
        }))
        .unwrap()
    }

    fn owner(phase: &str, managers: &[(&str, &str)]) -> Option<String> {
        of(object(phase, managers).json()).map(str::to_owned)
    }

    #[test]
    fn the_other_manager_of_the_phase_is_kept() {
        let theirs = [("gateway", "f:deduplication"), ("remediationorchestrator", "f:overallPhase")];
        assert_eq!(owner("Processing", &theirs).as_deref(), Some("remediationorchestrator"));
        assert_eq!(owner("Completed", &theirs).as_deref(), Some("remediationorchestrator"));
    }

    #[test]
    fn a_cancelled_one_and_one_of_ours_belong_to_no_other() {
        assert_eq!(owner("Cancelled", &[("kubectl-edit", "f:overallPhase")]), None);
        assert_eq!(owner("Processing", &[("trimtab", "f:overallPhase")]), None);
        assert_eq!(owner("Processing", &[("x", "f:overallPhase"), ("trimtab", "f:overallPhase")]), None);
        assert_eq!(owner("", &[]), None);
    }

    #[test]
    fn what_the_object_itself_says_under_the_name_does_not_count() {
        assert_eq!(object("Processing", &[]).json()["metadata"]["annotations"].get(ANNOTATION), None);
    }
}
