//! The laws of the stand-ins: how long each step takes and how it ends.

use serde::{Deserialize, Serialize};

use super::outcomes::{
    AnalysisOutcome, ApprovalOutcome, AssessmentOutcome, ExecutionOutcome, NotificationOutcome, ProcessingOutcome,
};

/// Longest latency: a week.
pub(super) const LATENCY_SECONDS_MAX: f64 = 7.0 * 86_400.0;

/// Latency and outcomes of every service, and the seed of the draws.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Laws {
    /// Seed of all draws.
    pub seed: u64,
    /// `SignalProcessing`.
    pub signal_processing: Law<ProcessingOutcome>,
    /// `AIAnalysis`.
    pub analysis: Law<AnalysisOutcome>,
    /// The person who decides a `RemediationApprovalRequest`.
    pub approval: Law<ApprovalOutcome>,
    /// `WorkflowExecution`.
    pub execution: Law<ExecutionOutcome>,
    /// `EffectivenessAssessment`.
    pub assessment: Law<AssessmentOutcome>,
    /// `NotificationRequest`.
    pub notification: Law<NotificationOutcome>,
}

/// How long one service takes, and how often it ends in which way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Law<O> {
    /// Time from the object's creation to its end.
    pub latency: Latency,
    /// At least one of positive weight.
    pub outcomes: Vec<Weighted<O>>,
}

/// A uniform distribution, in seconds: `0 <= min_seconds <= max_seconds <= 604800`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Shortest.
    pub min_seconds: f64,
    /// Longest.
    pub max_seconds: f64,
}

/// An outcome and its weight relative to the others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weighted<O> {
    /// Finite, not negative.
    pub weight: f64,
    /// The outcome.
    pub outcome: O,
}

/// Why laws cannot be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LawsError {
    /// The text is neither YAML nor JSON of this shape.
    #[error("read the laws of the stand-ins: {0}")]
    Malformed(String),
    /// The latency is not within its bounds.
    #[error("law {law}: latency {min_seconds} to {max_seconds} seconds; wanted 0 <= min <= max <= 604800")]
    Latency {
        /// The service.
        law: &'static str,
        /// What was given.
        min_seconds: f64,
        /// What was given.
        max_seconds: f64,
    },
    /// The weights cannot be drawn from.
    #[error("law {law}: weights must be finite and not negative, and one must be positive")]
    Weights {
        /// The service.
        law: &'static str,
    },
}

impl Laws {
    /// Reads laws from YAML or JSON; what is left out keeps its default.
    pub fn parse(text: &str) -> Result<Self, LawsError> {
        let laws: Self = serde_saphyr::from_str(text).map_err(|error| LawsError::Malformed(error.to_string()))?;
        laws.check()?;
        Ok(laws)
    }

    /// Whether every law can be followed.
    pub(super) fn check(&self) -> Result<(), LawsError> {
        self.signal_processing.check("signalProcessing")?;
        self.analysis.check("analysis")?;
        self.approval.check("approval")?;
        self.execution.check("execution")?;
        self.assessment.check("assessment")?;
        self.notification.check("notification")
    }
}

impl<O> Law<O> {
    fn new(min_seconds: f64, max_seconds: f64, outcomes: impl IntoIterator<Item = (f64, O)>) -> Self {
        Self {
            latency: Latency { min_seconds, max_seconds },
            outcomes: outcomes.into_iter().map(|(weight, outcome)| Weighted { weight, outcome }).collect(),
        }
    }

    fn check(&self, law: &'static str) -> Result<(), LawsError> {
        let Latency { min_seconds, max_seconds } = self.latency;
        // Written so that a NaN is refused too.
        if !(0.0 <= min_seconds && min_seconds <= max_seconds && max_seconds <= LATENCY_SECONDS_MAX) {
            return Err(LawsError::Latency { law, min_seconds, max_seconds });
        }
        let weights = || self.outcomes.iter().map(|weighted| weighted.weight);
        if weights().all(|weight| weight.is_finite() && weight >= 0.0) && weights().any(|weight| weight > 0.0) {
            return Ok(());
        }
        Err(LawsError::Weights { law })
    }
}

impl Default for Laws {
    /// Seconds instead of minutes, mostly good ends: what a demonstration wants.
    fn default() -> Self {
        Self {
            seed: 0,
            signal_processing: Law::new(0.5, 2.0, [(1.0, ProcessingOutcome::Completed)]),
            analysis: Law::new(
                2.0,
                6.0,
                [
                    (70.0, AnalysisOutcome::Workflow),
                    (15.0, AnalysisOutcome::Approval),
                    (7.0, AnalysisOutcome::NoWorkflow),
                    (5.0, AnalysisOutcome::ManualReview),
                    (3.0, AnalysisOutcome::Failed),
                ],
            ),
            approval: Law::new(2.0, 10.0, [(85.0, ApprovalOutcome::Approved), (15.0, ApprovalOutcome::Rejected)]),
            execution: Law::new(2.0, 8.0, [(92.0, ExecutionOutcome::Completed), (8.0, ExecutionOutcome::Failed)]),
            assessment: Law::new(
                2.0,
                5.0,
                [
                    (90.0, AssessmentOutcome::Full),
                    (7.0, AssessmentOutcome::Partial),
                    (3.0, AssessmentOutcome::Ineffective),
                ],
            ),
            notification: Law::new(0.2, 1.0, [(1.0, NotificationOutcome::Sent)]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laws_are_read_from_yaml_and_json() {
        let laws = Laws::parse("seed: 7\nexecution:\n  latency: {min_seconds: 1, max_seconds: 2.5}\n  outcomes: [{weight: 1, outcome: Failed}]\n").unwrap();
        assert_eq!((laws.seed, laws.execution.latency.max_seconds), (7, 2.5));
        assert_eq!(laws.analysis, Laws::default().analysis);
        let json = serde_json::to_string(&laws).unwrap();
        assert_eq!(Laws::parse(&json).unwrap(), laws);
    }

    #[test]
    fn impossible_laws_are_refused() {
        for text in [
            "seeds: 1",
            "execution: {latency: {min_seconds: 3, max_seconds: 2}, outcomes: [{weight: 1, outcome: Failed}]}",
            "execution: {latency: {min_seconds: -1, max_seconds: 2}, outcomes: [{weight: 1, outcome: Failed}]}",
            "execution: {latency: {min_seconds: 1, max_seconds: .nan}, outcomes: [{weight: 1, outcome: Failed}]}",
            "execution: {latency: {min_seconds: 1, max_seconds: 2}, outcomes: []}",
            "execution: {latency: {min_seconds: 1, max_seconds: 2}, outcomes: [{weight: 0, outcome: Failed}]}",
        ] {
            assert!(Laws::parse(text).is_err(), "{text}");
        }
    }
}
