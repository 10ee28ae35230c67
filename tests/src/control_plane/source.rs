//! Where a control plane comes from.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::StartError;

/// The origin of a control plane, the first that applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The kubeconfig in `TRIMTAB_TEST_KUBECONFIG`: used as it is, never
    /// started or stopped. It must grant full rights in a cluster whose
    /// custom resource definitions may be replaced.
    Given(PathBuf),
    /// The folder in `KUBEBUILDER_ASSETS`, with etcd and kube-apiserver.
    Assets(PathBuf),
    /// `tests/control-plane/bin/test-control-plane`.
    Bundled(PathBuf),
}

/// What the choice depends on.
#[derive(Debug, Clone)]
pub struct Environment {
    /// `TRIMTAB_TEST_KUBECONFIG`; empty is the same as unset.
    pub kubeconfig: Option<OsString>,
    /// `KUBEBUILDER_ASSETS`; empty is the same as unset.
    pub assets: Option<OsString>,
    /// The folder of the bundled program's sources.
    pub bundled: PathBuf,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Environment {
        Environment {
            kubeconfig: env::var_os("TRIMTAB_TEST_KUBECONFIG"),
            assets: env::var_os("KUBEBUILDER_ASSETS"),
            bundled: Path::new(env!("CARGO_MANIFEST_DIR")).join("control-plane"),
        }
    }
}

impl Source {
    /// Chooses from the environment of this process, and starts nothing. A
    /// caller that may do without (see [`is_quick_run`]) asks here first.
    pub fn from_environment() -> Result<Source, StartError> {
        Source::choose(Environment::of_process())
    }

    /// Chooses: a given kubeconfig, else a given folder, else the bundled program.
    pub fn choose(environment: Environment) -> Result<Source, StartError> {
        let is_set = |value: &OsString| !value.is_empty();
        if let Some(kubeconfig) = environment.kubeconfig.filter(is_set) {
            return Ok(Source::Given(kubeconfig.into()));
        }
        if let Some(folder) = environment.assets.filter(is_set) {
            return assets(folder.into());
        }
        bundled(&environment.bundled)
    }
}

/// Whether `TRIMTAB_QUICK=1` asks to leave out what needs a control plane that
/// is not there. Whoever leaves something out says so by name.
pub fn is_quick_run() -> bool {
    env::var_os("TRIMTAB_QUICK").is_some_and(|value| value == "1")
}

fn assets(folder: PathBuf) -> Result<Source, StartError> {
    for program in ["etcd", "kube-apiserver"] {
        if !folder.join(program).is_file() {
            return Err(StartError::AssetMissing { folder, program });
        }
    }
    Ok(Source::Assets(folder))
}

fn bundled(sources: &Path) -> Result<Source, StartError> {
    let program = sources.join("bin/test-control-plane");
    if !program.is_file() {
        return Err(StartError::NotBuilt { program });
    }
    let build = sources.join("build");
    let check = Command::new(&build).arg("--check").status();
    let check = check.map_err(|source| StartError::Spawn { program: build.display().to_string(), source })?;
    if check.success() { Ok(Source::Bundled(program)) } else { Err(StartError::OutOfDate { program }) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder_with(programs: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for program in programs {
            fs::write(folder.path().join(program), "").unwrap();
        }
        folder
    }

    fn nothing_given(bundled: &Path) -> Environment {
        Environment { kubeconfig: None, assets: None, bundled: bundled.to_owned() }
    }

    #[test]
    fn a_given_kubeconfig_comes_before_everything_else() {
        let assets = folder_with(&["etcd", "kube-apiserver"]);
        let environment = Environment {
            kubeconfig: Some("some/kubeconfig".into()),
            assets: Some(assets.path().into()),
            ..nothing_given(assets.path())
        };
        let source = Source::choose(environment).unwrap();
        assert_eq!(source, Source::Given("some/kubeconfig".into()));
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let assets = folder_with(&["etcd", "kube-apiserver"]);
        let environment = Environment {
            kubeconfig: Some("".into()),
            assets: Some(assets.path().into()),
            ..nothing_given(assets.path())
        };
        let source = Source::choose(environment).unwrap();
        assert_eq!(source, Source::Assets(assets.path().to_owned()));
    }

    #[test]
    fn a_folder_without_kube_apiserver_is_named() {
        let assets = folder_with(&["etcd"]);
        let environment = Environment { assets: Some(assets.path().into()), ..nothing_given(assets.path()) };
        let error = Source::choose(environment).unwrap_err().to_string();
        assert!(error.contains("has no kube-apiserver"), "{error}");
    }

    #[test]
    fn a_missing_program_names_the_command_that_builds_it() {
        let empty = folder_with(&[]);
        let error = Source::choose(nothing_given(empty.path())).unwrap_err();
        assert!(matches!(error, StartError::NotBuilt { .. }));
        assert!(error.to_string().contains("run tests/control-plane/build"));
    }

    #[test]
    fn a_program_older_than_its_sources_is_refused() {
        let environment = Environment::of_process();
        let copy = folder_with(&["main.go", "go.mod", "go.sum"]);
        fs::create_dir(copy.path().join("bin")).unwrap();
        fs::copy(environment.bundled.join("build"), copy.path().join("build")).unwrap();
        let program = copy.path().join("bin/test-control-plane");
        fs::copy(environment.bundled.join("build"), &program).unwrap();
        fs::write(copy.path().join("bin/test-control-plane.sources"), "1 2\n").unwrap();

        let error = Source::choose(nothing_given(copy.path())).unwrap_err();
        assert!(matches!(error, StartError::OutOfDate { .. }), "{error}");
    }
}
