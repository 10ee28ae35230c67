//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use trimtab_core::ports::FailStrategy;
use trimtab_core::proposal::Slot;
use trimtab_stack::doctor::{DoctorScope, Purpose, examine, exit_code, render_json, render_text};

use crate::brakes::arguments::{BrakesArguments, PauseArguments, ResumeArguments};

/// A remediation orchestrator for Kubernetes whose judgement is pluggable.
#[derive(Debug, Parser)]
#[command(name = "trimtab", version, about, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Play two dozen incidents on an embedded cluster, in about a minute
    Demo(DemoArguments),
    /// Run the controller against a cluster
    Run(Box<RunArguments>),
    /// Let no new execution start for some remediations, or for all, until it is resumed
    Pause(PauseArguments),
    /// Let executions start again
    Resume(ResumeArguments),
    /// Show pauses, limits and the breaker, who is held, and which deadlines run
    Brakes(BrakesArguments),
    /// Run an embedded Kubernetes API with stand-ins for the other services, for development
    Cluster(ClusterArguments),
    /// Say how the decisions of `trimtab run --observe` compare with those of the other orchestrator
    Observe(ObserveArguments),
    /// Print the CRDs as YAML
    Crds(CrdsArguments),
    /// Compile a component from standard input into the cache of a data folder; `run` does this by itself
    #[command(hide = true)]
    Compile(CompileArguments),
    #[command(flatten)]
    Author(trimtab_author::cli::Command),
    /// Print the completion script of a shell
    Completion(CompletionArguments),
    /// Examine this machine: space, ports, tools, leftovers; say how to mend what is wrong
    Doctor(DoctorArguments),
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct LogArguments {
    #[arg(
        long,
        env = "TRIMTAB_LOG",
        value_name = "FILTER",
        help = "What to log: a level, or targets with levels as in info,trimtab_controller=debug [default: info]"
    )]
    pub(crate) log: Option<String>,
    /// How log lines are written, on standard error [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

#[derive(Debug, Args)]
pub(crate) struct CrdsArguments {
    /// Only the kinds of this group
    #[arg(long, value_name = "GROUP", value_parser = trimtab_api::kinds::GROUPS)]
    pub(crate) group: Option<String>,
}

