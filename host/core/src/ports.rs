//! What the core needs from the outside, as traits that adapters fill.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::audit::AuditEvent;
use crate::decide::Decision;
use crate::members::{Member, Members, Seat};
use crate::observation::{LazyFact, Observation};
use crate::plan::Plan;
use crate::proposal::{Creations, Intent, Schedule, Slot};
use crate::record::{Revision, SetRevision};
use crate::time::Timestamp;

mod history;

pub use history::{History, HistoryAnswer, HistoryFailure, HistoryQuestion, NoHistory};

/// Tells the time. Virtual runs and tests bring their own.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// Which of a slot's revisions is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Choice {
    /// The one that the administrator set.
    Active,
    /// The last one that decided without a fault.
    LastGood,
    /// The default component that the host carries.
    Builtin,
}

/// What happens when a slot's active revision faults or its answer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum FailStrategy {
    /// The last revision that decided without a fault answers; where there is none, the built-in one.
    #[default]
    LastGood,
    /// The built-in component answers.
    Builtin,
    /// The remediation stays where it is; the ceiling still times it out.
    Hold,
    /// The remediation fails.
    Fail,
}

impl std::str::FromStr for FailStrategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "LastGood" => Ok(Self::LastGood),
            "Builtin" => Ok(Self::Builtin),
            "Hold" => Ok(Self::Hold),
            "Fail" => Ok(Self::Fail),
            other => Err(format!("no fail strategy is called \"{other}\": use LastGood, Builtin, Hold or Fail")),
        }
    }
}

/// Why an evaluation gave no answer. Stable codes, shown in conditions, metrics and the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FaultReason {
    /// The fuel was used up.
    FuelExhausted,
    /// More memory was asked for than allowed.
    MemoryLimit,
    /// The wall clock ran out.
    DeadlineExceeded,
    /// The component trapped or panicked.
    Trap,
    /// The answer was larger than allowed.
    AnswerTooLarge,
    /// More was moved between host and guest than allowed.
    TransferLimit,
    /// The policy refused by itself, with a code of its own.
    PolicyFailure,
    /// The policy asked for facts that could not be gathered within the allowed rounds.
    FactsUnsettled,
    /// The slot has no such revision.
    Unavailable,
    /// The host could not run it; a bug or a lack of resources.
    Host,
}

impl FaultReason {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::FuelExhausted,
        Self::MemoryLimit,
        Self::DeadlineExceeded,
        Self::Trap,
        Self::AnswerTooLarge,
        Self::TransferLimit,
        Self::PolicyFailure,
        Self::FactsUnsettled,
        Self::Unavailable,
        Self::Host,
    ];

    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::FuelExhausted => "FuelExhausted",
            Self::MemoryLimit => "MemoryLimit",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::Trap => "Trap",
            Self::AnswerTooLarge => "AnswerTooLarge",
            Self::TransferLimit => "TransferLimit",
            Self::PolicyFailure => "PolicyFailure",
            Self::FactsUnsettled => "FactsUnsettled",
            Self::Unavailable => "Unavailable",
            Self::Host => "Host",
        }
    }
}

/// An evaluation that gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {message}", reason.code())]
pub struct Fault {
    /// Stable code.
    pub reason: FaultReason,
    /// One line that names the function and the panic message where there is one.
    pub message: String,
    /// Who was asked; absent where nobody was.
    pub revision: Option<Revision>,
    /// Fuel used until then.
    pub fuel: u64,
}

/// Why an evaluation ended without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interruption {
    /// It faulted.
    Fault(Fault),
    /// It asked for a fact that is not gathered yet.
    Missing(LazyFact),
}

/// A line that a policy logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// "trace", "debug", "info", "warn" or "error".
    pub level: String,
    /// The text.
    pub message: String,
}

/// A slot's answer, and what it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<T> {
    /// The answer.
    pub value: T,
    /// Who gave it.
    pub revision: Revision,
    /// Fuel used.
    pub fuel: u64,
    /// Lines logged.
    pub log: Vec<LogLine>,
}

/// Asks the policy slots, for the length of one decision.
pub trait Judge {
    /// The policies of a slot. Only the timeouts slot may have several.
    fn members(&self, _slot: Slot) -> Members {
        Members::ONE
    }

