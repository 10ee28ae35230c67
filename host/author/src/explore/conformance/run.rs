//! One observation held against every rule that is about answers.

use std::sync::Arc;

use serde_json::Value;
use trimtab_core::decide::{Evaluation, decide};
use trimtab_core::guardrails::deadlines::Scope;
use trimtab_core::guardrails::{RefusalReason, creations, deadlines, intent};
use trimtab_core::observation::Observation;
use trimtab_core::phase::Phase;
use trimtab_core::ports::FaultReason;
use trimtab_core::proposal::{Deadline, Explanation, Schedule, Slot};
use trimtab_core::settings::Settings;
use trimtab_core::time::{Span, Timestamp};

use super::Headroom;
use super::rules::{Rule, Rules};
use crate::explore::asking::{Answers, AnswersToIntent, Cost, Given, Panel, passed_asks};
use crate::explore::case::Case;
use crate::explore::search::usual_intents;

/// Longest name of a rule in characters, longest sentence in bytes and most attributes of an explanation.
const RULE_CHARACTERS_MAX: usize = 63;
const TEXT_BYTES_MAX: usize = 1_024;
const ATTRIBUTES_MAX: usize = 16;
/// Bytes that a record in an answer counts for, besides its strings.
const RECORD_BYTES: u64 = 32;
/// How long after a deadline it must still have passed.
const LATER: [Span; 3] = [Span::from_millis(1), Span::from_secs(60), Span::from_secs(3_600)];

/// A policy on trial.
pub(crate) struct Run<'a> {
    pub(crate) panel: &'a Panel,
    pub(crate) rules: Rules,
    pub(crate) headroom: Headroom,
    pub(crate) evaluations: u64,
}

