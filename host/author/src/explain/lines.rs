//! Lines of an explanation: a label and a sentence, cut to the width of a page.

use std::fmt::Write as _;

use trimtab_core::observation::{Child, ChildKind, Observation};
use trimtab_core::phase::Phase;
use trimtab_core::ports::Choice;
use trimtab_core::proposal::Slot;
use trimtab_core::time::Timestamp;

use super::account::{Account, EvaluationView};
use super::limits::{LimitView, Origin};
use crate::ledger::short;
use crate::observation::Time;

/// Most columns of a line.
pub(super) const COLUMNS_MAX: usize = 120;
/// Columns of the label.
const LABEL: usize = 12;

/// One line: two spaces, the label, the text; cut where it is too long.
pub(super) fn line(label: &str, text: &str) -> String {
    cut(&format!("  {label:<LABEL$}{}", one_line(text)))
}

/// The text in at most two lines.
pub(super) fn folded(label: &str, text: &str) -> Vec<String> {
    let text = one_line(text);
    let room = COLUMNS_MAX - LABEL - 2;
    if text.chars().count() <= room {
        return vec![line(label, &text)];
    }
    let head: String = text.chars().take(room).collect();
    let place = head.rfind(' ').unwrap_or(head.len());
    let (first, rest) = text.split_at(place);
    vec![line(label, first), line("", rest.trim_start())]
}

/// At most as many characters as a line has columns.
pub(super) fn cut(text: &str) -> String {
    if text.chars().count() <= COLUMNS_MAX {
        return text.to_owned();
    }
    let head: String = text.chars().take(COLUMNS_MAX - 1).collect();
    format!("{}…", head.trim_end())
}

/// Texts of policies and people may hold anything.
fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A time, without its day where that is the base's.
pub(super) fn clock(at: Timestamp, base: Timestamp) -> String {
    let (at, base) = (Time(at).to_string(), Time(base).to_string());
    match (at.split_once('T'), base.split_once('T')) {
        (Some((day, time)), Some((today, _))) if day == today => time.to_owned(),
        _ => at,
    }
}

/// Who an evaluation was answered by.
pub(super) fn policy(one: &EvaluationView) -> String {
    let digest = one.digest.as_deref().map_or_else(|| "no component".to_owned(), |digest| short(digest).to_owned());
    let name = one.policy.as_ref().map_or_else(String::new, |name| format!(" {name}"));
    let config = one.config.as_ref().map_or_else(String::new, |config| format!(", config {}", short(config)));
    let choice = match one.choice {
        Choice::Active => "",
        Choice::LastGood => ", last good",
        Choice::Builtin => ", built in",
    };
    let number = one.number.map_or_else(String::new, |number| format!("{number}: "));
    format!("{number}{digest}{name}{config}{choice}")
}

/// Who decided.
pub(super) fn decider(one: &Account) -> String {
    let answered = one.decisive();
    let slot = one.decided_by.slot.map_or_else(String::new, |slot| slot.to_string());
    let expired = one.limits.iter().find(|limit| limit.decided);
    match (one.decided_by.by, answered) {
        ("policy", Some(answered)) => format!("{slot} policy {}{}", policy(answered), schedule(one, answered)),
        (_, Some(answered)) => {
            let what = match one.rule.as_str() {
                "PhaseTimeout" | "GlobalTimeout" => "at a deadline of the",
                "StayedPastDeadline" => "past a deadline, against the",
                "PolicyFault" | "Held" => "for want of an answer of the",
                _ => "with the",
            };
            format!("the host, {what} {slot} policy {}", policy(answered))
        }
        (_, None) => match expired.map(|limit| limit.origin) {
            Some(Origin::Ceiling) => "the host, at its own ceiling".to_owned(),
            Some(Origin::Hand) => "the host, at a length set by hand".to_owned(),
            Some(Origin::Policy) | None => "the host".to_owned(),
        },
    }
}

