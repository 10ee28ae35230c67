//! `trimtab policy build`: from a Rust project to a component, with the flags of the checked-in components.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::{Deserialize, Serialize};
use trimtab_policy_engine::Digest;

use crate::Surroundings;
use crate::cli::BuildArguments;
use crate::error::AuthorError;
use crate::new::files::WASM_STD;
use crate::output::{Outcome, grouped, render};
use crate::project::{PROJECT_FILE, Project};
use crate::workbench::Workbench;

/// What modules are built for.
const TARGET: &str = "wasm32-unknown-unknown";
/// Bytes of a guest's stack, and that an instance has at its start: it holds a whole decision, since asking for more
/// costs much more.
const STACK_BYTES: u32 = 65_536;
const HEAP_BYTES: u32 = 131_072;
/// Between flags in `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: &str = "\u{1f}";
/// The profile, by the variables that set it whatever the project's manifest says.
const PROFILE: [(&str, &str); 5] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "z"),
    ("CARGO_PROFILE_RELEASE_LTO", "true"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_STRIP", "debuginfo"),
];
/// Variables that would change the bytes.
const WITHOUT: [&str; 5] =
    ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_BUILD_TARGET_DIR", "CARGO_TARGET_DIR"];

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Built {
    /// Path of the component.
    pub component: String,
    /// Its size.
    pub bytes: u64,
    /// Its digest.
    pub digest: String,
}

/// Runs the command.
pub(crate) fn run(
    arguments: &BuildArguments,
    bench: &Workbench,
    surroundings: &mut Surroundings<'_>,
) -> Result<Outcome, AuthorError> {
    let named = surroundings.folder.join(&arguments.dir);
    if !named.join("Cargo.toml").is_file() {
        let text = format!("there is no Cargo.toml in {}: name the project's folder", arguments.dir.display());
        return Err(AuthorError::Input(text));
    }
    // Cargo remaps paths as it sees them, so links are resolved first.
    let dir = named.canonicalize().map_err(|error| AuthorError::read("folder", &named, error))?;
    let package = package(&dir)?;
    (surroundings.progress)(&format!("building {}", package.name));
    let target_dir = dir.join("target").join("component");
    let flags = flags(&dir)?;
    cargo(&dir, &package.name, &["fetch", "--quiet"], &[])?;
    let folder = target_dir.display().to_string();
    let words = ["build", "--quiet", "--release", "--lib", "--target", TARGET, "--target-dir", &folder];
    let variables: Vec<_> = PROFILE.into_iter().chain([("CARGO_ENCODED_RUSTFLAGS", flags.as_str())]).collect();
    cargo(&dir, &package.name, &words, &variables)?;
    let module = target_dir.join(TARGET).join("release").join(format!("{}.wasm", package.library));
    let out = if dir.join(PROJECT_FILE).is_file() {
        Project::open(&dir)?.component()
    } else {
        dir.join(format!("{}.wasm", package.name))
    };
    let built = encode(&module, &out)?;
    // What no cluster would take is told now.
    bench.load(&out, trimtab_policy_engine::Limits::DEFAULT)?;
    let table = |built: &Built| format!("{}: {} bytes, {}\n", built.component, grouped(built.bytes), built.digest);
    Ok(Outcome::fine(render(&built, arguments.output, table)?))
}

fn encode(module: &Path, out: &Path) -> Result<Built, AuthorError> {
    let core = std::fs::read(module).map_err(|error| AuthorError::read("module", module, error))?;
    let component = trimtab_policy_encode::component(&core, None)
        .map_err(|error| AuthorError::Input(format!("{} is no policy: {error}", module.display())))?;
    std::fs::write(out, &component).map_err(|error| AuthorError::write(out, error))?;
    let digest = Digest::of(&component).to_string();
    Ok(Built { component: out.display().to_string(), bytes: component.len() as u64, digest })
}

/// The package that is built.
struct Package {
    name: String,
    library: String,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
}

#[derive(Debug, Deserialize)]
struct MetadataPackage {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<MetadataTarget>,
}

#[derive(Debug, Deserialize)]
struct MetadataTarget {
    name: String,
    crate_types: Vec<String>,
}

fn package(dir: &Path) -> Result<Package, AuthorError> {
    let output = cargo(dir, "the project", &["metadata", "--no-deps", "--format-version", "1"], &[])?;
    let metadata: Metadata = serde_json::from_slice(&output.stdout)
        .map_err(|error| AuthorError::Host(format!("cargo metadata cannot be read: {error}")))?;
    let manifest = dir.join("Cargo.toml");
    let Some(found) = metadata.packages.into_iter().find(|package| package.manifest_path == manifest) else {
        return Err(AuthorError::Input(format!("{} names no package: add [package]", manifest.display())));
    };
    let is_module = |target: &&MetadataTarget| target.crate_types.iter().any(|kind| kind == "cdylib");
    let Some(library) = found.targets.iter().find(is_module) else {
        let text =
            format!("{} gives no module: add crate-type = [\"cdylib\", \"rlib\"] under [lib]", manifest.display());
        return Err(AuthorError::Input(text));
    };
    Ok(Package { library: library.name.replace('-', "_"), name: found.name })
}

