//! Proposals decoded from bytes: mostly of words that mean something, so that many come close to being lawful.

use arbitrary::{Result, Unstructured};
use trimtab_core::proposal::{Attribute, Budget, Creation, Creations, Deadline, Explanation, Intent, Schedule};
use trimtab_core::time::{Span, Timestamp};

/// Most items of one list; the guardrails allow 8.
const ITEMS_MAX: usize = 10;
/// Most bytes of a free text.
const TEXT_BYTES_MAX: usize = 1200;

const SCOPES: &[&str] = &[
    "Global",
    "Pending",
    "Processing",
    "Analyzing",
    "AwaitingApproval",
    "Executing",
    "Verifying",
    "Blocked",
    "Completed",
    "Failed",
    "TimedOut",
    "Skipped",
    "Cancelled",
    "",
];
const INTENTS: &[&str] = &["stay", "advance", "verify", "complete", "fail", "block", "retry", "wait-on", "inherit"];
const OUTCOMES: &[&str] =
    &["", "Remediated", "NoActionRequired", "ManualReviewRequired", "VerificationTimedOut", "Inconclusive", "DryRun"];
const FAILURES: &[&str] = &[
    "",
    "Configuration",
    "SignalProcessing",
    "AIAnalysis",
    "Approval",
    "WorkflowExecution",
    "Blocked",
    "Deduplicated",
];
const KINDS: &[&str] = &[
    "SignalProcessing",
    "AIAnalysis",
    "RemediationApprovalRequest",
    "WorkflowExecution",
    "EffectivenessAssessment",
    "NotificationRequest",
    "Secret",
];
const PURPOSES: &[&str] = &["", "approval", "block", "completion", "escalation", "manual-review", "self-resolved"];
const REASONS: &[&str] = &[
    "ConsecutiveFailures",
    "DuplicateInProgress",
    "ResourceBusy",
    "RecentlyRemediated",
    "ExponentialBackoff",
    "UnmanagedResource",
    "IneffectiveChain",
    "Deduplicated",
];
const EXPIRIES: &[&str] = &["time-out", "fail", "ask", ""];
const PATCHES: &[&str] = &[
    "",
    "{}",
    "[]",
    r#"{"rationale":"because"}"#,
    r#"{"workflowRef":{"workflowId":"other"}}"#,
    r#"{"workflowRef":null}"#,
    r#"{"parameters":{"A":"other"}}"#,
    r#"{"targetResource":"kube-system/Secret/x"}"#,
    r#"{"requiredBy":"9999-01-01T00:00:00Z"}"#,
    r#"{"requiredBy":"2023-11-14T22:14:30Z"}"#,
    r#"{"subject":"s","body":"b","priority":"Low","extensions":{"a":"b"},"retentionDays":1}"#,
    r#"{"type":"Simple"}"#,
    r#"{"config":{"stabilizationWindow":"1s","hashComputeDelay":"2562047h47m16.854775807s"}}"#,
    r#"{"enrichmentConfig":{"enableMetrics":true}}"#,
    r#"{"analysisRequest":{"analysisTypes":["RootCause"]}}"#,
    r#"{"analysisRequest":null}"#,
];
const MOMENTS: &[u64] = &[0, 1, 1_700_000_000_000, 1_700_000_070_000, 1_700_086_400_000, 1_702_592_070_000, u64::MAX];
const SPANS: &[u64] = &[0, 1, 999, 1_000, 600_000, 86_400_000, 86_400_001, u64::MAX];

/// A free text.
fn text(bytes: &mut Unstructured<'_>) -> Result<String> {
    let length = bytes.int_in_range(0..=TEXT_BYTES_MAX)?.min(bytes.len());
    Ok(String::from_utf8_lossy(bytes.bytes(length)?).into_owned())
}

/// One of these words, and now and then a free text.
fn word(bytes: &mut Unstructured<'_>, pool: &[&str]) -> Result<String> {
    if bytes.ratio(1, 12)? { text(bytes) } else { Ok((*bytes.choose(pool)?).to_owned()) }
}

fn number(bytes: &mut Unstructured<'_>, pool: &[u64]) -> Result<u64> {
    if bytes.ratio(1, 4)? { bytes.arbitrary() } else { Ok(*bytes.choose(pool)?) }
}

