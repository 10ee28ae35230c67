//! How many files a process may have open.

use rustix::process::{Resource, Rlimit, getrlimit};

use super::finding::{Check, Finding, Severity};

/// Watches, connections, components and the ledger, with room to spare.
const DESCRIPTORS_WANTED: u64 = 1024;
/// Below this even a quiet controller runs out.
const DESCRIPTORS_LEAST: u64 = 128;

/// The limits of this process.
pub(super) fn descriptors() -> Rlimit {
    getrlimit(Resource::Nofile)
}

pub(super) fn judge_descriptors(limit: Rlimit) -> Finding {
    // An absent number means that there is no limit.
    let current = limit.current.unwrap_or(u64::MAX);
    let maximum = limit.maximum.unwrap_or(u64::MAX);
    let number = |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |n| n.to_string());
    let seen = format!("{} (at most {})", number(limit.current), number(limit.maximum));
    let finding = Finding::ok(Check::Limit, "open files of a process", seen);
    if current >= DESCRIPTORS_WANTED {
        return finding;
    }
    let severity = if current < DESCRIPTORS_LEAST { Severity::Failure } else { Severity::Warning };
    let mend = if maximum >= DESCRIPTORS_WANTED {
        format!("run ulimit -n {DESCRIPTORS_WANTED} in this shell first")
    } else {
        format!(
            "have the administrator raise the hard limit to {DESCRIPTORS_WANTED}, then run ulimit -n {DESCRIPTORS_WANTED}"
        )
    };
    finding.needs(severity, mend)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(current: Option<u64>, maximum: Option<u64>) -> Finding {
        judge_descriptors(Rlimit { current, maximum })
    }

    #[test]
    fn enough_or_no_limit_is_fine() {
        assert_eq!(judged(Some(1024), Some(4096)).severity, Severity::Ok);
        let unlimited = judged(None, None);
        assert_eq!(unlimited.severity, Severity::Ok);
        assert_eq!(unlimited.seen, "unlimited (at most unlimited)");
    }

    #[test]
    fn a_low_limit_names_the_command_that_raises_it() {
        let low = judged(Some(256), None);
        assert_eq!(low.severity, Severity::Warning);
        assert!(low.mend.unwrap().starts_with("run ulimit -n 1024"));
        let hard = judged(Some(64), Some(64));
        assert_eq!(hard.severity, Severity::Failure);
        assert!(hard.mend.unwrap().contains("administrator"));
    }
}
