//! A remediation that cannot go on stays where it is and says why; its deadlines keep running.

use super::overdue::Overdue;
use super::{Asking, Need, Verdict, Verdicts, after, step};
use crate::block::DEDUPLICATED;
use crate::guardrails::deadlines::Limits;
use crate::guardrails::intent::Transition;
use crate::observation::{ChildKind, Observation, Obstacle};
use crate::phase::{Move, Phase};
use crate::plan::{Action, Plan, expiry, stalled};
use crate::proposal::Explanation;
use crate::time::Timestamp;

impl Asking<'_> {
    /// The end of a decision that cannot be made now: what it hangs on cannot be read, or the last try to carry out a
    /// step met an obstacle that nobody has been told of. `None` where nothing is in the way.
    pub(super) fn hindered(&self, limits: &Limits, overdue: &Overdue) -> Option<Verdicts> {
        let Some(unreadable) = unreadable(self.observation) else {
            return self.observation.obstacle.as_ref().map(|obstacle| self.stalled(limits, obstacle));
        };
        // A passed deadline that nobody can be asked about ends the remediation.
        let ending = overdue.passed.first().and_then(|limit| expiry::expire(&self.context(limits), limit));
        if let Some(plan) = ending {
            return Some(step(plan));
        }
        let stalled = self.stalled(limits, &unreadable);
        Some(overdue.excused().map_or(stalled.clone(), |limit| self.give_up(limits, limit, &stalled.2)))
    }

    /// A lawful step: whatever has to come before it, then the step itself.
    pub(super) fn ready(&self, limits: &Limits, change: &Transition, plan: Plan) -> Result<Verdicts, Need> {
        if let Some(obstacle) = uncreatable(self.observation, &plan) {
            return Ok(self.stalled(limits, &obstacle));
        }
        if (change.how, change.to) == (Move::Advance, Phase::Executing)
            && let Some(first) = self.before_execution(limits, change.from)?
        {
            return Ok(first);
        }
        Ok(step(plan))
    }

    /// The end of a decision to stay: after a while it shows that an input is missing, else that nothing is.
    pub(super) fn stayed(&self, limits: &Limits, wake: Option<Timestamp>, why: Explanation) -> Verdicts {
        let bound = waiting_since(self.observation).map(|since| since.plus(self.settings.input_patience));
        if bound.is_some_and(|bound| bound <= self.observation.now) {
            let message = format!("{}: {}", why.rule, why.text);
            return match stalled::note(
                &self.context(limits),
                Some(&Obstacle { reason: "InputMissing".to_owned(), message }),
            ) {
                Some(plan) => step(plan),
                None => (Verdict::Stay, wake, why),
            };
        }
        match stalled::note(&self.context(limits), None) {
            Some(plan) => step(plan),
            None => (Verdict::Stay, [wake, bound].into_iter().flatten().min(), why),
        }
    }

    fn stalled(&self, limits: &Limits, obstacle: &Obstacle) -> Verdicts {
        let wake = limits.next_expiry(self.observation.now).map(after);
        let text = format!("{}: {}", obstacle.reason, obstacle.message);
        stalled::note(&self.context(limits), Some(obstacle))
            .map_or((Verdict::Stay, wake, Explanation::new("Stalled", text)), step)
    }
}

/// The kind that keeps a child, or the workflow that a person has named, from being seen.
fn unreadable(observation: &Observation) -> Option<Obstacle> {
    let is_unseen = |kind: &ChildKind| observation.child(*kind).is_none_or(|child| !child.found);
    let awaited = observation.phase.and_then(ChildKind::of_phase).filter(is_unseen);
    let lost = observation.children.iter().filter(|child| !child.found).map(|child| child.kind);
    let named =
        observation.facts.workflow_override.iter().flatten().any(|it| !it.found && !it.workflow_name.is_empty());
    let kinds = awaited.into_iter().chain(lost).map(|kind| -> &str { kind.name() });
    // Of another object that cannot be seen nobody knows how it ended.
    let another = observation.facts.routing.awaited.as_ref().filter(|awaited| !awaited.found);
    let another = another.map(|awaited| awaited.kind.as_str());
    let mut kinds = kinds.chain(named.then_some("RemediationWorkflow")).chain(another);
    kinds.find_map(|kind| missing(observation, kind))
}

/// The kind that keeps a step from creating what it cannot do without.
fn uncreatable(observation: &Observation, plan: &Plan) -> Option<Obstacle> {
    let mut required = plan.actions.iter().filter_map(|action| match action {
        Action::Create(manifest) if manifest.is_required => Some(manifest.kind.as_str()),
        Action::Create(_) | Action::PatchStatus { .. } | Action::Delete { .. } => None,
    });
    required.find_map(|kind| missing(observation, kind))
}

fn missing(observation: &Observation, kind: &str) -> Option<Obstacle> {
    observation.missing_kinds.iter().find(|missing| missing.kind == kind).map(stalled::of_kind)
}

/// Since when the current phase's child has been done, or gone, with nothing having come of it.
fn waiting_since(observation: &Observation) -> Option<Timestamp> {
    let child = observation.child(ChildKind::of_phase(observation.phase?)?)?;
    // It waits for another execution, which can take its time.
    let is_waiting = child.reason == DEDUPLICATED;
    if child.found && (!child.is_finished() || is_waiting) {
        return None;
    }
    child.finished_at.max(observation.phase_entered_at())
}

#[cfg(test)]
mod tests;