/// Flags of the compiler. Paths of this machine are replaced, so that the bytes do not depend on where the project and
/// the registry lie.
fn flags(dir: &Path) -> Result<String, AuthorError> {
    let mut flags = vec![
        format!("-Clink-arg=-zstack-size={STACK_BYTES}"),
        format!("-Clink-arg=--initial-heap={HEAP_BYTES}"),
        format!("--remap-path-prefix={}=/trimtab", dir.display()),
    ];
    for registry in registries() {
        flags.push(format!("--remap-path-prefix={}=/rust/deps", registry.display()));
    }
    flags.extend(standard_library(dir)?);
    Ok(flags.join(SEPARATOR))
}

/// Folders of downloaded crates.
fn registries() -> Vec<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    let Some(entries) = home.and_then(|home| std::fs::read_dir(home.join("registry/src")).ok()) else {
        return Vec::new();
    };
    let mut folders: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    folders.sort();
    folders
}

/// The flag that reaches the standard library for WebAssembly; none where the target is installed.
fn standard_library(dir: &Path) -> Result<Option<String>, AuthorError> {
    let mut asked = Command::new("rustc");
    asked.current_dir(dir).args(["--print", "target-libdir", "--target", TARGET]);
    let output = finished(asked, "rustc cannot be asked where its libraries lie: install Rust")?;
    let libraries = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let is_core = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with("libcore-");
    let is_installed =
        std::fs::read_dir(libraries).is_ok_and(|entries| entries.filter_map(Result::ok).any(|entry| is_core(&entry)));
    if is_installed {
        return Ok(None);
    }
    // The script asks the compiler of the folder it lies in, which is to be the project's.
    let folder = dir.join("target").join("toolchain");
    let script = folder.join("wasm-std");
    std::fs::create_dir_all(&folder).map_err(|error| AuthorError::write(&folder, error))?;
    std::fs::write(&script, WASM_STD).map_err(|error| AuthorError::write(&script, error))?;
    let mut made = Command::new("bash");
    made.current_dir(dir).arg(&script);
    let line = format!("the standard library for {TARGET} cannot be had: type rustup target add {TARGET}");
    let output = finished(made, &line)?;
    Ok(Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()).filter(|flag| !flag.is_empty()))
}

fn cargo(dir: &Path, name: &str, words: &[&str], variables: &[(&str, &str)]) -> Result<Output, AuthorError> {
    let mut command = Command::new("cargo");
    for variable in WITHOUT {
        command.env_remove(variable);
    }
    command.current_dir(dir).args(words).envs(variables.iter().copied());
    finished(command, &format!("{name} does not build"))
}

/// The output of a program that has succeeded.
fn finished(mut command: Command, line: &str) -> Result<Output, AuthorError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| AuthorError::Tool {
        line: format!("{line}: {program} cannot be started: {error}"),
        details: error.to_string(),
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(AuthorError::Tool { line: format!("{line}: {}", first_error(&said)), details: said })
}

/// The first error that a compiler or cargo tells of, with its place.
fn first_error(said: &str) -> String {
    let mut lines = said.lines();
    let Some(error) = lines.by_ref().find(|line| line.starts_with("error")) else {
        return said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim().to_owned();
    };
    match lines.next().and_then(|line| line.trim_start().strip_prefix("--> ")) {
        Some(place) => format!("{place}: {error}"),
        None => error.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_those_of_the_checked_in_components() {
        let script = include_str!("../../../policies/toolchain/build");
        assert!(
            script.contains(&format!("-zstack-size={STACK_BYTES}")) && script.contains(&format!("heap={HEAP_BYTES}"))
        );
        let manifest = include_str!("../../../Cargo.toml");
        let (_, profile) = manifest.split_once("[profile.component]").unwrap();
        for (variable, value) in PROFILE {
            let key = variable.trim_start_matches("CARGO_PROFILE_RELEASE_").to_lowercase().replace('_', "-");
            let lines = [format!("{key} = {value}"), format!("{key} = \"{value}\"")];
            assert!(profile.lines().any(|line| lines.contains(&line.to_owned())), "{key}");
        }
    }

    #[test]
    fn the_first_error_is_told_with_its_place() {
        let said =
            "warning: unused\n --> src/lib.rs:1:1\nerror[E0425]: cannot find value `x`\n --> src/lib.rs:3:5\n  |\n";
        assert_eq!(first_error(said), "src/lib.rs:3:5: error[E0425]: cannot find value `x`");
        assert_eq!(first_error("wasm-std: no apt\n"), "wasm-std: no apt");
        assert_eq!(first_error(""), "it said nothing");
    }
}
