//! The arguments of `trimtab policy …` and of the commands that read the ledger.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use trimtab_core::proposal::Slot;

use crate::output::Format;

mod ledger;
mod recorded;
mod registry;

pub use ledger::{
    AuditArguments, AuditCommand, EventArguments, ExplainArguments, ExportArguments, ExportFormat, HistoryArguments,
    LedgerArguments, Moment, QueryArguments, VerifyArguments,
};
pub use recorded::{RecordArguments, ReplayArguments};
pub use registry::{
    ConfigMapArguments, PullArguments, PushArguments, RegistryArguments, SignArguments, VerifyPolicyArguments,
};

/// The commands of policy authors and of those who read the ledger.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Write, build, test and compare policies; no cluster is needed
    Policy(PolicyArguments),
    /// Say why a remediation ended as it did, or stands where it is
    Explain(ExplainArguments),
    /// List remediations, the latest first
    History(HistoryArguments),
    /// Look at, export and verify the audit trail
    Audit(AuditArguments),
}

impl Command {
    /// The data folder that was named.
    pub fn data(&self) -> Option<&Path> {
        let ledger = match self {
            Self::Policy(PolicyArguments { command: PolicyCommand::Record(record), .. }) => &record.ledger,
            Self::Policy(_) => return None,
            Self::Explain(explain) => &explain.ledger,
            Self::History(history) => &history.ledger,
            Self::Audit(audit) => match &audit.command {
                AuditCommand::Query(query) => &query.ledger,
                AuditCommand::Export(export) => &export.ledger,
                AuditCommand::Verify(verify) => &verify.ledger,
            },
        };
        ledger.data.as_deref()
    }

    /// Whether the command reads a ledger.
    pub fn reads_ledger(&self) -> bool {
        match self {
            Self::Policy(policy) => matches!(policy.command, PolicyCommand::Record(_)),
            Self::Explain(_) | Self::History(_) | Self::Audit(_) => true,
        }
    }

    /// Whether an error is told in more than one line.
    pub fn is_verbose(&self) -> bool {
        matches!(self, Self::Policy(policy) if policy.verbose)
    }
}

