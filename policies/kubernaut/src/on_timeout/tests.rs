//! What happens when time is up: ended, told first, or begun anew, in deadlines and in intents.

use super::*;
use crate::fixtures::{HOUR, MINUTE, SECOND, START, child as child_in, in_phase, with};
use crate::{Kubernaut, timeouts, transitions};
use trimtab_policy_sdk::{Budget, FakeFacts, Schedule, attributes, intents, parse_config};

fn config(text: &str) -> Config {
    let config = parse_config::<Kubernaut>(text).expect("a document that fits the schema");
    assert_eq!(config.faults(), [], "{text}");
    config
}

fn schedule(observation: &Observation, config: &Config) -> Schedule {
    timeouts::schedule(&FakeFacts::default(), observation, config)
}

/// When the deadline of a phase passes, what then, and when people are told before.
fn deadline(observation: &Observation, config: &Config, phase: &str) -> (u64, String, Option<u64>) {
    let found = schedule(observation, config).deadlines.into_iter().find(|deadline| deadline.phase == phase);
    let found = found.expect("a deadline");
    let told = found.attributes.iter().find(|attribute| attribute.key == attributes::ESCALATE_AT);
    (found.at, found.on_expiry, told.map(|told| told.value.parse().expect("a number")))
}

fn decide(observation: &Observation, expired: &[&str], config: &Config) -> Intent {
    let expired: Vec<String> = expired.iter().map(ToString::to_string).collect();
    transitions::decide(&FakeFacts::default(), observation, &expired, config)
}

const RETRYING: &str = r#"{"onTimeout":{"processing":"retryOnce","analyzing":"retryOnce","executing":"retryOnce"}}"#;
const RETRIED: [(&str, &str); 3] = [
    (phases::PROCESSING, kinds::SIGNAL_PROCESSING),
    (phases::ANALYZING, kinds::AI_ANALYSIS),
    (phases::EXECUTING, kinds::WORKFLOW_EXECUTION),
];

#[test]
fn without_config_every_clock_ends_as_the_peers_do() {
    for (phase, kind) in RETRIED {
        let observation = with(in_phase(phase), child_in(kind, "Running"));
        let (_, then, told) = deadline(&observation, &Config::default(), phase);
        assert_eq!((then.as_str(), told), (on_expiry::TIME_OUT, None));
        assert_eq!(decide(&observation, &[phase], &Config::default()).kind, intents::STAY);
    }
}

#[test]
fn a_phase_begins_anew_once_when_its_time_is_up() {
    let config = config(RETRYING);
    for (phase, kind) in RETRIED {
        for child_phase in ["", "Pending", "Running", "Failed"] {
            let observation = with(in_phase(phase), child_in(kind, child_phase));
            assert_eq!(deadline(&observation, &config, phase).1, on_expiry::ASK, "{phase} {child_phase}");
            let intent = decide(&observation, &[phase], &config);
            assert_eq!((intent.kind.as_str(), intent.why.rule.as_str()), (intents::RETRY, "PhaseRetried"));
            assert_ne!(decide(&observation, &[], &config).kind, intents::RETRY, "not before its time");
            let second = Observation { attempt: 2, ..observation };
            assert_eq!(deadline(&second, &config, phase).1, on_expiry::TIME_OUT, "{phase}: only once");
            assert_ne!(decide(&second, &[phase], &config).kind, intents::RETRY);
        }
    }
}

#[test]
fn a_result_that_came_late_is_worth_more_than_another_attempt() {
    let observation = with(in_phase(phases::EXECUTING), child_in(kinds::WORKFLOW_EXECUTION, "Completed"));
    assert_eq!(decide(&observation, &[phases::EXECUTING], &config(RETRYING)).kind, intents::VERIFY);
}

#[test]
fn a_child_that_ended_itself_at_the_deadline_it_was_told_begins_anew() {
    let told = START + 9 * MINUTE;
    for (finished, kind) in [(told - 1, intents::FAIL), (told, intents::RETRY)] {
        let child =
            Child { finished_at: Some(finished), deadline: Some(told), ..child_in(kinds::SIGNAL_PROCESSING, "Failed") };
        let intent = decide(&with(in_phase(phases::PROCESSING), child), &[], &config(RETRYING));
        assert_eq!(intent.kind, kind);
    }
}

