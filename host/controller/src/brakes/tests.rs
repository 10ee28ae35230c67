//! The gate under many workers, broken rules, storms, and policies that ask too often.

use std::collections::BTreeMap;
use std::convert::Infallible;

use http::{Request, Response};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::client::Body;
use serde_json::{Value, json};
use trimtab_api::mapping::{self, Objects};
use trimtab_core::brakes::rules::Rules;
use trimtab_core::decide::Evaluation;
use trimtab_core::ports::Choice;
use trimtab_core::proposal::{Explanation, Intent, Proposal, Slot};
use trimtab_core::time::Span;

use super::document::{self, DocumentFault};
use super::late::Lateness;
use super::*;

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        START
    }
}

/// A gate before an API server that takes everything.
fn gate() -> Arc<Gate> {
    let service =
        tower::service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::from(b"{}".to_vec()))) });
    let client = Client::new(service, "default");
    Gate::new(BrakesConfig::of("ns"), client, Arc::new(Still), &Settings::default())
}

fn config_map(version: u32, data: &[(&str, &str)]) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta { resource_version: Some(version.to_string()), ..ObjectMeta::default() },
        data: Some(data.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()),
        ..ConfigMap::default()
    }
}

fn observed(name: &str, namespace: &str, phase: &str, now: Timestamp) -> Observation {
    let remediation = json!({
        "metadata": {"name": name, "namespace": "ns", "uid": format!("uid-{name}"), "resourceVersion": "1"},
        "spec": {"targetResource": {"kind": "Deployment", "name": name, "namespace": namespace}},
        "status": {"overallPhase": phase, "startTime": "2026-01-01T00:00:00Z"},
    });
    let objects = Objects { remediation: Arc::new(remediation), ..Objects::default() };
    mapping::observe(now, true, &objects).expect("a remediation")
}

fn execution(name: &str, phase: &str, target: &str) -> Object {
    serde_json::from_value(json!({
        "apiVersion": "kubernaut.ai/v1alpha1", "kind": "WorkflowExecution",
        "metadata": {"name": format!("we-{name}"), "namespace": "ns"},
        "spec": {"targetResource": target, "remediationRequestRef": {"name": name}},
        "status": {"phase": phase},
    }))
    .expect("an object")
}

