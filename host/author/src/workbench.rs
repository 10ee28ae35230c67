//! Loads policies and asks their slots, by the engine that decides in a cluster.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use trimtab_core::members::Member;
use trimtab_core::observation::Observation;
use trimtab_core::ports::{Answer, Choice, FailStrategy, Fault, FaultReason, Interruption, Judge};
use trimtab_core::proposal::{Creations, Intent, Schedule, Slot};
use trimtab_core::time::Timestamp;
use trimtab_policy_engine::{
    BUILTIN, Component, ConfigError, ConfiguredPolicy, Engine, EngineConfig, Limits, PolicySet, Session,
};

use crate::document::{self, Places};
use crate::error::{AuthorError, Finding};

/// What a config document is read from.
#[derive(Debug, Clone, Copy)]
pub enum ConfigSource<'a> {
    /// None: the policy's defaults.
    Default,
    /// A YAML or JSON file.
    File(&'a Path),
    /// A member of another document, whose place is named in errors.
    Inline(&'a Value, &'a str),
}

/// The engine, and the default policy for the slots that a policy leaves.
#[derive(Debug)]
pub struct Workbench {
    engine: Engine,
}

impl Workbench {
    /// Sets up the engine.
    pub fn new(engine: EngineConfig) -> Result<Self, AuthorError> {
        Ok(Self { engine: Engine::new(engine)? })
    }

    /// With an engine that is there.
    pub fn of(engine: Engine) -> Self {
        Self { engine }
    }

    /// Takes a component file through every check of the host. Refuses what no cluster would take.
    pub fn load(&self, file: &Path, limits: Limits) -> Result<(Arc<Component>, Vec<u8>), AuthorError> {
        let bytes = std::fs::read(file).map_err(|error| AuthorError::read("component", file, error))?;
        let component = self
            .engine
            .load(&bytes, limits)
            .map_err(|source| AuthorError::Component { file: file.display().to_string(), source: Box::new(source) })?;
        Ok((component, bytes))
    }

    /// Gives a component its config.
    pub fn configure(
        &self,
        component: &Arc<Component>,
        config: ConfigSource<'_>,
    ) -> Result<Arc<ConfiguredPolicy>, AuthorError> {
        let (text, name, places) = match config {
            ConfigSource::Default => (String::new(), "the default config".to_owned(), None),
            ConfigSource::Inline(value, place) => (value.to_string(), place.to_owned(), None),
            ConfigSource::File(file) => {
                let (name, text) = (file.display().to_string(), document::read_text("config", file)?);
                let value: Value = document::parse(&name, &text)?;
                (value.to_string(), name, Some(Places::of(&text)))
            }
        };
        component.configure(&text).map_err(|error| match (&error, &places) {
            (ConfigError::Invalid { .. }, Some(places)) => {
                match config_findings(&name, &error, places).into_iter().next() {
                    Some(finding) => AuthorError::Document(finding),
                    None => AuthorError::Config { file: name, source: Box::new(error) },
                }
            }
            _ => AuthorError::Config { file: name, source: Box::new(error) },
        })
    }

    /// The policy in the slots that it fills, the default policy in the others; nobody answers for a faulted slot.
    pub fn set_of(&self, policy: &Arc<ConfiguredPolicy>) -> Result<PolicySet, AuthorError> {
        let filled = policy.component().slots();
        let set = if filled.len() == Slot::ALL.len() {
            PolicySet::new(Arc::clone(policy))?
        } else {
            let default =
                self.engine.load(BUILTIN, Limits::default()).map_err(|error| AuthorError::Host(error.to_string()))?;
            let default = default.configure("").map_err(|error| AuthorError::Host(error.to_string()))?;
            PolicySet::new(default)?
        };
        for slot in filled {
            set.swap(*slot, policy)?;
        }
        for slot in Slot::ALL {
            set.set_strategy(slot, FailStrategy::Hold);
        }
        Ok(set)
    }
}

/// Every fault of a config, at its place.
pub fn config_findings(file: &str, error: &ConfigError, places: &Places) -> Vec<Finding> {
    let ConfigError::Invalid { faults, .. } = error else { return vec![Finding::whole(file, error.to_string())] };
    let finding = |fault: &trimtab_policy_engine::ConfigFault| {
        let (line, column) = places.at(&fault.path).unwrap_or((0, 0));
        let message =
            if fault.path.is_empty() { fault.message.clone() } else { format!("{}: {}", fault.path, fault.message) };
        Finding { file: file.to_owned(), line, column, message }
    };
    faults.iter().map(finding).collect()
}

