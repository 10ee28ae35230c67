//! What another policy would have decided on what was seen: each record by itself, one step.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use trimtab_core::decide::{Decision, Evaluation, Need, decide};
use trimtab_core::members::Seat;
use trimtab_core::observation::{ChildKind, LazyFact, Observation, TargetExecutions, TargetHash};
use trimtab_core::phase::Phase;
use trimtab_core::ports::Choice;
use trimtab_core::proposal::Slot;
use trimtab_core::record::Revision;
use trimtab_core::time::Timestamp;
use trimtab_policy_engine::Limits;

use super::cast::{Cast, Part, Parts, fact};
use super::changes::{Change, ChangeKind, Moved, changes, moved};
use super::library::{Key, Library};
use super::{KnownLimits, PROGRESS_EVERY, needed};
use crate::bundle::{BundleReader, BundleRecord, Held};
use crate::cli::ReplayArguments;
use crate::environment::Environment;
use crate::error::AuthorError;
use crate::explore::Named;
use crate::ledger::short;
use crate::observation::Time;
use crate::output::{columns, grouped};
use crate::run::wanted;

/// Most examples of one kind.
const EXAMPLES_MAX: usize = 3;
/// Most characters of what an example shows.
const SHOWN_MAX: usize = 240;

/// What another policy would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CandidateReport {
    /// The other policy.
    pub policy: Named,
    /// The slots that it was put into.
    pub slots: BTreeSet<Slot>,
    /// Records decided again.
    pub records: u64,
    /// Decisions that change.
    pub changed: u64,
    /// Decisions by kind of change; one can count for several kinds.
    pub by_kind: BTreeMap<ChangeKind, u64>,
    /// Phases of remediations that run into a deadline where they had not, or had later: also between two records,
    /// since of stays that say the same only the first is recorded.
    pub expired_earlier: u64,
    /// Phases of remediations that had run into a deadline and at that time no longer do.
    pub expired_later: u64,
    /// Decisions that needed a live look, for which what was seen from the cache was taken.
    pub assumed_live: u64,
    /// Decisions that depend on what the record does not hold.
    pub unknown: Vec<Unknown>,
    /// The first three of each kind.
    pub examples: Vec<ChangedExample>,
}

/// A decision that cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unknown {
    /// Number of the record, from 1.
    pub record: u64,
    /// What is missing.
    pub why: String,
}

/// A decision that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangedExample {
    /// Number of the record, from 1.
    pub record: u64,
    /// The remediation: namespace/name.
    pub remediation: String,
    /// When it was decided.
    pub at: Time,
    /// The phase that it was in.
    pub phase: Option<&'static str>,
    /// Everything that changes.
    pub changes: Vec<Change>,
    /// Rule and sentence as they were recorded.
    pub recorded_why: String,
    /// Rule and sentence as they would be.
    pub why: String,
}

/// The policy in its slots, by each slot's limits.
struct Candidate<'a> {
    arguments: &'a ReplayArguments,
    file: &'a Path,
    slots: BTreeSet<Slot>,
    /// By slot, with the limits that it was last loaded for.
    loaded: BTreeMap<Slot, (Limits, Key)>,
}

/// Decides every record with the policy in its slots.
pub(super) fn replay(
    arguments: &ReplayArguments,
    file: &Path,
    library: &mut Library,
    progress: &mut dyn FnMut(&str),
) -> Result<CandidateReport, AuthorError> {
    let scan = Scan::of(&arguments.bundle)?;
    let (key, component) = library.read(file, arguments.policy_config.as_deref(), Limits::DEFAULT)?;
    let description = component.description();
    let slots = wanted(&arguments.slots, component.slots(), &description.name)?;
    let policy = Named {
        name: description.name.clone(),
        version: description.version.clone(),
        digest: key.0.clone(),
        config: key.1.clone(),
    };
    let mut candidate = Candidate { arguments, file, slots, loaded: BTreeMap::new() };
    let mut report = CandidateReport {
        policy,
        slots: candidate.slots.clone(),
        records: 0,
        changed: 0,
        by_kind: ChangeKind::ALL.into_iter().map(|kind| (kind, 0)).collect(),
        expired_earlier: 0,
        expired_later: 0,
        assumed_live: 0,
        unknown: Vec::new(),
        examples: Vec::new(),
    };
    let mut reader = BundleReader::open(&arguments.bundle)?;
    let mut known = KnownLimits::default();
    let (mut earlier, mut later) = (BTreeSet::new(), BTreeSet::new());
    while let Some(record) = reader.next_record()? {
        if record.number.is_multiple_of(PROGRESS_EVERY) {
            progress(&format!("decided {} records again", record.number));
        }
        let environment = reader.held().environment(&record);
        known.learn(&record, &environment);
        let environment = candidate.environment(&environment);
        let parts = candidate.parts(&record, (&environment, &known), &scan.actives, library, reader.held())?;
        report.records += 1;
        match decided(&record.record.observation, library, &environment, &parts) {
            Err(need) => report.unknown.push(Unknown { record: record.number, why: needed(need) }),
            Ok((seen, decision)) => {
                let until = scan.held_until.get(&record.number).copied().unwrap_or(seen.now);
                match moved(&seen, &environment.settings, (&record.record.decision, &decision), until) {
                    Some(Moved::Earlier) => earlier.insert((seen.uid.clone(), seen.phase)),
                    Some(Moved::Later) => later.insert((seen.uid.clone(), seen.phase)),
                    None => false,
                };
                report.note(&record, &seen, &environment, &decision);
            }
        }
    }
    report.expired_earlier = earlier.len() as u64;
    report.expired_later = later.difference(&earlier).count() as u64;
    Ok(report)
}

