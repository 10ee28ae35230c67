//! Decide: asks the slots in their order, holds every answer against the guardrails, and ends with a plan.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::guardrails::creations::{self, Wanted};
use crate::guardrails::deadlines::{self, Limit, Limits, OnExpiry};
use crate::guardrails::intent::{self, Step, Transition};
use crate::guardrails::{Refusal, RefusalReason};
use crate::observation::{ChildKind, LazyFact, Observation};
use crate::phase::{FailurePhase, Move, Phase, is_edge};
use crate::plan::{self, Context, Plan};
use crate::ports::{Answer, Choice, FailStrategy, Interruption, Judge, LogLine};
use crate::proposal::{Explanation, Intent, Slot};
use crate::record::Revision;
use crate::settings::Settings;
use crate::time::{Span, Timestamp};

/// What has to be gathered before the decision can be made; then it is made again from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A fact.
    Fact(LazyFact),
    /// A limit has passed: the remediation and its children must be read live first.
    Live,
}

/// One question to one slot and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The slot.
    pub slot: Slot,
    /// Who was asked.
    pub choice: Choice,
    /// Component and config; absent where nobody answered.
    pub revision: Option<Revision>,
    /// Fuel used.
    pub fuel: u64,
    /// Lines logged.
    pub log: Vec<LogLine>,
    /// Stable reason and one line, where it faulted or was refused.
    pub fault: Option<(String, String)>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Nothing now.
    Stay,
    /// This step.
    Step(Box<Plan>),
}

/// A decision: all evaluations of one reconcile and what they lead to.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What is to be done.
    pub verdict: Verdict,
    /// When to look again even if nothing changes.
    pub wake_at: Option<Timestamp>,
    /// Why.
    pub why: Explanation,
    /// Every question asked.
    pub evaluations: Vec<Evaluation>,
}

/// Makes the decision, or says what must be gathered first.
pub fn decide(observation: &Arc<Observation>, judge: &mut dyn Judge, settings: &Settings) -> Result<Decision, Need> {
    let mut asking = Asking { observation, judge, settings, evaluations: Vec::new(), revisions: Vec::new() };
    let (verdict, wake_at, why) = asking.decide()?;
    Ok(Decision { verdict, wake_at, why, evaluations: asking.evaluations })
}

type Verdicts = (Verdict, Option<Timestamp>, Explanation);

struct Asking<'a> {
    observation: &'a Arc<Observation>,
    judge: &'a mut dyn Judge,
    settings: &'a Settings,
    evaluations: Vec<Evaluation>,
    revisions: Vec<(Slot, Revision)>,
}

