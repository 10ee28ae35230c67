//! What a loaded policy and a live instance take of the process's memory, and the page that tells the numbers.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use trimtab_core::members::Member;
use trimtab_core::ports::{Choice, Judge as _};
use trimtab_policy_engine::{BUILTIN, CacheConfig, Component, Engine, EngineConfig, Limits, PolicySet, Session};

use crate::neighbour;
use crate::observations::processing;
use crate::sandbox::guest;

/// Policies loaded, and instances held, to divide by.
const COUNT: u32 = 64;
/// Decisions measured beside each guest for the page.
const DECISIONS: usize = 2000;

/// Bytes of the process that are in memory.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

fn engine(pool: bool, folder: &Path) -> Engine {
    let cache = Some(CacheConfig::new(folder, [9; 32]));
    Engine::new(EngineConfig { cache, pool, instances: COUNT, ..EngineConfig::default() }).expect("an engine")
}

/// KiB for each loaded copy of a component, from the cache.
fn for_each_policy(engine: &Engine, bytes: &[u8]) -> u64 {
    for _ in 0..2 {
        engine.load(bytes, Limits::DEFAULT).expect("it loads");
    }
    let before = resident_bytes();
    let loaded: Vec<Arc<Component>> =
        (0..COUNT).map(|_| engine.load(bytes, Limits::DEFAULT).expect("it loads")).collect();
    let after = resident_bytes();
    drop(loaded);
    after.saturating_sub(before) / u64::from(COUNT) / 1024
}

/// KiB for each instance that has answered in every slot, and for each that is gone again.
fn for_each_instance(engine: &Engine, bytes: &[u8]) -> (u64, u64) {
    let policy = engine.load(bytes, Limits::DEFAULT).expect("it loads").configure("").expect("a config");
    let set = PolicySet::new(policy).expect("every slot");
    let seen = Arc::new(processing("Completed"));
    let held = || -> Session {
        let mut session = set.session();
        session.timeouts(Member::FIRST, Choice::Active, &seen).expect("a schedule");
        let intent = session.transitions(Choice::Active, &seen, &[]).expect("an intent");
        session.children(Choice::Active, &seen, &intent.value).expect("creations");
        session
    };
    drop(held());
    let before = resident_bytes();
    let sessions: Vec<Session> = (0..COUNT).map(|_| held()).collect();
    let during = resident_bytes();
    drop(sessions);
    let after = resident_bytes();
    let each = |bytes: u64| bytes.saturating_sub(before) / u64::from(COUNT) / 1024;
    (each(during), each(after))
}

fn measured() -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let mut text = "| component | bytes | memory from | loaded | live instance | place of one that is gone |\n\
                    |---|---|---|---|---|---|\n"
        .to_owned();
    for (name, bytes) in [("kubernaut", BUILTIN.to_vec()), ("three-facts", guest("three-facts"))] {
        for (kind, pool) in [("pool", true), ("mapped", false)] {
            let engine = engine(pool, &folder.path().join(kind));
            let loaded = for_each_policy(&engine, &bytes);
            let (live, gone) = for_each_instance(&engine, &bytes);
            let size = bytes.len();
            writeln!(text, "| {name} | {size} | {kind} | {loaded} KiB | {live} KiB | {gone} KiB |")
                .expect("a text takes text");
        }
    }
    text
}

#[test]
#[ignore = "measures for minutes and writes tests/results/sandbox.md"]
fn full_measurement() {
    let memory = measured();
    let delays = neighbour::measure(DECISIONS);
    let worst = delays.iter().max_by_key(|delay| delay.cost()).expect("guests");
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let page = format!(
        "# The sandbox, measured\n\n\
         `cargo test -p trimtab-tests --release --test hostile -- --ignored --nocapture full_measurement` rewrites this \
         page; without `--release` it measures a debug build. This is the {profile} profile on {} processors.\n\n\
         ## Memory\n\n\
         Resident memory of the process, divided by {COUNT}: policies loaded from the compile cache; instances that have \
         answered in every slot; places whose instance is gone.\n\n{memory}\n\
         ## Hostile neighbours\n\n\
         {DECISIONS} decisions (three slots, one instance each) of the built-in policy while one other thread runs one \
         hostile guest in a loop; before that as many alone. Gate: the median decision takes at most {} ms more. The \
         worst is {:?} with {:.3} ms. The slowest of a hundred waits for a processor where other work is on the machine.\n\n{}",
        std::thread::available_parallelism().map_or(0, usize::from),
        neighbour::DELAY_MAX.as_millis(),
        worst.guest,
        worst.cost().as_secs_f64() * 1e3,
        neighbour::table(&delays),
    );
    println!("{page}");
    std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("results/sandbox.md"), page).expect("the page");
    assert!(worst.cost() <= neighbour::DELAY_MAX, "{worst:?}");
}
