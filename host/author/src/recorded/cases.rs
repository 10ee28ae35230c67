//! `trimtab policy test --from`: test cases that hold what was recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use trimtab_core::decide::{Decision, Evaluation, Verdict, decide};
use trimtab_core::guardrails::RefusalReason;
use trimtab_core::members::{Member, Members, Seat};
use trimtab_core::observation::Observation;
use trimtab_core::phase::{Outcome as Reached, Phase};
use trimtab_core::ports::{Answer, Choice, FailStrategy, Fault, FaultReason, Interruption, Judge};
use trimtab_core::proposal::{Creations, Intent, Proposal, Schedule, Slot};
use trimtab_core::settings::Settings;

use crate::Surroundings;
use crate::bundle::BundleRecord;
use crate::cli::TestArguments;
use crate::error::AuthorError;
use crate::intent::IntentDocument;
use crate::observation::{Length, ObservationDocument, PhaseWord, Time, without_nulls};
use crate::output::{Outcome, counted};
use crate::test::{CaseDocument, CreationExpectation, DeadlineExpectation, Expectation, StepDocument, StepExpectation};
use crate::view::block_reason;

/// Writes the cases.
pub(crate) fn run(
    recorded: &Path,
    arguments: &TestArguments,
    surroundings: &mut Surroundings<'_>,
) -> Result<Outcome, AuthorError> {
    let slots: BTreeSet<Slot> = arguments.slots.iter().copied().collect();
    let records = super::all(recorded)?;
    let mut documents = Vec::new();
    for record in &records {
        match case(record, &slots) {
            Some(case) => documents.push(yaml(&case)?),
            None => (surroundings.tell)(&format!(
                "{} is no test case: a document cannot say what was seen, or nothing was answered",
                record.place()
            )),
        }
    }
    let text = documents.join("---\n");
    let Some(file) = &arguments.out else { return Ok(Outcome::fine(text)) };
    std::fs::write(file, text).map_err(|error| AuthorError::write(file, error))?;
    let (cases, count) = (counted(documents.len() as u64, "case"), counted(records.len() as u64, "record"));
    Ok(Outcome::fine(format!("{}: {cases} of {count}\n", file.display())))
}

fn yaml(case: &CaseDocument) -> Result<String, AuthorError> {
    let plain = serde_json::to_value(case).map(without_nulls).ok();
    let text = plain.and_then(|plain: Value| serde_saphyr::to_string(&plain).ok());
    text.ok_or_else(|| AuthorError::Host(format!("the case \"{}\" cannot be written as YAML", case.name)))
}

/// `None` where there is nothing to expect, or no document gives the observation again.
fn case(record: &BundleRecord, slots: &BTreeSet<Slot>) -> Option<CaseDocument> {
    let (seen, decision) = (&record.record.observation, &record.record.decision);
    let document = ObservationDocument::whole(seen)?;
    let mut expect = Expectation::default();
    let asked = decision.evaluations.iter().filter(|one| one.choice == Choice::Active);
    // A case is about one policy: of several in a slot none is meant more than another.
    let is_one_of_several = |one: &&Evaluation| decision.combined.is_some() && one.slot == Slot::Timeouts;
    let asked = asked.filter(|one| !is_one_of_several(one));
    for one in asked.filter(|one| slots.is_empty() || slots.contains(&one.slot)) {
        answered(one, &mut expect);
    }
    if slots.is_empty() {
        expect.step = step(&document, decision);
    }
    if expect == Expectation::default() {
        return None;
    }
    let step = StepDocument { expect: Some(expect), ..StepDocument::default() };
    Some(CaseDocument {
        name: format!("record {}: {} of {} {}", record.number, decision.why.rule, seen.name, moved(seen, decision)),
        observation: Some(document),
        observation_file: None,
        config: None,
        config_file: None,
        skip: None,
        steps: vec![step],
    })
}

fn moved(seen: &Observation, decision: &Decision) -> String {
    let name = |phase: Option<Phase>| phase.map_or("(new)", Phase::name);
    match &decision.verdict {
        Verdict::Stay => format!("in {}", name(seen.phase)),
        Verdict::Step(plan) => format!("from {} to {}", name(plan.from), name(plan.to)),
    }
}

