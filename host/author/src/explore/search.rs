//! Puts one question after another to two policies and keeps what differs.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use std::collections::BTreeSet;

use trimtab_core::observation::Observation;
use trimtab_core::phase::Phase;
use trimtab_core::proposal::{Intent, Slot};
use trimtab_core::time::Timestamp;

use super::asking::{Answers, AnswersToIntent, Given, Panel, passed_asks};
use super::compare::{Difference, Kind, differences};
use super::shrink::members;

/// Most differing observations that are kept of each kind, before they are shrunk.
const KEPT_PER_KIND: usize = 12;
/// Share of the budget for looking, in per cent; the rest is for shrinking.
const LOOKING: u32 = 80;
/// Evaluations from one report of progress to the next.
const PROGRESS_EVERY: u64 = 64;

/// An observation on which the policies differ.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) seen: Arc<Observation>,
    pub(crate) expired: Vec<String>,
    pub(crate) is_consistent: bool,
    pub(crate) differences: Vec<Difference>,
    pub(crate) members: usize,
}

impl Found {
    pub(crate) fn kinds(&self) -> BTreeSet<Kind> {
        self.differences.iter().map(|one| one.kind).collect()
    }
}

/// What came of one question to both.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) a: Answers,
    pub(crate) b: Answers,
    pub(crate) differences: Vec<Difference>,
}

impl Point {
    pub(crate) fn differs(&self) -> bool {
        self.differences.iter().any(|one| one.kind != Kind::WhyOnly)
    }

    /// A number that changes where either policy's answer takes another form, or where they begin to differ.
    fn form(&self) -> (bool, u64, u64) {
        (self.differs(), form(&self.a), form(&self.b))
    }

    /// Every moment that either policy names, with what it is for.
    pub(crate) fn instants(&self) -> Vec<(String, Timestamp)> {
        let mut all: Vec<_> = [&self.a, &self.b].into_iter().flat_map(instants).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// Every moment that a policy names, with what it is for: a deadline's phase, or nothing for a recheck.
pub(crate) fn instants(answers: &Answers) -> Vec<(String, Timestamp)> {
    let schedule = answers.timeouts.as_ref().and_then(Given::answer);
    let deadlines = schedule.iter().flat_map(|it| it.deadlines.iter().map(|one| (one.phase.clone(), one.at)));
    let until = answers.transitions.as_ref().and_then(Given::answer).and_then(|intent| intent.until);
    deadlines.chain(until.map(|at| (String::new(), at))).collect()
}

/// The form of a policy's answers without what moves along with `now`.
fn form(answers: &Answers) -> u64 {
    let mut hasher = DefaultHasher::new();
    if let Some(given) = &answers.timeouts {
        given.fault().hash(&mut hasher);
        if let Some(schedule) = given.answer() {
            for one in &schedule.deadlines {
                (&one.phase, one.at, &one.on_expiry).hash(&mut hasher);
            }
            for one in &schedule.budgets {
                (&one.phase, one.duration).hash(&mut hasher);
            }
        }
    }
    if let Some(given) = &answers.transitions {
        given.fault().hash(&mut hasher);
        if let Some(intent) = given.answer() {
            (&intent.kind, &intent.target_phase, &intent.outcome, &intent.failure_phase).hash(&mut hasher);
            (intent.until.is_some(), intent.next_allowed_at.is_some(), intent.manual_review).hash(&mut hasher);
            (crate::view::block_reason(intent), &intent.source).hash(&mut hasher);
        }
    }
    for one in &answers.children {
        one.creations.fault().hash(&mut hasher);
        if let Some(creations) = one.creations.answer() {
            for item in &creations.items {
                (&item.kind, &item.purpose, item.patch.is_empty()).hash(&mut hasher);
            }
        }
    }
    hasher.finish()
}

/// Two policies, the questions put so far and what came of them.
pub(crate) struct Search<'a> {
    a: &'a Panel,
    b: &'a Panel,
    pub(crate) slots: BTreeSet<Slot>,
    began: Instant,
    budget: Duration,
    /// At its end once this many observations differ.
    pub(crate) enough: u64,
    progress: &'a mut dyn FnMut(u64, u64),
    planned: u64,
    pub(crate) tried: u64,
    pub(crate) differing: u64,
    pub(crate) by_kind: BTreeMap<Kind, u64>,
    /// How long it took to find the first difference that a decision depends on.
    pub(crate) first_after: Option<Duration>,
    kept: BTreeMap<Kind, Vec<Found>>,
}

impl<'a> Search<'a> {
    pub(crate) fn new((a, b): (&'a Panel, &'a Panel), budget: Duration, progress: &'a mut dyn FnMut(u64, u64)) -> Self {
        Self {
            slots: a.slots().intersection(b.slots()).copied().collect(),
            a,
            b,
            began: Instant::now(),
            budget,
            enough: u64::MAX,
            progress,
            planned: 0,
            tried: 0,
            differing: 0,
            by_kind: Kind::ALL.into_iter().map(|kind| (kind, 0)).collect(),
            first_after: None,
            kept: BTreeMap::new(),
        }
    }