fn text_map(data: &[(&str, &str)]) -> BTreeMap<String, String> {
    data.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn rules_are_read_from_yaml_and_json_and_every_other_text_is_refused_by_name() {
    let good = text_map(&[
        ("pauses", "- {namespace: shop, reason: migration}\n- labels: team=web"),
        ("limits", r#"{"active": {"cluster": 5}, "started": {"count": 3, "within": "10m"}}"#),
        ("breaker", "# nothing yet\n"),
    ]);
    let rules = document::read(&good).unwrap();
    assert_eq!(rules.pauses.len(), 2);
    assert_eq!(rules.limits.started.unwrap().within, Span::from_secs(600));
    for (data, said) in [
        (vec![("pause", "")], "unknown key \"pause\""),
        (vec![("pauses", "- {namespce: shop}")], "namespce"),
        (vec![("pauses", "- {")], "pauses"),
        (vec![("pauses", "- labels: a b")], "no label selector"),
        (vec![("limits", "active: {cluster: many}")], "limits"),
        (vec![("limits", "failures: {percent: 0, samples: 1}")], "percent"),
        (vec![("limits", "started: {count: 1, within: 10}")], "limits"),
        (vec![("breaker", "tripped: yes")], "breaker"),
    ] {
        let fault = document::read(&text_map(&data)).unwrap_err();
        assert!(fault.to_string().contains(said), "{data:?}: {fault}");
    }
}

#[test]
fn a_text_whose_rules_stay_the_same_stays_as_a_person_wrote_it() {
    let mut data = text_map(&[("limits", "# twenty is plenty\nactive: {cluster: 20}\n"), ("pauses", "- reason: x\n")]);
    let before = document::read(&data).unwrap();
    let after = Rules { pauses: Vec::new(), ..before.clone() };
    document::write(&mut data, &before, &after).unwrap();
    assert_eq!(data.keys().collect::<Vec<_>>(), ["limits"]);
    assert!(data["limits"].starts_with("# twenty is plenty"));
    let pause =
        trimtab_core::brakes::Pause { reason: "it's: \"odd\"\nx".into(), by: "ä".into(), ..Default::default() };
    let paused = Rules { pauses: vec![pause], ..after.clone() };
    document::write(&mut data, &after, &paused).unwrap();
    assert_eq!(document::read(&data).unwrap(), paused);
}

#[tokio::test]
async fn rules_that_cannot_be_read_hold_everything_at_the_start_and_keep_the_last_good_ones_later() {
    let gate = gate();
    let seen = observed("a", "shop", "Analyzing", START);
    let hold = |gate: &Gate| gate.look(&seen).and_then(|brakes| brakes.hold(START));
    assert!(hold(&gate).unwrap().text.contains("not been read yet"));
    gate.apply(Some(&config_map(5, &[("pauses", "- {")])));
    assert!(hold(&gate).unwrap().text.contains("cannot be read"));
    gate.apply(Some(&config_map(6, &[("pauses", "- {namespace: bank}")])));
    assert_eq!(hold(&gate), None);
    gate.apply(Some(&config_map(7, &[("pauses", "- {namespace: shop, reason: x}")])));
    assert_eq!(hold(&gate).unwrap().rule, Rule::Paused);
    gate.apply(Some(&config_map(8, &[("nonsense", "")])));
    assert_eq!(hold(&gate).unwrap().rule, Rule::Paused, "the last good rules stay");
    // What is older than what is known is not taken over; that it is gone is.
    gate.apply(Some(&config_map(6, &[])));
    assert!(hold(&gate).is_some());
    gate.apply(None);
    assert_eq!(gate.look(&seen), None);
}

#[tokio::test]
async fn many_workers_at_once_never_start_more_than_there_may_be() {
    let gate = gate();
    gate.apply(Some(&config_map(1, &[("limits", "active: {cluster: 7, namespace: 3}")])));
    let names: Vec<_> = (0..64).map(|nth| (format!("rr-{nth}"), format!("space-{}", nth % 4))).collect();
    let started: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = names
            .iter()
            .map(|(name, namespace)| {
                let gate = Arc::clone(&gate);
                scope.spawn(move || {
                    let seen = observed(name, namespace, "Analyzing", START);
                    gate.reserve(&seen, ("ns".into(), format!("we-{name}"))).then(|| namespace.clone())
                })
            })
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().expect("no panic")).collect()
    });
    assert_eq!(started.len(), 7);
    for (_, namespace) in &names {
        assert!(started.iter().filter(|one| *one == namespace).count() <= 3);
    }
}

#[tokio::test]
async fn a_place_is_taken_until_its_execution_has_ended_and_then_the_longest_waiting_is_woken() {
    let gate = gate();
    gate.apply(Some(&config_map(1, &[("limits", "active: {cluster: 1}")])));
    let (first, second) = (observed("a", "x", "Analyzing", START), observed("b", "y", "Analyzing", START));
    assert!(gate.reserve(&first, ("ns".into(), "we-a".into())));
    assert!(gate.reserve(&first, ("ns".into(), "we-a".into())), "its own place does not count against it");
    assert!(!gate.reserve(&second, ("ns".into(), "we-b".into())));
    assert!(gate.note_held(&second, Some(Rule::LimitReached)));
    assert!(!gate.note_held(&second, Some(Rule::LimitReached)), "it is told once");
    for phase in ["", "Running"] {
        gate.execution_changed(&watcher::Event::Apply(execution("a", phase, "x/Deployment/a")));
        assert!(!gate.reserve(&second, ("ns".into(), "we-b".into())), "while it is {phase}");
    }
    gate.execution_changed(&watcher::Event::Apply(execution("a", "Completed", "x/Deployment/a")));
    assert!(gate.reserve(&second, ("ns".into(), "we-b".into())));
    let woken = futures::FutureExt::now_or_never(gate.wakes.next());
    assert_eq!(woken, Some(("ns".to_owned(), "b".to_owned())));
}

