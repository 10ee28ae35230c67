//! The kinds by name, Kubernaut's eight and our two: what an object is called, and where the API server serves it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::{ApiResource, CustomResourceExt as _};

use crate::{
    AIAnalysis, EffectivenessAssessment, NotificationRequest, Policy, PolicySet, RemediationApprovalRequest,
    RemediationRequest, RemediationWorkflow, SignalProcessing, WorkflowExecution,
};

/// API group of Kubernaut's kinds.
pub const GROUP: &str = "kubernaut.ai";
/// The one served and stored version.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of Kubernaut's objects: group and version.
pub const API_VERSION: &str = "kubernaut.ai/v1alpha1";
/// API group of our own kinds; their version is [`VERSION`] too.
pub const POLICY_GROUP: &str = "trimtab.dev";
/// Both groups.
pub const GROUPS: [&str; 2] = [GROUP, POLICY_GROUP];
/// `apiVersion` of our own objects.
pub const POLICY_API_VERSION: &str = "trimtab.dev/v1alpha1";

/// One of Kubernaut's kinds that Trimtab reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One signal, one target, one outcome; everything else is its child.
    RemediationRequest,
    /// Child: enrichment and classification of the signal.
    SignalProcessing,
    /// Child: root cause and choice of the workflow.
    AIAnalysis,
    /// Child: a person's approval.
    RemediationApprovalRequest,
    /// Child: the run of the chosen workflow.
    WorkflowExecution,
    /// Child: a message to people.
    NotificationRequest,
    /// Child: the check whether the remediation helped.
    EffectivenessAssessment,
    /// Catalogue entry; read only, when an approver overrides the workflow.
    RemediationWorkflow,
}

impl Kind {
    /// Every kind, in the order in which CRDs are listed and printed.
    pub const ALL: [Self; 8] = [
        Self::RemediationRequest,
        Self::SignalProcessing,
        Self::AIAnalysis,
        Self::RemediationApprovalRequest,
        Self::WorkflowExecution,
        Self::NotificationRequest,
        Self::EffectivenessAssessment,
        Self::RemediationWorkflow,
    ];

    /// The kind with this `kind` value, if it is one of ours.
    pub fn from_kind(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.kind() == kind)
    }

    /// `kind` of its objects.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::RemediationRequest => "RemediationRequest",
            Self::SignalProcessing => "SignalProcessing",
            Self::AIAnalysis => "AIAnalysis",
            Self::RemediationApprovalRequest => "RemediationApprovalRequest",
            Self::WorkflowExecution => "WorkflowExecution",
            Self::NotificationRequest => "NotificationRequest",
            Self::EffectivenessAssessment => "EffectivenessAssessment",
            Self::RemediationWorkflow => "RemediationWorkflow",
        }
    }

    /// Plural, lower-case name in API paths.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::RemediationRequest => "remediationrequests",
            Self::SignalProcessing => "signalprocessings",
            Self::AIAnalysis => "aianalyses",
            Self::RemediationApprovalRequest => "remediationapprovalrequests",
            Self::WorkflowExecution => "workflowexecutions",
            Self::NotificationRequest => "notificationrequests",
            Self::EffectivenessAssessment => "effectivenessassessments",
            Self::RemediationWorkflow => "remediationworkflows",
        }
    }

    /// What a dynamic client needs to address this kind.
    pub fn api_resource(self) -> ApiResource {
        ApiResource {
            group: GROUP.to_owned(),
            version: VERSION.to_owned(),
            api_version: API_VERSION.to_owned(),
            kind: self.kind().to_owned(),
            plural: self.plural().to_owned(),
        }
    }

    /// The CRD as derived from the type, before [`crate::crds()`] makes its schema structural.
    pub(crate) fn derived_crd(self) -> CustomResourceDefinition {
        match self {
            Self::RemediationRequest => RemediationRequest::crd(),
            Self::SignalProcessing => SignalProcessing::crd(),
            Self::AIAnalysis => AIAnalysis::crd(),
            Self::RemediationApprovalRequest => RemediationApprovalRequest::crd(),
            Self::WorkflowExecution => WorkflowExecution::crd(),
            Self::NotificationRequest => NotificationRequest::crd(),
            Self::EffectivenessAssessment => EffectivenessAssessment::crd(),
            Self::RemediationWorkflow => RemediationWorkflow::crd(),
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.kind())
    }
}

/// One of our own kinds: what policies are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyKind {
    /// A component by its source.
    Policy,
    /// Which policies answer for which remediations.
    PolicySet,
}

impl PolicyKind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Policy, Self::PolicySet];

    /// `kind` of its objects.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Policy => "Policy",
            Self::PolicySet => "PolicySet",
        }
    }

    /// What a dynamic client needs to address this kind.
    pub fn api_resource(self) -> ApiResource {
        match self {
            Self::Policy => ApiResource::erase::<Policy>(&()),
            Self::PolicySet => ApiResource::erase::<PolicySet>(&()),
        }
    }
}

impl std::fmt::Display for PolicyKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.kind())
    }
}
