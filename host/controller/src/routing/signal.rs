//! The other remediations of a signal.

use std::cmp::Reverse;

use trimtab_api::Kind;
use trimtab_core::json::text;
use trimtab_core::observation::{Observation, ROUTING_ITEMS_MAX, SignalRemediation, SignalRemediations};
use trimtab_core::phase::Phase;

use super::lock::Key;
use crate::cluster::{Cluster, ClusterError, Glimpse};

/// Most remediations that are read live: an earlier one that goes on decides about this one.
const LIVE_READS_MAX: usize = 8;

/// Another remediation, as the cache or a live read shows it.
fn of(name: &str, seen: Glimpse<'_>, is_first: bool) -> SignalRemediation {
    let member = |pointer| text(seen.data, pointer).to_owned();
    let phase = member("/status/overallPhase");
    let is_blocked = phase == Phase::Blocked.name();
    SignalRemediation {
        name: name.to_owned(),
        outcome: member("/status/completionStatus/outcome"),
        failure_phase: member("/status/completionStatus/failurePhase"),
        block_reason: if is_blocked { member("/status/routingStatus/blockReason") } else { String::new() },
        target_namespace: member("/spec/targetResource/namespace"),
        comes_first: is_first,
        created_at: seen.created_at,
        phase,
    }
}

fn has_ended(one: &SignalRemediation) -> bool {
    one.phase.parse().is_ok_and(Phase::is_terminal)
}

/// The other remediations of this one's signal, in its namespace: `sharing` names who may be one.
///
/// The cache may lag. Where an earlier one seems to go on, which decides about this one, the cluster itself is asked,
/// from the first on until one does.
pub(super) async fn gather(
    cluster: &Cluster,
    observation: &Observation,
    sharing: impl Iterator<Item = &Key>,
) -> Result<SignalRemediations, ClusterError> {
    let (namespace, fingerprint) = (observation.namespace.as_str(), observation.facts.signal.fingerprint.as_str());
    let own = Glimpse::of(&observation.object);
    let own_place = (own.created_at, observation.name.as_str());
    let look = |name: &str, seen: Glimpse<'_>| {
        let is_other = seen.uid != observation.uid && text(seen.data, "/spec/signalFingerprint") == fingerprint;
        is_other.then(|| of(name, seen, (seen.created_at, name) < own_place))
    };
    let mut items: Vec<_> = sharing
        .filter(|(others, name)| others == namespace && *name != observation.name)
        .filter_map(|(_, name)| {
            cluster.glimpse(Kind::RemediationRequest, namespace, name, |seen| look(name, seen)).flatten()
        })
        .collect();
    items.sort_by(|one, other| (one.created_at, &one.name).cmp(&(other.created_at, &other.name)));
    let own_target = observation.target.namespace.as_deref().unwrap_or_default();
    let mut gone = Vec::new();
    let deciding = items
        .iter_mut()
        .enumerate()
        .filter(|(_, one)| one.comes_first && !has_ended(one) && one.target_namespace == own_target);
    for (place, one) in deciding.take(LIVE_READS_MAX) {
        let live = cluster.read_live(Kind::RemediationRequest, namespace, &one.name).await?;
        match live.and_then(|object| look(&one.name, Glimpse::of(&object))) {
            None => gone.push(place),
            Some(live) => {
                let goes_on = !has_ended(&live);
                *one = live;
                if goes_on {
                    break;
                }
            }
        }
    }
    for place in gone.into_iter().rev() {
        items.remove(place);
    }
    let total = u32::try_from(items.len()).unwrap_or(u32::MAX);
    items.sort_by_key(|one| (has_ended(one), Reverse(one.created_at)));
    items.truncate(ROUTING_ITEMS_MAX);
    Ok(SignalRemediations { total, items })
}
