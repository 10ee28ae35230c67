//! Plays a case: lets time pass, asks the slots, and decides as the host decides.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use trimtab_core::decide::{Decision, Verdict, decide};
use trimtab_core::json::merge_apply;
use trimtab_core::observation::{ChildKind, Observation};
use trimtab_core::phase::{Outcome, Phase};
use trimtab_core::plan::{Action, Plan};
use trimtab_core::proposal::Slot;
use trimtab_core::settings::Settings;
use trimtab_core::time::{Span, Timestamp};
use trimtab_policy_engine::PolicySet;

use super::case::{Case, StepDocument, Until};
use super::expect;
use crate::observation::{ChildDocument, ChildWord, Length, ObservationDocument, PhaseTimes, PhaseWord, Time, merge};
use crate::workbench::{Answers, Question, ask, passed};

/// Most evaluations of one `advance … until`.
const ADVANCES_MAX: u32 = 100_000;
/// How long `until` waits where `atMost` does not say.
const AT_MOST: Span = Span::from_secs(24 * 3600);

/// What a case came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdicted {
    /// Everything was as expected.
    Passed,
    /// At this step, counted from 1, these were not.
    Failed {
        /// The step.
        step: usize,
        /// What differs, one line each.
        differences: Vec<String>,
    },
    /// It was passed over.
    Skipped(String),
}

/// What a case came to, and what it reached.
#[derive(Debug, Clone)]
pub struct Played {
    /// How it ended.
    pub verdict: Verdicted,
    /// Phases before and after each step of the host.
    pub edges: BTreeSet<(Phase, Phase)>,
    /// Outcomes that were reached.
    pub outcomes: BTreeSet<&'static str>,
}

/// One moment of a case: what was seen, answered and decided.
#[derive(Debug)]
pub(super) struct Moment {
    pub(super) observation: Arc<Observation>,
    pub(super) answers: Answers,
    pub(super) decision: Decision,
}

struct Player<'a> {
    set: &'a PolicySet,
    filled: &'a BTreeSet<Slot>,
    document: ObservationDocument,
    played: Played,
}

/// Plays a case with a policy in the slots that it fills.
pub fn play(case: &Case, set: &PolicySet, filled: &BTreeSet<Slot>) -> Played {
    let nothing = Played { verdict: Verdicted::Passed, edges: BTreeSet::new(), outcomes: BTreeSet::new() };
    let mut player = Player { set, filled, document: case.observation.clone(), played: nothing };
    if let Some(why) = &case.document.skip {
        player.played.verdict = Verdicted::Skipped(why.clone());
        return player.played;
    }
    pin(&mut player.document);
    for (place, step) in case.document.steps.iter().enumerate() {
        let differences = player.step(step).unwrap_or_else(|message| vec![message]);
        if !differences.is_empty() {
            player.played.verdict = Verdicted::Failed { step: place + 1, differences };
            break;
        }
    }
    player.played
}

