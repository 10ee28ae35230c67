//! Every length of the peer, to the millisecond.

use super::*;
use crate::fixtures::{HOUR, MINUTE, SECOND, START, analysis_in, child, in_phase, with};
use trimtab_policy_sdk::fact::AnalysisFacts;
use trimtab_policy_sdk::{Child, FakeFacts, on_expiry, parse_config};

use crate::Kubernaut;

fn schedule_of(observation: &Observation) -> Schedule {
    schedule(&FakeFacts::default(), observation, &Config::default())
}

fn deadline(schedule: &Schedule, phase: &str) -> Option<(u64, String, u64)> {
    let mut found = schedule.deadlines.iter().filter(|deadline| deadline.phase == phase);
    let first = found.next().map(|deadline| (deadline.at, deadline.on_expiry.clone(), deadline.duration));
    assert!(found.next().is_none(), "two deadlines for {phase}");
    first
}

/// The host acts one millisecond after `at`: elapsed > length, as the peer compares.
fn is_over(schedule: &Schedule, phase: &str, now: u64) -> bool {
    deadline(schedule, phase).is_some_and(|(at, _, _)| now > at)
}

fn overridden(observation: Observation, phase: &str, length: u64) -> Observation {
    Observation { overrides: vec![Budget::new(phase, length)], ..observation }
}

fn session(active: bool) -> FakeFacts {
    FakeFacts { analysis: Some(AnalysisFacts { session_active: active, ..Default::default() }), ..Default::default() }
}

#[test]
fn every_length_of_the_peer_passes_one_millisecond_after_it_and_not_before() {
    for (phase, counts_from, length, expiry) in [
        (phases::GLOBAL, START, HOUR, on_expiry::TIME_OUT),
        (phases::PROCESSING, START + MINUTE, 5 * MINUTE, on_expiry::TIME_OUT),
        (phases::ANALYZING, START + 2 * MINUTE, 10 * MINUTE, on_expiry::TIME_OUT),
        (phases::AWAITING_APPROVAL, START + 3 * MINUTE, 15 * MINUTE, on_expiry::ASK),
        (phases::EXECUTING, START + 4 * MINUTE, 30 * MINUTE, on_expiry::TIME_OUT),
        (phases::VERIFYING, START + 5 * MINUTE, 30 * MINUTE, on_expiry::ASK),
    ] {
        let current = if phase == phases::GLOBAL { phases::BLOCKED } else { phase };
        let schedule = schedule_of(&in_phase(current));
        let end = counts_from + length;
        assert_eq!(deadline(&schedule, phase), Some((end, expiry.to_owned(), length)));
        assert!(!is_over(&schedule, phase, end - 1), "{phase} a millisecond early");
        assert!(!is_over(&schedule, phase, end), "{phase} in time");
        assert!(is_over(&schedule, phase, end + 1), "{phase} a millisecond late");
    }
}

#[test]
fn the_global_clock_runs_in_every_phase_and_a_phase_has_its_own_at_most() {
    for phase in [
        phases::PENDING,
        phases::PROCESSING,
        phases::ANALYZING,
        phases::AWAITING_APPROVAL,
        phases::EXECUTING,
        phases::VERIFYING,
        phases::BLOCKED,
    ] {
        let schedule = schedule_of(&in_phase(phase));
        assert_eq!(deadline(&schedule, phases::GLOBAL), Some((START + HOUR, "time-out".to_owned(), HOUR)), "{phase}");
        let own = !matches!(phase, phases::PENDING | phases::BLOCKED);
        assert_eq!(schedule.deadlines.len(), 1 + usize::from(own), "{phase}");
        assert!(!schedule.why.rule.is_empty() && schedule.why.text.contains("1h0m0s"), "{:?}", schedule.why);
    }
}

#[test]
fn before_the_first_step_there_are_budgets_only() {
    let schedule = schedule_of(&Observation::default());
    assert!(schedule.deadlines.is_empty());
    assert_eq!(schedule.why.rule, "NotStarted");
    let budgets: Vec<_> =
        schedule.budgets.iter().map(|budget| (budget.phase.as_str(), budget.duration / MINUTE)).collect();
    let expected = [
        (phases::GLOBAL, 60),
        (phases::PROCESSING, 5),
        (phases::ANALYZING, 10),
        (phases::EXECUTING, 30),
        (phases::AWAITING_APPROVAL, 15),
        (phases::VERIFYING, 30),
    ];
    assert_eq!(budgets, expected);
}

