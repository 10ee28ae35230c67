//! The processes of this machine: from `/proc` on Linux, from `ps` elsewhere.

mod linux;
mod ps;

use std::fmt::Write as _;
use std::path::Path;

/// How much of a command line is shown.
const COMMAND_CHARS_MAX: usize = 120;

/// A running process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) parent: u32,
    /// The file name of its program.
    pub(super) name: String,
    /// Its command line, shortened.
    pub(super) command: String,
    pub(super) age_seconds: u64,
    /// Whether its program's file is gone or was replaced since it started.
    /// Only Linux tells.
    pub(super) is_outdated: bool,
}

/// What runs, or why that isn't known.
pub(super) type ProcessTable = Result<Vec<Process>, String>;

/// Reads the table.
pub(super) fn read() -> ProcessTable {
    if Path::new("/proc/self/stat").exists() { linux::read() } else { ps::read() }
}

/// The process with an id, if it is known.
pub(super) fn find(table: &ProcessTable, pid: u32) -> Option<&Process> {
    let processes = table.as_ref().ok()?;
    processes.iter().find(|process| process.pid == pid)
}

/// The ids of processes that hold open the listening sockets of a TCP port.
pub(super) fn listeners(port: u16) -> Vec<u32> {
    if Path::new("/proc/net/tcp").exists() { linux::listeners(port) } else { ps::listeners(port) }
}

/// A command line of bounded length and without line breaks.
fn shortened(words: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut command = String::new();
    for word in words {
        let separator = if command.is_empty() { "" } else { " " };
        // Writing to a String can't fail.
        let _ = write!(command, "{separator}{}", word.as_ref().escape_debug());
    }
    match command.char_indices().nth(COMMAND_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &command[..end]),
        None => command,
    }
}

fn file_name(path: &str) -> String {
    let name = Path::new(path).file_name();
    name.map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into_owned())
}