/// Write, build, test and compare policies; no cluster is needed
#[derive(Debug, Clone, Args)]
pub struct PolicyArguments {
    /// What to do.
    #[command(subcommand)]
    pub command: PolicyCommand,
    /// After an error, say more than one line
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

/// What can be done with a policy.
#[derive(Debug, Clone, Subcommand)]
pub enum PolicyCommand {
    /// Make a project that builds and passes its own tests
    New(NewArguments),
    /// Build the project's component
    Build(BuildArguments),
    /// Ask a component about one observation; print answers, fuel, memory and log
    Run(RunArguments),
    /// Run the test cases of a project, or of files
    Test(TestArguments),
    /// Measure fuel, exactly, and time; compare with a saved measurement
    Bench(BenchArguments),
    /// Say what a component is: slots, imports, config, needs
    Inspect(InspectArguments),
    /// Search for observations on which two components differ
    Diff(DiffArguments),
    /// Copy decisions out of the ledger into a file, with all that they were made with
    Record(RecordArguments),
    /// Decide recorded decisions again: the same to the last byte, or what another policy would change
    Replay(ReplayArguments),
    /// Print a `ConfigMap` with a component in it, for `kubectl create -f -` or `kubectl replace -f -`
    #[command(name = "configmap")]
    ConfigMap(ConfigMapArguments),
    /// Put a component into a registry and print its reference with its digest
    Push(PushArguments),
    /// Bring a component from a registry or an HTTPS server into a file
    Pull(PullArguments),
    /// Sign what lies in a registry, as cosign does with a key
    Sign(SignArguments),
    /// Say whether a key has signed what lies in a registry
    Verify(VerifyPolicyArguments),
    /// Check files without running anything: observations, tests, configs, limits, projects
    Lint(LintArguments),
    /// Print the JSON Schema of a file format, for editors
    Schema(SchemaArguments),
}

fn slot(text: &str) -> Result<Slot, String> {
    Slot::ALL
        .into_iter()
        .find(|slot| slot.name() == text)
        .ok_or_else(|| format!("no slot is called \"{text}\": use timeouts, transitions or children"))
}

/// Arguments of `new`.
#[derive(Debug, Clone, Args)]
pub struct NewArguments {
    /// Name of the policy: lower-case words joined by hyphens
    pub name: String,
    /// Slots that it fills, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "timeouts", value_parser = slot, value_name = "SLOT")]
    pub slots: Vec<Slot>,
    /// Folder to make [default: the name, in the current folder]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Arguments of `build`.
#[derive(Debug, Clone, Args)]
pub struct BuildArguments {
    /// Folder of the project's Cargo.toml
    #[arg(default_value = ".", value_name = "DIR")]
    pub dir: PathBuf,
    /// How the result is printed
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
}

/// Arguments of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArguments {
    /// The component
    #[arg(value_name = "COMPONENT")]
    pub component: PathBuf,
    /// The observation, YAML or JSON, or a recorded one: FILE#N, N from 1 [default: one with every default]
    #[arg(long, value_name = "FILE")]
    pub observation: Option<PathBuf>,
    /// Slots to ask [default: all that it fills]
    #[arg(long = "slot", value_delimiter = ',', value_parser = slot, value_name = "SLOT")]
    pub slots: Vec<Slot>,
    /// The policy's config, YAML or JSON
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Limits (fuel, memoryBytes, wallClockMillis, …), YAML or JSON
    #[arg(long, value_name = "FILE")]
    pub limits: Option<PathBuf>,
    /// Phases whose "ask" deadline has passed [default: what follows from the timeouts slot]
    #[arg(long, num_args = 1.., value_name = "PHASE")]
    pub expired: Vec<String>,
    /// The intent that the children slot is told, YAML or JSON [default: the transitions slot's answer]
    #[arg(long, value_name = "FILE")]
    pub intent: Option<PathBuf>,
    /// How the result is printed
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
}

/// Arguments of `test`.
#[derive(Debug, Clone, Args)]
pub struct TestArguments {
    /// A project's folder, or files with cases [default: the project in the current folder]
    #[arg(value_name = "DIR|FILE")]
    pub paths: Vec<PathBuf>,
    /// The component [default: the project's]
    #[arg(long, value_name = "FILE")]
    pub component: Option<PathBuf>,
    /// Run nothing: write the recorded decisions of a file as test cases
    #[arg(long, value_name = "RECORDED", conflicts_with_all = ["paths", "component", "tap", "junit", "coverage_min", "conformance"])]
    pub from: Option<PathBuf>,
    /// With --from: where the cases are written [default: standard output]
    #[arg(long, value_name = "FILE", requires = "from")]
    pub out: Option<PathBuf>,
    /// With --from: only what these slots answered [default: every slot, and what the host made of it]
    #[arg(long = "slot", value_delimiter = ',', value_parser = slot, value_name = "SLOT", requires = "from")]
    pub slots: Vec<Slot>,
    /// Print the results as TAP (Test Anything Protocol)
    #[arg(long)]
    pub tap: bool,
    /// Where the results are written as `JUnit` XML as well.
    #[arg(long, value_name = "FILE", help = "Write the results as JUnit XML as well")]
    pub junit: Option<PathBuf>,
    /// Fail where fewer per cent of the edges and outcomes are reached
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=100), value_name = "N")]
    pub coverage_min: Option<u8>,
    /// Check as well what every policy must keep, on generated observations
    #[arg(long)]
    pub conformance: bool,
    /// How the result is printed
    #[arg(short, long, value_enum, default_value_t, conflicts_with = "tap", value_name = "FORMAT")]
    pub output: Format,
}

