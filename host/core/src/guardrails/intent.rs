//! Intents: which fields each kind needs, which edges are legal, and what an execution needs first.

use super::{Refusal, RefusalReason, retry, routing};
use crate::block::{Block, BlockReason};
use crate::manifest::workflow_execution::{missing_member, selection};
use crate::observation::{ChildKind, Observation};
use crate::phase::{FailurePhase, Move, Outcome, Phase, is_edge};
use crate::proposal::{Explanation, Intent, Slot};
use crate::time::{Span, Timestamp};

/// The shortest time after which a remediation may ask to be looked at again.
pub const RECHECK_MIN: Span = Span::from_secs(1);

/// The farthest that `next-allowed-at` may lie ahead.
pub const NEXT_ALLOWED_MAX: Span = Span::from_secs(30 * 24 * 3600);

/// Most characters of a text that a policy puts into the status.
pub const TEXT_CHARACTERS_MAX: usize = 1024;

/// A lawful intent.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Nothing changes; asked again at `until` at the latest.
    Stay {
        /// When to ask again.
        until: Option<Timestamp>,
    },
    /// Nothing changes, but that its own execution was deduplicated is noted; asked again at `until` at the latest.
    Await {
        /// The execution that stands for its own.
        source: String,
        /// When to ask again.
        until: Option<Timestamp>,
    },
    /// The phase changes.
    Move(Transition),
}

/// A lawful change of phase.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// From.
    pub from: Phase,
    /// How.
    pub how: Move,
    /// To.
    pub to: Phase,
    /// Outcome, where one is known.
    pub outcome: Option<Outcome>,
    /// Failure phase of a failure.
    pub failure_phase: Option<FailurePhase>,
    /// Reason of a failure.
    pub reason: String,
    /// Text for `status.message`.
    pub message: String,
    /// No new remediation of this fingerprint before.
    pub next_allowed_at: Option<Timestamp>,
    /// Whether a person has to look.
    pub manual_review: bool,
    /// What a block is about.
    pub block: Option<Block>,
    /// The object that a block waits for, or that an end is inherited from; empty for none.
    pub source: String,
    /// Why.
    pub why: Explanation,
}

/// Checks an intent. `expired` names the deadlines that were asked about.
pub fn check(observation: &Observation, intent: &Intent, expired: &[String]) -> Result<Step, Refusal> {
    let refuse = |reason, message: String| Refusal::new(Slot::Transitions, reason, message);
    let Some(from) = observation.phase else {
        return Err(refuse(RefusalReason::EdgeIllegal, "the remediation has not begun".into()));
    };
    let (how, to) = match intent.kind.as_str() {
        "stay" => return check_stay(observation, intent, expired),
        "advance" => (Move::Advance, target_phase(intent)?),
        "verify" => (Move::Verify, Phase::Verifying),
        "complete" => (Move::Complete, Phase::Completed),
        "fail" => (Move::Fail, Phase::Failed),
        "retry" => (Move::Retry, retried_phase(intent, from)?),
        "wait-on" if routing::is_deduplicated(intent) => {
            let source = routing::check_await(observation, intent)?;
            let until = recheck(observation, intent, expired)?;
            return Ok(Step::Await { source, until });
        }
        "block" | "wait-on" => (Move::Block, Phase::Blocked),
        "inherit" => (Move::Inherit, routing::inherited_phase(intent)?),
        other => return Err(refuse(RefusalReason::IntentUnknown, format!("no intent is called \"{other}\""))),
    };
    // A block that this host does not know is told from one that it forbids.
    let mut block = if how == Move::Block { Some(routing::block_of(intent)?) } else { None };
    if !is_edge(from, how, to) {
        let message = format!("{} from {from} to {to} is no edge", intent.kind);
        return Err(refuse(RefusalReason::EdgeIllegal, message));
    }
    if to == Phase::Executing {
        check_execution(observation)?;
        routing::check_target(observation)?;
    }
    if how == Move::Retry {
        retry::check(observation, from)?;
    }
    let source = match (how, block.as_mut()) {
        (Move::Block, Some(block)) => routing::check_block(observation, from, intent, block)?,
        (Move::Inherit, _) => routing::check_inherit(observation, from, to, intent)?,
        _ => String::new(),
    };
    if (from, how) == (Phase::Blocked, Move::Advance) {
        routing::check_release(observation, to)?;
    }
    let outcome = check_outcome(intent, from, how, block.as_ref())?;
    let failure_phase = check_failure(intent, how, to)?;
    // What is inherited is not this remediation's own failure.
    let next_allowed_at = intent.next_allowed_at.filter(|_| to.is_terminal() && how != Move::Inherit);
    if next_allowed_at.is_some_and(|at| at.since(observation.now) > NEXT_ALLOWED_MAX) {
        let message = format!("next-allowed-at lies more than {NEXT_ALLOWED_MAX} ahead");
        return Err(refuse(RefusalReason::FieldInvalid, message));
    }
    Ok(Step::Move(Transition {
        from,
        how,
        to,
        outcome,
        failure_phase,
        reason: cut(&intent.reason),
        message: cut(&intent.message),
        next_allowed_at,
        manual_review: intent.manual_review && (to.is_terminal() || outcome.is_some()) && how != Move::Inherit,
        block,
        source,
        why: explanation(&intent.why),
    }))
}

