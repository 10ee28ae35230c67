//! `trimtab policy run`: one observation, every slot, in the words that a cluster uses.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use trimtab_core::observation::Observation;
use trimtab_core::ports::LogLine;
use trimtab_core::proposal::{Intent, Slot};
use trimtab_policy_engine::Limits;

use crate::cli::RunArguments;
use crate::document;
use crate::error::{AuthorError, FAILED, FINE};
use crate::observation::ObservationDocument;
use crate::output::{Outcome, columns, grouped, milliseconds, render, sized};
use crate::view::{CreationsView, IntentView, ScheduleView};
use crate::workbench::{Answers, ConfigSource, Question, Told, Workbench, ask, limits_of};

/// What a run printed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunReport {
    /// The component's file.
    pub component: String,
    /// Name and version that it gives itself.
    pub policy: String,
    /// Its digest.
    pub digest: String,
    /// First digits of the config's digest.
    pub config: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// What it may use.
    pub limits: Limits,
    /// Each slot that was asked.
    pub slots: Vec<SlotReport>,
}

/// One slot.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotReport {
    /// Its name.
    pub slot: Slot,
    /// The answer; absent after a fault, and where the slot was not needed.
    pub answer: Option<Value>,
    /// Why there is no answer.
    pub fault: Option<FaultReport>,
    /// Why the slot was not asked.
    pub skipped: Option<&'static str>,
    /// Units of fuel used.
    pub fuel: u64,
    /// Bytes of memory of the instance so far; absent after a fault.
    pub memory_bytes: Option<u64>,
    /// Microseconds on this machine's clock.
    pub wall_micros: u64,
    /// Lines logged.
    pub log: Vec<LogLine>,
}

/// A fault in the words of a condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultReport {
    /// Stable code.
    pub reason: String,
    /// One line.
    pub message: String,
}

/// Runs the command.
pub(crate) fn run(arguments: &RunArguments, bench: &Workbench) -> Result<Outcome, AuthorError> {
    let limits = limits_of(arguments.limits.as_deref())?;
    let (component, bytes) = bench.load(&arguments.component, limits)?;
    let config = arguments.config.as_deref().map_or(ConfigSource::Default, ConfigSource::File);
    let policy = bench.configure(&component, config)?;
    let observation = observation(arguments.observation.as_deref())?;
    let slots = wanted(&arguments.slots, component.slots(), &component.description().name)?;
    let question = Question {
        slots,
        expired: (!arguments.expired.is_empty()).then(|| arguments.expired.clone()),
        intent: arguments.intent.as_deref().map(read_intent).transpose()?,
    };
    let set = bench.set_of(&policy)?;
    let answers = ask(&set, &observation, &question);
    let description = component.description();
    let report = RunReport {
        component: arguments.component.display().to_string(),
        policy: format!("{} {}", description.name, description.version),
        digest: policy.revision().digest.clone(),
        config: policy.revision().config.clone(),
        bytes: bytes.len() as u64,
        limits,
        slots: question.slots.iter().map(|slot| slot_report(*slot, &answers)).collect(),
    };
    let has_fault = report.slots.iter().any(|slot| slot.fault.is_some());
    let text = render(&report, arguments.output, table)?;
    Ok(Outcome { text, exit_code: if has_fault { FAILED } else { FINE } })
}

/// A recorded observation, else what a document says, else one with every default.
fn observation(named: Option<&Path>) -> Result<Arc<Observation>, AuthorError> {
    let nothing = ObservationDocument::default();
    let (told, place) = match named {
        None => (nothing, String::new()),
        Some(file) => match crate::recorded::picked(file)? {
            Some(recorded) => return Ok(recorded),
            None => (document::read("observation", file)?, format!("{}: ", file.display())),
        },
    };
    told.observation().map(Arc::new).map_err(|message| AuthorError::Input(format!("{place}{message}")))
}

/// The slots asked for, which the component must fill; else all that it fills.
pub(crate) fn wanted(asked: &[Slot], filled: &BTreeSet<Slot>, policy: &str) -> Result<BTreeSet<Slot>, AuthorError> {
    if asked.is_empty() {
        return Ok(filled.clone());
    }
    if let Some(missing) = asked.iter().find(|slot| !filled.contains(slot)) {
        let has = filled.iter().map(|slot| slot.name()).collect::<Vec<_>>().join(", ");
        return Err(AuthorError::Input(format!("{policy} does not fill the {missing} slot, it fills {has}")));
    }
    Ok(asked.iter().copied().collect())
}

