//! Facts behind a trait: the host's answers in a component, plain data in a native test.

use crate::bindings::imports::facts as host;
use crate::fact::{
    AnalysisFacts, ApprovalFacts, AssessmentFacts, ClassificationFacts, ExecutionFacts, RelatedRemediationsPage,
    SignalFacts, WorkflowOverrideFacts,
};

/// Read-only questions about the recorded observation. Ask only what the answer depends on: a question may make the host
/// gather, and a component imports only the functions that it can call.
pub trait Facts {
    /// What this host can do beyond the package's version: names to test for, sorted.
    fn host_capabilities(&self) -> Vec<String>;
    /// The signal.
    fn signal(&self) -> SignalFacts;
    /// What signal processing found; absent until it has completed.
    fn classification(&self) -> Option<ClassificationFacts>;
    /// The current attempt's analysis; absent until it exists.
    fn analysis(&self) -> Option<AnalysisFacts>;
    /// The current attempt's approval request; absent until it exists.
    fn approval(&self) -> Option<ApprovalFacts>;
    /// The current attempt's execution; absent until it exists.
    fn execution(&self) -> Option<ExecutionFacts>;
    /// The assessment; absent until it exists.
    fn assessment(&self) -> Option<AssessmentFacts>;
    /// The approved override; absent where there is none. Gathered when asked for.
    fn workflow_override(&self) -> Option<WorkflowOverrideFacts>;
    /// Other remediations in this namespace with this fingerprint. Gathered when asked for.
    fn related_remediations(&self) -> RelatedRemediationsPage;
    /// The whole object as JSON, masked paths masked; `kind` is `RemediationRequest` or the kind of a child.
    fn object_json(&self, kind: &str) -> Option<String>;
}

/// The host's answers. Works inside a component only.
#[derive(Debug, Clone, Copy)]
pub struct HostFacts;

impl Facts for HostFacts {
    fn host_capabilities(&self) -> Vec<String> {
        host::host_capabilities()
    }
    fn signal(&self) -> SignalFacts {
        host::signal()
    }
    fn classification(&self) -> Option<ClassificationFacts> {
        host::classification()
    }
    fn analysis(&self) -> Option<AnalysisFacts> {
        host::analysis()
    }
    fn approval(&self) -> Option<ApprovalFacts> {
        host::approval()
    }
    fn execution(&self) -> Option<ExecutionFacts> {
        host::execution()
    }
    fn assessment(&self) -> Option<AssessmentFacts> {
        host::assessment()
    }
    fn workflow_override(&self) -> Option<WorkflowOverrideFacts> {
        host::workflow_override()
    }
    fn related_remediations(&self) -> RelatedRemediationsPage {
        host::related_remediations()
    }
    fn object_json(&self, kind: &str) -> Option<String> {
        host::object_json(kind)
    }
}

/// Facts as plain data, for native tests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FakeFacts {
    /// Answer of [`Facts::host_capabilities`].
    pub host_capabilities: Vec<String>,
    /// Answer of [`Facts::signal`].
    pub signal: SignalFacts,
    /// Answer of [`Facts::classification`].
    pub classification: Option<ClassificationFacts>,
    /// Answer of [`Facts::analysis`].
    pub analysis: Option<AnalysisFacts>,
    /// Answer of [`Facts::approval`].
    pub approval: Option<ApprovalFacts>,
    /// Answer of [`Facts::execution`].
    pub execution: Option<ExecutionFacts>,
    /// Answer of [`Facts::assessment`].
    pub assessment: Option<AssessmentFacts>,
    /// Answer of [`Facts::workflow_override`].
    pub workflow_override: Option<WorkflowOverrideFacts>,
    /// Answer of [`Facts::related_remediations`].
    pub related_remediations: RelatedRemediationsPage,
    /// Answers of [`Facts::object_json`] by kind.
    pub objects: std::collections::BTreeMap<String, String>,
}

impl Facts for FakeFacts {
    fn host_capabilities(&self) -> Vec<String> {
        self.host_capabilities.clone()
    }
    fn signal(&self) -> SignalFacts {
        self.signal.clone()
    }
    fn classification(&self) -> Option<ClassificationFacts> {
        self.classification.clone()
    }
    fn analysis(&self) -> Option<AnalysisFacts> {
        self.analysis.clone()
    }
    fn approval(&self) -> Option<ApprovalFacts> {
        self.approval.clone()
    }
    fn execution(&self) -> Option<ExecutionFacts> {
        self.execution.clone()
    }
    fn assessment(&self) -> Option<AssessmentFacts> {
        self.assessment.clone()
    }
    fn workflow_override(&self) -> Option<WorkflowOverrideFacts> {
        self.workflow_override.clone()
    }
    fn related_remediations(&self) -> RelatedRemediationsPage {
        self.related_remediations.clone()
    }
    fn object_json(&self, kind: &str) -> Option<String> {
        self.objects.get(kind).cloned()
    }
}
