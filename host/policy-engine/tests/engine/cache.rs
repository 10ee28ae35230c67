//! The compile cache loads what this host wrote, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use trimtab_core::ports::{Choice, Judge};
use trimtab_policy_engine::{CacheConfig, CacheState, Engine, EngineConfig, Limits, PolicySet, WallClock};

use crate::guests::Guest;
use crate::observations::{all_slots, observation};

const KEY: [u8; 32] = [7; 32];

fn engine(dir: &Path, key: [u8; 32]) -> Engine {
    let cache = Some(CacheConfig::new(dir.join("cache"), key));
    let wall_clock = WallClock::Stopped;
    Engine::new(EngineConfig { cache, pool: false, wall_clock, ..EngineConfig::default() }).unwrap()
}

fn counts(engine: &Engine) -> (u64, u64, u64, u64) {
    let report = engine.cache();
    assert_eq!(report.state, CacheState::Used);
    (report.hits, report.misses, report.rejections, report.write_failures)
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir.join("cache")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn other_guest() -> Guest {
    Guest::timeouts("(unreachable)")
}

#[test]
fn a_component_is_compiled_once() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = all_slots().build();
    let first = engine(dir.path(), KEY);
    first.load(&bytes, Limits::DEFAULT).unwrap();
    assert_eq!(counts(&first), (0, 1, 0, 0));
    let second = engine(dir.path(), KEY);
    second.load(&bytes, Limits::DEFAULT).unwrap();
    assert_eq!(counts(&second), (1, 0, 0, 0));
    assert_eq!(entries(dir.path()).len(), 1);
}

#[test]
fn a_flipped_byte_anywhere_means_compiled_anew_and_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = all_slots().build();
    engine(dir.path(), KEY).load(&bytes, Limits::DEFAULT).unwrap();
    let entry = entries(dir.path()).remove(0);
    let good = fs::read(&entry).unwrap();
    for at in [0, 31, 32, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&entry, bad).unwrap();
        let engine = engine(dir.path(), KEY);
        engine.load(&bytes, Limits::DEFAULT).unwrap();
        assert_eq!(counts(&engine), (0, 0, 1, 0), "byte {at}");
        engine.load(&bytes, Limits::DEFAULT).unwrap();
        assert_eq!(counts(&engine), (1, 0, 1, 0), "the entry was overwritten");
    }
}

#[test]
fn a_planted_entry_is_never_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = all_slots().build();
    // Who plants it has everything but the key.
    engine(dir.path(), [8; 32]).load(&bytes, Limits::DEFAULT).unwrap();
    let host = engine(dir.path(), KEY);
    host.load(&bytes, Limits::DEFAULT).unwrap();
    assert_eq!(counts(&host), (0, 0, 1, 0));
    for planted in [b"".as_slice(), b"short", &[0; 4096]] {
        fs::write(&entries(dir.path())[0], planted).unwrap();
        let host = engine(dir.path(), KEY);
        host.load(&bytes, Limits::DEFAULT).unwrap();
        assert_eq!(counts(&host), (0, 0, 1, 0));
    }
}

#[test]
fn one_components_entry_cannot_stand_in_for_anothers() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (all_slots().build(), other_guest().build());
    let first = engine(dir.path(), KEY);
    first.load(&one, Limits::DEFAULT).unwrap();
    first.load(&other, Limits::DEFAULT).unwrap();
    let paths = entries(dir.path());
    let spare = dir.path().join("spare");
    fs::rename(&paths[0], &spare).unwrap();
    fs::rename(&paths[1], &paths[0]).unwrap();
    fs::rename(&spare, &paths[1]).unwrap();
    let second = engine(dir.path(), KEY);
    assert_eq!(second.load(&one, Limits::DEFAULT).unwrap().slots().len(), 3);
    assert_eq!(second.load(&other, Limits::DEFAULT).unwrap().slots().len(), 1);
    assert_eq!(counts(&second), (0, 0, 2, 0));
}

#[test]
fn a_refused_component_leaves_no_entry() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path(), KEY);
    let foreign = Guest::timeouts("(unreachable)").version("0.2.0").build();
    assert!(engine.load(&foreign, Limits::DEFAULT).is_err());
    assert_eq!(entries(dir.path()).len(), 0);
    assert!(engine.load(&foreign, Limits::DEFAULT).is_err());
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_open_to_others_is_not_used_and_the_engine_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("cache");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let engine = engine(dir.path(), KEY);
    engine.load(&all_slots().build(), Limits::DEFAULT).unwrap();
    let CacheState::Refused { why } = engine.cache().state else { panic!("{:?}", engine.cache()) };
    assert!(why.contains("run chmod 700 on it"), "{why}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn the_key_is_in_no_text() {
    let text = format!("{:?}", CacheConfig::new("/x", [0xab; 32]));
    assert!(!text.contains("171") && !text.contains("ab"), "{text}");
}

#[test]
fn pool_mapping_and_cache_give_the_same_answer_for_the_same_fuel() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = all_slots().build();
    let pooled = Engine::new(EngineConfig { wall_clock: WallClock::Stopped, ..EngineConfig::default() }).unwrap();
    let (writing, reading) = (engine(dir.path(), KEY), engine(dir.path(), KEY));
    let answers: Vec<_> = [pooled, writing, reading]
        .into_iter()
        .map(|engine| {
            let policy = engine.load(&bytes, Limits::DEFAULT).unwrap().configure("").unwrap();
            let set = PolicySet::new(policy).unwrap();
            let mut session = set.session();
            let schedule = session.timeouts(Choice::Active, &observation()).unwrap();
            let intent = session.transitions(Choice::Active, &observation(), &[]).unwrap();
            (schedule, intent.fuel, intent.value)
        })
        .collect();
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[1], answers[2]);
    assert!(answers[0].0.fuel > 0);
}
