//! What a hostile guest on another thread costs the decisions of a good policy.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use trimtab_core::members::Member;
use trimtab_core::observation::Observation;
use trimtab_core::ports::{Choice, Judge as _};
use trimtab_core::proposal::Slot;
use trimtab_policy_engine::{BUILTIN, CacheConfig, Engine, EngineConfig, Limits, PolicySet};
use trimtab_tests::spread::Spread;

use crate::observations::processing;
use crate::roster::{End, Hostile};

/// What a hostile neighbour may cost the median decision.
pub(crate) const DELAY_MAX: Duration = Duration::from_millis(5);
/// Decisions measured beside each guest in every run of the tests.
const DECISIONS: usize = 200;
/// Most decisions that are measured while a slow guest has not come round once.
const DECISIONS_MAX: usize = 100_000;

/// One guest's line.
#[derive(Debug)]
pub(crate) struct Delay {
    pub(crate) guest: Hostile,
    /// Median decision before the attack.
    pub(crate) alone: Duration,
    /// Median decision under attack.
    pub(crate) beside: Duration,
    /// The slowest one of a hundred before the attack.
    pub(crate) alone_p99: Duration,
    /// The slowest one of a hundred under attack.
    pub(crate) beside_p99: Duration,
    /// Attacks meanwhile.
    pub(crate) attacks: u64,
}

impl Delay {
    /// What the neighbour costs the median decision.
    pub(crate) fn cost(&self) -> Duration {
        self.beside.saturating_sub(self.alone)
    }
}

/// One whole decision of the good policy.
fn decide(set: &PolicySet, seen: &Arc<Observation>) -> Duration {
    let started = Instant::now();
    let mut session = set.session();
    session.timeouts(Member::FIRST, Choice::Builtin, seen).expect("a schedule");
    let intent = session.transitions(Choice::Builtin, seen, &[]).expect("an intent");
    session.children(Choice::Builtin, seen, &intent.value).expect("creations");
    started.elapsed()
}

/// Wide limits of time: that a busy machine stops the good policy is not what is measured.
fn patient() -> Limits {
    Limits { wall_clock_millis: Limits::CEILING.wall_clock_millis, ..Limits::DEFAULT }
}

/// What the attacker does again and again.
fn attacker(engine: &Engine, guest: Hostile, seen: &Arc<Observation>) -> Box<dyn FnMut() + Send> {
    let (bytes, limits) = (guest.bytes(), guest.limits());
    if let End::Refused(_) = guest.end() {
        // Without a cache, so that what compiles before it is refused compiles each time.
        let engine = Engine::new(EngineConfig::default()).expect("an engine");
        return Box::new(move || drop(engine.load(&bytes, limits).expect_err("it is refused")));
    }
    let builtin = engine.load(BUILTIN, patient()).expect("the built-in policy");
    let set = PolicySet::new(builtin.configure("").expect("a config")).expect("every slot");
    let policy = engine.load(&bytes, limits).expect("it loads").configure("").expect("a config");
    set.swap(Slot::Timeouts, &policy).expect("it fills the slot");
    let seen = Arc::clone(seen);
    Box::new(move || drop(set.session().timeouts(Member::FIRST, Choice::Active, &seen)))
}

/// Measures beside every guest, one after the other.
pub(crate) fn measure(decisions: usize) -> Vec<Delay> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile-cache");
    let cache = Some(CacheConfig::new(folder, [3; 32]));
    let engine = Engine::new(EngineConfig { cache, instances: 8, ..EngineConfig::default() }).expect("an engine");
    let builtin = engine.load(BUILTIN, patient()).expect("the built-in policy").configure("").expect("a config");
    let set = PolicySet::new(builtin).expect("every slot");
    let seen = Arc::new(processing("Completed"));
    Hostile::ALL.iter().map(|guest| beside(&engine, &set, &seen, *guest, decisions)).collect()
}

fn beside(engine: &Engine, set: &PolicySet, seen: &Arc<Observation>, guest: Hostile, decisions: usize) -> Delay {
    let mut attack = attacker(engine, guest, seen);
    let alone = (0..decisions).map(|_| decide(set, seen)).collect();
    let (is_over, attacks) = (AtomicBool::new(false), AtomicU64::new(0));
    let (begun, has_begun) = mpsc::channel();
    let mut times = Vec::with_capacity(decisions);
    std::thread::scope(|scope| {
        let (is_over, attacks) = (&is_over, &attacks);
        scope.spawn(move || {
            begun.send(()).expect("the measuring thread waits");
            while !is_over.load(Ordering::Relaxed) {
                attack();
                attacks.fetch_add(1, Ordering::Relaxed);
            }
        });
        has_begun.recv().expect("the attack begins");
        while times.len() < decisions || (attacks.load(Ordering::Relaxed) == 0 && times.len() < DECISIONS_MAX) {
            times.push(decide(set, seen));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let [alone, beside] = [alone, times].map(|times| Spread::of(times).expect("some decisions"));
    Delay {
        guest,
        alone: alone.at(500),
        alone_p99: alone.at(990),
        beside: beside.at(500),
        beside_p99: beside.at(990),
        attacks: attacks.into_inner(),
    }
}

/// The table for people.
pub(crate) fn table(delays: &[Delay]) -> String {
    let mut text =
        "| guest | alone | beside it | more | slowest of 100 alone | beside it | attacks |\n|---|---|---|---|---|---|---|\n".to_owned();
    let millis = |time: Duration| format!("{:.3} ms", time.as_secs_f64() * 1e3);
    for delay in delays {
        let cells =
            [delay.alone, delay.beside, delay.cost(), delay.alone_p99, delay.beside_p99].map(millis).join(" | ");
        writeln!(text, "| {:?} | {cells} | {} |", delay.guest, delay.attacks).expect("a text takes text");
    }
    text
}

#[test]
fn a_hostile_neighbour_costs_the_median_decision_little() {
    let delays = measure(DECISIONS);
    println!("{}", table(&delays));
    let costly: Vec<_> = delays.iter().filter(|delay| delay.cost() > DELAY_MAX).collect();
    assert!(costly.is_empty(), "more than {DELAY_MAX:?}: {costly:?}");
    assert!(delays.iter().all(|delay| delay.attacks > 0), "{delays:?}");
}