    /// Asks one policy of the timeouts slot.
    fn timeouts(
        &mut self,
        member: Member,
        choice: Choice,
        observation: &Arc<Observation>,
    ) -> Result<Answer<Schedule>, Interruption>;

    /// Asks the transitions slot; `expired` names the deadlines of kind "ask" that have passed.
    fn transitions(
        &mut self,
        choice: Choice,
        observation: &Arc<Observation>,
        expired: &[String],
    ) -> Result<Answer<Intent>, Interruption>;

    /// Asks the children slot.
    fn children(
        &mut self,
        choice: Choice,
        observation: &Arc<Observation>,
        intent: &Intent,
    ) -> Result<Answer<Creations>, Interruption>;

    /// What happens when the active revision of a policy fails.
    fn strategy(&self, seat: Seat) -> FailStrategy;

    /// The set and revision that is asked; `None` where policies are not chosen by sets.
    fn set_revision(&self) -> Option<SetRevision> {
        None
    }
}

/// Why the ledger could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the ledger cannot {what} {thing}: {why}")]
pub struct LedgerFailure {
    /// "record", "settle", …
    pub what: &'static str,
    /// The record or file.
    pub thing: String,
    /// Cause and mend.
    pub why: String,
}

/// How a prepared step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Settlement {
    /// The object shows it.
    Confirmed,
    /// It was not carried out, or not to its end, and never will be.
    Discarded {
        /// Stable code.
        reason: String,
    },
    /// The object is gone, so nobody can tell.
    Unknown,
}

/// What a decision was made with besides its observation: the ledger keeps all of it while a record names it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Basis {
    /// The set and revision that answered; `None` where policies are not chosen by sets.
    pub set_revision: Option<SetRevision>,
    /// Digest of the environment: settings, fail strategies, limits.
    pub environment: String,
    /// Digest of the component and config of every slot, whether it was asked or not.
    pub slots: Vec<Revision>,
}

/// A decision and what it was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// What was seen.
    pub observation: Arc<Observation>,
    /// What was asked, answered and decided.
    pub decision: Decision,
    /// What it was made with; `None` for the environment that the ledger was told last.
    #[serde(skip)]
    pub basis: Option<Arc<Basis>>,
}

/// The append-only record of what was decided and done.
pub trait Ledger: Send + Sync + std::fmt::Debug {
    /// Records a decision that leads to a step, with the step's audit events, before any of its effects. On return it
    /// survives the death of the process.
    fn prepare(&self, record: &DecisionRecord, plan: &Arc<Plan>) -> Result<(), LedgerFailure>;

    /// Records how the remediation's prepared step ended; its audit events go out, or never will. Nothing happens where
    /// none is open.
    fn settle(&self, uid: &str, settlement: &Settlement, at: Timestamp) -> Result<(), LedgerFailure>;

    /// The remediation's prepared step that is not settled yet.
    fn unsettled(&self, uid: &str) -> Option<Arc<Plan>>;

    /// Uids of the remediations with a step that is not settled yet.
    fn open_remediations(&self) -> Vec<String>;

    /// Records a decision that led to no step. One that says the same as the remediation's last record only raises a
    /// counter there. Not awaited: it may be lost with the process.
    fn note(&self, record: &DecisionRecord) -> Result<(), LedgerFailure>;

    /// Whether a step of this remediation with this number, or a later one, is known here.
    fn knows(&self, uid: &str, sequence: u64) -> bool;

    /// Removes what is too old or too much, of remediations that have ended and that no longer `exists`. Never an audit
    /// event that still has to go out.
    fn tidy(&self, now: Timestamp, exists: &dyn Fn(&str) -> bool) -> Result<(), LedgerFailure>;

    /// Takes over the audit events of a step that another host has carried out, as its object shows it.
    fn adopt(&self, step: &ForeignStep) -> Result<(), LedgerFailure>;
}

/// A step that this ledger has not prepared, as the remediation's own record shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForeignStep {
    /// Uid of the remediation.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Number of the step.
    pub sequence: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// The step's audit events, derived again: the same ids, the same times.
    pub audit: Vec<AuditEvent>,
}