#[tokio::test]
async fn failures_open_the_breaker_at_once_and_only_the_rules_close_it() {
    let gate = gate();
    let seen = observed("z", "x", "Analyzing", START);
    gate.apply(Some(&config_map(1, &[("limits", "failures: {percent: 50, samples: 4}")])));
    for (nth, phase) in ["Completed", "Failed", "Completed", "Failed"].into_iter().enumerate() {
        assert!(gate.look(&seen).is_none_or(|brakes| brakes.hold(START).is_none()), "before execution {nth}");
        gate.execution_changed(&watcher::Event::Apply(execution(&format!("e{nth}"), phase, "x/Deployment/e")));
    }
    let rule = |gate: &Gate| gate.look(&seen).and_then(|brakes| brakes.hold(START)).map(|hold| hold.rule);
    assert_eq!(rule(&gate), Some(Rule::BreakerOpen));
    // Another change before the trip is written does not close it.
    gate.apply(Some(&config_map(2, &[("limits", "failures: {percent: 50, samples: 4}"), ("pauses", "")])));
    assert_eq!(rule(&gate), Some(Rule::BreakerOpen));
    let limits = ("limits", "failures: {percent: 50, samples: 4}");
    gate.apply(Some(&config_map(3, &[limits, ("breaker", "tripped: {at: x, text: y}")])));
    assert_eq!(rule(&gate), Some(Rule::BreakerOpen));
    let reset = format!("reset: {{at: \"{START}\", by: alice}}");
    gate.apply(Some(&config_map(4, &[limits, ("breaker", &reset)])));
    assert_eq!(rule(&gate), None);
}

/// The deadline that everybody has missed.
const MISSED: Timestamp = Timestamp::from_millis(START.as_millis() - 3_600_000);

fn listed(late: &mut Late, names: &[String]) {
    listed_beside(late, names, &[]);
}

fn listed_beside(late: &mut Late, names: &[String], ended: &[(&str, Value)]) {
    let running = names.iter().map(|name| (name.as_str(), json!({"overallPhase": "Processing"})));
    late.changed(&watcher::Event::Init, START);
    for (name, status) in running.chain(ended.iter().cloned()) {
        let object: Value = json!({
            "apiVersion": "kubernaut.ai/v1alpha1", "kind": "RemediationRequest",
            "metadata": {"name": name, "namespace": "ns", "uid": format!("uid-{name}")},
            "status": status,
        });
        late.changed(&watcher::Event::InitApply(serde_json::from_value(object).expect("an object")), START);
    }
    late.changed(&watcher::Event::InitDone, START);
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|nth| format!("rr-{nth:03}")).collect()
}

/// Looks at a remediation whose deadline was missed, knowing what is known of its storm.
fn missed(late: &mut Late, name: &str, now: Timestamp) -> (Lateness, Option<trimtab_core::brakes::Storm>) {
    let mut seen = observed(name, "x", "Processing", now);
    loop {
        let storm = late.storm(&seen.uid);
        seen.brakes = storm.clone().map(|storm| Brakes { storm: Some(storm), ..Brakes::default() });
        let lateness = late.admit(&seen, Some(MISSED));
        if lateness != Lateness::LookAgain {
            return (lateness, storm);
        }
    }
}

