//! Several policies in one slot: who of them is asked, and whose deadline holds.
//!
//! Every slot has a list of members, usually of one. Only the timeouts slot may have more: deadlines can be compared, moves
//! and objects cannot.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::guardrails::deadlines::Scope;
use crate::guardrails::intent;
use crate::observation::Observation;
use crate::proposal::{Budget, Deadline, Explanation, Schedule, Slot};
use crate::record::Revision;
use crate::time::Span;

/// Most policies in one slot.
pub const MEMBERS_MAX: usize = 8;

/// Hexadecimal digits of a component's digest in a sentence.
const DIGEST_DIGITS: usize = 12;

/// How the answers of several policies become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Of each clock the earliest deadline, and of each phase the shortest budget.
    #[default]
    Earliest,
    /// Of each clock the latest deadline, and of each phase the longest budget.
    Latest,
    /// The whole answer of the first policy that gives a deadline; later ones are not asked.
    FirstThatAnswers,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 3] = [Self::Earliest, Self::Latest, Self::FirstThatAnswers];

    /// The word in documents and records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Earliest => "earliest",
            Self::Latest => "latest",
            Self::FirstThatAnswers => "first-that-answers",
        }
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Place of a policy among those of its slot; people count from 1, records from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Member(u8);

impl Member {
    /// The first one: the only one of most slots.
    pub const FIRST: Self = Self(0);

    /// The one at this place, from 0; `None` past the most that a slot may have.
    pub fn at(place: usize) -> Option<Self> {
        u8::try_from(place).ok().filter(|_| place < MEMBERS_MAX).map(Self)
    }

    /// Its place, from 0.
    pub fn place(self) -> usize {
        usize::from(self.0)
    }

    /// Whether it is the first one.
    pub fn is_first(&self) -> bool {
        *self == Self::FIRST
    }
}

impl std::fmt::Display for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", u32::from(self.0) + 1)
    }
}

/// A policy's place in the host: its slot, and its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat {
    /// The slot.
    pub slot: Slot,
    /// Its place there.
    pub member: Member,
}

impl From<Slot> for Seat {
    /// The first of the slot.
    fn from(slot: Slot) -> Self {
        Self { slot, member: Member::FIRST }
    }
}

/// The policies of a slot: how many, and what makes one answer of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Members {
    rule: Rule,
    count: u8,
}

impl Members {
    /// One policy, whose answer is the slot's.
    pub const ONE: Self = Self { rule: Rule::Earliest, count: 1 };

    /// So many policies, at least 1 and at most [`MEMBERS_MAX`].
    pub fn new(rule: Rule, count: usize) -> Self {
        let count = u8::try_from(count.clamp(1, MEMBERS_MAX)).unwrap_or(1);
        Self { rule, count }
    }

    /// What makes one answer of theirs.
    pub const fn rule(self) -> Rule {
        self.rule
    }

    /// How many they are.
    pub const fn count(self) -> u8 {
        self.count
    }

    /// Whether there is more than one.
    pub const fn are_several(self) -> bool {
        self.count > 1
    }

    /// Each of them, in the order in which they are asked.
    pub fn all(self) -> impl Iterator<Item = Member> {
        (0..self.count).map(Member)
    }

    /// Whether a fault of this one, or an answer without a deadline, is the next one's turn to answer.
    pub fn passes_on(self, member: Member) -> bool {
        self.rule == Rule::FirstThatAnswers && member.0 + 1 < self.count
    }
}

/// A lawful answer, and whose it is.
#[derive(Debug, Clone)]
pub struct Given<'a> {
    /// Place of the policy.
    pub member: Member,
    /// Its component and config.
    pub revision: Option<&'a Revision>,
    /// Its answer.
    pub schedule: &'a Schedule,
}

/// Whose deadlines hold where several policies were asked: what the record keeps of it.
///
/// A policy that gives no deadline for a clock has no say about that clock; where nobody has one, a length set by hand or
/// the host's ceiling holds, as with one policy. Of two that give the same, the first one's holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Combined {
    /// The rule.
    pub rule: Rule,
    /// How many policies the slot has.
    pub members: u8,
    /// By clock, whose deadline holds: its moment, what follows, its notice and its attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub deadlines: BTreeMap<String, Member>,
    /// By clock whose deadline only asks, and by the rule `earliest`: whose deadline ends the remediation nevertheless,
    /// the earliest of those that end one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub endings: BTreeMap<String, Member>,
    /// By clock, whose budget holds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub budgets: BTreeMap<String, Member>,
}