impl Asking<'_> {
    fn decide(&mut self) -> Result<Verdicts, Need> {
        let observation = Arc::clone(self.observation);
        if observation.phase.is_some_and(Phase::is_terminal) {
            return Ok(self.ended());
        }
        if let Some(fault) = &observation.overrides_fault
            && let Some(phase) = observation.phase
        {
            let limits = deadlines::ceiling_only(&observation, self.settings);
            let why = Explanation::new("TimeoutConfigInvalid", fault.clone());
            return Ok(self.host_failure(&limits, phase, FailurePhase::Configuration, fault, why));
        }
        let (limits, schedule_why) = self.limits()?;
        if observation.phase.is_none() {
            let plan = plan::initialise(&self.context(&limits), &schedule_why);
            return Ok(step(plan));
        }
        let passed = passed(&observation, &limits);
        if !passed.is_empty() && !observation.is_live {
            return Err(Need::Live);
        }
        if let Some(limit) = passed.iter().find(|limit| limit.on_expiry != OnExpiry::Ask)
            && let Some(plan) = plan::expire(&self.context(&limits), limit)
        {
            return Ok(step(plan));
        }
        if let Some(plan) = plan::note_verification_deadline(&self.context(&limits), &schedule_why) {
            return Ok(step(plan));
        }
        if passed.is_empty()
            && let Some(plan) = plan::recreate_assessment(&observation, self.settings)
        {
            return Ok(step(plan));
        }
        self.transition(&limits, &passed)
    }

    /// Asks the timeouts slot; where nobody answers, the ceiling holds.
    fn limits(&mut self) -> Result<(Limits, Explanation), Need> {
        let (observation, settings) = (Arc::clone(self.observation), self.settings);
        let asked = self.ask(
            Slot::Timeouts,
            |judge, choice| judge.timeouts(choice, &observation),
            |schedule| {
                let limits = deadlines::check(&observation, schedule, settings)?;
                Ok((limits, intent::explanation(&schedule.why)))
            },
        )?;
        Ok(asked.unwrap_or_else(|| {
            let text = "No timeouts policy answered, so only the host's ceiling holds.";
            (deadlines::ceiling_only(&observation, settings), Explanation::new("CeilingOnly", text))
        }))
    }

    fn transition(&mut self, limits: &Limits, passed: &[Limit]) -> Result<Verdicts, Need> {
        let observation = Arc::clone(self.observation);
        let expired: Vec<String> = passed.iter().map(|limit| limit.scope.name().to_owned()).collect();
        let mut intents: Vec<Intent> = Vec::new();
        let asked = self.ask(
            Slot::Transitions,
            |judge, choice| judge.transitions(choice, &observation, &expired),
            |proposed| {
                let step = intent::check(&observation, proposed, &expired)?;
                intents.push(proposed.clone());
                Ok((step, intent::explanation(&proposed.why)))
            },
        )?;
        match asked {
            Some((Step::Stay { until }, why)) => {
                let wake = [limits.next_expiry(observation.now).map(after), until].into_iter().flatten().min();
                Ok((Verdict::Stay, wake, why))
            }
            Some((Step::Move(change), _)) => {
                let lawful = intents.pop().unwrap_or_default();
                self.carry_out(limits, &change, &lawful)
            }
            None => match passed.first() {
                // A passed deadline that nobody answers for ends the remediation.
                Some(limit) => match plan::expire(&self.context(limits), limit) {
                    Some(plan) => Ok(step(plan)),
                    None => Ok(self.unanswered(limits, Slot::Transitions)),
                },
                None => Ok(self.unanswered(limits, Slot::Transitions)),
            },
        }
    }

    fn carry_out(&mut self, limits: &Limits, change: &Transition, lawful: &Intent) -> Result<Verdicts, Need> {
        let observation = Arc::clone(self.observation);
        if needs_override(&observation, change) {
            return Err(Need::Fact(LazyFact::WorkflowOverride));
        }
        let asked: Option<Vec<Wanted>> = self.ask(
            Slot::Children,
            |judge, choice| judge.children(choice, &observation, lawful),
            |creations| creations::check(change, creations),
        )?;
        let Some(wanted) = asked else { return Ok(self.unanswered(limits, Slot::Children)) };
        match plan::transition(&self.context(limits), change, &wanted) {
            Ok(plan) => Ok(step(plan)),
            Err(refusal) => {
                self.note_refusal(&refusal, Choice::Active);
                Ok(self.unanswered(limits, refusal.slot))
            }
        }
    }

    /// Asks one slot: the active revision, then whoever its strategy names. `None` where nobody gave a lawful answer.
    fn ask<T, C>(
        &mut self,
        slot: Slot,
        question: impl Fn(&mut dyn Judge, Choice) -> Result<Answer<T>, Interruption>,
        mut check: impl FnMut(&T) -> Result<C, Refusal>,
    ) -> Result<Option<C>, Need> {
        let others: &[Choice] = match self.judge.strategy(slot) {
            FailStrategy::LastGood => &[Choice::LastGood, Choice::Builtin],
            FailStrategy::Builtin => &[Choice::Builtin],
            FailStrategy::Hold | FailStrategy::Fail => &[],
        };
        for choice in std::iter::once(Choice::Active).chain(others.iter().copied()) {
            match question(self.judge, choice) {
                Err(Interruption::Missing(fact)) => return Err(Need::Fact(fact)),
                Err(Interruption::Fault(fault)) => self.evaluations.push(Evaluation {
                    slot,
                    choice,
                    revision: fault.revision,
                    fuel: fault.fuel,
                    log: Vec::new(),
                    fault: Some((fault.reason.code().to_owned(), fault.message)),
                }),
                Ok(answer) => {
                    let checked = check(&answer.value);
                    self.evaluations.push(Evaluation {
                        slot,
                        choice,
                        revision: Some(answer.revision.clone()),
                        fuel: answer.fuel,
                        log: answer.log,
                        fault: checked.as_ref().err().map(|no| (no.reason.code().to_owned(), no.message.clone())),
                    });
                    if let Ok(lawful) = checked {
                        self.revisions.push((slot, answer.revision));
                        return Ok(Some(lawful));
                    }
                }
            }
        }
        Ok(None)
    }

    fn note_refusal(&mut self, refusal: &Refusal, choice: Choice) {
        let revision = self.revisions.iter().rfind(|(slot, _)| *slot == refusal.slot).map(|(_, known)| known.clone());
        let fault = Some((refusal.reason.code().to_owned(), refusal.message.clone()));
        self.evaluations.push(Evaluation { slot: refusal.slot, choice, revision, fuel: 0, log: Vec::new(), fault });
    }

    /// Nobody gave a lawful answer: the remediation fails where the strategy says so, else it is held.
    fn unanswered(&mut self, limits: &Limits, slot: Slot) -> Verdicts {
        let observation = Arc::clone(self.observation);
        let fault = self.evaluations.iter().rev().find(|one| one.slot == slot).and_then(|one| one.fault.clone());
        let (code, line) = fault.unwrap_or_else(|| ("Unavailable".to_owned(), "no revision answered".to_owned()));
        let text = format!("The {slot} policy gave no lawful answer ({code}: {line})");
        if let Some(phase) = observation.phase
            && self.judge.strategy(slot) == FailStrategy::Fail
            && is_edge(phase, Move::Fail, Phase::Failed)
        {
            let why = Explanation::new("PolicyFault", text.clone());
            return self.host_failure(limits, phase, phase.failure_phase(), &text, why);
        }
        let wake = limits.next_expiry(observation.now).map(after);
        (Verdict::Stay, wake, Explanation::new("Held", format!("{text}; the remediation is held where it is.")))
    }

    /// The host itself fails a remediation; the standard escalation goes out.
    fn host_failure(
        &self,
        limits: &Limits,
        from: Phase,
        failure_phase: FailurePhase,
        reason: &str,
        why: Explanation,
    ) -> Verdicts {
        let change = Transition {
            from,
            how: Move::Fail,
            to: Phase::Failed,
            outcome: None,
            failure_phase: Some(failure_phase),
            reason: reason.chars().take(intent::TEXT_CHARACTERS_MAX).collect(),
            message: String::new(),
            next_allowed_at: None,
            manual_review: false,
            why: why.clone(),
        };
        let escalation = [Wanted::Notification { purpose: "escalation", patch: None }];
        match plan::transition(&self.context(limits), &change, &escalation) {
            Ok(plan) => step(plan),
            // INVARIANT: an escalation has no child and no patch, so there is nothing to refuse.
            Err(_) => (Verdict::Stay, None, why),
        }
    }

    fn ended(&self) -> Verdicts {
        let why = Explanation::new("Ended", "The remediation has ended.");
        match plan::cascade(self.observation) {
            Some(plan) => step(plan),
            None => (Verdict::Stay, None, why),
        }
    }

    fn context<'b>(&'b self, limits: &'b Limits) -> Context<'b> {
        Context { observation: self.observation, settings: self.settings, limits, revisions: &self.revisions }
    }
}

