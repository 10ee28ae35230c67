//! Every decision on a remediation, a few lines each.

use std::fmt::Write as _;

use trimtab_ledger::reader::StoredEntry;

use super::account::Account;
use super::lines::{child, clock, cut, deadline, decider, faults, folded, line, overrides, policy, routing, standing};
use super::{Explanation, seen};

/// Every decision, oldest first.
pub(super) fn text(it: &Explanation, entries: &[StoredEntry]) -> String {
    let about = &it.remediation;
    let phase = about.phase.as_deref().unwrap_or("not begun");
    let state = if about.has_ended { "ended" } else { "not ended" };
    let mut text = cut(&format!("{} in {} (uid {}): {phase}, {state}", about.name, about.namespace, about.uid));
    text.push('\n');
    let signal = format!("{} ({}) on {}", about.signal, about.severity, about.target);
    let _ = writeln!(text, "{}", line("signal", &signal));
    for one in &it.decisions {
        let saw = entries.iter().find(|entry| entry.id == one.entry).and_then(seen);
        text.push('\n');
        for line in decision(one, saw) {
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    text
}

fn decision(one: &Account, saw: Option<&trimtab_core::observation::Observation>) -> Vec<String> {
    let name = |phase: Option<&'static str>| phase.unwrap_or("(new)");
    let what = match one.kind {
        "step" if one.from == one.to => format!("step {}: in {}", one.sequence, name(one.from)),
        "step" => {
            let outcome = one.outcome.map_or_else(String::new, |outcome| format!(" ({outcome})"));
            format!("step {}: {} → {}{outcome}", one.sequence, name(one.from), name(one.to))
        }
        "stay" => format!("stays in {}", name(one.from)),
        _ => format!("step {} of another host", one.sequence),
    };
    let repeated = match one.repeats {
        0 => String::new(),
        more => format!(", said {} times until {}", more + 1, clock(one.last_at.0, one.at.0)),
    };
    let settled = one.settled.as_ref().map_or_else(String::new, |settled| {
        let reason = settled.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
        format!(", {}{reason}", settled.how)
    });
    let mut lines = vec![cut(&format!("{}  {what}{settled}{repeated}", one.at))];
    lines.push(line("because", &format!("{}: {}", one.rule, one.why)));
    lines.push(line("decided by", &decider(one)));
    for asked in one.evaluations.iter().filter(|asked| asked.fault.is_none()) {
        lines.push(line("asked", &format!("{} {}, fuel {}", asked.slot, policy(asked), asked.fuel)));
    }
    lines.extend(faults(one).map(|text| line("faults", &text)));
    if let Some(seen) = saw {
        lines.extend(one.limits.iter().flat_map(|limit| folded("deadline", &deadline(one, limit, seen.now))));
        lines.extend(child(seen, &one.limits).map(|text| line("saw", &text)));
        lines.push(line("saw", &standing(seen)));
        lines.extend(routing(seen).iter().map(|text| line("saw", text)));
        lines.extend(overrides(seen).map(|text| line("by hand", &text)));
    }
    lines.extend(one.effects.iter().map(|effect| line("did", effect)));
    if !one.audit_events.is_empty() {
        lines.push(line("told", &one.audit_events.join(", ")));
    }
    lines.extend(one.wake_at.map(|at| line("next", &format!("looked at again {}", clock(at.0, one.at.0)))));
    lines
}
