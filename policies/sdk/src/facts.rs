//! Facts behind a trait: the host's answers in a component, plain data in a native test.

use crate::bindings::imports::facts as host;
use crate::fact::{
    AnalysisFacts, ApprovalFacts, AssessmentFacts, ClassificationFacts, ExecutionFacts, RelatedRemediationsPage,
    RemediationHistoryPage, RoutingFacts, ScopeFacts, SignalFacts, SignalRemediationsPage, TargetExecutionsPage,
    WorkflowOverrideFacts,
};
use crate::scopes;

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
    /// Whether the target is under management. Gathered when asked for.
    fn scope(&self) -> ScopeFacts;
    /// What is written on this remediation about its way so far.
    fn routing(&self) -> RoutingFacts;
    /// Other remediations in this namespace with this fingerprint, as routing sees them. Gathered when asked for.
    fn signal_remediations(&self) -> SignalRemediationsPage;
    /// Executions on the object to be healed; asking takes the object's lock. Gathered when asked for.
    fn target_executions(&self) -> TargetExecutionsPage;
    /// What was done to the object to be healed within these hours, at most 168. Gathered when asked for, and the
    /// executions on the object with it: where you need both, ask for this first.
    fn remediation_history(&self, hours: u32) -> RemediationHistoryPage;
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
    fn scope(&self) -> ScopeFacts {
        host::scope()
    }
    fn routing(&self) -> RoutingFacts {
        host::routing()
    }
    fn signal_remediations(&self) -> SignalRemediationsPage {
        host::signal_remediations()
    }
    fn target_executions(&self) -> TargetExecutionsPage {
        host::target_executions()
    }
    fn remediation_history(&self, hours: u32) -> RemediationHistoryPage {
        host::remediation_history(hours)
    }
}

/// Facts as plain data, for native tests. By default nothing stands in a remediation's way: its target is under
/// management and locked for it, and there is nobody else.
#[derive(Debug, Clone, PartialEq)]
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
    /// Answer of [`Facts::scope`].
    pub scope: ScopeFacts,
    /// Answer of [`Facts::routing`].
    pub routing: RoutingFacts,
    /// Answer of [`Facts::signal_remediations`].
    pub signal_remediations: SignalRemediationsPage,
    /// Answer of [`Facts::target_executions`].
    pub target_executions: TargetExecutionsPage,
    /// Answer of [`Facts::remediation_history`], whatever hours are asked for.
    pub remediation_history: RemediationHistoryPage,
}

impl Default for FakeFacts {
    fn default() -> Self {
        Self {
            host_capabilities: Vec::new(),
            signal: SignalFacts::default(),
            classification: None,
            analysis: None,
            approval: None,
            execution: None,
            assessment: None,
            workflow_override: None,
            related_remediations: RelatedRemediationsPage::default(),
            objects: std::collections::BTreeMap::new(),
            scope: ScopeFacts { verdict: scopes::MANAGED.to_owned(), because: String::new() },
            routing: RoutingFacts::default(),
            signal_remediations: SignalRemediationsPage::default(),
            target_executions: TargetExecutionsPage { locked: true, ..TargetExecutionsPage::default() },
            remediation_history: RemediationHistoryPage { available: true, ..RemediationHistoryPage::default() },
        }
    }
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
    fn scope(&self) -> ScopeFacts {
        self.scope.clone()
    }
    fn routing(&self) -> RoutingFacts {
        self.routing.clone()
    }
    fn signal_remediations(&self) -> SignalRemediationsPage {
        self.signal_remediations.clone()
    }
    fn target_executions(&self) -> TargetExecutionsPage {
        self.target_executions.clone()
    }
    fn remediation_history(&self, _hours: u32) -> RemediationHistoryPage {
        self.remediation_history.clone()
    }
}