impl Run<'_> {
    /// Holds the policy against every rule on one observation; gives its answers.
    pub(crate) fn hold(&mut self, case: &Case) -> Answers {
        let (answers, costs) = self.answers(&case.observation, false);
        self.total(case, &answers);
        let (again, costs_again) = self.answers(&case.observation, false);
        self.same(Rule::Repeatable, case, &answers, &again, costs != costs_again);
        let (apart, _) = self.answers(&case.observation, true);
        self.same(Rule::SeparateInstances, case, &answers, &apart, false);
        self.explained(case, &answers);
        self.schedule(case, &answers);
        self.intent(case, &answers);
        self.creations(case, &answers);
        self.as_a_whole(case);
        answers
    }

    /// Asks every slot that the policy fills, all in one instance or each in its own.
    fn answers(&mut self, seen: &Arc<Observation>, is_apart: bool) -> (Answers, Vec<Cost>) {
        let mut session = self.panel.session();
        let mut answers = Answers::default();
        let mut costs = Vec::new();
        let mut expired = Vec::new();
        if self.rules.fills(Slot::Timeouts) {
            let (given, cost) = self.panel.timeouts(&mut session, seen);
            expired = given.answer().map(|schedule| passed_asks(seen, schedule)).unwrap_or_default();
            answers.timeouts = Some(given);
            costs.push(cost);
        }
        if self.rules.fills(Slot::Transitions) {
            if is_apart {
                session = self.panel.session();
            }
            let (given, cost) = self.panel.transitions(&mut session, seen, &expired);
            answers.transitions = Some(given);
            costs.push(cost);
        }
        if self.rules.fills(Slot::Children) {
            let intents = match &answers.transitions {
                Some(given) => given.answer().filter(|intent| intent.kind != "stay").cloned().into_iter().collect(),
                None => usual_intents(seen.phase),
            };
            for intent in intents {
                if is_apart {
                    session = self.panel.session();
                }
                let (creations, cost) = self.panel.children(&mut session, seen, &intent);
                answers.children.push(AnswersToIntent { intent, creations });
                costs.push(cost);
            }
        }
        self.evaluations += costs.len() as u64;
        self.headroom.fuel.note(costs.iter().map(|cost| cost.fuel).sum());
        self.headroom.log_bytes.note(costs.iter().map(|cost| cost.log_bytes).sum());
        (answers, costs)
    }

    fn total(&mut self, case: &Case, answers: &Answers) {
        fn fault<T>(given: &Given<T>) -> Option<(String, String)> {
            match given {
                Given::Answer(_) => None,
                Given::Fault { reason, message } => Some((reason.clone(), message.clone())),
            }
        }
        if let Some(given) = &answers.timeouts {
            self.rules.note(Rule::Total, Some(Slot::Timeouts), Some(case), fault(given));
        }
        if let Some(given) = &answers.transitions {
            self.rules.note(Rule::Total, Some(Slot::Transitions), Some(case), fault(given));
        }
        for one in &answers.children {
            self.rules.note(Rule::Total, Some(Slot::Children), Some(case), fault(&one.creations));
        }
    }

    fn same(&mut self, rule: Rule, case: &Case, one: &Answers, other: &Answers, has_other_cost: bool) {
        let slot = if one.timeouts != other.timeouts {
            Some(Slot::Timeouts)
        } else if one.transitions != other.transitions {
            Some(Slot::Transitions)
        } else if one.children != other.children {
            Some(Slot::Children)
        } else {
            None
        };
        let broken = match slot {
            Some(slot) => Some(("AnswerChanged".to_owned(), format!("the {slot} slot answered in two ways"))),
            None if has_other_cost => Some((
                "FuelChanged".to_owned(),
                "the same answers took different fuel or logged other lines".to_owned(),
            )),
            None => None,
        };
        self.rules.note(rule, slot, Some(case), broken);
    }

    fn explained(&mut self, case: &Case, answers: &Answers) {
        let schedule = answers.timeouts.as_ref().and_then(Given::answer);
        let intent = answers.transitions.as_ref().and_then(Given::answer);
        let children = answers.children.iter().filter_map(|one| one.creations.answer());
        let mut all: Vec<(Slot, &Explanation, Option<Value>)> = Vec::new();
        all.extend(schedule.map(|it| (Slot::Timeouts, &it.why, serde_json::to_value(it).ok())));
        all.extend(intent.map(|it| (Slot::Transitions, &it.why, serde_json::to_value(it).ok())));
        all.extend(children.map(|it| (Slot::Children, &it.why, serde_json::to_value(it).ok())));
        for (slot, why, answer) in all {
            self.headroom.answer_bytes.note(answer.as_ref().map_or(0, weight));
            let broken = explanation_fault(why).map(|message| ("ExplanationMissing".to_owned(), message));
            self.rules.note(Rule::Explained, Some(slot), Some(case), broken);
        }
    }

    fn schedule(&mut self, case: &Case, answers: &Answers) {
        let Some(schedule) = answers.timeouts.as_ref().and_then(Given::answer) else { return };
        let settings = Settings::default();
        let refusal = deadlines::check(&case.observation, schedule, &settings).err();
        let refusal = refusal.map(|no| (no.reason.code().to_owned(), no.message));
        self.rules.note(Rule::Lawful, Some(Slot::Timeouts), Some(case), refusal);
        let broken = schedule.deadlines.iter().find_map(|one| beyond_ceiling(&case.observation, one, &settings));
        let broken = broken.map(|message| ("BeyondCeiling".to_owned(), message));
        self.rules.note(Rule::DeadlinesBounded, Some(Slot::Timeouts), Some(case), broken);
        self.monotone(case, schedule);
    }

    /// Asks again after each deadline that counts now: it must still have passed.
    fn monotone(&mut self, case: &Case, schedule: &Schedule) {
        let seen = &case.observation;
        let counts = |one: &&Deadline| {
            one.at >= seen.now && (one.phase == "Global" || seen.phase.is_some_and(|phase| phase.name() == one.phase))
        };
        for one in schedule.deadlines.iter().filter(counts) {
            for span in LATER {
                let now = one.at.plus(span);
                if now <= one.at {
                    continue;
                }
                let later = Arc::new(Observation { now, ..Observation::clone(seen) });
                let mut session = self.panel.session();
                let (given, _) = self.panel.timeouts(&mut session, &later);
                self.evaluations += 1;
                let moved = given
                    .answer()
                    .and_then(|schedule| schedule.deadlines.iter().find(|other| other.phase == one.phase))
                    .filter(|other| other.at >= now);
                let broken = moved.map(|other| {
                    let (scope, millis) = (&one.phase, span.as_millis());
                    let message = format!(
                        "the deadline of {scope} was {} ms; {millis} ms after it, it is {} ms",
                        one.at.as_millis(),
                        other.at.as_millis()
                    );
                    ("DeadlineMoved".to_owned(), message)
                });
                let is_broken = broken.is_some();
                self.rules.note(Rule::Monotone, Some(Slot::Timeouts), Some(case), broken);
                if is_broken {
                    return;
                }
            }
        }
    }

    fn intent(&mut self, case: &Case, answers: &Answers) {
        let seen = &case.observation;
        let Some(wanted) = answers.transitions.as_ref().and_then(Given::answer) else { return };
        // Before the first step and after the end the host does not ask.
        if seen.phase.is_none_or(Phase::is_terminal) {
            return;
        }
        let schedule = answers.timeouts.as_ref().and_then(Given::answer);
        let expired = schedule.map(|schedule| passed_asks(seen, schedule)).unwrap_or_default();
        let refusal = intent::check(seen, wanted, &expired).err();
        let is_ignored = refusal.as_ref().is_some_and(|no| no.reason == RefusalReason::ExpiredDeadlineIgnored);
        let broken = refusal.map(|no| (no.reason.code().to_owned(), no.message));
        if !expired.is_empty() {
            let ignored = broken.clone().filter(|_| is_ignored);
            self.rules.note(Rule::ExpiredAnswered, Some(Slot::Transitions), Some(case), ignored);
        }
        self.rules.note(Rule::Lawful, Some(Slot::Transitions), Some(case), broken.filter(|_| !is_ignored));
        let soonest = seen.now.plus(intent::RECHECK_MIN);
        let early = wanted.until.filter(|until| wanted.kind == "stay" && *until < soonest).map(|until| {
            let message = format!("asks again at {} ms, {} ms is now", until.as_millis(), seen.now.as_millis());
            ("RecheckTooSoon".to_owned(), message)
        });
        self.rules.note(Rule::RecheckAhead, Some(Slot::Transitions), Some(case), early);
    }

    fn creations(&mut self, case: &Case, answers: &Answers) {
        let seen = &case.observation;
        for one in &answers.children {
            let Some(proposed) = one.creations.answer() else { continue };
            let Ok(intent::Step::Move(change)) = intent::check(seen, &one.intent, &[]) else { continue };
            let refusal = creations::check(&change, proposed).err();
            let refusal = refusal.map(|no| (no.reason.code().to_owned(), no.message));
            self.rules.note(Rule::ChildrenLawful, Some(Slot::Children), Some(case), refusal);
        }
    }

    /// The whole decision, as the host makes it: the slots that the policy leaves open are the built-in policy's.
    fn as_a_whole(&mut self, case: &Case) {
        let mut session = self.panel.session();
        let Ok(decision) = decide(&case.observation, &mut session, &Settings::default()) else { return };
        for Evaluation { slot, fault, .. } in decision.evaluations {
            if !self.rules.fills(slot) {
                continue;
            }
            self.evaluations += 1;
            // Faults are counted by "total".
            let Some((reason, message)) = fault.filter(|(reason, _)| !is_fault(reason)) else { continue };
            let rule = match slot {
                Slot::Children => Rule::ChildrenLawful,
                Slot::Transitions if reason == RefusalReason::ExpiredDeadlineIgnored.code() => Rule::ExpiredAnswered,
                Slot::Timeouts | Slot::Transitions => Rule::Lawful,
            };
            self.rules.note(rule, Some(slot), Some(case), Some((reason, message)));
        }
    }
}

