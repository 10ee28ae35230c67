//! The Kubernetes side of Trimtab: Kubernaut's kinds and its own as typed objects, and their CRDs.
//!
//! The types are read leniently: an enumeration is a `String` here and constrained in the schema only, a time is
//! kept as the text it was, and status fields are optional. So one odd object never makes a whole list unreadable.

#![expect(
    clippy::duplicated_attributes,
    reason = "printer columns repeat keys such as type_ inside one kube attribute"
)]

pub mod ai_analysis;
pub mod condition;
pub mod effectiveness_assessment;
pub mod kinds;
pub mod mapping;
pub mod notification_request;
pub mod policy;
pub mod policy_set;
pub mod reference;
pub mod remediation_approval_request;
pub mod remediation_request;
pub mod remediation_workflow;
pub mod signal_processing;
pub mod wire_time;
pub mod workflow_execution;
pub mod workflow_snapshot;

mod crds;
mod schema;

pub use ai_analysis::{AIAnalysis, AIAnalysisSpec, AIAnalysisStatus};
pub use condition::Condition;
pub use crds::{crd_files, crd_yaml, crds};
pub use effectiveness_assessment::{
    EffectivenessAssessment, EffectivenessAssessmentSpec, EffectivenessAssessmentStatus,
};
pub use kinds::{Kind, PolicyKind};
pub use notification_request::{NotificationRequest, NotificationRequestSpec, NotificationRequestStatus};
pub use policy::{Policy, PolicySpec, PolicyStatus};
pub use policy_set::{PolicySet, PolicySetSpec, PolicySetStatus};
pub use reference::{ObjectReference, TargetResource};
pub use remediation_approval_request::{
    RemediationApprovalRequest, RemediationApprovalRequestSpec, RemediationApprovalRequestStatus,
};
pub use remediation_request::{RemediationRequest, RemediationRequestSpec, RemediationRequestStatus};
pub use remediation_workflow::{RemediationWorkflow, RemediationWorkflowSpec, RemediationWorkflowStatus};
pub use signal_processing::{SignalProcessing, SignalProcessingSpec, SignalProcessingStatus};
pub use wire_time::{WireTime, WireTimeError};
pub use workflow_execution::{WorkflowExecution, WorkflowExecutionSpec, WorkflowExecutionStatus};
pub use workflow_snapshot::WorkflowSnapshot;
