use serde_json::json;

use super::super::*;
use crate::fixtures::{Fixed, Voice, in_phase, schedule, stay};
use crate::members::{Members, Rule};
use crate::ports::FaultReason;
use crate::proposal::{Deadline, Schedule};
use crate::record::Record;

/// A policy that allows so many seconds of the present phase, and falls back on one that allows 40.
fn voice(seconds: u64, on_expiry: &str) -> Voice {
    Voice {
        active: Ok(allowing(seconds, on_expiry)),
        others: Ok(allowing(40, "time-out")),
        strategy: FailStrategy::Hold,
    }
}

fn faulting(strategy: FailStrategy) -> Voice {
    Voice { active: Err(FaultReason::Trap), strategy, ..voice(1, "time-out") }
}

/// A policy that gives no deadline.
fn silent() -> Voice {
    Voice { active: Ok(schedule()), ..voice(1, "time-out") }
}

fn allowing(seconds: u64, on_expiry: &str) -> Schedule {
    let entered = seen().phase_entered_at().unwrap();
    let duration = Span::from_secs(seconds);
    let deadline = Deadline {
        phase: "Processing".into(),
        at: entered.plus(duration),
        on_expiry: on_expiry.into(),
        duration,
        notice: None,
        attributes: Vec::new(),
    };
    Schedule { deadlines: vec![deadline], ..schedule() }
}

fn seen() -> Observation {
    in_phase(Phase::Processing)
}

/// What is seen so many seconds after the phase was entered.
fn after_seconds(seconds: u64) -> Observation {
    let now = seen().phase_entered_at().unwrap().plus(Span::from_secs(seconds));
    Observation { now, is_live: true, ..seen() }
}

fn several(rule: Rule, voices: Vec<Voice>) -> Fixed {
    Fixed { several: Some((rule, voices)), intent: Ok(stay()), ..Fixed::default() }
}

fn decided(observation: Observation, judge: &mut Fixed) -> Decision {
    decide(&Arc::new(observation), judge, &Settings::default()).unwrap()
}

/// Where the remediation goes with these policies so many seconds after it entered its phase.
fn gone_to(seconds: u64, rule: Rule, voices: &[Voice]) -> Option<Phase> {
    match decided(after_seconds(seconds), &mut several(rule, voices.to_vec())).verdict {
        Verdict::Step(plan) => plan.to,
        Verdict::Stay => None,
    }
}

/// Whose deadline of the phase holds, from 1.
fn held_by(decision: &Decision) -> Option<String> {
    decision.combined.as_ref().and_then(|combined| combined.deadlines.get("Processing")).map(ToString::to_string)
}

#[test]
fn each_rule_ends_a_phase_at_the_deadline_that_it_picks() {
    let voices = [voice(20, "time-out"), voice(10, "fail"), voice(30, "time-out")];
    for (rule, before, after, to, winner) in [
        (Rule::Earliest, 10, 11, Phase::Failed, "2"),
        (Rule::Latest, 30, 31, Phase::TimedOut, "3"),
        (Rule::FirstThatAnswers, 20, 21, Phase::TimedOut, "1"),
    ] {
        assert_eq!(gone_to(before, rule, &voices), None, "{rule}");
        assert_eq!(gone_to(after, rule, &voices), Some(to), "{rule}");
        let decision = decided(after_seconds(before), &mut several(rule, voices.to_vec()));
        assert_eq!(held_by(&decision).as_deref(), Some(winner), "{rule}");
        let limits = decision.limits(&after_seconds(before), &Settings::default());
        assert_eq!(decision.wake_at, limits.next_expiry(after_seconds(before).now).map(after_limit), "{rule}");
    }
}

fn after_limit(at: Timestamp) -> Timestamp {
    at.plus(Span::from_millis(1))
}

/// What the host remembers of a step.
fn record_of(decision: Decision) -> Record {
    let Verdict::Step(plan) = decision.verdict else { panic!("a step was expected") };
    let status = plan.status.as_ref().unwrap();
    let conditions = status["conditions"].as_array().unwrap();
    let own = conditions.iter().find(|one| one["type"] == crate::record::CONDITION_TYPE).unwrap();
    Record::parse(own["message"].as_str().unwrap()).unwrap()
}

#[test]
fn the_record_tells_every_policy_that_was_asked_and_who_answered() {
    let judge = &mut several(Rule::Earliest, vec![voice(20, "time-out"), faulting(FailStrategy::LastGood)]);
    let decision = decided(after_seconds(21), judge);
    let asked: Vec<_> = decision.evaluations.iter().map(|one| (one.member.to_string(), one.choice)).collect();
    let of = |member: &str, choice| (member.to_owned(), choice);
    assert_eq!(asked, [of("1", Choice::Active), of("2", Choice::Active), of("2", Choice::LastGood)]);
    let record = record_of(decision);
    let answered: Vec<_> = record.slots.iter().map(|(seat, one)| (seat.as_str(), one.digest.as_str())).collect();
    assert_eq!(answered, [("timeouts", "sha256:Active"), ("timeouts/2", "sha256:LastGood")]);
}