fn is_fault(reason: &str) -> bool {
    FaultReason::ALL.into_iter().any(|known| known.code() == reason)
}

fn explanation_fault(why: &Explanation) -> Option<String> {
    let Explanation { rule, text, attributes } = why;
    if rule.is_empty() {
        return Some("the explanation names no rule".to_owned());
    }
    if rule.chars().count() > RULE_CHARACTERS_MAX || !rule.chars().all(|c| c.is_ascii_alphanumeric()) {
        let shown: String = rule.chars().take(80).collect();
        return Some(format!("\"{shown}\" is no CamelCase code of at most {RULE_CHARACTERS_MAX} characters"));
    }
    if text.is_empty() {
        return Some(format!("the explanation of {rule} has no sentence"));
    }
    if text.len() > TEXT_BYTES_MAX {
        return Some(format!("the sentence of {rule} has {} bytes; at most {TEXT_BYTES_MAX}", text.len()));
    }
    let count = attributes.len();
    (count > ATTRIBUTES_MAX).then(|| format!("{rule} has {count} attributes; at most {ATTRIBUTES_MAX}"))
}

/// Why a deadline lies too far ahead; what a person has set may.
fn beyond_ceiling(seen: &Observation, one: &Deadline, settings: &Settings) -> Option<String> {
    let since = entered(seen, &one.phase)?;
    let is_by_hand = seen.overrides.iter().any(|budget| budget.phase == one.phase);
    let length = one.at.since(since);
    (length > settings.deadline_ceiling && !is_by_hand).then(|| {
        format!("the deadline of {} lies {length} after its entry; at most {}", one.phase, settings.deadline_ceiling)
    })
}

/// From when a scope's time counts.
fn entered(seen: &Observation, scope: &str) -> Option<Timestamp> {
    if scope == Scope::Global.name() {
        return seen.started_at;
    }
    seen.phases.iter().rev().find(|(phase, _)| phase.name() == scope).map(|(_, at)| *at)
}

/// Bytes of an answer as its limit counts them: strings, and 32 for each record.
fn weight(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64,
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(members) => RECORD_BYTES + members.values().map(weight).sum::<u64>(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}
