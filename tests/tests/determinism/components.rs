//! The components that are replayed: those frozen in the corpus, and those checked in.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A component and what it is asked about.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// Name of its file.
    pub(crate) name: String,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Its configs; each is a policy of its own.
    pub(crate) configs: Vec<String>,
    /// Names of the observations that it is asked about; empty: all.
    pub(crate) observations: &'static [&'static str],
}

/// Guests that end in a fault by using up what they may use: one observation tells as much as all.
const EXHAUSTING: [&str; 7] =
    ["deep-recursion", "endless-host-calls", "endless-loop", "huge-answer", "log-flood", "memory-hog", "trap"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn subject(path: &Path) -> Subject {
    let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let all: &[&str] = match name.as_str() {
        "kubernaut" | "kubernaut-0.1.1" => &["{}", r#"{"routing":{"consecutiveFailureThreshold":4}}"#],
        "fixed-timeouts" => &[
            "{}",
            r#"{"default":{"analyzing":"7m"},"rules":[{"name":"prod","environment":"Production","timeouts":{"analyzing":"3m"}}]}"#,
        ],
        "rule-breaker" => &[r#"{"breaks":"Duplicate"}"#],
        "false-deadlines" => &["{}", r#"{"lie":"end-of-time"}"#],
        _ => &["{}"],
    };
    let observations: &[&str] = if EXHAUSTING.contains(&name.as_str()) { &["processing-at-work"] } else { &[] };
    Subject { name, bytes, configs: all.iter().map(|config| (*config).to_owned()).collect(), observations }
}

fn in_folder(folder: &Path) -> Vec<Subject> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    paths.sort();
    paths.iter().map(|path| subject(path)).collect()
}

/// Components as they were compiled for this minor version of the interface; they never change. One that was compiled for a
/// later patch of it says so in its name.
pub(crate) fn frozen() -> Vec<Subject> {
    in_folder(&root().join("tests/corpus/components"))
}

/// The frozen components of these names.
pub(crate) fn corpus(names: &[&str]) -> Vec<Subject> {
    let mut all = frozen();
    all.retain(|subject| names.contains(&subject.name.as_str()));
    assert_eq!(all.len(), names.len(), "{names:?}");
    all
}

/// The components as they are built now, but for the one that is refused.
pub(crate) fn checked_in() -> Vec<Subject> {
    let mut all = in_folder(&root().join("tests/guests"));
    all.retain(|subject| subject.name != "foreign-import");
    all.extend(
        ["policies/kubernaut", "policies/fixed-timeouts"].map(|folder| in_folder(&root().join(folder))).concat(),
    );
    all
}

/// Names and digests of the frozen components, as they were written down beside them.
pub(crate) fn recorded_digests() -> BTreeSet<(String, String)> {
    let text = std::fs::read_to_string(root().join("tests/corpus/components/SHA256SUMS")).expect("SHA256SUMS");
    let pair = |line: &str| {
        let (digest, file) = line.split_once("  ").expect("a digest and a file");
        (file.trim_end_matches(".wasm").to_owned(), digest.to_owned())
    };
    text.lines().map(pair).collect()
}
