//! Which folders are used, for what, and how much room they want.

use std::path::{Path, PathBuf};

use super::{DoctorScope, Purpose, output};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A folder that something of ours writes into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// What it is for.
    pub(super) name: &'static str,
    /// Where; it need not exist yet.
    pub(super) path: PathBuf,
    /// How to move it.
    pub(super) moved_by: &'static str,
    /// Free bytes below which work there is likely to fail.
    pub(super) bytes_wanted: u64,
    /// Free inodes below which work there is likely to fail.
    pub(super) inodes_wanted: u64,
    /// Whether its users expect it to be there; the others make it themselves.
    pub(super) is_expected: bool,
}

/// Go's caches, as `go env` tells them: its own settings file may move them.
#[derive(Debug, Clone, Default)]
pub(super) struct GoFolders {
    modules: Option<PathBuf>,
    builds: Option<PathBuf>,
}

/// Asks Go, where Go is wanted and there.
pub(super) fn go_folders(scope: &DoctorScope) -> GoFolders {
    if !scope.is_for(Purpose::Develop) {
        return GoFolders::default();
    }
    let answer = output::of("go", &["env", "GOMODCACHE", "GOCACHE"]).unwrap_or_default();
    let mut lines = answer.lines().map(|line| (!line.is_empty() && line != "off").then(|| PathBuf::from(line)));
    GoFolders { modules: lines.next().flatten(), builds: lines.next().flatten() }
}

/// The folders in scope, each path once.
pub(super) fn places(scope: &DoctorScope, go: &GoFolders) -> Vec<Place> {
    let mut places = vec![temporary(scope), data(scope), compile_cache(scope)];
    if scope.is_building() {
        places.extend([target(scope), cargo_home(scope)]);
    }
    if scope.is_for(Purpose::Develop) {
        places.extend([go_modules(scope, go), go_builds(scope, go)]);
    }
    let mut seen = Vec::new();
    places.retain(|place| {
        let is_new = !seen.contains(&place.path);
        seen.push(place.path.clone());
        is_new
    });
    places
}

fn temporary(scope: &DoctorScope) -> Place {
    // Go links in there, and test control planes live in there.
    let bytes_wanted = if scope.is_for(Purpose::Develop) { 2 * GIB } else { 64 * MIB };
    Place {
        name: "temporary files",
        path: variable(scope, "TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp")),
        moved_by: "set TMPDIR",
        bytes_wanted,
        inodes_wanted: 10_000,
        is_expected: true,
    }
}

fn data(scope: &DoctorScope) -> Place {
    let default = || base(scope, "XDG_STATE_HOME", ".local/state").join("trimtab");
    Place {
        name: "data (ledger)",
        path: scope.data.clone().unwrap_or_else(default),
        moved_by: "give --data",
        // The ledger's own limit and its log beside it.
        bytes_wanted: 2 * GIB + 256 * MIB,
        inodes_wanted: 1_000,
        is_expected: false,
    }
}

fn compile_cache(scope: &DoctorScope) -> Place {
    Place {
        name: "compiled policies",
        path: base(scope, "XDG_CACHE_HOME", ".cache").join("trimtab"),
        moved_by: "set XDG_CACHE_HOME",
        bytes_wanted: 256 * MIB,
        inodes_wanted: 1_000,
        is_expected: false,
    }
}

fn target(scope: &DoctorScope) -> Place {
    let is_ours = scope.is_for(Purpose::Develop);
    let path = variable(scope, "CARGO_TARGET_DIR").unwrap_or_else(|| PathBuf::from("target"));
    Place {
        name: "cargo's target folder",
        path: scope.working_folder.join(path),
        moved_by: "set CARGO_TARGET_DIR",
        bytes_wanted: if is_ours { 8 * GIB } else { GIB },
        inodes_wanted: 20_000,
        is_expected: false,
    }
}

fn cargo_home(scope: &DoctorScope) -> Place {
    Place {
        name: "cargo's downloads",
        path: base(scope, "CARGO_HOME", ".cargo"),
        moved_by: "set CARGO_HOME",
        bytes_wanted: GIB,
        inodes_wanted: 50_000,
        is_expected: false,
    }
}

