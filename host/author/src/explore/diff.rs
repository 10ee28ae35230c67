//! `policy diff`: where two policies answer differently, from the boundaries that their own answers name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use trimtab_core::observation::{ChildKind, Observation};
use trimtab_core::proposal::Slot;
use trimtab_core::time::{Span, Timestamp};
use trimtab_policy_engine::ConfiguredPolicy;

use super::asking::{Answers, Panel};
use super::case::{Case, cases};
use super::compare::{Difference, Kind};
use super::random::Numbers;
use super::remediation::{START, sealed};
use super::search::{Found, Point, Search};
use super::shrink::{members, smaller};
use super::situations::situations;
use super::variations::{self, Variation, shifted};
use super::vocabulary::Vocabulary;
use super::{ExploreError, Named};

/// Most examples in a report.
pub const EXAMPLES_MAX: usize = 20;
/// Most observations that are put together of several variations, where nothing simpler shows a difference.
const COMBINED_MAX: usize = 4_096;
/// Most questions that are put to shrink one example.
const SHRINK_STEPS_MAX: u32 = 600;
/// Varied cases, the smallest ones, that are tried before thresholds are looked for.
const BEFORE_THRESHOLDS: usize = 500;

/// One observation on which the policies differ, shrunk.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Example {
    /// In what they differ.
    pub kinds: BTreeSet<Kind>,
    /// Every difference, one line each.
    pub differences: Vec<Difference>,
    /// How many members are not what they are by default: smaller is easier to read.
    pub members: usize,
    /// Whether the host could observe it: true for a situation and one variation of it, before it was shrunk.
    pub is_consistent: bool,
    /// The observation.
    pub observation: Arc<Observation>,
    /// Deadlines of kind "ask" that the transitions slot was told have passed, besides those that the policies named.
    pub expired: Vec<String>,
    /// What the one policy answers.
    pub a: Answers,
    /// What the other policy answers.
    pub b: Answers,
}

/// Where two policies differ.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiffReport {
    /// The one policy.
    pub a: Named,
    /// The other policy.
    pub b: Named,
    /// The slots that both fill, which are compared.
    pub slots: BTreeSet<Slot>,
    /// The slots that only one of them fills, which are not.
    pub uncompared: BTreeSet<Slot>,
    /// Observations that were tried.
    pub tried: u64,
    /// Those on which the answers differ in anything but their explanations.
    pub differing: u64,
    /// Observations by kind of difference; one observation can count for several kinds.
    pub by_kind: BTreeMap<Kind, u64>,
    /// Whether everything planned was tried within the budget.
    pub is_complete: bool,
    /// How long it took, in milliseconds.
    pub elapsed_millis: u64,
    /// How long it took to find the first difference that a decision depends on, in milliseconds.
    pub first_after_millis: Option<u64>,
    /// Smallest first, at most 20.
    pub examples: Vec<Example>,
}

impl DiffReport {
    /// Whether nothing was found that a decision depends on. No proof: the observations are boundaries, not all there are.
    pub fn is_same(&self) -> bool {
        self.differing == 0
    }
}

