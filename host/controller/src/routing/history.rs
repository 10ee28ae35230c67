//! What was done to the object to be healed before.

use std::sync::Arc;
use std::time::Duration;

use trimtab_core::json::some_text;
use trimtab_core::observation::{
    HISTORY_HOURS_MAX, HistoryEntry, Observation, ROUTING_ITEMS_MAX, RemediationHistory, TargetHash,
};
use trimtab_core::ports::{History, HistoryQuestion};
use trimtab_core::time::{Span, Timestamp};

/// Longest that an answer may take; the remediation goes on without.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The state of the target before an execution: the noted one for ever after, else the one just read.
pub(super) fn current_hash(observation: &Observation) -> String {
    let noted = some_text(&observation.object, "/status/operatorAudit/preRemediationSpecHash");
    match (noted, &observation.facts.target_hash) {
        (Some(noted), _) => noted.to_owned(),
        (None, Some(TargetHash::Known(hash))) => hash.clone(),
        (None, _) => String::new(),
    }
}

/// Asks for the past of the object to be healed.
pub(super) async fn gather(
    history: &Arc<dyn History>,
    observation: &Observation,
    asked: u32,
    current_hash: String,
) -> RemediationHistory {
    let target = observation.remediation_target().clone();
    let qualified = target.qualified();
    let hours = asked.clamp(1, HISTORY_HOURS_MAX);
    let question = HistoryQuestion {
        target,
        cluster_id: observation.cluster_id.clone(),
        current_hash,
        hours,
        now: observation.now,
        remediation: observation.uid.clone(),
    };
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, history.entries(&question)).await;
    let found = match answer {
        Ok(Ok(found)) => Some(found),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the remediation goes on without the target's history");
            None
        }
        Err(_) => {
            tracing::warn!(target = qualified, "the target's history did not come within 10 s; it goes on without");
            None
        }
    };
    let HistoryQuestion { current_hash, now, .. } = question;
    let available = found.is_some();
    let items = found.map(|found| newest(found, hours, now)).unwrap_or_default();
    // What was asked for is what is written down, so that the same question finds its answer.
    RemediationHistory { hours: asked, available, current_hash, items }
}

/// The newest entries of the last hours, in the order of their ends.
fn newest(mut found: Vec<HistoryEntry>, hours: u32, now: Timestamp) -> Vec<HistoryEntry> {
    let length = Span::from_secs(u64::from(hours) * 3600);
    found.retain(|entry| now.since(entry.completed_at) <= length);
    found.sort_by(|one, other| (one.completed_at, &one.remediation).cmp(&(other.completed_at, &other.remediation)));
    let surplus = found.len().saturating_sub(ROUTING_ITEMS_MAX);
    found.drain(..surplus);
    found
}
