//! Compiles components in a process of its own: the compiler's code and memory are gone when it ends, and one that takes
//! too long is ended.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use trimtab_policy_engine::{CacheConfig, Compiler, CompilerFailure, Engine, EngineConfig, LoadError};

use crate::cli::CompileArguments;
use crate::{bad_input, paths};

/// Longest that one component may take. The built-in policy takes a quarter of a second.
const TIME_MAX: Duration = Duration::from_mins(1);

/// Exit code of a Rust program that panics.
const PANICKED: i32 = 101;

/// How often is looked whether it is done.
const POLL: Duration = Duration::from_millis(2);

/// The cache of this data folder; `None` where there is no home to keep one in.
pub(crate) fn cache(data: &Path) -> anyhow::Result<Option<CacheConfig>> {
    let key = paths::cache_key(data)?;
    Ok(paths::cache(&key).map(|folder| CacheConfig::new(folder, key)))
}

/// The program itself, for components that its cache does not have.
pub(crate) fn apart(data: &Path) -> Option<Arc<dyn Compiler>> {
    let program = std::env::current_exe().ok()?;
    Some(Arc::new(Apart { program, data: data.to_owned() }))
}

/// `trimtab compile`: reads a component and leaves it compiled in the cache.
pub(crate) fn main(arguments: &CompileArguments) -> anyhow::Result<()> {
    let mut component = Vec::new();
    std::io::stdin().read_to_end(&mut component).context("cannot read the component")?;
    let engine = Engine::new(EngineConfig { cache: cache(&arguments.data)?, instances: 1, ..EngineConfig::default() })?;
    match engine.compile(&component) {
        // Whoever asked says that it does not compile.
        Err(LoadError::Compile { detail }) => Err(bad_input(anyhow::anyhow!(detail))),
        done => done.map_err(bad_input),
    }
}

#[derive(Debug)]
struct Apart {
    program: PathBuf,
    data: PathBuf,
}

impl Compiler for Apart {
    fn compile(&self, component: &[u8]) -> Result<(), CompilerFailure> {
        let unavailable = |error: std::io::Error| CompilerFailure::Unavailable(error.to_string());
        let mut command = Command::new(&self.program);
        command.arg("compile").arg("--data").arg(&self.data);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(unavailable)?;
        if let Some(mut input) = child.stdin.take() {
            // One that ends early says why in its status and on its standard error.
            let _ = input.write_all(component);
        }
        let Some(status) = ended(&mut child).map_err(unavailable)? else {
            return Err(CompilerFailure::Refused(format!("it was not compiled within {} s", TIME_MAX.as_secs())));
        };
        if status.success() {
            return Ok(());
        }
        let mut said = String::new();
        if let Some(mut errors) = child.stderr.take() {
            let _ = errors.read_to_string(&mut said);
        }
        let said = said.lines().last().unwrap_or_default().trim_start_matches("trimtab: ").to_owned();
        Err(match status.code() {
            Some(code) if code == i32::from(crate::BAD_INPUT) => CompilerFailure::Refused(said),
            // What killed it, by memory or by a fault of the compiler, would kill this process too.
            None | Some(PANICKED) => CompilerFailure::Refused(format!("the compiler died of it ({status}) {said}")),
            Some(_) => CompilerFailure::Unavailable(format!("it ended with {status}: {said}")),
        })
    }
}

/// Waits for its end; `None` where it took too long, and was ended.
fn ended(child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
    let begun = Instant::now();
    while begun.elapsed() < TIME_MAX {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(POLL);
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}
