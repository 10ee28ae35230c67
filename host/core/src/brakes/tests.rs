//! What the brakes let through, in every order, and what decisions make of them.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::rules::{ActiveLimits, FailureLimit, LabelSelector, Limits, StartLimit};
use super::*;
use crate::decide::{Verdict, decide};
use crate::fixtures::arbitrary::{arbitrary_judge, arbitrary_observation};
use crate::fixtures::{Fixed, START, advance, analyzed, awaiting, create, in_phase, schedule};
use crate::json::text;
use crate::observation::Target;
use crate::proposal::{Deadline, Schedule};
use crate::settings::Settings;

fn pause() -> Pause {
    Pause { reason: "migration".into(), by: "alice".into(), at: "2026-11-22T08:00:00Z".into(), ..Pause::default() }
}

fn paused() -> Brakes {
    Brakes { pause: Some(pause()), ..Brakes::default() }
}

fn starting() -> Fixed {
    Fixed { intent: Ok(advance("Executing")), creations: Ok(create(&["WorkflowExecution"])), ..Fixed::default() }
}

fn subject(labels: &[(&str, &str)], namespace: &str) -> Subject {
    Subject {
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        namespaces: vec![namespace.into()],
        severities: vec!["critical".into()],
        namespace: namespace.into(),
        owner: format!("{namespace}/Deployment/shop"),
    }
}

#[test]
fn a_paused_remediation_starts_no_execution_and_says_why() {
    for mut observation in [analyzed(false), awaiting("Approved")] {
        let judge = &mut starting();
        let free = decide(&Arc::new(observation.clone()), judge, &Settings::default()).unwrap();
        assert!(matches!(&free.verdict, Verdict::Step(plan) if execution_of(plan).is_some()));
        observation.brakes = Some(paused());
        let decision = decide(&Arc::new(observation.clone()), judge, &Settings::default()).unwrap();
        assert_eq!(decision.verdict, Verdict::Stay);
        assert_eq!(decision.why.rule, "Paused");
        assert!(decision.why.text.contains("by alice"), "{}", decision.why.text);
        assert!(decision.why.text.contains("trimtab resume --all"), "{}", decision.why.text);
        assert_eq!(decision.wake_at, Some(observation.now.plus(HELD_RECHECK)));
    }
}

#[test]
fn everything_but_an_execution_goes_on_while_paused() {
    let mut observation = analyzed(true);
    observation.brakes = Some(paused());
    let judge = &mut Fixed {
        intent: Ok(advance("AwaitingApproval")),
        creations: Ok(create(&["RemediationApprovalRequest", "NotificationRequest:approval"])),
        ..Fixed::default()
    };
    let decision = decide(&Arc::new(observation), judge, &Settings::default()).unwrap();
    assert!(matches!(decision.verdict, Verdict::Step(_)), "{decision:?}");
}

#[test]
fn a_deadline_runs_on_while_paused_and_ends_the_remediation() {
    let mut observation = analyzed(false);
    observation.brakes = Some(paused());
    observation.is_live = true;
    let at = observation.now.plus(Span::from_secs(3));
    let deadline = Deadline {
        phase: "Analyzing".into(),
        at,
        on_expiry: "time-out".into(),
        duration: Span::from_secs(60),
        notice: None,
        attributes: Vec::new(),
    };
    let judge = &mut Fixed { schedule: Ok(Schedule { deadlines: vec![deadline], ..schedule() }), ..starting() };
    let held = decide(&Arc::new(observation.clone()), judge, &Settings::default()).unwrap();
    assert_eq!(held.wake_at, Some(at.plus(Span::from_millis(1))));
    observation.now = at.plus(Span::from_millis(1));
    let ended = decide(&Arc::new(observation), judge, &Settings::default()).unwrap();
    let Verdict::Step(plan) = ended.verdict else { panic!("it must end: {:?}", ended.why) };
    // Its analysis was done in time, so it has not timed out.
    assert_eq!(plan.to, Some(Phase::Failed));
    assert!(plan.why.text.contains("the brakes hold it: Paused by alice"), "{}", plan.why.text);
}

#[test]
fn each_brake_names_its_reason_and_its_mend() {
    let now = START;
    let full = Use { limit: Limit::ActiveInNamespace, of: "shop".into(), used: 2, max: 2, frees_at: None };
    let cases = [
        (Brakes { unreadable: Some("it is no YAML".into()), ..Brakes::default() }, "Paused", "it is no YAML"),
        (paused(), "Paused", "migration"),
        (
            Brakes { trip: Some(Trip { at: "t".into(), text: "9 of 10".into() }), ..Brakes::default() },
            "BreakerOpen",
            "trimtab brakes reset",
        ),
        (Brakes { uses: vec![full.clone()], ..Brakes::default() }, "LimitReached", "limits.active.namespace"),
    ];
    for (brakes, rule, said) in cases {
        let hold = brakes.hold(now).unwrap();
        assert_eq!(hold.rule.code(), rule);
        assert!(hold.text.contains(said), "{}", hold.text);
        assert!(hold.look_at > now);
    }
    let one_free = Brakes { uses: vec![Use { used: 1, ..full }], ..Brakes::default() };
    assert_eq!(one_free.hold(now), None);
}

