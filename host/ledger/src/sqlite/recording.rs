//! The ledger's port: what the controller records.

use std::sync::Arc;

use trimtab_core::audit::AuditEvent;
use trimtab_core::phase::Phase;
use trimtab_core::plan::Plan;
use trimtab_core::ports::{DecisionRecord, ForeignStep, Ledger, LedgerFailure, Settlement};
use trimtab_core::time::Timestamp;

use super::append::{Append, AppendKind, Basis, EVENTS_MAX, NewEvent};
use super::chain::{self, Hash};
use super::fault::StoreFault;
use super::history::Past;
use super::memory::Open;
use super::retention::Removed;
use super::work::{Done, Settle, Work};
use super::{BlobKind, SqliteLedger, body};

impl Ledger for SqliteLedger {
    fn prepare(&self, record: &DecisionRecord, plan: &Arc<Plan>) -> Result<(), LedgerFailure> {
        let failure = |fault: StoreFault| LedgerFailure {
            what: "record",
            thing: format!("step {} of {}/{}", plan.sequence, plan.namespace, plan.name),
            why: fault.to_string(),
        };
        // INVARIANT: one open step per remediation; the writer holds it too, this only saves the work.
        if let Some(open) = self.memory.open(&plan.uid) {
            let text = format!("step {} of it is not settled yet; settle that one first", open.plan.sequence);
            return Err(failure(StoreFault::Refused(text)));
        }
        let says = says(record);
        let append = self.encode_step(record, plan, says).map_err(failure)?;
        if let Done::Appended { entry, .. } = self.writer.ask(Work::Append(Box::new(append))).map_err(failure)? {
            self.memory.prepared(&plan.uid, Open { plan: Arc::clone(plan), entry }, says);
        }
        Ok(())
    }

    fn settle(&self, uid: &str, settlement: &Settlement, at: Timestamp) -> Result<(), LedgerFailure> {
        let is_gone = *settlement == Settlement::Unknown;
        let Some(Open { plan, entry }) = self.memory.open(uid) else {
            if is_gone && self.memory.forget(uid) {
                let gone = self.writer.ask(Work::Gone { uid: uid.to_owned() });
                gone.map(drop).map_err(|fault| self.failure("note the end of a remediation in", &fault))?;
            }
            return Ok(());
        };
        let failure = |fault: StoreFault| LedgerFailure {
            what: "settle",
            thing: format!("step {} of {}/{}", plan.sequence, plan.namespace, plan.name),
            why: fault.to_string(),
        };
        let work = Work::Settle(Box::new(Settle {
            uid: uid.to_owned(),
            correlation: plan.name.clone(),
            sequence: plan.sequence,
            entry,
            settlement: settlement.clone(),
            at,
            body: body::of_settlement(settlement).map_err(failure)?,
            phase: plan.to.filter(|_| *settlement == Settlement::Confirmed).map(standing),
        }));
        let done = self.writer.ask(work).map_err(failure)?;
        self.memory.settled(uid, (!matches!(settlement, Settlement::Discarded { .. })).then_some(plan.sequence));
        if is_gone {
            self.memory.forget(uid);
        }
        if matches!(done, Done::Appended { events_waiting: 1.., .. }) {
            self.wake();
        }
        Ok(())
    }

    fn unsettled(&self, uid: &str) -> Option<Arc<Plan>> {
        self.memory.open(uid).map(|open| open.plan)
    }

    fn open_remediations(&self) -> Vec<String> {
        self.memory.open_uids()
    }

    fn note(&self, record: &DecisionRecord) -> Result<(), LedgerFailure> {
        let observation = &record.observation;
        let failure = |fault: StoreFault| LedgerFailure {
            what: "record",
            thing: format!("a decision on {}/{}", observation.namespace, observation.name),
            why: fault.to_string(),
        };
        let says = says(record);
        let work = if self.memory.repeats(&observation.uid, says) {
            Work::Repeat { uid: observation.uid.clone(), at: observation.now, wake_at: record.decision.wake_at }
        } else {
            let stay = self.encode_stay(record, says);
            Work::Append(Box::new(stay.inspect_err(|_| self.memory.forget_said(&observation.uid)).map_err(failure)?))
        };
        self.writer.tell(work).map_err(failure)
    }

    fn knows(&self, uid: &str, sequence: u64) -> bool {
        self.memory.knows(uid, sequence)
    }

    fn tidy(&self, now: Timestamp, exists: &dyn Fn(&str) -> bool) -> Result<(), LedgerFailure> {
        let removed = self.retain(now, self.settings.retention, exists)?;
        if removed.remediations > 0 {
            let Removed { remediations, entries, bytes } = removed;
            tracing::info!(remediations, entries, bytes, "old records were removed from the ledger");
        }
        Ok(())
    }