#[test]
fn an_answer_of_an_earlier_step_is_not_told_again() {
    let mut observation = after_seconds(21);
    let stale = crate::record::Revision { digest: "sha256:gone".into(), config: "c".into() };
    observation.record.slots.insert("timeouts/2".into(), stale.clone());
    observation.record.slots.insert("children".into(), stale);
    let judge = &mut Fixed { schedule: Ok(allowing(20, "time-out")), ..Fixed::default() };
    let record = record_of(decided(observation, judge));
    assert_eq!(record.slots.keys().collect::<Vec<_>>(), ["children", "timeouts"]);
}

#[test]
fn the_first_that_answers_is_the_first_without_a_fault_and_with_a_deadline() {
    let rule = Rule::FirstThatAnswers;
    let heard = |voices: Vec<Voice>| {
        let judge = &mut several(rule, voices);
        let decision = decided(after_seconds(5), judge);
        let heard: Vec<_> = judge.heard.iter().map(|(member, choice)| (member.place(), *choice)).collect();
        (heard, held_by(&decision), decision.why.rule)
    };
    let (active, good) = (Choice::Active, Choice::LastGood);
    let first = heard(vec![voice(10, "fail"), voice(9, "fail")]);
    assert_eq!(first, (vec![(0, active)], Some("1".into()), "Test".into()), "the second is not asked");
    let third = heard(vec![faulting(FailStrategy::Fail), silent(), voice(9, "fail")]);
    let asked = vec![(0, active), (1, active), (2, active)];
    assert_eq!(third, (asked, Some("3".into()), "Test".into()), "the first one's strategy does not count");
    let last = heard(vec![silent(), faulting(FailStrategy::LastGood)]);
    assert_eq!(last, (vec![(0, active), (1, active), (1, good)], Some("2".into()), "Test".into()));
    assert_eq!(heard(vec![voice(9, "fail"), faulting(FailStrategy::Fail)]).1, Some("1".into()));
    assert_eq!(heard(vec![silent(), silent()]).1, None);
    assert_eq!(heard(vec![silent(), faulting(FailStrategy::Fail)]).2, "PolicyFault");
}

#[test]
fn before_any_clock_runs_the_first_policy_with_a_budget_answers() {
    let mut observation = seen();
    observation.phase = None;
    observation.started_at = None;
    observation.phases.clear();
    observation.record = Record::default();
    observation.object = Arc::new(json!({"metadata": {}, "spec": {}}));
    let nothing = Voice { active: Ok(Schedule::default()), ..voice(1, "fail") };
    let judge = &mut several(Rule::FirstThatAnswers, vec![nothing, silent(), voice(9, "fail")]);
    let decision = decided(observation, judge);
    assert_eq!(judge.heard.len(), 2);
    let Verdict::Step(plan) = decision.verdict else { panic!("it begins") };
    assert_eq!(plan.status.as_ref().unwrap()["timeoutConfig"]["processing"], "5m0s");
    assert!(plan.why.text.contains("says policy 2"), "{}", plan.why.text);
}

#[test]
fn by_earliest_and_latest_each_fault_is_answered_by_its_own_strategy() {
    for rule in [Rule::Earliest, Rule::Latest] {
        let good = [voice(20, "time-out"), faulting(FailStrategy::LastGood)];
        let (first, second) = if rule == Rule::Earliest { (21, 20) } else { (41, 40) };
        assert_eq!(
            (gone_to(second, rule, &good), gone_to(first, rule, &good)),
            (None, Some(Phase::TimedOut)),
            "{rule}"
        );
        let held = [faulting(FailStrategy::Hold), voice(20, "time-out")];
        assert_eq!((gone_to(20, rule, &held), gone_to(21, rule, &held)), (None, Some(Phase::TimedOut)), "{rule}");
        let failing = [voice(20, "time-out"), faulting(FailStrategy::Fail), voice(30, "time-out")];
        let judge = &mut several(rule, failing.to_vec());
        let decision = decided(after_seconds(1), judge);
        let Verdict::Step(plan) = &decision.verdict else { panic!("it fails") };
        assert_eq!((plan.to, plan.why.rule.as_str()), (Some(Phase::Failed), "PolicyFault"), "{rule}");
        assert_eq!((judge.heard.len(), held_by(&decision)), (2, None), "what failed is asked no further");
        let ceiling = deadlines::ceiling_only(&after_seconds(1), &Settings::default());
        assert_eq!(decision.limits(&after_seconds(1), &Settings::default()), ceiling);
    }
    let nobody = [faulting(FailStrategy::Hold), faulting(FailStrategy::Hold)];
    assert_eq!(gone_to(3600, Rule::Earliest, &nobody), None, "only the ceiling holds");
}

