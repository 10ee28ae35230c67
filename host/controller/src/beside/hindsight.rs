//! What would have been done here, on what the other orchestrator had before it.

use std::sync::Arc;

use serde_json::Value;
use trimtab_core::decide::{Decision, Need, Verdict};
use trimtab_core::observation::Observation;
use trimtab_core::plan::Plan;
use trimtab_core::time::Timestamp;

use super::comparison::carried_out;
use super::life::is_step;
use crate::observe::{ObserveError, Wanted, observe};
use crate::reconcile::{Context, ReconcileError, ask};

/// Most steps that lead up to one that changes the phase: news of notifications, a hash, a deadline that is noted.
const STEPS_MAX: usize = 8;

/// Most times that a decision is made anew after gathering.
const ROUNDS_MAX: usize = 8;

/// What would have been done.
#[derive(Debug)]
pub(super) enum Ours {
    /// This step, on what was seen.
    Step { plan: Arc<Plan>, before: Value, seen: Arc<Observation> },
    /// Nothing, until this time at the latest.
    Stay { rule: String, wake_at: Option<Timestamp> },
    /// Nobody gave a lawful answer.
    Unanswered(String),
    /// There is no such remediation any more.
    Gone,
}

/// What would be done with a remediation as it is in `shown`, at `now`.
pub(super) async fn ours(context: &Context, shown: &Value, now: Timestamp) -> Result<Ours, ReconcileError> {
    let mut object = shown.clone();
    for _ in 0..STEPS_MAX {
        let Some((seen, decision)) = decided(context, &object, now).await? else { return Ok(Ours::Gone) };
        let rule = decision.why.rule.clone();
        let plan = match decision.verdict {
            Verdict::Stay => {
                let is_answered = decision.evaluations.iter().any(|asked| asked.fault.is_none());
                return Ok(match decision.evaluations.iter().find_map(|asked| asked.fault.as_ref()) {
                    Some((reason, line)) if !is_answered => Ours::Unanswered(format!("{reason}: {line}")),
                    _ => Ours::Stay { rule, wake_at: decision.wake_at },
                });
            }
            Verdict::Step(plan) => plan,
        };
        if plan.is_removal() {
            return Ok(Ours::Stay { rule, wake_at: None });
        }
        let after = carried_out(&object, &plan);
        if is_step(&object, &after) {
            return Ok(Ours::Step { plan, before: object, seen });
        }
        object = after;
    }
    Ok(Ours::Unanswered(format!("no step changed the phase within {STEPS_MAX}")))
}

/// Observes and decides as ever, but on the remediation as it is shown, and without brakes.
async fn decided(
    context: &Context,
    shown: &Value,
    now: Timestamp,
) -> Result<Option<(Arc<Observation>, Decision)>, ReconcileError> {
    let text = |pointer| trimtab_core::json::text(shown, pointer);
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    let mut wanted = Wanted { remediation: Some(Arc::new(shown.clone())), ..Wanted::default() };
    for _ in 0..ROUNDS_MAX {
        let found = observe(&context.cluster, &context.routing, namespace, name, &wanted, || now).await?;
        let Some(seen) = found else { return Ok(None) };
        let observation = Arc::new(seen);
        match ask(context, &observation).await? {
            Ok(record) => return Ok(Some((observation, record.decision))),
            Err(Need::Live) => wanted.is_live = true,
            Err(Need::Fact(fact)) => wanted.add(fact),
        }
    }
    Err(ReconcileError::Unsettled)
}

/// The remediation as the cluster has it, from the cache.
pub(super) async fn present(
    context: &Context,
    namespace: &str,
    name: &str,
    uid: &str,
) -> Result<Option<Arc<Value>>, ReconcileError> {
    let read = context.cluster.read(trimtab_api::Kind::RemediationRequest, namespace, name).await;
    let found = read.map_err(ObserveError::from)?;
    Ok(found.filter(|object| trimtab_core::json::text(object, "/metadata/uid") == uid))
}