/// A moment, often one at which something changes.
pub(crate) fn moment(bytes: &mut Unstructured<'_>) -> Result<Timestamp> {
    Ok(Timestamp::from_millis(number(bytes, MOMENTS)?.saturating_add(bytes.int_in_range(0..=2_000)?)))
}

fn span(bytes: &mut Unstructured<'_>) -> Result<Span> {
    Ok(Span::from_millis(number(bytes, SPANS)?))
}

/// Perhaps one of these.
pub(crate) fn perhaps<T>(
    bytes: &mut Unstructured<'_>,
    one: fn(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Option<T>> {
    if bytes.arbitrary()? { one(bytes).map(Some) } else { Ok(None) }
}

fn several<T>(bytes: &mut Unstructured<'_>, one: fn(&mut Unstructured<'_>) -> Result<T>) -> Result<Vec<T>> {
    let count = bytes.int_in_range(0..=ITEMS_MAX)?;
    // Many lists of many items make every proposal unlawful, so most are short.
    let count = if bytes.ratio(7, 8)? { count % 3 } else { count };
    (0..count).map(|_| one(bytes)).collect()
}

fn attribute(bytes: &mut Unstructured<'_>) -> Result<Attribute> {
    Ok(Attribute { key: text(bytes)?, value: text(bytes)? })
}

/// An attribute of an intent, mostly the one that says why it blocks.
fn routed(bytes: &mut Unstructured<'_>) -> Result<Attribute> {
    if bytes.ratio(1, 4)? {
        return attribute(bytes);
    }
    Ok(Attribute { key: word(bytes, &["block-reason"])?, value: word(bytes, REASONS)? })
}

fn explanation(bytes: &mut Unstructured<'_>) -> Result<Explanation> {
    Ok(Explanation {
        rule: word(bytes, &["Rule"])?,
        text: word(bytes, &["Why."])?,
        attributes: several(bytes, attribute)?,
    })
}

fn budget(bytes: &mut Unstructured<'_>) -> Result<Budget> {
    Ok(Budget { phase: word(bytes, SCOPES)?, duration: span(bytes)? })
}

fn deadline(bytes: &mut Unstructured<'_>) -> Result<Deadline> {
    Ok(Deadline {
        phase: word(bytes, SCOPES)?,
        at: moment(bytes)?,
        on_expiry: word(bytes, EXPIRIES)?,
        duration: span(bytes)?,
        notice: perhaps(bytes, |bytes| word(bytes, PATCHES))?,
        attributes: several(bytes, attribute)?,
    })
}

/// An answer of the timeouts slot.
pub(crate) fn schedule(bytes: &mut Unstructured<'_>) -> Result<Schedule> {
    Ok(Schedule {
        deadlines: several(bytes, deadline)?,
        budgets: several(bytes, budget)?,
        why: explanation(bytes)?,
        attributes: several(bytes, attribute)?,
    })
}

/// An answer of the transitions slot.
pub(crate) fn intent(bytes: &mut Unstructured<'_>) -> Result<Intent> {
    Ok(Intent {
        kind: word(bytes, INTENTS)?,
        target_phase: word(bytes, SCOPES)?,
        outcome: word(bytes, OUTCOMES)?,
        failure_phase: word(bytes, FAILURES)?,
        reason: word(bytes, &["it broke", ""])?,
        message: word(bytes, &["", "text"])?,
        until: perhaps(bytes, moment)?,
        next_allowed_at: perhaps(bytes, moment)?,
        manual_review: bytes.arbitrary()?,
        source: word(bytes, &["", "rr-0", "we-other"])?,
        why: explanation(bytes)?,
        attributes: several(bytes, routed)?,
    })
}

fn creation(bytes: &mut Unstructured<'_>) -> Result<Creation> {
    Ok(Creation {
        kind: word(bytes, KINDS)?,
        purpose: word(bytes, PURPOSES)?,
        patch: word(bytes, PATCHES)?,
        attributes: several(bytes, attribute)?,
    })
}

/// An answer of the children slot.
pub(crate) fn creations(bytes: &mut Unstructured<'_>) -> Result<Creations> {
    Ok(Creations { items: several(bytes, creation)?, why: explanation(bytes)?, attributes: several(bytes, attribute)? })
}