/// Looks for observations on which two policies answer differently, for about as long as `budget` at the most.
///
/// `progress` is told how many questions are done and how many are planned; the plan grows along the way.
pub fn diff(
    a: &Arc<ConfiguredPolicy>,
    b: &Arc<ConfiguredPolicy>,
    budget: Duration,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<DiffReport, ExploreError> {
    diff_until(u64::MAX, (a, b), budget, progress)
}

/// The same, at its end once this many observations differ.
pub(crate) fn diff_until(
    enough: u64,
    (a, b): (&Arc<ConfiguredPolicy>, &Arc<ConfiguredPolicy>),
    budget: Duration,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<DiffReport, ExploreError> {
    report_of((a, b), budget, progress, |search| {
        search.enough = enough;
        let vocabulary = Vocabulary::of(&[a, b]);
        let is_complete = look(search, &vocabulary);
        (is_complete, examples(search))
    })
}

/// Asks two policies about these observations and no others; the examples are as they were recorded, not shrunk.
///
/// An answer to a fact that an observation does not hold cannot be had: asking for it counts as a fault.
pub fn diff_recorded(
    (a, b): (&Arc<ConfiguredPolicy>, &Arc<ConfiguredPolicy>),
    observations: &[Arc<Observation>],
    budget: Duration,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<DiffReport, ExploreError> {
    report_of((a, b), budget, progress, |search| {
        search.plan(observations.len());
        let is_complete = observations.iter().all(|seen| {
            let is_in_time = !search.is_over(100);
            if is_in_time {
                search.try_one(seen, &[], true);
            }
            is_in_time
        });
        let found = search.found().into_iter().take(EXAMPLES_MAX);
        let examples = found.map(|found| {
            let point = search.ask(&found.seen, &found.expired);
            example(found.seen, found.expired, found.is_consistent, point)
        });
        (is_complete, examples.collect())
    })
}

/// Compares two policies by a search, which says whether it was complete and gives examples.
fn report_of(
    (a, b): (&Arc<ConfiguredPolicy>, &Arc<ConfiguredPolicy>),
    budget: Duration,
    progress: &mut dyn FnMut(u64, u64),
    look: impl FnOnce(&mut Search<'_>) -> (bool, Vec<Example>),
) -> Result<DiffReport, ExploreError> {
    let (one, other) = (Panel::of(a)?, Panel::of(b)?);
    let mut search = Search::new((&one, &other), budget, progress);
    if search.slots.is_empty() {
        let listed = |panel: &Panel| panel.slots().iter().map(|slot| slot.name()).collect::<Vec<_>>().join(", ");
        return Err(ExploreError::NoCommonSlot {
            a: a.component().description().name.clone(),
            a_slots: listed(&one),
            b: b.component().description().name.clone(),
            b_slots: listed(&other),
        });
    }
    let (is_complete, examples) = look(&mut search);
    search.finish();
    Ok(DiffReport {
        a: Named::of(a),
        b: Named::of(b),
        slots: search.slots.clone(),
        uncompared: one.slots().symmetric_difference(other.slots()).copied().collect(),
        tried: search.tried,
        differing: search.differing,
        by_kind: search.by_kind.clone(),
        is_complete,
        elapsed_millis: millis(search.elapsed()),
        first_after_millis: search.first_after.map(millis),
        examples,
    })
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// Tries everything planned; false where the budget ended it.
fn look(search: &mut Search<'_>, vocabulary: &Vocabulary) -> bool {
    let all = cases(&search.slots, vocabulary);
    search.plan(all.len());
    // Every situation as it is comes first, with the smallest variations and what the answers to both name.
    let (mut plain, mut varied): (Vec<Case>, Vec<Case>) = all.into_iter().partition(|case| !case.name.contains(' '));
    let rest = varied.split_off(varied.len().min(BEFORE_THRESHOLDS));
    plain.extend(varied);
    let varied = rest;
    let mut known = Known::new();
    let Some(mut named) = round(search, &plain, &mut known) else { return false };
    for situation in situations() {
        let make = |now: Timestamp| Observation { now, ..situation.seen.clone() };
        search.bisect(&make, &ladder(&situation.seen, vocabulary), situation.is_consistent);
    }
    let Some(more) = round(search, &varied, &mut known) else { return false };
    if search.differing > 0 {
        return !search.has_looked_enough();
    }
    // They look the same, so everything is looked at more closely.
    let cases: Vec<Case> = plain.into_iter().chain(varied).collect();
    named.extend(more);
    for (case, named) in cases.iter().zip(&named) {
        if !try_all(search, &derived(case, named, None)) {
            return false;
        }
    }
    if !combine(search, vocabulary) {
        return false;
    }
    for case in cases.iter().filter(|case| case.expired.is_empty() && case.is_consistent) {
        let make = |now: Timestamp| Observation { now, ..Observation::clone(&case.observation) };
        search.bisect(&make, &ladder(&case.observation, vocabulary), true);
    }
    !search.has_looked_enough()
}

/// The moments that the answers to one case name.
type Moments = Vec<(String, Timestamp)>;

/// Tries cases and then what their answers lead to; gives the moments named, `None` where the budget ended it.
fn round(search: &mut Search<'_>, cases: &[Case], known: &mut Known) -> Option<Vec<Moments>> {
    let mut named = Vec::with_capacity(cases.len());
    for case in cases {
        if search.has_looked_enough() {
            return None;
        }
        named.push(search.try_one(&case.observation, &case.expired, case.is_consistent).instants());
    }
    for (case, moments) in cases.iter().zip(&named) {
        if !try_all(search, &derived(case, moments, Some(known))) {
            return None;
        }
    }
    Some(named)
}

fn try_all(search: &mut Search<'_>, list: &[(Observation, bool)]) -> bool {
    search.plan(list.len());
    for (seen, is_consistent) in list {
        if search.has_looked_enough() {
            return false;
        }
        search.try_one(&Arc::new(seen.clone()), &[], *is_consistent);
    }
    true
}

/// What is derived already: the situation, and the moment counted from entry and start.
type Known = BTreeSet<(String, String, i128, i128)>;

/// The case around every moment that its answers name: by `now`, by the entry of its phase, by the end of its child.
fn derived(case: &Case, named: &[(String, Timestamp)], mut known: Option<&mut Known>) -> Vec<(Observation, bool)> {
    let seen = &case.observation;
    let entered = seen.phase_entered_at().unwrap_or(START);
    let situation = case.name.split(' ').next().unwrap_or_default();
    let mut all = Vec::new();
    for (scope, at) in named {
        let from = |since: Timestamp| i128::from(at.as_millis()) - i128::from(since.as_millis());
        let key = (situation.to_owned(), scope.clone(), from(entered), from(seen.started_at.unwrap_or(START)));
        if known.as_mut().is_some_and(|known| !known.insert(key)) {
            continue;
        }
        for shift in [-1, 0, 1] {
            all.extend(around(seen, *at, shift).into_iter().map(|made| (sealed(made), case.is_consistent)));
        }
    }
    all
}

fn around(seen: &Observation, at: Timestamp, shift: i64) -> Vec<Observation> {
    let mut all = vec![Observation { now: shifted(at, shift), ..seen.clone() }];
    let ahead = i64::try_from(i128::from(seen.now.as_millis()) - i128::from(at.as_millis()) - i128::from(shift));
    if let Ok(moved) = ahead
        && let Some((phase, entered)) = seen.phases.last()
    {
        // The same distance to the deadline with `now` as it is and the entry moved.
        let mut entry_moved = seen.clone();
        let later = (*phase, shifted(*entered, moved));
        entry_moved.phases.pop();
        entry_moved.phases.push(later);
        all.push(entry_moved);
    }
    let kind = seen.phase.and_then(ChildKind::of_phase);
    let finished = seen.children.iter().position(|child| Some(child.kind) == kind && child.is_finished());
    if let Some(place) = finished {
        let mut ended = seen.clone();
        ended.now = at.plus(Span::from_secs(1));
        if let Some(child) = ended.children.get_mut(place) {
            child.finished_at = Some(shifted(at, shift));
        }
        all.push(ended);
    }
    all
}

/// Moments between which thresholds are looked for.
fn ladder(seen: &Observation, vocabulary: &Vocabulary) -> Vec<Timestamp> {
    let entered = seen.phase_entered_at().unwrap_or(START);
    let seconds = [0, 1, 60, 300, 600, 900, 1_800, 2_700, 3_600, 7_200, 21_600, 86_401, 172_800];
    let lengths = seconds.map(Span::from_secs).into_iter().chain(vocabulary.lengths());
    let mut rungs: BTreeSet<Timestamp> = lengths.map(|length| entered.plus(length)).collect();
    rungs.insert(shifted(START, -1));
    rungs.insert(START);
    rungs.insert(shifted(entered, -1));
    rungs.into_iter().collect()
}

/// Several variations at once, drawn from a fixed sequence.
fn combine(search: &mut Search<'_>, vocabulary: &Vocabulary) -> bool {
    let (situations, mut list) = (situations(), variations::single());
    list.extend(vocabulary.words().flat_map(variations::of_word));
    list.extend(vocabulary.rules().map(variations::of_rule));
    let mut numbers = Numbers::new();
    search.plan(COMBINED_MAX);
    for _ in 0..COMBINED_MAX {
        if search.has_looked_enough() {
            return false;
        }
        let Some(situation) = numbers.pick(&situations) else { return true };
        let mut seen = situation.seen.clone();
        let mut is_consistent = situation.is_consistent;
        for _ in 0..2 + numbers.below(3) {
            if let Some(variation) = numbers.pick::<Variation>(&list) {
                variation.apply(&mut seen);
                is_consistent &= variation.is_consistent;
            }
        }
        search.try_one(&Arc::new(sealed(seen)), &[], is_consistent);
    }
    true
}

fn examples(search: &mut Search<'_>) -> Vec<Example> {
    let mut all: Vec<Example> = Vec::new();
    for found in search.found() {
        if all.len() >= EXAMPLES_MAX {
            break;
        }
        let (seen, expired, point) = shrunk(search, &found);
        if all.iter().any(|known| known.observation == seen && known.expired == expired) {
            continue;
        }
        all.push(example(seen, expired, found.is_consistent, point));
    }
    let length = |one: &Example| serde_json::to_string(&*one.observation).map_or(usize::MAX, |text| text.len());
    all.sort_by_cached_key(|one| (one.kinds.iter().next().copied() == Some(Kind::WhyOnly), one.members, length(one)));
    all
}

fn example(seen: Arc<Observation>, expired: Vec<String>, is_consistent: bool, point: Point) -> Example {
    let kinds = point.differences.iter().map(|one| one.kind).collect();
    let Point { a, b, differences } = point;
    Example { kinds, differences, members: members(&seen), is_consistent, observation: seen, expired, a, b }
}

/// Puts members back as long as the weightiest kind of difference stays.
fn shrunk(search: &Search<'_>, found: &Found) -> (Arc<Observation>, Vec<String>, Point) {
    let kind = found.differences.iter().map(|one| one.kind).min();
    let shows = |point: &Point| point.differences.iter().any(|one| Some(one.kind) == kind);
    let (mut seen, mut expired) = (Arc::clone(&found.seen), found.expired.clone());
    let mut point = search.ask(&seen, &expired);
    let mut steps = 0;
    if !expired.is_empty() {
        let without = search.ask(&seen, &[]);
        if shows(&without) {
            (expired, point) = (Vec::new(), without);
        }
    }
    'again: loop {
        let size = members(&seen);
        for less in smaller(&seen) {
            if members(&less) >= size {
                continue;
            }
            steps += 1;
            if steps > SHRINK_STEPS_MAX || search.is_over(100) {
                return (seen, expired, point);
            }
            let less = Arc::new(less);
            let tried = search.ask(&less, &expired);
            if shows(&tried) {
                (seen, point) = (less, tried);
                continue 'again;
            }
        }
        return (seen, expired, point);
    }
}