impl Combined {
    /// Whose deadlines and budgets hold. Given are lawful answers, in the order of the policies: by the rule
    /// `first-that-answers` one at most.
    pub fn of(members: Members, given: &[Given<'_>]) -> Self {
        let rule = members.rule();
        let mut combined = Self {
            rule,
            members: members.count(),
            deadlines: BTreeMap::new(),
            endings: BTreeMap::new(),
            budgets: BTreeMap::new(),
        };
        for (clock, all) in by_clock(given, |schedule| &schedule.deadlines, |deadline| &deadline.phase) {
            let Some(held) = best(rule, &all, |deadline| deadline.at) else { continue };
            combined.deadlines.insert(clock.to_owned(), held.0);
            if rule == Rule::Earliest && asks(held.1) {
                let ending: Vec<_> = all.iter().filter(|(_, deadline)| !asks(deadline)).copied().collect();
                let ending = best(rule, &ending, |deadline| deadline.at);
                combined.endings.extend(ending.map(|(member, _)| (clock.to_owned(), member)));
            }
        }
        for (clock, all) in by_clock(given, |schedule| &schedule.budgets, |budget| &budget.phase) {
            let own: Vec<_> = all.iter().filter(|(_, budget)| is_budget(budget)).copied().collect();
            let held = best(rule, &own, |budget| budget.duration).or(all.first().copied());
            combined.budgets.extend(held.map(|(member, _)| (clock.to_owned(), member)));
        }
        combined
    }

    /// The one schedule that the answers make.
    pub fn schedule(&self, given: &[Given<'_>]) -> Schedule {
        let of = |member: Member| given.iter().find(|one| one.member == member).map(|one| one.schedule);
        let budget = |(clock, member): (&String, &Member)| {
            of(*member)?.budgets.iter().find(|budget| budget.phase == *clock).cloned()
        };
        Schedule {
            deadlines: taken(&self.deadlines, given, |_| true),
            budgets: self.budgets.iter().filter_map(budget).collect(),
            why: Explanation::default(),
            attributes: Vec::new(),
        }
    }

    /// The deadlines that end the remediation beside those that only ask.
    pub fn endings(&self, given: &[Given<'_>]) -> Vec<Deadline> {
        taken(&self.endings, given, |deadline| !asks(deadline))
    }

    /// Why these hold: what the policy says whose deadline of the present phase holds, else of the whole remediation; and
    /// which policy that is.
    pub fn why(&self, given: &[Given<'_>], observation: &Observation) -> Explanation {
        let phase = observation.phase.map(|phase| Scope::Phase(phase).name());
        let clocks = [phase, Some(Scope::Global.name())];
        let clock = clocks.into_iter().flatten().find(|clock| self.deadlines.contains_key(*clock));
        let member = clock
            .and_then(|clock| self.deadlines.get(clock))
            .or_else(|| self.deadlines.values().next())
            .or_else(|| self.budgets.values().next());
        let decisive = given.iter().find(|one| Some(&one.member) == member).or(given.first());
        let Some(Given { member, revision, schedule }) = decisive else { return Explanation::default() };
        let why = intent::explanation(&schedule.why);
        if self.members == 1 {
            return why;
        }
        let digest = revision.map_or("", |revision| revision.digest.as_str());
        let digits = digest.strip_prefix("sha256:").unwrap_or(digest);
        let digits = digits.get(..DIGEST_DIGITS).unwrap_or(digits);
        let held = if self.deadlines.is_empty() { &self.budgets } else { &self.deadlines };
        let held = held.iter().map(|(clock, member)| format!("{clock} of policy {member}"));
        let held = held.collect::<Vec<_>>().join(", ");
        let held = if held.is_empty() { "no deadline".to_owned() } else { held };
        let (rule, members) = (self.rule, self.members);
        let text = format!("{} (says policy {member}, {digits}; {rule} of {members} policies: {held})", why.text);
        Explanation { text, ..why }
    }
}

/// Whether an answer is one by the rule `first-that-answers`: it gives a deadline of a clock that runs, or a budget as long as
/// none does.
pub fn is_answer(schedule: &Schedule, observation: &Observation) -> bool {
    let phase = observation.phase.map(|phase| Scope::Phase(phase).name());
    let runs = |clock: &str| clock == Scope::Global.name() || Some(clock) == phase;
    schedule.deadlines.iter().any(|deadline| runs(&deadline.phase))
        || (observation.started_at.is_none() && schedule.budgets.iter().any(is_budget))
}

fn asks(deadline: &Deadline) -> bool {
    deadline.on_expiry == "ask"
}

/// Zero means that a phase has no budget of its own.
fn is_budget(budget: &Budget) -> bool {
    budget.phase == Scope::Global.name() || budget.duration > Span::default()
}

/// Entries by clock, each with its policy, in the order of the policies.
fn by_clock<'a, T>(
    given: &[Given<'a>],
    entries: impl Fn(&'a Schedule) -> &'a Vec<T>,
    clock: impl Fn(&'a T) -> &'a str,
) -> BTreeMap<&'a str, Vec<(Member, &'a T)>> {
    let mut found: BTreeMap<&str, Vec<(Member, &T)>> = BTreeMap::new();
    for one in given {
        for entry in entries(one.schedule) {
            found.entry(clock(entry)).or_default().push((one.member, entry));
        }
    }
    found
}

/// The entry that holds; of equal ones the first.
fn best<'a, T, K: Ord>(rule: Rule, all: &[(Member, &'a T)], key: impl Fn(&T) -> K) -> Option<(Member, &'a T)> {
    let goes_first = |one: &(Member, &'a T), other: &(Member, &'a T)| match rule {
        Rule::Earliest => key(one.1) < key(other.1),
        Rule::Latest => key(one.1) > key(other.1),
        Rule::FirstThatAnswers => false,
    };
    all.iter().copied().reduce(|held, one| if goes_first(&one, &held) { one } else { held })
}

fn taken(by_clock: &BTreeMap<String, Member>, given: &[Given<'_>], is_meant: fn(&Deadline) -> bool) -> Vec<Deadline> {
    let one = |(clock, member): (&String, &Member)| {
        let schedule = given.iter().find(|one| one.member == *member)?.schedule;
        schedule.deadlines.iter().find(|deadline| deadline.phase == *clock && is_meant(deadline)).cloned()
    };
    by_clock.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests;