#[test]
fn few_missed_expiries_wait_for_the_sweep_and_then_have_notices_of_their_own() {
    let mut late = Late::new(&Settings::default());
    let names = names(3);
    listed(&mut late, &names);
    for name in &names[..2] {
        assert!(matches!(missed(&mut late, name, START).0, Lateness::Wait(_)));
        late.ended(&format!("uid-{name}"), START);
    }
    // The last one has nothing to expire.
    late.ended("uid-rr-002", START);
    let news = late.take_news();
    assert_eq!(news.storm_size, None);
    assert_eq!(news.woken.len(), 2);
    let (lateness, storm) = missed(&mut late, "rr-000", START);
    assert_eq!((lateness, storm), (Lateness::Go { is_late: true }, None));
    let (lateness, _) = missed(&mut late, "rr-001", START);
    assert_eq!(lateness, Lateness::Wait(START.plus(Span::from_millis(100))));
}

#[test]
fn a_storm_has_one_summary_and_keeps_its_rate() {
    let mut late = Late::new(&Settings::default());
    let names = names(120);
    listed(&mut late, &names);
    for name in &names {
        missed(&mut late, name, START);
        late.ended(&format!("uid-{name}"), START);
    }
    assert_eq!(late.take_news().storm_size, Some(120));
    let (mut now, mut gone, mut summaries) = (START, Vec::new(), 0);
    let mut left: Vec<_> = names.iter().rev().cloned().collect();
    while !left.is_empty() {
        let mut waiting = Vec::new();
        for name in left {
            let (lateness, storm) = missed(&mut late, &name, now);
            if lateness == (Lateness::Go { is_late: true }) {
                let storm = storm.expect("it belongs to the storm");
                assert_eq!(storm.summary, "nr-missed-deadlines-rr-000");
                summaries += u32::from(storm.roll.is_some());
                gone.push(now);
            } else {
                waiting.push(name.clone());
            }
            late.ended(&format!("uid-{name}"), now);
        }
        left = waiting;
        now = now.plus(Span::from_millis(50));
        assert!(now.since(START) < Span::from_secs(120), "{} are left", left.len());
    }
    assert_eq!(summaries, 1);
    for window in gone.windows(11) {
        assert!(window[10].since(window[0]) >= Span::from_millis(950), "more than 10 in a second");
    }
    assert!(now.since(START) < Span::from_secs(15), "120 take 12 s");
}

#[test]
fn the_next_one_creates_the_summary_where_the_first_goes_on_or_is_gone() {
    let mut late = Late::new(&Settings { storm_size: 1, ..Settings::default() });
    let names = names(4);
    listed(&mut late, &names);
    for name in &names {
        missed(&mut late, name, START);
        late.ended(&format!("uid-{name}"), START);
    }
    // Its child was done in time after all.
    late.admit(&observed("rr-000", "x", "Processing", START), None);
    late.ended("uid-rr-000", START);
    late.forget("uid-rr-001", START);
    assert!(matches!(missed(&mut late, "rr-003", START).0, Lateness::Wait(_)));
    let (lateness, storm) = missed(&mut late, "rr-002", START);
    assert_eq!(lateness, Lateness::Go { is_late: true });
    let storm = storm.expect("a storm");
    assert_eq!(storm.summary, "nr-missed-deadlines-rr-002");
    assert_eq!(storm.roll.expect("it creates the summary").total(), 4);
    late.ended("uid-rr-002", START);
    let (_, storm) = missed(&mut late, "rr-003", START);
    assert_eq!(storm.expect("a storm").summary, "nr-missed-deadlines-rr-002");
}

/// An ended remediation that refers to a summary.
fn told(summary: &str, at: Timestamp) -> Value {
    json!({
        "overallPhase": "TimedOut", "completedAt": at.to_string(),
        "completionStatus": {"notificationRequestRefs": [{"name": summary}]},
    })
}

