//! The comparisons as a report: for people, or as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use trimtab_controller::beside::{Comparison, Difference, Verdict};

/// Steps shown of each sort; the JSON has them all.
const SHOWN_MAX: usize = 50;

/// What was found, in numbers and in single steps.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// Steps that agree in everything.
    agreed: usize,
    /// Steps whose differences all have a name.
    explained: usize,
    /// Steps with a difference that nobody can explain.
    unexplained: usize,
    /// Steps of which nobody can tell.
    undecidable: usize,
    /// Remediations.
    remediations: usize,
    /// How often each name explains a difference.
    by_name: BTreeMap<String, usize>,
    /// How often each reason made a step undecidable.
    by_reason: BTreeMap<String, usize>,
    /// Lines that could not be understood.
    unread: usize,
    /// The steps that differ, unexplained ones first.
    differing: Vec<Comparison>,
}

impl Report {
    pub(crate) fn of(comparisons: Vec<Comparison>, unread: usize) -> Self {
        let mut report = Self { unread, ..Self::default() };
        let uids: std::collections::BTreeSet<_> = comparisons.iter().map(|one| one.uid.clone()).collect();
        report.remediations = uids.len();
        for comparison in comparisons {
            match &comparison.verdict {
                Verdict::Agreed => report.agreed += 1,
                Verdict::Undecidable(reason) => {
                    report.undecidable += 1;
                    *report.by_reason.entry(reason.clone()).or_default() += 1;
                }
                Verdict::Differing(differences) => {
                    if comparison.is_explained() {
                        report.explained += 1;
                    } else {
                        report.unexplained += 1;
                    }
                    for name in differences.iter().filter_map(|difference| difference.name.clone()) {
                        *report.by_name.entry(name).or_default() += 1;
                    }
                    report.differing.push(comparison);
                }
            }
        }
        report.differing.sort_by_key(Comparison::is_explained);
        report
    }

    pub(crate) fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    // INVARIANT: writing to a String cannot fail.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let steps = self.agreed + self.explained + self.unexplained + self.undecidable;
        let _ = writeln!(text, "{steps} steps of {} remediations", self.remediations);
        let rows = [
            ("agreed", self.agreed),
            ("differing, explained", self.explained),
            ("differing, unexplained", self.unexplained),
            ("undecidable", self.undecidable),
        ];
        for (word, count) in rows {
            let _ = writeln!(text, "  {word:<24}{count:>8}");
        }
        if self.unread > 0 {
            let _ = writeln!(text, "  {:<24}{:>8}", "lines not understood", self.unread);
        }
        counts(&mut text, "explained by (see policies/README.md)", &self.by_name);
        counts(&mut text, "undecidable because", &self.by_reason);
        for (title, is_explained) in [("unexplained", false), ("explained", true)] {
            let of_sort = || self.differing.iter().filter(|one| one.is_explained() == is_explained);
            let count = of_sort().count();
            if count == 0 {
                continue;
            }
            let _ = writeln!(text, "\n{title}");
            for one in of_sort().take(SHOWN_MAX) {
                step(&mut text, one);
            }
            if count > SHOWN_MAX {
                let _ = writeln!(text, "  and {} more: see --json", count - SHOWN_MAX);
            }
        }
        text
    }
}

fn counts(text: &mut String, title: &str, counts: &BTreeMap<String, usize>) {
    if counts.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}");
    for (word, count) in counts {
        let _ = writeln!(text, "  {count:>6}  {word}");
    }
}

fn step(text: &mut String, one: &Comparison) {
    let from = if one.from.is_empty() { "(none)" } else { &one.from };
    let ours = one.ours.as_ref().map_or("(stays)", |ours| ours.to.as_str());
    let _ = writeln!(text, "  {} {}/{}: {from} > {}, here {ours}", one.at, one.namespace, one.name, one.theirs.to);
    if let Verdict::Differing(differences) = &one.verdict {
        for difference in differences {
            line(text, difference);
        }
    }
}

fn line(text: &mut String, one: &Difference) {
    let of = if one.of.is_empty() { String::new() } else { format!(" {}", one.of) };
    let name = one.name.as_deref().unwrap_or("?");
    let _ = writeln!(text, "    {name:<4}{}{of}: theirs {}, ours {}", one.aspect.word(), one.theirs, one.ours);
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_controller::beside::{Aspect, Move};
    use trimtab_core::time::Timestamp;

    fn comparison(name: &str, verdict: Verdict) -> Comparison {
        Comparison {
            at: Timestamp::from_millis(1_700_000_000_000),
            namespace: "ns".into(),
            name: name.into(),
            uid: name.into(),
            from: "Blocked".into(),
            theirs: Move { to: "Failed".into(), ..Move::default() },
            ours: Some(Move { to: "Analyzing".into(), ..Move::default() }),
            rule: "BlockExpired".into(),
            verdict,
        }
    }

    fn differing(name: Option<&str>) -> Verdict {
        Verdict::Differing(vec![Difference {
            aspect: Aspect::Phase,
            of: String::new(),
            theirs: "Failed".into(),
            ours: "Analyzing".into(),
            name: name.map(str::to_owned),
        }])
    }

    #[test]
    fn the_report_counts_names_and_shows_what_nobody_can_explain_first() {
        let report = Report::of(
            vec![
                comparison("a", Verdict::Agreed),
                comparison("a", differing(Some("Q6"))),
                comparison("b", differing(None)),
                comparison("c", Verdict::Undecidable("it was cancelled from outside".into())),
            ],
            0,
        );
        let expected = "\
4 steps of 3 remediations
  agreed                         1
  differing, explained           1
  differing, unexplained         1
  undecidable                    1

explained by (see policies/README.md)
       1  Q6

undecidable because
       1  it was cancelled from outside

unexplained
  2023-11-14T22:13:20Z ns/b: Blocked > Failed, here Analyzing
    ?   phase: theirs Failed, ours Analyzing

explained
  2023-11-14T22:13:20Z ns/a: Blocked > Failed, here Analyzing
    Q6  phase: theirs Failed, ours Analyzing
";
        assert_eq!(report.text(), expected);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&report.json().unwrap()).unwrap()["unexplained"], 1);
    }
}
