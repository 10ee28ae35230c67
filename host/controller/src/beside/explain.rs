//! Why a step differs: the quirks and differences of policies/README.md that can be seen from outside.

use trimtab_core::phase::Phase;
use trimtab_core::time::Span;

use super::comparison::{Aspect, Difference, Move};

/// The longest that the other takes to notice a deadline: it polls every 10 to 30 seconds.
const POLL_MAX: Span = Span::from_secs(45);

/// What is known around a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances<'a> {
    pub(super) from: &'a str,
    /// Why it was blocked, where it was.
    pub(super) block_reason: &'a str,
    pub(super) theirs: &'a Move,
    pub(super) ours: Option<&'a Move>,
    /// How much later than here the other took the step.
    pub(super) late: Span,
    /// Whether it has waited for this long without the step.
    pub(super) is_waiting: bool,
    /// What the other counts among the failures of the signal.
    pub(super) failures: Failures,
}

/// What one orchestrator counts among the failures in a row of a signal, and the other does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Failures {
    /// Nothing.
    #[default]
    Own,
    /// A failure that was another one's, or a remediation that only waits.
    OfOthers,
    /// Those before a block for failures, whose cooldown is over.
    BeforeCooldown,
}

type Rule = fn(&Difference, &Circumstances<'_>) -> bool;

/// The rules, each with the name that it explains by; the first that fits holds.
const RULES: [(&str, Rule); 11] = [
    ("Q2", |one, it| is_move(one) && it.failures == Failures::OfOthers && blocks_for_failures(it)),
    ("Q5", |one, it| {
        let is_net = it.theirs.outcome == "VerificationTimedOut";
        is_move(one) && it.from == "Verifying" && is_net && it.ours.is_none_or(|ours| ours.outcome != it.theirs.outcome)
    }),
    ("Q6", |one, it| {
        let resumes = matches!(it.block_reason, "RecentlyRemediated" | "ExponentialBackoff");
        is_move(one) && it.from == "Blocked" && resumes && it.theirs.to == "Failed"
    }),
    ("Q8", |one, it| {
        let waits = it.block_reason == "ConsecutiveFailures";
        is_move(one) && it.from == "Blocked" && waits && it.theirs.to == "TimedOut"
    }),
    ("Q12", |one, _| {
        one.aspect == Aspect::Notification && one.of.starts_with("nr-manual-review-") && one.of.ends_with(".priority")
    }),
    ("Q13", |one, it| {
        let fails = it.ours.is_some_and(|ours| ours.to == "Failed" && ours.reason == "AIAnalysis");
        is_step(one) && it.from == "Analyzing" && fails && (it.is_waiting || it.theirs.to == "TimedOut")
    }),
    ("Q15", |one, it| {
        let is_bare = it.theirs.to == "Failed" && it.theirs.reason.is_empty();
        it.from == "Analyzing" && is_bare && (is_move(one) || one.aspect == Aspect::Notification)
    }),
    ("Q18", |one, it| is_move(one) && it.from == "Executing" && it.theirs.to == "Failed" && it.ours.is_none()),
    ("D12", |one, it| {
        let expires = it.ours.is_some_and(|ours| ours.to == "Failed" && ours.reason == "Approval");
        is_step(one) && it.from == "AwaitingApproval" && expires && (it.is_waiting || it.theirs.to == "TimedOut")
    }),
    ("D22", |one, it| is_move(one) && it.failures == Failures::BeforeCooldown && blocks_for_failures(it)),
    ("D13", |one, it| one.aspect == Aspect::Moment && !it.is_waiting && it.late <= POLL_MAX && is_due(it)),
];

/// The names that can come out: each is in the list of differences.
pub const NAMES: [&str; RULES.len()] = {
    let mut names = [""; RULES.len()];
    let mut place = 0;
    while place < RULES.len() {
        names[place] = RULES[place].0;
        place += 1;
    }
    names
};

/// Whether only the other blocks for failures in a row.
fn blocks_for_failures(it: &Circumstances<'_>) -> bool {
    let blocks = |side: &Move| side.to == "Blocked" && side.reason == "ConsecutiveFailures";
    blocks(it.theirs) && !it.ours.is_some_and(blocks)
}

fn is_move(one: &Difference) -> bool {
    matches!(one.aspect, Aspect::Phase | Aspect::Outcome | Aspect::Reason)
}

fn is_step(one: &Difference) -> bool {
    is_move(one) || one.aspect == Aspect::Moment
}

/// Whether the step is one that only time brings about.
fn is_due(it: &Circumstances<'_>) -> bool {
    let is_end_of_time = it.theirs.to == Phase::TimedOut.name();
    let is_expiry = it.from == Phase::AwaitingApproval.name() && it.theirs.to == Phase::Failed.name();
    let is_net = it.theirs.outcome == "VerificationTimedOut";
    is_end_of_time || is_expiry || is_net || it.from == Phase::Blocked.name()
}

/// Names what explains each difference.
pub(super) fn explain(differences: &mut [Difference], around: &Circumstances<'_>) {
    for one in differences {
        let name = RULES.iter().find(|(_, fits)| fits(one, around)).map(|(name, _)| (*name).to_owned());
        one.name = one.name.take().or(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(to: &str, outcome: &str, reason: &str) -> Move {
        Move { to: to.into(), outcome: outcome.into(), reason: reason.into() }
    }

    struct Row {
        from: &'static str,
        block: &'static str,
        theirs: Move,
        ours: Option<Move>,
        aspect: Aspect,
        of: &'static str,
        late: u64,
        is_waiting: bool,
        failures: Failures,
        name: Option<&'static str>,
    }

    fn row(from: &'static str, theirs: Move, ours: Option<Move>, name: Option<&'static str>) -> Row {
        Row {
            from,
            block: "",
            theirs,
            ours,
            aspect: Aspect::Phase,
            of: "",
            late: 0,
            is_waiting: false,
            failures: Failures::Own,
            name,
        }
    }

    #[test]
    fn each_difference_has_the_name_that_explains_it() {
        let blocked = || side("Blocked", "", "ConsecutiveFailures");
        let counted =
            |failures, name| Row { failures, ..row("Pending", blocked(), Some(side("Processing", "", "")), name) };
        let expired = |block, theirs: &str, ours: &str, name| Row {
            block,
            ..row("Blocked", side(theirs, "", ""), Some(side(ours, "", "")), name)
        };
        let priority = Row {
            aspect: Aspect::Notification,
            of: "nr-manual-review-rr.priority",
            ..row("Analyzing", side("Failed", "", "AIAnalysis"), Some(side("Failed", "", "AIAnalysis")), Some("Q12"))
        };
        let failing = || Some(side("Failed", "", "AIAnalysis"));
        let late = |late, name| Row {
            aspect: Aspect::Moment,
            late,
            ..row("Processing", side("TimedOut", "", ""), Some(side("TimedOut", "", "")), name)
        };
        let rows = [
            counted(Failures::OfOthers, Some("Q2")),
            counted(Failures::BeforeCooldown, Some("D22")),
            counted(Failures::Own, None),
            row("Verifying", side("Completed", "VerificationTimedOut", ""), None, Some("Q5")),
            expired("RecentlyRemediated", "Failed", "Analyzing", Some("Q6")),
            expired("ExponentialBackoff", "Failed", "Pending", Some("Q6")),
            expired("ConsecutiveFailures", "Failed", "Pending", None),
            expired("ConsecutiveFailures", "TimedOut", "Failed", Some("Q8")),
            expired("IneffectiveChain", "TimedOut", "Failed", None),
            priority,
            row("Analyzing", side("TimedOut", "", ""), failing(), Some("Q13")),
            Row {
                is_waiting: true,
                aspect: Aspect::Moment,
                ..row("Analyzing", side("Analyzing", "", ""), failing(), Some("Q13"))
            },
            row("Analyzing", side("Failed", "", ""), Some(side("Executing", "", "")), Some("Q15")),
            row("Executing", side("Failed", "", "WorkflowExecution"), None, Some("Q18")),
            row("AwaitingApproval", side("TimedOut", "", ""), Some(side("Failed", "", "Approval")), Some("D12")),
            late(30, Some("D13")),
            late(300, None),
            row("Processing", side("Failed", "", "SignalProcessing"), Some(side("Analyzing", "", "")), None),
        ];
        for row in rows {
            let mut differences = [Difference::new(row.aspect, row.of, "", "")];
            let around = Circumstances {
                from: row.from,
                block_reason: row.block,
                theirs: &row.theirs,
                ours: row.ours.as_ref(),
                late: Span::from_secs(row.late),
                is_waiting: row.is_waiting,
                failures: row.failures,
            };
            explain(&mut differences, &around);
            assert_eq!(differences[0].name.as_deref(), row.name, "{around:?}");
        }
    }

    #[test]
    fn every_name_is_in_the_list_of_differences() {
        let list = include_str!("../../../../policies/README.md");
        for name in NAMES {
            assert!(list.contains(&format!("\n| {name} |")), "{name} is not in policies/README.md");
        }
    }
}