#[test]
fn a_persons_override_comes_before_config_in_deadline_and_budget() {
    for phase in [phases::PROCESSING, phases::ANALYZING, phases::EXECUTING] {
        let entered = in_phase(phase).now;
        let schedule = schedule_of(&overridden(in_phase(phase), phase, 2 * SECOND));
        assert_eq!(deadline(&schedule, phase).map(|found| found.0), Some(entered + 2 * SECOND), "{phase}");
        assert!(schedule.budgets.contains(&Budget::new(phase, 2 * SECOND)), "{phase}");
        assert_eq!(schedule.why.rule, "OverriddenTimeout");
    }
    let schedule = schedule_of(&overridden(in_phase(phases::PENDING), phases::GLOBAL, 2 * HOUR));
    assert_eq!(deadline(&schedule, phases::GLOBAL).map(|found| found.0), Some(START + 2 * HOUR));
}

#[test]
fn awaiting_approval_and_verifying_have_no_override() {
    for (phase, length) in [(phases::AWAITING_APPROVAL, 15 * MINUTE), (phases::VERIFYING, 30 * MINUTE)] {
        let schedule = schedule_of(&overridden(in_phase(phase), phase, SECOND));
        assert_eq!(deadline(&schedule, phase).map(|found| found.2), Some(length));
        assert!(schedule.budgets.contains(&Budget::new(phase, length)));
    }
}

#[test]
fn zero_ends_the_whole_at_once_and_takes_a_phase_its_deadline() {
    let schedule = schedule_of(&overridden(in_phase(phases::PENDING), phases::GLOBAL, 0));
    assert_eq!(deadline(&schedule, phases::GLOBAL).map(|found| found.0), Some(START));
    for phase in [phases::PROCESSING, phases::ANALYZING, phases::EXECUTING] {
        let schedule = schedule_of(&overridden(in_phase(phase), phase, 0));
        assert_eq!(deadline(&schedule, phase), None, "{phase}");
        assert_eq!(schedule.why.rule, "GlobalTimeout");
    }
}

#[test]
fn a_person_in_a_session_gives_the_analysis_three_quarters_of_an_hour() {
    let entered = START + 2 * MINUTE;
    for (facts, observation, length) in [
        (session(true), analysis_in("Analyzing"), 45 * MINUTE),
        (session(false), analysis_in("Analyzing"), 10 * MINUTE),
        (session(true), analysis_in("Completed"), 10 * MINUTE),
        (session(true), analysis_in("Failed"), 10 * MINUTE),
        (session(true), overridden(analysis_in("Analyzing"), phases::ANALYZING, 5 * MINUTE), 45 * MINUTE),
        (session(true), overridden(analysis_in("Analyzing"), phases::ANALYZING, HOUR), HOUR),
        (FakeFacts::default(), in_phase(phases::ANALYZING), 10 * MINUTE),
    ] {
        let schedule = schedule(&facts, &observation, &Config::default());
        assert_eq!(deadline(&schedule, phases::ANALYZING).map(|found| found.0), Some(entered + length));
    }
    let without = overridden(analysis_in("Analyzing"), phases::ANALYZING, 0);
    assert_eq!(deadline(&schedule(&session(true), &without, &Config::default()), phases::ANALYZING), None);
}

#[test]
fn a_session_does_not_change_what_the_analysis_is_told() {
    let schedule = schedule(&session(true), &analysis_in("Analyzing"), &Config::default());
    assert!(schedule.budgets.contains(&Budget::new(phases::ANALYZING, 10 * MINUTE)));
}

#[test]
fn the_approval_request_carries_its_deadline() {
    let told = START + 3 * MINUTE + 7 * MINUTE + 400;
    let request = Child { deadline: Some(told), ..child(kinds::REMEDIATION_APPROVAL_REQUEST, "") };
    let schedule = schedule_of(&with(in_phase(phases::AWAITING_APPROVAL), request));
    assert_eq!(deadline(&schedule, phases::AWAITING_APPROVAL), Some((told, "ask".to_owned(), 7 * MINUTE)));
    assert_eq!(schedule.why.rule, "ApprovalRequestDeadline");
}