fn check_stay(observation: &Observation, intent: &Intent, expired: &[String]) -> Result<Step, Refusal> {
    Ok(Step::Stay { until: recheck(observation, intent, expired)? })
}

/// When a remediation that stays is asked again at the latest.
fn recheck(observation: &Observation, intent: &Intent, expired: &[String]) -> Result<Option<Timestamp>, Refusal> {
    if intent.until.is_none() && !expired.is_empty() {
        let message = format!("the deadline of {} has passed and the answer is to stay for ever", expired.join(", "));
        return Err(Refusal::new(Slot::Transitions, RefusalReason::ExpiredDeadlineIgnored, message));
    }
    Ok(intent.until.map(|until| until.max(observation.now.plus(RECHECK_MIN))))
}

fn target_phase(intent: &Intent) -> Result<Phase, Refusal> {
    if intent.target_phase.is_empty() {
        let message = "advance needs target-phase";
        return Err(Refusal::new(Slot::Transitions, RefusalReason::FieldMissing, message));
    }
    intent
        .target_phase
        .parse()
        .map_err(|unknown| Refusal::new(Slot::Transitions, RefusalReason::PhaseUnknown, format!("{unknown}")))
}

/// A retry is of the current phase; naming it is allowed.
fn retried_phase(intent: &Intent, from: Phase) -> Result<Phase, Refusal> {
    if intent.target_phase.is_empty() || intent.target_phase == from.name() {
        return Ok(from);
    }
    let message = format!("retry begins the current phase {from} anew, not \"{}\"", intent.target_phase);
    Err(Refusal::new(Slot::Transitions, RefusalReason::FieldInvalid, message))
}

