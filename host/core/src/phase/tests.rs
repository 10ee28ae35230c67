//! Every row of the edge table, and every pair that is absent.

use super::*;

/// The rows in words: from, how, to.
const ROWS: &str = "
Pending Advance Processing
Processing Advance Analyzing
Analyzing Advance AwaitingApproval
Analyzing Advance Executing
AwaitingApproval Advance Executing
Executing Verify Verifying
Analyzing Complete Completed
Verifying Complete Completed
Pending Fail Failed
Processing Fail Failed
Analyzing Fail Failed
AwaitingApproval Fail Failed
Executing Fail Failed
Blocked Fail Failed
Pending TimeOut TimedOut
Processing TimeOut TimedOut
Analyzing TimeOut TimedOut
AwaitingApproval TimeOut TimedOut
Executing TimeOut TimedOut
Verifying TimeOut TimedOut
Blocked TimeOut TimedOut
Processing Retry Processing
Analyzing Retry Analyzing
Executing Retry Executing
Pending Block Blocked
Analyzing Block Blocked
AwaitingApproval Block Blocked
Blocked Block Blocked
Blocked Advance Pending
Blocked Advance Analyzing
Executing Inherit Completed
Executing Inherit Failed
Blocked Inherit Completed
Blocked Inherit Failed
";

#[test]
fn the_table_has_these_rows_and_no_other() {
    let mut found = Vec::new();
    for from in Phase::ALL {
        for how in Move::ALL {
            for to in Phase::ALL {
                if is_edge(from, how, to) {
                    found.push(format!("{from} {how:?} {to}"));
                }
            }
        }
    }
    let mut expected: Vec<_> = ROWS.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn nothing_follows_a_terminal_phase() {
    for from in Phase::ALL.into_iter().filter(|phase| phase.is_terminal()) {
        for how in Move::ALL {
            assert!(Phase::ALL.into_iter().all(|to| !is_edge(from, how, to)), "{from} has a way out by {how:?}");
        }
    }
}

#[test]
fn names_are_read_back() {
    for phase in Phase::ALL {
        assert_eq!(phase.name().parse(), Ok(phase));
    }
    assert_eq!("pending".parse::<Phase>(), Err(UnknownPhase("pending".into())));
    assert!(FailurePhase::ALL.into_iter().all(|value| FailurePhase::parse(value.name()) == Some(value)));
    assert!(Outcome::ALL.into_iter().all(|value| Outcome::parse(value.name()) == Some(value)));
}
