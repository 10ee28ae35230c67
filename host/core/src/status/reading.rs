//! What a status draft says so far.

use serde_json::Value;

use super::StatusDraft;
use crate::json::text;

impl StatusDraft {
    /// Text of the drafted status, by JSON Pointer; empty for none.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        text(&self.after, pointer)
    }

    /// Whether the drafted status refers to a notification of this name.
    pub(crate) fn has_notification(&self, name: &str) -> bool {
        let references = self.after.pointer("/completionStatus/notificationRequestRefs").and_then(Value::as_array);
        references.is_some_and(|list| list.iter().any(|reference| reference["name"] == name))
    }

    /// The drafted condition of this type: whether it is true, its reason and its message.
    pub(crate) fn known_condition(&self, kind: &str) -> Option<(bool, &str, &str)> {
        let condition = self.conditions.iter().find(|condition| condition["type"] == kind)?;
        Some((condition["status"] == "True", text(condition, "/reason"), text(condition, "/message")))
    }

    /// Sets a condition unless it says just this; the result is whether it was set.
    pub(crate) fn renew_condition(&mut self, kind: &str, is_true: bool, reason: &str, message: &str) -> bool {
        if self.known_condition(kind) == Some((is_true, reason, message)) {
            return false;
        }
        self.condition(kind, is_true, reason, message);
        true
    }
}