    fn adopt(&self, step: &ForeignStep) -> Result<(), LedgerFailure> {
        let failure = |fault: StoreFault| LedgerFailure {
            what: "take over",
            thing: format!("step {} of {}/{}", step.sequence, step.namespace, step.name),
            why: fault.to_string(),
        };
        let append = Append {
            kind: AppendKind::Adopted,
            uid: step.uid.clone(),
            correlation: step.name.clone(),
            namespace: step.namespace.clone(),
            sequence: step.sequence,
            at: step.at,
            body: body::of_adopted(step).map_err(failure)?,
            basis: None,
            events: events(&step.audit).map_err(failure)?,
            says: None,
            phase: None,
            past: None,
            is_known: self.memory.knows(&step.uid, step.sequence),
        };
        let done = self.writer.ask(Work::Append(Box::new(append))).map_err(failure)?;
        self.memory.adopted(&step.uid, step.sequence);
        if matches!(done, Done::Appended { events_waiting: 1.., .. }) {
            self.wake();
        }
        Ok(())
    }
}

impl SqliteLedger {
    /// The environment that a decision was made in: its own, or the one that this ledger was told last.
    fn environment_of(&self, record: &DecisionRecord) -> Option<Arc<str>> {
        record.basis.as_ref().map(|basis| basis.environment.as_str().into()).or_else(|| self.environment())
    }

    fn encode_step(&self, record: &DecisionRecord, plan: &Arc<Plan>, says: Hash) -> Result<Append, StoreFault> {
        let environment = self.environment_of(record);
        Ok(Append {
            kind: AppendKind::Step,
            uid: plan.uid.clone(),
            correlation: plan.name.clone(),
            namespace: plan.namespace.clone(),
            sequence: plan.sequence,
            at: plan.at,
            body: body::of_decision(record, Some(plan), environment.as_deref())?,
            basis: basis(record, environment.as_deref()),
            events: events(&plan.audit)?,
            says: Some(says),
            phase: record.observation.phase.map(standing),
            past: Past::of(&record.observation, plan),
            is_known: false,
        })
    }

    fn encode_stay(&self, record: &DecisionRecord, says: Hash) -> Result<Append, StoreFault> {
        let (observation, environment) = (&record.observation, self.environment_of(record));
        Ok(Append {
            kind: AppendKind::Stay,
            uid: observation.uid.clone(),
            correlation: observation.name.clone(),
            namespace: observation.namespace.clone(),
            sequence: observation.record.sequence,
            at: observation.now,
            body: body::of_decision(record, None, environment.as_deref())?,
            basis: basis(record, environment.as_deref()),
            events: Vec::new(),
            says: Some(says),
            phase: observation.phase.map(standing),
            past: None,
            is_known: false,
        })
    }
}

/// A phase's name, and whether it is an end.
const fn standing(phase: Phase) -> (&'static str, bool) {
    (phase.name(), phase.is_terminal())
}

fn events(audit: &[AuditEvent]) -> Result<Vec<NewEvent>, StoreFault> {
    if audit.len() > EVENTS_MAX {
        let text = format!("it has {} audit events, more than the {EVENTS_MAX} that a step may have", audit.len());
        return Err(StoreFault::Refused(text));
    }
    Ok(audit.iter().map(NewEvent::of).collect())
}

/// What a decision was made with.
fn basis(record: &DecisionRecord, environment: Option<&str>) -> Option<Basis> {
    let mut digests = Vec::new();
    let asked = record.decision.evaluations.iter().filter_map(|evaluation| evaluation.revision.as_ref());
    let others = record.basis.iter().flat_map(|basis| &basis.slots);
    for revision in asked.chain(others) {
        digests.push((BlobKind::Component.name(), revision.digest.clone()));
        digests.push((BlobKind::Config.name(), revision.config.clone()));
    }
    digests.extend(environment.map(|digest| (BlobKind::Environment.name(), digest.to_owned())));
    (!digests.is_empty()).then(|| Basis::of(digests))
}

/// What a decision says: its rule, who answered or faulted, how, whose deadlines hold where several gave some, and in which
/// environment of its own. A stay that says the same is only counted.
fn says(record: &DecisionRecord) -> Hash {
    let mut parts: Vec<&[u8]> = vec![record.decision.why.rule.as_bytes()];
    parts.extend(record.basis.as_ref().map(|basis| basis.environment.as_bytes()));
    for evaluation in &record.decision.evaluations {
        let (digest, config) = evaluation.revision.as_ref().map_or(("", ""), |one| (&one.digest, &one.config));
        let fault = evaluation.fault.as_ref().map_or("", |(reason, _)| reason);
        let said = [evaluation.slot.name(), digest, config, fault];
        parts.extend(said.map(str::as_bytes));
    }
    let held = record.decision.combined.iter().flat_map(|combined| combined.deadlines.iter().chain(&combined.endings));
    let held: Vec<String> = held.map(|(clock, member)| format!("{clock} {member}")).collect();
    parts.extend(held.iter().map(String::as_bytes));
    chain::digest(&parts)
}