/// Whose deadlines held, where that was another policy.
fn schedule(one: &Account, answered: &EvaluationView) -> String {
    if let Some(by) = one.limits.iter().rev().find_map(|limit| limit.by.as_ref()) {
        return format!("; deadlines by {} of {} policies", by.rule, by.policies);
    }
    let timeouts = one.evaluations.iter().find(|asked| asked.slot == Slot::Timeouts && asked.fault.is_none());
    match timeouts {
        Some(other) if (&other.digest, &other.config) != (&answered.digest, &answered.config) => {
            format!("; deadlines of {}", policy(other))
        }
        Some(_) => String::new(),
        None => "; no timeouts policy answered".to_owned(),
    }
}

/// A deadline, and how far away it was.
pub(super) fn deadline(one: &Account, limit: &LimitView, now: Timestamp) -> String {
    let at = limit.at.0;
    let origin = match (limit.origin, limit.is_by_hand) {
        (Origin::Policy, false) => "",
        (Origin::Policy | Origin::Hand, _) => ", by hand",
        (Origin::Ceiling, _) => ", the host's ceiling",
    };
    let state = if limit.has_passed {
        let decided = if limit.decided { ": decided" } else { "" };
        format!("passed {} before{decided}", now.since(at))
    } else {
        format!("{} left", at.since(now))
    };
    let by = limit.by.as_ref().map_or_else(String::new, |by| {
        let answer = one.evaluations.get(by.evaluation);
        let name = answer.and_then(|answer| answer.policy.as_deref().or(answer.digest.as_deref().map(short)));
        format!("; {} of {}: policy {}, {}", by.rule, by.policies, by.policy, name.unwrap_or("no component"))
    });
    let (scope, duration, on_expiry) = (limit.scope, limit.duration, limit.on_expiry);
    format!("{scope} until {} ({duration}{origin}, {on_expiry}), {state}{by}", clock(at, now))
}

/// The child that the phase waits for, as it was seen, and how it ended beside the phase's deadline.
pub(super) fn child(seen: &Observation, limits: &[LimitView]) -> Option<String> {
    let kind = seen.phase.and_then(ChildKind::of_phase)?;
    let Some(child) = seen.child(kind) else { return Some(format!("no {}", kind.name())) };
    let what = format!("{} {}", kind.name(), child.name);
    if !child.found {
        return Some(format!("{what} is gone"));
    }
    let phase = match (child.phase.as_str(), kind) {
        ("", ChildKind::RemediationApprovalRequest) => "not decided",
        ("", _) => "not begun",
        (phase, _) => phase,
    };
    let scope = seen.phase.map_or("", Phase::name);
    let limit = limits.iter().filter(|limit| limit.scope == scope).map(|limit| limit.at.0).min();
    let ended = child.finished_at.map_or_else(String::new, |at| {
        let beside = limit.map_or_else(String::new, |limit| {
            if at <= limit {
                format!(", {} before the deadline", limit.since(at))
            } else {
                format!(", {} after the deadline", at.since(limit))
            }
        });
        format!(" {}{beside}", clock(at, seen.now))
    });
    Some(format!("{what} {phase}{ended}{}", reason(seen, child)))
}

