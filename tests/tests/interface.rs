//! The interface only grows: a policy compiled against a frozen text of this minor version works in a host of today.
//!
//! The rule in words is `wit/CHANGES.md`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wit_component::semver_check;
use wit_parser::{PackageId, Resolve};

/// Texts of an interface by the names of their files.
type Texts = BTreeMap<String, String>;

/// How the package is named in every file.
const PACKAGE: &str = "package trimtab:policy@";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn texts(folder: &str) -> Texts {
    let folder = root().join(folder);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let read = |path: PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(&path).expect("a text"))
    };
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "wit")).map(read).collect()
}

/// The package's version as the files have it, the same in each.
fn version(texts: &Texts) -> String {
    let mut versions: Vec<_> = texts
        .values()
        .map(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix(PACKAGE)).expect("a package line");
            line.trim_end_matches(';').to_owned()
        })
        .collect();
    versions.dedup();
    assert_eq!(versions.len(), 1, "{versions:?}");
    versions.remove(0)
}

/// The interface under another version, so that two of them fit beside each other.
fn push(resolve: &mut Resolve, texts: &Texts, as_version: &str) -> Result<PackageId, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let present = format!("@{}", version(texts));
    for (name, text) in texts {
        std::fs::write(folder.path().join(name), text.replace(&present, &format!("@{as_version}"))).expect("a file");
    }
    resolve.push_dir(folder.path()).map(|(package, _)| package).map_err(|error| format!("{error:#}"))
}

/// Whether a policy compiled against `old` can be used where `new` is expected, for every world of `old`.
fn compatible(old: &Texts, new: &Texts) -> Result<(), String> {
    let mut resolve = Resolve::default();
    let before = push(&mut resolve, old, "0.1.0")?;
    let after = push(&mut resolve, new, "0.1.1")?;
    let worlds: Vec<String> = resolve.packages[before].worlds.keys().cloned().collect();
    assert!(!worlds.is_empty());
    for name in worlds {
        let prev = resolve.packages[before].worlds[&name];
        let Some(next) = resolve.packages[after].worlds.get(&name).copied() else {
            return Err(format!("the world {name} is gone"));
        };
        semver_check(resolve.clone(), prev, next).map_err(|error| format!("{name}: {error:#}"))?;
    }
    Ok(())
}

/// The interface with one text in one file replaced.
fn changed(file: &str, from: &str, to: &str) -> Texts {
    let mut texts = texts("wit");
    let text = texts.get_mut(file).expect("the file");
    assert!(text.contains(from), "{file} has no \"{from}\" any more");
    *text = text.replacen(from, to, 1);
    texts
}

/// Every version that was frozen, each of which components are compiled against.
const FROZEN: [&str; 2] = ["0.1.0", "0.1.1"];

fn frozen() -> Texts {
    texts("tests/corpus/wit-0.1.0")
}

#[test]
fn a_policy_of_this_minor_version_works_in_the_host_of_today() {
    let new = texts("wit");
    let minor = |texts: &Texts| version(texts).rsplit_once('.').map(|(minor, _)| minor.to_owned());
    for frozen in FROZEN {
        let old = texts(&format!("tests/corpus/wit-{frozen}"));
        assert_eq!(version(&old), frozen);
        assert_eq!(minor(&old), minor(&new), "freeze the new minor version: see wit/CHANGES.md");
        compatible(&old, &new).unwrap_or_else(|why| panic!("{frozen}: {why}\nsee wit/CHANGES.md"));
    }
    let log = std::fs::read_to_string(root().join("wit/CHANGES.md")).expect("wit/CHANGES.md");
    assert!(log.contains(&format!("\n## {}\n", version(&new))), "wit/CHANGES.md says nothing of {}", version(&new));
}

#[test]
fn the_gate_refuses_whatever_would_break_a_compiled_policy() {
    let cases = [
        ("a field of a record", "types.wit", "    retryable: bool,\n", "    retryable: bool,\n    extra: bool,\n"),
        ("an optional field", "types.wit", "    uid: string,\n", "    uid: string,\n    extra: option<string>,\n"),
        ("a field of an answer", "timeouts.wit", "    on-expiry: string,\n", "    on-expiry: string,\n    x: u8,\n"),
        ("a field less", "facts.wit", "    signal-mode: string,\n", ""),
        ("a case", "log.wit", "    error,\n", "    error,\n    /// Worse.\n    fatal,\n"),
        ("an export of a world", "worlds.wit", "  export timeouts;\n", "  export timeouts;\n  export children;\n"),
        ("an exported function", "meta.wit", "  describe: func", "  owner: func() -> string;\n  describe: func"),
        ("a fact less", "facts.wit", "  object-json: func(kind: string) -> option<string>;\n", ""),
        ("another type of a fact", "facts.wit", "-> list<string>", "-> list<u32>"),
        ("an import less", "worlds.wit", "  import facts;\n", ""),
        ("a world less", "worlds.wit", "world policy {", "world other-policy {"),
        ("a parameter", "transitions.wit", "expired: list<string>, ", ""),
    ];
    for (what, file, from, to) in cases {
        let verdict = compatible(&frozen(), &changed(file, from, to));
        assert!(verdict.is_err(), "{what} was not refused");
    }
}

#[test]
fn the_gate_accepts_what_only_adds() {
    let with_record = "  record more { count: u32 }\n  more-of-it: func() -> more;\n  signal: func";
    let cases = [
        ("a fact", "facts.wit", "  signal: func", "  approvals: func() -> u32;\n  signal: func"),
        ("a fact with a record", "facts.wit", "  signal: func", with_record),
        ("a function of log", "log.wit", "  log: func", "  flush: func();\n  log: func"),
        (
            "an import",
            "worlds.wit",
            "world policy {",
            "interface more { some: func(); }\nworld policy {\n  import more;",
        ),
        ("a comment", "types.wit", "  /// A named value.", "  /// A value with a name."),
    ];
    for (what, file, from, to) in cases {
        compatible(&frozen(), &changed(file, from, to)).unwrap_or_else(|why| panic!("{what}: {why}"));
    }
}
