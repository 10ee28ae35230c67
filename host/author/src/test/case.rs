//! A test case: an observation, and what a policy is to make of it step by step.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trimtab_core::guardrails::RefusalReason;
use trimtab_core::ports::FaultReason;

use crate::document;
use crate::error::{AuthorError, Finding};
use crate::intent::IntentDocument;
use crate::observation::{Length, ObservationDocument, PhaseWord, Time};

/// One case. A file may hold several as YAML documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Test case")]
pub struct CaseDocument {
    /// One sentence that says what holds.
    pub name: String,
    /// Where it begins.
    #[serde(default)]
    pub observation: Option<ObservationDocument>,
    /// File to take the observation from, beside this one; what `observation` says comes on top.
    #[serde(default)]
    pub observation_file: Option<PathBuf>,
    /// The policy's config; default: the project's.
    #[serde(default)]
    pub config: Option<Value>,
    /// File to take the config from, beside this one.
    #[serde(default)]
    pub config_file: Option<PathBuf>,
    /// Why the case is passed over for now.
    #[serde(default)]
    pub skip: Option<String>,
    /// What happens, in this order.
    pub steps: Vec<StepDocument>,
}

/// One step: any of `set`, `advance`, `expect` and `apply`, carried out in this order.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct StepDocument {
    /// Changes the observation: what is named changes, children go by their kind.
    pub set: Option<ObservationDocument>,
    /// Lets time pass; with `until` again and again.
    pub advance: Option<Length>,
    /// Until when `advance` is repeated.
    pub until: Option<Until>,
    /// With `until`: how long at most; default: 24h.
    pub at_most: Option<Length>,
    /// What has to be true now.
    pub expect: Option<Expectation>,
    /// Moves the observation along the host's own plan.
    pub apply: Option<bool>,
}

/// What `advance` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Until {
    /// A deadline that the policy has set has passed.
    Expired,
    /// The host has a step to carry out.
    Step,
}

/// What has to be true; only what is named is compared.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Expectation {
    /// Deadlines by phase; null: there is none for this phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadlines: Option<BTreeMap<String, Option<DeadlineExpectation>>>,
    /// Budgets by phase; null: there is none for this phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budgets: Option<BTreeMap<String, Option<Length>>>,
    /// The transitions slot's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent: Option<IntentDocument>,
    /// What is created, each found by kind and purpose; an empty list: nothing is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creations: Option<Vec<CreationExpectation>>,
    /// Codes of the rules that decided, by slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<BTreeMap<String, String>>,
    /// What the host makes of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<StepExpectation>,
    /// Reason of a fault: `FuelExhausted`, `PolicyFailure`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Reason of the guardrails' refusal: `PatchForbidden`, `EdgeIllegal`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// One deadline; only what is named is compared.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct DeadlineExpectation {
    /// The last moment in time.
    pub at: Option<Time>,
    /// "time-out", "fail" or "ask".
    pub on_expiry: Option<String>,
    /// The length behind `at`.
    pub duration: Option<Length>,
    /// Merge patch of the notice.
    pub notice: Option<Value>,
}

/// One object to create; only what is named is compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CreationExpectation {
    /// Its kind.
    pub kind: String,
    /// Purpose of a notification.
    #[serde(default)]
    pub purpose: Option<String>,
    /// Members of its merge patch.
    #[serde(default)]
    pub patch: Option<Value>,
}

/// What the host does; only what is named is compared.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct StepExpectation {
    /// The phase after it; that of the observation where the remediation stays.
    pub to: Option<PhaseWord>,
    /// The outcome that it reaches.
    pub outcome: Option<String>,
    /// When the host looks again if nothing changes.
    pub wake_at: Option<Time>,
}

/// A case in its file.
#[derive(Debug, Clone)]
pub struct Case {
    /// The file.
    pub file: PathBuf,
    /// What it says.
    pub document: CaseDocument,
    /// Where it begins, the file of `observationFile` read.
    pub observation: ObservationDocument,
}

/// Reads every case of a file.
pub fn read_cases(file: &Path) -> Result<Vec<Case>, AuthorError> {
    let (name, text) = (file.display().to_string(), document::read_text("test file", file)?);
    let documents: Vec<CaseDocument> = document::parse_all(&name, &text)?;
    if documents.is_empty() {
        return Err(Finding::whole(&name, "there is no case in it: begin with name and steps").into());
    }
    documents.into_iter().map(|document| case(file, document)).collect()
}

fn case(file: &Path, document: CaseDocument) -> Result<Case, AuthorError> {
    let wrong = |message: String| {
        AuthorError::from(Finding::whole(&file.display().to_string(), format!("case \"{}\": {message}", document.name)))
    };
    let mut observation = match &document.observation_file {
        Some(named) => document::read("observation", &beside(file, named))?,
        None => ObservationDocument::default(),
    };
    if let Some(told) = &document.observation {
        observation = crate::observation::merge(&observation, told).map_err(wrong)?;
    }
    observation.observation().map_err(wrong)?;
    if document.config.is_some() && document.config_file.is_some() {
        return Err(wrong("give config or configFile, not both".to_owned()));
    }
    if document.steps.is_empty() {
        return Err(wrong("it has no steps: begin with expect".to_owned()));
    }
    for (place, step) in document.steps.iter().enumerate() {
        check(step).map_err(|message| wrong(format!("step {}: {message}", place + 1)))?;
    }
    Ok(Case { file: file.to_owned(), document, observation })
}

/// A path beside a file.
pub(crate) fn beside(file: &Path, named: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new(".")).join(named)
}

fn check(step: &StepDocument) -> Result<(), String> {
    let does_something =
        step.set.is_some() || step.advance.is_some() || step.expect.is_some() || step.apply == Some(true);
    if !does_something {
        return Err("it does nothing: give expect, set, advance or apply".to_owned());
    }
    if (step.until.is_some() || step.at_most.is_some()) && step.advance.is_none() {
        return Err("until and atMost need advance".to_owned());
    }
    if step.at_most.is_some() && step.until.is_none() {
        return Err("atMost needs until".to_owned());
    }
    if step.advance.is_some_and(|length| length.0.as_millis() == 0) {
        return Err("advance is 0: time has to pass".to_owned());
    }
    let Some(expect) = &step.expect else { return Ok(()) };
    if let Some(reason) = &expect.fault
        && !FaultReason::ALL.iter().any(|known| known.code() == reason)
    {
        return Err(format!(
            "no fault has the reason \"{reason}\": use one of {}",
            FaultReason::ALL.map(FaultReason::code).join(", ")
        ));
    }
    if let Some(reason) = &expect.refused
        && !RefusalReason::ALL.iter().any(|known| known.code() == reason)
    {
        let known = RefusalReason::ALL.map(RefusalReason::code).join(", ");
        return Err(format!("no refusal has the reason \"{reason}\": use one of {known}"));
    }
    Ok(())
}
