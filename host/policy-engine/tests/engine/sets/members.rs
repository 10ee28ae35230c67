//! Several policies in the timeouts slot of a set.

use trimtab_core::decide::{Decision, Verdict, decide};
use trimtab_core::members::{MEMBERS_MAX, Members, Rule, Seat};
use trimtab_core::ports::Judge;
use trimtab_core::settings::Settings;
use trimtab_core::time::Span;
use trimtab_policy_engine::sets::Filled;
use trimtab_policy_engine::{ConfiguredPolicy, EvaluationTimes, Outcome};

use super::*;
use crate::observations::all_slots;

/// A revision's document as it was written before a slot could have several policies, and the name that it had.
const OLD: &str = r#"{"slots":{"timeouts":{"digest":"sha256:aa","config":"1f40fc92da241694","limits":{"fuel":5,"memoryBytes":1,"wallClockMillis":2,"answerBytes":3,"logBytes":4,"transferBytes":6,"componentBytes":7},"failStrategy":"Hold"}}}"#;
const OLD_NAME: &str = "56f9ed07d2bd";

/// The built-in policy with so many seconds for processing.
fn allowing(host: &Host, seconds: u32) -> Arc<ConfiguredPolicy> {
    let config = json!({"timeouts": {"processing": format!("{seconds}s")}}).to_string();
    let policy = builtin().component().configure(&config).unwrap();
    held(&host.shelf.configs).insert(policy.revision().config.clone(), policy.config().to_owned());
    policy
}

fn filling(rule: Rule, policies: &[Arc<ConfiguredPolicy>]) -> BTreeMap<Slot, Filling> {
    let filled =
        |policy: &Arc<ConfiguredPolicy>| Filled { policy: Arc::clone(policy), strategy: FailStrategy::LastGood };
    BTreeMap::from([(Slot::Timeouts, Filling { rule, policies: policies.iter().map(filled).collect() })])
}

impl Host {
    fn apply_several(&self, rule: Rule, policies: &[Arc<ConfiguredPolicy>]) -> Result<Applied, SetError> {
        let plain = allowing(self, 1).component().configure("").unwrap();
        held(&self.shelf.configs).insert(plain.revision().config.clone(), plain.config().to_owned());
        self.sets.apply("night", SetSettings::default(), &filling(rule, policies))
    }

    fn decided(&self, seen: &Observation) -> Decision {
        let revision = self.sets.responsible(seen).unwrap().unwrap();
        decide(&Arc::new(seen.clone()), &mut revision.slots().session(), &Settings::default()).unwrap()
    }
}

fn member(place: usize) -> Member {
    Member::at(place).unwrap()
}

fn seat(place: usize) -> Seat {
    Seat { slot: Slot::Timeouts, member: member(place) }
}

fn fault_of(place: usize) -> Evaluation {
    Evaluation { member: member(place), ..fault(Slot::Timeouts) }
}

#[test]
fn a_revision_with_one_policy_has_the_name_that_it_always_had() {
    let read: RevisionDocument = serde_json::from_str(OLD).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), OLD);
    assert_eq!(read.name(), OLD_NAME);
    let host = Host::new(&Arc::default());
    let policy = allowing(&host, 5);
    let alone = |rule| host.apply_several(rule, &[Arc::clone(&policy)]).unwrap().revision;
    assert_eq!(alone(Rule::Latest), alone(Rule::Earliest), "the rule says nothing about one policy");
}

#[test]
fn a_revisions_name_covers_its_policies_their_order_and_their_rule() {
    let host = Host::new(&Arc::default());
    let [one, other] = [5, 6].map(|seconds| allowing(&host, seconds));
    let name = |rule, policies: &[&Arc<ConfiguredPolicy>]| {
        let policies: Vec<_> = policies.iter().map(|policy| Arc::clone(policy)).collect();
        host.apply_several(rule, &policies).unwrap().revision.revision
    };
    let names = std::collections::BTreeSet::from([
        name(Rule::Earliest, &[&one]),
        name(Rule::Earliest, &[&one, &other]),
        name(Rule::Earliest, &[&other, &one]),
        name(Rule::Latest, &[&one, &other]),
        name(Rule::FirstThatAnswers, &[&one, &other]),
    ]);
    assert_eq!(names.len(), 5);
    assert!(names.contains(&name(Rule::Latest, &[&one, &other])), "the same content has the same name");
}

#[test]
fn several_policies_come_back_after_a_restart() {
    let shelf = Arc::default();
    let host = Host::new(&shelf);
    let policies = [9, 7].map(|seconds| allowing(&host, seconds));
    let applied = host.apply_several(Rule::Latest, &policies).unwrap().revision;
    drop(host);
    let host = Host::new(&shelf);
    assert_eq!(host.sets.apply_kept("night", SetSettings::default()).unwrap(), Some(applied));
    let revision = host.sets.responsible(&seen("new", None)).unwrap().unwrap();
    assert_eq!(revision.slots().members(Slot::Timeouts), Members::new(Rule::Latest, 2));
    let decision = host.decided(&seen("new", None));
    assert_eq!(decision.combined.unwrap().deadlines["Processing"], member(0));
}