/// What one slot answered, or why it did not.
fn answered(one: &Evaluation, expect: &mut Expectation) {
    if let Some((reason, _)) = &one.fault {
        let is_refusal = RefusalReason::ALL.iter().any(|known| known.code() == reason);
        let place = if is_refusal { &mut expect.refused } else { &mut expect.fault };
        place.get_or_insert_with(|| reason.clone());
    }
    match &one.proposal {
        Some(Proposal::Timeouts(schedule)) => {
            let deadline = |one: &trimtab_core::proposal::Deadline| DeadlineExpectation {
                at: Some(Time(one.at)),
                on_expiry: Some(one.on_expiry.clone()),
                duration: Some(Length(one.duration)),
                notice: None,
            };
            let deadlines = schedule.deadlines.iter().map(|one| (one.phase.clone(), Some(deadline(one))));
            let budgets = schedule.budgets.iter().map(|one| (one.phase.clone(), Some(Length(one.duration))));
            expect.deadlines = Some(deadlines.collect::<BTreeMap<_, _>>());
            expect.budgets = Some(budgets.collect::<BTreeMap<_, _>>());
        }
        Some(Proposal::Transitions(intent)) => {
            expect.intent = Some(wanted(intent));
            if intent.kind == "stay" {
                expect.creations = Some(Vec::new());
            }
        }
        Some(Proposal::Children(creations)) => {
            let item = |one: &trimtab_core::proposal::Creation| CreationExpectation {
                kind: one.kind.clone(),
                purpose: (!one.purpose.is_empty()).then(|| one.purpose.clone()),
                patch: serde_json::from_str(&one.patch).ok(),
            };
            expect.creations = Some(creations.items.iter().map(item).collect());
        }
        None => {}
    }
}

fn wanted(intent: &Intent) -> IntentDocument {
    let said = |text: &String| (!text.is_empty()).then(|| text.clone());
    IntentDocument {
        kind: Some(intent.kind.clone()),
        target_phase: said(&intent.target_phase),
        outcome: said(&intent.outcome),
        failure_phase: said(&intent.failure_phase),
        reason: said(&intent.reason),
        message: said(&intent.message),
        until: intent.until.map(Time),
        next_allowed_at: intent.next_allowed_at.map(Time),
        manual_review: intent.manual_review.then_some(true),
        source: said(&intent.source),
        block_reason: said(&block_reason(intent).to_owned()),
        rule: None,
        why: None,
    }
}

/// What the host made of it, where it makes the same of the document with the settings of a test.
fn step(document: &ObservationDocument, decision: &Decision) -> Option<StepExpectation> {
    let seen = Arc::new(document.observation().ok()?);
    let again = decide(&seen, &mut Retold(decision), &Settings::default()).ok()?;
    let made = |decision: &Decision| match &decision.verdict {
        Verdict::Stay => (seen.phase, None, decision.wake_at),
        Verdict::Step(plan) => (plan.to, plan.outcome, decision.wake_at),
    };
    let (to, outcome, wake_at) = made(decision);
    (made(&again) == (to, outcome, wake_at)).then(|| StepExpectation {
        to: Some(PhaseWord(to)),
        outcome: outcome.map(|outcome| Reached::name(outcome).to_owned()),
        wake_at: wake_at.map(Time),
    })
}

/// Answers as the active revisions did; nobody answers instead of them.
struct Retold<'a>(&'a Decision);

impl Retold<'_> {
    fn answer<T: Clone>(
        &self,
        seat: Seat,
        choice: Choice,
        take: impl Fn(&Proposal) -> Option<&T>,
    ) -> Result<Answer<T>, Interruption> {
        let told = self.0.evaluations.iter().find(|one| one.seat() == seat && one.choice == choice);
        let value = told.and_then(|one| one.proposal.as_ref()).and_then(take);
        match (told, value) {
            (Some(one), Some(value)) => Ok(Answer {
                value: value.clone(),
                revision: one.revision.clone().unwrap_or_default(),
                fuel: one.fuel,
                log: Vec::new(),
            }),
            _ => Err(Interruption::Fault(Fault {
                reason: FaultReason::Unavailable,
                message: format!("the record holds no answer of the {} slot", seat.slot),
                revision: None,
                fuel: 0,
            })),
        }
    }
}

impl Judge for Retold<'_> {
    fn members(&self, slot: Slot) -> Members {
        let several = self.0.combined.as_ref().filter(|_| slot == Slot::Timeouts);
        several.map_or(Members::ONE, |combined| Members::new(combined.rule, combined.members.into()))
    }

    fn timeouts(
        &mut self,
        member: Member,
        choice: Choice,
        _: &Arc<Observation>,
    ) -> Result<Answer<Schedule>, Interruption> {
        self.answer(Seat { slot: Slot::Timeouts, member }, choice, |proposal| match proposal {
            Proposal::Timeouts(schedule) => Some(schedule),
            Proposal::Transitions(_) | Proposal::Children(_) => None,
        })
    }

    fn transitions(
        &mut self,
        choice: Choice,
        _: &Arc<Observation>,
        _: &[String],
    ) -> Result<Answer<Intent>, Interruption> {
        self.answer(Slot::Transitions.into(), choice, |proposal| match proposal {
            Proposal::Transitions(intent) => Some(intent),
            Proposal::Timeouts(_) | Proposal::Children(_) => None,
        })
    }

    fn children(
        &mut self,
        choice: Choice,
        _: &Arc<Observation>,
        _: &Intent,
    ) -> Result<Answer<Creations>, Interruption> {
        self.answer(Slot::Children.into(), choice, |proposal| match proposal {
            Proposal::Children(creations) => Some(creations),
            Proposal::Timeouts(_) | Proposal::Transitions(_) => None,
        })
    }

    fn strategy(&self, _: Seat) -> FailStrategy {
        FailStrategy::Hold
    }
}
