//! One decision, retold: what was seen, who answered what, what came of it.

use serde::Serialize;
use serde_json::Value;
use trimtab_core::decide::{Decision, Evaluation, Verdict};
use trimtab_core::guardrails::intent;
use trimtab_core::observation::Observation;
use trimtab_core::phase::{Outcome, Phase};
use trimtab_core::plan::{Action, Plan};
use trimtab_core::ports::{Choice, LogLine, Settlement};
use trimtab_core::proposal::{Proposal, Slot};
use trimtab_core::record::SetRevision;
use trimtab_core::settings::Settings;
use trimtab_core::time::Timestamp;
use trimtab_ledger::reader::{EntryContent, StoredEntry};

use super::limits::{self, LimitView, Origin};
use crate::observation::{Length, ObservationDocument, Time, without_nulls};
use crate::run::FaultReport;
use crate::view::{CreationsView, IntentView, ScheduleView};

/// A decision, or a step that another host has carried out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Id of the ledger's entry.
    pub entry: i64,
    /// "step", "stay" or "adopted".
    pub kind: &'static str,
    /// Number of the step; of a stay, of the last step before it.
    pub sequence: u64,
    /// When it was decided.
    pub at: Time,
    /// Phase before; absent before the first step.
    pub from: Option<&'static str>,
    /// Phase after.
    pub to: Option<&'static str>,
    /// Outcome, where the step reaches one.
    pub outcome: Option<&'static str>,
    /// What failed, where the step is a failure.
    pub failure_phase: Option<String>,
    /// Code of the rule that decided.
    pub rule: String,
    /// Its sentence.
    pub why: String,
    /// Who decided.
    pub decided_by: Decider,
    /// What became of the step.
    pub settled: Option<Settled>,
    /// How often the same was decided again.
    pub repeats: u64,
    /// When it was decided last.
    pub last_at: Time,
    /// When the remediation is looked at again even if nothing changes, as it was first decided.
    pub wake_at: Option<Time>,
    /// Deadlines in force.
    pub limits: Vec<LimitView>,
    /// Every question that was asked.
    pub evaluations: Vec<EvaluationView>,
    /// What was seen.
    pub saw: Option<Seen>,
    /// What the step did besides the status, one line each.
    pub effects: Vec<String>,
    /// Types of the audit events that it told.
    pub audit_events: Vec<String>,
    /// Digest of the environment that it was decided in.
    pub environment: Option<String>,
    /// Policy set and revision that answered; absent where policies are not chosen by sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_revision: Option<SetRevision>,
}

/// Who decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decider {
    /// "policy", or "host" where it followed its own rule.
    pub by: &'static str,
    /// The slot that answered, or whose answer or silence the host acted on.
    pub slot: Option<Slot>,
    /// Place among the evaluations of the one that this rests on.
    pub evaluation: Option<usize>,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settled {
    /// "confirmed", "discarded", "unknown"; "open" where it is not settled yet.
    pub how: &'static str,
    /// Why it was discarded.
    pub reason: Option<String>,
    /// When; absent while it is open.
    pub at: Option<Time>,
}

/// One question to one slot.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationView {
    /// The slot.
    pub slot: Slot,
    /// Number of the policy, from 1; absent where one policy fills the slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<usize>,
    /// Which of its revisions was asked.
    pub choice: Choice,
    /// `sha256:…` of the component.
    pub digest: Option<String>,
    /// First 16 hexadecimal digits of the config's sha256.
    pub config: Option<String>,
    /// Name and version of the policy, where the component is known.
    pub policy: Option<String>,
    /// Why there is no answer, or none that was taken.
    pub fault: Option<FaultReport>,
    /// Fuel used.
    pub fuel: u64,
    /// What was proposed.
    pub proposal: Option<Value>,
    /// Lines logged.
    pub log: Vec<LogLine>,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Whether it was read live, not from a cache.
    pub is_live: bool,
    /// How long the remediation had lasted.
    pub age: Option<Length>,
    /// How long its phase had lasted.
    pub phase_age: Option<Length>,
    /// What is wrong with the lengths set by hand.
    pub overrides_fault: Option<String>,
    /// The observation as `policy run --observation` takes it, without whole objects.
    pub observation: Value,
}

