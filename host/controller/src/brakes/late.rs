//! Expiries that were missed while nobody watched: worked off at a capped rate, many of them with one summary.
//!
//! At a start, and when the API server is back after a minute or more, a sweep begins: every remediation is looked at
//! once, and missed expiries wait until all have been. Then it is known whether they are a storm. Those that the summary
//! of an earlier process has told of refer to that one.

use std::collections::{BTreeMap, HashMap, HashSet};

use kube::ResourceExt as _;
use kube_runtime::watcher;
use serde_json::Value;
use trimtab_core::brakes::{LATE_AFTER, Roll, Storm, summary_name};
use trimtab_core::json::text;
use trimtab_core::observation::Observation;
use trimtab_core::settings::Settings;
use trimtab_core::time::{Span, Timestamp};

use super::has_ended;
use crate::object::Object;

/// A sweep waits no longer for remediations that cannot be looked at: more than the longest wait after an error.
const SWEEP_MAX: Span = Span::from_secs(40);

/// How soon those who wait for the summary look again.
const SUMMARY_RECHECK: Span = Span::from_secs(1);

/// Most steps of the one that is to create the summary that may fail before another takes its turn.
const TRIES_MAX: u32 = 3;

/// What is to be done with a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lateness {
    /// It takes effect.
    Go {
        /// Whether it is a missed expiry.
        is_late: bool,
    },
    /// It belongs to a storm, and was not told so.
    LookAgain,
    /// It is not its turn.
    Wait(Timestamp),
}

/// What has come of a sweep.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Those who have waited for its end, by namespace and name, in the order of their turns.
    pub(super) woken: Vec<(String, String)>,
    /// How many belong to a storm that has begun.
    pub(super) storm_size: Option<usize>,
}

/// Missed expiries and their turns.
#[derive(Debug)]
pub(super) struct Late {
    interval: Span,
    storm_size: usize,
    sweep: Option<Sweep>,
    /// Remediations of the list that is arriving, and whether a first list has arrived.
    listed: HashSet<String>,
    is_listed: bool,
    /// Remediations that could not be looked at, and since when that is so of all of them.
    failing: HashSet<String>,
    failing_since: Option<Timestamp>,
    /// By namespace.
    storms: HashMap<String, Storming>,
    /// The last summary that an earlier process has sent in a namespace, and when.
    earlier: HashMap<String, (Timestamp, String)>,
    /// Namespace of the storm that a remediation belongs to, by uid.
    members: HashMap<String, String>,
    /// When it is a remediation's turn, by uid.
    turns: HashMap<String, Timestamp>,
    next_turn: Timestamp,
    /// Those who were told to wait, by uid.
    waiting: HashSet<String>,
    news: News,
}

#[derive(Debug)]
struct Sweep {
    unseen: HashSet<String>,
    until: Timestamp,
    /// By namespace and name.
    parked: BTreeMap<(String, String), Parked>,
}

/// A missed expiry that waits for the end of a sweep.
#[derive(Debug)]
struct Parked {
    uid: String,
    phase: &'static str,
    /// The deadline that was missed.
    since: Timestamp,
}

/// The storm of one namespace.
#[derive(Debug)]
struct Storming {
    roll: Roll,
    /// Uid and name of those who can create the summary, the next one last.
    leaders: Vec<(String, String)>,
    /// Name of the summary, fixed once its step has taken effect.
    announced: Option<String>,
    /// Uid of the one whose step, with the summary, is taking effect.
    going: Option<String>,
    tries: u32,
}

impl Storming {
    /// One whose summary is still to be made, or is out already.
    fn new(announced: Option<String>) -> Self {
        Self { roll: Roll::default(), leaders: Vec::new(), announced, going: None, tries: 0 }
    }

    fn join(&mut self, uid: String, name: String, phase: &str) {
        *self.roll.phases.entry(phase.to_owned()).or_default() += 1;
        if self.roll.names.len() < Roll::NAMES_MAX {
            self.roll.names.push(name.clone());
        }
        self.leaders.push((uid, name));
    }

    fn summary(&self) -> Option<String> {
        self.announced.clone().or_else(|| self.leaders.last().map(|(_, name)| summary_name(name)))
    }

    fn is_led_by(&self, uid: &str) -> bool {
        self.announced.is_none() && self.leaders.last().is_some_and(|(leader, _)| leader == uid)
    }
}

