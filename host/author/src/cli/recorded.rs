//! The arguments of the commands that work on recorded decisions: `policy record`, `policy replay`.

use std::path::PathBuf;

use clap::Args;
use trimtab_core::proposal::Slot;

use super::{LedgerArguments, Moment, slot};
use crate::output::Format;

/// Arguments of `record`.
#[derive(Debug, Clone, Args)]
pub struct RecordArguments {
    /// Name or uid of a remediation [default: all of them, with --since]
    #[arg(value_name = "NAME", required_unless_present = "since")]
    pub name: Option<String>,
    /// Its namespace, where several have one of that name
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Its uid, where several were called so one after the other
    #[arg(long, value_name = "UID", requires = "name")]
    pub uid: Option<String>,
    /// Only decisions since: a length ago, or a time
    #[arg(long, value_name = "1h|TIME")]
    pub since: Option<Moment>,
    /// Where the decisions are written
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Leave the components out: replay finds them by --component
    #[arg(long)]
    pub without_components: bool,
    /// Where the ledger is.
    #[command(flatten)]
    pub ledger: LedgerArguments,
}

/// Arguments of `replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArguments {
    /// What `policy record` has written
    #[arg(value_name = "RECORDED")]
    pub bundle: PathBuf,
    /// Say what this component would change, in the slots that it fills
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Config of that policy, YAML or JSON [default: the policy's own]
    #[arg(long, value_name = "FILE", requires = "policy")]
    pub policy_config: Option<PathBuf>,
    /// Put that policy into these slots only
    #[arg(long = "slot", value_delimiter = ',', value_parser = slot, value_name = "SLOT", requires = "policy")]
    pub slots: Vec<Slot>,
    /// A component that the file names and does not hold
    #[arg(long = "component", value_name = "FILE")]
    pub components: Vec<PathBuf>,
    /// How the result is printed
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
}