#[test]
fn a_pause_covers_what_every_member_of_its_scope_fits() {
    let web = subject(&[("team", "web"), ("canary", "")], "shop");
    let cases = [
        (Pause::default(), true),
        (Pause { namespace: "shop".into(), ..Pause::default() }, true),
        (Pause { namespace: "bank".into(), ..Pause::default() }, false),
        (Pause { severity: "critical".into(), ..Pause::default() }, true),
        (Pause { severity: "low".into(), ..Pause::default() }, false),
        (Pause { labels: "team=web".into(), ..Pause::default() }, true),
        (Pause { labels: "team==web, canary".into(), ..Pause::default() }, true),
        (Pause { labels: "team=web,!canary".into(), ..Pause::default() }, false),
        (Pause { labels: "team!=web".into(), ..Pause::default() }, false),
        (Pause { labels: "team=web".into(), namespace: "bank".into(), ..Pause::default() }, false),
        // One that cannot be read is no reason to go on.
        (Pause { labels: "a b".into(), ..Pause::default() }, true),
    ];
    for (pause, covers) in cases {
        assert_eq!(pause.covers(&web), covers, "{pause:?}");
    }
    for wrong in ["a b", "=x", "a=b=c", "!", "a,,b", "a in (b)"] {
        assert!(LabelSelector::parse(wrong).is_err(), "{wrong}");
    }
    assert_eq!(
        Pause { labels: "team=web".into(), namespace: "shop".into(), ..Pause::default() }.flags(),
        "--selector team=web --namespace shop"
    );
}

#[test]
fn the_owner_is_the_top_of_the_chain_that_the_target_is_in() {
    let signal = json!({
        "spec": {"signal": {"targetResource": {"kind": "Pod", "name": "shop-1-x", "namespace": "prod"}}},
        "status": {"kubernetesContext": {"ownerChain": [
            {"kind": "ReplicaSet", "name": "shop-1", "namespace": "prod"},
            {"kind": "Deployment", "name": "shop", "namespace": "prod"},
        ]}},
    });
    let target = |kind: &str, name: &str| Target {
        kind: kind.into(),
        name: name.into(),
        namespace: Some("prod".into()),
        api_version: None,
    };
    for (kind, name, owner) in [
        ("Pod", "shop-1-x", "prod/Deployment/shop"),
        ("ReplicaSet", "shop-1", "prod/Deployment/shop"),
        ("Deployment", "shop", "prod/Deployment/shop"),
        ("Deployment", "bank", "prod/Deployment/bank"),
    ] {
        assert_eq!(top_owner(&target(kind, name), &signal), owner);
    }
    assert_eq!(top_owner(&target("Pod", "x"), &serde_json::Value::Null), "prod/Pod/x");
}

#[test]
fn the_breaker_opens_at_its_share_with_enough_samples_and_forgets_what_was_before_a_reset() {
    let limit = FailureLimit { percent: 50, samples: 4, within: Span::from_secs(3600) };
    let ended = |seconds: u64, has_failed: bool| Run {
        ending: Some(Ending { at: Some(START.plus(Span::from_secs(seconds))), has_failed: Some(has_failed) }),
        ..Run::default()
    };
    let now = START.plus(Span::from_secs(100));
    let mut runs = vec![ended(1, true), ended(2, true), ended(3, false)];
    assert_eq!(trip(&limit, runs.iter(), None, now), None, "too few");
    runs.push(ended(4, false));
    let tripped = trip(&limit, runs.iter(), None, now).unwrap();
    assert!(tripped.text.starts_with("2 of the 4"), "{}", tripped.text);
    assert_eq!(trip(&limit, runs.iter(), Some(START.plus(Span::from_secs(1))), now), None, "one of three is before");
    runs.push(ended(5, false));
    assert_eq!(trip(&limit, runs.iter(), None, now), None, "below the share");
    assert_eq!(trip(&limit, runs[..4].iter(), None, START.plus(Span::from_secs(7300))), None, "long ago");
    // Those that say nothing, and those that are active, do not count.
    let silent = Run { ending: Some(Ending { at: Some(now), has_failed: None }), ..Run::default() };
    let few = FailureLimit { samples: 1, percent: 1, ..limit };
    assert_eq!(trip(&few, [silent, Run::default()].iter(), None, now), None);
}

