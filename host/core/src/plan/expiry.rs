//! The step by which the host ends a remediation whose limit has passed, and the notice that goes out with it.

use super::{Context, Effects, Event, Plan, approval, backoff, creation, retain};
use crate::guardrails::deadlines::{Limit, OnExpiry, Scope};
use crate::manifest::notification::Purpose;
use crate::phase::{Move, Phase};
use crate::proposal::Explanation;
use crate::status::StatusDraft;

/// The step that ends a remediation whose limit has passed. `None` where the limit asks or has not passed.
pub(crate) fn expire(context: &Context<'_>, limit: &Limit) -> Option<Plan> {
    let observation = context.observation;
    let phase = observation.phase?;
    if observation.now <= limit.at {
        return None;
    }
    let text = match limit.scope {
        Scope::Global => format!("Global timeout exceeded during {phase} phase"),
        Scope::Phase(phase) => format!("Phase {phase} exceeded timeout of {}", limit.duration),
    };
    let why = Explanation {
        rule: if limit.scope == Scope::Global { "GlobalTimeout" } else { "PhaseTimeout" }.to_owned(),
        text: format!("{text}: it could last until {}.", limit.at),
        attributes: crate::brakes::lateness(observation.now, limit.at),
    };
    let mut draft = StatusDraft::of(observation);
    let mut effects = Effects::default();
    let can_fail = crate::phase::is_edge(phase, Move::Fail, Phase::Failed);
    let to = if limit.on_expiry == OnExpiry::Fail && can_fail { Phase::Failed } else { Phase::TimedOut };
    if phase == Phase::AwaitingApproval {
        // A decision that arrives until then wins: the request is closed first, on the version that was seen.
        approval::close(observation, &mut effects);
    }
    draft.enter(to, None);
    if to == Phase::TimedOut {
        draft.set(&["completionStatus", "timeoutPhase"], phase.name());
        draft.set(&["completionStatus", "timeoutTime"], observation.now.to_string());
        effects.events.push(Event::warning("RemediationTimeout", text.clone()));
    } else {
        draft.set(&["completionStatus", "failurePhase"], phase.failure_phase().name());
        draft.set(&["completionStatus", "failureReason"], text.clone());
        let failures = observation.consecutive_failures.saturating_add(1);
        draft.set(&["routingStatus", "consecutiveFailureCount"], failures);
        if let Some(at) = backoff::next_allowed_at(observation, context.settings) {
            draft.set(&["routingStatus", "nextAllowedExecution"], at.to_string());
        }
        let note = format!("Remediation failed during {}: {text}", phase.failure_phase().name());
        effects.events.push(Event::warning("RemediationFailed", note));
    }
    if matches!(limit.scope, Scope::Phase(_)) {
        draft.set(&["message"], text);
    }
    notice(context, limit, to, phase, &mut draft, &mut effects);
    retain(context, &mut draft);
    let record = context.next_record(Some(to), &why);
    Some(context.plan(Some(to), None, draft.into_patch(&record), effects, why))
}

/// Adds the notice of an expiry.
fn notice(
    context: &Context<'_>,
    limit: &Limit,
    to: Phase,
    phase: Phase,
    draft: &mut StatusDraft,
    effects: &mut Effects,
) {
    let observation = context.observation;
    if let Some(storm) = observation.brakes.as_ref().and_then(|brakes| brakes.storm.as_ref()) {
        return crate::brakes::announce(context, storm, draft, effects);
    }
    let timeout = limit.duration;
    let purpose = match limit.scope {
        Scope::Phase(phase) if to == Phase::Failed => Purpose::Escalation {
            failure_phase: phase.failure_phase(),
            reason: format!("Phase {phase} exceeded timeout of {timeout}"),
        },
        Scope::Global if to == Phase::Failed => Purpose::Escalation {
            failure_phase: phase.failure_phase(),
            reason: format!("Global timeout exceeded during {phase} phase"),
        },
        Scope::Phase(phase) => Purpose::PhaseTimeout {
            phase,
            timeout,
            started_at: observation.phase_entered_at().unwrap_or(observation.now),
        },
        Scope::Global => {
            Purpose::GlobalTimeout { phase, timeout, started_at: observation.started_at.unwrap_or(observation.now) }
        }
    };
    creation::notify(context, &purpose, limit.notice.as_ref(), draft, effects);
}
