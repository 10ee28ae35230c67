//! The CRDs of the eight kinds: as objects, as files and as one stream of YAML.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use crate::kinds::Kind;
use crate::schema::{UnknownFields, make_structural};

/// The CRDs of all eight kinds, in the order of [`Kind::ALL`].
pub fn crds() -> Vec<CustomResourceDefinition> {
    Kind::ALL.into_iter().map(crd).collect()
}

fn crd(kind: Kind) -> CustomResourceDefinition {
    let mut crd = kind.derived_crd();
    let schemas = crd
        .spec
        .versions
        .iter_mut()
        .filter_map(|version| version.schema.as_mut())
        .filter_map(|validation| validation.open_api_v3_schema.as_mut());
    for schema in schemas {
        make_structural(schema, unknown_fields(kind));
    }
    crd
}

/// Only the orchestrator's own kind is declared in full; every other schema lists what the orchestrator reads or
/// writes, so pruning there would lose what another controller wrote.
const fn unknown_fields(kind: Kind) -> UnknownFields {
    match kind {
        Kind::RemediationRequest => UnknownFields::Prune,
        Kind::SignalProcessing
        | Kind::AIAnalysis
        | Kind::RemediationApprovalRequest
        | Kind::WorkflowExecution
        | Kind::NotificationRequest
        | Kind::EffectivenessAssessment
        | Kind::RemediationWorkflow => UnknownFields::Preserve,
    }
}

/// File name and YAML text of each CRD, in the order of [`Kind::ALL`].
///
/// These are the generated files under `deploy/crds`, embedded: what is printed is byte for byte what was reviewed.
/// The `crd_drift` test holds them equal to [`crds()`].
pub fn crd_files() -> Vec<(String, String)> {
    Kind::ALL.into_iter().map(|kind| (crd_file_name(kind), embedded(kind).to_owned())).collect()
}

/// All CRDs as one YAML stream, documents separated by `---`: ready for `kubectl apply -f -`.
pub fn crd_yaml() -> String {
    Kind::ALL.map(embedded).join("---\n")
}

fn crd_file_name(kind: Kind) -> String {
    format!("{}_{}.yaml", crate::kinds::GROUP, kind.plural())
}

const fn embedded(kind: Kind) -> &'static str {
    match kind {
        Kind::RemediationRequest => {
            include_str!("../../../deploy/crds/kubernaut.ai_remediationrequests.yaml")
        }
        Kind::SignalProcessing => {
            include_str!("../../../deploy/crds/kubernaut.ai_signalprocessings.yaml")
        }
        Kind::AIAnalysis => {
            include_str!("../../../deploy/crds/kubernaut.ai_aianalyses.yaml")
        }
        Kind::RemediationApprovalRequest => {
            include_str!("../../../deploy/crds/kubernaut.ai_remediationapprovalrequests.yaml")
        }
        Kind::WorkflowExecution => {
            include_str!("../../../deploy/crds/kubernaut.ai_workflowexecutions.yaml")
        }
        Kind::NotificationRequest => {
            include_str!("../../../deploy/crds/kubernaut.ai_notificationrequests.yaml")
        }
        Kind::EffectivenessAssessment => {
            include_str!("../../../deploy/crds/kubernaut.ai_effectivenessassessments.yaml")
        }
        Kind::RemediationWorkflow => {
            include_str!("../../../deploy/crds/kubernaut.ai_remediationworkflows.yaml")
        }
    }
}