/// The limits in a file, or the default ones.
pub fn limits_of(file: Option<&Path>) -> Result<Limits, AuthorError> {
    file.map_or(Ok(Limits::DEFAULT), |file| document::read("limits", file))
}

/// What one slot said, and what it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Told<T> {
    /// The answer, or the fault.
    pub outcome: Result<Answer<T>, Fault>,
    /// Bytes of memory of the instance; absent after a fault, when it is gone.
    pub memory_bytes: Option<u64>,
    /// Time on this machine's clock.
    pub wall: Duration,
}

impl<T> Told<T> {
    /// Fuel used, also by an evaluation that faulted.
    pub fn fuel(&self) -> u64 {
        match &self.outcome {
            Ok(answer) => answer.fuel,
            Err(fault) => fault.fuel,
        }
    }

    /// The answer, if there is one.
    pub fn value(&self) -> Option<&T> {
        self.outcome.as_ref().ok().map(|answer| &answer.value)
    }
}

/// What is asked of one observation.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// The slots whose answers are wanted.
    pub slots: BTreeSet<Slot>,
    /// Phases whose "ask" deadline has passed; `None`: what follows from the timeouts slot.
    pub expired: Option<Vec<String>>,
    /// The intent that the children slot is told; `None`: the transitions slot's answer.
    pub intent: Option<Intent>,
}

/// The answers of the slots that were asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    /// Of the timeouts slot.
    pub schedule: Option<Told<Schedule>>,
    /// Of the transitions slot.
    pub intent: Option<Told<Intent>>,
    /// Of the children slot; absent where the intent is to stay.
    pub creations: Option<Told<Creations>>,
}

/// Asks the slots in the host's order, in one instance for each component. What another slot's answer is needed for is
/// asked of whoever fills that slot.
pub fn ask(set: &PolicySet, observation: &Arc<Observation>, question: &Question) -> Answers {
    let mut session = set.session();
    let mut answers = Answers::default();
    let wants = |slot| question.slots.contains(&slot);
    let needs_intent = wants(Slot::Transitions) || (wants(Slot::Children) && question.intent.is_none());
    let needs_schedule = wants(Slot::Timeouts) || (needs_intent && question.expired.is_none());
    if needs_schedule {
        answers.schedule =
            Some(timed(&mut session, |judge| judge.timeouts(Member::FIRST, Choice::Active, observation)));
    }
    if needs_intent {
        let expired = question.expired.clone().unwrap_or_else(|| {
            let schedule = answers.schedule.as_ref().and_then(Told::value);
            schedule.map_or_else(Vec::new, |schedule| asked_about(schedule, observation))
        });
        answers.intent = Some(timed(&mut session, |judge| judge.transitions(Choice::Active, observation, &expired)));
    }
    if wants(Slot::Children) {
        let answered = answers.intent.as_ref().and_then(Told::value).cloned();
        if let Some(intent) = question.intent.clone().or(answered).filter(|intent| intent.kind != "stay") {
            answers.creations = Some(timed(&mut session, |judge| judge.children(Choice::Active, observation, &intent)));
        }
    }
    if !wants(Slot::Timeouts) {
        answers.schedule = None;
    }
    if !wants(Slot::Transitions) {
        answers.intent = None;
    }
    answers
}

/// Names of the deadlines that have passed and ask.
fn asked_about(schedule: &Schedule, observation: &Observation) -> Vec<String> {
    let current = observation.phase.map_or("", trimtab_core::phase::Phase::name);
    let passed = passed(schedule, observation.now);
    passed
        .filter(|deadline| deadline.on_expiry == "ask" && (deadline.phase == current || deadline.phase == "Global"))
        .map(|deadline| deadline.phase.clone())
        .collect()
}

/// The deadlines that have passed at this moment.
pub fn passed(schedule: &Schedule, now: Timestamp) -> impl Iterator<Item = &trimtab_core::proposal::Deadline> {
    schedule.deadlines.iter().filter(move |deadline| now > deadline.at)
}

fn timed<T>(session: &mut Session, question: impl FnOnce(&mut Session) -> Result<Answer<T>, Interruption>) -> Told<T> {
    let started = Instant::now();
    let outcome = question(session).map_err(|interruption| match interruption {
        Interruption::Fault(fault) => fault,
        Interruption::Missing(fact) => Fault {
            reason: FaultReason::FactsUnsettled,
            message: format!("asked for {fact:?}, which this observation does not hold"),
            revision: None,
            fuel: 0,
        },
    });
    let wall = started.elapsed();
    let memory_bytes = outcome.is_ok().then(|| session.memory_bytes());
    Told { outcome, memory_bytes, wall }
}