/// Names a policy by its digest.
pub(crate) type Naming<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Account {
    /// `None` for a settlement, which belongs to the step before it.
    pub(super) fn of(entry: &StoredEntry, settings: &Settings, naming: Naming<'_>) -> Option<Self> {
        let (record, plan) = match &entry.content {
            EntryContent::Step { record, plan } => (record, Some(plan.as_ref())),
            EntryContent::Stay { record } => (record, None),
            EntryContent::Adopted(step) => {
                let events = step.audit.iter().map(|event| event.event_type.clone()).collect();
                return Some(Self { audit_events: events, ..Self::empty(entry) });
            }
            EntryContent::Settlement(_) => return None,
        };
        let (seen, decision) = (&record.observation, &record.decision);
        let name = |phase: Option<Phase>| phase.map(Phase::name);
        let ended = plan.and_then(|plan| plan.status.as_ref());
        let failed = ended.and_then(|status| status.pointer("/completionStatus/failurePhase"));
        let limits = limits::views(seen, decision, settings);
        Some(Self {
            from: name(seen.phase),
            to: plan.map_or(name(seen.phase), |plan| name(plan.to)),
            outcome: plan.and_then(|plan| plan.outcome).map(Outcome::name),
            failure_phase: failed.and_then(Value::as_str).map(str::to_owned),
            rule: decision.why.rule.clone(),
            why: decision.why.text.clone(),
            decided_by: decider(decision, &limits),
            limits,
            evaluations: decision.evaluations.iter().map(|one| evaluation(decision, one, naming)).collect(),
            saw: Some(saw(seen)),
            effects: plan.map_or_else(Vec::new, effects),
            audit_events: plan
                .map_or_else(Vec::new, |plan| plan.audit.iter().map(|event| event.event_type.clone()).collect()),
            ..Self::empty(entry)
        })
    }

    fn empty(entry: &StoredEntry) -> Self {
        let is_step = matches!(entry.content, EntryContent::Step { .. });
        Self {
            entry: entry.id,
            kind: entry.content.kind(),
            sequence: entry.sequence,
            at: Time(entry.at),
            from: None,
            to: None,
            outcome: None,
            failure_phase: None,
            rule: "Adopted".to_owned(),
            why: "another host has carried out this step; its reasons are in that host's ledger".to_owned(),
            decided_by: Decider { by: "host", slot: None, evaluation: None },
            settled: is_step.then_some(Settled { how: "open", reason: None, at: None }),
            repeats: entry.repeats,
            last_at: Time(entry.last_at),
            wake_at: entry.wake_at.map(Time),
            limits: Vec::new(),
            evaluations: Vec::new(),
            saw: None,
            effects: Vec::new(),
            audit_events: Vec::new(),
            environment: entry.environment.clone(),
            set_revision: None,
        }
    }

    /// Notes what became of the step.
    pub(super) fn settle(&mut self, settlement: &Settlement, at: Timestamp) {
        let (how, reason) = match settlement {
            Settlement::Confirmed => ("confirmed", None),
            Settlement::Discarded { reason } => ("discarded", Some(reason.clone())),
            Settlement::Unknown => ("unknown", None),
        };
        self.settled = Some(Settled { how, reason, at: Some(Time(at)) });
    }

    /// Whether the step was not carried out.
    pub(super) fn is_discarded(&self) -> bool {
        self.settled.as_ref().is_some_and(|settled| settled.how == "discarded")
    }

    /// The evaluation that the decision rests on.
    pub(super) fn decisive(&self) -> Option<&EvaluationView> {
        self.decided_by.evaluation.and_then(|place| self.evaluations.get(place))
    }
}

/// Place and content of the answer of a slot that was taken.
fn taken(decision: &Decision, slot: Slot) -> Option<(usize, &Evaluation)> {
    decision.evaluations.iter().enumerate().find(|(_, one)| one.slot == slot && one.fault.is_none())
}

