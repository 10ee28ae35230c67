//! An intent as people write it: what the children slot is told, and what a test expects.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::block::ATTRIBUTE;
use trimtab_core::proposal::{Attribute, Explanation, Intent};

use crate::observation::Time;

/// Where a policy wants the remediation to go. In an expectation only what is named is compared.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Intent")]
pub struct IntentDocument {
    /// "stay", "advance", "verify", "complete", "fail", "retry", "block", "wait-on" or "inherit".
    pub kind: Option<String>,
    /// advance: the next phase.
    pub target_phase: Option<String>,
    /// complete, fail, block, inherit: the outcome.
    pub outcome: Option<String>,
    /// fail, inherit: the failure phase.
    pub failure_phase: Option<String>,
    /// fail, inherit: why.
    pub reason: Option<String>,
    /// Text for `status.message`; block, wait-on: the words of the block.
    pub message: Option<String>,
    /// stay: when to ask again; block: when the block ends.
    pub until: Option<Time>,
    /// complete, fail: no new remediation of this fingerprint before.
    pub next_allowed_at: Option<Time>,
    /// complete, fail: a person has to look.
    pub manual_review: Option<bool>,
    /// wait-on, inherit: the object that decides instead.
    pub source: Option<String>,
    /// block, wait-on: the attribute `block-reason`.
    pub block_reason: Option<String>,
    /// Code of the rule that decided.
    pub rule: Option<String>,
    /// The rule's sentence.
    pub why: Option<String>,
}

impl IntentDocument {
    /// The intent, with empty fields where nothing is said; without a kind it is to stay.
    pub fn intent(self) -> Intent {
        Intent {
            kind: self.kind.unwrap_or_else(|| "stay".to_owned()),
            target_phase: self.target_phase.unwrap_or_default(),
            outcome: self.outcome.unwrap_or_default(),
            failure_phase: self.failure_phase.unwrap_or_default(),
            reason: self.reason.unwrap_or_default(),
            message: self.message.unwrap_or_default(),
            until: self.until.map(|at| at.0),
            next_allowed_at: self.next_allowed_at.map(|at| at.0),
            manual_review: self.manual_review.unwrap_or(false),
            source: self.source.unwrap_or_default(),
            attributes: self
                .block_reason
                .map(|value| Attribute { key: ATTRIBUTE.to_owned(), value })
                .into_iter()
                .collect(),
            why: Explanation::new(&self.rule.unwrap_or_default(), self.why.unwrap_or_default()),
        }
    }
}
