//! One look at a watched remediation: new steps of the other are compared, open comparisons completed, due steps noted.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use trimtab_core::json::text;
use trimtab_core::observation::Observation;
use trimtab_core::phase::{self, Phase, is_edge};
use trimtab_core::time::{Span, Timestamp};

use super::Standing;
use super::comparison::{self, Aspect, Comparison, Difference, Move, PROMPT, Verdict};
use super::explain::{Circumstances, Failures, explain};
use super::hindsight::{Ours, ours, present};
use super::life::{Due, Open, STEP_PATIENCE, TRIES_MAX, Write};
use super::objects;
use crate::reconcile::{Context, ReconcileError};

/// Looks at a remediation; the result is when to look again.
pub(crate) async fn watch(
    context: &Context,
    namespace: &str,
    name: &str,
    uid: &str,
) -> Result<Option<Duration>, ReconcileError> {
    let standing = &context.beside;
    meet(context, namespace, uid);
    while let Some(write) = standing.with(uid, super::Life::pop) {
        match compare(context, uid, &write).await {
            Ok(open) => standing.with(uid, |life| life.open.push(open)),
            Err(error) if write.tries + 1 < TRIES_MAX => {
                let again = Write { tries: write.tries + 1, ..write };
                standing.with(uid, |life| life.push_back(again));
                return Err(error);
            }
            Err(error) => standing.note(&undecidable(&write, &error.to_string())),
        }
    }
    let settled = settle(context, namespace, uid).await?;
    let Some(object) = present(context, namespace, name, uid).await? else { return Ok(None) };
    let due = foresee(context, uid, &object).await?;
    let now = context.clock.now();
    let wake = settled.into_iter().chain(due).min();
    Ok(wake.map(|at| Duration::from_millis(at.since(now).as_millis().max(1))))
}

/// What belongs to a remediation when it is first seen belongs to a past that nobody here knows.
fn meet(context: &Context, namespace: &str, uid: &str) {
    let is_stranger = context.beside.with(uid, |life| !std::mem::replace(&mut life.is_met, true) && !life.is_new);
    if is_stranger {
        let known = objects::of(context, namespace, uid);
        context.beside.with(uid, |life| life.known.extend(known));
    }
}

/// Holds a step against what would have been done here.
async fn compare(context: &Context, uid: &str, write: &Write) -> Result<Open, ReconcileError> {
    let (from, to) = write.phases();
    let theirs = Move::of_status(&write.after);
    let mut open = Open {
        comparison: blank(write, Verdict::Agreed),
        write: write.clone(),
        planned: Vec::new(),
        carried_out: None,
        failures: Failures::Own,
        late: Span::default(),
    };
    if to == Phase::Cancelled.name() {
        open.comparison.verdict = Verdict::Undecidable("it was cancelled from outside".to_owned());
        return Ok(open);
    }
    if !is_possible(from, to) {
        let reason = format!("no step leads from {from} to {to}: writes in between were not seen");
        open.comparison.verdict = Verdict::Undecidable(reason);
        return Ok(open);
    }
    let planned = ours(context, &write.before, write.seen_at).await?;
    let due = context.beside.with(uid, |life| life.due.take());
    let differences = match planned {
        Ours::Gone => {
            open.comparison.verdict = Verdict::Undecidable("the remediation is gone".to_owned());
            return Ok(open);
        }
        Ours::Unanswered(reason) => {
            open.comparison.verdict = Verdict::Undecidable(format!("no policy gave a lawful answer: {reason}"));
            return Ok(open);
        }
        Ours::Stay { rule, .. } => {
            open.comparison.rule = rule;
            comparison::moves(from, &theirs, None)
        }
        Ours::Step { plan, before, seen } => {
            let ours = Move::of_plan(&before, &plan);
            open.comparison.rule.clone_from(&plan.why.rule);
            open.failures = failures(&seen);
            if ours.to == theirs.to {
                open.planned = comparison::creations(&plan).cloned().collect();
                open.carried_out = Some(comparison::carried_out(&before, &plan));
            }
            open.late = lateness(due, (from, &ours.to), write.seen_at);
            let mut differences = comparison::moves(from, &theirs, Some(&ours));
            if open.late > PROMPT && differences.is_empty() {
                differences.push(Difference::new(
                    Aspect::Moment,
                    "",
                    format!("{} later", open.late),
                    "when it was due",
                ));
            }
            open.comparison.ours = Some(ours);
            differences
        }
    };
    if !differences.is_empty() {
        open.comparison.verdict = Verdict::Differing(differences);
    }
    Ok(open)
}

