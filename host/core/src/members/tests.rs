use proptest::prelude::*;

use super::*;
use crate::fixtures::in_phase;
use crate::guardrails::deadlines::{self, ENTRIES_MAX, Limits, OnExpiry};
use crate::phase::Phase;
use crate::settings::Settings;
use crate::time::Timestamp;

const CLOCKS: [&str; 8] =
    ["Global", "Pending", "Processing", "Analyzing", "AwaitingApproval", "Executing", "Verifying", "Blocked"];

fn deadline(clock: &str, at: u64, on_expiry: &str) -> Deadline {
    Deadline {
        phase: clock.into(),
        at: Timestamp::from_millis(at),
        on_expiry: on_expiry.into(),
        duration: Span::from_millis(at),
        notice: None,
        attributes: Vec::new(),
    }
}

fn budget(clock: &str, seconds: u64) -> Budget {
    Budget { phase: clock.into(), duration: Span::from_secs(seconds) }
}

fn of(deadlines: Vec<Deadline>, budgets: Vec<Budget>) -> Schedule {
    Schedule { deadlines, budgets, why: Explanation::new("Test", "For a test."), ..Schedule::default() }
}

fn given(schedules: &[Schedule]) -> Vec<Given<'_>> {
    let given =
        schedules.iter().enumerate().map(|(place, schedule)| Given { member: member(place), revision: None, schedule });
    given.collect()
}

fn member(place: usize) -> Member {
    Member::at(place).unwrap()
}

fn combined(rule: Rule, schedules: &[Schedule]) -> (Combined, Schedule) {
    let given = given(schedules);
    let combined = Combined::of(Members::new(rule, schedules.len()), &given);
    let schedule = combined.schedule(&given);
    (combined, schedule)
}

fn by_clock(of: &[(&str, usize)]) -> BTreeMap<String, Member> {
    of.iter().map(|(clock, place)| ((*clock).to_owned(), member(*place))).collect()
}

#[test]
fn of_each_clock_the_rule_picks_one_deadline_and_what_belongs_to_it() {
    let noticed = Deadline { notice: Some("{}".into()), ..deadline("Global", 20, "fail") };
    let schedules = [
        of(vec![noticed.clone(), deadline("Processing", 5, "time-out")], Vec::new()),
        of(vec![deadline("Global", 10, "time-out"), deadline("Processing", 7, "fail")], Vec::new()),
    ];
    let (earliest, schedule) = combined(Rule::Earliest, &schedules);
    assert_eq!(earliest.deadlines, by_clock(&[("Global", 1), ("Processing", 0)]));
    assert_eq!(schedule.deadlines, [deadline("Global", 10, "time-out"), deadline("Processing", 5, "time-out")]);
    let (latest, schedule) = combined(Rule::Latest, &schedules);
    assert_eq!(latest.deadlines, by_clock(&[("Global", 0), ("Processing", 1)]));
    assert_eq!(schedule.deadlines, [noticed, deadline("Processing", 7, "fail")]);
    let (first, schedule) = combined(Rule::FirstThatAnswers, schedules.get(..1).unwrap());
    assert_eq!((first.deadlines.len(), schedule.deadlines), (2, schedules[0].deadlines.clone()));
}

#[test]
fn of_two_that_give_the_same_the_first_one_holds() {
    let schedules =
        [of(vec![deadline("Global", 9, "fail")], Vec::new()), of(vec![deadline("Global", 9, "ask")], vec![])];
    for rule in Rule::ALL {
        let (combined, schedule) = combined(rule, &schedules);
        assert_eq!(combined.deadlines, by_clock(&[("Global", 0)]), "{rule}");
        assert_eq!(schedule.deadlines, schedules[0].deadlines, "{rule}");
    }
}

#[test]
fn a_policy_that_gives_no_deadline_for_a_clock_has_no_say_about_it() {
    let schedules =
        [of(vec![deadline("Global", 9, "fail")], Vec::new()), of(vec![deadline("Processing", 3, "fail")], Vec::new())];
    for rule in [Rule::Earliest, Rule::Latest] {
        let (combined, _) = combined(rule, &schedules);
        assert_eq!(combined.deadlines, by_clock(&[("Global", 0), ("Processing", 1)]), "{rule}");
    }
}

