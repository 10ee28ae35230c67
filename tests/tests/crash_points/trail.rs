//! The audit events of a performance, held against the steps that its objects showed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use trimtab_core::audit::AuditEvent;
use trimtab_core::ports::Settlement;
use trimtab_ledger::reader::{EntryContent, EventFilter, EventState, LedgerReader};
use trimtab_tests::scenario::mask::Mask;
use trimtab_tests::scenario::recorder::{Life, Seen};
use uuid::Uuid;

/// Action of the event that tells of the removal of an ended remediation.
const REMOVAL: &str = "retention_cleanup";

/// One event as every performance of a scenario has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    /// Number of the remediation in the scenario, by its first sight.
    life: usize,
    sequence: u64,
    event_type: String,
    action: String,
    outcome: String,
    /// The payload without its volatile members.
    payload: String,
}

/// What a ledger tells in the end.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    told: Vec<Told>,
    /// Every event that was told: the receiver keeps an id once.
    ids: BTreeMap<Uuid, Value>,
    /// Steps that the objects showed.
    shown: BTreeSet<(usize, u64)>,
    /// Steps whose remediation was gone before anybody could tell.
    unknown: BTreeSet<(usize, u64)>,
    invented: Vec<String>,
}

/// Totals over performances.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    blows: usize,
    expected: usize,
    lost: usize,
    invented: usize,
    doubled: usize,
    unknown: usize,
}

impl Tally {
    pub(crate) const HEAD: &str = "blows | events | lost | invented | doubled | steps of objects gone before the check";
    pub(crate) const RULE: &str = "---|---|---|---|---|---";

    pub(crate) fn add(&mut self, other: &Self) {
        self.blows += other.blows;
        self.expected += other.expected;
        self.lost += other.lost;
        self.invented += other.invented;
        self.doubled += other.doubled;
        self.unknown += other.unknown;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { blows, expected, lost, invented, doubled, unknown } = self;
        write!(f, "{blows} | {expected} | {lost} | {invented} | {doubled} | {unknown}")
    }
}

impl Trail {
    /// Adds a ledger that nobody writes any more.
    pub(crate) fn read(&mut self, folder: &Path, seen: &Seen) -> Result<()> {
        let reader = LedgerReader::open(folder)?;
        let verification = reader.verify(None)?;
        ensure!(verification.is_sound(), "the chain is broken: {:?}", verification.damages);
        let lives: Vec<_> = seen.lives.iter().map(|life| life.uid.clone()).collect();
        let life_of = |uid: &str| lives.iter().position(|known| known == uid);
        let trail = self;
        let mut here = BTreeSet::new();
        for stored in reader.events(&EventFilter::default())? {
            if stored.state == EventState::Withdrawn {
                continue;
            }
            ensure!(stored.state == EventState::Waiting, "an event is {:?}: {:?}", stored.state, stored.event);
            ensure!(here.insert(stored.event.id), "an id is there twice: {:?}", stored.event);
            let is_removal = stored.event.body["event_action"] == REMOVAL;
            if let Some(told) = trail.ids.insert(stored.event.id, stored.event.body.clone()) {
                // Each of two hosts has begun to remove it, and says when; nothing is left from which to say it alike.
                ensure!(
                    is_removal || told == stored.event.body,
                    "two hosts tell the same event differently: {told} and {stored:?}"
                );
                continue;
            }
            let body = &stored.event.body;
            trimtab_core::audit::validate(body).map_err(anyhow::Error::msg).with_context(|| body.to_string())?;
            let life = life_of(&stored.uid).context("an event of a remediation that nobody has seen")?;
            let seen_life = seen.lives.get(life).context("no such life")?;
            let sequence = sequence_of(&reader, &stored)?;
            if !is_shown(seen_life, sequence, &stored.event, is_removal) {
                let (what, at) = (&stored.event.event_type, stored.event.at);
                let shown = seen_life.steps.get(&sequence);
                trail
                    .invented
                    .push(format!("{what} of step {sequence} at {at} of {}, shown {shown:?}", seen_life.name));
            }
            let text = |member: &str| body[member].as_str().unwrap_or_default().to_owned();
            trail.told.push(Told {
                life,
                sequence,
                event_type: stored.event.event_type.clone(),
                action: text("event_action"),
                outcome: text("event_outcome"),
                payload: payload(body)?,
            });
        }
        for (life, of) in seen.lives.iter().enumerate() {
            trail.shown.extend(of.steps.keys().map(|sequence| (life, *sequence)));
        }
        for uid in &lives {
            for entry in reader.decisions(uid)? {
                if let EntryContent::Settlement(Settlement::Unknown) = entry.content {
                    trail.unknown.insert((life_of(uid).unwrap_or_default(), entry.sequence));
                }
            }
        }
        trail.told.sort_by_key(|told| (told.life, told.sequence));
        Ok(())
    }

