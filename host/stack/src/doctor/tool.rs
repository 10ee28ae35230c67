//! Programs of others that some of our commands call.

use super::finding::{Check, Finding, Severity};
use super::output::{self, NoAnswer};
use super::{DoctorScope, Purpose};

/// Major and minor version.
type Version = (u32, u32);

/// A program, the version it must have, and who needs it.
#[derive(Debug)]
pub(super) struct Tool {
    program: &'static str,
    arguments: &'static [&'static str],
    /// (0, 0) where any version does.
    needed: Version,
    /// What fails without it, by purpose; empty where it is only useful.
    required_by: &'static [Purpose],
    /// What it is needed for, in words that follow "needed by".
    uses: &'static str,
    install: &'static str,
}

/// What a tool said.
#[derive(Debug)]
pub(super) enum ToolReading {
    Answered(String),
    Missing,
    Broken(String),
}

const RUST: &str = "install it with rustup, which reads rust-toolchain.toml";
const RUST_NEEDED: Version = (1, 95);
const GO_NEEDED: Version = (1, 26);

/// Every tool, in the order of the report.
pub(super) const TOOLS: &[Tool] = &[
    Tool {
        program: "cargo",
        arguments: &["--version"],
        needed: RUST_NEEDED,
        required_by: &[Purpose::Author, Purpose::Develop],
        uses: "trimtab policy build and building Trimtab",
        install: RUST,
    },
    Tool {
        program: "rustc",
        arguments: &["--version"],
        needed: RUST_NEEDED,
        required_by: &[Purpose::Author, Purpose::Develop],
        uses: "trimtab policy build and building Trimtab",
        install: RUST,
    },
    Tool {
        program: "cc",
        arguments: &["--version"],
        needed: (0, 0),
        required_by: &[Purpose::Author, Purpose::Develop],
        uses: "linking Rust programs and SQLite",
        install: "install gcc or clang (Debian: apt-get install build-essential; macOS: xcode-select --install)",
    },
    Tool {
        program: "go",
        arguments: &["version"],
        needed: GO_NEEDED,
        required_by: &[Purpose::Develop],
        uses: "tests/control-plane/build",
        install: "install Go, or set KUBEBUILDER_ASSETS or TRIMTAB_TEST_KUBECONFIG for the tests",
    },
    Tool {
        program: "kubectl",
        arguments: &["version", "--client"],
        needed: (1, 28),
        required_by: &[],
        uses: "looking at the demo and installing into a cluster",
        install: "install kubectl from your system's packages",
    },
    Tool {
        program: "git",
        arguments: &["--version"],
        needed: (0, 0),
        required_by: &[Purpose::Develop],
        uses: "working on Trimtab",
        install: "install git from your system's packages",
    },
];

/// Asks a tool for its version.
pub(super) fn read(tool: &Tool) -> ToolReading {
    match output::of(tool.program, tool.arguments) {
        Ok(text) => ToolReading::Answered(text),
        Err(NoAnswer::Missing) => ToolReading::Missing,
        Err(NoAnswer::Broken(problem)) => ToolReading::Broken(problem),
    }
}

pub(super) fn judge(tool: &Tool, reading: &ToolReading, scope: &DoctorScope) -> Finding {
    let is_required = tool.required_by.iter().any(|purpose| scope.is_for(*purpose));
    let (seen, lacks) = match reading {
        ToolReading::Answered(text) => judge_version(tool, text),
        ToolReading::Missing => ("not found".to_owned(), true),
        ToolReading::Broken(problem) => (format!("does not run ({problem})"), true),
    };
    let finding = Finding::ok(Check::Tool, tool.program, seen);
    if !lacks {
        return finding;
    }
    let severity = match (is_required, tool.required_by.is_empty()) {
        (true, _) => Severity::Failure,
        (false, true) => Severity::Warning,
        // What only other purposes need is worth a line and no more.
        (false, false) => {
            return Finding { seen: format!("{} (needed by {} only)", finding.seen, tool.uses), ..finding };
        }
    };
    finding.needs(severity, format!("{}; needed by {}", tool.install, tool.uses))
}

