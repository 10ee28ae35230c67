//! The CRDs of Kubernaut's kinds and of ours: as objects, as files and as one stream of YAML.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::CustomResourceExt as _;

use crate::kinds::Kind;
use crate::schema::{UnknownFields, make_structural};
use crate::{Policy, PolicySet};

/// Every CRD: Kubernaut's in the order of [`Kind::ALL`], then those of policies.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let kubernauts = Kind::ALL.into_iter().map(|kind| structural(kind.derived_crd(), unknown_fields(kind)));
    let own = [Policy::crd(), PolicySet::crd()].map(|crd| structural(crd, UnknownFields::Prune));
    kubernauts.chain(own).collect()
}

fn structural(mut crd: CustomResourceDefinition, unknown: UnknownFields) -> CustomResourceDefinition {
    let schemas = crd
        .spec
        .versions
        .iter_mut()
        .filter_map(|version| version.schema.as_mut())
        .filter_map(|validation| validation.open_api_v3_schema.as_mut());
    for schema in schemas {
        make_structural(schema, unknown);
    }
    crd
}

/// Of Kubernaut's kinds only the orchestrator's own is declared in full; every other schema lists what the orchestrator reads
/// or writes, so pruning there would lose what another controller wrote.
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

/// Name and text of a file under `deploy/crds`.
macro_rules! embedded {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../deploy/crds/", $name)))
    };
}

/// The generated files under `deploy/crds`, embedded: what is printed is byte for byte what was reviewed.
const FILES: [(&str, &str); 10] = [
    embedded!("kubernaut.ai_remediationrequests.yaml"),
    embedded!("kubernaut.ai_signalprocessings.yaml"),
    embedded!("kubernaut.ai_aianalyses.yaml"),
    embedded!("kubernaut.ai_remediationapprovalrequests.yaml"),
    embedded!("kubernaut.ai_workflowexecutions.yaml"),
    embedded!("kubernaut.ai_notificationrequests.yaml"),
    embedded!("kubernaut.ai_effectivenessassessments.yaml"),
    embedded!("kubernaut.ai_remediationworkflows.yaml"),
    embedded!("trimtab.dev_policies.yaml"),
    embedded!("trimtab.dev_policysets.yaml"),
];

/// File name and YAML text of each CRD, in the order of [`crds()`]. The `crd_drift` test holds them equal.
pub fn crd_files() -> Vec<(String, String)> {
    FILES.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

/// The CRDs of a group, or all of them, as one YAML stream, documents separated by `---`: ready for `kubectl apply -f -`.
pub fn crd_yaml(group: Option<&str>) -> String {
    let is_of = |name: &str| group.is_none_or(|group| name.split('_').next() == Some(group));
    let texts: Vec<_> = FILES.into_iter().filter(|(name, _)| is_of(name)).map(|(_, text)| text).collect();
    texts.join("---\n")
}