/// Decides; where a live look is needed, what was seen counts as one.
fn decided(
    seen: &Arc<Observation>,
    library: &Library,
    environment: &Arc<Environment>,
    parts: &Parts,
) -> Result<(Arc<Observation>, Decision), Need> {
    let ask = |seen: &Arc<Observation>| {
        let mut cast = Cast::new(library, Arc::clone(environment), parts.clone());
        decide(seen, &mut cast, &environment.settings).map(|decision| (Arc::clone(seen), decision))
    };
    match ask(seen) {
        Err(Need::Live) => ask(&Arc::new(Observation { is_live: true, ..Observation::clone(seen) })),
        // Nobody looked at the target then, because nothing was to be executed: it counts as free, and as not there.
        Err(Need::Fact(LazyFact::TargetHash | LazyFact::TargetExecutions)) => {
            let mut looked = Observation::clone(seen);
            let target = looked.remediation_target().qualified();
            looked.facts.target_hash.get_or_insert(TargetHash::Absent);
            looked.facts.target_executions.get_or_insert_with(|| TargetExecutions {
                target,
                locked: true,
                ..TargetExecutions::default()
            });
            ask(&Arc::new(looked))
        }
        other => other,
    }
}

/// The revisions of the policies, from the record that names them first.
type Actives = BTreeMap<Seat, Revision>;

/// What has to be known of the whole file first.
#[derive(Debug, Default)]
struct Scan {
    /// For decisions that did not ask a slot.
    actives: Actives,
    /// By record: until when what was seen held, so that a deadline before then would have passed.
    held_until: BTreeMap<u64, Timestamp>,
}

impl Scan {
    fn of(bundle: &Path) -> Result<Self, AuthorError> {
        let mut reader = BundleReader::open(bundle)?;
        let mut scan = Self::default();
        // By uid, the last record and its phase.
        let mut last: BTreeMap<String, (u64, Option<Phase>)> = BTreeMap::new();
        while let Some(record) = reader.next_record()? {
            for (seat, revision) in asked(&record) {
                scan.actives.entry(seat).or_insert(revision);
            }
            let seen = &record.record.observation;
            if let Some((number, phase)) = last.insert(seen.uid.clone(), (record.number, seen.phase)) {
                // A child that was done in time excuses its phase, however late that is seen.
                let kind = seen.phase.filter(|_| seen.phase == phase).and_then(ChildKind::of_phase);
                let done = kind.and_then(|kind| seen.child(kind)).filter(|child| child.found && child.is_finished());
                let until = done.and_then(|child| child.finished_at).unwrap_or(seen.now);
                scan.held_until.insert(number, until.min(seen.now));
            }
            scan.held_until.insert(record.number, record.last_at.0);
        }
        Ok(scan)
    }
}

fn asked(record: &BundleRecord) -> impl Iterator<Item = (Seat, Revision)> + '_ {
    let active = |one: &&Evaluation| one.choice == Choice::Active;
    record.record.decision.evaluations.iter().filter(active).filter_map(|one| Some((one.seat(), one.revision.clone()?)))
}