    /// Whether looking has to end: enough is found, or only what shrinking needs is left of the budget.
    pub(crate) fn has_looked_enough(&self) -> bool {
        self.differing >= self.enough || self.is_over(LOOKING)
    }

    /// How long it has run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Whether this part of the budget is used up, in per cent.
    pub(crate) fn is_over(&self, percent: u32) -> bool {
        self.elapsed().saturating_mul(100) >= self.budget.saturating_mul(percent)
    }

    /// Says how many more questions there will be.
    pub(crate) fn plan(&mut self, more: usize) {
        self.planned = self.planned.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
    }

    /// Tells the whole way as gone.
    pub(crate) fn finish(&mut self) {
        (self.progress)(self.tried, self.tried);
    }

    /// Puts one question to both and keeps what differs.
    pub(crate) fn try_one(&mut self, seen: &Arc<Observation>, expired: &[String], is_consistent: bool) -> Point {
        let point = self.ask(seen, expired);
        self.tried += 1;
        self.planned = self.planned.max(self.tried);
        if self.tried.is_multiple_of(PROGRESS_EVERY) {
            (self.progress)(self.tried, self.planned);
        }
        if !point.differences.is_empty() {
            if point.differs() {
                self.differing += 1;
                self.first_after = self.first_after.or_else(|| Some(self.elapsed()));
            }
            let found = Found {
                seen: Arc::clone(seen),
                expired: expired.to_vec(),
                is_consistent,
                differences: point.differences.clone(),
                members: members(seen),
            };
            for kind in found.kinds() {
                *self.by_kind.entry(kind).or_default() += 1;
                keep(self.kept.entry(kind).or_default(), &found);
            }
        }
        point
    }

    /// Puts one question to both; nothing is counted.
    pub(crate) fn ask(&self, seen: &Arc<Observation>, expired: &[String]) -> Point {
        let (mut at_a, mut at_b) = (self.a.session(), self.b.session());
        let (mut a, mut b) = (Answers::default(), Answers::default());
        let mut expired: BTreeSet<String> = expired.iter().cloned().collect();
        if self.slots.contains(&Slot::Timeouts) {
            a.timeouts = Some(self.a.timeouts(&mut at_a, seen).0);
            b.timeouts = Some(self.b.timeouts(&mut at_b, seen).0);
            let schedules = [&a, &b].map(|answers| answers.timeouts.as_ref().and_then(Given::answer));
            expired.extend(schedules.into_iter().flatten().flat_map(|schedule| passed_asks(seen, schedule)));
        }
        if self.slots.contains(&Slot::Transitions) {
            // Both are asked the same question; that they differ in what has expired is told by the deadlines.
            let expired: Vec<String> = expired.into_iter().collect();
            a.transitions = Some(self.a.transitions(&mut at_a, seen, &expired).0);
            b.transitions = Some(self.b.transitions(&mut at_b, seen, &expired).0);
        }
        if self.slots.contains(&Slot::Children) {
            for intent in self.intents(seen, &a, &b) {
                let creations = self.a.children(&mut at_a, seen, &intent).0;
                a.children.push(AnswersToIntent { intent: intent.clone(), creations });
                let creations = self.b.children(&mut at_b, seen, &intent).0;
                b.children.push(AnswersToIntent { intent, creations });
            }
        }
        let differences = differences(&a, &b);
        Point { a, b, differences }
    }

