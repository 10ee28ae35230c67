//! The arguments of `trimtab pause`, `resume` and `brakes`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use trimtab_controller::SystemClock;
use trimtab_core::brakes::Pause;
use trimtab_core::brakes::rules::{LabelSelector, TEXT_BYTES_MAX};
use trimtab_core::ports::Clock as _;

/// Where the brakes are.
#[derive(Debug, Args)]
pub(crate) struct PlaceArguments {
    /// Kubeconfig; default: the usual places, then the pod's service account
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Namespace of the controller, which holds the brakes
    #[arg(long, env = "KUBERNAUT_CONTROLLER_NAMESPACE", default_value = "kubernaut-system", value_name = "NAME")]
    pub(crate) controller_namespace: String,
}

/// Which remediations; each member that is given must fit.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("scope").args(["all", "selector", "namespace", "severity"]).required(true).multiple(true))]
pub(crate) struct ScopeArguments {
    /// All of them
    #[arg(long, conflicts_with_all = ["selector", "namespace", "severity"])]
    pub(crate) all: bool,
    /// Those whose labels fit: key=value, key!=value, key or !key, joined by commas
    #[arg(long, value_name = "LABELS", value_parser = selector)]
    pub(crate) selector: Option<String>,
    /// Those whose target is in this namespace
    #[arg(long, value_name = "NAME", value_parser = text)]
    pub(crate) namespace: Option<String>,
    /// Those of this severity, as the signal or its classification has it
    #[arg(long, value_name = "SEVERITY", value_parser = text)]
    pub(crate) severity: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PauseArguments {
    #[command(flatten)]
    pub(crate) scope: ScopeArguments,
    /// Why, for whoever finds it paused
    #[arg(long, value_name = "TEXT", value_parser = text)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) person: PersonArguments,
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
}

#[derive(Debug, Args)]
pub(crate) struct PersonArguments {
    /// Who does it
    #[arg(long, env = "USER", default_value = "somebody", value_name = "NAME", value_parser = text)]
    pub(crate) by: String,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArguments {
    #[command(flatten)]
    pub(crate) scope: ScopeArguments,
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BrakesArguments {
    #[command(subcommand)]
    pub(crate) command: Option<BrakesCommand>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Look at the remediations of every namespace
    #[arg(long)]
    pub(crate) all_namespaces: bool,
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BrakesCommand {
    /// Close the breaker: what has failed until now does not count any more
    Reset(ResetArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ResetArguments {
    #[command(flatten)]
    pub(crate) person: PersonArguments,
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
}

impl ScopeArguments {
    /// A pause of this scope, without a reason.
    pub(crate) fn pause(&self) -> Pause {
        let member = |given: &Option<String>| given.clone().unwrap_or_default();
        Pause {
            labels: member(&self.selector),
            namespace: member(&self.namespace),
            severity: member(&self.severity),
            ..Pause::default()
        }
    }
}

/// The present moment as the brakes hold it.
pub(crate) fn now() -> String {
    SystemClock.now().to_string()
}

fn text(given: &str) -> Result<String, String> {
    match given.trim() {
        "" => Err("it is empty".to_owned()),
        text if text.len() > TEXT_BYTES_MAX => Err(format!("it has more than {TEXT_BYTES_MAX} bytes")),
        text => Ok(text.to_owned()),
    }
}

fn selector(given: &str) -> Result<String, String> {
    let given = text(given)?;
    LabelSelector::parse(&given).map(|_| given)
}