/// A transitions policy decides where its rule is the decision's; everything else is the host's, which may act on the
/// schedule of a timeouts policy or on a slot's silence.
fn decider(decision: &Decision, limits: &[LimitView]) -> Decider {
    let wanted = taken(decision, Slot::Transitions).and_then(|(place, one)| match &one.proposal {
        Some(Proposal::Transitions(wanted)) => Some((place, wanted)),
        Some(Proposal::Timeouts(_) | Proposal::Children(_)) | None => None,
    });
    if let Some((place, wanted)) = wanted
        && intent::explanation(&wanted.why).rule == decision.why.rule
    {
        return Decider { by: "policy", slot: Some(Slot::Transitions), evaluation: Some(place) };
    }
    let place = match (decision.why.rule.as_str(), &decision.verdict) {
        ("StayedPastDeadline", _) => wanted.map(|(place, _)| place),
        ("PolicyFault" | "Held", _) => decision.evaluations.iter().rposition(|one| one.fault.is_some()),
        // A deadline that nobody proposed is the host's ceiling, or a person's.
        ("PhaseTimeout" | "GlobalTimeout", Verdict::Step(_))
            if !limits.iter().any(|limit| limit.decided && limit.origin == Origin::Policy) =>
        {
            None
        }
        ("TimeoutConfigInvalid" | "TerminalCascade" | "AssessmentMissing" | "Ended" | "CeilingOnly", _) => None,
        // The first step, an expiry and the note of a deadline rest on what the timeouts policy says.
        (_, _) => deciding_schedule(decision, limits),
    };
    let slot = place.and_then(|place| decision.evaluations.get(place)).map(|one| one.slot);
    Decider { by: "host", slot, evaluation: place }
}

/// Place of the answer of the timeouts slot that a decision rests on: of several that of the deadline that decided, else of
/// the present phase, else of the whole remediation.
fn deciding_schedule(decision: &Decision, limits: &[LimitView]) -> Option<usize> {
    if decision.combined.is_none() {
        return taken(decision, Slot::Timeouts).map(|(place, _)| place);
    }
    let mut of_several = limits.iter().filter(|limit| limit.by.is_some());
    let decisive = of_several.clone().find(|limit| limit.decided).or_else(|| of_several.next_back());
    decisive.and_then(|limit| limit.by.as_ref()).map(|giver| giver.evaluation)
}

fn evaluation(decision: &Decision, one: &Evaluation, naming: Naming<'_>) -> EvaluationView {
    let proposal = one.proposal.as_ref().and_then(|proposal| match proposal {
        Proposal::Timeouts(schedule) => serde_json::to_value(ScheduleView::from(schedule)).ok(),
        Proposal::Transitions(intent) => serde_json::to_value(IntentView::from(intent)).ok(),
        Proposal::Children(creations) => serde_json::to_value(CreationsView::from(creations)).ok(),
    });
    let fault =
        one.fault.as_ref().map(|(reason, message)| FaultReport { reason: reason.clone(), message: message.clone() });
    EvaluationView {
        slot: one.slot,
        number: decision.combined.as_ref().filter(|_| one.slot == Slot::Timeouts).map(|_| one.member.place() + 1),
        choice: one.choice,
        digest: one.revision.as_ref().map(|revision| revision.digest.clone()),
        config: one.revision.as_ref().map(|revision| revision.config.clone()),
        policy: one.revision.as_ref().and_then(|revision| naming(&revision.digest)),
        fault,
        fuel: one.fuel,
        proposal,
        log: one.log.clone(),
    }
}

fn saw(seen: &Observation) -> Seen {
    let document = ObservationDocument::nearest(seen);
    Seen {
        is_live: seen.is_live,
        age: seen.started_at.map(|at| Length(seen.now.since(at))),
        phase_age: seen.phase_entered_at().map(|at| Length(seen.now.since(at))),
        overrides_fault: seen.overrides_fault.clone(),
        observation: serde_json::to_value(document).map(without_nulls).unwrap_or_default(),
    }
}

fn effects(plan: &Plan) -> Vec<String> {
    let line = |action: &Action| match action {
        Action::Create(manifest) => format!("create {} {}", manifest.kind, manifest.name),
        Action::PatchStatus { kind, name, .. } => format!("patch {kind} {name}"),
        Action::Delete { kind, name, .. } => format!("delete {kind} {name}"),
    };
    plan.actions.iter().map(line).collect()
}