#[test]
fn a_window_says_when_time_makes_a_place_free() {
    let limits = Limits { started: Some(StartLimit { count: 2, within: Span::from_secs(60) }), ..Limits::default() };
    let started = |seconds| Run { started_at: Some(START.plus(Span::from_secs(seconds))), ..Run::default() };
    let runs = [started(10), started(5), started(20)];
    let now = START.plus(Span::from_secs(30));
    let uses = uses(&limits, &Subject::default(), runs.iter(), now);
    // Two have to grow old: the one of second 5, and that of second 10.
    assert_eq!(uses[0].frees_at, Some(START.plus(Span::from_millis(70_001))));
    assert_eq!((uses[0].used, uses[0].max), (3, 2));
}

#[test]
fn an_expiry_that_was_missed_is_marked_and_one_in_time_is_not() {
    for (late, is_marked) in [(1_u64, false), (60_000, false), (60_001, true)] {
        let plan = expired(late, None);
        assert_eq!(late_since(&plan).is_some(), is_marked, "{late}");
    }
}

/// The deadline of Processing that the policy gives.
fn processing_deadline(at: crate::time::Timestamp) -> Deadline {
    Deadline {
        phase: "Processing".into(),
        at,
        on_expiry: "time-out".into(),
        duration: Span::from_secs(5),
        notice: None,
        attributes: Vec::new(),
    }
}

fn expired(late_millis: u64, storm: Option<Storm>) -> Plan {
    let mut observation = in_phase(Phase::Processing);
    let at = observation.now;
    observation.now = at.plus(Span::from_millis(late_millis));
    observation.is_live = true;
    observation.brakes = storm.map(|storm| Brakes { storm: Some(storm), ..Brakes::default() });
    let deadline = processing_deadline(at);
    let judge = &mut Fixed { schedule: Ok(Schedule { deadlines: vec![deadline], ..schedule() }), ..Fixed::default() };
    match decide(&Arc::new(observation), judge, &Settings::default()).unwrap().verdict {
        Verdict::Step(plan) => Arc::unwrap_or_clone(plan),
        Verdict::Stay => panic!("it must expire"),
    }
}

#[test]
fn in_a_storm_one_step_creates_the_summary_and_the_others_refer_to_it() {
    let names = (0..50).map(|nth| format!("rr-{nth}")).collect();
    let roll = Roll { phases: [("Processing".to_owned(), 40), ("Analyzing".to_owned(), 30)].into(), names };
    let name = summary_name("rr-0");
    let first = expired(7_200_000, Some(Storm { summary: name.clone(), roll: Some(roll) }));
    let other = expired(7_200_000, Some(Storm { summary: name.clone(), roll: None }));
    for plan in [&first, &other] {
        let refs = &plan.status.as_ref().unwrap()["completionStatus"]["notificationRequestRefs"];
        assert_eq!(refs.as_array().unwrap().len(), 1);
        assert_eq!(refs[0]["name"], json!(name));
        assert_eq!(plan.to, Some(Phase::TimedOut));
        assert!(!plan.audit.is_empty());
        assert!(plan.events.iter().any(|event| event.reason == "RemediationTimeout"));
    }
    assert!(other.actions.is_empty(), "{:?}", other.actions);
    let [Action::Create(manifest)] = &first.actions[..] else { panic!("one creation: {:?}", first.actions) };
    let spec = &manifest.object["spec"];
    assert_eq!((text(spec, "/type"), text(spec, "/priority")), ("Escalation", "High"));
    let body = text(spec, "/body");
    assert!(body.contains("The deadlines of 70 remediations"), "{body}");
    assert!(body.contains("- Processing: 40") && body.contains("- Analyzing: 30"), "{body}");
    assert!(body.contains("- rr-49") && body.ends_with("- and 20 more"), "{body}");
}

#[test]
fn a_policy_that_has_used_up_its_rechecks_is_asked_later_but_no_deadline_moves() {
    let mut observation = in_phase(Phase::Processing);
    let (asked, from) = (observation.now.plus(Span::from_secs(1)), observation.now.plus(Span::from_secs(600)));
    assert_eq!(recheck(&observation, Some(asked)), Some(asked));
    observation.brakes = Some(Brakes { recheck_from: Some(from), ..Brakes::default() });
    assert_eq!(recheck(&observation, Some(asked)), Some(from));
    assert_eq!(recheck(&observation, None), None);
    let at = observation.now.plus(Span::from_secs(30));
    let deadline = processing_deadline(at);
    let stay = crate::proposal::Intent { until: Some(asked), ..crate::fixtures::stay() };
    let judge = &mut Fixed {
        schedule: Ok(Schedule { deadlines: vec![deadline], ..schedule() }),
        intent: Ok(stay),
        ..Fixed::default()
    };
    let decision = decide(&Arc::new(observation), judge, &Settings::default()).unwrap();
    assert_eq!(decision.wake_at, Some(at.plus(Span::from_millis(1))));
}

