//! The process table of Linux, from `/proc`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{Process, ProcessTable, file_name, shortened};

/// The kernel puts this behind the path of a program whose file is gone.
const DELETED: &str = " (deleted)";
/// The state "listening" in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// Reads every process this user may see. One that ends meanwhile is left out.
pub(super) fn read() -> ProcessTable {
    let uptime = fs::read_to_string("/proc/uptime").map_err(|error| format!("failed to read /proc/uptime: {error}"))?;
    let uptime_seconds = whole_seconds(&uptime).ok_or("/proc/uptime is not a number")?;
    let ticks_per_second = rustix::param::clock_ticks_per_second().max(1);
    let mut processes = Vec::new();
    for pid in process_ids()? {
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        let Some(stat) = parse_stat(&stat) else {
            continue;
        };
        let started_seconds = stat.start_ticks / ticks_per_second;
        processes.push(with_command(pid, stat, uptime_seconds.saturating_sub(started_seconds)));
    }
    Ok(processes)
}

fn with_command(pid: u32, stat: Stat, age_seconds: u64) -> Process {
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command_line = String::from_utf8_lossy(&command_line).into_owned();
    let words: Vec<&str> = command_line.split('\0').filter(|word| !word.is_empty()).collect();
    // Another user's process doesn't show its program.
    let program = fs::read_link(format!("/proc/{pid}/exe")).ok();
    let program = program.map(|path| path.to_string_lossy().into_owned());
    let is_outdated = program.as_ref().is_some_and(|path| path.ends_with(DELETED));
    let name = match (&program, words.first()) {
        (Some(path), _) => file_name(path.strip_suffix(DELETED).unwrap_or(path)),
        (None, Some(first)) => file_name(first),
        (None, None) => stat.name.clone(),
    };
    Process {
        pid,
        parent: stat.parent,
        name,
        command: if words.is_empty() { stat.name } else { shortened(words) },
        age_seconds,
        is_outdated,
    }
}

/// What is used of `/proc/<pid>/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    name: String,
    parent: u32,
    start_ticks: u64,
}

/// The name is in brackets and may itself contain brackets and spaces.
fn parse_stat(text: &str) -> Option<Stat> {
    let (before, after) = text.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    // Field 3 of the documented ones comes first here.
    let mut fields = after.split_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let start_ticks = fields.nth(17)?.parse().ok()?;
    Some(Stat { name: name.to_owned(), parent, start_ticks })
}

fn whole_seconds(uptime: &str) -> Option<u64> {
    uptime.split(['.', ' ']).next()?.parse().ok()
}

fn process_ids() -> Result<Vec<u32>, String> {
    let entries = fs::read_dir("/proc").map_err(|error| format!("failed to list /proc: {error}"))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter_map(|name| name.parse().ok()).collect())
}

/// Who holds the listening sockets of a port; empty where this user may not know.
pub(super) fn listeners(port: u16) -> Vec<u32> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let inodes: BTreeSet<String> = tables.iter().flatten().flat_map(|table| listening_inodes(table, port)).collect();
    let ids = process_ids().unwrap_or_default();
    ids.into_iter().filter(|pid| holds_any(*pid, &inodes)).collect()
}

fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    let inode_of = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        (local.ends_with(&suffix) && *state == LISTENING).then(|| (*inode).to_owned())
    };
    table.lines().skip(1).filter_map(inode_of).collect()
}

fn holds_any(pid: u32, inodes: &BTreeSet<String>) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    let links = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links.filter_map(|link| socket_inode(&link)).any(|inode| inodes.contains(&inode))
}

fn socket_inode(link: &Path) -> Option<String> {
    let link = link.to_str()?;
    let inode = link.strip_prefix("socket:[")?.strip_suffix(']')?;
    Some(inode.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let text = "412 (a (b) c) S 1 412 412 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 8123 99 88";
        let expected = Stat { name: "a (b) c".to_owned(), parent: 1, start_ticks: 8123 };
        assert_eq!(parse_stat(text), Some(expected));
        assert_eq!(parse_stat("412 (cut"), None);
    }

    #[test]
    fn only_listening_sockets_of_the_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:2382 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n\
            1: 0100007F:2382 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n\
            2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1\n";
        assert_eq!(listening_inodes(table, 9090), ["4711"]);
        assert_eq!(listening_inodes(table, 8081), ["4713"]);
        assert!(listening_inodes(table, 80).is_empty());
    }

    #[test]
    fn uptime_is_read_without_its_fraction() {
        assert_eq!(whole_seconds("350735.47 234388.90\n"), Some(350_735));
        assert_eq!(whole_seconds("soon"), None);
    }
}
