//! Compares what was expected with what was answered and decided.

use std::collections::BTreeSet;

use serde_json::Value;
use trimtab_core::decide::Verdict;
use trimtab_core::phase::{Outcome, Phase};
use trimtab_core::ports::{Choice, FaultReason};
use trimtab_core::proposal::Slot;

use super::case::{CreationExpectation, Expectation, StepExpectation};
use super::play::Moment;
use crate::observation::{Time, without_nulls};
use crate::view::{CreationsView, IntentView, ScheduleView};
use crate::workbench::Told;

/// What differs, one line each. A fault or refusal that was not expected differs as well.
pub(super) fn differences(wanted: &Expectation, moment: &Moment, filled: &BTreeSet<Slot>) -> Vec<String> {
    let mut lines = Vec::new();
    troubles(wanted, moment, filled, &mut lines);
    timeouts(wanted, moment, &mut lines);
    if let Some(intent) = &wanted.intent {
        let expected = serde_json::to_value(intent).map(without_nulls).unwrap_or_default();
        match value_of(moment.answers.intent.as_ref(), |value| IntentView::from(value)) {
            Ok(found) => subset("intent", &expected, &found, &mut lines),
            Err(why) => lines.push(format!("intent: {why}")),
        }
    }
    creations(wanted, moment, &mut lines);
    rules(wanted, moment, &mut lines);
    if let Some(step) = &wanted.step {
        stepped(step, moment, &mut lines);
    }
    lines
}

/// A stable reason and its line.
type Trouble = (String, String);

/// Reasons of faults and refusals, told apart.
fn reasons(moment: &Moment, filled: &BTreeSet<Slot>) -> (Vec<Trouble>, Vec<Trouble>) {
    fn fault<T>(told: Option<&Told<T>>) -> Option<Trouble> {
        let fault = told.and_then(|told| told.outcome.as_ref().err())?;
        Some((fault.reason.code().to_owned(), fault.message.clone()))
    }
    let answers = &moment.answers;
    let direct = [fault(answers.schedule.as_ref()), fault(answers.intent.as_ref()), fault(answers.creations.as_ref())];
    let mut all: Vec<Trouble> = direct.into_iter().flatten().collect();
    let decided =
        moment.decision.evaluations.iter().filter(|one| filled.contains(&one.slot) && one.choice == Choice::Active);
    for trouble in decided.filter_map(|one| one.fault.clone()) {
        if !all.iter().any(|(reason, _)| *reason == trouble.0) {
            all.push(trouble);
        }
    }
    all.into_iter().partition(|(reason, _)| FaultReason::ALL.iter().any(|known| known.code() == reason))
}

fn troubles(wanted: &Expectation, moment: &Moment, filled: &BTreeSet<Slot>, lines: &mut Vec<String>) {
    let (faults, refusals) = reasons(moment, filled);
    for (what, wanted, found) in [("fault", &wanted.fault, faults), ("refused", &wanted.refused, refusals)] {
        match wanted {
            Some(wanted) if found.iter().any(|(reason, _)| reason == wanted) => {}
            Some(wanted) => {
                let found = if found.is_empty() { "none".to_owned() } else { listed(&found) };
                lines.push(format!("{what}: expected {wanted}, found {found}"));
            }
            None if found.is_empty() => {}
            None => lines.push(format!("{what}: expected none, found {}", listed(&found))),
        }
    }
}

fn listed(found: &[Trouble]) -> String {
    found.iter().map(|(reason, message)| format!("{reason} ({message})")).collect::<Vec<_>>().join(", ")
}

/// The answer's view, or why there is none.
fn value_of<T, V: serde::Serialize>(told: Option<&Told<T>>, view: impl FnOnce(&T) -> V) -> Result<Value, String> {
    match told.map(|told| &told.outcome) {
        Some(Ok(answer)) => serde_json::to_value(view(&answer.value)).map_err(|error| error.to_string()),
        Some(Err(fault)) => Err(format!("there is no answer, {}", fault.reason.code())),
        None => Err("the slot was not asked".to_owned()),
    }
}

fn timeouts(wanted: &Expectation, moment: &Moment, lines: &mut Vec<String>) {
    if wanted.deadlines.is_none() && wanted.budgets.is_none() {
        return;
    }
    let found = match value_of(moment.answers.schedule.as_ref(), |value| ScheduleView::from(value)) {
        Ok(found) => found,
        Err(why) => return lines.push(format!("deadlines and budgets: {why}")),
    };
    for (phase, expected) in wanted.deadlines.iter().flatten() {
        let expected = expected.as_ref().map(|one| serde_json::to_value(one).map(without_nulls).unwrap_or_default());
        entry(&format!("deadlines.{phase}"), expected.as_ref(), found["deadlines"].get(phase), lines);
    }
    for (phase, expected) in wanted.budgets.iter().flatten() {
        let expected = expected.map(|length| Value::from(length.to_string()));
        entry(&format!("budgets.{phase}"), expected.as_ref(), found["budgets"].get(phase), lines);
    }
}