#[test]
fn an_observation_without_brakes_is_written_as_before_and_one_with_them_comes_back() {
    let mut observation = analyzed(false);
    let before = serde_json::to_value(&observation).unwrap();
    assert!(before.get("brakes").is_none());
    observation.brakes = Some(Brakes {
        pause: Some(pause()),
        uses: vec![Use { limit: Limit::Started, of: "10m0s".into(), used: 1, max: 2, frees_at: Some(START) }],
        storm: Some(Storm { summary: "s".into(), roll: Some(Roll::default()) }),
        recheck_from: Some(START),
        ..Brakes::default()
    });
    let read: Observation = serde_json::from_value(serde_json::to_value(&observation).unwrap()).unwrap();
    assert_eq!(read, observation);
}

fn arbitrary_brakes() -> impl Strategy<Value = Brakes> {
    let one = |limit| {
        (0_u32..4, 0_u32..4).prop_map(move |(used, max)| Use { limit, of: String::new(), used, max, frees_at: None })
    };
    let uses = prop_oneof![
        Just(Vec::new()),
        one(Limit::ActiveInCluster).prop_map(|one| vec![one]),
        (one(Limit::ActiveOnOwner), one(Limit::Started)).prop_map(|(one, other)| vec![one, other]),
    ];
    (any::<bool>(), any::<bool>(), any::<bool>(), uses).prop_map(|(is_paused, is_open, is_broken, uses)| Brakes {
        unreadable: is_broken.then(|| "broken".to_owned()),
        pause: is_paused.then(pause),
        trip: is_open.then(|| Trip { at: "t".into(), text: "x".into() }),
        uses,
        ..Brakes::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6_000, ..ProptestConfig::default() })]

    /// Whatever policies propose, nothing starts while a brake holds.
    #[test]
    fn nothing_starts_while_a_brake_holds(
        mut observation in arbitrary_observation(),
        brakes in arbitrary_brakes(),
        mut judge in arbitrary_judge(),
    ) {
        observation.is_live = true;
        let hold = brakes.hold(observation.now);
        observation.brakes = Some(brakes);
        if let Ok(decision) = decide(&Arc::new(observation), &mut judge, &Settings::default())
            && let Verdict::Step(plan) = &decision.verdict
        {
            prop_assert!(execution_of(plan).is_none() || hold.is_none(), "{:?}", plan);
        }
    }

    /// In whatever order executions start and end, those that the limits let start never exceed them.
    #[test]
    fn limits_hold_in_every_order(
        moves in prop::collection::vec((0_usize..3, 0_usize..2, any::<bool>(), 0_u64..40), 1..80),
        cluster in 0_u32..5,
        namespace in 0_u32..4,
        owner in 0_u32..3,
        count in 0_u32..6,
    ) {
        let limits = Limits {
            active: ActiveLimits { cluster: Some(cluster), namespace: Some(namespace), owner: Some(owner) },
            started: Some(StartLimit { count, within: Span::from_secs(60) }),
            failures: None,
        };
        let (mut runs, mut now): (Vec<Run>, _) = (Vec::new(), START);
        for (space, what, starts, pass) in moves {
            now = now.plus(Span::from_secs(pass));
            let subject = subject(&[], ["a", "b", "c"][space]);
            let subject = Subject { owner: format!("{}/{what}", subject.namespace), ..subject };
            if !starts {
                if let Some(run) = runs.iter_mut().find(|run| run.ending.is_none() && run.owner == subject.owner) {
                    run.ending = Some(Ending { at: Some(now), has_failed: Some(false) });
                }
                continue;
            }
            let brakes = Brakes { uses: uses(&limits, &subject, runs.iter(), now), ..Brakes::default() };
            if brakes.hold(now).is_none() {
                runs.push(Run {
                    namespace: subject.namespace.clone(),
                    owner: subject.owner.clone(),
                    started_at: Some(now),
                    ending: None,
                });
            }
            let active = |fits: &dyn Fn(&Run) -> bool| runs.iter().filter(|run| run.ending.is_none() && fits(run)).count();
            prop_assert!(active(&|_| true) <= cluster as usize);
            prop_assert!(active(&|run| run.namespace == subject.namespace) <= namespace as usize);
            prop_assert!(active(&|run| run.owner == subject.owner) <= owner as usize);
            let recent = runs.iter().filter(|run| now.since(run.started_at.unwrap()) <= Span::from_secs(60)).count();
            prop_assert!(recent <= count as usize);
        }
    }
}
