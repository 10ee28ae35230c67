//! Constructors for what a policy answers.

use crate::{
    Attribute, Budget, ConfigFault, Creation, Deadline, DurationMs, Explanation, Failure, Intent, TimestampMs,
    attributes, failure_phases, intents, kinds, on_expiry, outcomes,
};

impl Explanation {
    /// A rule (stable CamelCase code) and one sentence for a person.
    pub fn new(rule: &str, text: impl Into<String>) -> Self {
        Self { rule: rule.to_owned(), text: text.into(), attributes: Vec::new() }
    }

    /// Adds a number or name behind the sentence; the host keeps the first 16.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a number reads better without an ampersand")]
    pub fn with(self, key: &str, value: impl ToString) -> Self {
        self.with_text(key, value.to_string())
    }

    // One function instead of one for each type of value.
    fn with_text(mut self, key: &str, value: String) -> Self {
        self.attributes.push(Attribute { key: key.to_owned(), value });
        self
    }
}

impl Failure {
    /// A refusal to answer that asking again would not mend.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), retryable: false }
    }
}

impl ConfigFault {
    /// What is wrong at a JSON Pointer, and what would be right.
    pub fn new(path: &str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), message: message.into() }
    }
}

impl Budget {
    /// A length for a phase or for the whole remediation.
    pub fn new(phase: &str, duration: DurationMs) -> Self {
        Self { phase: phase.to_owned(), duration }
    }
}

impl Deadline {
    /// Ends the remediation as timed out once `duration` after `from` has passed.
    pub fn time_out(phase: &str, from: TimestampMs, duration: DurationMs) -> Self {
        Self::after(phase, from, duration, on_expiry::TIME_OUT)
    }

    /// Asks the transitions slot once `duration` after `from` has passed.
    pub fn ask(phase: &str, from: TimestampMs, duration: DurationMs) -> Self {
        Self::after(phase, from, duration, on_expiry::ASK)
    }

    /// Tells people once, at this moment, that the clock has run for long; it goes on until its end.
    #[must_use]
    pub fn escalating_at(mut self, at: TimestampMs) -> Self {
        self.attributes.push(Attribute { key: attributes::ESCALATE_AT.to_owned(), value: at.to_string() });
        self
    }

    fn after(phase: &str, from: TimestampMs, duration: DurationMs, on_expiry: &str) -> Self {
        let at = from.saturating_add(duration);
        Self {
            phase: phase.to_owned(),
            at,
            on_expiry: on_expiry.to_owned(),
            duration,
            notice: None,
            attributes: Vec::new(),
        }
    }
}

impl Intent {
    /// The current phase anew, as another attempt.
    pub fn retry(why: Explanation) -> Self {
        Self::of(intents::RETRY, why)
    }

    /// Nothing changes.
    pub fn stay(why: Explanation) -> Self {
        Self::of(intents::STAY, why)
    }

    /// Into the next phase.
    pub fn advance(phase: &str, why: Explanation) -> Self {
        Self { target_phase: phase.to_owned(), ..Self::of(intents::ADVANCE, why) }
    }

    /// Into Verifying.
    pub fn verify(why: Explanation) -> Self {
        Self::of(intents::VERIFY, why)
    }

    /// To an end with an outcome.
    pub fn complete(outcome: &str, why: Explanation) -> Self {
        Self { outcome: outcome.to_owned(), ..Self::of(intents::COMPLETE, why) }
    }

    /// To an end with a failure; `reason` is one sentence.
    pub fn fail(failure_phase: &str, reason: impl Into<String>, why: Explanation) -> Self {
        Self::failing(intents::FAIL, failure_phase, reason.into(), why)
    }

    /// To wait for a time ([`until`](Self::until)), or without one for a person. `reason` is one of the
    /// [`block_reasons`](crate::block_reasons), `message` one sentence for `status.routingStatus.blockMessage`.
    pub fn block(reason: &str, message: impl Into<String>, why: Explanation) -> Self {
        Self::waiting(intents::BLOCK, reason, message.into(), why)
    }

    /// To wait for another object, by its name.
    pub fn wait_on(source: &str, reason: &str, message: impl Into<String>, why: Explanation) -> Self {
        Self { source: source.to_owned(), ..Self::waiting(intents::WAIT_ON, reason, message.into(), why) }
    }

    /// To the end that the object of this name has come to, which has done what was to be done.
    pub fn inherit_completion(source: &str, why: Explanation) -> Self {
        Self { source: source.to_owned(), ..Self::of(intents::INHERIT, why) }.with_outcome(outcomes::REMEDIATED)
    }

    /// To a failure, as the object of this name has failed, or is gone; `reason` is one sentence.
    pub fn inherit_failure(source: &str, reason: impl Into<String>, why: Explanation) -> Self {
        let failure = Self::failing(intents::INHERIT, failure_phases::DEDUPLICATED, reason.into(), why);
        Self { source: source.to_owned(), ..failure }
    }

    fn failing(kind: &str, failure_phase: &str, reason: String, why: Explanation) -> Self {
        Self { failure_phase: failure_phase.to_owned(), reason, ..Self::of(kind, why) }
    }

    fn waiting(kind: &str, reason: &str, message: String, why: Explanation) -> Self {
        let attribute = Attribute { key: attributes::BLOCK_REASON.to_owned(), value: reason.to_owned() };
        Self { message, attributes: vec![attribute], ..Self::of(kind, why) }
    }

    /// Why a block or wait-on waits: one of the [`block_reasons`](crate::block_reasons); empty for other intents.
    pub fn block_reason(&self) -> &str {
        let reason = self.attributes.iter().find(|attribute| attribute.key == attributes::BLOCK_REASON);
        reason.map_or("", |attribute| &attribute.value)
    }

    /// With an outcome.
    #[must_use]
    pub fn with_outcome(mut self, outcome: &str) -> Self {
        outcome.clone_into(&mut self.outcome);
        self
    }

    /// With a text for `status.message`.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// Stay: ask again at this moment even if nothing changes. Block: until then.
    #[must_use]
    pub fn until(mut self, at: TimestampMs) -> Self {
        self.until = Some(at);
        self
    }

    /// Complete, fail: no new remediation of this fingerprint before; `None` for no limit.
    #[must_use]
    pub fn not_again_before(mut self, at: Option<TimestampMs>) -> Self {
        self.next_allowed_at = at;
        self
    }

    /// Complete, fail: a person has to look.
    #[must_use]
    pub fn for_manual_review(mut self) -> Self {
        self.manual_review = true;
        self
    }

    fn of(kind: &str, why: Explanation) -> Self {
        Self { kind: kind.to_owned(), why, ..Self::default() }
    }
}

impl Creation {
    /// The standard object of this kind.
    pub fn standard(kind: &str) -> Self {
        Self { kind: kind.to_owned(), purpose: String::new(), patch: String::new(), attributes: Vec::new() }
    }

    /// The standard notification for this purpose.
    pub fn notification(purpose: &str) -> Self {
        Self { purpose: purpose.to_owned(), ..Self::standard(kinds::NOTIFICATION_REQUEST) }
    }

    /// With a JSON merge patch (RFC 7396) of the standard spec.
    #[must_use]
    pub fn with_patch(mut self, patch: impl Into<String>) -> Self {
        self.patch = patch.into();
        self
    }
}