#[test]
fn an_execution_of_which_nobody_knows_whether_it_runs_is_not_begun_anew() {
    let config = config(RETRYING);
    let gone = Child { found: false, ..child_in(kinds::WORKFLOW_EXECUTION, "Running") };
    let elsewhere = Child { reason: "Deduplicated".to_owned(), ..child_in(kinds::WORKFLOW_EXECUTION, "Failed") };
    for observation in [
        in_phase(phases::EXECUTING),
        with(in_phase(phases::EXECUTING), gone),
        with(in_phase(phases::EXECUTING), elsewhere),
    ] {
        assert_eq!(deadline(&observation, &config, phases::EXECUTING).1, on_expiry::TIME_OUT);
        assert_ne!(decide(&observation, &[phases::EXECUTING], &config).kind, intents::RETRY);
    }
    let lost = Child { found: false, ..child_in(kinds::AI_ANALYSIS, "") };
    let observation = with(in_phase(phases::ANALYZING), lost);
    assert_eq!(decide(&observation, &[phases::ANALYZING], &config).kind, intents::RETRY, "an analysis harms nobody");
}

#[test]
fn people_are_told_first_and_the_end_comes_later() {
    let config = config(
        r#"{"timeouts":{"global":"3h","pending":"2m","blocked":"20m"},
            "onTimeout":{"global":"escalateFirst","pending":"escalateFirst","processing":"escalateFirst",
            "analyzing":"escalateFirst","awaitingApproval":"escalateFirst","executing":"escalateFirst",
            "verifying":"escalateFirst","blocked":"escalateFirst","escalationPeriod":"7m"}}"#,
    );
    for (phase, minutes, then) in [
        (phases::PENDING, 2, on_expiry::TIME_OUT),
        (phases::PROCESSING, 5, on_expiry::TIME_OUT),
        (phases::ANALYZING, 10, on_expiry::TIME_OUT),
        (phases::AWAITING_APPROVAL, 15, on_expiry::ASK),
        (phases::EXECUTING, 30, on_expiry::TIME_OUT),
        (phases::VERIFYING, 30, on_expiry::ASK),
        (phases::BLOCKED, 20, on_expiry::TIME_OUT),
    ] {
        let observation = in_phase(phase);
        let told = observation.now + minutes * MINUTE;
        let expected = (told + 7 * MINUTE, then.to_owned(), Some(told));
        assert_eq!(deadline(&observation, &config, phase), expected, "{phase}");
        let whole = (START + 3 * HOUR + 7 * MINUTE, on_expiry::TIME_OUT.to_owned(), Some(START + 3 * HOUR));
        assert_eq!(deadline(&observation, &config, phases::GLOBAL), whole);
    }
    let budgets = schedule(&in_phase(phases::PENDING), &config).budgets;
    for (phase, minutes) in [(phases::ANALYZING, 17), (phases::AWAITING_APPROVAL, 22), (phases::GLOBAL, 187)] {
        assert!(budgets.contains(&Budget::new(phase, minutes * MINUTE)), "{phase}: children have the whole time");
    }
}

#[test]
fn what_another_object_names_is_lengthened_or_told_before_it() {
    let config = config(
        r#"{"timeouts":{"global":"2h"},"onTimeout":{"awaitingApproval":"escalateFirst","verifying":"escalateFirst"}}"#,
    );
    // The request was told the whole time.
    let told = START + 33 * MINUTE;
    let request = Child { deadline: Some(told), ..child_in(kinds::REMEDIATION_APPROVAL_REQUEST, "") };
    let found = deadline(&with(in_phase(phases::AWAITING_APPROVAL), request), &config, phases::AWAITING_APPROVAL);
    assert_eq!(found, (told, on_expiry::ASK.to_owned(), Some(told - 15 * MINUTE)));
    // The assessment was not.
    let assessment = Child { deadline: Some(told), ..child_in(kinds::EFFECTIVENESS_ASSESSMENT, "Assessing") };
    let found = deadline(&with(in_phase(phases::VERIFYING), assessment), &config, phases::VERIFYING);
    let over = told + 30 * SECOND;
    assert_eq!(found, (over + 15 * MINUTE, on_expiry::ASK.to_owned(), Some(over)));
}

#[test]
fn a_length_set_by_hand_is_never_lengthened() {
    let config = config(r#"{"timeouts":{"global":"2h"},"onTimeout":{"analyzing":"escalateFirst"}}"#);
    let overrides = vec![Budget::new(phases::ANALYZING, 3 * MINUTE)];
    let observation = Observation { overrides, ..in_phase(phases::ANALYZING) };
    let expected = (observation.now + 3 * MINUTE, on_expiry::TIME_OUT.to_owned(), None);
    assert_eq!(deadline(&observation, &config, phases::ANALYZING), expected);
    let overrides = vec![Budget::new(phases::ANALYZING, 0)];
    let without = Observation { overrides, ..in_phase(phases::ANALYZING) };
    assert!(schedule(&without, &config).deadlines.iter().all(|deadline| deadline.phase == phases::GLOBAL));
}
