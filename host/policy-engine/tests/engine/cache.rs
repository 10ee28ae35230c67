//! The compile cache loads what this host wrote, and nothing else.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use trimtab_core::members::Member;
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
    files(dir, ".compiled")
}

/// What is noted beside the entries: tags of schemas that were accepted.
fn notes(dir: &Path) -> Vec<PathBuf> {
    files(dir, ".schema")
}

fn files(dir: &Path, suffix: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir.join("cache")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.to_string_lossy().ends_with(suffix)).collect();
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

/// Counts the warnings that the cache gives, by their text.
#[derive(Debug, Default)]
struct Warnings(std::sync::Mutex<Vec<String>>);

impl Warnings {
    fn about_rejections(&self) -> usize {
        let said = self.0.lock().unwrap();
        said.iter().filter(|text| text.contains("is rejected and compiled anew")).count()
    }
}

struct Said<'a>(&'a mut String);

impl tracing::field::Visit for Said<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = String::new();
        event.record(&mut Said(&mut text));
        self.0.lock().unwrap().push(text);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// Loads with an entry of these bytes in place: compiled anew, counted, told, overwritten, and it still decides.
fn assert_rejected(dir: &Path, component: &[u8], what: &str, spoil: impl FnOnce(&Path)) {
    let entry = entries(dir).remove(0);
    spoil(&entry);
    let warnings = std::sync::Arc::new(Warnings::default());
    tracing::subscriber::with_default(std::sync::Arc::clone(&warnings), || {
        let engine = engine(dir, KEY);
        let policy = engine.load(component, Limits::DEFAULT).unwrap().configure("").unwrap();
        assert_eq!(counts(&engine), (0, 0, 1, 0), "{what}");
        let set = PolicySet::new(policy).unwrap();
        set.session().timeouts(Member::FIRST, Choice::Active, &observation()).unwrap();
        engine.load(component, Limits::DEFAULT).unwrap();
        assert_eq!(counts(&engine), (1, 0, 1, 0), "{what}: the entry was overwritten");
    });
    assert_eq!(warnings.about_rejections(), 1, "{what}: {warnings:?}");
}

/// Where the code of an entry begins: after the tag and seven numbers.
const CODE_AT: usize = 32 + 7 * 8;
/// Every byte that is flipped is this far from the one before.
const STRIDE: usize = 997;

#[test]
fn a_flipped_byte_anywhere_means_compiled_anew_counted_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = all_slots().build();
    engine(dir.path(), KEY).load(&bytes, Limits::DEFAULT).unwrap();
    let good = fs::read(entries(dir.path()).remove(0)).unwrap();
    let places = (0..good.len()).step_by(STRIDE).chain([31, 32, CODE_AT - 1, CODE_AT, good.len() - 1]);
    for at in places {
        assert_rejected(dir.path(), &bytes, &format!("byte {at} of {}", good.len()), |entry| {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(entry, bad).unwrap();
        });
    }
}

#[test]
fn a_truncated_or_lengthened_entry_means_compiled_anew_counted_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = all_slots().build();
    engine(dir.path(), KEY).load(&bytes, Limits::DEFAULT).unwrap();
    let good = fs::read(entries(dir.path()).remove(0)).unwrap();
    for length in [0, 1, 31, 32, 33, CODE_AT - 1, CODE_AT, good.len() / 2, good.len() - 1] {
        assert_rejected(dir.path(), &bytes, &format!("{length} bytes"), |entry| {
            fs::write(entry, &good[..length]).unwrap();
        });
    }
    assert_rejected(dir.path(), &bytes, "one byte more", |entry| {
        fs::write(entry, [good.as_slice(), &[0]].concat()).unwrap();
    });
}

#[cfg(unix)]
#[test]
fn an_entry_that_is_no_file_of_ours_alone_means_compiled_anew_counted_and_told() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = tempfile::tempdir().unwrap();
    let bytes = all_slots().build();
    engine(dir.path(), KEY).load(&bytes, Limits::DEFAULT).unwrap();
    for mode in [0o644, 0o660, 0o602] {
        assert_rejected(dir.path(), &bytes, &format!("mode {mode:o}"), |entry| {
            fs::set_permissions(entry, fs::Permissions::from_mode(mode)).unwrap();
        });
    }
    assert_rejected(dir.path(), &bytes, "a link to an entry that is right", |entry| {
        let elsewhere = dir.path().join("elsewhere");
        fs::rename(entry, &elsewhere).unwrap();
        symlink(elsewhere, entry).unwrap();
    });
    // Only the superuser can give a file away; for everybody else the mode above is what can happen.
    let entry = entries(dir.path()).remove(0);
    if std::os::unix::fs::chown(&entry, Some(65_534), None).is_ok() {
        assert_rejected(dir.path(), &bytes, "another owner", |_| {});
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
    let warnings = std::sync::Arc::new(Warnings::default());
    tracing::subscriber::with_default(std::sync::Arc::clone(&warnings), || {
        let second = engine(dir.path(), KEY);
        assert_eq!(second.load(&one, Limits::DEFAULT).unwrap().slots().len(), 3);
        assert_eq!(second.load(&other, Limits::DEFAULT).unwrap().slots().len(), 1);
        assert_eq!(counts(&second), (0, 0, 2, 0));
    });
    assert_eq!(warnings.about_rejections(), 2, "{warnings:?}");
}