/// Which policies fill the slots.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PolicyArguments {
    /// Fill a slot (timeouts, transitions, children or all) with a component; a changed file is reloaded
    #[arg(long = "policy", value_name = "SLOT=FILE")]
    pub(crate) policies: Vec<SlotFile>,
    /// Config of a slot's policy, JSON or YAML; a changed file is reloaded
    #[arg(long = "policy-config", value_name = "SLOT=FILE")]
    pub(crate) configs: Vec<SlotFile>,
    /// Limits of a slot's policy (fuel, memoryBytes, wallClockMillis, …), JSON or YAML; a changed file is reloaded
    #[arg(long = "policy-limits", value_name = "SLOT=FILE")]
    pub(crate) limits: Vec<SlotFile>,
    #[arg(
        long = "fail-strategy",
        value_name = "SLOT=STRATEGY",
        help = "What happens when a slot's policy faults: LastGood, Builtin, Hold or Fail"
    )]
    pub(crate) strategies: Vec<SlotStrategy>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    #[command(flatten)]
    pub(crate) policies: PolicyArguments,
    #[arg(
        long = "policies",
        value_name = "DIR",
        help = "Folder of Policy and PolicySet documents, which go before --policy; a changed document or file is reloaded [default: the objects of these kinds in the controller's namespace]"
    )]
    pub(crate) policies_folder: Option<PathBuf>,
    /// Folder of the files that Policy objects of the cluster name
    #[arg(long, value_name = "DIR", conflicts_with = "policies_folder")]
    pub(crate) policy_files: Option<PathBuf>,
    /// Whose components a Policy may name, JSON or YAML: keys by registry, and whether digests are required
    #[arg(long, value_name = "FILE")]
    pub(crate) policy_trust: Option<PathBuf>,
    /// Kubeconfig; default: the usual places, then the pod's service account
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The config file of Kubernaut's orchestrator, YAML; a changed file is reloaded, and flags come before it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Namespace of the remediations, once for each [default: that of the controller]
    #[arg(long = "namespace", value_name = "NAME", value_parser = namespace)]
    pub(crate) namespaces: Vec<String>,
    /// Watch the remediations of every namespace
    #[arg(long, conflicts_with = "namespaces")]
    pub(crate) all_namespaces: bool,
    /// Namespace of the controller, which holds brakes and locks [default: the first of the remediations, else kubernaut-system]
    #[arg(long, env = "KUBERNAUT_CONTROLLER_NAMESPACE", value_name = "NAME", value_parser = namespace)]
    pub(crate) controller_namespace: Option<String>,
    /// Change nothing: decide beside another orchestrator, and compare with what it does (`trimtab observe report`)
    #[arg(long, conflicts_with = "take_over")]
    pub(crate) observe: bool,
    /// Act on remediations that this other manager has begun, once it has stopped; its name in managedFields
    #[arg(long, value_name = "MANAGER")]
    pub(crate) take_over: Vec<String>,
    /// Folder of the ledger and the cache key; required in a cluster
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The administrator's settings, JSON or YAML: ceilings, retention, assessment delays (milliseconds); before --config
    #[arg(long, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) audit: AuditArguments,
    /// Remediations worked on at once
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=256), value_name = "N")]
    pub(crate) workers: u16,
    /// Address of /metrics [default: port 9090, loopback outside a cluster]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics_address: Option<SocketAddr>,
    /// Address of /healthz and /readyz [default: port 8081, loopback outside a cluster]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) health_address: Option<SocketAddr>,
    /// Stop when standard input ends, for programs that start this one
    #[arg(long, hide = true)]
    pub(crate) exit_on_stdin_close: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompileArguments {
    /// Folder of the ledger and the cache key
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
}

/// A namespace's name.
fn namespace(text: &str) -> Result<String, String> {
    if crate::config::is_name(text) {
        return Ok(text.to_owned());
    }
    Err("no name of a namespace: small letters, digits and dashes, at most 63, a letter or digit at both ends"
        .to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct ObserveArguments {
    #[command(subcommand)]
    pub(crate) command: ObserveCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ObserveCommand {
    /// What agreed, what differs and why, and what could not be told
    Report(ObserveReportArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ObserveReportArguments {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Folder of the ledger, as `trimtab run` has it
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// Where audit events go, and how long the ledger keeps what it has.
#[derive(Debug, Args)]
pub(crate) struct AuditArguments {
    /// Address of `DataStorage`; without one audit events stay in the ledger
    #[arg(long, value_name = "URL")]
    pub(crate) datastorage_url: Option<String>,
    /// Whose event ids `DataStorage` keeps: its own, as Kubernaut's, or ours
    #[arg(long, value_enum, default_value_t = EventIds::Theirs, value_name = "WHOSE")]
    pub(crate) datastorage_ids: EventIds,
    /// File with the bearer token for `DataStorage` [default in a cluster: the pod's service account]
    #[arg(long, value_name = "FILE")]
    pub(crate) datastorage_token: Option<PathBuf>,
    /// PEM file with the authorities that vouch for `DataStorage` [default: the machine's]
    #[arg(long, value_name = "FILE")]
    pub(crate) datastorage_ca: Option<PathBuf>,
    /// Most MiB of the ledger; the oldest ended remediations go first, never an undelivered audit event
    #[arg(long, default_value_t = 2048, value_parser = clap::value_parser!(u64).range(1..=1_048_576), value_name = "MIB")]
    pub(crate) ledger_mib: u64,
    /// Days that the ledger keeps an ended remediation
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3650), value_name = "DAYS")]
    pub(crate) ledger_days: u64,
}

/// Whose event ids the receiver keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum EventIds {
    /// The receiver gives each event an id of its own
    Theirs,
    /// The receiver stores an id once
    Ours,
}

#[derive(Debug, Args)]
pub(crate) struct ClusterArguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// Loopback address to listen on [default: a free port]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Folder of the cluster's objects and kubeconfig
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Laws of the stand-ins (latencies and outcomes), JSON or YAML
    #[arg(long, value_name = "FILE")]
    pub(crate) laws: Option<PathBuf>,
    /// Run without stand-ins: somebody else plays the other services
    #[arg(long, conflicts_with = "laws")]
    pub(crate) no_stand_ins: bool,
    /// Stop when standard input ends, for programs that start this one
    #[arg(long, hide = true)]
    pub(crate) exit_on_stdin_close: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    #[command(flatten)]
    pub(crate) policies: PolicyArguments,
    /// Keep the API up at the end and print how to look around with kubectl
    #[arg(long)]
    pub(crate) stay: bool,
    /// Keep the cluster, the ledger and the logs in this folder, which must be new or empty
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionArguments {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Examine this data folder
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// Examines the machine and prints what was found; exit code 1 where something must be mended.
pub(crate) fn doctor(arguments: &DoctorArguments) -> anyhow::Result<std::process::ExitCode> {
    let mut scope = DoctorScope::of_process([Purpose::Run, Purpose::Author, Purpose::Develop]);
    scope.data.clone_from(&arguments.data);
    let findings = examine(&scope);
    let text = if arguments.json { render_json(&findings) } else { render_text(&findings) };
    crate::print(&text)?;
    Ok(std::process::ExitCode::from(exit_code(&findings)))
}

/// Prints the completion script of a shell.
pub(crate) fn completion(arguments: &CompletionArguments) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "trimtab", &mut script);
    crate::print(&String::from_utf8_lossy(&script))
}

/// One slot, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slots {
    One(Slot),
    All,
}

