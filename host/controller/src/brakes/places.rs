//! Executions that take a place, and places that are reserved for executions about to be created.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kube::ResourceExt as _;
use kube_runtime::watcher;
use trimtab_api::mapping;
use trimtab_core::brakes::{Ending, Run, Subject, top_owner};
use trimtab_core::json::{some_text, text};
use trimtab_core::observation::{ChildKind, Target};
use trimtab_core::phase::Phase;
use trimtab_core::time::{Span, Timestamp};

use crate::cache::Cache;
use crate::object::Object;

/// Namespace and name of an execution.
pub(super) type Key = (String, String);

/// A place that was reserved so long ago and whose execution has never been seen is free again.
const RESERVED_MAX: Span = Span::from_secs(30);

/// Caches of objects that say more about an execution.
#[derive(Debug, Clone)]
pub(crate) struct Caches {
    /// Remediations.
    pub(crate) remediations: Arc<Cache>,
    /// Their signal processings.
    pub(crate) signals: Arc<Cache>,
}

/// An execution, or the place of one.
#[derive(Debug)]
struct Place {
    run: Run,
    /// Uid of the remediation that it was reserved for by this process.
    uid: String,
    /// Since when it is reserved; `None` once its execution was seen.
    reserved_at: Option<Timestamp>,
    /// Name of its remediation.
    remediation: String,
    target: Target,
    /// Whether everything is known that other objects can say.
    is_complete: bool,
}

/// Every execution that the watch shows, and every reserved place.
#[derive(Debug, Default)]
pub(super) struct Places {
    places: HashMap<Key, Place>,
    /// Executions of the list that is arriving.
    listed: HashSet<Key>,
}

impl Places {
    /// Takes a place. One that the same remediation has taken before is replaced.
    pub(super) fn reserve(&mut self, key: Key, uid: &str, subject: &Subject, now: Timestamp) {
        self.release(uid);
        let run = Run {
            namespace: subject.namespace.clone(),
            owner: subject.owner.clone(),
            started_at: Some(now),
            ending: None,
        };
        self.places.entry(key).or_insert(Place {
            run,
            uid: uid.to_owned(),
            reserved_at: Some(now),
            remediation: String::new(),
            target: Target::default(),
            is_complete: true,
        });
    }

    /// Gives back what is reserved for this remediation; the result is whether anything was. A place whose execution was
    /// seen stays taken.
    pub(super) fn release(&mut self, uid: &str) -> bool {
        let before = self.places.len();
        self.places.retain(|_, place| place.reserved_at.is_none() || place.uid != uid);
        self.places.len() < before
    }

    /// Every execution and reserved place.
    pub(super) fn all(&self) -> impl Iterator<Item = &Run> + Clone {
        self.places.values().map(|place| &place.run)
    }

    /// The same but for what is reserved for this remediation.
    pub(super) fn others<'a>(&'a self, uid: &'a str) -> impl Iterator<Item = &'a Run> + Clone {
        self.places
            .values()
            .filter(move |place| place.reserved_at.is_none() || place.uid != uid)
            .map(|place| &place.run)
    }

    /// Drops stale reservations and fills in what other objects say.
    pub(super) fn refresh(&mut self, caches: Option<&Caches>, now: Timestamp) {
        self.places.retain(|_, place| place.reserved_at.is_none_or(|at| now.since(at) <= RESERVED_MAX));
        let Some(caches) = caches else { return };
        for (key, place) in self.places.iter_mut().filter(|(_, place)| !place.is_complete) {
            complete(place, &key.0, caches);
        }
    }

