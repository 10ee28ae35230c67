//! Answers as people and programs read them: the words of the interface in camel case, times and lengths as text.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use trimtab_core::block::ATTRIBUTE;
use trimtab_core::proposal::{Creations, Explanation, Intent, Schedule};

use crate::observation::{Length, Time};

/// The timeouts slot's answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleView {
    /// By phase; of two for one phase the last.
    pub deadlines: BTreeMap<String, DeadlineView>,
    /// By phase.
    pub budgets: BTreeMap<String, Length>,
    /// Code of the rule that decided.
    pub rule: String,
    /// One sentence.
    pub why: String,
}

/// One deadline.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadlineView {
    /// The last moment in time.
    pub at: Time,
    /// "time-out", "fail" or "ask".
    pub on_expiry: String,
    /// The length behind `at`.
    pub duration: Length,
    /// Merge patch of the notice; null for the standard one.
    pub notice: Value,
}

/// The transitions slot's answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IntentView {
    /// "stay", "advance", …
    pub kind: String,
    /// The next phase of an advance.
    pub target_phase: String,
    /// The outcome of an end.
    pub outcome: String,
    /// The failure phase of a failure.
    pub failure_phase: String,
    /// Why it failed.
    pub reason: String,
    /// Text for `status.message`.
    pub message: String,
    /// When a stay is to be asked again.
    pub until: Option<Time>,
    /// No new remediation of this fingerprint before.
    pub next_allowed_at: Option<Time>,
    /// Whether a person has to look.
    pub manual_review: bool,
    /// The object that decides instead.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Why it is blocked.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub block_reason: String,
    /// Code of the rule that decided.
    pub rule: String,
    /// One sentence.
    pub why: String,
}

/// The children slot's answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreationsView {
    /// The objects, in the policy's order.
    pub items: Vec<CreationView>,
    /// Code of the rule that decided.
    pub rule: String,
    /// One sentence.
    pub why: String,
}

/// One object to create.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreationView {
    /// Its kind.
    pub kind: String,
    /// Purpose of a notification.
    pub purpose: String,
    /// Merge patch of the standard spec; null for none.
    pub patch: Value,
}

/// The patch as JSON; as text where it is none.
fn patch(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { serde_json::from_str(text).unwrap_or_else(|_| text.into()) }
}

fn told(why: &Explanation) -> (String, String) {
    (why.rule.clone(), why.text.clone())
}

impl From<&Schedule> for ScheduleView {
    fn from(schedule: &Schedule) -> Self {
        let (rule, why) = told(&schedule.why);
        let deadlines = schedule.deadlines.iter().map(|deadline| {
            let view = DeadlineView {
                at: Time(deadline.at),
                on_expiry: deadline.on_expiry.clone(),
                duration: Length(deadline.duration),
                notice: patch(deadline.notice.as_deref().unwrap_or_default()),
            };
            (deadline.phase.clone(), view)
        });
        let budgets = schedule.budgets.iter().map(|budget| (budget.phase.clone(), Length(budget.duration)));
        Self { deadlines: deadlines.collect(), budgets: budgets.collect(), rule, why }
    }
}

impl From<&Intent> for IntentView {
    fn from(intent: &Intent) -> Self {
        let (rule, why) = told(&intent.why);
        Self {
            kind: intent.kind.clone(),
            target_phase: intent.target_phase.clone(),
            outcome: intent.outcome.clone(),
            failure_phase: intent.failure_phase.clone(),
            reason: intent.reason.clone(),
            message: intent.message.clone(),
            until: intent.until.map(Time),
            next_allowed_at: intent.next_allowed_at.map(Time),
            manual_review: intent.manual_review,
            source: intent.source.clone(),
            block_reason: block_reason(intent).to_owned(),
            rule,
            why,
        }
    }
}

/// The attribute that says why an intent blocks; empty for none.
pub(crate) fn block_reason(intent: &Intent) -> &str {
    intent.attributes.iter().find(|attribute| attribute.key == ATTRIBUTE).map_or("", |attribute| &attribute.value)
}

impl From<&Creations> for CreationsView {
    fn from(creations: &Creations) -> Self {
        let (rule, why) = told(&creations.why);
        let items = creations.items.iter().map(|item| CreationView {
            kind: item.kind.clone(),
            purpose: item.purpose.clone(),
            patch: patch(&item.patch),
        });
        Self { items: items.collect(), rule, why }
    }
}
