//! What a policy costs as a component, beside the same source called natively.
//!
//! The last lines are medians and bests of one process, rows interleaved, and the ratio of the medians to native.

#![expect(clippy::expect_used, reason = "a benchmark that cannot run has nothing to say")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use trimtab_core::members::Member;
use trimtab_core::observation::{Child, Observation};
use trimtab_core::ports::{Choice, FaultReason, Interruption, Judge};
use trimtab_core::proposal::Slot;
use trimtab_core::time::Timestamp;
use trimtab_policy_engine::{BUILTIN, CacheConfig, Component, Engine, EngineConfig, Limits, PolicySet};
use trimtab_policy_kubernaut::{Config, Kubernaut};
use trimtab_policy_sdk as sdk;
use trimtab_policy_sdk::{Children as _, Timeouts as _, Transitions as _};

mod observation;

use observation::{NOW, observation};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Two children is usual; sixteen is the most that the interface hands over.
const CHILDREN: [usize; 2] = [2, 16];
/// A guest that asks three facts in every slot.
const THREE_FACTS: &[u8] = include_bytes!("../../../tests/guests/three-facts.wasm");
/// A guest that asks facts for ever.
const ENDLESS_HOST_CALLS: &[u8] = include_bytes!("../../../tests/guests/endless-host-calls.wasm");
const ROUNDS: usize = 21;
const CALLS_PER_ROUND: u32 = 2000;

fn engine(cache: Option<CacheConfig>) -> Engine {
    Engine::new(EngineConfig { cache, ..EngineConfig::default() }).expect("an engine")
}

/// The same observation as the native policy reads it.
fn native_observation(seen: &Observation) -> sdk::Observation {
    let child = |child: &Child| sdk::Child {
        kind: child.kind.name().into(),
        name: child.name.clone(),
        attempt: child.attempt,
        found: child.found,
        phase: child.phase.clone(),
        finished_at: child.finished_at.map(Timestamp::as_millis),
        deadline: child.deadline.map(Timestamp::as_millis),
        ..sdk::Child::default()
    };
    let entry = |phase: &str| sdk::PhaseEntry { phase: phase.into(), entered_at: NOW };
    sdk::Observation {
        now: NOW,
        seed: seen.seed(),
        uid: seen.uid.clone(),
        name: seen.name.clone(),
        namespace: seen.namespace.clone(),
        phase: "Processing".into(),
        phases: vec![entry("Pending"), entry("Processing")],
        started_at: Some(NOW),
        attempt: 1,
        signal_name: seen.signal_name.clone(),
        severity: seen.severity.clone(),
        children: seen.children.iter().map(child).collect(),
        ..sdk::Observation::default()
    }
}

fn native(observation: &sdk::Observation, config: &Config) {
    let facts = sdk::FakeFacts::default();
    drop(black_box(Kubernaut::schedule(&facts, observation, config)));
    let intent = Kubernaut::decide(&facts, observation, &[], config).expect("an intent");
    drop(black_box(Kubernaut::create(&facts, observation, &intent, config)));
}

/// All slots of one decision.
fn decide(set: &PolicySet, observation: &Arc<Observation>) {
    let mut session = set.session();
    black_box(session.timeouts(Member::FIRST, Choice::Active, observation).expect("a schedule"));
    let intent = session.transitions(Choice::Active, observation, &[]).expect("an intent");
    black_box(session.children(Choice::Active, observation, &intent.value).expect("creations"));
}

fn timeouts_only(set: &PolicySet, observation: &Arc<Observation>) {
    black_box(set.session().timeouts(Member::FIRST, Choice::Active, observation).expect("a schedule"));
}

/// One component in every slot: one instance a decision.
fn shared(component: &Arc<Component>) -> PolicySet {
    PolicySet::new(component.configure("").expect("a config")).expect("a set")
}

/// The same component with another config in each slot: three instances a decision.
fn separate(component: &Arc<Component>, configs: [&str; 2]) -> PolicySet {
    let set = shared(component);
    let [other, third] = configs.map(|config| component.configure(config).expect("a config"));
    set.swap_all(&[(Slot::Transitions, other), (Slot::Children, third)]).expect("a swap");
    set
}

fn loading(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let uncached = engine(None);
    let cached = engine(Some(CacheConfig::new(folder.path().join("cache"), [1; 32])));
    for _ in 0..2 {
        cached.load(BUILTIN, Limits::DEFAULT).expect("a component");
    }
    assert_eq!(cached.cache().hits, 1, "{:?}", cached.cache());
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    group.bench_function("compile", |bencher| bencher.iter(|| uncached.load(BUILTIN, Limits::DEFAULT)));
    group.bench_function("from cache", |bencher| bencher.iter(|| cached.load(BUILTIN, Limits::DEFAULT)));
    group.finish();
}

