//! A judge that answers what it is told, as a policy in every slot of a set would.

use std::sync::Arc;

use trimtab_core::members::{Member, Seat};
use trimtab_core::observation::Observation;
use trimtab_core::ports::{Answer, Choice, FailStrategy, Fault, FaultReason, Interruption, Judge};
use trimtab_core::proposal::{Creations, Intent, Schedule};
use trimtab_core::record::Revision;

/// One answer for each slot, or a refusal of the policy's own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    pub(crate) revision: Revision,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) intent: Option<Intent>,
    pub(crate) creations: Option<Creations>,
}

impl Given {
    fn answer<T: Clone>(&self, choice: Choice, value: Option<&T>) -> Result<Answer<T>, Interruption> {
        let fault = |reason, revision| {
            Err(Interruption::Fault(Fault { reason, message: "as it was told".into(), revision, fuel: 0 }))
        };
        match (choice, value) {
            (Choice::LastGood, _) => fault(FaultReason::Unavailable, None),
            (Choice::Active | Choice::Builtin, None) => fault(FaultReason::PolicyFailure, Some(self.revision.clone())),
            (Choice::Active | Choice::Builtin, Some(value)) => {
                Ok(Answer { value: value.clone(), revision: self.revision.clone(), fuel: 0, log: Vec::new() })
            }
        }
    }
}

impl Judge for Given {
    fn timeouts(&mut self, _: Member, choice: Choice, _: &Arc<Observation>) -> Result<Answer<Schedule>, Interruption> {
        self.answer(choice, self.schedule.as_ref())
    }

    fn transitions(
        &mut self,
        choice: Choice,
        _: &Arc<Observation>,
        _: &[String],
    ) -> Result<Answer<Intent>, Interruption> {
        self.answer(choice, self.intent.as_ref())
    }

    fn children(
        &mut self,
        choice: Choice,
        _: &Arc<Observation>,
        _: &Intent,
    ) -> Result<Answer<Creations>, Interruption> {
        self.answer(choice, self.creations.as_ref())
    }

    fn strategy(&self, _: Seat) -> FailStrategy {
        FailStrategy::LastGood
    }
}