impl Slots {
    pub(crate) fn covers(self, slot: Slot) -> bool {
        match self {
            Self::One(one) => one == slot,
            Self::All => true,
        }
    }
}

impl FromStr for Slots {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "all" {
            return Ok(Self::All);
        }
        let slot = Slot::ALL.into_iter().find(|slot| slot.name() == text);
        slot.map(Self::One)
            .ok_or_else(|| format!("no slot is called \"{text}\": use timeouts, transitions, children or all"))
    }
}

/// `SLOT=FILE`.
#[derive(Debug, Clone)]
pub(crate) struct SlotFile {
    pub(crate) slots: Slots,
    pub(crate) file: PathBuf,
}

impl FromStr for SlotFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (slot, file) = split(text, "FILE")?;
        Ok(Self { slots: slot.parse()?, file: PathBuf::from(file) })
    }
}

/// `SLOT=STRATEGY`.
#[derive(Debug, Clone)]
pub(crate) struct SlotStrategy {
    pub(crate) slots: Slots,
    pub(crate) strategy: FailStrategy,
}

impl FromStr for SlotStrategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (slot, strategy) = split(text, "STRATEGY")?;
        Ok(Self { slots: slot.parse()?, strategy: strategy.parse()? })
    }
}

fn split<'a>(text: &'a str, what: &str) -> Result<(&'a str, &'a str), String> {
    text.split_once('=')
        .filter(|(_, value)| !value.is_empty())
        .ok_or_else(|| format!("\"{text}\" is not SLOT={what}; for example timeouts={what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_slot_and_its_file_are_read() {
        let parsed: SlotFile = "timeouts=a=b.wasm".parse().unwrap();
        assert_eq!(parsed.slots, Slots::One(Slot::Timeouts));
        assert_eq!(parsed.file, PathBuf::from("a=b.wasm"));
        assert!("clock=x".parse::<SlotFile>().unwrap_err().contains("no slot is called"));
        assert!("timeouts".parse::<SlotFile>().unwrap_err().contains("SLOT=FILE"));
        assert!("all=Maybe".parse::<SlotStrategy>().unwrap_err().contains("no fail strategy"));
    }
}
