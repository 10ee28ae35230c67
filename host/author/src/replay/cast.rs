//! Who answers which question of one decision: a recorded component, a recorded fact, or another policy.

use std::collections::BTreeMap;
use std::sync::Arc;

use trimtab_core::decide::Evaluation;
use trimtab_core::members::{Member, Members, Seat};
use trimtab_core::observation::Observation;
use trimtab_core::ports::{Answer, Choice, FailStrategy, Fault, FaultReason, Interruption, Judge};
use trimtab_core::proposal::{Creations, Intent, Schedule, Slot};
use trimtab_core::record::SetRevision;
use trimtab_policy_engine::Session;

use super::library::{Key, Library};
use crate::environment::Environment;

/// Who answers one question.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// This policy, in the instance that it has for the decision.
    Policy(Key),
    /// Nobody: what was recorded is a fact, such as that the wall clock struck. The instance that it struck is gone.
    Fact(Fault, Option<Key>),
}

/// Who answers each question of a decision.
pub(super) type Parts = Vec<((Seat, Choice), Part)>;

/// Answers for one decision.
#[derive(Debug)]
pub(super) struct Cast<'a> {
    library: &'a Library,
    environment: Arc<Environment>,
    /// By slot, in the order of the questions.
    parts: Parts,
    sessions: BTreeMap<Key, Session>,
    /// Recorded facts that were taken as they are.
    pub(super) facts: u64,
}

impl<'a> Cast<'a> {
    pub(super) fn new(library: &'a Library, environment: Arc<Environment>, parts: Parts) -> Self {
        Self { library, environment, parts, sessions: BTreeMap::new(), facts: 0 }
    }

    fn put<T>(
        &mut self,
        seat: Seat,
        choice: Choice,
        question: impl FnOnce(&mut Session) -> Result<Answer<T>, Interruption>,
    ) -> Result<Answer<T>, Interruption> {
        let part = self.parts.iter().find(|(asked, _)| *asked == (seat, choice)).map(|(_, part)| part.clone());
        match part {
            Some(Part::Policy(key)) => {
                let fresh = || self.library.session(&key);
                if !seat.member.is_first() {
                    // A policy after its slot's first shares no instance, as when it was recorded.
                    return fresh().map_or_else(|| Err(absent(seat, choice)), |mut session| question(&mut session));
                }
                let known = self.sessions.contains_key(&key);
                let session = if known { None } else { fresh() };
                if let Some(session) = session {
                    self.sessions.insert(key.clone(), session);
                }
                match self.sessions.get_mut(&key) {
                    Some(session) => question(session),
                    None => Err(absent(seat, choice)),
                }
            }
            Some(Part::Fact(fault, struck)) => {
                self.facts += 1;
                let struck = struck.filter(|_| seat.member.is_first());
                if let Some(session) = struck.and_then(|key| self.sessions.get_mut(&key)) {
                    session.release();
                }
                Err(Interruption::Fault(fault))
            }
            None => Err(absent(seat, choice)),
        }
    }
}

/// The record knows no such question.
fn absent(Seat { slot, .. }: Seat, choice: Choice) -> Interruption {
    Interruption::Fault(Fault {
        reason: FaultReason::Unavailable,
        message: format!("the record does not say who the {choice:?} revision of the {slot} slot was"),
        revision: None,
        fuel: 0,
    })
}

impl Judge for Cast<'_> {
    fn members(&self, slot: Slot) -> Members {
        self.environment.members(slot)
    }

    fn timeouts(
        &mut self,
        member: Member,
        choice: Choice,
        seen: &Arc<Observation>,
    ) -> Result<Answer<Schedule>, Interruption> {
        let seat = Seat { slot: Slot::Timeouts, member };
        self.put(seat, choice, |session| session.timeouts(Member::FIRST, Choice::Active, seen))
    }

    fn transitions(
        &mut self,
        choice: Choice,
        seen: &Arc<Observation>,
        expired: &[String],
    ) -> Result<Answer<Intent>, Interruption> {
        self.put(Slot::Transitions.into(), choice, |session| session.transitions(Choice::Active, seen, expired))
    }

    fn children(
        &mut self,
        choice: Choice,
        seen: &Arc<Observation>,
        intent: &Intent,
    ) -> Result<Answer<Creations>, Interruption> {
        self.put(Slot::Children.into(), choice, |session| session.children(Choice::Active, seen, intent))
    }

    fn strategy(&self, seat: Seat) -> FailStrategy {
        self.environment.strategy(seat)
    }

    fn set_revision(&self) -> Option<SetRevision> {
        self.environment.set_revision.clone()
    }
}

/// The recorded fault, where it is a fact: the wall clock struck, the host failed, or there was nobody to ask.
pub(super) fn fact(one: &Evaluation) -> Option<Fault> {
    let (code, message) = one.fault.as_ref().filter(|_| one.proposal.is_none())?;
    let reason = FaultReason::ALL.into_iter().find(|known| known.code() == code)?;
    let is_fact = matches!(reason, FaultReason::DeadlineExceeded | FaultReason::Host) || one.revision.is_none();
    is_fact.then(|| Fault { reason, message: message.clone(), revision: one.revision.clone(), fuel: one.fuel })
}
