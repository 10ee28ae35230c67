//! Real components: two configs a millisecond apart, the default policies, and guests that misbehave.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use trimtab_core::observation::Observation;
use trimtab_core::phase::Phase;
use trimtab_core::proposal::Slot;
use trimtab_core::time::Timestamp;
use trimtab_policy_engine::{Component, ConfiguredPolicy, Engine, EngineConfig, Limits, WallClock};

use super::asking::Panel;
use super::remediation::in_phase;
use super::search::Search;
use super::shrink::members;
use super::situations::situations;
use super::*;

mod guest;

use guest::{FailsWhen, guest};

const FIXED: &str = "policies/fixed-timeouts/fixed-timeouts.wasm";
const KUBERNAUT: &str = "policies/kubernaut/kubernaut.wasm";
/// Far more than is needed, so that a busy machine changes nothing.
const BUDGET: Duration = Duration::from_mins(2);
/// Remediations that are tried before a difference is found: a bound of work, since time depends on the machine.
const TRIED_SOON: u64 = 2_000;
/// Less than everything needs.
const SHORT: Duration = Duration::from_secs(2);

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    // Fuel alone ends an evaluation, so that a busy machine changes nothing.
    Engine::new(EngineConfig { wall_clock: WallClock::Stopped, ..EngineConfig::default() }).unwrap()
});

fn component(path: &str) -> Arc<Component> {
    static LOADED: LazyLock<std::sync::Mutex<std::collections::BTreeMap<String, Arc<Component>>>> =
        LazyLock::new(std::sync::Mutex::default);
    let mut loaded = LOADED.lock().unwrap();
    let load = || {
        let bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap();
        ENGINE.load(&bytes, Limits::DEFAULT).unwrap()
    };
    Arc::clone(loaded.entry(path.to_owned()).or_insert_with(load))
}

fn policy(path: &str, config: &str) -> Arc<ConfiguredPolicy> {
    component(path).configure(config).unwrap()
}

/// The first few differences, found however busy the machine is.
fn first_few(a: &Arc<ConfiguredPolicy>, b: &Arc<ConfiguredPolicy>) -> DiffReport {
    told(diff::diff_until(3, (a, b), BUDGET, &mut |_, _| {}).unwrap())
}

fn compared(a: &Arc<ConfiguredPolicy>, b: &Arc<ConfiguredPolicy>, budget: Duration) -> DiffReport {
    let mut progress = (0, 0);
    let report = diff(a, b, budget, &mut |done, planned| progress = (done, planned)).unwrap();
    assert_eq!(progress, (report.tried, report.tried));
    told(report)
}

fn told(report: DiffReport) -> DiffReport {
    let DiffReport { tried, differing, elapsed_millis, first_after_millis, by_kind, .. } = &report;
    println!("{tried} tried, {differing} differ, {elapsed_millis} ms, first {first_after_millis:?} ms, {by_kind:?}");
    for example in report.examples.iter().take(4) {
        println!("  {} members, {:?}, {:?}", example.members, example.observation.phase, example.differences);
    }
    report
}

fn every_slot() -> BTreeSet<Slot> {
    Slot::ALL.into_iter().collect()
}

#[test]
fn observations_are_few_the_same_every_time_and_smallest_first() {
    let (one, again) = (observations(&every_slot()), observations(&every_slot()));
    println!("{} observations", one.len());
    assert_eq!(one, again);
    assert!((500..3_500).contains(&one.len()), "{}", one.len());
    let sizes: Vec<usize> = one.iter().map(|seen| members(seen)).collect();
    assert!(sizes.is_sorted());
    assert_eq!(sizes.first(), Some(&0));
    for phase in Phase::ALL.map(Some).into_iter().chain([None]) {
        assert!(one.iter().any(|seen| seen.phase == phase), "{phase:?}");
    }
    assert!(one.iter().any(|seen| seen.phases.len() == 16) && one.iter().any(|seen| seen.children.len() == 16));
    assert!(one.iter().any(|seen| Some(seen.now) < seen.started_at));
    assert!(one.iter().any(|seen| seen.record.attempt == 2 && seen.consecutive_failures == 0));
}

#[test]
fn a_case_says_whether_the_host_could_observe_it() {
    let all = cases(&every_slot(), &Vocabulary::default());
    let odd: Vec<_> = all.iter().filter(|case| !case.is_consistent).map(|case| case.name.as_str()).collect();
    assert!(
        odd.contains(&"Executing/no-entry") && odd.contains(&"Processing/Enriching environment=Staging"),
        "{odd:?}"
    );
    assert!(!odd.contains(&"Executing/Running environment=Staging"));
    assert!(all.iter().any(|case| case.expired == ["Verifying"]));
}

