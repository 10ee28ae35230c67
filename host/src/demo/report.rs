//! What the demo shows: a live table on a terminal, a line for each change elsewhere, and the summary.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use serde_json::Value;
use trimtab_core::json::text;
use trimtab_ledger::reader::{EntryContent, LedgerReader};

use super::cast::{FIRST_TWIN, Incident, NAMESPACE};
use super::stage::Stage;

/// Where an incident is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen {
    phase: String,
    detail: String,
    path: Vec<String>,
}

/// The report.
#[derive(Debug)]
pub(crate) struct Report {
    begun: Instant,
    is_terminal: bool,
    seen: BTreeMap<String, Seen>,
    moments: Vec<String>,
    drawn_lines: usize,
    took: Duration,
}

/// Prints a line. A reader that is gone is no reason to stop.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Phases that nothing follows.
const ENDS: [&str; 5] = ["Completed", "Failed", "TimedOut", "Skipped", "Cancelled"];

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            is_terminal: std::io::stdout().is_terminal(),
            seen: BTreeMap::new(),
            moments: Vec::new(),
            drawn_lines: 0,
            took: Duration::ZERO,
        }
    }

    /// Prints and keeps a moment.
    pub(crate) fn moment(&mut self, text: &str) {
        let moment = format!("{:5.1}s  >>> {text}", self.begun.elapsed().as_secs_f64());
        if !self.is_terminal {
            line(&moment);
        }
        self.moments.push(moment);
    }

    /// Takes note of a remediation's state.
    pub(crate) fn saw(&mut self, name: &str, object: &Value) {
        let phase = text(object, "/status/overallPhase").to_owned();
        if phase.is_empty() {
            return;
        }
        let seen = self.seen.entry(name.to_owned()).or_default();
        let detail = ["failurePhase", "outcome", "timeoutPhase"]
            .into_iter()
            .map(|member| text(object, &format!("/status/completionStatus/{member}")))
            .find(|text| !text.is_empty());
        detail.unwrap_or("").clone_into(&mut seen.detail);
        if seen.phase != phase {
            let from = std::mem::replace(&mut seen.phase, phase.clone());
            seen.path.push(phase.clone());
            if !self.is_terminal {
                let from = if from.is_empty() { "new".to_owned() } else { from };
                line(&format!("{:5.1}s  {name:<18} {from} → {phase}", self.begun.elapsed().as_secs_f64()));
            }
        }
    }

    /// The phase of an incident; empty before its first.
    pub(crate) fn phase(&self, name: &str) -> &str {
        self.seen.get(name).map_or("", |seen| seen.phase.as_str())
    }

    /// Whether every incident has ended.
    pub(crate) fn has_ended(&self, cast: &[Incident]) -> bool {
        cast.iter().all(|incident| ENDS.contains(&self.phase(incident.name)))
    }

    /// Redraws the table on a terminal.
    pub(crate) fn draw(&mut self, cast: &[Incident]) {
        if !self.is_terminal {
            return;
        }
        let mut lines =
            vec![format!("{:5.1}s  {:<18} {:<18} path", self.begun.elapsed().as_secs_f64(), "incident", "phase")];
        for incident in cast {
            let path = self.seen.get(incident.name).map_or(String::new(), |seen| seen.path.join(" → "));
            lines.push(format!("        {:<18} {:<18} {path}", incident.name, self.phase(incident.name)));
        }
        lines.extend(self.moments.iter().cloned());
        let mut out = std::io::stdout().lock();
        if self.drawn_lines > 0 {
            let _ = write!(out, "\x1b[{}A", self.drawn_lines);
        }
        for line in &lines {
            let cut: String = line.chars().take(200).collect();
            let _ = writeln!(out, "\x1b[2K{cut}");
        }
        self.drawn_lines = lines.len();
    }

    /// Draws for the last time.
    pub(crate) fn ended(&mut self, cast: &[Incident], took: Duration) {
        self.took = took;
        self.draw(cast);
    }

    /// Prints how each incident ended and why; the result is whether all ended as expected.
    pub(crate) fn summary(&self, ledger: &LedgerReader, is_scripted: bool) -> anyhow::Result<bool> {
        let cast = super::cast::cast();
        line("");
        line("How each ended, and why:");
        let mut unexpected = 0;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for incident in &cast {
            let nothing = Seen::default();
            let seen = self.seen.get(incident.name).unwrap_or(&nothing);
            let is_expected = (seen.phase.as_str(), seen.detail.as_str()) == incident.expected;
            let ending = format!("{} {}", seen.phase, seen.detail);
            *counts.entry(ending.trim().to_owned()).or_default() += 1;
            let mark = if is_expected || !is_scripted { ' ' } else { '!' };
            line(&format!("{mark} {:<18} {ending:<28} {}", incident.name, why(ledger, incident.name)?));
            if !is_expected && is_scripted {
                unexpected += 1;
                line(&format!("  {:<18} expected {} {}", "", incident.expected.0, incident.expected.1));
            }
        }
        line("");
        for moment in &self.moments {
            line(moment);
        }
        let counts: Vec<_> = counts.iter().map(|(ending, count)| format!("{count} {ending}")).collect();
        line(&format!("{} incidents in {:.0} s: {}.", cast.len(), self.took.as_secs_f64(), counts.join(", ")));
        Ok(unexpected == 0)
    }

    /// Prints what to try next.
    pub(crate) fn next_commands(stage: &Stage, is_staying: bool) {
        line("");
        let program = std::env::args().next().unwrap_or_else(|| "trimtab".to_owned());
        if is_staying {
            let kubeconfig = stage.kubeconfig();
            line("The API stays up until Ctrl-C. Look around with:");
            line(&format!("  kubectl --kubeconfig {} -n {NAMESPACE} get rr", kubeconfig.display()));
        }
        if is_staying || stage.is_kept() {
            let data = stage.ledger();
            line("What it recorded can be asked:");
            line(&format!("  {program} explain {FIRST_TWIN} --data {}", data.display()));
            return;
        }
        line("Next:");
        line(&format!("  {program} demo --stay      keep the API up and look around with kubectl"));
        line(&format!("  {program} demo --data DIR  keep what it records, for `explain`, `history` and `audit`"));
        line(&format!("  {program} policy new NAME  write a policy of your own in ten minutes"));
    }
}

/// Why an incident is in the phase that it is in: what follows an ending, such as the delivery of its notification, is no
/// reason for it.
fn why(ledger: &LedgerReader, name: &str) -> anyhow::Result<String> {
    let entries = ledger.decisions(name)?;
    let entered = entries.iter().rev().find_map(|entry| match &entry.content {
        EntryContent::Step { plan, .. } if plan.from != plan.to => Some(&plan.why),
        _ => None,
    });
    Ok(entered.map_or_else(String::new, |why| format!("{}: {}", why.rule, why.text)))
}