    /// One line for each event.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.told.iter().map(|told| {
            let Told { life, sequence, event_type, action, outcome, payload } = told;
            format!("{}.{sequence} {event_type} {action} {outcome} {payload}", life + 1)
        })
    }

    /// What is there too much or too little, beside an undisturbed performance.
    pub(crate) fn compare(&self, expected: &Self, tally: &mut Tally) -> Vec<String> {
        tally.blows += 1;
        tally.invented += self.invented.len();
        tally.unknown += self.unknown.len();
        let mut faults: Vec<_> = self.invented.iter().map(|event| format!("invented: {event}")).collect();
        let (have, want) = (counted(&self.told), counted(&expected.told));
        // A removal leaves no object that could show it: it has to be told wherever it is told undisturbed.
        for (key, count) in want.iter().filter(|(key, _)| key.3 == REMOVAL || self.shown.contains(&(key.0, key.1))) {
            tally.expected += count;
            let found = have.get(key).copied().unwrap_or(0);
            if found < *count && !self.unknown.contains(&(key.0, key.1)) {
                tally.lost += count - found;
                faults.push(format!("lost: {key:?}"));
            }
        }
        for (key, count) in &have {
            let most = want.get(key).copied().unwrap_or(0);
            if *count > most {
                if most == 0 {
                    tally.invented += count;
                } else {
                    tally.doubled += count - most;
                }
                faults.push(format!("too many: {key:?}"));
            }
        }
        faults
    }
}

/// Whether an event is one of a step that was seen to be done: its object showed it, or is gone after its last step.
fn is_shown(life: &Life, sequence: u64, event: &AuditEvent, is_removal: bool) -> bool {
    if is_removal {
        return life.is_gone && life.steps.keys().next_back().is_some_and(|last| last + 1 == sequence);
    }
    life.steps.get(&sequence) == Some(&event.at)
}

type Key<'a> = (usize, u64, &'a str, &'a str, &'a str);

fn counted(told: &[Told]) -> BTreeMap<Key<'_>, usize> {
    let mut counts = BTreeMap::new();
    for one in told {
        let key = (one.life, one.sequence, one.event_type.as_str(), one.action.as_str(), one.payload.as_str());
        *counts.entry(key).or_insert(0) += 1;
    }
    counts
}

/// Members of a payload that differ from one performance to the next.
const VOLATILE: [&str; 4] = ["duration_ms", "namespace", "required_by", "pre_remediation_spec_hash"];

fn payload(body: &serde_json::Value) -> Result<String> {
    let mut payload = body["event_data"].clone();
    let members = payload.as_object_mut().context("an event without a payload")?;
    members.remove("event_type");
    let namespace = members.get("namespace").and_then(Value::as_str).unwrap_or_default().to_owned();
    for member in VOLATILE {
        if let Some(value) = members.get_mut(member) {
            *value = "…".into();
        }
    }
    // A target can be in the namespace of the performance.
    Ok(Mask::read()?.text(&payload.to_string().replace(&format!("{namespace}/"), "<namespace>/")))
}

/// The step that an event belongs to.
fn sequence_of(reader: &LedgerReader, stored: &trimtab_ledger::reader::StoredEvent) -> Result<u64> {
    let entries = reader.decisions(&stored.uid)?;
    let entry = entries.into_iter().find(|entry| entry.id == stored.entry).context("an event without its entry")?;
    Ok(entry.sequence)
}
