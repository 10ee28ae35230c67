//! `trimtab`: argument parsing and wiring.

mod audit_trail;
mod author;
mod brakes;
mod cli;
mod cluster;
mod compile;
mod config;
mod demo;
mod engine_metrics;
mod logging;
mod observe;
mod paths;
mod policies;
mod run;
mod serve;
mod stop;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command};

/// An instance and its answers are many small allocations: this one makes and frees them faster than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Evaluations and writes of the ledger that are under way at once: each thread and each instance has memory of its own, and
/// more of them than cores only wait for each other.
const BLOCKING_THREADS_MAX: usize = 16;

/// Exit code of a failure while working.
const FAILED: u8 = 1;

/// Exit code of input that cannot be used; clap's own for wrong arguments.
const BAD_INPUT: u8 = 2;

/// An error that is the caller's to mend: bad input rather than a failure.
#[derive(Debug)]
struct BadInput(anyhow::Error);

impl std::fmt::Display for BadInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&one_line(&self.0))
    }
}

impl std::error::Error for BadInput {}

/// Marks an error as the caller's to mend.
fn bad_input(error: impl Into<anyhow::Error>) -> anyhow::Error {
    anyhow::Error::new(BadInput(error.into()))
}

fn main() -> ExitCode {
    // Without it, the first TLS connection would find no cryptography to use.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = match Cli::parse().command {
        Command::Crds(arguments) => print(&trimtab_api::crd_yaml(arguments.group.as_deref())),
        Command::Doctor(arguments) => return doctor(&arguments),
        Command::Author(command) => return author::main(&command),
        Command::Completion(arguments) => cli::completion(&arguments),
        Command::Cluster(arguments) => block_on(cluster::main(arguments)),
        Command::Run(arguments) => block_on(run::main(*arguments)),
        Command::Pause(arguments) => block_on(brakes::pause(arguments)),
        Command::Resume(arguments) => block_on(brakes::resume(arguments)),
        Command::Brakes(arguments) => block_on(brakes::main(arguments)),
        Command::Compile(arguments) => compile::main(&arguments),
        Command::Observe(arguments) => observe::main(&arguments),
        Command::Demo(arguments) => block_on(demo::main(arguments)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("trimtab: {}", one_line(&error));
            ExitCode::from(if error.downcast_ref::<BadInput>().is_some() { BAD_INPUT } else { FAILED })
        }
    }
}

/// The error and its causes in one line; a cause that its effect already quotes is left out.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if line.contains(&cause) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&cause);
    }
    line.replace('\n', " ")
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().max_blocking_threads(BLOCKING_THREADS_MAX);
    runtime.build()?.block_on(work)
}

fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    match std::io::stdout().write_all(text.as_bytes()) {
        // A reader that has seen enough, such as `head`, is no failure.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

fn doctor(arguments: &cli::DoctorArguments) -> ExitCode {
    cli::doctor(arguments).unwrap_or_else(|error| {
        eprintln!("trimtab: {}", one_line(&error));
        ExitCode::from(FAILED)
    })
}
