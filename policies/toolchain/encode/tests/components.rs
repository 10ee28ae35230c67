//! The checked-in components: recorded, small, and with the imports and exports that they should have.

#![allow(clippy::expect_used, reason = "a test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use wit_component::{DecodedWasm, decode, targets};
use wit_parser::{Resolve, WorldItem};

/// A policy is fetched, checked and compiled on every change of it.
const BYTES_MAX: usize = 150_000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

fn component(path: &str) -> Vec<u8> {
    std::fs::read(root().join(path)).expect(path)
}

fn record() -> serde_json::Value {
    let text = std::fs::read(root().join("policies/components.json")).expect("policies/components.json");
    serde_json::from_slice(&text).expect("JSON")
}

/// Paths of the components in the folders under `folder`, or in itself.
fn found(folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(folder)).expect(folder);
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"));
    names
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "wasm"))
        .map(|name| format!("{folder}/{name}"))
        .collect()
}

/// Functions of the imported and names of the exported interfaces.
fn surface(path: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let DecodedWasm::Component(resolve, world) = decode(&component(path)).expect(path) else {
        panic!("{path} is no component")
    };
    let (mut imports, mut exports) = (BTreeSet::new(), BTreeSet::new());
    for (key, item) in &resolve.worlds[world].imports {
        let WorldItem::Interface { id, .. } = item else { panic!("{path} imports something else than an interface") };
        let name = resolve.name_world_key(key);
        imports.extend(resolve.interfaces[*id].functions.keys().map(|function| format!("{name}#{function}")));
    }
    exports.extend(resolve.worlds[world].exports.keys().map(|key| resolve.name_world_key(key)));
    (imports, exports)
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| format!("trimtab:policy/{name}")).collect()
}

#[test]
fn every_component_is_the_recorded_one_and_small() {
    let record = record();
    let recorded = record["components"].as_object().expect("components");
    let mut existing = found("tests/guests");
    existing.extend(found("policies/kubernaut"));
    existing.extend(found("policies/fixed-timeouts"));
    assert_eq!(recorded.keys().cloned().collect::<BTreeSet<_>>(), existing, "type policies/toolchain/build");
    for (path, entry) in recorded {
        let bytes = component(path);
        let digest = hex::encode(Sha256::digest(&bytes));
        assert_eq!(entry["sha256"], digest, "{path} is not the recorded one: type policies/toolchain/build");
        assert_eq!(entry["bytes"], bytes.len(), "{path}");
        assert!(bytes.len() <= BYTES_MAX, "{path} has {} bytes, more than {BYTES_MAX}", bytes.len());
    }
}

#[test]
fn a_component_exports_the_slots_it_fills_and_imports_what_it_calls() {
    let (imports, exports) = surface("policies/kubernaut/kubernaut.wasm");
    let facts = [
        "analysis",
        "approval",
        "assessment",
        "execution",
        "object-json",
        "remediation-history",
        "routing",
        "scope",
        "signal-remediations",
        "target-executions",
        "workflow-override",
    ];
    let mut expected: BTreeSet<String> =
        facts.iter().map(|name| format!("trimtab:policy/facts@0.1.1#{name}")).collect();
    expected.extend(set(&["log@0.1.1#log"]));
    assert_eq!(imports, expected);
    assert_eq!(exports, set(&["meta@0.1.1", "timeouts@0.1.1", "transitions@0.1.1", "children@0.1.1"]));

    let (imports, exports) = surface("policies/fixed-timeouts/fixed-timeouts.wasm");
    assert_eq!(imports, set(&["log@0.1.1#log"]));
    assert_eq!(exports, set(&["meta@0.1.1", "timeouts@0.1.1"]));
}

#[test]
fn a_component_of_the_sdk_needs_no_call_after_an_answer() {
    for path in record()["components"].as_object().expect("components").keys() {
        for payload in wasmparser::Parser::new(0).parse_all(&component(path)) {
            let wasmparser::Payload::ComponentCanonicalSection(functions) = payload.expect("a sound component") else {
                continue;
            };
            for function in functions {
                let function = function.expect("a sound component");
                let wasmparser::CanonicalFunction::Lift { options, .. } = function else { continue };
                let is_post = |option: &_| matches!(option, wasmparser::CanonicalOption::PostReturn(_));
                assert!(!options.iter().any(is_post), "{path}");
            }
        }
    }
}

#[test]
fn a_component_fits_its_world() {
    for (path, world) in [
        ("policies/kubernaut/kubernaut.wasm", "policy"),
        ("policies/kubernaut/kubernaut.wasm", "children-policy"),
        ("policies/fixed-timeouts/fixed-timeouts.wasm", "timeouts-policy"),
        ("tests/guests/trap.wasm", "policy"),
    ] {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_path(root().join("wit")).expect("the WIT");
        let id = resolve.select_world(&[package], Some(world)).expect(world);
        targets(&resolve, id, &component(path), false).unwrap_or_else(|error| panic!("{path} and {world}: {error:#}"));
    }
}

#[test]
fn only_the_foreign_guest_imports_something_foreign() {
    for path in found("tests/guests") {
        let (imports, exports) = surface(&path);
        assert_eq!(exports.len(), 4, "{path}");
        let foreign: Vec<_> = imports.iter().filter(|name| !name.starts_with("trimtab:policy/")).collect();
        if path.ends_with("/foreign-import.wasm") {
            assert_eq!(foreign, ["wasi:random/random@0.2.0#get-random-u64"]);
        } else {
            assert!(foreign.is_empty(), "{path}: {foreign:?}");
        }
    }
}

#[test]
fn no_path_of_a_machine_is_left_in_a_component() {
    let parts: [&[u8]; 5] = [b"/home/", b"/root/", b"/.cargo/", b"registry/src", b"/work/"];
    for path in record()["components"].as_object().expect("components").keys() {
        let bytes = component(path);
        for part in parts {
            let text = String::from_utf8_lossy(part);
            assert!(!bytes.windows(part.len()).any(|window| window == part), "{path} holds {text}");
        }
    }
}
