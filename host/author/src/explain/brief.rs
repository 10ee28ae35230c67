//! The last word on a remediation, in at most twelve lines.

use trimtab_core::observation::Observation;
use trimtab_core::time::Timestamp;
use trimtab_ledger::reader::StoredEntry;

use super::account::Account;
use super::lines::{child, clock, cut, deadline, decider, faults, folded, line, overrides, routing, standing};
use super::{Explanation, RemediationView, Subject, is_end, seen};

/// Most lines.
pub(super) const LINES_MAX: usize = 12;
/// Most deadlines that are shown.
const DEADLINES_MAX: usize = 2;

/// The ending, or the present state.
pub(super) fn text(it: &Explanation, entries: &[StoredEntry], now: Timestamp) -> String {
    let mut lines = vec![title(it), about(&it.remediation)];
    let explained = it.explained.and_then(|place| it.decisions.get(place));
    let Some(one) = explained else {
        lines.push(line("recorded", "no decision is in the ledger any more"));
        return joined(&lines);
    };
    let saw = entries.iter().find(|entry| entry.id == one.entry).and_then(seen);
    lines.push(when(it, one));
    let because = lines.len();
    let sentence = sentence(it, one, saw);
    lines.push(line("because", &sentence));
    lines.extend(rest(it, one, saw, now));
    if lines.len() < LINES_MAX {
        lines.splice(because..=because, folded("because", &sentence));
    }
    lines.truncate(LINES_MAX);
    joined(&lines)
}

fn joined(lines: &[String]) -> String {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join("\n") + "\n"
}

fn title(it: &Explanation) -> String {
    let about = &it.remediation;
    let explained = it.explained.and_then(|place| it.decisions.get(place));
    let phase = about.phase.as_deref().unwrap_or("not begun");
    let mut end = match (it.subject, explained) {
        (Subject::Present, _) => format!("{phase}, not ended, {} after its start", about.lasted),
        (Subject::Ending, Some(one)) if is_ended_elsewhere(one) => {
            format!("{phase}, seen {} after its start", about.lasted)
        }
        (Subject::Ending, one) => {
            let outcome = about.outcome.as_ref().map_or_else(String::new, |outcome| format!(" ({outcome})"));
            let failed = one.and_then(|one| one.failure_phase.as_deref()).map(|phase| format!(" in {phase}"));
            let expired = one.filter(|one| one.to == Some("TimedOut")).and_then(|one| one.from);
            let place = failed.or_else(|| expired.map(|phase| format!(" in {phase}"))).unwrap_or_default();
            format!("{phase}{place}{outcome} after {}", about.lasted)
        }
    };
    if about.is_gone {
        end.push_str("; its object is gone");
    }
    cut(&format!("{} in {}: {end}", about.name, about.namespace))
}

/// Whether the end was only seen, not made here.
fn is_ended_elsewhere(one: &Account) -> bool {
    one.from.is_some_and(is_end)
}

fn about(about: &RemediationView) -> String {
    line("signal", &format!("{} ({}) on {}", about.signal, about.severity, about.target))
}

fn when(it: &Explanation, one: &Account) -> String {
    let at = one.at;
    let label = match it.subject {
        Subject::Ending => "ended",
        Subject::Present => "last",
    };
    let moved = match one.kind {
        _ if it.subject == Subject::Ending && is_ended_elsewhere(one) => {
            ", seen; no step of this host led there".to_owned()
        }
        "step" => {
            let (from, to) = (one.from.unwrap_or("(new)"), one.to.unwrap_or("(new)"));
            let settled = one.settled.as_ref();
            let how = settled.map_or("", |settled| settled.how);
            let reason = settled.and_then(|settled| settled.reason.as_deref());
            let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
            let when = settled.and_then(|settled| settled.at);
            let when = when.map_or_else(String::new, |when| format!(" {}", clock(when.0, at.0)));
            format!(", step {}: {from} → {to}, {how}{reason}{when}", one.sequence)
        }
        "adopted" => format!(", step {} of another host", one.sequence),
        _ if one.repeats > 0 => {
            let (times, until) = (one.repeats + 1, clock(one.last_at.0, at.0));
            format!(", stays in {}; said {times} times until {until}", one.from.unwrap_or("(new)"))
        }
        _ => format!(", stays in {}", one.from.unwrap_or("(new)")),
    };
    line(label, &format!("{at}{moved}"))
}

/// Why; where the end was made elsewhere, what the remediation's own record says of it.
fn sentence(it: &Explanation, one: &Account, saw: Option<&Observation>) -> String {
    if it.subject == Subject::Ending && is_ended_elsewhere(one) {
        let recorded = saw.map(|seen| seen.record.why.as_str()).unwrap_or_default();
        let phase = it.remediation.phase.as_deref().unwrap_or_default();
        return match recorded {
            // Nobody but a person cancels.
            _ if phase == "Cancelled" => "it was cancelled from outside; the host only sees it".to_owned(),
            "" => "another host, or a person, has ended it".to_owned(),
            why => format!("another host, or a person, has ended it; its last recorded reason: {why}"),
        };
    }
    format!("{}: {}", one.rule, one.why)
}

fn rest(it: &Explanation, one: &Account, saw: Option<&Observation>, now: Timestamp) -> Vec<String> {
    let mut lines = vec![line("decided by", &decider(one))];
    lines.extend(one.set_revision.as_ref().map(|name| line("policy set", &name.to_string())));
    if let Some(seen) = saw {
        let mut limits: Vec<_> = one.limits.iter().collect();
        // What decided comes first, then what is next; ceilings behind a deadline that asks come last.
        limits.sort_by_key(|limit| (!limit.decided, limit.at));
        for limit in limits.into_iter().take(DEADLINES_MAX) {
            lines.extend(folded("deadline", &deadline(one, limit, seen.now)));
        }
        lines.extend(child(seen, &one.limits).map(|text| line("saw", &text)));
        lines.push(line("saw", &standing(seen)));
        lines.extend(routing(seen).iter().map(|text| line("saw", text)));
        lines.extend(overrides(seen).map(|text| line("by hand", &text)));
    }
    lines.extend(faults(one).map(|text| line("faults", &text)));
    lines.extend(next(it, one, now).map(|text| line("next", &text)));
    lines
}

/// What happens next; of an ended remediation only what is left to do.
fn next(it: &Explanation, one: &Account, now: Timestamp) -> Option<String> {
    if it.subject == Subject::Ending {
        let told: Vec<_> = it
            .decisions
            .iter()
            .filter(|later| later.entry > one.entry && later.rule == "TerminalCascade")
            .flat_map(|later| later.effects.iter().map(String::as_str))
            .collect();
        return (!told.is_empty()).then(|| format!("its children were told: {}", told.join(", ")));
    }
    if it.remediation.is_open {
        return Some("the step is not settled yet: the next look at the object tells".to_owned());
    }
    let Some(at) = one.wake_at.map(|at| at.0) else { return Some("a change of an object".to_owned()) };
    let base = one.at.0;
    // The same was said since, each time with a later time to look again.
    let is_stale = one.repeats > 0 && at <= one.last_at.0;
    Some(match (is_stale, at > now) {
        (true, _) => "it is looked at again and again, as the policy asks".to_owned(),
        (false, true) => {
            format!("looked at again {}, in {}, or when an object changes", clock(at, base), at.since(now))
        }
        (false, false) => format!("was to be looked at again {}, {} ago", clock(at, base), now.since(at)),
    })
}