fn go_modules(scope: &DoctorScope, go: &GoFolders) -> Place {
    let named = || variable(scope, "GOMODCACHE");
    let default = || base(scope, "GOPATH", "go").join("pkg/mod");
    Place {
        name: "Go's modules",
        path: go.modules.clone().or_else(named).unwrap_or_else(default),
        moved_by: "set GOMODCACHE",
        bytes_wanted: GIB,
        inodes_wanted: 100_000,
        is_expected: false,
    }
}

fn go_builds(scope: &DoctorScope, go: &GoFolders) -> Place {
    let named = || variable(scope, "GOCACHE");
    let default = || {
        if cfg!(target_os = "macos") {
            home(scope).join("Library/Caches/go-build")
        } else {
            base(scope, "XDG_CACHE_HOME", ".cache").join("go-build")
        }
    };
    Place {
        name: "Go's build cache",
        path: go.builds.clone().or_else(named).unwrap_or_else(default),
        moved_by: "set GOCACHE",
        bytes_wanted: 3 * GIB,
        inodes_wanted: 50_000,
        is_expected: false,
    }
}

/// The folder a variable names, else one in the home folder.
fn base(scope: &DoctorScope, name: &str, in_home: impl AsRef<Path>) -> PathBuf {
    variable(scope, name).unwrap_or_else(|| home(scope).join(in_home))
}

fn home(scope: &DoctorScope) -> PathBuf {
    variable(scope, "HOME").unwrap_or_else(|| PathBuf::from("/"))
}

fn variable(scope: &DoctorScope, name: &str) -> Option<PathBuf> {
    let value = scope.environment.get(name);
    let value = value.filter(|value| !value.is_empty());
    value.map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(purposes: &[Purpose], environment: &[(&str, &str)]) -> DoctorScope {
        DoctorScope {
            purposes: purposes.iter().copied().collect(),
            data: None,
            ports: Vec::new(),
            working_folder: "/checkout".into(),
            environment: environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect(),
        }
    }

    fn paths(scope: &DoctorScope, go: &GoFolders) -> Vec<String> {
        let places = places(scope, go).into_iter();
        places.map(|place| place.path.display().to_string()).collect()
    }

    #[test]
    fn running_needs_no_build_folders() {
        let scope = scope(&[Purpose::Run], &[("HOME", "/home/ann")]);
        assert_eq!(
            paths(&scope, &GoFolders::default()),
            ["/tmp", "/home/ann/.local/state/trimtab", "/home/ann/.cache/trimtab"]
        );
    }

    #[test]
    fn variables_move_folders_and_empty_ones_do_not() {
        let mut scope = scope(
            &[Purpose::Author],
            &[
                ("HOME", "/home/ann"),
                ("TMPDIR", "/big/tmp"),
                ("XDG_STATE_HOME", ""),
                ("CARGO_TARGET_DIR", "out"),
                ("CARGO_HOME", "/big/cargo"),
            ],
        );
        scope.data = Some("/big/data".into());
        assert_eq!(
            paths(&scope, &GoFolders::default()),
            ["/big/tmp", "/big/data", "/home/ann/.cache/trimtab", "/checkout/out", "/big/cargo"]
        );
    }

    #[test]
    fn what_go_says_of_its_caches_wins() {
        let scope = scope(&[Purpose::Develop], &[("HOME", "/home/ann"), ("GOCACHE", "/old")]);
        let go = GoFolders { modules: None, builds: Some("/told".into()) };
        let paths = paths(&scope, &go);
        assert_eq!(paths[paths.len() - 2..], ["/home/ann/go/pkg/mod", "/told"]);
    }

    #[test]
    fn a_folder_of_two_uses_is_examined_once() {
        let mut scope = scope(&[Purpose::Run], &[("HOME", "/home/ann"), ("TMPDIR", "/d")]);
        scope.data = Some("/d".into());
        assert_eq!(paths(&scope, &GoFolders::default()), ["/d", "/home/ann/.cache/trimtab"]);
    }
}
