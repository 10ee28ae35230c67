//! Rules, clocks, overrides and the schema.

use super::*;
use trimtab_policy_sdk::testing::check_schema;
use trimtab_policy_sdk::{FakeFacts, PhaseEntry, Target, on_expiry, parse_config};

const CONFIG: &str = r#"{
    "default": {"analyzing": "12m", "executing": "40m"},
    "rules": [
        {"name": "urgent", "severity": "critical", "namespace": "shop", "timeouts": {"analyzing": "3m"}},
        {"name": "staging", "environment": "Staging", "timeouts": {"analyzing": "0s", "global": "2h"}},
        {"name": "critical", "severity": "critical", "timeouts": {"analyzing": "5m"}}
    ]
}"#;

fn observation(phase: &str, severity: &str, namespace: Option<&str>, environment: &str) -> Observation {
    Observation {
        phase: phase.to_owned(),
        phases: vec![PhaseEntry { phase: phase.to_owned(), entered_at: 1_000 }],
        started_at: Some(500),
        severity: severity.to_owned(),
        environment: environment.to_owned(),
        target: Target { namespace: namespace.map(str::to_owned), ..Target::default() },
        ..Observation::default()
    }
}

fn schedule(observation: &Observation) -> Schedule {
    let config = parse_config::<FixedTimeouts>(CONFIG).expect("sound");
    FixedTimeouts::schedule(&FakeFacts::default(), observation, &config).expect("an answer")
}

#[test]
fn the_first_rule_that_matches_wins() {
    for (severity, namespace, environment, rule, minutes) in [
        ("critical", Some("shop"), "Staging", "urgent", Some(3)),
        ("critical", Some("bank"), "Staging", "staging", None),
        ("critical", Some("bank"), "Production", "critical", Some(5)),
        ("critical", None, "", "critical", Some(5)),
        ("warning", Some("shop"), "", "default", Some(12)),
        ("Critical", Some("shop"), "", "default", Some(12)),
    ] {
        let schedule = schedule(&observation(phases::ANALYZING, severity, namespace, environment));
        assert_eq!(schedule.why.attributes[0].value, rule);
        let deadline = schedule.deadlines.iter().find(|deadline| deadline.phase == phases::ANALYZING);
        assert_eq!(deadline.map(|deadline| deadline.at), minutes.map(|minutes| 1_000 + minutes * 60_000), "{rule}");
    }
}

#[test]
fn the_global_clock_counts_from_the_start_and_phases_from_their_entry() {
    for (phase, minutes, expiry) in [
        (phases::PROCESSING, 5, on_expiry::TIME_OUT),
        (phases::ANALYZING, 12, on_expiry::TIME_OUT),
        (phases::AWAITING_APPROVAL, 15, on_expiry::ASK),
        (phases::EXECUTING, 40, on_expiry::TIME_OUT),
        (phases::VERIFYING, 30, on_expiry::ASK),
    ] {
        let schedule = schedule(&observation(phase, "info", None, ""));
        let found: Vec<_> = schedule.deadlines.iter().map(|d| (d.phase.as_str(), d.at, d.on_expiry.as_str())).collect();
        let expected =
            [(phases::GLOBAL, 500 + 3_600_000, on_expiry::TIME_OUT), (phase, 1_000 + minutes * 60_000, expiry)];
        assert_eq!(found, expected);
    }
}

#[test]
fn before_the_first_step_there_are_budgets_only_and_a_persons_override_comes_first() {
    let observation = Observation { overrides: vec![Budget::new(phases::EXECUTING, 7)], ..Observation::default() };
    let schedule = schedule(&observation);
    assert!(schedule.deadlines.is_empty());
    assert_eq!(schedule.budgets.len(), 6);
    assert!(schedule.budgets.contains(&Budget::new(phases::EXECUTING, 7)));
}

#[test]
fn what_a_rule_leaves_out_is_the_default_sets_and_then_the_standard() {
    let schedule = schedule(&observation(phases::ANALYZING, "critical", Some("shop"), ""));
    for (phase, minutes) in [(phases::ANALYZING, 3), (phases::EXECUTING, 40), (phases::VERIFYING, 30)] {
        assert!(schedule.budgets.contains(&Budget::new(phase, minutes * 60_000)), "{phase}");
    }
}

#[test]
fn the_empty_document_is_the_standard() {
    let config = parse_config::<FixedTimeouts>("").expect("sound");
    let schedule = FixedTimeouts::schedule(&FakeFacts::default(), &Observation::default(), &config);
    let schedule = schedule.expect("an answer");
    assert_eq!(schedule.budgets, STANDARD.map(|(phase, minutes)| Budget::new(phase, minutes * 60_000)));
}

#[test]
fn the_checked_in_schema_is_the_generated_one() {
    check_schema::<FixedTimeouts>(concat!(env!("CARGO_MANIFEST_DIR"), "/config.schema.json"));
}