impl Late {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            interval: Span::from_millis(1000 / u64::from(settings.late_expiries_per_second.clamp(1, 1000))),
            storm_size: settings.storm_size as usize,
            sweep: None,
            listed: HashSet::new(),
            is_listed: false,
            failing: HashSet::new(),
            failing_since: None,
            storms: HashMap::new(),
            earlier: HashMap::new(),
            members: HashMap::new(),
            turns: HashMap::new(),
            next_turn: Timestamp::default(),
            waiting: HashSet::new(),
            news: News::default(),
        }
    }

    /// A change of a remediation: the first list begins a sweep.
    pub(super) fn changed(&mut self, change: &watcher::Event<Object>, now: Timestamp) {
        match change {
            watcher::Event::Init => self.listed.clear(),
            watcher::Event::InitApply(object) if !self.is_listed && has_ended(object) => self.note_earlier(object),
            watcher::Event::InitApply(object) if !self.is_listed => self.listed.extend(object.uid()),
            watcher::Event::InitDone if !std::mem::replace(&mut self.is_listed, true) => {
                let listed = std::mem::take(&mut self.listed);
                self.begin(listed, now);
            }
            watcher::Event::InitApply(_)
            | watcher::Event::InitDone
            | watcher::Event::Apply(_)
            | watcher::Event::Delete(_) => {}
        }
    }

    /// Notes the summary that an ended remediation has created with its last step.
    fn note_earlier(&mut self, object: &Object) {
        let summary = summary_name(&object.name_any());
        let references = object.json().pointer("/status/completionStatus/notificationRequestRefs");
        let mut references = references.and_then(Value::as_array).into_iter().flatten();
        let Some(told_at) = Timestamp::parse(text(object.json(), "/status/completedAt")) else { return };
        if !references.any(|reference| reference["name"] == summary.as_str()) {
            return;
        }
        let known = self.earlier.entry(object.namespace().unwrap_or_default()).or_default();
        if told_at > known.0 {
            *known = (told_at, summary);
        }
    }

    fn begin(&mut self, unseen: HashSet<String>, now: Timestamp) {
        let mut sweep =
            self.sweep.take().unwrap_or(Sweep { unseen: HashSet::new(), until: now, parked: BTreeMap::new() });
        sweep.unseen.extend(unseen);
        sweep.until = now.plus(SWEEP_MAX);
        if !sweep.unseen.is_empty() || !sweep.parked.is_empty() {
            self.sweep = Some(sweep);
        }
        self.conclude(now);
    }

    /// The storm that a remediation belongs to.
    pub(super) fn storm(&self, uid: &str) -> Option<Storm> {
        let storming = self.storms.get(self.members.get(uid)?)?;
        let roll = storming.is_led_by(uid).then(|| storming.roll.clone());
        Some(Storm { summary: storming.summary()?, roll })
    }

    /// What has come of a sweep since the last time.
    pub(super) fn take_news(&mut self) -> News {
        std::mem::take(&mut self.news)
    }

    /// Whether a step may take effect. `missed` is the deadline, where it is a missed expiry.
    pub(super) fn admit(&mut self, seen: &Observation, missed: Option<Timestamp>) -> Lateness {
        let lateness = self.judge(seen, missed);
        if matches!(lateness, Lateness::Wait(_)) {
            self.waiting.insert(seen.uid.clone());
        } else {
            self.waiting.remove(&seen.uid);
        }
        lateness
    }

    fn judge(&mut self, seen: &Observation, missed: Option<Timestamp>) -> Lateness {
        let Some(since) = missed else {
            if seen.phase.is_some_and(|phase| !phase.is_terminal()) {
                self.goes_on(&seen.uid);
            }
            return Lateness::Go { is_late: false };
        };
        let now = seen.now;
        self.reached(now);
        if let Some(sweep) = &mut self.sweep {
            let phase = seen.phase.map_or("", trimtab_core::phase::Phase::name);
            sweep.unseen.remove(&seen.uid);
            let parked = Parked { uid: seen.uid.clone(), phase, since };
            sweep.parked.insert((seen.namespace.clone(), seen.name.clone()), parked);
            let until = sweep.until;
            self.conclude(now);
            if self.sweep.is_some() {
                return Lateness::Wait(until);
            }
        }
        let told = seen.brakes.as_ref().and_then(|brakes| brakes.storm.as_ref());
        if self.storm(&seen.uid).as_ref() != told {
            return Lateness::LookAgain;
        }
        if self.waits_for_summary(&seen.uid) {
            return Lateness::Wait(now.plus(SUMMARY_RECHECK));
        }
        let turn = *self.turns.entry(seen.uid.clone()).or_insert_with(|| {
            let turn = self.next_turn.max(now);
            self.next_turn = turn.plus(self.interval);
            turn
        });
        if turn > now {
            return Lateness::Wait(turn);
        }
        if let Some(storming) = self.members.get(&seen.uid).and_then(|namespace| self.storms.get_mut(namespace))
            && storming.is_led_by(&seen.uid)
        {
            storming.going = Some(seen.uid.clone());
        }
        Lateness::Go { is_late: true }
    }

    /// A remediation goes on instead of expiring.
    fn goes_on(&mut self, uid: &str) {
        self.turns.remove(uid);
        if let Some(storming) = self.members.get(uid).and_then(|namespace| self.storms.get_mut(namespace)) {
            storming.going = storming.going.take().filter(|going| going != uid);
        }
    }

    fn waits_for_summary(&self, uid: &str) -> bool {
        let storming = self.members.get(uid).and_then(|namespace| self.storms.get(namespace));
        storming.is_some_and(|it| it.announced.is_none() && !it.leaders.is_empty() && !it.is_led_by(uid))
    }

    /// Ends the sweep once all have been looked at, or it has lasted long enough.
    fn conclude(&mut self, now: Timestamp) {
        let Some(sweep) = self.sweep.take_if(|sweep| sweep.unseen.is_empty() || now >= sweep.until) else { return };
        let parked = sweep.parked;
        self.news.woken.extend(parked.keys().cloned());
        let untold: Vec<_> = parked
            .iter()
            .filter(|((namespace, _), one)| !self.is_told(namespace, one.since))
            .map(|((namespace, _), _)| namespace.clone())
            .collect();
        let is_storm = untold.len() > self.storm_size;
        let stormy: HashSet<String> = untold.into_iter().filter(|_| is_storm).collect();
        let (of_storms, others): (Vec<_>, Vec<_>) =
            parked.into_iter().partition(|((namespace, _), _)| stormy.contains(namespace));
        self.refer(others);
        if !of_storms.is_empty() {
            self.storm_begins(of_storms);
        }
    }

    /// Whether the summary of an earlier process went out after this deadline was missed, and so counts it.
    fn is_told(&self, namespace: &str, missed: Timestamp) -> bool {
        self.earlier.get(namespace).is_some_and(|(told_at, _)| missed <= *told_at)
    }

    /// Those of whom an earlier summary has told refer to it; the others have notices of their own.
    fn refer(&mut self, parked: Vec<((String, String), Parked)>) {
        for ((namespace, _), one) in parked {
            let summary = self.earlier.get(&namespace).filter(|(told_at, _)| one.since <= *told_at);
            if let Some((_, summary)) = summary {
                let announced = || Storming::new(Some(summary.clone()));
                self.storms.entry(namespace.clone()).or_insert_with(announced);
                self.members.insert(one.uid, namespace);
            }
        }
    }

    fn storm_begins(&mut self, parked: Vec<((String, String), Parked)>) {
        self.news.storm_size = Some(parked.len());
        let mut storms: HashMap<String, Storming> = HashMap::new();
        for ((namespace, name), one) in parked {
            let storming = storms.entry(namespace.clone()).or_insert_with(|| Storming::new(None));
            storming.join(one.uid.clone(), name, one.phase);
            self.members.insert(one.uid, namespace);
        }
        for storming in storms.values_mut() {
            // By name, so that the same storm has the same summary after another start.
            storming.leaders.reverse();
        }
        self.storms.extend(storms);
    }

    /// A reconcile has come to its end.
    pub(super) fn ended(&mut self, uid: &str, now: Timestamp) {
        let waits = self.waiting.remove(uid);
        self.reached(now);
        self.failing.remove(uid);
        if let Some(sweep) = &mut self.sweep {
            sweep.unseen.remove(uid);
            if !waits {
                sweep.parked.retain(|_, parked| parked.uid != uid);
            }
        }
        self.conclude(now);
        if !waits {
            self.settled(uid);
        }
    }

    /// The API server answers. After a minute without an answer, those who had none are a sweep.
    fn reached(&mut self, now: Timestamp) {
        if let Some(since) = self.failing_since.take()
            && now.since(since) > LATE_AFTER
        {
            let missed = std::mem::take(&mut self.failing);
            self.begin(missed, now);
        }
    }

    /// A reconcile has failed.
    pub(super) fn failed(&mut self, uid: &str, now: Timestamp) {
        self.waiting.remove(uid);
        self.failing.insert(uid.to_owned());
        self.failing_since.get_or_insert(now);
        let Some(storming) = self.members.get(uid).and_then(|namespace| self.storms.get_mut(namespace)) else { return };
        if storming.is_led_by(uid) {
            storming.tries += 1;
            if storming.tries >= TRIES_MAX {
                storming.tries = 0;
                storming.leaders.pop();
            }
        }
    }

    /// A remediation has nothing more to do with its storm. Where its step has created the summary, that is out.
    fn settled(&mut self, uid: &str) {
        self.turns.remove(uid);
        let Some(namespace) = self.members.remove(uid) else { return };
        let Some(storming) = self.storms.get_mut(&namespace) else { return };
        if storming.going.as_deref() == Some(uid) {
            storming.announced = storming.summary();
            storming.leaders.clear();
        }
        storming.leaders.retain(|(leader, _)| leader != uid);
        if !self.members.values().any(|other| *other == namespace) {
            self.storms.remove(&namespace);
        }
    }

    /// A remediation is gone.
    pub(super) fn forget(&mut self, uid: &str, now: Timestamp) {
        if let Some(sweep) = &mut self.sweep {
            sweep.unseen.remove(uid);
            sweep.parked.retain(|_, parked| parked.uid != uid);
        }
        self.conclude(now);
        self.failing.remove(uid);
        self.goes_on(uid);
        self.settled(uid);
    }
}