#[test]
fn verifying_ends_half_a_minute_after_the_assessments_own_deadline() {
    let validity = START + 20 * MINUTE;
    let assessment = Child { deadline: Some(validity), ..child(kinds::EFFECTIVENESS_ASSESSMENT, "Assessing") };
    let schedule = schedule_of(&with(in_phase(phases::VERIFYING), assessment));
    let end = validity + 30 * SECOND;
    assert_eq!(deadline(&schedule, phases::VERIFYING).map(|found| found.0), Some(end));
    assert!(!is_over(&schedule, phases::VERIFYING, end) && is_over(&schedule, phases::VERIFYING, end + 1));
}

#[test]
fn verifying_counts_from_its_entry_and_not_from_the_start() {
    let mut observation = in_phase(phases::VERIFYING);
    observation.started_at = Some(START - 10 * HOUR);
    let schedule = schedule_of(&observation);
    assert_eq!(deadline(&schedule, phases::VERIFYING).map(|found| found.0), Some(observation.now + 30 * MINUTE));
}

#[test]
fn a_phase_entered_again_counts_from_its_last_entry() {
    let mut observation = in_phase(phases::EXECUTING);
    observation
        .phases
        .push(trimtab_policy_sdk::PhaseEntry { phase: phases::EXECUTING.to_owned(), entered_at: START + 9 * MINUTE });
    let schedule = schedule_of(&observation);
    assert_eq!(deadline(&schedule, phases::EXECUTING).map(|found| found.0), Some(START + 39 * MINUTE));
}

#[test]
fn a_config_shorter_than_a_session_is_taken_as_it_is() {
    let config = parse_config::<Kubernaut>(
        r#"{"timeouts":{"global":"30m","processing":"1m","analyzing":"2m","awaitingApproval":"3m","executing":"4m"}}"#,
    )
    .expect("sound");
    assert_eq!(config.faults(), []);
    let schedule = schedule(&FakeFacts::default(), &in_phase(phases::ANALYZING), &config);
    assert_eq!(deadline(&schedule, phases::GLOBAL).map(|found| found.2), Some(30 * MINUTE));
    assert_eq!(deadline(&schedule, phases::ANALYZING).map(|found| found.2), Some(2 * MINUTE));
}

#[test]
fn the_end_of_time_does_not_overflow() {
    let observation = overridden(in_phase(phases::EXECUTING), phases::EXECUTING, u64::MAX);
    assert_eq!(deadline(&schedule_of(&observation), phases::EXECUTING).map(|found| found.0), Some(u64::MAX));
}

fn configured(text: &str) -> Config {
    let config = parse_config::<Kubernaut>(text).expect("a document that fits the schema");
    assert_eq!(config.faults(), [], "{text}");
    config
}

#[test]
fn an_interactive_analysis_is_in_time_after_12_minutes_and_not_after_46() {
    let observation = analysis_in("Investigating");
    let entered = observation.now;
    let with_a_person = schedule(&session(true), &observation, &Config::default());
    assert!(!is_over(&with_a_person, phases::ANALYZING, entered + 12 * MINUTE));
    assert!(is_over(&with_a_person, phases::ANALYZING, entered + 46 * MINUTE));
    assert_eq!(with_a_person.why.rule, "InteractiveSession");
    let alone = schedule(&session(false), &observation, &Config::default());
    assert!(is_over(&alone, phases::ANALYZING, entered + 12 * MINUTE));
}