/// Whether a single step leads from one phase to the other.
fn is_possible(from: &str, to: &str) -> bool {
    match (from.parse::<Phase>(), to.parse::<Phase>()) {
        (Ok(from), Ok(to)) => from == to || phase::Move::ALL.into_iter().any(|how| is_edge(from, how, to)),
        (Err(_), Ok(to)) => from.is_empty() && to == Phase::Pending,
        (_, Err(_)) => false,
    }
}

/// How long a step was due here before the other took it.
fn lateness(due: Option<Due>, (from, to): (&str, &str), taken_at: Timestamp) -> Span {
    due.filter(|due| due.from == from && due.to == to && !due.is_told)
        .map_or_else(Span::default, |due| taken_at.since(due.since))
}

/// What the other counts among the failures in a row of the signal, and what is not counted here.
fn failures(seen: &Observation) -> Failures {
    let others = seen.facts.signal_remediations.iter().flat_map(|others| &others.items);
    others.fold(Failures::Own, |known, other| match other.failure_phase.as_str() {
        "Blocked" => Failures::BeforeCooldown,
        "Deduplicated" if known == Failures::Own => Failures::OfOthers,
        _ if known == Failures::Own && other.phase == Phase::Blocked.name() => Failures::OfOthers,
        _ => known,
    })
}

/// Completes the comparisons whose objects are there, or should be by now; the result is when the next one should be.
async fn settle(context: &Context, namespace: &str, uid: &str) -> Result<Option<Timestamp>, ReconcileError> {
    let standing = &context.beside;
    let mut next = None;
    while let Some(open) = standing.with(uid, |life| life.open.first().cloned()) {
        let found = objects::planned(context, namespace, &open.planned).await?;
        // After the last step something may still come that no plan creates.
        let rests = open.write.phases().1.parse().is_ok_and(|to: Phase| to.is_terminal() || to == Phase::Blocked);
        let is_last = standing.with(uid, |life| life.open.len() == 1);
        let is_complete = found.iter().all(Option::is_some) && !(rests && is_last);
        if !is_complete && context.clock.now() < open.until() {
            next = Some(open.until());
            break;
        }
        let present = objects::of(context, namespace, uid);
        let comparison = standing.with(uid, |life| {
            life.open.remove(0);
            life.known.extend(open.planned.iter().map(objects::word));
            // Objects may belong to a step that is still to come: they are told where the other comes to rest.
            let is_told = rests && is_last;
            let unplanned: Vec<_> =
                present.into_iter().filter(|object| is_told && !life.known.contains(object)).collect();
            life.known.extend(unplanned.iter().cloned());
            complete(open, &found, &unplanned)
        });
        standing.note(&comparison);
    }
    Ok(next)
}