fn entry(place: &str, expected: Option<&Value>, found: Option<&Value>, lines: &mut Vec<String>) {
    match (expected, found) {
        (None, None) => {}
        (None, Some(found)) => lines.push(format!("{place}: expected none, found {found}")),
        (Some(expected), None) => lines.push(format!("{place}: expected {expected}, found none")),
        (Some(expected), Some(found)) => subset(place, expected, found, lines),
    }
}

fn creations(wanted: &Expectation, moment: &Moment, lines: &mut Vec<String>) {
    let Some(expected) = &wanted.creations else { return };
    let stays = moment.answers.creations.is_none();
    let found = if stays {
        Ok(serde_json::json!({"items": []}))
    } else {
        value_of(moment.answers.creations.as_ref(), |value| CreationsView::from(value))
    };
    let found = match found {
        Ok(found) => found["items"].as_array().cloned().unwrap_or_default(),
        Err(why) => return lines.push(format!("creations: {why}")),
    };
    if expected.is_empty() && !found.is_empty() {
        let kinds: Vec<_> = found.iter().filter_map(|item| item["kind"].as_str()).collect();
        lines.push(format!("creations: expected none, found {}", kinds.join(", ")));
    }
    for one in expected {
        let matching = |item: &&Value| {
            item["kind"] == one.kind.as_str()
                && one.purpose.as_ref().is_none_or(|purpose| item["purpose"] == purpose.as_str())
        };
        let place = name_of(one);
        match (found.iter().find(matching), &one.patch) {
            (None, _) => lines.push(format!("{place}: expected, not created")),
            (Some(item), Some(patch)) => subset(&format!("{place}.patch"), patch, &item["patch"], lines),
            (Some(_), None) => {}
        }
    }
}

fn name_of(one: &CreationExpectation) -> String {
    let purpose = one.purpose.as_ref().map_or_else(String::new, |purpose| format!("/{purpose}"));
    format!("creations.{}{purpose}", one.kind)
}

fn rules(wanted: &Expectation, moment: &Moment, lines: &mut Vec<String>) {
    fn rule<T>(told: Option<&Told<T>>, why: impl FnOnce(&T) -> &str) -> String {
        told.and_then(Told::value).map_or("no answer", why).to_owned()
    }
    for (slot, expected) in wanted.rules.iter().flatten() {
        let answers = &moment.answers;
        let found = match slot.as_str() {
            "timeouts" => rule(answers.schedule.as_ref(), |value| &value.why.rule),
            "transitions" => rule(answers.intent.as_ref(), |value| &value.why.rule),
            "children" => rule(answers.creations.as_ref(), |value| &value.why.rule),
            other => format!("no slot called {other}"),
        };
        if found != *expected {
            lines.push(format!("rules.{slot}: expected {expected}, found {found}"));
        }
    }
}

fn stepped(wanted: &StepExpectation, moment: &Moment, lines: &mut Vec<String>) {
    let decision = &moment.decision;
    let (to, outcome) = match &decision.verdict {
        Verdict::Stay => (moment.observation.phase, None),
        Verdict::Step(plan) => (plan.to, plan.outcome),
    };
    let why = format!("{}: {}", decision.why.rule, decision.why.text);
    let name = |phase: Option<Phase>| phase.map_or("none", Phase::name);
    if let Some(expected) = wanted.to.filter(|expected| expected.0 != to) {
        lines.push(format!("step.to: expected {}, found {} ({why})", name(expected.0), name(to)));
    }
    let outcome = outcome.map_or("", Outcome::name);
    if let Some(expected) = wanted.outcome.as_ref().filter(|expected| *expected != outcome) {
        lines.push(format!("step.outcome: expected \"{expected}\", found \"{outcome}\" ({why})"));
    }
    let wake = decision.wake_at.map(Time);
    if let Some(expected) = wanted.wake_at.filter(|expected| Some(*expected) != wake) {
        let found = wake.map_or("none".to_owned(), |at| at.to_string());
        lines.push(format!("step.wakeAt: expected {expected}, found {found}"));
    }
}

/// Notes where what is named differs from what was found.
fn subset(place: &str, expected: &Value, found: &Value, lines: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(members), Value::Object(_)) => {
            for (key, value) in members {
                subset(&format!("{place}.{key}"), value, &found[key.as_str()], lines);
            }
        }
        _ if expected == found => {}
        _ => lines.push(format!("{place}: expected {expected}, found {found}")),
    }
}