#[test]
fn the_words_of_config_and_schema_become_namespaces_and_severities() {
    let config =
        r#"{"rules":[{"name":"x","severity":"Sev-Blue","namespace":"pay-roll","timeouts":{"analyzing":"7m"}}]}"#;
    let vocabulary = Vocabulary::of(&[&policy(FIXED, config)]);
    assert!(vocabulary.words().any(|word| word == "pay-roll"));
    assert_eq!(vocabulary.rules().next().and_then(|rule| rule.severity.as_deref()), Some("Sev-Blue"));
    let all = observations_with(&every_slot(), &vocabulary);
    let namespace = |seen: &Observation| seen.target.namespace.as_deref() == Some("pay-roll");
    assert!(all.iter().any(|seen| namespace(seen) && seen.severity == "warning"));
    assert!(all.iter().any(|seen| namespace(seen) && seen.severity == "Sev-Blue"));
}

#[test]
fn a_millisecond_in_one_severity_namespace_or_environment_is_found() {
    for (key, word) in [("severity", "critical"), ("namespace", "pay-roll"), ("environment", "Canary")] {
        let config = |length: &str| {
            format!(r#"{{"rules":[{{"name":"r","{key}":"{word}","timeouts":{{"executing":"{length}"}}}}]}}"#)
        };
        let report = first_few(&policy(FIXED, &config("40m")), &policy(FIXED, &config("40m0.001s")));
        assert!(report.differing > 0 && report.first_after_millis.is_some(), "{key}");
        let first = report.examples.first().unwrap();
        let seen = &first.observation;
        let found = match key {
            "severity" => seen.severity == word,
            "namespace" => seen.target.namespace.as_deref() == Some(word),
            _ => seen.environment_and_priority().0 == word,
        };
        assert!(found, "{first:?}");
        assert!(first.members <= 2, "{first:?}");
        assert!(report.by_kind[&Kind::Budget] > 0, "{:?}", report.by_kind);
    }
}

#[test]
fn examples_are_few_and_each_kind_of_difference_has_one() {
    let config = |length: &str| {
        format!(r#"{{"rules":[{{"name":"r","severity":"critical","timeouts":{{"executing":"{length}"}}}}]}}"#)
    };
    let report = compared(&policy(FIXED, &config("40m")), &policy(FIXED, &config("40m0.001s")), BUDGET);
    assert!(report.is_complete && report.examples.len() <= EXAMPLES_MAX);
    assert!(report.examples.is_sorted_by_key(|example| example.members) && report.differing > 100);
    let deadline = report.examples.iter().find(|one| one.kinds.contains(&Kind::Deadline)).unwrap();
    assert_eq!(deadline.observation.phase, Some(Phase::Executing));
    assert_eq!(deadline.members, 3, "{deadline:?}");
}

#[test]
fn a_rule_that_needs_three_words_at_once_is_found() {
    let config = |length: &str| {
        format!(
            r#"{{"rules":[{{"name":"r","severity":"Sev-Blue","namespace":"pay-roll","environment":"Canary",
            "timeouts":{{"verifying":"{length}"}}}}]}}"#
        )
    };
    let report = first_few(&policy(FIXED, &config("31m")), &policy(FIXED, &config("31m0.001s")));
    assert_eq!(report.slots, BTreeSet::from([Slot::Timeouts]));
    let first = report.examples.first().unwrap();
    assert_eq!(first.observation.severity, "Sev-Blue");
}