/// A comparison with everything that belongs to its step.
fn complete(open: Open, found: &[Option<Arc<Value>>], unplanned: &[String]) -> Comparison {
    let Open { mut comparison, write, planned, carried_out, failures, late } = open;
    let mut differences = match comparison.verdict {
        Verdict::Undecidable(_) => return comparison,
        Verdict::Differing(differences) => differences,
        Verdict::Agreed => Vec::new(),
    };
    if let Some(ours) = &carried_out {
        differences.extend(comparison::status_times(&write.after, ours, write.seen_at));
        for (manifest, object) in planned.iter().zip(found) {
            differences.extend(comparison::creation(manifest, object.as_deref(), write.seen_at));
        }
        // Where the ways part, so do the objects.
        differences.extend(unplanned.iter().map(|object| objects::unplanned(object)));
    }
    let around = Circumstances {
        from: &comparison.from,
        block_reason: text(&write.before, "/status/routingStatus/blockReason"),
        theirs: &comparison.theirs,
        ours: comparison.ours.as_ref(),
        late,
        is_waiting: false,
        failures,
    };
    explain(&mut differences, &around);
    comparison.verdict = if differences.is_empty() { Verdict::Agreed } else { Verdict::Differing(differences) };
    comparison
}

/// Looks whether a step is due here that the other does not take; the result is when to look again.
async fn foresee(context: &Context, uid: &str, object: &Value) -> Result<Option<Timestamp>, ReconcileError> {
    let standing: &Standing = &context.beside;
    let from = text(object, "/status/overallPhase").to_owned();
    if from.parse().is_ok_and(Phase::is_terminal) {
        return Ok(None);
    }
    let now = context.clock.now();
    let (plan, before, seen) = match ours(context, object, now).await? {
        Ours::Step { plan, before, seen } => (plan, before, seen),
        Ours::Stay { wake_at, .. } => {
            standing.with(uid, |life| life.due = None);
            return Ok(wake_at);
        }
        Ours::Unanswered(_) | Ours::Gone => return Ok(None),
    };
    let ours = Move::of_plan(&before, &plan);
    let (since, is_told) = standing.with(uid, |life| {
        let known = life.due.take().filter(|due| due.from == from && due.to == ours.to);
        let due = known.unwrap_or_else(|| Due { from: from.clone(), to: ours.to.clone(), since: now, is_told: false });
        let told = (due.since, due.is_told);
        life.due = Some(due);
        told
    });
    if is_told {
        return Ok(None);
    }
    if now < since.plus(STEP_PATIENCE) {
        return Ok(Some(since.plus(STEP_PATIENCE)));
    }
    standing.with(uid, |life| life.due.iter_mut().for_each(|due| due.is_told = true));
    let write = Write { before: Arc::new(object.clone()), after: Arc::new(object.clone()), seen_at: now, tries: 0 };
    standing.note(&not_taken(&write, ours, (plan.why.rule.as_str(), now.since(since)), &seen));
    Ok(None)
}

/// A step that is due here and that the other does not take.
fn not_taken(write: &Write, ours: Move, (rule, waited): (&str, Span), seen: &Observation) -> Comparison {
    let mut comparison = blank(write, Verdict::Agreed);
    let theirs = format!("is still in {} after {waited}", comparison.from);
    let mut differences = vec![Difference::new(Aspect::Moment, "", theirs, format!("goes to {}", ours.to))];
    let around = Circumstances {
        from: &comparison.from,
        block_reason: text(&write.before, "/status/routingStatus/blockReason"),
        theirs: &comparison.theirs,
        ours: Some(&ours),
        late: waited,
        is_waiting: true,
        failures: failures(seen),
    };
    explain(&mut differences, &around);
    rule.clone_into(&mut comparison.rule);
    comparison.verdict = Verdict::Differing(differences);
    comparison.ours = Some(ours);
    comparison
}

fn blank(write: &Write, verdict: Verdict) -> Comparison {
    let of = |pointer| text(&write.after, pointer).to_owned();
    Comparison {
        at: write.seen_at,
        namespace: of("/metadata/namespace"),
        name: of("/metadata/name"),
        uid: of("/metadata/uid"),
        from: write.phases().0.to_owned(),
        theirs: Move::of_status(&write.after),
        ours: None,
        rule: String::new(),
        verdict,
    }
}

/// A step of which nobody can tell what would have been done here.
pub(super) fn undecidable(write: &Write, reason: &str) -> Comparison {
    blank(write, Verdict::Undecidable(reason.to_owned()))
}