/// What was seen, and whether it isn't enough.
fn judge_version(tool: &Tool, text: &str) -> (String, bool) {
    let (major, minor) = tool.needed;
    match version(text) {
        Some((number, found)) if found < tool.needed => (format!("{number}, needs {major}.{minor} or later"), true),
        Some((number, _)) => (number, false),
        None => (format!("no version in {:?}", text.lines().next().unwrap_or_default()), tool.needed != (0, 0)),
    }
}

/// The first thing in a text that looks like a version: as it is written, and
/// its major and minor numbers.
fn version(text: &str) -> Option<(String, Version)> {
    let words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    words.map(|word| word.trim_matches('.')).find_map(|word| {
        let mut numbers = word.split('.').map(str::parse);
        let major = numbers.next()?.ok()?;
        let minor = numbers.next()?.ok()?;
        Some((word.to_owned(), (major, minor)))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn scope(purposes: &[Purpose]) -> DoctorScope {
        DoctorScope {
            purposes: purposes.iter().copied().collect(),
            data: None,
            ports: Vec::new(),
            working_folder: ".".into(),
            environment: BTreeMap::new(),
        }
    }

    fn tool(program: &str) -> &'static Tool {
        TOOLS.iter().find(|tool| tool.program == program).unwrap()
    }

    fn answered(text: &str) -> ToolReading {
        ToolReading::Answered(text.to_owned())
    }

    #[test]
    fn versions_are_read_from_what_the_tools_print() {
        let texts = [
            ("cargo 1.95.0 (f2d3ce0bd 2026-03-21)", "1.95.0", (1, 95)),
            ("cc (Debian 12.2.0-14+deb12u1) 12.2.0\n", "12.2.0", (12, 2)),
            ("go version go1.26.8 linux/amd64", "1.26.8", (1, 26)),
            ("Client Version: v1.32.4\nKustomize Version: v5.5.0", "1.32.4", (1, 32)),
            ("git version 2.39.5", "2.39.5", (2, 39)),
            ("Apple clang version 17.0.0 (clang-1700.0.13.5)", "17.0.0", (17, 0)),
        ];
        for (text, written, numbers) in texts {
            assert_eq!(version(text), Some((written.to_owned(), numbers)), "{text}");
        }
        assert_eq!(version("no version 7 here."), None);
    }

    #[test]
    fn a_missing_tool_fails_only_what_needs_it() {
        let go = tool("go");
        let developing = judge(go, &ToolReading::Missing, &scope(&[Purpose::Develop]));
        assert_eq!(developing.severity, Severity::Failure);
        assert!(developing.mend.unwrap().contains("needed by tests/control-plane/build"));
        let running = judge(go, &ToolReading::Missing, &scope(&[Purpose::Run]));
        assert_eq!(running.severity, Severity::Ok);
        assert_eq!(running.seen, "not found (needed by tests/control-plane/build only)");
        let kubectl = judge(tool("kubectl"), &ToolReading::Missing, &scope(&[Purpose::Run]));
        assert_eq!(kubectl.severity, Severity::Warning);
    }

    #[test]
    fn an_old_tool_names_both_versions() {
        let scope = scope(&[Purpose::Develop]);
        let old = judge(tool("go"), &answered("go version go1.21.3 linux/amd64"), &scope);
        assert_eq!(old.severity, Severity::Failure);
        assert_eq!(old.seen, "1.21.3, needs 1.26 or later");
        let new = judge(tool("go"), &answered("go version go1.100.0 linux/amd64"), &scope);
        assert_eq!(new.severity, Severity::Ok);
    }

    #[test]
    fn a_broken_tool_says_how() {
        let broken = ToolReading::Broken("exit status: 1".to_owned());
        let finding = judge(tool("rustc"), &broken, &scope(&[Purpose::Author]));
        assert_eq!(finding.severity, Severity::Failure);
        assert_eq!(finding.seen, "does not run (exit status: 1)");
    }

    #[test]
    fn needed_versions_are_those_of_the_sources() {
        let (major, minor) = RUST_NEEDED;
        assert_eq!(env!("CARGO_PKG_RUST_VERSION"), format!("{major}.{minor}"));
        let module = include_str!("../../../../tests/control-plane/go.mod");
        let (major, minor) = GO_NEEDED;
        assert!(module.contains(&format!("\ngo {major}.{minor}.")));
    }
}