#[test]
fn pending_and_blocked_have_a_clock_of_their_own_where_one_is_set() {
    let config = configured(r#"{"timeouts":{"pending":"2m","blocked":"90m"}}"#);
    for (phase, length) in [(phases::PENDING, 2 * MINUTE), (phases::BLOCKED, 90 * MINUTE)] {
        let observation = in_phase(phase);
        let schedule = schedule(&FakeFacts::default(), &observation, &config);
        let expected = Some((observation.now + length, on_expiry::TIME_OUT.to_owned(), length));
        assert_eq!(deadline(&schedule, phase), expected, "{phase}");
        assert!(schedule.budgets.iter().all(|budget| budget.phase != phase), "no child is told");
    }
}

#[test]
fn an_assessment_cannot_hold_verifying_beyond_its_most() {
    let config = configured(r#"{"timeouts":{"verifyingMax":"40m"}}"#);
    let entered = in_phase(phases::VERIFYING).now;
    for (validity, length, rule) in [
        (20 * MINUTE, 20 * MINUTE + 30 * SECOND, "AssessmentDeadline"),
        (40 * MINUTE - 30 * SECOND, 40 * MINUTE, "AssessmentDeadline"),
        (40 * MINUTE, 40 * MINUTE, "VerifyingMax"),
        (1_000 * HOUR, 40 * MINUTE, "VerifyingMax"),
    ] {
        let deadline_told = Some(entered + validity);
        let assessment = Child { deadline: deadline_told, ..child(kinds::EFFECTIVENESS_ASSESSMENT, "Assessing") };
        let schedule = schedule(&FakeFacts::default(), &with(in_phase(phases::VERIFYING), assessment), &config);
        let expected = Some((entered + length, on_expiry::ASK.to_owned(), length));
        assert_eq!(deadline(&schedule, phases::VERIFYING), expected);
        assert_eq!(schedule.why.rule, rule);
    }
}

#[test]
fn the_first_rule_that_matches_says_how_long_a_person_has_to_approve() {
    let config = configured(
        r#"{"timeouts":{"global":"6h"},"approval":{"rules":[
            {"severity":"critical","namespace":"shop","timeout":"5m"},
            {"environment":"Production","timeout":"4h"},
            {"namespace":"shop","timeout":"1h"}]}}"#,
    );
    for (severity, namespace, environment, minutes) in [
        ("critical", "shop", "Production", 5),
        ("critical", "bank", "Production", 240),
        ("warning", "shop", "Staging", 60),
        ("warning", "bank", "Staging", 15),
        ("critical", "", "", 15),
    ] {
        let mut observation = in_phase(phases::ANALYZING);
        observation.severity = severity.to_owned();
        observation.environment = environment.to_owned();
        observation.target.namespace = Some(namespace.to_owned()).filter(|name| !name.is_empty());
        let told = schedule(&FakeFacts::default(), &observation, &config);
        let budget = Budget::new(phases::AWAITING_APPROVAL, minutes * MINUTE);
        assert!(told.budgets.contains(&budget), "{severity} {namespace} {environment}: the request is told so");
        observation.phase = phases::AWAITING_APPROVAL.to_owned();
        observation.phases.push(trimtab_policy_sdk::PhaseEntry { phase: observation.phase.clone(), entered_at: START });
        let waiting = schedule(&FakeFacts::default(), &observation, &config);
        let expected = Some(START + minutes * MINUTE);
        assert_eq!(deadline(&waiting, phases::AWAITING_APPROVAL).map(|found| found.0), expected);
    }
}

#[test]
fn q8_the_whole_lasts_as_long_as_the_cooldown_for_failures_in_a_row() {
    let blocked = |reason: &str, until| {
        let routing = trimtab_policy_sdk::fact::RoutingFacts {
            block_reason: reason.to_owned(),
            blocked_until: until,
            ..Default::default()
        };
        FakeFacts { routing, ..FakeFacts::default() }
    };
    let whole = |facts: &FakeFacts, observation: &Observation| {
        let found = deadline(&schedule(facts, observation, &Config::default()), phases::GLOBAL);
        found.map(|(at, _, duration)| (at - START, duration))
    };
    let observation = in_phase(phases::BLOCKED);
    let failing = block_reasons::CONSECUTIVE_FAILURES;
    let late = START + HOUR + 5 * SECOND;
    let lengthened = HOUR + MINUTE + 5 * SECOND;
    assert_eq!(whole(&blocked(failing, Some(late)), &observation), Some((lengthened, lengthened)));
    for (reason, until) in [
        (failing, None),
        (failing, Some(START + 30 * MINUTE)),
        (block_reasons::RECENTLY_REMEDIATED, Some(late)),
        (block_reasons::RESOURCE_BUSY, None),
    ] {
        assert_eq!(whole(&blocked(reason, until), &observation), Some((HOUR, HOUR)), "{reason} {until:?}");
    }
    let by_hand = overridden(observation, phases::GLOBAL, HOUR);
    assert_eq!(whole(&blocked(failing, Some(late)), &by_hand), Some((HOUR, HOUR)));
    let at_work = in_phase(phases::ANALYZING);
    assert_eq!(whole(&blocked(failing, Some(late)), &at_work), Some((HOUR, HOUR)), "it is blocked no more");
}
