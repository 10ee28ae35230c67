//! Routing: what a block, a wait for another object, an inherited end and an execution on a shared object need.

use super::intent::{NEXT_ALLOWED_MAX, RECHECK_MIN};
use super::{Refusal, RefusalReason};
use crate::block::{ATTRIBUTE, Block, BlockReason, DEDUPLICATED};
use crate::observation::{Observation, Target, TargetExecution};
use crate::phase::Phase;
use crate::proposal::{Intent, Slot};

fn refuse<T>(reason: RefusalReason, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(Slot::Transitions, reason, message))
}

/// The word behind a block or a wait; empty for none.
fn word(intent: &Intent) -> &str {
    intent.attributes.iter().find(|attribute| attribute.key == ATTRIBUTE).map_or("", |attribute| &attribute.value)
}

/// Whether a wait is for the execution that stands for the remediation's own.
pub(super) fn is_deduplicated(intent: &Intent) -> bool {
    word(intent) == DEDUPLICATED
}

/// The block that an intent means: a wait for an object where the reason is one, else for a time or a person.
pub(super) fn block_of(intent: &Intent) -> Result<Block, Refusal> {
    let is_wait = intent.kind == "wait-on";
    let reason = BlockReason::parse(word(intent)).filter(|reason| reason.awaited_kind().is_some() == is_wait);
    let Some(reason) = reason else {
        let known = BlockReason::ALL.into_iter().filter(|reason| reason.awaited_kind().is_some() == is_wait);
        let known: Vec<_> = known.map(BlockReason::name).collect();
        let (kind, word, known) = (&intent.kind, word(intent), known.join(", "));
        let message = format!("{kind} for {ATTRIBUTE} \"{word}\" is not known to this host; it knows {known}");
        return refuse(RefusalReason::IntentUnsupported, message);
    };
    Ok(Block { reason, until: intent.until.filter(|_| !is_wait) })
}

/// Checks a block; the result is the object that it waits for, empty for none. The time is at least a second away.
pub(super) fn check_block(
    observation: &Observation,
    from: Phase,
    intent: &Intent,
    block: &mut Block,
) -> Result<String, Refusal> {
    let reason = block.reason;
    if intent.message.is_empty() {
        return refuse(RefusalReason::FieldMissing, format!("{} needs a message: why it is blocked", intent.kind));
    }
    if block.until.is_some_and(|until| until.since(observation.now) > NEXT_ALLOWED_MAX) {
        return refuse(RefusalReason::FieldInvalid, format!("until lies more than {NEXT_ALLOWED_MAX} ahead"));
    }
    block.until = block.until.map(|until| until.max(observation.now.plus(RECHECK_MIN)));
    if reason.follows_analysis() && !matches!(from, Phase::Analyzing | Phase::AwaitingApproval) {
        let message = format!("{} blocks what an analysis has found, and {from} has none", reason.name());
        return refuse(RefusalReason::EdgeIllegal, message);
    }
    if from == Phase::Blocked {
        check_renewal(observation, block)?;
    }
    match reason {
        BlockReason::DuplicateInProgress => check_original(observation, &intent.source),
        BlockReason::ResourceBusy => check_occupant(observation, &intent.source),
        BlockReason::ConsecutiveFailures
        | BlockReason::RecentlyRemediated
        | BlockReason::ExponentialBackoff
        | BlockReason::UnmanagedResource
        | BlockReason::IneffectiveChain => Ok(String::new()),
    }
}

/// A block follows a block only where the same is found once its time is up, and has a time again: else nothing would
/// bound how often it is written.
fn check_renewal(observation: &Observation, block: &Block) -> Result<(), Refusal> {
    let routing = &observation.facts.routing;
    let is_same = block.reason == BlockReason::UnmanagedResource && routing.block_reason == block.reason.name();
    if !is_same {
        let (known, wanted) = (&routing.block_reason, block.reason.name());
        return refuse(RefusalReason::EdgeIllegal, format!("a block for {known} is not followed by one for {wanted}"));
    }
    if routing.blocked_until.is_none_or(|until| until > observation.now) || block.until.is_none() {
        let message = "a block is renewed when its time is up, and for a time";
        return refuse(RefusalReason::EdgeIllegal, message);
    }
    Ok(())
}

/// A duplicate waits for a remediation that comes first and has not ended, so that no two wait for each other.
fn check_original(observation: &Observation, source: &str) -> Result<String, Refusal> {
    let items = observation.facts.signal_remediations.iter().flat_map(|page| &page.items);
    let is_at_work = |phase: &str| phase.parse::<Phase>().map_or(phase.is_empty(), |phase| !phase.is_terminal());
    let mut originals = items.filter(|item| item.comes_first && is_at_work(&item.phase));
    if source.is_empty() {
        return refuse(RefusalReason::FieldMissing, "wait-on needs source: the remediation that is waited for");
    }
    if originals.any(|item| item.name == source) {
        return Ok(source.to_owned());
    }
    let message = format!("no remediation \"{source}\" of this signal comes first and has not ended");
    refuse(RefusalReason::SourceInvalid, message)
}

