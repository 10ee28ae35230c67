//! The host's own record, which travels in the condition `trimtab.dev/Decision` of the same status write.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::observation::ChildKind;
use crate::phase::Phase;
use crate::time::{Span, Timestamp};

/// Type of the condition that carries the record.
pub const CONDITION_TYPE: &str = "trimtab.dev/Decision";

/// Most bytes of its message.
pub const RECORD_BYTES_MAX: usize = 4096;

/// The component and config that answered a slot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Revision {
    /// `sha256:…` of the component.
    pub digest: String,
    /// First 16 hexadecimal digits of the config's sha256.
    pub config: String,
}

/// A revision of a policy set: what a remediation that is pinned finishes with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SetRevision {
    /// Name of the set.
    pub set: String,
    /// Twelve hexadecimal digits that follow from its components, configs, limits and fail strategies.
    pub revision: String,
}

impl std::fmt::Display for SetRevision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.set, self.revision)
    }
}

/// What the host must remember of a remediation.
///
/// Canonical JSON: keys sorted, no spaces, so the same record has the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this format.
    #[serde(rename = "v")]
    pub version: u32,
    /// Number of the step that wrote it, from 1; 0 before the first.
    #[serde(rename = "seq")]
    pub sequence: u64,
    /// When that step was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The phase before that step; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Phase>,
    /// Current attempt, from 1.
    pub attempt: u32,
    /// Kinds whose objects an earlier attempt created, and which one: what a retry keeps.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kept: BTreeMap<ChildKind, u32>,
    /// Whether that step began its phase anew, as another attempt.
    #[serde(default, rename = "again", skip_serializing_if = "std::ops::Not::not")]
    pub begun_again: bool,
    /// When each phase was last entered, in that order.
    pub phases: Vec<(Phase, Timestamp)>,
    /// Who answered each slot at this step, by the slot's name; `timeouts/2` is the second policy of the slot.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub slots: BTreeMap<String, Revision>,
    /// The set and revision whose policies answered at this step; absent where policies are not chosen by sets.
    #[serde(default, rename = "set", skip_serializing_if = "Option::is_none")]
    pub set_revision: Option<SetRevision>,
    /// What the host filled into `status.timeoutConfig`: a member that differs now was set by a person.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub timeouts: BTreeMap<String, Span>,
    /// The step that was blocked after it had told of a decision, and the uid of the approval request: what goes on after
    /// the block passes its approval again, and tells nothing more of it.
    #[serde(default, rename = "decided", skip_serializing_if = "Option::is_none")]
    pub decision_told: Option<(u64, String)>,
    /// The last notification that was seen to be delivered, or to have failed; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notified: String,
    /// Rule and sentence of the step, for `kubectl`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            version: 1,
            sequence: 0,
            at: None,
            from: None,
            attempt: 1,
            kept: BTreeMap::new(),
            begun_again: false,
            phases: Vec::new(),
            slots: BTreeMap::new(),
            set_revision: None,
            timeouts: BTreeMap::new(),
            decision_told: None,
            notified: String::new(),
            why: String::new(),
        }
    }
}

impl Record {
    /// Reads the condition's message; `None` where it is none of this version.
    pub fn parse(message: &str) -> Option<Self> {
        serde_json::from_str::<Self>(message).ok().filter(|record| record.version == 1 && record.attempt >= 1)
    }

    /// Writes the condition's message, at most [`RECORD_BYTES_MAX`] bytes: the sentence is cut first.
    pub fn message(&self) -> String {
        let text = canonical(self);
        if text.len() <= RECORD_BYTES_MAX {
            return text;
        }
        let mut shorter = self.clone();
        shorter.why = String::new();
        canonical(&shorter)
    }

    /// Whether a step before this one told of the decision about this approval request. It goes by steps and not by
    /// clocks: the person's may run ahead, and the host's may go back.
    pub fn has_told_decision(&self, sequence: u64, request_uid: &str) -> bool {
        self.decision_told.as_ref().is_some_and(|(step, uid)| *step < sequence && uid == request_uid)
    }

    /// The attempt that creates, or has created, the object of this kind, from 1.
    pub fn attempt_of(&self, kind: ChildKind) -> u32 {
        self.kept.get(&kind).copied().unwrap_or(self.attempt)
    }

    /// The name that the object of this kind has.
    pub fn object_name(&self, kind: ChildKind, remediation: &str) -> String {
        kind.object_name(remediation, self.attempt_of(kind))
    }

    /// Counts the attempt up: objects of kinds before `first` are kept, the others are created anew.
    pub fn begin_again(&mut self, first: ChildKind) {
        let earlier = ChildKind::ALL.into_iter().take_while(|kind| *kind != first);
        self.kept = earlier.map(|kind| (kind, self.attempt_of(kind))).collect();
        self.attempt = self.attempt.saturating_add(1);
    }

    /// Notes that a phase was entered: a phase entered again moves to the end.
    pub fn enter(&mut self, phase: Phase, at: Timestamp) {
        self.phases.retain(|(known, _)| *known != phase);
        self.phases.push((phase, at));
    }
}

fn canonical(record: &Record) -> String {
    serde_json::to_value(record).map(|value| value.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_and_its_bytes_are_canonical() {
        let mut record = Record { sequence: 3, why: "Because".into(), ..Record::default() };
        record.enter(Phase::Pending, Timestamp::from_millis(1));
        record.enter(Phase::Processing, Timestamp::from_millis(2));
        let message = record.message();
        assert_eq!(Record::parse(&message), Some(record));
        assert!(message.starts_with(r#"{"attempt":1,"phases":[["Pending",1],["Processing",2]],"seq":3,"#), "{message}");
    }

    #[test]
    fn an_attempt_keeps_what_came_before_it_and_names_the_rest_anew() {
        let mut record = Record::default();
        record.begin_again(ChildKind::AIAnalysis);
        let names = |record: &Record| ChildKind::ALL.map(|kind| record.object_name(kind, "rr"));
        assert_eq!(names(&record), ["sp-rr", "ai-rr-a2", "rar-rr-a2", "we-rr-a2", "ea-rr-a2"]);
        record.begin_again(ChildKind::WorkflowExecution);
        assert_eq!(names(&record), ["sp-rr", "ai-rr-a2", "rar-rr-a2", "we-rr-a3", "ea-rr-a3"]);
        assert_eq!(Record::parse(&record.message()), Some(record));
    }

    #[test]
    fn another_version_is_no_record() {
        assert_eq!(Record::parse(r#"{"v":2,"seq":1,"attempt":1,"phases":[]}"#), None);
        assert_eq!(Record::parse("hello"), None);
    }

    #[test]
    fn a_long_sentence_never_pushes_the_record_over_its_bound() {
        let record = Record { why: "x".repeat(RECORD_BYTES_MAX), ..Record::default() };
        assert!(record.message().len() <= RECORD_BYTES_MAX);
    }
}