#[test]
fn each_rule_decides_among_real_policies_and_the_record_tells_them_all() {
    let host = Host::new(&Arc::default());
    let policies = [9, 7, 8].map(|seconds| allowing(&host, seconds));
    for (rule, winner, asked, seconds) in
        [(Rule::Earliest, 1, 3, 7), (Rule::Latest, 0, 3, 9), (Rule::FirstThatAnswers, 0, 1, 9)]
    {
        host.apply_several(rule, &policies).unwrap();
        let now = seen("new", None);
        let late =
            Observation { now: now.now.plus(Span::from_millis(seconds * 1000 + 1)), is_live: true, ..now.clone() };
        let decision = host.decided(&late);
        assert_eq!(decision.combined.as_ref().unwrap().deadlines["Processing"], member(winner), "{rule}");
        let told: Vec<_> = decision.evaluations.iter().filter(|one| one.slot == Slot::Timeouts).collect();
        let configs: Vec<_> = told.iter().map(|one| &one.revision.as_ref().unwrap().config).collect();
        let expected: Vec<_> = policies.iter().take(asked).map(|policy| &policy.revision().config).collect();
        assert_eq!(configs, expected, "{rule}");
        assert!(told.iter().all(|one| one.fuel > 0 && one.fault.is_none()), "{rule}");
        assert!(matches!(decision.verdict, Verdict::Step(_)), "{rule}: {:?}", decision.why);
        let early = Observation { now: now.now.plus(Span::from_millis(seconds * 1000)), ..late };
        assert_eq!(host.decided(&early).why.rule, host.decided(&seen("new", None)).why.rule, "{rule}: not yet");
    }
}

#[test]
fn policies_of_one_slot_never_share_an_instance() {
    let set = PolicySet::new(policy(&all_slots(), Limits::DEFAULT)).unwrap();
    let counting = policy(&all_slots(), Limits::DEFAULT);
    let both = [(Arc::clone(&counting), FailStrategy::Hold), (counting, FailStrategy::Fail)];
    set.fill(Slot::Timeouts, Rule::Earliest, &both).unwrap();
    let mut session = set.session();
    let mut ask = |place| {
        let answer = session.timeouts(member(place), Choice::Active, &observation()).unwrap();
        answer.value.budgets[0].duration.as_millis() - 7
    };
    assert_eq!([ask(0), ask(1), ask(1)], [1, 1, 1], "each in a fresh one, for another observation each time");
    let shared = observation();
    let mut session = set.session();
    let mut ask = |place| session.timeouts(member(place), Choice::Active, &shared).unwrap().value.budgets[0].duration;
    let [first, second, again] = [ask(0), ask(1), ask(0)];
    assert_eq!((first, second), (second, first));
    assert!(again > first, "the first one's instance answers on");
    assert_eq!((session.strategy(seat(0)), session.strategy(seat(1))), (FailStrategy::Hold, FailStrategy::Fail));
    let beyond = session.timeouts(member(2), Choice::Active, &shared).unwrap_err();
    assert!(format!("{beyond:?}").contains("the timeouts slot has no policy 3"), "{beyond:?}");
}

#[test]
fn a_list_that_no_slot_can_have_is_refused_in_words() {
    let host = Host::new(&Arc::default());
    let policy = allowing(&host, 5);
    let nine = vec![Arc::clone(&policy); MEMBERS_MAX + 1];
    let refused = |slot, count: usize| {
        let filling = filling(Rule::Earliest, nine.get(..count).unwrap()).remove(&Slot::Timeouts).unwrap();
        let fillings = BTreeMap::from([(slot, filling)]);
        host.sets.apply("night", SetSettings::default(), &fillings).unwrap_err().to_string()
    };
    for slot in [Slot::Transitions, Slot::Children] {
        let words = format!("the {slot} slot has 2 policies: only the timeouts slot can have several, name one here");
        assert_eq!(refused(slot, 2), words);
    }
    let words = "the timeouts slot has an empty list of policies: name at least one, or leave the slot out";
    assert_eq!(refused(Slot::Timeouts, 0), words);
    assert_eq!(refused(Slot::Timeouts, 9), "the timeouts slot has 9 policies: at most 8 are allowed");
    assert_eq!(host.answering(&seen("new", None)), None, "nothing is in force");
    host.apply_several(Rule::Earliest, nine.get(..MEMBERS_MAX).unwrap()).unwrap();
    assert_eq!(host.decided(&seen("new", None)).evaluations.iter().filter(|one| one.slot == Slot::Timeouts).count(), 8);
}