fn read_intent(file: &std::path::Path) -> Result<Intent, AuthorError> {
    let told: crate::intent::IntentDocument = document::read("intent", file)?;
    Ok(told.intent())
}

fn slot_report(slot: Slot, answers: &Answers) -> SlotReport {
    match slot {
        Slot::Timeouts => of(slot, answers.schedule.as_ref(), |value| serde_json::to_value(ScheduleView::from(value))),
        Slot::Transitions => of(slot, answers.intent.as_ref(), |value| serde_json::to_value(IntentView::from(value))),
        Slot::Children => {
            of(slot, answers.creations.as_ref(), |value| serde_json::to_value(CreationsView::from(value)))
        }
    }
}

fn of<T>(slot: Slot, told: Option<&Told<T>>, view: impl FnOnce(&T) -> serde_json::Result<Value>) -> SlotReport {
    let Some(told) = told else {
        return SlotReport {
            slot,
            answer: None,
            fault: None,
            skipped: Some("the intent is to stay, or there is none: nothing is created"),
            fuel: 0,
            memory_bytes: None,
            wall_micros: 0,
            log: Vec::new(),
        };
    };
    let (answer, fault, log) = match &told.outcome {
        Ok(answer) => (view(&answer.value).ok(), None, answer.log.clone()),
        Err(fault) => {
            let report = FaultReport { reason: fault.reason.code().to_owned(), message: fault.message.clone() };
            (None, Some(report), Vec::new())
        }
    };
    SlotReport {
        slot,
        answer,
        fault,
        skipped: None,
        fuel: told.fuel(),
        memory_bytes: told.memory_bytes,
        wall_micros: u64::try_from(told.wall.as_micros()).unwrap_or(u64::MAX),
        log,
    }
}

fn table(report: &RunReport) -> String {
    let mut text = format!("{}  {}  {}\n", report.policy, sized(report.bytes), report.digest);
    for slot in &report.slots {
        let _ = writeln!(text, "\n{}", slot.slot);
        if let Some(why) = slot.skipped {
            let _ = writeln!(text, "  not asked: {why}");
            continue;
        }
        if let Some(fault) = &slot.fault {
            let _ = writeln!(text, "  fault {}: {}", fault.reason, fault.message);
        }
        if let Some(answer) = &slot.answer {
            text.push_str(&answer_table(slot.slot, answer));
        }
        let memory = slot.memory_bytes.map_or("unknown".to_owned(), sized);
        let _ = writeln!(
            text,
            "  fuel {} of {}, memory {memory} of {}, {} of {} ms",
            grouped(slot.fuel),
            grouped(report.limits.fuel),
            sized(report.limits.memory_bytes),
            milliseconds(slot.wall_micros.into()),
            report.limits.wall_clock_millis
        );
        for line in &slot.log {
            let _ = writeln!(text, "  log {}: {}", line.level, line.message);
        }
    }
    text
}

/// The members of an answer that say something, one a row.
fn answer_table(slot: Slot, answer: &Value) -> String {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut rows: Vec<Vec<String>> = Vec::new();
    match slot {
        Slot::Timeouts => {
            for (phase, deadline) in answer["deadlines"].as_object().into_iter().flatten() {
                let notice = if deadline["notice"].is_null() { String::new() } else { deadline["notice"].to_string() };
                rows.push(vec![
                    "deadline".into(),
                    phase.clone(),
                    word(&deadline["duration"]),
                    word(&deadline["at"]),
                    word(&deadline["onExpiry"]),
                    notice,
                ]);
            }
            for (phase, length) in answer["budgets"].as_object().into_iter().flatten() {
                rows.push(vec!["budget".into(), phase.clone(), word(length)]);
            }
        }
        Slot::Transitions => {
            for (member, value) in answer.as_object().into_iter().flatten() {
                let says = !matches!(value, Value::Null | Value::Bool(false)) && value.as_str() != Some("");
                if says && member != "rule" && member != "why" {
                    rows.push(vec![member.clone(), word(value)]);
                }
            }
        }
        Slot::Children => {
            for item in answer["items"].as_array().into_iter().flatten() {
                let patch = if item["patch"].is_null() { String::new() } else { item["patch"].to_string() };
                rows.push(vec!["create".into(), word(&item["kind"]), word(&item["purpose"]), patch]);
            }
            if rows.is_empty() {
                rows.push(vec!["create".into(), "nothing".into()]);
            }
        }
    }
    format!("  {}: {}\n{}", word(&answer["rule"]), word(&answer["why"]), columns(&rows, 2))
}