#[test]
fn a_deadline_that_asks_is_asked_about_and_another_policys_end_holds_behind_it() {
    let voices = vec![voice(10, "ask"), voice(30, "time-out")];
    let judge = &mut several(Rule::Earliest, voices.clone());
    let decision = decided(after_seconds(11), judge);
    let reasons: Vec<_> = decision.evaluations.iter().filter_map(|one| one.fault.as_ref()).collect();
    assert_eq!(reasons.first().map(|(reason, _)| reason.as_str()), Some("ExpiredDeadlineIgnored"));
    let bounded = Intent { until: Some(after_seconds(20).now), ..stay() };
    let asked = |seconds| {
        let judge = &mut Fixed { intent: Ok(bounded.clone()), ..several(Rule::Earliest, voices.clone()) };
        match decided(after_seconds(seconds), judge).verdict {
            Verdict::Step(plan) => plan.to,
            Verdict::Stay => None,
        }
    };
    assert_eq!(asked(11), None, "asked, and a bounded stay is lawful");
    assert_eq!(asked(31), Some(Phase::TimedOut), "the other policy's deadline has passed");
    let latest = decided(after_seconds(11), &mut several(Rule::Latest, voices));
    assert!(latest.evaluations.iter().all(|one| one.fault.is_none()), "what is not the latest is not asked about");
}

#[test]
fn a_refused_answer_is_the_fault_of_the_policy_that_gave_it() {
    let unknown = Voice { active: Ok(allowing(5, "sleep")), ..voice(1, "fail") };
    let judge = &mut several(Rule::Earliest, vec![voice(20, "time-out"), unknown]);
    let decision = decided(after_seconds(6), judge);
    let faults: Vec<_> = decision.evaluations.iter().filter(|one| one.fault.is_some()).map(|one| one.member).collect();
    assert_eq!((faults, held_by(&decision).as_deref()), (vec![Member::at(1).unwrap()], Some("1")));
}

#[test]
fn decisions_of_one_policy_are_written_as_they_always_were() {
    let judge = &mut Fixed { schedule: Ok(allowing(20, "time-out")), ..Fixed::default() };
    let decision = decided(after_seconds(5), judge);
    let written = serde_json::to_value(&decision).unwrap();
    let members: Vec<_> = written.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["evaluations", "verdict", "wake_at", "why"]);
    let members: Vec<_> = written["evaluations"][0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["choice", "fault", "fuel", "log", "proposal", "revision", "slot"]);
    assert_eq!(judge.members(Slot::Timeouts), Members::ONE);
}

/// What was written before there could be several policies.
const OLD: &str = r#"{"verdict":"stay","wake_at":1900001,"why":{"rule":"Wait","text":"It waits."},"evaluations":[{"slot":"timeouts","choice":"Active","revision":{"digest":"sha256:aa","config":"44136fa355b3678a"},"fuel":7,"log":[],"fault":null,"proposal":{"timeouts":{"deadlines":[{"phase":"Global","at":1900000,"on_expiry":"time-out","duration":900000}],"budgets":[],"why":{"rule":"R","text":"T"}}}}]}"#;

#[test]
fn an_old_decision_reads_and_is_written_again_with_the_same_bytes() {
    let read: Decision = serde_json::from_str(OLD).unwrap();
    assert_eq!((read.evaluations[0].member, &read.combined), (Member::FIRST, &None));
    assert_eq!(serde_json::to_string(&read).unwrap(), OLD);
}

#[test]
fn where_a_phase_cannot_fail_a_policy_that_would_fail_it_has_no_say() {
    let mut observation = in_phase(Phase::Verifying);
    let entered = observation.phase_entered_at().unwrap();
    let duration = Span::from_secs(20);
    let deadline = Deadline { phase: "Verifying".into(), at: entered.plus(duration), duration, ..lasting() };
    let ending = Voice { active: Ok(Schedule { deadlines: vec![deadline], ..schedule() }), ..voice(1, "time-out") };
    observation.is_live = true;
    observation.now = entered.plus(Span::from_secs(21));
    for voices in [vec![ending.clone(), faulting(FailStrategy::Fail)], vec![faulting(FailStrategy::Fail), ending]] {
        let Verdict::Step(plan) = decided(observation.clone(), &mut several(Rule::Earliest, voices)).verdict else {
            panic!("the other one's deadline has passed")
        };
        assert_eq!(plan.to, Some(Phase::TimedOut));
    }
}

fn lasting() -> Deadline {
    allowing(20, "time-out").deadlines.remove(0)
}

#[test]
fn a_deadline_of_a_phase_that_is_past_is_no_answer() {
    let own = allowing(20, "time-out");
    assert!(crate::members::is_answer(&own, &seen()));
    assert!(!crate::members::is_answer(&own, &in_phase(Phase::Analyzing)));
    let global = Schedule { deadlines: vec![Deadline { phase: "Global".into(), ..lasting() }], ..schedule() };
    assert!(crate::members::is_answer(&global, &in_phase(Phase::Analyzing)));
}