#[test]
fn the_breaker_counts_the_faults_of_each_policy_apart() {
    let host = Host::new(&Arc::default());
    let first = host.apply("night", 5, SetSettings::default()).unwrap().revision;
    let policies = [9, 7].map(|seconds| allowing(&host, seconds));
    let second = host.apply_several(Rule::FirstThatAnswers, &policies).unwrap().revision;
    let fine = |place| Evaluation { fault: None, ..fault_of(place) };
    for second_of_day in [1, 2] {
        let settled = host.sets.settle(&second, &[fault_of(0), fine(1)], at(second_of_day));
        assert_eq!(settled, None, "the second one's answer is not the first one's");
        assert_eq!(host.sets.settle(&second, &[fault_of(1)], at(second_of_day)), None);
    }
    let trip = host.sets.settle(&second, &[fine(1), fault_of(0)], at(3)).unwrap();
    assert_eq!((trip.next, trip.slot), (Some(first), Slot::Timeouts));
    assert_eq!(trip.why, "3 faults in a row of policy 1 of the timeouts slot");
}

#[test]
fn each_policy_falls_back_on_the_one_at_its_place() {
    let host = Host::new(&Arc::default());
    let [one, other, third] = [5, 6, 7].map(|seconds| allowing(&host, seconds));
    host.apply_several(Rule::Earliest, &[Arc::clone(&one), Arc::clone(&other)]).unwrap();
    let newest = [&third, &third, &third].map(Arc::clone);
    host.apply_several(Rule::Earliest, &newest).unwrap();
    let revision = host.sets.responsible(&seen("new", None)).unwrap().unwrap();
    let good = |place| revision.slots().policy(seat(place), Choice::LastGood).map(|policy| policy.revision().clone());
    let expected = [Some(one.revision().clone()), Some(other.revision().clone()), None];
    assert_eq!([good(0), good(1), good(2)], expected);
    for place in 0..2 {
        assert!(revision.slots().settle(seat(place), third.revision(), true).unwrap().promoted, "policy {place}");
    }
    assert_eq!([good(0), good(1)], [None, None], "what is active is nobody else's last good");
}

#[test]
fn a_smoke_run_asks_every_policy_and_names_the_one_that_faults() {
    let host = Host::new(&Arc::default());
    let trapping = policy(&Guest::timeouts("(unreachable)"), Limits::DEFAULT);
    for rule in Rule::ALL {
        let refused = host.apply_several(rule, &[allowing(&host, 5), Arc::clone(&trapping)]).unwrap_err().to_string();
        let words = "policy 2 of the timeouts slot faults on kubernaut-system/rr-1 as it was seen lately: Trap";
        assert!(refused.starts_with(words), "{rule}: {refused}");
    }
}

#[test]
fn a_smoke_run_tells_whether_all_of_them_together_answer_otherwise() {
    let host = Host::new(&Arc::default());
    let [five, six, five_again] = [5, 6, 5].map(|seconds| allowing(&host, seconds));
    host.apply_several(Rule::Earliest, std::slice::from_ref(&five)).unwrap();
    let smoke = |rule, policies: &[&Arc<ConfiguredPolicy>]| {
        let policies: Vec<_> = policies.iter().map(|policy| Arc::clone(policy)).collect();
        host.apply_several(rule, &policies).unwrap().smoke.unwrap().differing
    };
    assert_eq!(smoke(Rule::Earliest, &[&five, &six]), BTreeMap::new(), "the earliest is what it was");
    let differs = BTreeMap::from([(Slot::Timeouts, 1)]);
    assert_eq!(smoke(Rule::Latest, &[&five, &six]), differs);
    assert_eq!(smoke(Rule::FirstThatAnswers, &[&six, &five_again]), BTreeMap::new());
    assert_eq!(smoke(Rule::FirstThatAnswers, &[&five, &six]), differs);
}

/// How many evaluations of the timeouts slot ended so.
fn counted(times: &EvaluationTimes, outcome: Outcome) -> u64 {
    let found = times.iter().find(|(of, _)| *of == (Slot::Timeouts, outcome));
    found.map_or(0, |(_, times)| times.count())
}

#[test]
fn evaluations_are_timed_by_revision_and_their_times_are_gone_with_it() {
    let host = Host::new(&Arc::default());
    let policies = [9, 7].map(|seconds| allowing(&host, seconds));
    let several = host.apply_several(Rule::Earliest, &policies).unwrap().revision;
    host.decided(&seen("new", None));
    let told = host.sets.evaluation_times();
    assert_eq!(told.keys().collect::<Vec<_>>(), [&several]);
    assert_eq!(counted(&told[&several], Outcome::Answered), 2, "one for each policy");
    assert_eq!(counted(&told[&several], Outcome::Faulted), 0);
    let swaps = host.engine.report().swap.count();
    for seconds in 1..6 {
        host.apply("night", seconds, SetSettings::default()).unwrap();
    }
    assert!(host.engine.report().swap.count() >= swaps + 5, "other tests swap on the same engine");
    let told = host.sets.evaluation_times();
    assert!(!told.contains_key(&several), "it was let go of");
    assert_eq!(told.len(), 5);
}
