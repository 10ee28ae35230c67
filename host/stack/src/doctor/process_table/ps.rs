//! The process table where there is no `/proc`, from `ps` and `lsof`.

use super::super::output::{self, NoAnswer};
use super::{Process, ProcessTable, file_name, shortened};

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// Asks `ps` for every process.
pub(super) fn read() -> ProcessTable {
    match output::of("ps", &["-axo", "pid=,ppid=,etime=,command="]) {
        Ok(text) => Ok(text.lines().filter_map(parse).collect()),
        Err(NoAnswer::Missing) => Err("there is neither /proc nor ps".to_owned()),
        Err(NoAnswer::Broken(problem)) => Err(format!("ps does not run ({problem})")),
    }
}

/// Asks `lsof` who listens; empty where it isn't installed.
pub(super) fn listeners(port: u16) -> Vec<u32> {
    let of_port = format!("-iTCP:{port}");
    let answer = output::of("lsof", &["-nP", &of_port, "-sTCP:LISTEN", "-Fp"]);
    parse_lsof(&answer.unwrap_or_default())
}

fn parse(line: &str) -> Option<Process> {
    let mut words = line.split_whitespace();
    let pid = words.next()?.parse().ok()?;
    let parent = words.next()?.parse().ok()?;
    let age_seconds = seconds(words.next()?)?;
    let command: Vec<&str> = words.collect();
    Some(Process {
        pid,
        parent,
        name: file_name(command.first()?),
        command: shortened(&command),
        age_seconds,
        is_outdated: false,
    })
}

/// Reads `[[days-]hours:]minutes:seconds`.
fn seconds(elapsed: &str) -> Option<u64> {
    let (days, clock) = match elapsed.split_once('-') {
        Some((days, clock)) => (days.parse().ok()?, clock),
        None => (0, elapsed),
    };
    let in_clock = clock.split(':').try_fold(0_u64, |sum, part| {
        let part: u64 = part.parse().ok()?;
        sum.checked_mul(60)?.checked_add(part)
    })?;
    SECONDS_PER_DAY.checked_mul(days)?.checked_add(in_clock)
}

/// One line for each field, its first letter the field's name.
fn parse_lsof(text: &str) -> Vec<u32> {
    let ids = text.lines().filter_map(|line| line.strip_prefix('p'));
    ids.filter_map(|id| id.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_ps_is_a_process() {
        let process = parse("  812     1  2-03:04:05 /opt/bin/trimtab run --data /d").unwrap();
        assert_eq!((process.pid, process.parent), (812, 1));
        assert_eq!(process.name, "trimtab");
        assert_eq!(process.command, "/opt/bin/trimtab run --data /d");
        assert_eq!(process.age_seconds, 2 * 86_400 + 3 * 3_600 + 4 * 60 + 5);
        assert_eq!(parse("PID PPID ELAPSED COMMAND"), None);
    }

    #[test]
    fn elapsed_times_are_read_in_all_three_forms() {
        assert_eq!(seconds("00:07"), Some(7));
        assert_eq!(seconds("01:00:00"), Some(3_600));
        assert_eq!(seconds("1-00:00:00"), Some(86_400));
        assert_eq!(seconds("now"), None);
    }

    #[test]
    fn lsof_names_each_holder() {
        assert_eq!(parse_lsof("p812\nf7\np900\nf3\n"), [812, 900]);
    }

    #[test]
    fn ps_knows_this_process_where_it_is_installed() {
        let own = std::process::id();
        match read() {
            Ok(processes) => assert!(processes.iter().any(|process| process.pid == own)),
            Err(problem) => assert!(problem.contains("neither"), "{problem}"),
        }
    }
}
