//! Processes of ours that may have been left behind.

use std::process;

use super::finding::{Check, Finding, Severity};
use super::process_table::{Process, ProcessTable, find};

/// The programs that are ours.
const OURS: [&str; 2] = ["trimtab", "test-control-plane"];
/// A control plane for tests that is older than this was forgotten.
const TEST_AGE_MAX_SECONDS: u64 = 60 * 60;
/// Whoever is adopted by this process has lost its own parent.
const ADOPTER: u32 = 1;
/// A bound on the way up from this process; no real one is nearly as long.
const ANCESTORS_MAX: usize = 64;

/// A finding for each process of ours, but for this one and those above it.
pub(super) fn judge_ours(table: &ProcessTable) -> Vec<Finding> {
    judge_besides(table, process::id())
}

fn judge_besides(table: &ProcessTable, own: u32) -> Vec<Finding> {
    let processes = match table {
        Ok(processes) => processes,
        Err(problem) => {
            let finding = Finding::ok(Check::Process, "our processes", problem.clone());
            return vec![finding.needs(Severity::Warning, "look for trimtab and test-control-plane by hand")];
        }
    };
    let above = ancestors(table, own);
    let ours =
        processes.iter().filter(|process| OURS.contains(&process.name.as_str()) && !above.contains(&process.pid));
    let findings: Vec<Finding> = ours.map(judge).collect();
    if findings.is_empty() {
        return vec![Finding::ok(Check::Process, "our processes", "none is running")];
    }
    findings
}

fn judge(process: &Process) -> Finding {
    let Process { pid, name, command, .. } = process;
    let seen = format!("running for {}: {command}", age(process.age_seconds));
    let finding = Finding::ok(Check::Process, format!("{name} (pid {pid})"), seen);
    let Some(reason) = stale_reason(process) else {
        return finding;
    };
    let seen = format!("{}; {reason}", finding.seen);
    Finding { seen, ..finding }.needs(Severity::Warning, format!("if nothing needs it, run kill {pid}"))
}

fn stale_reason(process: &Process) -> Option<&'static str> {
    let is_for_tests = process.name != "trimtab";
    if process.is_outdated {
        Some("its program was replaced since")
    } else if is_for_tests && process.parent == ADOPTER {
        Some("whoever started it is gone")
    } else if is_for_tests && process.age_seconds > TEST_AGE_MAX_SECONDS {
        Some("no test takes that long")
    } else {
        None
    }
}

/// The process itself and those above it.
fn ancestors(table: &ProcessTable, own: u32) -> Vec<u32> {
    let mut above = vec![own];
    let mut current = own;
    while let Some(process) = find(table, current) {
        if above.len() == ANCESTORS_MAX || above.contains(&process.parent) {
            break;
        }
        above.push(process.parent);
        current = process.parent;
    }
    above
}

/// An age in its two largest units.
fn age(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    if days > 0 {
        format!("{days} d {} h", hours % 24)
    } else if hours > 0 {
        format!("{hours} h {} min", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes} min {} s", seconds % 60)
    } else {
        format!("{seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: u32 = 50;

    fn process(pid: u32, parent: u32, name: &str, age_seconds: u64) -> Process {
        Process {
            pid,
            parent,
            name: name.to_owned(),
            command: format!("/opt/{name} run"),
            age_seconds,
            is_outdated: false,
        }
    }

    fn judged(mut others: Vec<Process>) -> Vec<Finding> {
        others.extend([process(40, 1, "trimtab", 9), process(OWN, 40, "trimtab", 1)]);
        judge_besides(&Ok(others), OWN)
    }

    #[test]
    fn this_process_and_those_above_it_are_not_reported() {
        let findings = judged(vec![process(7, 1, "etcd", 9)]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].seen, "none is running");
    }

    #[test]
    fn a_control_plane_whose_test_is_gone_is_reported_with_its_pid() {
        let findings = judged(vec![process(77, 1, "test-control-plane", 61)]);
        assert_eq!(findings[0].severity, Severity::Warning);
        assert_eq!(findings[0].thing, "test-control-plane (pid 77)");
        assert_eq!(findings[0].seen, "running for 1 min 1 s: /opt/test-control-plane run; whoever started it is gone");
        assert_eq!(findings[0].mend.as_deref(), Some("if nothing needs it, run kill 77"));
    }

    #[test]
    fn a_control_plane_of_a_running_test_is_fine_until_it_is_too_old() {
        let young = judged(vec![process(77, 60, "test-control-plane", 3_600)]);
        assert_eq!(young[0].severity, Severity::Ok);
        let old = judged(vec![process(77, 60, "test-control-plane", 3_601)]);
        assert_eq!(old[0].severity, Severity::Warning);
    }

    #[test]
    fn a_controller_may_run_for_days_but_not_from_a_replaced_program() {
        let mut controller = process(77, 1, "trimtab", 90_000);
        assert_eq!(judged(vec![controller.clone()])[0].severity, Severity::Ok);
        controller.is_outdated = true;
        let finding = &judged(vec![controller])[0];
        assert_eq!(finding.severity, Severity::Warning);
        assert!(finding.seen.starts_with("running for 1 d 1 h"), "{}", finding.seen);
    }

    #[test]
    fn an_unknown_table_is_a_warning() {
        let findings = judge_besides(&Err("ps does not run".to_owned()), OWN);
        assert_eq!(findings[0].severity, Severity::Warning);
    }

    #[test]
    fn parents_in_a_circle_end_the_walk() {
        let table = Ok(vec![process(1, 2, "a", 0), process(2, 1, "b", 0)]);
        assert_eq!(ancestors(&table, 1), [1, 2]);
    }
}