#[test]
fn what_a_component_needs_is_held_against_each_policys_limits_from_the_cache_too() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = all_slots().memory("40").build();
    let fresh = engine(dir.path(), KEY);
    fresh.load(&bytes, Limits::DEFAULT).unwrap();
    let tight = Limits { memory_bytes: 39 << 16, ..Limits::DEFAULT };
    let cached = engine(dir.path(), KEY);
    let from_cache = cached.load(&bytes, tight).unwrap_err();
    assert_eq!(counts(&cached), (1, 0, 0, 0));
    let uncached = Engine::new(EngineConfig { pool: false, ..EngineConfig::default() }).unwrap();
    assert_eq!(from_cache.to_string(), uncached.load(&bytes, tight).unwrap_err().to_string());
    assert_eq!(from_cache.reason(), "ComponentTooComplex");
    cached.load(&bytes, Limits { memory_bytes: 64 << 16, ..Limits::DEFAULT }).unwrap();
    assert_eq!(counts(&cached), (2, 0, 0, 0));
}

/// A component that gives this schema.
fn with_schema(schema: &str) -> Vec<u8> {
    all_slots().schema(schema).build()
}

#[test]
fn a_refused_schema_is_refused_again_with_its_entry_in_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = with_schema("{\"type\": 5}");
    for hits in [0, 1] {
        let engine = engine(dir.path(), KEY);
        assert_eq!(engine.load(&bytes, Limits::DEFAULT).unwrap_err().reason(), "SchemaInvalid");
        assert_eq!(counts(&engine), (hits, 1 - hits, 0, 0));
        assert_eq!(notes(dir.path()).len(), 0);
    }
}

#[test]
fn a_schema_that_was_accepted_checks_configs_from_the_cache_too() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = with_schema("{\"type\": \"object\", \"maxProperties\": 0}");
    for _ in 0..2 {
        let policy = engine(dir.path(), KEY).load(&bytes, Limits::DEFAULT).unwrap();
        assert_eq!(policy.configure("{\"a\": 1}").unwrap_err().reason(), "ConfigAgainstSchema");
        policy.configure("{}").unwrap();
        assert_eq!(notes(dir.path()).len(), 1);
    }
}

#[test]
fn a_note_about_another_schema_component_or_key_is_worth_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let bad = with_schema("{\"type\": 5}");
    assert!(engine(dir.path(), KEY).load(&bad, Limits::DEFAULT).is_err());
    let entry = entries(dir.path()).remove(0);
    let note = entry.with_extension("schema");
    let refused = |what: &str| {
        let engine = engine(dir.path(), KEY);
        let error = engine.load(&bad, Limits::DEFAULT).map(drop).unwrap_err();
        assert_eq!(error.reason(), "SchemaInvalid", "{what}");
        assert_eq!(counts(&engine), (1, 0, 0, 0), "{what}");
    };
    // Of another component, which gives a good schema.
    engine(dir.path(), KEY).load(&all_slots().build(), Limits::DEFAULT).unwrap();
    let good = fs::read(&notes(dir.path())[0]).unwrap();
    for (what, bytes) in [("another's", good.as_slice()), ("empty", &[]), ("zeros", &[0; 32]), ("long", &[0; 4096])] {
        fs::write(&note, bytes).unwrap();
        refused(what);
    }
    // An entry's own tag is made with the same key, for another purpose.
    fs::write(&note, &fs::read(&entry).unwrap()[..32]).unwrap();
    refused("the entry's tag");
}

#[test]
fn a_spoilt_note_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = all_slots().build();
    engine(dir.path(), KEY).load(&bytes, Limits::DEFAULT).unwrap();
    let note = notes(dir.path()).remove(0);
    let good = fs::read(&note).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&note, bad).unwrap();
        let engine = engine(dir.path(), KEY);
        engine.load(&bytes, Limits::DEFAULT).unwrap().configure("").unwrap();
        assert_eq!(counts(&engine), (1, 0, 0, 0));
        assert_eq!(fs::read(&note).unwrap(), good, "byte {at}");
    }
    engine(dir.path(), [8; 32]).load(&bytes, Limits::DEFAULT).unwrap();
    assert_ne!(fs::read(&note).unwrap(), good, "another key gives another note");
}

#[test]
fn a_refused_component_leaves_no_entry() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path(), KEY);
    let foreign = Guest::timeouts("(unreachable)").version("0.2.0").build();
    assert!(engine.load(&foreign, Limits::DEFAULT).is_err());
    assert_eq!(fs::read_dir(dir.path().join("cache")).unwrap().count(), 0);
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
            let schedule = session.timeouts(Member::FIRST, Choice::Active, &observation()).unwrap();
            let intent = session.transitions(Choice::Active, &observation(), &[]).unwrap();
            (schedule, intent.fuel, intent.value)
        })
        .collect();
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[1], answers[2]);
    assert!(answers[0].0.fuel > 0);
}