#[test]
fn after_a_death_in_a_storm_those_that_are_left_refer_to_the_summary_that_is_out() {
    let summary = "nr-missed-deadlines-rr-x";
    let later = MISSED.plus(Span::from_secs(120));
    for (told_at, size, expected) in [
        (later, 30, Some(summary)),
        // However few are left.
        (later, 3, Some(summary)),
        // It went out before these were missed: they are news.
        (Timestamp::from_millis(MISSED.as_millis() - 1000), 30, Some("nr-missed-deadlines-rr-000")),
        (Timestamp::from_millis(MISSED.as_millis() - 1000), 3, None),
    ] {
        let mut late = Late::new(&Settings::default());
        let names = names(size);
        let ended = [("rr-x", told(summary, told_at)), ("rr-y", told(summary, told_at))];
        listed_beside(&mut late, &names, &ended);
        for name in &names {
            missed(&mut late, name, START);
            late.ended(&format!("uid-{name}"), START);
        }
        let is_new = expected.is_some_and(|expected| expected != summary);
        assert_eq!(late.take_news().storm_size, is_new.then_some(size));
        let (_, storm) = missed(&mut late, "rr-000", START);
        assert_eq!(storm.as_ref().map(|storm| storm.summary.as_str()), expected, "told at {told_at}, {size} left");
        assert_eq!(storm.is_some_and(|storm| storm.roll.is_some()), is_new, "no second summary is made");
    }
}

#[test]
fn those_that_had_no_answer_for_a_minute_are_a_sweep() {
    let mut late = Late::new(&Settings { storm_size: 1, ..Settings::default() });
    listed(&mut late, &[]);
    for name in names(3) {
        late.failed(&format!("uid-{name}"), START);
    }
    let now = START.plus(Span::from_secs(3600));
    for name in names(3) {
        missed(&mut late, &name, now);
        late.ended(&format!("uid-{name}"), now);
    }
    assert_eq!(late.take_news().storm_size, Some(3));
}

#[test]
fn an_expiry_in_time_never_waits() {
    let mut late = Late::new(&Settings::default());
    listed(&mut late, &names(500));
    for name in names(500) {
        let seen = observed(&name, "x", "Processing", START);
        assert_eq!(late.admit(&seen, None), Lateness::Go { is_late: false });
    }
}

#[test]
fn a_policy_is_asked_again_at_most_as_often_in_an_hour_as_its_budget_says() {
    let mut rechecks = Rechecks::new(&Settings::default());
    let metrics = BrakesMetrics::default();
    let (mut now, mut looks) = (START, Vec::new());
    while now.since(START) < Span::from_secs(3 * 3600) {
        let mut seen = observed("a", "x", "Processing", now);
        let from = rechecks.look(&seen.uid, now);
        seen.brakes = from.map(|from| Brakes { recheck_from: Some(from), ..Brakes::default() });
        looks.push(now);
        let asked = now.plus(Span::from_secs(1));
        let wake = from.map_or(asked, |from| from.max(asked));
        let intent = Intent { kind: "stay".into(), until: Some(asked), ..Intent::default() };
        let evaluation = Evaluation {
            slot: Slot::Transitions,
            member: trimtab_core::members::Member::FIRST,
            choice: Choice::Active,
            revision: None,
            fuel: 0,
            log: Vec::new(),
            fault: None,
            proposal: Some(Proposal::Transitions(intent)),
        };
        let why = Explanation::default();
        let (verdict, evaluations) = (Verdict::Stay, vec![evaluation]);
        let decision = Decision { verdict, wake_at: Some(wake), why, evaluations, combined: None };
        rechecks.decided(&metrics, &seen, &decision);
        now = wake;
    }
    for window in looks.windows(122) {
        assert!(window[121].since(window[1]) >= Span::from_secs(3600), "too often");
    }
    assert!(looks.len() > 300, "{} looks: the budget of every hour is used", looks.len());
    assert_eq!(document::read(&BTreeMap::new()), Ok::<_, DocumentFault>(Rules::default()));
}