impl Candidate<'_> {
    /// The environment with one policy in each of its slots, where there were several.
    fn environment(&self, recorded: &Arc<Environment>) -> Arc<Environment> {
        if !recorded.several.keys().any(|slot| self.slots.contains(slot)) {
            return Arc::clone(recorded);
        }
        let mut alone = Environment::clone(recorded);
        alone.several.retain(|slot, _| !self.slots.contains(slot));
        Arc::new(alone)
    }

    fn load(&mut self, slot: Slot, limits: Limits, library: &mut Library) -> Result<Key, AuthorError> {
        if let Some((_, key)) = self.loaded.get(&slot).filter(|(known, _)| *known == limits) {
            return Ok(key.clone());
        }
        let (key, _) = library.read(self.file, self.arguments.policy_config.as_deref(), limits)?;
        self.loaded.insert(slot, (limits, key.clone()));
        Ok(key)
    }

    /// Who answers: the policy in its slots, in the others whoever did, or would have, when it was recorded.
    fn parts(
        &mut self,
        record: &BundleRecord,
        (environment, known): (&Environment, &KnownLimits),
        actives: &Actives,
        library: &mut Library,
        held: &Held,
    ) -> Result<Parts, AuthorError> {
        let mut parts = Vec::new();
        let builtin = library.builtin()?;
        let asked: BTreeMap<Seat, Revision> = asked(record).collect();
        let seats = |slot: Slot| environment.members(slot).all().map(move |member| Seat { slot, member });
        for seat in Slot::ALL.into_iter().flat_map(seats) {
            let revision = asked.get(&seat).or_else(|| actives.get(&seat));
            let recorded = |library: &mut Library, choice: Choice, revision: &Revision| {
                let limits = known.of(seat, choice, revision, environment);
                library.recorded(held, revision, limits, &|| format!("{}, {} slot", record.place(), seat.slot))
            };
            if self.slots.contains(&seat.slot) {
                let key = self.load(seat.slot, environment.limits(seat), library)?;
                parts.push(((seat, Choice::Active), Part::Policy(key)));
                // What was active is what decided last without a fault.
                let good = revision.and_then(|revision| recorded(library, Choice::Active, revision).ok());
                parts.extend(good.map(|key| ((seat, Choice::LastGood), Part::Policy(key))));
            } else {
                for one in record.record.decision.evaluations.iter().filter(|one| one.seat() == seat) {
                    let key: Option<Key> = match &one.revision {
                        Some(revision) => Some(recorded(library, one.choice, revision)?),
                        None => None,
                    };
                    let part = match (fact(one), key) {
                        (Some(fault), key) => Part::Fact(fault, key),
                        (None, Some(key)) => Part::Policy(key),
                        (None, None) => continue,
                    };
                    parts.push(((seat, one.choice), part));
                }
                if !asked.contains_key(&seat) {
                    let key = revision.map(|revision| recorded(library, Choice::Active, revision)).transpose()?;
                    parts.push(((seat, Choice::Active), Part::Policy(key.unwrap_or_else(|| builtin.clone()))));
                }
            }
            if !parts.iter().any(|(asked, _)| *asked == (seat, Choice::Builtin)) {
                parts.push(((seat, Choice::Builtin), Part::Policy(builtin.clone())));
            }
        }
        Ok(parts)
    }
}

impl CandidateReport {
    fn note(&mut self, record: &BundleRecord, seen: &Observation, environment: &Environment, now: &Decision) {
        let (recorded, settings) = (&record.record.decision, &environment.settings);
        self.assumed_live += u64::from(seen.is_live && !record.record.observation.is_live);
        let changes = changes(seen, settings, recorded, now);
        if changes.is_empty() {
            return;
        }
        self.changed += 1;
        let mut is_example = false;
        for change in &changes {
            let count = self.by_kind.entry(change.kind).or_default();
            *count += 1;
            is_example |= *count <= EXAMPLES_MAX as u64;
        }
        if is_example {
            let why = |decision: &Decision| format!("{}: {}", decision.why.rule, decision.why.text);
            self.examples.push(ChangedExample {
                record: record.number,
                remediation: format!("{}/{}", seen.namespace, seen.name),
                at: Time(seen.now),
                phase: seen.phase.map(Phase::name),
                changes,
                recorded_why: why(recorded),
                why: why(now),
            });
        }
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let mut text = String::new();
        let slots = self.slots.iter().map(|slot| slot.name()).collect::<Vec<_>>().join(", ");
        let Named { name, version, digest, .. } = &self.policy;
        let _ = writeln!(text, "{name} {version} {} in {slots}, each record by itself", short(digest));
        let _ = writeln!(text, "{} of {} decisions change", grouped(self.changed), grouped(self.records));
        let mut rows: Vec<Vec<String>> =
            self.by_kind.iter().map(|(kind, count)| vec![kind.name().to_owned(), grouped(*count)]).collect();
        rows.push(vec!["expired earlier".to_owned(), grouped(self.expired_earlier)]);
        rows.push(vec!["expired later".to_owned(), grouped(self.expired_later)]);
        rows.push(vec!["unknown".to_owned(), grouped(self.unknown.len() as u64)]);
        text.push_str(&columns(&rows, 2));
        if self.assumed_live > 0 {
            let count = grouped(self.assumed_live);
            let _ = writeln!(text, "{count} would have looked live first; what was seen was taken for it");
        }
        if let Some(first) = self.unknown.first() {
            let _ = writeln!(text, "unknown, such as record {}: the decision {}", first.record, first.why);
        }
        for example in &self.examples {
            let phase = example.phase.unwrap_or("no phase yet");
            let _ = writeln!(text, "\nrecord {}: {}, {phase}, {}", example.record, example.remediation, example.at);
            for change in &example.changes {
                let (recorded, now) = (shown(&change.recorded), shown(&change.now));
                let _ = writeln!(text, "  {}\n    recorded: {recorded}\n    now:      {now}", change.kind.name());
            }
            let _ = writeln!(text, "  why: {}", shown(&example.why));
        }
        text
    }
}

fn shown(text: &str) -> String {
    if text.chars().count() <= SHOWN_MAX {
        return text.to_owned();
    }
    text.chars().take(SHOWN_MAX - 1).chain(['…']).collect()
}
