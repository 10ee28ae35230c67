//! Every seed through its target, without libFuzzer: what was once found stays found.

use std::path::{Path, PathBuf};

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let mut found: Vec<_> = std::fs::read_dir(&folder)
        .expect("the target has seeds")
        .map(|entry| entry.expect("a file").path())
        .map(|path| (path.clone(), std::fs::read(&path).expect("a seed can be read")))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{} is empty", folder.display());
    found
}

#[test]
fn every_seed_of_the_loader_passes() {
    for (name, bytes) in crate::guest::seeds() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds/loader").join(name);
        if std::env::var_os("TRIMTAB_BLESS").is_some() {
            std::fs::write(&path, &bytes).expect("a seed can be written");
        }
        crate::loader::run(&bytes);
    }
    for (_, bytes) in seeds("loader") {
        crate::loader::run(&bytes);
    }
}

#[test]
fn every_seed_of_the_answers_passes() {
    for (_, bytes) in seeds("answers") {
        crate::answers::run(&bytes);
    }
}

#[test]
fn every_seed_of_the_config_passes() {
    for (_, bytes) in seeds("config") {
        crate::config::run(&bytes);
    }
}

#[test]
fn every_seed_of_the_observation_passes() {
    for (_, bytes) in seeds("observation") {
        crate::observation::run(&bytes);
    }
}

#[test]
fn the_guests_of_the_loader_are_what_they_are_meant_to_be() {
    let engine = crate::sandbox::engine();
    for (name, bytes) in crate::guest::seeds() {
        let refusal = engine.load(&bytes, crate::sandbox::LIMITS).err().map(|fault| fault.reason());
        let expected = if matches!(name, "foreign.wasm" | "resource.wasm") { Some("ForeignImport") } else { None };
        assert_eq!(refusal, expected, "{name}");
    }
}