fn check_outcome(intent: &Intent, from: Phase, how: Move, block: Option<&Block>) -> Result<Option<Outcome>, Refusal> {
    let refuse = |reason, message: String| Err(Refusal::new(Slot::Transitions, reason, message));
    let known = Outcome::parse(&intent.outcome);
    match how {
        Move::Complete => match known {
            None if intent.outcome.is_empty() => {
                refuse(RefusalReason::FieldMissing, "complete needs an outcome".into())
            }
            Some(outcome) if outcome.is_reachable_from(from) => Ok(Some(outcome)),
            _ => {
                let message = format!("a remediation cannot complete from {from} as \"{}\"", intent.outcome);
                refuse(RefusalReason::FieldInvalid, message)
            }
        },
        Move::Fail => match (intent.outcome.as_str(), known) {
            ("", _) => Ok(None),
            (_, Some(Outcome::ManualReviewRequired)) => Ok(known),
            (other, _) => refuse(RefusalReason::FieldInvalid, format!("a failure has no outcome \"{other}\"")),
        },
        Move::Block => match (intent.outcome.as_str(), known) {
            ("", _) => Ok(None),
            (_, Some(Outcome::ManualReviewRequired))
                if block.is_some_and(|block| block.reason == BlockReason::IneffectiveChain) =>
            {
                Ok(known)
            }
            (other, _) => refuse(RefusalReason::FieldInvalid, format!("this block has no outcome \"{other}\"")),
        },
        Move::Inherit => match (intent.outcome.as_str(), known) {
            ("", _) => Ok(None),
            (_, Some(Outcome::Remediated)) => Ok(known),
            (other, _) => {
                refuse(RefusalReason::FieldInvalid, format!("\"{other}\" cannot be inherited, only Remediated"))
            }
        },
        Move::Advance | Move::Verify | Move::TimeOut | Move::Retry => Ok(None),
    }
}

fn check_failure(intent: &Intent, how: Move, to: Phase) -> Result<Option<FailurePhase>, Refusal> {
    if to != Phase::Failed {
        return Ok(None);
    }
    let refuse = |reason, message: String| Err(Refusal::new(Slot::Transitions, reason, message));
    if intent.failure_phase.is_empty() || intent.reason.is_empty() {
        let message = format!("{} needs failure-phase and reason", intent.kind);
        return refuse(RefusalReason::FieldMissing, message);
    }
    match FailurePhase::parse(&intent.failure_phase) {
        Some(phase) if how == Move::Inherit && phase != FailurePhase::Deduplicated => {
            refuse(RefusalReason::FieldInvalid, format!("an inherited failure is Deduplicated, not {}", phase.name()))
        }
        Some(phase) => Ok(Some(phase)),
        None => refuse(RefusalReason::FieldInvalid, format!("no failure phase is called \"{}\"", intent.failure_phase)),
    }
}

/// Where the analysis says that approval is required, no execution exists without an approved request; and none
/// exists without a complete workflow.
fn check_execution(observation: &Observation) -> Result<(), Refusal> {
    let refuse = |reason, message: String| Err(Refusal::new(Slot::Transitions, reason, message));
    // Only an analysis that has completed can say that no approval is needed.
    let is_concluded = observation.child(ChildKind::AIAnalysis).is_some_and(|child| child.phase == "Completed");
    let needs_approval =
        !is_concluded || observation.facts.analysis.as_ref().is_none_or(|analysis| analysis.approval_required);
    let is_approved = observation.child(ChildKind::RemediationApprovalRequest).is_some_and(|child| child.found)
        && observation.facts.approval.as_ref().is_some_and(|approval| approval.decision == "Approved");
    if needs_approval && !is_approved {
        let message = "the analysis requires an approval and no approved request exists";
        return refuse(RefusalReason::ApprovalMissing, message.into());
    }
    if let Some(Some(asked)) = &observation.facts.workflow_override
        && !asked.workflow_name.is_empty()
        && !asked.found
    {
        let message = format!("the approved RemediationWorkflow \"{}\" does not exist", asked.workflow_name);
        return refuse(RefusalReason::WorkflowIncomplete, message);
    }
    match selection(observation) {
        None => refuse(RefusalReason::WorkflowIncomplete, "the analysis has selected no workflow".into()),
        Some(chosen) => match missing_member(&chosen.workflow) {
            "" => Ok(()),
            member => refuse(RefusalReason::WorkflowIncomplete, format!("the selected workflow has no {member}")),
        },
    }
}

/// A policy's explanation within its bounds.
pub fn explanation(why: &Explanation) -> Explanation {
    Explanation {
        rule: why.rule.chars().filter(|c| !c.is_control()).take(63).collect(),
        text: cut(&why.text),
        attributes: why.attributes.iter().take(16).cloned().collect(),
    }
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| *c == '\n' || !c.is_control()).take(TEXT_CHARACTERS_MAX).collect()
}