/// What the child says about its end.
fn reason(seen: &Observation, child: &Child) -> String {
    let facts = &seen.facts;
    let mut told: Vec<String> = Vec::new();
    let mut tell = |text: &str| {
        if !text.is_empty() && !told.iter().any(|known| known == text) {
            told.push(text.to_owned());
        }
    };
    tell(&child.reason);
    match child.kind {
        ChildKind::SignalProcessing => {}
        ChildKind::AIAnalysis => {
            if let Some(found) = &facts.analysis {
                for text in [&found.reason, &found.sub_reason, &found.message] {
                    tell(text);
                }
                if found.approval_required {
                    tell("approval required");
                }
                if found.needs_human_review {
                    tell(&format!("a person has to look: {}", found.human_review_reason));
                }
            }
        }
        ChildKind::RemediationApprovalRequest => {
            if let Some(found) = facts.approval.as_ref().filter(|found| !found.decided_by.is_empty()) {
                tell(&format!("by {}", found.decided_by));
                tell(&found.message);
            }
        }
        ChildKind::WorkflowExecution => {
            if let Some(found) = &facts.execution {
                tell(&found.failure_code);
                tell(&found.failure_reason);
            }
        }
        ChildKind::EffectivenessAssessment => {
            if let Some(found) = &facts.assessment {
                tell(&found.reason);
                if let Some(score) = found.alert_score {
                    tell(&format!("alert score {score}"));
                }
            }
        }
    }
    if told.is_empty() { String::new() } else { format!(" ({})", told.join("; ")) }
}

/// Where the remediation stood.
pub(super) fn standing(seen: &Observation) -> String {
    let phase = seen.phase.map_or("no phase yet", Phase::name);
    let mut text = match seen.phase_entered_at() {
        Some(at) => format!("{phase} since {} ({})", clock(at, seen.now), seen.now.since(at)),
        None => phase.to_owned(),
    };
    if let Some(at) = seen.started_at {
        let _ = write!(text, "; started {} before", seen.now.since(at));
    }
    if seen.consecutive_failures > 0 {
        let _ = write!(text, "; {} failures in a row before", seen.consecutive_failures);
    }
    text.push_str(if seen.is_live { "; read live" } else { "; from the cache" });
    text
}

/// What stood in the way: the block, whom it waits for, the lock of the target.
pub(super) fn routing(seen: &Observation) -> Vec<String> {
    let routing = &seen.facts.routing;
    let mut told = Vec::new();
    if seen.phase == Some(Phase::Blocked) && !routing.block_reason.is_empty() {
        let until = routing.blocked_until.map_or_else(String::new, |at| format!(" until {}", clock(at, seen.now)));
        told.push(format!("blocked{until}: {}: {}", routing.block_reason, routing.block_message));
    }
    if let Some(awaited) = &routing.awaited {
        let state = match (awaited.found, awaited.phase.as_str()) {
            (false, _) => "gone",
            (true, "") => "not begun",
            (true, phase) => phase,
        };
        told.push(format!("waits for {} {}, {state}", awaited.kind, awaited.name));
    }
    if let Some(page) = &seen.facts.target_executions {
        if !page.locked {
            let holder = if page.holder.is_empty() { "another remediation" } else { &page.holder };
            told.push(format!("the lock of {} is held by {holder}", page.target));
        }
        if let Some(other) = page.busy_with() {
            told.push(format!("{} is at work on {}", other.name, page.target));
        }
    }
    if let Some(scope) = seen.facts.scope.as_ref().filter(|scope| scope.verdict != "managed") {
        told.push(format!("the target is {}: {}", scope.verdict, scope.because));
    }
    told
}

/// Lengths set by hand.
pub(super) fn overrides(seen: &Observation) -> Option<String> {
    if let Some(fault) = &seen.overrides_fault {
        return Some(fault.clone());
    }
    let set: Vec<_> = seen.overrides.iter().map(|one| format!("{} {}", one.phase, one.duration)).collect();
    (!set.is_empty()).then(|| set.join(", "))
}

/// Evaluations that gave no answer that was taken.
pub(super) fn faults(one: &Account) -> Option<String> {
    let text = |faulted: &EvaluationView| {
        let fault = faulted.fault.as_ref()?;
        Some(format!("{} {}: {}: {}", faulted.slot, policy(faulted), fault.reason, fault.message))
    };
    let all: Vec<String> = one.evaluations.iter().filter_map(text).collect();
    let first = all.first()?;
    Some(match all.len() {
        1 => first.clone(),
        more => format!("{more} evaluations, the first: {first}"),
    })
}
