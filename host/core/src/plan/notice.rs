//! The notice that goes out when the host ends a remediation on expiry.

use super::{Context, Effects, creation};
use crate::guardrails::deadlines::{Limit, Scope};
use crate::manifest::notification::Purpose;
use crate::phase::Phase;
use crate::status::StatusDraft;

/// Adds the notice of an expiry.
pub(super) fn expiry(
    context: &Context<'_>,
    limit: &Limit,
    to: Phase,
    phase: Phase,
    draft: &mut StatusDraft,
    effects: &mut Effects,
) {
    let observation = context.observation;
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