#[test]
fn a_budget_of_zero_gives_way_to_one_of_its_own_and_holds_where_there_is_none() {
    let schedules = [
        of(Vec::new(), vec![budget("Analyzing", 0), budget("Executing", 0), budget("Global", 0)]),
        of(Vec::new(), vec![budget("Analyzing", 8), budget("Executing", 0), budget("Global", 5)]),
        of(Vec::new(), vec![budget("Analyzing", 6)]),
    ];
    let (earliest, schedule) = combined(Rule::Earliest, &schedules);
    assert_eq!(earliest.budgets, by_clock(&[("Analyzing", 2), ("Executing", 0), ("Global", 0)]));
    assert_eq!(schedule.budgets, [budget("Analyzing", 6), budget("Executing", 0), budget("Global", 0)]);
    let (latest, _) = combined(Rule::Latest, &schedules);
    assert_eq!(latest.budgets, by_clock(&[("Analyzing", 1), ("Executing", 0), ("Global", 1)]));
}

#[test]
fn the_earliest_deadline_that_only_asks_hides_no_end_behind_it() {
    let schedules = [
        of(vec![deadline("Global", 10, "ask")], Vec::new()),
        of(vec![deadline("Global", 30, "fail")], Vec::new()),
        of(vec![deadline("Global", 20, "time-out")], Vec::new()),
    ];
    let given = given(&schedules);
    let earliest = Combined::of(Members::new(Rule::Earliest, 3), &given);
    assert_eq!(
        (earliest.deadlines.clone(), earliest.endings.clone()),
        (by_clock(&[("Global", 0)]), by_clock(&[("Global", 2)]))
    );
    assert_eq!(earliest.endings(&given), [deadline("Global", 20, "time-out")]);
    let latest = Combined::of(Members::new(Rule::Latest, 3), &given);
    assert_eq!((latest.deadlines, latest.endings), (by_clock(&[("Global", 1)]), BTreeMap::new()));
}

#[test]
fn what_holds_is_never_more_than_an_answer_may_have() {
    let each = CLOCKS.map(|clock| of(vec![deadline(clock, 5, "fail")], vec![budget(clock, 5)]));
    let (_, schedule) = combined(Rule::Earliest, &each);
    assert_eq!((schedule.deadlines.len(), schedule.budgets.len()), (ENTRIES_MAX, ENTRIES_MAX));
    let phases = Phase::ALL.into_iter().filter(|phase| !phase.is_terminal()).count();
    assert_eq!(phases + 1, CLOCKS.len(), "every clock is here");
    deadlines::check(&in_phase(Phase::Processing), &schedule, &Settings::default()).unwrap();
}

#[test]
fn the_sentence_names_the_policy_whose_deadline_of_the_phase_holds() {
    let schedules = [
        of(vec![deadline("Global", 9, "fail")], Vec::new()),
        of(vec![deadline("Processing", 3, "fail")], vec![budget("Analyzing", 1)]),
    ];
    let revision = Revision { digest: format!("sha256:{}", "ab".repeat(32)), config: "c".into() };
    let given: Vec<_> = given(&schedules).into_iter().map(|one| Given { revision: Some(&revision), ..one }).collect();
    let combined = Combined::of(Members::new(Rule::Latest, 2), &given);
    let text = combined.why(&given, &in_phase(Phase::Processing)).text;
    let tail = "; latest of 2 policies: Global of policy 1, Processing of policy 2)";
    assert_eq!(text, format!("For a test. (says policy 2, abababababab{tail}"));
    let text = combined.why(&given, &in_phase(Phase::Analyzing)).text;
    assert_eq!(text, format!("For a test. (says policy 1, abababababab{tail}"));
    let alone = Combined::of(Members::ONE, given.get(..1).unwrap());
    assert_eq!(alone.why(&given, &in_phase(Phase::Processing)), schedules[0].why);
}

#[test]
fn a_first_answer_is_one_with_a_deadline_or_with_a_budget_before_any_clock_runs() {
    let running = in_phase(Phase::Processing);
    let new = Observation { started_at: None, ..running.clone() };
    let silent = of(Vec::new(), vec![budget("Analyzing", 0)]);
    let budgets = of(Vec::new(), vec![budget("Analyzing", 1)]);
    let deadlines = of(vec![deadline("Global", 9, "fail")], Vec::new());
    let answers = |schedule| (is_answer(schedule, &running), is_answer(schedule, &new));
    assert_eq!(
        [answers(&silent), answers(&budgets), answers(&deadlines)],
        [(false, false), (false, true), (true, true)]
    );
}

