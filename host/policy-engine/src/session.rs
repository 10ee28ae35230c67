//! One decision: the handles are taken once, each component answers all its slots in one fresh instance.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use trimtab_core::members::{Member, Members, Seat};
use trimtab_core::observation::Observation;
use trimtab_core::ports::{Answer, Choice, FailStrategy, Fault, FaultReason, Interruption, Judge};
use trimtab_core::proposal::{Creations, Intent, Proposal, Schedule, Slot};
use trimtab_core::record::SetRevision;
use wasmtime::Store;
use wasmtime::component::Instance as Exports;

use crate::bindings::trimtab::policy::types::{self, Failure};
use crate::component::{Slots, within};
use crate::config::ConfiguredPolicy;
use crate::facts::FactAnswers;
use crate::fault::{Crash, cut};
use crate::instance::{Instance, State, Taken};
use crate::mapping::{self, Weigh};
use crate::policy_set::Snapshot;
use crate::times::Outcome;

/// Most bytes of the code and of the message of a policy's own refusal.
const FAILURE_CODE_BYTES_MAX: usize = 63;
const FAILURE_MESSAGE_BYTES_MAX: usize = 900;

/// Asks the slots for the length of one decision. Synchronous: keep it off async workers.
pub struct Session {
    snapshot: Arc<Snapshot>,
    answers: Option<Arc<FactAnswers>>,
    // Bounded by 3 slots times 3 choices: of the other policies of a slot each has its own, for one question.
    live: Vec<(Arc<ConfiguredPolicy>, Instance)>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("live", &self.live).finish_non_exhaustive()
    }
}

/// What a slot is asked with.
struct Asked<'a> {
    slots: &'a Slots,
    config: &'a str,
    observation: &'a types::Observation,
    store: &'a mut Store<State>,
    exports: &'a Exports,
}

/// What a guest's function gives: a trap, its own refusal, or an answer; `None` where the slot is not filled.
type Given<R> = wasmtime::Result<Option<Result<R, Failure>>>;

