//! `trimtab doctor`: will this machine do, and if not, what to do about it.
//!
//! Each check reads something (a folder, the process table, a tool's version)
//! into plain data and then judges that; only the reading touches the machine.

mod finding;
mod folder;
mod limit;
mod output;
mod place;
mod port;
mod probe;
mod process;
mod process_table;
mod render;
mod tool;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

pub use finding::{Check, Finding, Severity};
pub use render::{exit_code, render_json, render_text, worst};

/// The port of metrics where nothing else is asked for.
pub const METRICS_PORT: u16 = 9090;
/// The port of health where nothing else is asked for.
pub const HEALTH_PORT: u16 = 8081;

/// What Trimtab is wanted for on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// `trimtab run`, `trimtab demo` and their like.
    Run,
    /// Compile policies.
    Author,
    /// Build Trimtab itself and run its tests.
    Develop,
}

/// What to examine.
#[derive(Debug, Clone)]
pub struct DoctorScope {
    /// Decides which folders, ports and tools are required.
    pub purposes: BTreeSet<Purpose>,
    /// Where the ledger and other state are kept, when not in the default place.
    pub data: Option<PathBuf>,
    /// The TCP ports on 127.0.0.1 that will be listened on.
    pub ports: Vec<u16>,
    /// The folder that `./target` is in.
    pub working_folder: PathBuf,
    /// Environment variables: those that name folders count.
    pub environment: BTreeMap<String, OsString>,
}

impl DoctorScope {
    /// This process's environment and the default ports.
    pub fn of_process(purposes: impl IntoIterator<Item = Purpose>) -> DoctorScope {
        let variables = env::vars_os();
        DoctorScope {
            purposes: purposes.into_iter().collect(),
            data: None,
            ports: vec![METRICS_PORT, HEALTH_PORT],
            // Without a working folder nothing can be in it.
            working_folder: env::current_dir().unwrap_or_default(),
            environment: variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect(),
        }
    }

    fn is_for(&self, purpose: Purpose) -> bool {
        self.purposes.contains(&purpose)
    }

    fn is_building(&self) -> bool {
        self.is_for(Purpose::Author) || self.is_for(Purpose::Develop)
    }
}

/// Examines everything in scope. It takes seconds at most, leaves nothing
/// behind and changes nothing: small files are written and removed again.
pub fn examine(scope: &DoctorScope) -> Vec<Finding> {
    let mut findings = examine_folders(scope);
    findings.push(limit::judge_descriptors(limit::descriptors()));
    let table = process_table::read();
    for port in &scope.ports {
        findings.push(port::judge(*port, &port::read(*port, &table), scope));
    }
    findings.extend(process::judge_ours(&table));
    for tool in tool::TOOLS {
        findings.push(tool::judge(tool, &tool::read(tool), scope));
    }
    findings
}

fn examine_folders(scope: &DoctorScope) -> Vec<Finding> {
    let read: Vec<_> = place::places(scope, &place::go_folders(scope))
        .into_iter()
        .map(|place| {
            let reading = folder::read(&place.path);
            (place, reading)
        })
        .collect();
    let roomiest = folder::roomiest(read.iter().map(|(_, reading)| reading));
    let judged = read.iter();
    judged.map(|(place, reading)| folder::judge(place, reading, roomiest)).collect()
}

#[cfg(test)]
mod tests;