    /// Notes a change of an execution; the result is whether one has ended or is gone.
    pub(super) fn changed(&mut self, change: &watcher::Event<Object>, now: Timestamp) -> bool {
        match change {
            watcher::Event::Apply(object) => self.note(object, Some(now)),
            watcher::Event::Delete(object) => {
                self.places.remove(&key_of(object)).is_some_and(|place| place.run.ending.is_none())
            }
            watcher::Event::Init => {
                self.listed.clear();
                false
            }
            watcher::Event::InitApply(object) => {
                self.listed.insert(key_of(object));
                self.note(object, None);
                false
            }
            watcher::Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                self.places.retain(|key, place| place.reserved_at.is_some() || listed.contains(key));
                true
            }
        }
    }

    /// `now` is given where the change happens now.
    fn note(&mut self, object: &Object, now: Option<Timestamp>) -> bool {
        let key = key_of(object);
        let ending = ending(object, now);
        if let Some(known) = self.places.get_mut(&key) {
            let has_ended = known.run.ending.is_none() && ending.is_some();
            known.reserved_at = None;
            // When it was seen to end is not moved by what is written later.
            if has_ended || known.run.ending.is_none_or(|known| known.at.is_none()) {
                known.run.ending = ending;
                known.is_complete = known.is_complete && ending.is_none_or(|ending| ending.at.is_some());
            }
            if known.remediation.is_empty() {
                text(object.json(), "/spec/remediationRequestRef/name").clone_into(&mut known.remediation);
                known.target = target_of(text(object.json(), "/spec/targetResource"));
            }
            return has_ended;
        }
        let target = target_of(text(object.json(), "/spec/targetResource"));
        let run = Run {
            namespace: target.namespace.clone().unwrap_or_default(),
            owner: target.qualified(),
            started_at: None,
            ending,
        };
        let remediation = text(object.json(), "/spec/remediationRequestRef/name").to_owned();
        let place = Place { run, uid: String::new(), reserved_at: None, remediation, target, is_complete: false };
        let has_ended = place.run.ending.is_some();
        self.places.insert(key, place);
        has_ended
    }
}

fn key_of(object: &Object) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// Reads `namespace/Kind/name` or `Kind/name`.
fn target_of(qualified: &str) -> Target {
    let mut parts = qualified.rsplitn(3, '/');
    let (name, kind, namespace) = (parts.next(), parts.next(), parts.next());
    Target {
        kind: kind.unwrap_or_default().to_owned(),
        name: name.unwrap_or_default().to_owned(),
        namespace: namespace.map(str::to_owned),
        api_version: None,
    }
}

fn ending(object: &Object, now: Option<Timestamp>) -> Option<Ending> {
    let has_failed = match text(object.json(), "/status/phase") {
        "Completed" => false,
        "Failed" => true,
        _ => return None,
    };
    // Another execution does the work of such a one, and says how it went.
    let is_other = some_text(object.json(), "/status/deduplicatedBy").is_some()
        || text(object.json(), "/status/failureDetails/reason") == "Deduplicated";
    let at = Timestamp::parse(text(object.json(), "/status/completionTime")).or(now);
    Some(Ending { at, has_failed: (!is_other).then_some(has_failed) })
}

/// Fills in the owner, and when it was started and ended, from its remediation and its signal processing.
fn complete(place: &mut Place, namespace: &str, caches: &Caches) {
    let signal = ChildKind::SignalProcessing.object_name(&place.remediation, 1);
    let signal = caches.signals.get(namespace, &signal);
    if let Some(signal) = &signal {
        place.run.owner = top_owner(&place.target, signal);
    }
    let remediation = caches.remediations.get(namespace, &place.remediation);
    let Some(remediation) = remediation else { return };
    let recorded = mapping::record(&remediation).ok();
    let entered = recorded.and_then(|record| record.phases.into_iter().find(|(phase, _)| *phase == Phase::Executing));
    let shown = || Timestamp::parse(text(&remediation, "/status/phaseProgress/executingStartTime"));
    place.run.started_at = place.run.started_at.or_else(|| entered.map(|(_, at)| at).or_else(shown));
    if let Some(ending) = &mut place.run.ending {
        ending.at = ending.at.or_else(|| Timestamp::parse(text(&remediation, "/status/completedAt")));
    }
    place.is_complete = place.run.started_at.is_some() && place.run.ending.is_none_or(|ending| ending.at.is_some());
}