#[test]
fn places_are_bounded_and_counted_from_one_by_people() {
    assert_eq!(
        (Member::at(MEMBERS_MAX - 1).map(|last| last.to_string()), Member::at(MEMBERS_MAX)),
        (Some("8".into()), None)
    );
    let members = Members::new(Rule::FirstThatAnswers, 3);
    assert_eq!(members.all().map(|one| members.passes_on(one)).collect::<Vec<_>>(), [true, true, false]);
    assert!(!Members::new(Rule::Earliest, 3).passes_on(Member::FIRST));
}

fn arbitrary_schedule() -> impl Strategy<Value = Schedule> {
    let one = prop_oneof![Just("time-out"), Just("fail"), Just("ask")];
    let deadline = |clock: &'static str| {
        prop::option::of((1_u64..10_000_000_000, one.clone()))
            .prop_map(move |some| some.map(|(at, on_expiry)| deadline(clock, at, on_expiry)))
    };
    let deadlines = CLOCKS.map(deadline).to_vec();
    let budgets = CLOCKS.map(|clock| prop::option::of(0_u64..9).prop_map(move |some| some.map(|s| budget(clock, s))));
    (deadlines, budgets.to_vec()).prop_map(|(deadlines, budgets)| {
        of(deadlines.into_iter().flatten().collect(), budgets.into_iter().flatten().collect())
    })
}

/// When the host ends the remediation for this clock, unless somebody acts.
fn ends(limits: &Limits, scope: Scope) -> Option<Timestamp> {
    let ending = limits.limits.iter().filter(|limit| limit.scope == scope && limit.on_expiry != OnExpiry::Ask);
    ending.map(|limit| limit.at).min()
}

proptest! {
    #[test]
    fn the_earliest_is_no_later_and_the_latest_no_earlier_than_what_any_policy_gives(
        schedules in prop::collection::vec(arbitrary_schedule(), 1..=MEMBERS_MAX),
    ) {
        let (_, earliest) = combined(Rule::Earliest, &schedules);
        let (_, latest) = combined(Rule::Latest, &schedules);
        for one in schedules.iter().flat_map(|schedule| &schedule.deadlines) {
            let of = |schedule: &Schedule| schedule.deadlines.iter().find(|held| held.phase == one.phase).unwrap().at;
            prop_assert!(of(&earliest) <= one.at && one.at <= of(&latest));
        }
        for one in schedules.iter().flat_map(|schedule| &schedule.budgets).filter(|one| is_budget(one)) {
            let of = |schedule: &Schedule| schedule.budgets.iter().find(|held| held.phase == one.phase).unwrap().duration;
            prop_assert!(of(&earliest) <= one.duration && one.duration <= of(&latest));
        }
        for held in [&earliest, &latest] {
            let is_given = |one: &Deadline| schedules.iter().any(|schedule| schedule.deadlines.contains(one));
            prop_assert!(held.deadlines.iter().all(is_given), "what holds is whole, and somebody's");
        }
    }

    #[test]
    fn by_the_earliest_the_host_ends_no_later_than_for_any_policy_alone(
        schedules in prop::collection::vec(arbitrary_schedule(), 1..=MEMBERS_MAX),
    ) {
        let (seen, settings) = (in_phase(Phase::Processing), Settings::default());
        let given = given(&schedules);
        let combined = Combined::of(Members::new(Rule::Earliest, schedules.len()), &given);
        let together = (&combined.schedule(&given), combined.endings(&given));
        let together = deadlines::check_with(&seen, (together.0, &together.1), &settings).unwrap();
        for schedule in &schedules {
            let alone = deadlines::check(&seen, schedule, &settings).unwrap();
            for scope in [Scope::Global, Scope::Phase(Phase::Processing)] {
                prop_assert!(ends(&together, scope) <= ends(&alone, scope));
            }
        }
    }

    #[test]
    fn one_policy_alone_has_its_own_limits(schedule in arbitrary_schedule()) {
        let (seen, settings) = (in_phase(Phase::Processing), Settings::default());
        let given = [Given { member: Member::FIRST, revision: None, schedule: &schedule }];
        let combined = Combined::of(Members::ONE, &given);
        let (held, endings) = (combined.schedule(&given), combined.endings(&given));
        let together = deadlines::check_with(&seen, (&held, &endings), &settings).unwrap();
        prop_assert_eq!(together, deadlines::check(&seen, &schedule, &settings).unwrap());
        prop_assert!(endings.is_empty());
    }
}