    /// What the children slot is asked about: what the two want, else every step that the phase allows.
    fn intents(&self, seen: &Observation, a: &Answers, b: &Answers) -> Vec<Intent> {
        if !self.slots.contains(&Slot::Transitions) {
            return usual_intents(seen.phase);
        }
        let wanted = [a, b].map(|answers| answers.transitions.as_ref().and_then(Given::answer).cloned());
        let mut all: Vec<Intent> = Vec::new();
        for intent in wanted.into_iter().flatten().filter(|intent| intent.kind != "stay") {
            let is_known = all.iter().any(|known| Intent { why: intent.why.clone(), ..known.clone() } == intent);
            if !is_known {
                all.push(intent);
            }
        }
        all
    }

    /// Looks for the exact moments between two moments at which anything changes. Bounded by 27 questions a change.
    pub(crate) fn bisect(&mut self, make: &dyn Fn(Timestamp) -> Observation, rungs: &[Timestamp], consistent: bool) {
        let mut points: Vec<(Timestamp, (bool, u64, u64))> = Vec::new();
        for at in rungs {
            if self.has_looked_enough() {
                return;
            }
            let form = self.try_one(&Arc::new(make(*at)), &[], consistent).form();
            points.push((*at, form));
        }
        let mut open: Vec<_> = points.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?))).collect();
        while let Some(((low, before), (high, after))) = open.pop() {
            let gap = high.as_millis().saturating_sub(low.as_millis());
            if gap <= 1 || before == after {
                continue;
            }
            if self.has_looked_enough() {
                return;
            }
            let middle = Timestamp::from_millis(low.as_millis() + gap / 2);
            let between = self.try_one(&Arc::new(make(middle)), &[], consistent).form();
            open.push(((low, before), (middle, between)));
            open.push(((middle, between), (high, after)));
        }
    }

    /// The smallest observations of every kind, weightier kinds first, each once.
    pub(crate) fn found(&mut self) -> Vec<Found> {
        let mut by_kind: Vec<_> = std::mem::take(&mut self.kept).into_values().map(Vec::into_iter).collect();
        let mut all: Vec<Found> = Vec::new();
        loop {
            // One of each kind in turn, so that a common kind does not hide a rare one.
            let round: Vec<Found> = by_kind.iter_mut().filter_map(Iterator::next).collect();
            if round.is_empty() {
                return all;
            }
            for found in round {
                let is_known = |known: &Found| Arc::ptr_eq(&known.seen, &found.seen) && known.expired == found.expired;
                if !all.iter().any(is_known) {
                    all.push(found);
                }
            }
        }
    }
}

/// Keeps the smallest.
fn keep(list: &mut Vec<Found>, found: &Found) {
    let rank = |found: &Found| (!found.is_consistent, found.members);
    let place = list.partition_point(|known| rank(known) <= rank(found));
    if place < KEPT_PER_KIND {
        list.insert(place, found.clone());
        list.truncate(KEPT_PER_KIND);
    }
}

/// Every step that a phase allows, as a lawful transitions policy would ask for it.
pub(crate) fn usual_intents(phase: Option<Phase>) -> Vec<Intent> {
    let advance = |to: Phase| Intent { kind: "advance".into(), target_phase: to.name().into(), ..Intent::default() };
    let complete = |outcome: &str| Intent { kind: "complete".into(), outcome: outcome.into(), ..Intent::default() };
    let fail = |phase: Phase| Intent {
        kind: "fail".into(),
        failure_phase: phase.failure_phase().name().into(),
        reason: "it failed".into(),
        ..Intent::default()
    };
    let Some(phase) = phase else { return Vec::new() };
    let reviewed = Intent { manual_review: true, outcome: "ManualReviewRequired".into(), ..fail(phase) };
    match phase {
        Phase::Pending => vec![advance(Phase::Processing), fail(phase)],
        Phase::Processing => vec![advance(Phase::Analyzing), fail(phase), reviewed],
        Phase::Analyzing => vec![
            advance(Phase::AwaitingApproval),
            advance(Phase::Executing),
            complete("NoActionRequired"),
            complete("ManualReviewRequired"),
            fail(phase),
            reviewed,
        ],
        Phase::AwaitingApproval => vec![advance(Phase::Executing), fail(phase), reviewed],
        Phase::Executing => {
            vec![Intent { kind: "verify".into(), ..Intent::default() }, fail(phase), reviewed]
        }
        Phase::Verifying => ["Remediated", "VerificationTimedOut", "Inconclusive"].map(complete).into(),
        Phase::Blocked => vec![fail(phase), reviewed],
        Phase::Completed | Phase::Failed | Phase::TimedOut | Phase::Skipped | Phase::Cancelled => Vec::new(),
    }
}