#[test]
fn a_millisecond_in_each_length_of_the_default_policy_is_found() {
    let rows = [
        (r#"{"timeouts":{"analyzingInteractive":"45m0.001s"}}"#, Kind::Deadline),
        (r#"{"verification":{"grace":"30.001s"}}"#, Kind::Deadline),
        (r#"{"timeouts":{"awaitingApproval":"15m0.001s","global":"2h"}}"#, Kind::Budget),
        (r#"{"routing":{"noActionRequiredDelay":"24h0.001s"}}"#, Kind::Intent),
        (r#"{"routing":{"consecutiveFailureThreshold":101}}"#, Kind::Intent),
        (r#"{"notifications":{"notifySelfResolved":true}}"#, Kind::Creation),
    ];
    for (config, kind) in rows {
        let plain = if config.contains("global") { r#"{"timeouts":{"global":"2h"}}"# } else { "{}" };
        let report = first_few(&policy(KUBERNAUT, plain), &policy(KUBERNAUT, config));
        assert!(report.by_kind[&kind] > 0, "{config}: {:?}", report.by_kind);
        assert!(report.examples.iter().any(|one| one.kinds.contains(&kind)), "{config}");
    }
}

#[test]
fn a_policy_does_not_differ_from_itself_and_the_budget_is_kept() {
    let one = policy(KUBERNAUT, "");
    // A busy machine may spend a short budget on getting ready.
    let budgets = [1, 2, 4, 8].map(|factor| SHORT * factor);
    let mut reports = budgets.into_iter().map(|budget| compared(&one, &policy(KUBERNAUT, "{}"), budget));
    let report = reports.find(|report| report.tried > 0);
    let report = report.expect("something was tried");
    assert!(report.is_same() && report.examples.is_empty(), "{report:?}");
    let none = compared(&one, &one, Duration::ZERO);
    assert!(!none.is_complete && none.tried == 0);
}

#[test]
fn a_report_can_be_written_as_json() {
    let report = compared(&policy(KUBERNAUT, ""), &policy(FIXED, ""), SHORT);
    let written = serde_json::to_value(&report).unwrap();
    assert_eq!(written["slots"], serde_json::json!(["timeouts"]));
    assert_eq!(written["uncompared"], serde_json::json!(["transitions", "children"]));
    assert!(written["byKind"]["why-only"].is_u64(), "{}", written["byKind"]);
    assert!(written["examples"].as_array().is_some_and(|list| list.len() <= EXAMPLES_MAX));
}

#[test]
fn bisection_asks_at_the_last_moment_and_one_millisecond_later() {
    let panel = Panel::of(&policy(KUBERNAUT, "")).unwrap();
    let mut progress = |_, _| {};
    let mut search = Search::new((&panel, &panel), BUDGET, &mut progress);
    let situation = situations().into_iter().find(|one| one.name == "AwaitingApproval/at-work").unwrap();
    let deadline = situation.seen.children.last().unwrap().deadline.unwrap();
    let asked = RefCell::new(BTreeSet::new());
    let make = |now: Timestamp| {
        asked.borrow_mut().insert(now);
        Observation { now, ..situation.seen.clone() }
    };
    let rungs = [situation.seen.now, Timestamp::from_millis(deadline.as_millis() + 7_777_777)];
    search.bisect(&make, &rungs, true);
    let asked = asked.into_inner();
    assert!(asked.contains(&deadline) && asked.contains(&Timestamp::from_millis(deadline.as_millis() + 1)));
    assert!(asked.len() < 30, "{}", asked.len());
}

fn of_bytes(bytes: &[u8]) -> Arc<ConfiguredPolicy> {
    ENGINE.load(bytes, Limits::DEFAULT).unwrap().configure("").unwrap()
}

#[test]
fn a_transition_that_differs_in_the_one_millisecond_after_a_deadline_is_found() {
    let deadline = in_phase(Phase::Processing).phase_entered_at().unwrap().as_millis() + 433_337;
    let one = of_bytes(&guest(Some(deadline), &FailsWhen::At(deadline + 1)));
    let other = of_bytes(&guest(Some(deadline), &FailsWhen::Never));
    let report = first_few(&one, &other);
    assert!(report.tried < TRIED_SOON, "{}", report.tried);
    let example = report.examples.first().unwrap();
    assert!(example.kinds.contains(&Kind::Intent), "{example:?}");
    assert_eq!(example.observation.now.as_millis(), deadline + 1);
}

#[test]
fn thresholds_that_no_answer_names_are_found_by_bisection_to_the_millisecond() {
    let threshold = in_phase(Phase::Processing).phase_entered_at().unwrap().as_millis() + 431_257;
    let one = of_bytes(&guest(None, &FailsWhen::From(threshold)));
    let other = of_bytes(&guest(None, &FailsWhen::From(threshold + 1)));
    let report = first_few(&one, &other);
    assert!(report.tried < TRIED_SOON, "{}", report.tried);
    assert!(report.examples.iter().all(|example| example.observation.now.as_millis() == threshold));
    assert!(report.by_kind[&Kind::Intent] > 0 && report.by_kind[&Kind::Deadline] == 0);
}

#[test]
fn a_guest_that_says_nothing_of_its_reasons_does_not_conform() {
    let deadline = in_phase(Phase::Processing).phase_entered_at().unwrap().as_millis() + 433_337;
    let report = held(&of_bytes(&guest(Some(deadline), &FailsWhen::Never)));
    assert_eq!(report.check("explained").unwrap().by_reason.keys().next().unwrap(), "ExplanationMissing");
    let ignored = report.check("expired-answered").unwrap();
    assert_eq!(ignored.outcome, Outcome::Failed);
    assert!(ignored.by_reason["ExpiredDeadlineIgnored"] > 0);
    assert_eq!(outcome(&report, "config-strict"), Outcome::Warned);
    let failing = held(&of_bytes(&guest(None, &FailsWhen::From(0))));
    assert!(failing.check("lawful").unwrap().by_reason["EdgeIllegal"] > 0, "Verifying cannot fail");
}

fn held(policy: &Arc<ConfiguredPolicy>) -> ConformanceReport {
    let report = conformance(policy, &mut |done, planned| assert!(done <= planned)).unwrap();
    println!("{}: {} observations, {} evaluations", report.policy.name, report.observations, report.evaluations);
    for check in &report.checks {
        let first = check.first.as_ref().map(|first| (&first.case, &first.reason, &first.message));
        println!(
            "  {:?} {} {}/{} {:?} {first:?}",
            check.outcome, check.name, check.broken, check.tried, check.by_reason
        );
    }
    println!("  {:?}", report.headroom);
    report
}

fn outcome(report: &ConformanceReport, name: &str) -> Outcome {
    report.check(name).unwrap().outcome
}

#[test]
fn the_default_policies_conform() {
    for path in [KUBERNAUT, FIXED] {
        let report = held(&policy(path, ""));
        assert!(report.is_conformant() && report.is_complete, "{path}");
        assert!(report.headroom.fuel.used > 0 && report.headroom.answer_bytes.used > 0);
        for check in &report.checks {
            assert!(matches!(check.outcome, Outcome::Passed | Outcome::NotApplicable | Outcome::Warned), "{check:?}");
            assert!(check.tried > 0 || check.outcome == Outcome::NotApplicable, "{}", check.name);
        }
        assert_eq!(outcome(&report, "config-strict"), Outcome::Passed);
        assert_eq!(outcome(&report, "headroom"), Outcome::Passed);
        serde_json::to_string(&report).unwrap();
    }
}

#[test]
fn a_guest_that_misbehaves_is_rejected_with_its_reason() {
    let rows = [
        ("trap", "Trap"),
        ("huge-answer", "AnswerTooLarge"),
        ("memory-hog", "MemoryLimit"),
        ("endless-loop", "FuelExhausted"),
    ];
    for (guest, reason) in rows {
        let report = held(&policy(&format!("tests/guests/{guest}.wasm"), ""));
        assert!(!report.is_conformant() && !report.is_complete, "{guest}");
        let check = report.check("total").unwrap();
        assert_eq!(check.outcome, Outcome::Failed);
        assert!(check.by_reason[reason] > 0, "{:?}", check.by_reason);
        assert_eq!(check.first.as_ref().unwrap().reason, reason);
    }
}

#[test]
fn a_guest_that_misbehaves_on_one_name_only_is_found_by_its_config() {
    let report = held(&policy("tests/guests/trap.wasm", r#"{"namePrefix":"payments-"}"#));
    let check = report.check("total").unwrap();
    assert_eq!(check.outcome, Outcome::Failed);
    let first = check.first.as_ref().unwrap();
    assert!(first.observation.as_ref().unwrap().name.starts_with("payments-"));
}

#[test]
fn deadlines_beyond_the_ceiling_do_not_conform() {
    let report = held(&policy(FIXED, r#"{"default":{"global":"24h0.001s"}}"#));
    assert_eq!(outcome(&report, "deadlines-bounded"), Outcome::Failed);
    assert_eq!(report.check("deadlines-bounded").unwrap().by_reason.keys().next().unwrap(), "BeyondCeiling");
    assert_eq!(outcome(&report, "total"), Outcome::Passed);
}

#[test]
fn policies_without_a_slot_in_common_are_not_compared() {
    let panel = Panel::of(&policy(FIXED, "")).unwrap();
    assert_eq!(panel.slots(), &BTreeSet::from([Slot::Timeouts]));
    let error = ExploreError::NoCommonSlot {
        a: "one".into(),
        a_slots: "timeouts".into(),
        b: "other".into(),
        b_slots: "children".into(),
    };
    assert!(error.to_string().contains("compare policies that fill a slot in common"));
}
