//! What the policy slots answer: untrusted, and kept as it came. Mirrors the WIT records of the same names.

use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};

/// A policy interface that the host fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// Until when each phase may last.
    Timeouts,
    /// Where the remediation goes.
    Transitions,
    /// What is created along with a step.
    Children,
}

impl Slot {
    /// Every slot, in the order in which they are asked.
    pub const ALL: [Self; 3] = [Self::Timeouts, Self::Transitions, Self::Children];

    /// The name on the command line and in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeouts => "timeouts",
            Self::Transitions => "transitions",
            Self::Children => "children",
        }
    }
}

impl std::fmt::Display for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A named value.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Attribute {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// Why a policy answers as it does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Explanation {
    /// Stable code of the rule that decided.
    pub rule: String,
    /// One sentence for a person.
    pub text: String,
    /// Numbers and names behind the sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
}

impl Explanation {
    /// A rule and its sentence.
    pub fn new(rule: &str, text: impl Into<String>) -> Self {
        Self { rule: rule.to_owned(), text: text.into(), attributes: Vec::new() }
    }
}

/// How long a phase, or with "Global" the whole remediation, may last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// A phase or "Global".
    pub phase: String,
    /// Its length.
    pub duration: Span,
}

/// A moment at which the host acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// A phase or "Global".
    pub phase: String,
    /// The last moment in time.
    pub at: Timestamp,
    /// "time-out", "fail" or "ask".
    pub on_expiry: String,
    /// The length behind `at`.
    pub duration: Span,
    /// JSON merge patch of the notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// What the record may grow by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
}

/// The timeouts slot's answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Schedule {
    /// For the global clock and the phases already entered.
    pub deadlines: Vec<Deadline>,
    /// For the phases not yet entered.
    pub budgets: Vec<Budget>,
    /// Why these.
    pub why: Explanation,
    /// What the record may grow by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
}

/// The transitions slot's answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Intent {
    /// "stay", "advance", "verify", "complete", "fail" or one of the reserved words.
    pub kind: String,
    /// The next phase of an advance.
    pub target_phase: String,
    /// The outcome of a completion or failure.
    pub outcome: String,
    /// The failure phase of a failure.
    pub failure_phase: String,
    /// Why it failed.
    pub reason: String,
    /// Text for `status.message`.
    pub message: String,
    /// When a stay is to be asked again.
    pub until: Option<Timestamp>,
    /// No new remediation of this fingerprint before.
    pub next_allowed_at: Option<Timestamp>,
    /// Whether a person has to look.
    pub manual_review: bool,
    /// The object that decides instead.
    pub source: String,
    /// Why this.
    pub why: Explanation,
    /// What the record may grow by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
}

/// One object to create.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Creation {
    /// Kind of the child.
    pub kind: String,
    /// Purpose of a notification.
    pub purpose: String,
    /// JSON merge patch of the standard spec; empty for none.
    pub patch: String,
    /// What the record may grow by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
}

/// The children slot's answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Creations {
    /// The objects.
    pub items: Vec<Creation>,
    /// Why these.
    pub why: Explanation,
    /// What the record may grow by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
}

/// A slot's answer, of whichever slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Proposal {
    /// Of the timeouts slot.
    Timeouts(Schedule),
    /// Of the transitions slot.
    Transitions(Intent),
    /// Of the children slot.
    Children(Creations),
}

impl From<Schedule> for Proposal {
    fn from(schedule: Schedule) -> Self {
        Self::Timeouts(schedule)
    }
}

impl From<Intent> for Proposal {
    fn from(intent: Intent) -> Self {
        Self::Transitions(intent)
    }
}

impl From<Creations> for Proposal {
    fn from(creations: Creations) -> Self {
        Self::Children(creations)
    }
}
