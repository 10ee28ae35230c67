//! Who has written `status.overallPhase`.
//!
//! The API server says so in `metadata.managedFields`, which is too large to keep for every object. What matters of it
//! is kept as an annotation on the copy that is held here, and on nothing else.

use kube::ResourceExt as _;
use kube::api::DynamicObject;
use serde_json::Value;
use trimtab_core::json::text;

use crate::cluster::FIELD_MANAGER;

/// The annotation, on copies only: what an object itself says under this name is left out.
const ANNOTATION: &str = "trimtab.dev/phase-manager";

/// Notes which other manager owns the phase, where one does. Called while `managedFields` are still there.
pub(crate) fn mark(object: &mut DynamicObject) {
    if let Some(manager) = manager(object) {
        object.annotations_mut().insert(ANNOTATION.to_owned(), manager);
    } else if object.metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(ANNOTATION)) {
        object.annotations_mut().remove(ANNOTATION);
    }
}

/// The other manager that owns the phase; `None` where nobody does, or it is ours as well.
fn manager(object: &DynamicObject) -> Option<String> {
    let owners = object.managed_fields().iter().filter(|entry| {
        entry.fields_v1.as_ref().is_some_and(|fields| fields.0.pointer("/f:status/f:overallPhase").is_some())
    });
    let names: Vec<&str> = owners.filter_map(|entry| entry.manager.as_deref()).collect();
    if names.contains(&FIELD_MANAGER) {
        return None;
    }
    names.first().map(|name| (*name).to_owned())
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
    use crate::cluster::{as_value, slim};
    use serde_json::json;

    fn object(phase: &str, managers: &[(&str, &str)]) -> DynamicObject {
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
        let mut object = object(phase, managers);
        slim(&mut object);
        of(&as_value(&object)).map(str::to_owned)
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
        let mut object = object("Processing", &[]);
        slim(&mut object);
        assert!(!object.annotations().contains_key(ANNOTATION));
    }
}