fn step(plan: Plan) -> Verdicts {
    let why = plan.why.clone();
    (Verdict::Step(Box::new(plan)), None, why)
}

/// A limit is the last moment in time, so it has passed one millisecond later.
fn after(limit: Timestamp) -> Timestamp {
    limit.plus(Span::from_millis(1))
}

/// The limits that have passed, unless the phase's child, or a person, was done in time.
fn passed(observation: &Observation, limits: &Limits) -> Vec<Limit> {
    limits
        .limits
        .iter()
        .filter(|limit| observation.now > limit.at && !done_by(observation, limit.at))
        .cloned()
        .collect()
}

/// Whether the current phase's child finished no later than `limit`. One that does not say when counts as in time.
fn done_by(observation: &Observation, limit: Timestamp) -> bool {
    observation
        .phase
        .and_then(ChildKind::of_phase)
        .and_then(|kind| observation.child(kind))
        .is_some_and(|child| child.found && child.is_finished() && child.finished_at.is_none_or(|at| at <= limit))
}

/// An execution of an approved override needs the override's workflow.
fn needs_override(observation: &Observation, change: &Transition) -> bool {
    change.to == Phase::Executing
        && observation.facts.workflow_override.is_none()
        && observation
            .child(ChildKind::RemediationApprovalRequest)
            .is_some_and(|child| child.object.pointer("/status/workflowOverride").is_some_and(|value| !value.is_null()))
}

/// Every stable reason why an evaluation costs its slot the answer: faults first, then refusals.
pub fn reasons() -> Vec<&'static str> {
    let faults = crate::ports::FaultReason::ALL.into_iter().map(crate::ports::FaultReason::code);
    faults.chain(RefusalReason::ALL.into_iter().map(RefusalReason::code)).collect()
}

#[cfg(test)]
mod tests;
