//! The deadlines that a remediation shows, for a person who wants to know what runs out during a pause.

use crate::go_duration;
use crate::guardrails::deadlines::Scope;
use crate::json::text;
use crate::observation::{ChildKind, Observation};
use crate::phase::Phase;
use crate::plan::TIMEOUT_MEMBERS;
use crate::time::{Span, Timestamp};

/// A clock that runs for a remediation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// "Global" or the current phase.
    pub scope: &'static str,
    /// When it runs out.
    pub at: Timestamp,
}

/// The clocks that run for a remediation, as its status and its children show them, the nearest first.
///
/// A policy may have set others meanwhile; those are in the ledger. Nothing runs for one that has ended.
pub fn running_deadlines(observation: &Observation) -> Vec<Running> {
    let Some(phase) = observation.phase.filter(|phase| !phase.is_terminal()) else { return Vec::new() };
    let mut running = Vec::new();
    let starts = [(Scope::Global, observation.started_at), (Scope::Phase(phase), observation.phase_entered_at())];
    for (scope, since) in starts {
        let member = TIMEOUT_MEMBERS.into_iter().find(|(_, known)| *known == scope).map(|(member, _)| member);
        let shown = member.map_or("", |member| text(&observation.object, &format!("/status/timeoutConfig/{member}")));
        let budget = go_duration::parse(shown).ok().and_then(|millis| u64::try_from(millis).ok());
        if let (Some(since), Some(budget)) = (since, budget.filter(|_| !shown.is_empty())) {
            running.push(Running { scope: scope.name(), at: since.plus(Span::from_millis(budget)) });
        }
    }
    let told = match phase {
        Phase::AwaitingApproval => observation.child(ChildKind::RemediationApprovalRequest).and_then(|it| it.deadline),
        Phase::Verifying => Timestamp::parse(text(&observation.object, "/status/phaseProgress/verificationDeadline")),
        Phase::Pending
        | Phase::Processing
        | Phase::Analyzing
        | Phase::Executing
        | Phase::Blocked
        | Phase::Completed
        | Phase::Failed
        | Phase::TimedOut
        | Phase::Skipped
        | Phase::Cancelled => None,
    };
    running.extend(told.map(|at| Running { scope: phase.name(), at }));
    running.sort_by_key(|one| one.at);
    running
}
