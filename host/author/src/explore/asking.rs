//! Asking policies outside of a cluster: one session for each question, as the host does for each decision.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use trimtab_core::members::Member;
use trimtab_core::observation::Observation;
use trimtab_core::ports::{Answer, Choice, FailStrategy, FaultReason, Interruption, Judge as _};
use trimtab_core::proposal::{Creations, Intent, Schedule, Slot};
use trimtab_policy_engine::{BUILTIN, ConfiguredPolicy, Engine, EngineConfig, Limits, PolicySet, Session};

use super::ExploreError;

/// How often a question is put again when the machine, not the policy, may be the cause of its fault.
const RETRIES: u32 = 2;

/// What a slot gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Given<T> {
    /// An answer.
    Answer(T),
    /// None.
    Fault {
        /// Stable code.
        reason: String,
        /// One line.
        message: String,
    },
}

impl<T> Given<T> {
    /// The answer, where there is one.
    pub fn answer(&self) -> Option<&T> {
        match self {
            Self::Answer(answer) => Some(answer),
            Self::Fault { .. } => None,
        }
    }

    /// The stable code of the fault, where there is one.
    pub fn fault(&self) -> Option<&str> {
        match self {
            Self::Answer(_) => None,
            Self::Fault { reason, .. } => Some(reason),
        }
    }
}

/// What the children slot gives for one intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswersToIntent {
    /// What was asked about.
    pub intent: Intent,
    /// What came.
    pub creations: Given<Creations>,
}

/// Everything that one policy gives for one observation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answers {
    /// Absent where the slot was not asked.
    pub timeouts: Option<Given<Schedule>>,
    /// Absent where the slot was not asked.
    pub transitions: Option<Given<Intent>>,
    /// One for each intent that was asked about.
    pub children: Vec<AnswersToIntent>,
}

/// What it took to give an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Fuel used.
    pub(crate) fuel: u64,
    /// Bytes logged.
    pub(crate) log_bytes: u64,
}

/// One policy in the slots that it fills; the built-in policy in the others.
#[derive(Debug)]
pub(crate) struct Panel {
    set: PolicySet,
    slots: BTreeSet<Slot>,
}

impl Panel {
    pub(crate) fn of(policy: &Arc<ConfiguredPolicy>) -> Result<Self, ExploreError> {
        let slots = policy.component().slots().clone();
        let set = if slots.len() == Slot::ALL.len() {
            PolicySet::new(Arc::clone(policy))?
        } else {
            let set = PolicySet::new(builtin()?)?;
            set.swap_all(&slots.iter().map(|slot| (*slot, Arc::clone(policy))).collect::<Vec<_>>())?;
            set
        };
        for slot in Slot::ALL {
            // No other revision may answer for the one that is looked at.
            set.set_strategy(slot, FailStrategy::Hold);
        }
        Ok(Self { set, slots })
    }

    /// The slots that the policy itself fills.
    pub(crate) fn slots(&self) -> &BTreeSet<Slot> {
        &self.slots
    }

    /// A fresh instance for one decision.
    pub(crate) fn session(&self) -> Session {
        self.set.session()
    }

    pub(crate) fn timeouts(&self, session: &mut Session, seen: &Arc<Observation>) -> (Given<Schedule>, Cost) {
        self.put(session, |session| session.timeouts(Member::FIRST, Choice::Active, seen))
    }

    pub(crate) fn transitions(
        &self,
        session: &mut Session,
        seen: &Arc<Observation>,
        expired: &[String],
    ) -> (Given<Intent>, Cost) {
        self.put(session, |session| session.transitions(Choice::Active, seen, expired))
    }

    pub(crate) fn children(
        &self,
        session: &mut Session,
        seen: &Arc<Observation>,
        intent: &Intent,
    ) -> (Given<Creations>, Cost) {
        self.put(session, |session| session.children(Choice::Active, seen, intent))
    }

    fn put<T>(
        &self,
        session: &mut Session,
        question: impl Fn(&mut Session) -> Result<Answer<T>, Interruption>,
    ) -> (Given<T>, Cost) {
        let mut answer = question(session);
        for _ in 0..RETRIES {
            // A busy machine lets the wall clock run out; a fresh instance has all of it again.
            match &answer {
                Err(Interruption::Fault(fault))
                    if matches!(fault.reason, FaultReason::DeadlineExceeded | FaultReason::Host) =>
                {
                    *session = self.session();
                    answer = question(session);
                }
                Ok(_) | Err(_) => break,
            }
        }
        match answer {
            Ok(answer) => {
                let log_bytes = answer.log.iter().map(|line| line.message.len() as u64).sum();
                (Given::Answer(answer.value), Cost { fuel: answer.fuel, log_bytes })
            }
            Err(Interruption::Fault(fault)) => {
                let given = Given::Fault { reason: fault.reason.code().to_owned(), message: fault.message };
                (given, Cost { fuel: fault.fuel, log_bytes: 0 })
            }
            Err(Interruption::Missing(fact)) => {
                let message = format!("{fact:?} was asked for and is not part of the observation");
                (Given::Fault { reason: FaultReason::FactsUnsettled.code().to_owned(), message }, Cost::default())
            }
        }
    }
}

/// Names of the deadlines of kind "ask" that have passed, of those that count now.
pub(crate) fn passed_asks(seen: &Observation, schedule: &Schedule) -> Vec<String> {
    let counts = |phase: &str| phase == "Global" || seen.phase.is_some_and(|current| current.name() == phase);
    let passed =
        schedule.deadlines.iter().filter(|one| one.on_expiry == "ask" && seen.now > one.at && counts(&one.phase));
    passed.map(|one| one.phase.clone()).collect()
}

/// The built-in policy, on an engine of its own, made once.
fn builtin() -> Result<Arc<ConfiguredPolicy>, ExploreError> {
    static MADE: OnceLock<Arc<ConfiguredPolicy>> = OnceLock::new();
    if let Some(made) = MADE.get() {
        return Ok(Arc::clone(made));
    }
    let engine = Engine::new(EngineConfig::default())?;
    let component = engine.load(BUILTIN, Limits::DEFAULT).map_err(Box::new)?;
    let policy = component.configure("").map_err(Box::new)?;
    Ok(Arc::clone(MADE.get_or_init(|| policy)))
}
