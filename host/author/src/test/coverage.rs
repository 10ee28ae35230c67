//! Which edges of the host's table, and which outcomes, the cases of a policy have reached.

use std::collections::BTreeSet;

use serde::Serialize;
use trimtab_core::phase::{Move, Outcome, Phase, is_edge};
use trimtab_core::proposal::Slot;

use super::play::Played;
use crate::output::columns;

/// What was reached of what the policy's slots decide about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Edges as `From → To`, and whether a case took them.
    pub edges: Vec<Reached>,
    /// Outcomes, and whether a case reached them.
    pub outcomes: Vec<Reached>,
    /// Whole per cent of edges and outcomes together; 100 where there are none.
    pub percent: u8,
}

/// One edge or outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// Its name.
    pub name: String,
    /// Whether a case reached it.
    pub reached: bool,
}

impl Coverage {
    /// The coverage of these cases. A policy answers for time-outs where it fills the timeouts slot, for everything
    /// else where it fills another one.
    pub fn of(filled: &BTreeSet<Slot>, played: &[Played]) -> Self {
        let decides = filled.contains(&Slot::Transitions) || filled.contains(&Slot::Children);
        let concerns = |how: Move| match how {
            Move::TimeOut => filled.contains(&Slot::Timeouts),
            Move::Advance | Move::Verify | Move::Complete | Move::Fail => decides,
            // A policy may do without: most never begin a phase anew, and many do not route.
            Move::Retry | Move::Block | Move::Inherit => false,
        };
        let mut edges = Vec::new();
        for how in Move::ALL.into_iter().filter(|how| concerns(*how)) {
            for (from, to) in pairs().filter(|(from, to)| is_edge(*from, how, *to)) {
                let reached = played.iter().any(|one| one.edges.contains(&(from, to)));
                edges.push(Reached { name: format!("{from} → {to}"), reached });
            }
        }
        let outcomes: Vec<_> = Outcome::ALL
            .into_iter()
            .filter(|_| decides)
            .map(|outcome| Reached {
                name: outcome.name().to_owned(),
                reached: played.iter().any(|one| one.outcomes.contains(outcome.name())),
            })
            .collect();
        let (all, hit) =
            edges.iter().chain(&outcomes).fold((0, 0), |(all, hit), one| (all + 1, hit + usize::from(one.reached)));
        let percent = (hit * 100_usize).checked_div(all).and_then(|percent| u8::try_from(percent).ok()).unwrap_or(100);
        Self { edges, outcomes, percent }
    }

    /// For people.
    pub fn table(&self) -> String {
        let row = |what: &str, one: &Reached| {
            vec![what.to_owned(), one.name.clone(), if one.reached { "reached" } else { "-" }.to_owned()]
        };
        let edges = self.edges.iter().map(|one| row("edge", one));
        let rows: Vec<_> = edges.chain(self.outcomes.iter().map(|one| row("outcome", one))).collect();
        let count = |list: &[Reached]| format!("{} of {}", list.iter().filter(|one| one.reached).count(), list.len());
        format!(
            "coverage {} %: {} edges, {} outcomes\n{}",
            self.percent,
            count(&self.edges),
            count(&self.outcomes),
            columns(&rows, 2)
        )
    }
}

fn pairs() -> impl Iterator<Item = (Phase, Phase)> {
    Phase::ALL.into_iter().flat_map(|from| Phase::ALL.into_iter().map(move |to| (from, to)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::play::Verdicted;

    #[test]
    fn a_timeouts_policy_answers_for_time_outs_alone() {
        let played = Played {
            verdict: Verdicted::Passed,
            edges: BTreeSet::from([(Phase::Analyzing, Phase::TimedOut), (Phase::Processing, Phase::Analyzing)]),
            outcomes: BTreeSet::new(),
        };
        let coverage = Coverage::of(&BTreeSet::from([Slot::Timeouts]), &[played]);
        assert_eq!((coverage.edges.len(), coverage.outcomes.len(), coverage.percent), (7, 0, 14));
        let table = coverage.table();
        let row = table.lines().find(|line| line.contains("Analyzing → TimedOut")).unwrap();
        assert!(row.ends_with("  reached"), "{row}");
    }
}
