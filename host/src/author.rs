//! Mounts `trimtab policy …`, `explain`, `history` and `audit`: the engine, the ledger's folder, the terminal and the
//! exit code.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use trimtab_author::Surroundings;
use trimtab_author::cli::Command;
use trimtab_controller::SystemClock;
use trimtab_core::ports::Clock as _;
use trimtab_policy_engine::{CacheConfig, EngineConfig};

use crate::{FAILED, one_line, paths, print};

/// Carries out a command and prints what it leaves. Errors are one line; `-v` adds what is behind it.
pub(crate) fn main(command: &Command) -> ExitCode {
    let folder = match std::env::current_dir() {
        Ok(folder) => folder,
        Err(error) => return failed(&format!("the current folder is gone: {error}")),
    };
    let is_terminal = std::io::stderr().is_terminal();
    let mut progress = |text: &str| {
        if is_terminal {
            // A terminal that went away is no reason to stop.
            let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
        }
    };
    let mut tell = |text: &str| eprintln!("trimtab: {text}");
    let mut is_cut_off = false;
    let mut print_piece = |text: &str| {
        let written = std::io::stdout().write_all(text.as_bytes());
        is_cut_off = written.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe);
        written
    };
    let mut surroundings = Surroundings {
        folder,
        engine: engine(command),
        data: paths::data(command.data()).map_err(|error| one_line(&error)),
        now: SystemClock.now(),
        print: &mut print_piece,
        progress: &mut progress,
        tell: &mut tell,
    };
    let result = trimtab_author::execute(command, &mut surroundings);
    (surroundings.progress)("");
    match result {
        Ok(outcome) => match print(&outcome.text) {
            Ok(()) => ExitCode::from(outcome.exit_code),
            Err(error) => failed(&one_line(&error)),
        },
        // A reader that has seen enough, such as `head`, is no failure.
        Err(_) if is_cut_off => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("trimtab: {}", error.to_string().replace('\n', " "));
            if let Some(details) = error.details().filter(|_| command.is_verbose()) {
                eprintln!("{details}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}

fn failed(line: &str) -> ExitCode {
    eprintln!("trimtab: {line}");
    ExitCode::from(FAILED)
}

/// An engine for one command: no pool, and the compile cache that `trimtab run` uses, where there is one.
fn engine(command: &Command) -> EngineConfig {
    let cache = paths::data(command.data()).ok().and_then(|data| cache(command, &data));
    EngineConfig { cache, pool: false, ..EngineConfig::default() }
}

/// The key's file in the data folder.
const CACHE_KEY: &str = "cache.key";

/// Who only reads a ledger makes no key in its folder.
fn cache(command: &Command, data: &Path) -> Option<CacheConfig> {
    if command.reads_ledger() && !data.join(CACHE_KEY).is_file() {
        return None;
    }
    let key = paths::cache_key(data).ok()?;
    paths::cache(&key).map(|folder| CacheConfig::new(folder, key))
}
