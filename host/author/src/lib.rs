//! What policy authors type: `trimtab policy …`. Policies run through the same engine, with the same limits and words,
//! as in a cluster. Nothing here talks to a cluster.

use std::path::PathBuf;

use trimtab_policy_engine::EngineConfig;

use crate::cli::{PolicyArguments, PolicyCommand};
use crate::error::AuthorError;
use crate::output::Outcome;
use crate::workbench::Workbench;

pub mod bench;
pub mod cli;
pub mod component;
mod diff;
pub mod document;
pub mod error;
pub mod explore;
pub mod inspect;
pub mod intent;
mod lint;
mod new;
pub mod observation;
pub mod output;
pub mod project;
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
            .finish_non_exhaustive()
    }
}

/// Carries out a command.
pub fn execute(arguments: &PolicyArguments, surroundings: &mut Surroundings<'_>) -> Result<Outcome, AuthorError> {
    let workbench = |surroundings: &Surroundings<'_>| Workbench::new(surroundings.engine.clone());
    match &arguments.command {
        PolicyCommand::New(asked) => new::run(asked, &surroundings.folder),
        PolicyCommand::Build(asked) => component::run(asked, &workbench(surroundings)?, surroundings),
        PolicyCommand::Run(asked) => run::run(asked, &workbench(surroundings)?),
        PolicyCommand::Test(asked) => test::run(asked, &workbench(surroundings)?, surroundings),
        PolicyCommand::Bench(asked) => bench::run(asked, &workbench(surroundings)?, surroundings),
        PolicyCommand::Inspect(asked) => inspect::run(asked, &workbench(surroundings)?, surroundings),
        PolicyCommand::Diff(asked) => diff::run(asked, &workbench(surroundings)?, surroundings),
        PolicyCommand::Lint(asked) => lint::run(asked, &workbench(surroundings)?),
        PolicyCommand::Schema(asked) => Ok(Outcome::fine(schema::schema(asked.kind))),
    }
}