/// Arguments of `bench`.
#[derive(Debug, Clone, Args)]
pub struct BenchArguments {
    /// The component [default: that of the project in the current folder, with its test cases]
    #[arg(value_name = "COMPONENT")]
    pub component: Option<PathBuf>,
    /// The policy's config, YAML or JSON [default: the project's, else the policy's own]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Files with test cases whose observations are measured [default: the project's, else generated ones]
    #[arg(long, value_name = "FILE")]
    pub cases: Vec<PathBuf>,
    /// Keep the measurement in a file
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Compare with a kept measurement: fuel must be equal
    #[arg(long, value_name = "FILE")]
    pub compare: Option<PathBuf>,
    /// With --compare: fail where the median time is more than this many per cent longer
    #[arg(long, requires = "compare", value_name = "PERCENT")]
    pub threshold: Option<u32>,
    /// Measurements of each case
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "N")]
    pub runs: u32,
    /// How the result is printed
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
}

/// Arguments of `inspect`.
#[derive(Debug, Clone, Args)]
pub struct InspectArguments {
    /// The component
    #[arg(value_name = "COMPONENT")]
    pub component: PathBuf,
    /// Print the whole JSON Schema of its config, and nothing else
    #[arg(long)]
    pub schema: bool,
    /// Limits (fuel, memoryBytes, wallClockMillis, …), YAML or JSON
    #[arg(long, value_name = "FILE")]
    pub limits: Option<PathBuf>,
    /// How the result is printed
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
}

/// Arguments of `diff`.
#[derive(Debug, Clone, Args)]
pub struct DiffArguments {
    /// The one component
    #[arg(value_name = "A")]
    pub a: PathBuf,
    /// The other one; the same file to compare two configs
    #[arg(value_name = "B")]
    pub b: PathBuf,
    /// Config of A, YAML or JSON
    #[arg(long, value_name = "FILE")]
    pub config_a: Option<PathBuf>,
    /// Config of B, YAML or JSON
    #[arg(long, value_name = "FILE")]
    pub config_b: Option<PathBuf>,
    /// Limits of both, YAML or JSON
    #[arg(long, value_name = "FILE")]
    pub limits: Option<PathBuf>,
    /// Compare on recorded observations, and search for none
    #[arg(long, value_name = "RECORDED")]
    pub from: Option<PathBuf>,
    /// Write the observations of the examples into a folder, for `run --observation` and for tests
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
    /// Seconds to search at most
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400), value_name = "SECONDS")]
    pub seconds: u64,
    /// How the result is printed
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FileKind {
    /// A project: `policy.yaml`.
    Project,
    /// Test cases.
    Test,
    /// An observation.
    Observation,
    /// A policy's config.
    Config,
    /// Limits, as `trimtab run --policy-limits` takes them.
    Limits,
    /// An intent.
    Intent,
}

/// Arguments of `lint`.
#[derive(Debug, Clone, Args)]
pub struct LintArguments {
    /// Files and folders
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// What the files are [default: told by their names]
    #[arg(long, value_enum, value_name = "KIND")]
    pub kind: Option<FileKind>,
    /// The component that configs are checked against [default: the project's]
    #[arg(long, value_name = "FILE")]
    pub component: Option<PathBuf>,
    /// How findings are printed
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
}

/// A format with a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// An observation.
    Observation,
    /// A test case.
    Test,
    /// `policy.yaml`.
    Project,
}

/// Arguments of `schema`.
#[derive(Debug, Clone, Args)]
pub struct SchemaArguments {
    /// Which format
    #[arg(value_enum, value_name = "FORMAT")]
    pub kind: SchemaKind,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory as _, Parser};

    #[derive(Debug, Parser)]
    struct Whole {
        #[command(flatten)]
        policy: PolicyArguments,
    }

    #[test]
    fn the_arguments_are_consistent() {
        Whole::command().debug_assert();
    }

    #[test]
    fn slots_are_read_by_name() {
        let parsed = Whole::try_parse_from(["t", "new", "x", "--slots", "timeouts,children"]).unwrap();
        let PolicyCommand::New(new) = parsed.policy.command else { panic!("new was typed") };
        assert_eq!(new.slots, [Slot::Timeouts, Slot::Children]);
        let error = Whole::try_parse_from(["t", "new", "x", "--slots", "clock"]).unwrap_err().to_string();
        assert!(error.contains("no slot is called \"clock\""), "{error}");
    }
}
