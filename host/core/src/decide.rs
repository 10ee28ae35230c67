//! Decide: asks the slots in their order, holds every answer against the guardrails, and ends with a plan.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::audit;
use crate::brakes::{self, Hold};
use crate::guardrails::creations::{self, Wanted};
use crate::guardrails::deadlines::{self, Limits};
use crate::guardrails::intent::{self, Step, Transition};
use crate::guardrails::{Refusal, RefusalReason};
use crate::members::{Combined, Member, Seat};
use crate::observation::{ChildKind, LazyFact, Observation};
use crate::phase::{FailurePhase, Move, Phase, is_edge};
use crate::plan::{self, Context, Plan, expiry, repair};
use crate::ports::{Answer, Choice, FailStrategy, Interruption, Judge, LogLine};
use crate::proposal::{Explanation, Intent, Proposal, Slot};
use crate::record::{Revision, SetRevision};
use crate::settings::Settings;
use crate::time::{Span, Timestamp};

mod ended;
mod endings;
mod hash;
mod overdue;
mod routing;
mod schedule;
mod stalled;

use overdue::Overdue;
use schedule::Scheduled;

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
    /// Which of the slot's policies; left out where it is the first.
    #[serde(default, skip_serializing_if = "Member::is_first")]
    pub member: Member,
    /// Which of its revisions was asked.
    pub choice: Choice,
    /// Component and config; absent where nobody answered.
    pub revision: Option<Revision>,
    /// Fuel used.
    pub fuel: u64,
    /// Lines logged.
    pub log: Vec<LogLine>,
    /// Stable reason and one line, where it faulted or was refused.
    pub fault: Option<(String, String)>,
    /// What was proposed; absent where it faulted.
    pub proposal: Option<Proposal>,
}

impl Evaluation {
    /// Who was asked: the slot, and which of its policies.
    pub const fn seat(&self) -> Seat {
        Seat { slot: self.slot, member: self.member }
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// Nothing now.
    Stay,
    /// This step.
    Step(Arc<Plan>),
}

/// A decision: all evaluations of one reconcile and what they lead to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// What is to be done.
    pub verdict: Verdict,
    /// When to look again even if nothing changes.
    pub wake_at: Option<Timestamp>,
    /// Why.
    pub why: Explanation,
    /// Every question asked.
    pub evaluations: Vec<Evaluation>,
    /// Whose deadlines hold; left out where one policy fills the timeouts slot, or it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combined: Option<Combined>,
}

/// Makes the decision, or says what must be gathered first.
pub fn decide(observation: &Arc<Observation>, judge: &mut dyn Judge, settings: &Settings) -> Result<Decision, Need> {
    let set_revision = judge.set_revision();
    let mut asking = Asking {
        observation,
        judge,
        settings,
        set_revision,
        evaluations: Vec::new(),
        revisions: Vec::new(),
        combined: None,
    };
    let (mut verdict, wake_at, why) = asking.decide()?;
    if let Verdict::Step(plan) = &mut verdict {
        // Nobody else has it yet.
        let plan = Arc::make_mut(plan);
        plan::stalled::lift(observation, plan);
        plan.audit = audit::of_plan(observation, plan);
    }
    Ok(Decision { verdict, wake_at, why, evaluations: asking.evaluations, combined: asking.combined })
}

type Verdicts = (Verdict, Option<Timestamp>, Explanation);

struct Asking<'a> {
    observation: &'a Arc<Observation>,
    judge: &'a mut dyn Judge,
    settings: &'a Settings,
    set_revision: Option<SetRevision>,
    evaluations: Vec<Evaluation>,
    revisions: Vec<(Seat, Revision)>,
    combined: Option<Combined>,
}