impl Player<'_> {
    /// What differs after this step; an error where it could not be carried out.
    fn step(&mut self, step: &StepDocument) -> Result<Vec<String>, String> {
        if let Some(change) = &step.set {
            self.document = merge(&self.document, change)?;
            pin(&mut self.document);
        }
        if let Some(length) = step.advance {
            self.advance(length, step.until, step.at_most.map_or(AT_MOST, |most| most.0))?;
        }
        if step.expect.is_none() && step.apply != Some(true) {
            return Ok(Vec::new());
        }
        let moment = self.moment()?;
        let differences =
            step.expect.as_ref().map_or_else(Vec::new, |wanted| expect::differences(wanted, &moment, self.filled));
        if differences.is_empty() && step.apply == Some(true) {
            match &moment.decision.verdict {
                Verdict::Step(plan) => apply(&mut self.document, plan),
                Verdict::Stay => {
                    let why = &moment.decision.why;
                    return Err(format!("there is no step to apply: {}: {}", why.rule, why.text));
                }
            }
        }
        Ok(differences)
    }

    fn advance(&mut self, length: Length, until: Option<Until>, at_most: Span) -> Result<(), String> {
        let begin = self.document.moment();
        let Some(until) = until else {
            self.document.now = Some(Time(begin.plus(length.0)));
            return Ok(());
        };
        for _ in 0..ADVANCES_MAX {
            if self.is_reached(until)? {
                return Ok(());
            }
            let next = self.document.moment().plus(length.0);
            if next > begin.plus(at_most) {
                let what = match until {
                    Until::Expired => "no deadline has passed",
                    Until::Step => "there is no step",
                };
                return Err(format!("{what} within {at_most}"));
            }
            self.document.now = Some(Time(next));
        }
        Err(format!("{ADVANCES_MAX} evaluations were not enough: advance by more than {length}"))
    }

    fn is_reached(&self, until: Until) -> Result<bool, String> {
        let observation = Arc::new(self.document.observation()?);
        match until {
            Until::Expired => {
                let question = Question { slots: BTreeSet::from([Slot::Timeouts]), ..Question::default() };
                let answers = ask(self.set, &observation, &question);
                let told = answers.schedule.as_ref().map(|told| &told.outcome);
                match told {
                    Some(Ok(answer)) => Ok(passed(&answer.value, observation.now).next().is_some()),
                    Some(Err(fault)) => Err(format!("the timeouts slot gave no answer: {fault}")),
                    None => Ok(false),
                }
            }
            Until::Step => Ok(matches!(self.decide(&observation)?.verdict, Verdict::Step(_))),
        }
    }

    fn moment(&mut self) -> Result<Moment, String> {
        let observation = Arc::new(self.document.observation()?);
        let question = Question { slots: self.filled.clone(), ..Question::default() };
        let answers = ask(self.set, &observation, &question);
        let decision = self.decide(&observation)?;
        if let Verdict::Step(plan) = &decision.verdict {
            self.note(plan);
        }
        Ok(Moment { observation, answers, decision })
    }

    fn decide(&self, observation: &Arc<Observation>) -> Result<Decision, String> {
        let mut session = self.set.session();
        decide(observation, &mut session, &Settings::default())
            .map_err(|need| format!("the decision needs {need:?}, which no test can give"))
    }

    fn note(&mut self, plan: &Plan) {
        if let (Some(from), Some(to)) = (plan.from, plan.to)
            && from != to
        {
            self.played.edges.insert((from, to));
        }
        self.played.outcomes.extend(plan.outcome.map(Outcome::name));
    }
}

/// Writes down the times that the document implies, so that they stay where they are while time passes.
pub(crate) fn pin(document: &mut ObservationDocument) {
    let Ok(seen) = document.observation() else { return };
    document.now = Some(Time(seen.now));
    document.phase = Some(PhaseWord(seen.phase));
    document.started_at = seen.started_at.map(Time);
    document.phases = Some(PhaseTimes(seen.phases.iter().map(|(phase, at)| (*phase, Time(*at))).collect()));
}

/// Moves the document along the plan, as the cluster would stand right after it.
pub(crate) fn apply(document: &mut ObservationDocument, plan: &Plan) {
    let now = document.moment();
    pin(document);
    document.sequence = Some(plan.sequence);
    document.phase = Some(PhaseWord(plan.to));
    if let Some(to) = plan.to.filter(|_| plan.to != plan.from) {
        document.phases.get_or_insert_default().0.insert(to, Time(now));
        document.started_at.get_or_insert(Time(now));
    }
    if let Some(status) = &plan.status {
        let object = document.object.get_or_insert_with(|| Value::Object(serde_json::Map::new()));
        merge_apply(object, &serde_json::json!({ "status": status }));
    }
    for action in &plan.actions {
        match action {
            Action::Create(manifest) => {
                if let Some(kind) = ChildKind::parse(&manifest.kind) {
                    created(document, kind, &manifest.name, &manifest.object);
                }
            }
            Action::PatchStatus { kind, status, .. } => {
                if let Some(kind) = ChildKind::parse(kind) {
                    patched(document, kind, status);
                }
            }
            // What is gone is not observed again.
            Action::Delete { .. } => {}
        }
    }
}

fn created(document: &mut ObservationDocument, kind: ChildKind, name: &str, object: &Value) {
    let deadline = ["/spec/timesOutAt", "/spec/requiredBy"]
        .into_iter()
        .find_map(|pointer| object.pointer(pointer).and_then(Value::as_str).and_then(Timestamp::parse));
    let children = document.children.get_or_insert_default();
    children.retain(|child| child.kind.0 != kind);
    children.push(ChildDocument {
        kind: ChildWord(kind),
        name: Some(name.to_owned()),
        attempt: None,
        found: None,
        phase: None,
        reason: None,
        finished_at: None,
        deadline: deadline.map(Time),
        object: Some(object.clone()),
    });
}

fn patched(document: &mut ObservationDocument, kind: ChildKind, status: &Value) {
    let Some(child) = document.children.iter_mut().flatten().find(|child| child.kind.0 == kind) else { return };
    let object = child.object.get_or_insert_with(|| Value::Object(serde_json::Map::new()));
    merge_apply(object, &serde_json::json!({ "status": status }));
    if let Some(decision) = status.get("decision").and_then(Value::as_str) {
        child.phase = Some(decision.to_owned());
    }
}
