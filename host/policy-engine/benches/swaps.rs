//! Whether a swap holds up decisions: how long it takes to take hold of a set's active revision and to have its timeouts
//! answered, while another thread swaps the set a thousand times, and while none does. The component is in the compile cache,
//! as it is in the program, where another process compiles.
//!
//! What the machine itself does to a thread shows in the row without swaps; the last line is the ratio of both.

#![expect(clippy::expect_used, reason = "a benchmark that cannot run has nothing to say")]
#![expect(clippy::print_stdout, reason = "the numbers are what it is for")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use trimtab_core::members::Member;
use trimtab_core::observation::Observation;
use trimtab_core::ports::{Choice, FailStrategy, Judge as _};
use trimtab_core::proposal::Slot;
use trimtab_core::record::SetRevision;
use trimtab_policy_engine::sets::{Archive, Filling, KeptRevision, Pin, PolicySets, RevisionDocument, SetSettings};
use trimtab_policy_engine::{BUILTIN, CacheConfig, Engine, EngineConfig, Limits, PolicySet};

mod observation;

use observation::observation;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Swaps while decisions are made.
const SWAPS: u32 = 1000;

/// Keeps nothing: what is measured is the sets, and not a disk.
#[derive(Debug)]
struct Nowhere;

impl Archive for Nowhere {
    fn keep(&self, _: &SetRevision, _: &RevisionDocument, _: bool, _: &[String]) -> Result<(), String> {
        Ok(())
    }

    fn trip(&self, _: &SetRevision, _: Option<&str>) -> Result<(), String> {
        Ok(())
    }

    fn revisions(&self, _: &str) -> Result<Vec<KeptRevision>, String> {
        Ok(Vec::new())
    }

    fn component(&self, _: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }

    fn config(&self, _: &str) -> Result<Option<String>, String> {
        Ok(None)
    }

    fn environment(&self, _: &PolicySet) -> Result<String, String> {
        Ok("sha256:nothing".to_owned())
    }

    fn seen_lately(&self, _: usize, _: &dyn Fn(&Observation) -> bool) -> Result<Vec<Arc<Observation>>, String> {
        Ok(Vec::new())
    }
}

struct Bench {
    engine: Engine,
    sets: PolicySets,
    /// Of the compile cache.
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = CacheConfig::new(folder.path().join("cache"), [1; 32]);
        let engine = Engine::new(EngineConfig { cache: Some(cache), ..EngineConfig::default() }).expect("an engine");
        let builtin = engine.load(BUILTIN, Limits::DEFAULT).expect("a component").configure("").expect("a policy");
        let sets = PolicySets::new(engine.clone(), builtin, Arc::new(Nowhere));
        Self { engine, sets, _folder: folder }
    }

    /// Another revision for each number.
    fn swap(&self, number: u32) {
        let config = format!("{{\"timeouts\": {{\"processing\": \"{}ms\"}}}}", 300_000 - number);
        let policy = self.engine.load(BUILTIN, Limits::DEFAULT).expect("a component").configure(&config);
        let policy = policy.expect("a policy");
        let fillings = Slot::ALL.map(|slot| (slot, Filling::one(Arc::clone(&policy), FailStrategy::LastGood)));
        let settings = SetSettings { pin: Pin::Active, ..SetSettings::default() };
        self.sets.apply("all", settings, &BTreeMap::from(fillings)).expect("a revision");
    }

    /// Makes decisions until told to stop; how long each took until it had hold of its revision, and to its end.
    fn decide(&self, seen: &Arc<Observation>, stop: &AtomicBool) -> [Vec<Duration>; 2] {
        let mut times = [Vec::new(), Vec::new()];
        while !stop.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let revision = self.sets.responsible(seen).expect("an answer").expect("a set");
            times[0].push(begun.elapsed());
            revision.slots().session().timeouts(Member::FIRST, Choice::Active, seen).expect("a schedule");
            times[1].push(begun.elapsed());
        }
        times
    }
}

/// Half are shorter, 99.9 of 100 are, and the longest; in microseconds.
fn spread(mut times: Vec<Duration>) -> [f64; 3] {
    times.sort_unstable();
    let at = |thousandths: usize| times[(times.len() - 1) * thousandths / 1000].as_secs_f64() * 1e6;
    [at(500), at(999), at(1000)]
}

fn main() {
    let bench = Bench::new();
    bench.swap(0);
    let seen = observation(2);
    let mut rows = Vec::new();
    let mut took = Duration::from_secs(5);
    for swaps in [SWAPS, 0] {
        let stop = AtomicBool::new(false);
        let times = std::thread::scope(|scope| {
            let deciding = scope.spawn(|| bench.decide(&seen, &stop));
            let begun = Instant::now();
            for number in 1..=swaps {
                bench.swap(number);
            }
            if swaps == 0 {
                // As long as the swaps have taken.
                std::thread::sleep(took);
            }
            took = begun.elapsed();
            stop.store(true, Ordering::Relaxed);
            deciding.join().expect("decisions")
        });
        println!("{swaps} swaps, {} decisions, {:.1} s", times[0].len(), took.as_secs_f64());
        let [hold, whole] = times.map(spread);
        for (what, [p50, p999, most]) in [("hold of its revision", hold), ("the whole decision", whole)] {
            println!("  {what:22} p50 {p50:9.1} µs   p99.9 {p999:9.1} µs   longest {most:9.1} µs");
        }
        rows.push(whole);
    }
    let [with, without] = [rows[0], rows[1]];
    println!(
        "with swaps to without: p50 {:.2}, p99.9 {:.2}; the longest is {:+.1} ms",
        with[0] / without[0],
        with[1] / without[1],
        (with[2] - without[2]) / 1000.0
    );
}