impl Session {
    pub(crate) fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, answers: None, live: Vec::new() }
    }

    /// Bytes of memory of the largest live instance; one that has faulted is gone and does not count.
    pub fn memory_bytes(&self) -> u64 {
        self.live.iter().map(|(_, instance)| instance.memory_bytes() as u64).max().unwrap_or(0)
    }

    /// Lets go of every instance, so that no memory is held while facts are gathered.
    pub fn release(&mut self) {
        self.live.clear();
        self.answers = None;
    }

    fn evaluate<R: Weigh>(
        &mut self,
        (seat, choice): (Seat, Choice),
        observation: &Arc<Observation>,
        question: impl FnOnce(Asked<'_>) -> Given<R>,
    ) -> Result<Answer<R>, Interruption> {
        let policy = self.snapshot.policy(seat, choice).map_err(Interruption::Fault)?;
        let began = Instant::now();
        let asked = self.put(seat, policy, observation, question);
        self.snapshot.evaluations().note(seat.slot, Outcome::of(&asked), began);
        asked
    }

    /// Puts a question to a policy.
    fn put<R: Weigh>(
        &mut self,
        seat: Seat,
        policy: Arc<ConfiguredPolicy>,
        observation: &Arc<Observation>,
        question: impl FnOnce(Asked<'_>) -> Given<R>,
    ) -> Result<Answer<R>, Interruption> {
        let answers = self.answers_of(observation);
        let (policy, mut instance) = self.take(seat.member, policy, &answers);
        let component = policy.component();
        let asked = instance.ask(component.runnable(), |store, exports| {
            let slots = component.exports();
            question(Asked { slots, config: policy.config(), observation: answers.parameter(), store, exports })
        });
        let revision = policy.revision().clone();
        match asked.and_then(|taken| accepted(seat.slot, taken, component.limits().answer_bytes)) {
            Ok(Taken { value, fuel, log }) => {
                if seat.member.is_first() {
                    self.live.push((policy, instance));
                }
                Ok(Answer { value, revision, fuel, log })
            }
            // The instance is dropped here: the next question gets a fresh one.
            Err(crash) => Err(crash.interruption(&revision)),
        }
    }

    /// The facts in the guest's form, made once for an observation. Another observation starts everything anew.
    fn answers_of(&mut self, observation: &Arc<Observation>) -> Arc<FactAnswers> {
        if let Some(answers) = self.answers.as_ref().filter(|answers| answers.are_of(observation)) {
            return Arc::clone(answers);
        }
        self.live.clear();
        let answers = Arc::new(FactAnswers::new(Arc::clone(observation)));
        self.answers = Some(Arc::clone(&answers));
        answers
    }

    /// The instance that has answered for this policy before, with the policy that it was made of: the same component may
    /// have been loaded twice, and an instance knows the exports of its own only. Else a fresh one, as always for a policy
    /// that is not its slot's first: several policies share none, not even two of the same component and config.
    fn take(
        &mut self,
        member: Member,
        policy: Arc<ConfiguredPolicy>,
        answers: &Arc<FactAnswers>,
    ) -> (Arc<ConfiguredPolicy>, Instance) {
        let shares = |(known, _): &(Arc<ConfiguredPolicy>, Instance)| known.shares_instance_with(&policy);
        if let Some(place) = self.live.iter().position(shares).filter(|_| member.is_first()) {
            return self.live.swap_remove(place);
        }
        let mut fresh = Instance::new(policy.component().runnable());
        fresh.observe(Arc::clone(answers));
        (policy, fresh)
    }
}

/// The answer within its bounds, or why it is none.
fn accepted<R: Weigh>(
    slot: Slot,
    taken: Taken<Option<Result<R, Failure>>>,
    answer_bytes_max: u64,
) -> Result<Taken<R>, Box<Crash>> {
    let Taken { value, fuel, log } = taken;
    let Some(given) = value else {
        let text = format!("the component does not fill the {slot} slot");
        return Err(Box::new(Crash::of(FaultReason::Unavailable, text, fuel)));
    };
    match within(given, answer_bytes_max, fuel)? {
        Ok(value) => Ok(Taken { value, fuel, log }),
        Err(failure) => {
            let code = cut(&failure.code, FAILURE_CODE_BYTES_MAX);
            let message = cut(&failure.message, FAILURE_MESSAGE_BYTES_MAX);
            Err(Box::new(Crash::of(FaultReason::PolicyFailure, format!("{code}: {message}"), fuel)))
        }
    }
}

impl Judge for Session {
    fn members(&self, slot: Slot) -> Members {
        self.snapshot.members(slot)
    }

    fn timeouts(
        &mut self,
        member: Member,
        choice: Choice,
        observation: &Arc<Observation>,
    ) -> Result<Answer<Schedule>, Interruption> {
        let seat = Seat { slot: Slot::Timeouts, member };
        let answer = self.evaluate((seat, choice), observation, |asked| {
            let Some(slot) = &asked.slots.timeouts else { return Ok(None) };
            let guest = slot.load(&mut *asked.store, asked.exports)?;
            guest.call_evaluate(asked.store, asked.observation, asked.config).map(Some)
        })?;
        Ok(mapped(answer, mapping::schedule_back))
    }

    fn transitions(
        &mut self,
        choice: Choice,
        observation: &Arc<Observation>,
        expired: &[String],
    ) -> Result<Answer<Intent>, Interruption> {
        let answer = self.evaluate((Slot::Transitions.into(), choice), observation, |asked| {
            let Some(slot) = &asked.slots.transitions else { return Ok(None) };
            let guest = slot.load(&mut *asked.store, asked.exports)?;
            guest.call_evaluate(asked.store, asked.observation, expired, asked.config).map(Some)
        })?;
        Ok(mapped(answer, mapping::intent_back))
    }

    fn children(
        &mut self,
        choice: Choice,
        observation: &Arc<Observation>,
        intent: &Intent,
    ) -> Result<Answer<Creations>, Interruption> {
        let intent = mapping::intent(intent);
        let answer = self.evaluate((Slot::Children.into(), choice), observation, |asked| {
            let Some(slot) = &asked.slots.children else { return Ok(None) };
            let guest = slot.load(&mut *asked.store, asked.exports)?;
            guest.call_evaluate(asked.store, asked.observation, &intent, asked.config).map(Some)
        })?;
        Ok(mapped(answer, mapping::creations_back))
    }

    fn strategy(&self, seat: Seat) -> FailStrategy {
        self.snapshot.strategy(seat)
    }

    fn set_revision(&self) -> Option<SetRevision> {
        self.snapshot.name().cloned()
    }
}

fn mapped<R, T>(answer: Answer<R>, back: impl FnOnce(R) -> T) -> Answer<T> {
    Answer { value: back(answer.value), revision: answer.revision, fuel: answer.fuel, log: answer.log }
}

/// Runs a policy over recorded observations before it is activated. The first fault is returned.
///
/// A record holds the facts that its own policy asked for; a question for another one cannot be answered
/// here and is no fault.
pub fn smoke(policy: &Arc<ConfiguredPolicy>, slot: Slot, observations: &[Arc<Observation>]) -> Result<(), Fault> {
    for observation in observations {
        if let Err(Interruption::Fault(fault)) = ask_once(policy, slot, observation) {
            return Err(fault);
        }
    }
    Ok(())
}

/// What a policy answers to an observation, in an instance of its own.
pub(crate) fn ask_once(
    policy: &Arc<ConfiguredPolicy>,
    slot: Slot,
    observation: &Arc<Observation>,
) -> Result<Proposal, Interruption> {
    let mut session = Session::new(Arc::new(Snapshot::of(policy)));
    match slot {
        Slot::Timeouts => {
            session.timeouts(Member::FIRST, Choice::Active, observation).map(|answer| answer.value.into())
        }
        Slot::Transitions => session.transitions(Choice::Active, observation, &[]).map(|answer| answer.value.into()),
        Slot::Children => {
            session.children(Choice::Active, observation, &next_step(observation)).map(|answer| answer.value.into())
        }
    }
}

/// The intent that follows most often from where an observation stands.
fn next_step(observation: &Observation) -> Intent {
    use trimtab_core::phase::Phase;
    let (kind, target_phase, outcome) = match observation.phase {
        None => ("advance", "Pending", ""),
        Some(Phase::Pending) => ("advance", "Processing", ""),
        Some(Phase::Processing) => ("advance", "Analyzing", ""),
        Some(Phase::Analyzing | Phase::AwaitingApproval) => ("advance", "Executing", ""),
        Some(Phase::Executing) => ("verify", "", ""),
        Some(Phase::Verifying) => ("complete", "", "Remediated"),
        Some(
            Phase::Blocked | Phase::Completed | Phase::Failed | Phase::TimedOut | Phase::Skipped | Phase::Cancelled,
        ) => ("fail", "", ""),
    };
    Intent {
        kind: kind.to_owned(),
        target_phase: target_phase.to_owned(),
        outcome: outcome.to_owned(),
        ..Intent::default()
    }
}
