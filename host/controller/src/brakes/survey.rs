//! What the brakes do to a cluster, seen from outside: for people who ask, whether a controller runs or not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::ResourceExt as _;
use kube::api::DynamicObject;
use kube_runtime::watcher;
use trimtab_api::Kind;
use trimtab_api::mapping;
use trimtab_core::brakes::rules::Rules;
use trimtab_core::brakes::{
    Hold, Limit, Pause, Running, Subject, Use, can_start_from, is_ready_to_start, running_deadlines, uses,
};
use trimtab_core::observation::{ChildKind, Observation};
use trimtab_core::time::Timestamp;

use super::places::{Caches, Places};
use super::state::{Known, State};
use crate::cache::Cache;
use crate::object::Object;
use crate::observe::kind_of;

/// The objects that are looked at, by kind.
pub type Found = BTreeMap<Kind, Vec<DynamicObject>>;

/// The same as the controller holds them.
type Objects = BTreeMap<Kind, Vec<Object>>;

/// The kinds that are looked at.
pub const KINDS: [Kind; 6] = [
    Kind::RemediationRequest,
    Kind::SignalProcessing,
    Kind::AIAnalysis,
    Kind::RemediationApprovalRequest,
    Kind::WorkflowExecution,
    Kind::EffectivenessAssessment,
];

/// What the brakes do.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// Each limit that is set with its use; those of namespaces and owners for each that has any.
    pub uses: Vec<Use>,
    /// The remediations that a brake concerns, by namespace and name.
    pub remediations: Vec<Surveyed>,
}

/// A remediation that a brake concerns.
#[derive(Debug, Clone)]
pub struct Surveyed {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its phase; empty before the first step.
    pub phase: &'static str,
    /// The pause that covers it.
    pub pause: Option<Pause>,
    /// Why its execution does not start, where that is what it waits for.
    pub hold: Option<Hold>,
    /// The clocks that run for it, the nearest first.
    pub deadlines: Vec<Running>,
}

/// Looks at the cluster's objects with these rules; `Err` is why the rules cannot be read, and so hold everything.
pub fn survey(rules: Result<&Rules, &str>, found: &Found, now: Timestamp) -> Survey {
    let found = &objects(found);
    let caches =
        Caches { remediations: cache(found, Kind::RemediationRequest), signals: cache(found, Kind::SignalProcessing) };
    let mut state = State {
        known: match rules {
            Ok(rules) => Known::Rules(rules.clone()),
            Err(fault) => Known::Unread(fault.to_owned()),
        },
        ..State::default()
    };
    for object in found.get(&Kind::WorkflowExecution).into_iter().flatten() {
        state.places.changed(&watcher::Event::InitApply(object.clone()), now);
    }
    state.places.refresh(Some(&caches), now);
    let uses = rules.map(|rules| all_uses(rules, &state.places, now)).unwrap_or_default();
    let mut remediations: Vec<_> = found
        .get(&Kind::RemediationRequest)
        .into_iter()
        .flatten()
        .filter_map(|object| observation(object, found, now))
        .filter_map(|seen| surveyed(&seen, &mut state, &caches))
        .collect();
    remediations.sort_by(|one, other| (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name)));
    Survey { uses, remediations }
}

fn objects(found: &Found) -> Objects {
    let object = |found| Object::new(serde_json::to_value(found).unwrap_or_default());
    found.iter().map(|(kind, found)| (*kind, found.iter().map(object).collect())).collect()
}

fn cache(found: &Objects, kind: Kind) -> Arc<Cache> {
    let cache = Cache::default();
    for object in found.get(&kind).into_iter().flatten() {
        cache.apply(&watcher::Event::Apply(object.clone()));
    }
    Arc::new(cache)
}

/// The use of every limit: those that count by namespace or owner for each that has an active execution.
fn all_uses(rules: &Rules, places: &Places, now: Timestamp) -> Vec<Use> {
    let active = || places.all().filter(|run| run.ending.is_none());
    let scopes: BTreeSet<_> = active().map(|run| (run.namespace.clone(), run.owner.clone())).collect();
    let mut found: Vec<Use> = Vec::new();
    for (namespace, owner) in scopes.into_iter().chain([(String::new(), String::new())]) {
        let subject = Subject { namespace, owner, ..Subject::default() };
        for one in uses(&rules.limits, &subject, places.all(), now) {
            let is_of_nobody = matches!(one.limit, Limit::ActiveInNamespace | Limit::ActiveOnOwner) && one.used == 0;
            if !is_of_nobody && !found.contains(&one) {
                found.push(one);
            }
        }
    }
    found.sort_by(|one, other| (one.limit, &one.of).cmp(&(other.limit, &other.of)));
    found
}

fn observation(object: &Object, found: &Objects, now: Timestamp) -> Option<Observation> {
    let remediation = Arc::clone(object.json());
    let attempt = mapping::record(&remediation).ok()?;
    let mut objects = mapping::Objects { remediation, ..mapping::Objects::default() };
    for kind in ChildKind::ALL {
        let name = attempt.object_name(kind, &object.name_any());
        let of_kind = found.get(&kind_of(kind)).into_iter().flatten();
        let mut same = of_kind.filter(|one| one.name_any() == name && one.namespace() == object.namespace());
        if let Some(child) = same.next() {
            objects.children.insert(kind, Arc::clone(child.json()));
        }
    }
    mapping::observe(now, false, &objects).ok()
}

fn surveyed(seen: &Observation, state: &mut State, caches: &Caches) -> Option<Surveyed> {
    if seen.phase.is_some_and(|phase| !can_start_from(phase)) {
        return None;
    }
    let brakes = state.brakes(&seen.uid, &Subject::of(seen), Some(caches), seen.now);
    let hold = brakes.hold(seen.now).filter(|_| is_ready_to_start(seen));
    if hold.is_none() && brakes.pause.is_none() && brakes.trip.is_none() && brakes.unreadable.is_none() {
        return None;
    }
    Some(Surveyed {
        namespace: seen.namespace.clone(),
        name: seen.name.clone(),
        phase: seen.phase.map_or("", trimtab_core::phase::Phase::name),
        pause: brakes.pause,
        hold,
        deadlines: running_deadlines(seen),
    })
}

#[cfg(test)]
mod tests;
