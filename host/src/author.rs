//! Mounts `trimtab policy …`: the engine, the terminal and the exit code.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use trimtab_author::Surroundings;
use trimtab_author::cli::PolicyArguments;
use trimtab_policy_engine::{CacheConfig, EngineConfig};

use crate::{FAILED, one_line, paths, print};

/// Carries out a command and prints what it leaves. Errors are one line; `-v` adds what is behind it.
pub(crate) fn main(arguments: &PolicyArguments) -> ExitCode {
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
    let mut surroundings = Surroundings { folder, engine: engine(), progress: &mut progress, tell: &mut tell };
    let result = trimtab_author::execute(arguments, &mut surroundings);
    (surroundings.progress)("");
    match result {
        Ok(outcome) => match print(&outcome.text) {
            Ok(()) => ExitCode::from(outcome.exit_code),
            Err(error) => failed(&one_line(&error)),
        },
        Err(error) => {
            eprintln!("trimtab: {}", error.to_string().replace('\n', " "));
            if let Some(details) = error.details().filter(|_| arguments.verbose) {
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
fn engine() -> EngineConfig {
    let key = paths::data(None).and_then(|data| paths::cache_key(&data)).ok();
    let cache = key.and_then(|key| paths::cache(&key).map(|folder| CacheConfig::new(folder, key)));
    EngineConfig { cache, pool: false, ..EngineConfig::default() }
}
