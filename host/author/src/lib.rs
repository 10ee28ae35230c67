//! What policy authors type, `trimtab policy …`, and what people ask the ledger: `explain`, `history`, `audit`.
//!
//! Policies run through the same engine, with the same limits and words, as in a cluster. Nothing here talks to a
//! cluster, and nothing writes to a ledger.

use std::path::PathBuf;

use trimtab_core::time::Timestamp;
use trimtab_policy_engine::EngineConfig;

use crate::cli::{AuditCommand, Command, PolicyArguments, PolicyCommand};
use crate::error::AuthorError;
use crate::output::Outcome;
use crate::workbench::Workbench;

mod audit;
pub mod bench;
pub mod bundle;
pub mod cli;
pub mod component;
mod config_map;
mod diff;
pub mod document;
pub mod environment;
pub mod error;
pub mod explain;
pub mod explore;
pub mod history;
pub mod inspect;
pub mod intent;
mod ledger;
mod lint;
mod new;
pub mod observation;
pub mod output;
pub mod project;
mod record;
mod recorded;
pub mod registry;
pub mod replay;
pub mod run;
pub mod schema;
pub mod test;
pub mod view;
pub mod workbench;

/// What a command needs of the process that it runs in.
pub struct Surroundings<'a> {
    /// The current folder.
    pub folder: PathBuf,
    /// What the engine is made of.
    pub engine: EngineConfig,
    /// Folder of the ledger, or why none is known.
    pub data: Result<PathBuf, String>,
    /// The present moment.
    pub now: Timestamp,
    /// Takes what is too much to be held, for standard output; an error ends the command.
    pub print: &'a mut dyn FnMut(&str) -> std::io::Result<()>,
    /// Told how far a long search is; may be thrown away.
    pub progress: &'a mut dyn FnMut(&str),
    /// Told what a person should know beside the result.
    pub tell: &'a mut dyn FnMut(&str),
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings")
            .field("folder", &self.folder)
            .field("engine", &self.engine)
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

/// Carries out a command.
pub fn execute(command: &Command, surroundings: &mut Surroundings<'_>) -> Result<Outcome, AuthorError> {
    match command {
        Command::Policy(asked) => policy(asked, surroundings),
        Command::Explain(asked) => explain::run(asked, surroundings),
        Command::History(asked) => history::run(asked, surroundings),
        Command::Audit(asked) => match &asked.command {
            AuditCommand::Query(asked) => audit::query::run(asked, surroundings),
            AuditCommand::Export(asked) => audit::export::run(asked, surroundings),
            AuditCommand::Verify(asked) => audit::verify::run(asked, surroundings),
        },
    }
}

fn policy(arguments: &PolicyArguments, surroundings: &mut Surroundings<'_>) -> Result<Outcome, AuthorError> {
    let workbench = |surroundings: &Surroundings<'_>| Workbench::new(surroundings.engine.clone());
    match &arguments.command {
        PolicyCommand::New(asked) => new::run(asked, &surroundings.folder),
        PolicyCommand::Build(asked) => component::run(asked, &workbench(surroundings)?, surroundings),
        PolicyCommand::Run(asked) => run::run(asked, &workbench(surroundings)?),
        PolicyCommand::Test(asked) => test::run(asked, &workbench(surroundings)?, surroundings),
        PolicyCommand::Bench(asked) => bench::run(asked, &workbench(surroundings)?, surroundings),
        PolicyCommand::Inspect(asked) => inspect::run(asked, &workbench(surroundings)?, surroundings),
        PolicyCommand::Record(asked) => record::run(asked, surroundings),
        PolicyCommand::Replay(asked) => replay::run(asked, surroundings),
        PolicyCommand::Diff(asked) => diff::run(asked, &workbench(surroundings)?, surroundings),
        PolicyCommand::ConfigMap(asked) => config_map::print(asked, &workbench(surroundings)?),
        PolicyCommand::Push(asked) => registry::push(asked, &workbench(surroundings)?),
        PolicyCommand::Pull(asked) => registry::pull(asked),
        PolicyCommand::Sign(asked) => registry::sign(asked),
        PolicyCommand::Verify(asked) => registry::verify(asked),
        PolicyCommand::Lint(asked) => lint::run(asked, &workbench(surroundings)?),
        PolicyCommand::Schema(asked) => Ok(Outcome::fine(schema::schema(asked.kind))),
    }
}

#[cfg(test)]
mod theatre;
