//! Components that another process compiles into the cache.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use trimtab_policy_engine::{
    CacheConfig, Compiler, CompilerFailure, Engine, EngineConfig, Limits, LoadError, WallClock,
};

use crate::observations::all_slots;

/// What the other process does.
#[derive(Debug)]
enum Other {
    /// Compiles with an engine of its own.
    Compiles(Engine),
    /// Says that it has, and has not.
    Forgets,
    /// Fails like this.
    Fails(CompilerFailure),
}

#[derive(Debug)]
struct Counted(Other, AtomicU32);

impl Compiler for Counted {
    fn compile(&self, component: &[u8]) -> Result<(), CompilerFailure> {
        self.1.fetch_add(1, Ordering::Relaxed);
        match &self.0 {
            Other::Compiles(engine) => {
                engine.compile(component).map_err(|error| CompilerFailure::Refused(error.to_string()))
            }
            Other::Forgets => Ok(()),
            Other::Fails(failure) => Err(failure.clone()),
        }
    }
}

fn engine(dir: &Path, compiler: Option<Arc<dyn Compiler>>) -> Engine {
    let cache = Some(CacheConfig::new(dir.join("cache"), [7; 32]));
    let config =
        EngineConfig { cache, compiler, pool: false, wall_clock: WallClock::Stopped, ..EngineConfig::default() };
    Engine::new(config).unwrap()
}

/// Loads a component with such another process; how often that was asked, and what the cache gave.
fn load(other: impl FnOnce(&Path) -> Other, bytes: &[u8]) -> (Result<(), LoadError>, u32, u64) {
    let dir = tempfile::tempdir().unwrap();
    let counted = Arc::new(Counted(other(dir.path()), AtomicU32::new(0)));
    let engine = engine(dir.path(), Some(Arc::clone(&counted) as _));
    let loaded = engine.load(bytes, Limits::DEFAULT).map(drop);
    (loaded, counted.1.load(Ordering::Relaxed), engine.cache().hits)
}

#[test]
fn what_another_process_compiles_comes_from_the_cache() {
    let (loaded, asked, hits) = load(|dir| Other::Compiles(engine(dir, None)), &all_slots().build());
    assert!(loaded.is_ok());
    assert_eq!((asked, hits), (1, 1));
}

#[test]
fn one_that_cannot_leaves_it_to_this_process() {
    let unavailable = CompilerFailure::Unavailable("it cannot be started".to_owned());
    let (loaded, asked, hits) = load(|_| Other::Fails(unavailable), &all_slots().build());
    assert!(loaded.is_ok());
    assert_eq!((asked, hits), (1, 0));
    let (loaded, asked, hits) = load(|_| Other::Forgets, &all_slots().build());
    assert!(loaded.is_ok());
    assert_eq!((asked, hits), (1, 0));
}

#[test]
fn a_component_that_it_refuses_is_refused_with_its_words() {
    let refused = CompilerFailure::Refused("it was not compiled within 60 s".to_owned());
    let (loaded, ..) = load(|_| Other::Fails(refused), &all_slots().build());
    let error = loaded.unwrap_err();
    assert_eq!(error.reason(), "CompileFailed");
    assert_eq!(error.to_string(), "the component does not compile: it was not compiled within 60 s");
}

#[test]
fn nobody_is_asked_about_what_the_gate_refuses() {
    let (loaded, asked, _) = load(|_| Other::Forgets, b"no component");
    assert_eq!((loaded.unwrap_err().reason(), asked), ("NotAComponent", 0));
}