impl Asking<'_> {
    fn decide(&mut self) -> Result<Verdicts, Need> {
        let observation = Arc::clone(self.observation);
        if observation.phase.is_some_and(Phase::is_terminal) {
            return Ok(self.ended());
        }
        if let Some(fault) = &observation.overrides_fault
            && let Some(phase) = observation.phase.filter(|phase| is_edge(*phase, Move::Fail, Phase::Failed))
        {
            let limits = deadlines::ceiling_only(&observation, self.settings);
            let why = Explanation::new("TimeoutConfigInvalid", fault.clone());
            return Ok(self.host_failure(&limits, phase, FailurePhase::Configuration, fault, why));
        }
        let Scheduled { limits, why: schedule_why, failing } = self.scheduled()?;
        if let Some(seat) = failing
            && observation.phase.is_some()
        {
            return Ok(self.unanswered(&limits, seat));
        }
        if observation.phase.is_none() {
            let plan = plan::initialise(&self.context(&limits), &schedule_why);
            return Ok(step(plan));
        }
        let overdue = Overdue::of(&observation, &limits);
        if !overdue.is_empty() && !observation.is_live {
            return Err(Need::Live);
        }
        if let Some(limit) = overdue.to_end()
            && let Some(plan) = expiry::expire(&self.context(&limits), limit)
        {
            return Ok(step(plan));
        }
        if let Some((limit, since)) = overdue.to_escalate() {
            return Ok(step(plan::escalation::escalate(&self.context(&limits), limit, since)));
        }
        if let Some(plan) = plan::delivery::news(&self.context(&limits)) {
            return Ok(step(plan));
        }
        if let Some(plan) = plan::note_verification_deadline(&self.context(&limits), &schedule_why) {
            return Ok(step(plan));
        }
        if let Some(hindered) = self.hindered(&limits, &overdue) {
            return Ok(hindered);
        }
        if overdue.is_empty()
            && let Some(plan) = repair::recreate_assessment(&observation, self.settings)
        {
            let (verdict, _, why) = step(plan);
            return Ok((verdict, limits.next_expiry(observation.now).map(after), why));
        }
        let (verdict, wake, why) = self.transition(&limits, &overdue)?;
        if verdict == Verdict::Stay
            && let Some(limit) = overdue.excused()
        {
            // The phase's child was done in time, so the policy was asked first; but it stays, and time is up.
            return Ok(self.give_up(&limits, limit, &why));
        }
        Ok((verdict, wake, why))
    }

    fn transition(&mut self, limits: &Limits, overdue: &Overdue) -> Result<Verdicts, Need> {
        let observation = Arc::clone(self.observation);
        if needs_override(&observation) {
            return Err(Need::Fact(LazyFact::WorkflowOverride));
        }
        let expired = overdue.asked();
        let asked = self.ask(
            Slot::Transitions.into(),
            self.others(Slot::Transitions.into()),
            |judge, choice| judge.transitions(choice, &observation, &expired),
            |proposed| {
                let step = intent::check(&observation, proposed, &expired)?;
                Ok((step, proposed.clone()))
            },
        )?;
        match asked {
            Some((Step::Stay { until }, lawful)) => {
                let wake = self.wake(limits, until);
                let why = intent::explanation(&lawful.why);
                // Its time is up: what it waits for does not matter any more.
                if overdue.excused().is_some() {
                    Ok((Verdict::Stay, wake, why))
                } else {
                    Ok(self.stayed(limits, wake, why))
                }
            }
            Some((Step::Await { source, until }, lawful)) => {
                let wake = self.wake(limits, until);
                let why = intent::explanation(&lawful.why);
                let noted = plan::blocking::note_duplicate(&self.context(limits), &source, &why);
                if let Some(plan) = noted.filter(|_| overdue.excused().is_none()) {
                    return Ok(step(plan));
                }
                Ok((Verdict::Stay, wake, why))
            }
            Some((Step::Move(change), lawful)) => self.carry_out(limits, &change, &lawful),
            // A passed deadline that nobody answers for ends the remediation.
            None => match overdue.passed.first().and_then(|limit| expiry::expire(&self.context(limits), limit)) {
                Some(plan) => Ok(step(plan)),
                None => Ok(self.unanswered(limits, Slot::Transitions.into())),
            },
        }
    }

    fn carry_out(&mut self, limits: &Limits, change: &Transition, lawful: &Intent) -> Result<Verdicts, Need> {
        let (observation, settings) = (Arc::clone(self.observation), self.settings);
        if let Some(hold) = brakes::hold_move(&observation, change.to) {
            return Ok(held(limits, observation.now, hold));
        }
        if let Some(plan) = plan::retry::end_first(&observation, change) {
            return Ok(step(plan));
        }
        if let Some(held) = self.before_routing(limits, change)? {
            return Ok(held);
        }
        let asked: Option<Vec<Wanted>> = self.ask(
            Slot::Children.into(),
            self.others(Slot::Children.into()),
            |judge, choice| judge.children(choice, &observation, lawful),
            |creations| {
                let wanted = creations::check(change, creations)?;
                // Planned on trial: what the plan refuses is this answer's fault.
                let context =
                    Context { observation: &observation, settings, limits, revisions: &[], set_revision: None };
                plan::transition(&context, change, &wanted).map(|_| wanted)
            },
        )?;
        let planned = asked.map(|wanted| plan::transition(&self.context(limits), change, &wanted));
        match planned {
            Some(Ok(plan)) => match brakes::hold_back(&observation, &plan) {
                Some(hold) => Ok(held(limits, observation.now, hold)),
                None => self.ready(limits, change, plan),
            },
            Some(Err(_)) | None => Ok(self.unanswered(limits, Slot::Children.into())),
        }
    }

    /// Who answers where the active revision of a policy gives no lawful answer.
    fn others(&self, seat: Seat) -> &'static [Choice] {
        match self.judge.strategy(seat) {
            FailStrategy::LastGood => &[Choice::LastGood, Choice::Builtin],
            FailStrategy::Builtin => &[Choice::Builtin],
            FailStrategy::Hold | FailStrategy::Fail => &[],
        }
    }

    /// Asks one policy: the active revision, then the others. `None` where nobody gave a lawful answer.
    fn ask<T: Into<Proposal>, C>(
        &mut self,
        seat: Seat,
        others: &[Choice],
        question: impl Fn(&mut dyn Judge, Choice) -> Result<Answer<T>, Interruption>,
        mut check: impl FnMut(&T) -> Result<C, Refusal>,
    ) -> Result<Option<C>, Need> {
        let Seat { slot, member } = seat;
        for choice in std::iter::once(Choice::Active).chain(others.iter().copied()) {
            match question(self.judge, choice) {
                Err(Interruption::Missing(fact)) => return Err(Need::Fact(fact)),
                Err(Interruption::Fault(fault)) => self.evaluations.push(Evaluation {
                    slot,
                    member,
                    choice,
                    revision: fault.revision,
                    fuel: fault.fuel,
                    log: Vec::new(),
                    fault: Some((fault.reason.code().to_owned(), fault.message)),
                    proposal: None,
                }),
                Ok(answer) => {
                    let checked = check(&answer.value);
                    self.evaluations.push(Evaluation {
                        slot,
                        member,
                        choice,
                        revision: Some(answer.revision.clone()),
                        fuel: answer.fuel,
                        log: answer.log,
                        fault: checked.as_ref().err().map(|no| (no.reason.code().to_owned(), no.message.clone())),
                        proposal: Some(answer.value.into()),
                    });
                    if let Ok(lawful) = checked {
                        self.revisions.push((seat, answer.revision));
                        return Ok(Some(lawful));
                    }
                }
            }
        }
        Ok(None)
    }

    fn context<'b>(&'b self, limits: &'b Limits) -> Context<'b> {
        Context {
            observation: self.observation,
            settings: self.settings,
            limits,
            revisions: &self.revisions,
            set_revision: self.set_revision.as_ref(),
        }
    }
}

fn step(plan: Plan) -> Verdicts {
    let why = plan.why.clone();
    (Verdict::Step(Arc::new(plan)), None, why)
}

/// A remediation that the brakes hold: its deadlines keep running.
fn held(limits: &Limits, now: Timestamp, hold: Hold) -> Verdicts {
    let wake = limits.next_expiry(now).map(after).into_iter().chain([hold.look_at]).min();
    (Verdict::Stay, wake, Explanation::new(hold.rule.code(), hold.text))
}

/// A limit is the last moment in time, so it has passed one millisecond later.
fn after(limit: Timestamp) -> Timestamp {
    limit.plus(Span::from_millis(1))
}

/// An approved override has to be known before anything is made of the approval.
fn needs_override(observation: &Observation) -> bool {
    observation.phase == Some(Phase::AwaitingApproval)
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