/// Configs that make three instances of the built-in policy.
const OTHER_CONFIGS: [&str; 2] =
    [r#"{"notifications":{"notifySelfResolved":true}}"#, r#"{"routing":{"consecutiveFailureThreshold":4}}"#];
/// Configs that make three instances of the guest.
const OTHER_PREFIXES: [&str; 2] = [r#"{"namePrefix":"r"}"#, r#"{"namePrefix":"rr"}"#];

fn deciding(criterion: &mut Criterion) {
    let engine = engine(None);
    let component = engine.load(BUILTIN, Limits::DEFAULT).expect("a component");
    let (one, three) = (shared(&component), separate(&component, OTHER_CONFIGS));
    let config = Config::default();
    let mut group = criterion.benchmark_group("decide");
    group.bench_function("instantiate", |bencher| bencher.iter(|| component.try_instance()));
    for children in CHILDREN {
        let seen = observation(children);
        let read = native_observation(&seen);
        let id = |what: &str| BenchmarkId::new(what, children);
        group.bench_function(id("native, all slots"), |bencher| bencher.iter(|| native(&read, &config)));
        group.bench_function(id("timeouts alone"), |bencher| bencher.iter(|| timeouts_only(&one, &seen)));
        group.bench_function(id("all slots, one instance"), |bencher| bencher.iter(|| decide(&one, &seen)));
        group.bench_function(id("all slots, three instances"), |bencher| bencher.iter(|| decide(&three, &seen)));
    }
    let guest = engine.load(THREE_FACTS, Limits::DEFAULT).expect("a component");
    let (one, three) = (shared(&guest), separate(&guest, OTHER_PREFIXES));
    let seen = observation(CHILDREN[0]);
    group.bench_function("three facts a slot, one instance", |bencher| bencher.iter(|| decide(&one, &seen)));
    group.bench_function("three facts a slot, three instances", |bencher| bencher.iter(|| decide(&three, &seen)));
    group.finish();
}

/// A name and what it calls.
type Row<'a> = (&'static str, Box<dyn FnMut() + 'a>);

/// Shortest and median time of one call, over rounds that take turns with the other rows. A machine that others use too is
/// at its own speed only now and then: the shortest is what the work takes.
fn times(rows: &mut [Row<'_>]) -> Vec<[Duration; 2]> {
    let mut rounds = vec![Vec::with_capacity(ROUNDS); rows.len()];
    for _ in 0..ROUNDS {
        for ((_, call), taken) in rows.iter_mut().zip(&mut rounds) {
            let started = Instant::now();
            for _ in 0..CALLS_PER_ROUND {
                call();
            }
            taken.push(started.elapsed() / CALLS_PER_ROUND);
        }
    }
    let times = |mut taken: Vec<Duration>| {
        taken.sort_unstable();
        [taken[0], taken[ROUNDS / 2]]
    };
    rounds.into_iter().map(times).collect()
}

#[expect(clippy::print_stdout, reason = "the table is what the benchmark is for")]
fn compared_with_native() {
    let component = engine(None).load(BUILTIN, Limits::DEFAULT).expect("a component");
    let (one, three) = (shared(&component), separate(&component, OTHER_CONFIGS));
    let config = Config::default();
    for children in CHILDREN {
        let seen = observation(children);
        let read = native_observation(&seen);
        let mut rows: Vec<Row<'_>> = vec![
            ("native, all slots", Box::new(|| native(&read, &config))),
            ("instantiate and drop", Box::new(|| component.try_instance().expect("an instance"))),
            ("all slots, one instance", Box::new(|| decide(&one, &seen))),
            ("all slots, three instances", Box::new(|| decide(&three, &seen))),
        ];
        let times = times(&mut rows);
        let base = times[0][1].as_secs_f64().max(1e-9);
        for ((name, _), [shortest, median]) in rows.iter().zip(&times) {
            let ratio = median.as_secs_f64() / base;
            println!(
                "{children} children: {name:<28} {median:>10.2?} (at best {shortest:>9.2?}) {ratio:>7.1} x native"
            );
        }
    }
}

/// How long an endless loop of host calls lives that neither fuel nor transfer stops, from before the instance is made
/// until its fault is told.
#[expect(clippy::print_stdout, reason = "the row is what the benchmark is for")]
fn endless_host_calls() {
    let limits =
        Limits { fuel: Limits::CEILING.fuel, transfer_bytes: Limits::CEILING.transfer_bytes, ..Limits::DEFAULT };
    let set = shared(&engine(None).load(ENDLESS_HOST_CALLS, limits).expect("a component"));
    let seen = observation(CHILDREN[0]);
    let mut lives: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            match set.session().timeouts(Member::FIRST, Choice::Active, &seen).expect_err("an endless loop") {
                Interruption::Fault(fault) => assert_eq!(fault.reason, FaultReason::DeadlineExceeded, "{fault:?}"),
                Interruption::Missing(fact) => panic!("{fact:?} is not asked for"),
            }
            started.elapsed()
        })
        .collect();
    lives.sort_unstable();
    let (median, longest) = (lives[ROUNDS / 2], lives[ROUNDS - 1]);
    let limit = Duration::from_millis(limits.wall_clock_millis);
    println!(
        "endless host calls: ended by the clock after {median:.1?}, {longest:.1?} at most; the limit is {limit:?}"
    );
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    loading(&mut criterion);
    deciding(&mut criterion);
    compared_with_native();
    endless_host_calls();
    criterion.final_summary();
}