/// A busy target is one on which another remediation's execution has not ended.
fn check_occupant(observation: &Observation, source: &str) -> Result<String, Refusal> {
    let items = observation.facts.target_executions.iter().flat_map(|page| &page.items);
    let is_occupant = |item: &TargetExecution| !item.own && !item.is_finished() && item.name == source;
    if source.is_empty() {
        return refuse(RefusalReason::FieldMissing, "wait-on needs source: the execution that is waited for");
    }
    if items.clone().any(is_occupant) {
        return Ok(source.to_owned());
    }
    let message = format!("no execution \"{source}\" of another remediation is at work on the target");
    refuse(RefusalReason::SourceInvalid, message)
}

/// Checks that a remediation's own execution was deduplicated, by the one that it wants to wait for.
pub(super) fn check_await(observation: &Observation, intent: &Intent) -> Result<String, Refusal> {
    if observation.phase != Some(Phase::Executing) {
        return refuse(RefusalReason::EdgeIllegal, "only an execution is deduplicated");
    }
    let execution = observation.facts.execution.as_ref().filter(|run| run.failure_code == DEDUPLICATED);
    match execution {
        Some(run) if !intent.source.is_empty() && run.deduplicated_by == intent.source => Ok(intent.source.clone()),
        _ if intent.source.is_empty() => {
            refuse(RefusalReason::FieldMissing, "wait-on needs source: the execution that is waited for")
        }
        Some(run) => {
            let message = format!("{} stands for the execution, not {}", run.deduplicated_by, intent.source);
            refuse(RefusalReason::SourceInvalid, message)
        }
        None => refuse(RefusalReason::SourceInvalid, "the execution was not deduplicated"),
    }
}

/// The end that an intent wants to inherit.
pub(super) fn inherited_phase(intent: &Intent) -> Result<Phase, Refusal> {
    match (intent.outcome.is_empty(), intent.failure_phase.is_empty()) {
        (false, true) => Ok(Phase::Completed),
        (true, false) => Ok(Phase::Failed),
        (true, true) => refuse(RefusalReason::FieldMissing, "inherit needs an outcome or a failure-phase"),
        (false, false) => refuse(RefusalReason::FieldInvalid, "inherit has an outcome or a failure-phase, not both"),
    }
}

/// An end is inherited from the very object that is waited for, as that object has ended.
pub(super) fn check_inherit(
    observation: &Observation,
    from: Phase,
    to: Phase,
    intent: &Intent,
) -> Result<String, Refusal> {
    let facts = &observation.facts;
    let is_waiting = match from {
        Phase::Blocked => facts.routing.block_reason == BlockReason::DuplicateInProgress.name(),
        _ => facts.execution.as_ref().is_some_and(|run| run.failure_code == DEDUPLICATED),
    };
    let Some(awaited) = facts.routing.awaited.as_ref().filter(|_| is_waiting) else {
        return refuse(RefusalReason::SourceInvalid, "it waits for no object whose end it could inherit");
    };
    if intent.source.is_empty() {
        return refuse(RefusalReason::FieldMissing, "inherit needs source: the object whose end is inherited");
    }
    if intent.source != awaited.name {
        let message = format!("it waits for {}, not for \"{}\"", awaited.name, intent.source);
        return refuse(RefusalReason::SourceInvalid, message);
    }
    let is_so =
        if to == Phase::Completed { awaited.is_completed() } else { awaited.is_over() && !awaited.is_completed() };
    if is_so {
        return Ok(awaited.name.clone());
    }
    let phase = if awaited.found { awaited.phase.as_str() } else { "gone" };
    refuse(RefusalReason::SourceInvalid, format!("{} is {phase}, so {to} cannot be inherited from it", awaited.name))
}

/// A block ends where it began: back to Analyzing only what had come so far.
pub(super) fn check_release(observation: &Observation, to: Phase) -> Result<(), Refusal> {
    let from = &observation.facts.routing.blocked_from;
    if to == Phase::Analyzing && from != to.name() {
        return refuse(RefusalReason::EdgeIllegal, format!("it was blocked from {from}, so it has nothing to analyze"));
    }
    Ok(())
}

/// At most one execution is at work on an object, and the object is the one that is locked.
///
/// Whether the lock is held at all is the host's own affair: it waits for it.
pub(super) fn check_target(observation: &Observation) -> Result<(), Refusal> {
    let Some(page) = observation.facts.target_executions.as_ref().filter(|page| page.locked) else { return Ok(()) };
    let target = Target::qualified(observation.remediation_target());
    if page.target != target {
        let message = format!("the lock is of {}, and the execution would be on {target}", page.target);
        return refuse(RefusalReason::TargetBusy, message);
    }
    if let Some(other) = page.busy_with() {
        let message = format!("{} is at work on {target} and has not ended", other.name);
        return refuse(RefusalReason::TargetBusy, message);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
