//! Scripts: what a remediation's annotation says about its own steps.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use kube::Client;
use kube::api::{Api, DynamicObject};
use serde::Deserialize;
use serde_json::Value;
use trimtab_api::Kind;

use super::SCRIPT_ANNOTATION;
use super::laws::LATENCY_SECONDS_MAX;
use super::outcomes::{
    AnalysisOutcome, ApprovalOutcome, AssessmentOutcome, ExecutionOutcome, NotificationOutcome, ProcessingOutcome,
};

/// Remediations that a warning is remembered for; after that, it may be repeated.
const WARNED_MAX: usize = 1024;

/// The script of one remediation.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Script {
    pub(super) signal_processing: Step<ProcessingOutcome>,
    pub(super) analysis: Step<AnalysisOutcome>,
    pub(super) approval: Step<ApprovalOutcome>,
    pub(super) execution: Step<ExecutionOutcome>,
    pub(super) assessment: Step<AssessmentOutcome>,
    pub(super) notification: Step<NotificationOutcome>,
}

/// One scripted step; what is absent is drawn.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step<O> {
    pub(super) seconds: Option<f64>,
    pub(super) outcome: Option<O>,
    pub(super) message: Option<String>,
}

impl<O> Default for Step<O> {
    fn default() -> Self {
        Self { seconds: None, outcome: None, message: None }
    }
}

impl Script {
    fn parse(text: &str) -> Result<Self, String> {
        let script: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let seconds = [
            script.signal_processing.seconds,
            script.analysis.seconds,
            script.approval.seconds,
            script.execution.seconds,
            script.assessment.seconds,
            script.notification.seconds,
        ];
        match seconds.into_iter().flatten().find(|seconds| !(0.0..=LATENCY_SECONDS_MAX).contains(seconds)) {
            Some(seconds) => Err(format!("seconds: {seconds}; wanted 0 to {LATENCY_SECONDS_MAX}")),
            None => Ok(script),
        }
    }
}

/// Looks up the scripts of remediations.
#[derive(Clone)]
pub(super) struct Scripts {
    remediations: Api<DynamicObject>,
    warned: Arc<Mutex<BTreeSet<String>>>,
}

impl Scripts {
    pub(super) fn new(client: Client, namespace: &str) -> Self {
        let resource = Kind::RemediationRequest.api_resource();
        Self { remediations: Api::namespaced_with(client, namespace, &resource), warned: Arc::default() }
    }

    /// The script of the remediation that `child` belongs to; empty where there is none.
    pub(super) async fn of(&self, child: &DynamicObject) -> kube::Result<Script> {
        let spec = &child.data["spec"];
        // An assessment names its remediation by correlation alone.
        let named = spec["remediationRequestRef"]["name"].as_str().or_else(|| spec["correlationID"].as_str());
        let Some(remediation) = named else { return Ok(Script::default()) };
        let Some(object) = self.remediations.get_opt(remediation).await? else {
            return Ok(Script::default());
        };
        let Value::String(text) = &object.data["spec"]["signalAnnotations"][SCRIPT_ANNOTATION] else {
            return Ok(Script::default());
        };
        Ok(Script::parse(text).unwrap_or_else(|error| {
            self.warn_once(remediation, &error);
            Script::default()
        }))
    }

    fn warn_once(&self, remediation: &str, error: &str) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() >= WARNED_MAX {
            warned.clear();
        }
        if warned.insert(remediation.to_owned()) {
            tracing::warn!(remediation, error, "script of the stand-ins not understood; outcomes are drawn");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_strict() {
        let script = Script::parse(r#"{"analysis": {"seconds": 2, "outcome": "Approval"}, "approval": {"outcome": "Rejected", "message": "too risky"}}"#).unwrap();
        assert_eq!(script.analysis.outcome, Some(AnalysisOutcome::Approval));
        assert_eq!((script.approval.seconds, script.approval.message.as_deref()), (None, Some("too risky")));
        for text in ["{", r#"{"odd": {}}"#, r#"{"analysis": {"seconds": -1}}"#, r#"{"analysis": {"outcome": "Maybe"}}"#]
        {
            assert!(Script::parse(text).is_err(), "{text}");
        }
    }
}
