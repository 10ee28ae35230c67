//! What a new project gets that lies in this repository: the interface, the SDK and the toolchain script, embedded.

use std::fmt::Write as _;

/// A file of this repository and its text.
pub(crate) type File = (&'static str, &'static str);

macro_rules! embedded {
    ($($path:literal),+ $(,)?) => { &[$(($path, include_str!(concat!("../../../../", $path)))),+] };
}

/// The interface.
pub(crate) const WIT: &[File] = embedded![
    "wit/CHANGES.md",
    "wit/children.wit",
    "wit/facts.wit",
    "wit/log.wit",
    "wit/meta.wit",
    "wit/timeouts.wit",
    "wit/transitions.wit",
    "wit/types.wit",
    "wit/worlds.wit",
];

/// The SDK.
pub(crate) const SDK: &[File] = embedded![
    "policies/sdk/Cargo.toml",
    "policies/sdk/src/answers.rs",
    "policies/sdk/src/bindings.rs",
    "policies/sdk/src/config.rs",
    "policies/sdk/src/export.rs",
    "policies/sdk/src/facts.rs",
    "policies/sdk/src/go_duration.rs",
    "policies/sdk/src/json.rs",
    "policies/sdk/src/json/compact.rs",
    "policies/sdk/src/json/path.rs",
    "policies/sdk/src/json/table.rs",
    "policies/sdk/src/json/tests.rs",
    "policies/sdk/src/json/text.rs",
    "policies/sdk/src/lib.rs",
    "policies/sdk/src/log.rs",
    "policies/sdk/src/moment.rs",
    "policies/sdk/src/observation.rs",
    "policies/sdk/src/policy.rs",
    "policies/sdk/src/testing.rs",
    "policies/sdk/src/words.rs",
];

/// The manifest that the SDK's own refers to.
pub(crate) const WORKSPACE_MANIFEST: &str = include_str!("../../../../Cargo.toml");

/// Makes the standard library for WebAssembly available.
pub(crate) const WASM_STD: &str = include_str!("../../../../policies/toolchain/wasm-std");

/// A manifest of the workspace as one that stands alone: what it takes from the workspace is written out, and what
/// concerns the workspace only is left out.
pub(crate) fn standalone(manifest: &str, workspace: &str) -> String {
    let mut text = String::new();
    let mut is_left_out = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_left_out = line == "[lints]";
        }
        if is_left_out {
            continue;
        }
        match line.split_once(".workspace = true") {
            None => {
                text.push_str(line);
                text.push('\n');
            }
            // Where it comes from and whether it is published is this repository's affair.
            Some(("repository" | "publish", _)) => {}
            Some((key, _)) => {
                let value = workspace.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
                if let Some(value) = value {
                    let _ = writeln!(text, "{key} = {value}");
                }
            }
        }
    }
    text.replacen("[package]\n", "[package]\npublish = false\n", 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    fn files(folder: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() {
                files(&path, found);
            } else {
                found.insert(path);
            }
        }
    }

    #[test]
    fn every_file_of_interface_and_sdk_is_embedded() {
        for (folder, embedded) in [("wit", WIT), ("policies/sdk", SDK)] {
            let mut found = BTreeSet::new();
            files(folder, &mut found);
            let known: BTreeSet<String> = embedded.iter().map(|(path, _)| (*path).to_owned()).collect();
            assert_eq!(known, found, "embed in host/author/src/new/files.rs exactly what lies in {folder}");
        }
    }

    #[test]
    fn the_manifest_of_the_sdk_stands_alone() {
        let manifest = standalone(SDK[0].1, WORKSPACE_MANIFEST);
        assert!(!manifest.contains("workspace"), "{manifest}");
        for line in ["publish = false", "edition = \"2024\"", "schemars = \"1\""] {
            assert_eq!(manifest.lines().filter(|found| *found == line).count(), 1, "{line} in\n{manifest}");
        }
        let asked = SDK[0].1.matches(".workspace = true").count();
        let left_out = 3; // repository, publish and lints
        let written = manifest.lines().filter(|line| line.contains(" = ")).count();
        assert!(written >= asked - left_out, "every key has found its value:\n{manifest}");
    }
}
