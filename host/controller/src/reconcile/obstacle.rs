//! A reconcile that an error has ended: what only a person can mend is shown on the remediation.

use std::sync::Arc;
use std::time::Duration;

use trimtab_core::decide::Verdict;
use trimtab_core::observation::Obstacle;

use super::{Context, ReconcileError, carry_out, discarded, observe_and_decide, prepare, settle, tell};
use crate::brakes::Admission;
use crate::errors::{self, ErrorClass};
use crate::observe::Wanted;

/// Wait where the namespace is being deleted: as a rule nothing is left of the remediation by then.
const TERMINATING_PAUSE: Duration = Duration::from_secs(30);

/// How often is looked again while a kind cannot be read: its changes may wake nobody.
const MISSING_RECHECK: Duration = Duration::from_secs(30);

/// Tries in a row after which an object of another owner is no leftover that is about to be collected.
const FOREIGN_TRIES: u32 = 5;

/// When to look again at a remediation that stays.
pub(super) fn recheck(context: &Context, namespace: &str, wake: Option<Duration>) -> Option<Duration> {
    if context.cluster.discovery().missing(namespace).is_empty() {
        return wake;
    }
    Some(wake.map_or(MISSING_RECHECK, |wake| wake.min(MISSING_RECHECK)))
}

/// What is done about an error, by its class, besides the wait that it is worth.
pub(super) async fn obstructed(
    context: &Arc<Context>,
    namespace: &str,
    name: &str,
    uid: &str,
    error: ReconcileError,
) -> Result<Option<Duration>, ReconcileError> {
    // A step that was carried out may still be on its way to being confirmed; what is open after that was not.
    context.finishing.wait(uid).await;
    let class = errors::class(&error);
    match class {
        ErrorClass::Terminating => {
            tracing::debug!(%error, "the namespace is being deleted");
            settle(context, uid, discarded("NamespaceTerminating")).await?;
            return Ok(Some(TERMINATING_PAUSE));
        }
        ErrorClass::NotFound => {
            if let Err(unknown) = context.cluster.discovery().look().await {
                tracing::warn!(%unknown, "it is not known whether a kind is missing");
            }
        }
        ErrorClass::Forbidden | ErrorClass::Invalid => {}
        ErrorClass::Transient if errors::is_foreign(&error) && context.backoff.failures(uid) >= FOREIGN_TRIES => {}
        ErrorClass::Conflict | ErrorClass::Transient => return Err(error),
    }
    let obstacle = errors::obstacle(&error);
    let is_missing = class == ErrorClass::NotFound && !context.cluster.discovery().missing(namespace).is_empty();
    if obstacle.is_some() || is_missing {
        // The error itself decides how long to wait; that it could not be shown comes on top.
        if let Err(failure) = show(context, namespace, name, uid, obstacle).await {
            tracing::warn!(%failure, "what stalls the remediation could not be shown");
        }
    }
    Err(error)
}

/// Shows what is in the way, in a step of its own. The step that met it was refused as a whole.
async fn show(
    context: &Arc<Context>,
    namespace: &str,
    name: &str,
    uid: &str,
    obstacle: Option<Obstacle>,
) -> Result<(), ReconcileError> {
    settle(context, uid, discarded("Refused")).await?;
    let wanted = Wanted { is_live: true, obstacle, ..Wanted::default() };
    let Some(record) = observe_and_decide(context, namespace, name, wanted).await? else { return Ok(()) };
    tell(context, &record);
    let Verdict::Step(plan) = &record.decision.verdict else { return Ok(()) };
    if context.gate.admit(&record.observation, &record.decision).await != Admission::Go {
        return Ok(());
    }
    let (plan, seen) = (Arc::clone(plan), Arc::clone(&record.observation));
    if !context.routing.admit(&seen, &plan).await? {
        return Ok(());
    }
    prepare(context, record, &plan).await?;
    carry_out(context, &plan, &seen).await?;
    Ok(())
}
