//! The table of decisions: what each component answers to each observation, and for how much fuel.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use trimtab_core::members::Member;
use trimtab_core::observation::Observation;
use trimtab_core::ports::{Answer, Choice, Interruption, Judge as _};
use trimtab_core::proposal::{Intent, Slot};
use trimtab_policy_engine::{
    BUILTIN, CacheConfig, Component, Digest, Engine, EngineConfig, Limits, PolicySet, WallClock,
};

use crate::components::Subject;
use crate::{observations, routing};

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// Of the component, in hexadecimal.
    pub(crate) digest: String,
    config: String,
    observation: String,
    slot: &'static str,
    /// Of the canonical JSON of the answer; of a fault, its reason.
    answer: String,
    fuel: u64,
}

impl Row {
    fn key(&self) -> String {
        format!("{}\t{}\t{}\t{}", self.digest, self.config, self.observation, self.slot)
    }

    fn value(&self) -> String {
        format!("{}\t{}", self.answer, self.fuel)
    }
}

/// Rows by what was asked.
#[derive(Debug, Default)]
pub(crate) struct Table(BTreeMap<String, (Row, String)>);

const HEAD: &str = "component\tconfig\tobservation\tslot\tanswer\tfuel";

impl Table {
    /// As it was written; empty where there is no such file.
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut table = Self::default();
        for line in text.lines().skip(1) {
            let cells: Vec<_> = line.split('\t').collect();
            let [digest, config, observation, slot, answer, fuel] = cells.as_slice() else { panic!("{line}") };
            let slot = Slot::ALL.into_iter().find(|known| known.name() == *slot).expect("a slot").name();
            let [digest, config, observation, answer] = [digest, config, observation, answer].map(ToString::to_string);
            table.add(Row { digest, config, observation, slot, answer, fuel: fuel.parse().expect("fuel") });
        }
        table
    }

    /// One row a line, sorted by what was asked.
    pub(crate) fn write(&self, path: &Path) {
        let mut text = format!("{HEAD}\n");
        for (key, (_, value)) in &self.0 {
            writeln!(text, "{key}\t{value}").expect("a text takes text");
        }
        std::fs::write(path, text).expect("the table is written");
    }

    fn add(&mut self, row: Row) {
        let value = row.value();
        self.0.insert(row.key(), (row, value));
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.0.values().map(|(row, _)| row)
    }

    pub(crate) fn has(&self, row: &Row) -> bool {
        self.0.get(&row.key()).is_some_and(|(known, _)| known == row)
    }

    /// Every row that is not in both tables, at most the first 20.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let mine = self.rows().filter(|row| !other.has(row)).map(|row| format!("- {}\t{}", row.key(), row.value()));
        let theirs = other.rows().filter(|row| !self.has(row)).map(|row| format!("+ {}\t{}", row.key(), row.value()));
        mine.chain(theirs).take(20).collect()
    }
}

/// An engine under fuel alone.
pub(crate) fn engine(pool: bool, cached: bool) -> Engine {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("determinism-cache");
    let cache = cached.then(|| CacheConfig::new(folder, [5; 32]));
    let config = EngineConfig { cache, pool, instances: 4, wall_clock: WallClock::Stopped, ..EngineConfig::default() };
    Engine::new(config).expect("an engine")
}

/// What a component answers in every slot that it fills, to every observation that it is asked about.
pub(crate) fn decisions(engine: &Engine, subject: &Subject) -> Table {
    let component = engine.load(&subject.bytes, Limits::DEFAULT).unwrap_or_else(|no| panic!("{}: {no}", subject.name));
    let builtin = engine.load(BUILTIN, Limits::DEFAULT).expect("the built-in policy");
    let mut table = Table::default();
    for config in &subject.configs {
        let set = set(&component, &builtin, config);
        for (name, seen) in observations::all().into_iter().chain(routing::all()) {
            if subject.observations.is_empty() || subject.observations.contains(&name) {
                for (slot, answer, fuel) in ask(&set, &component, &seen) {
                    let digest = Digest::of(&subject.bytes).hexadecimal();
                    let (config, observation) = (config.clone(), name.to_owned());
                    table.add(Row { digest, config, observation, slot: slot.name(), answer, fuel });
                }
            }
        }
    }
    table
}

fn set(component: &Arc<Component>, builtin: &Arc<Component>, config: &str) -> PolicySet {
    let policy = component.configure(config).unwrap_or_else(|no| panic!("{config}: {no}"));
    let set = PolicySet::new(builtin.configure("").expect("its config")).expect("every slot");
    for slot in component.slots() {
        set.swap(*slot, &policy).expect("it fills the slot");
    }
    set
}

/// One instance for each slot, so that the fuel of one does not hang on what was asked before.
fn ask(set: &PolicySet, component: &Component, seen: &Arc<Observation>) -> Vec<(Slot, String, u64)> {
    let passed: Vec<String> = match seen.phase {
        Some(phase) if seen.now.since(observations::START).as_millis() > 3_600_000 => vec![phase.name().to_owned()],
        _ => Vec::new(),
    };
    let mut rows = Vec::new();
    let intent = set.session().transitions(Choice::Active, seen, &passed);
    let told = intent.map_or_else(|_| Intent::default(), |answer| answer.value);
    for slot in component.slots() {
        let (answer, fuel) = match slot {
            Slot::Timeouts => digested(set.session().timeouts(Member::FIRST, Choice::Active, seen)),
            Slot::Transitions => digested(set.session().transitions(Choice::Active, seen, &passed)),
            Slot::Children => digested(set.session().children(Choice::Active, seen, &told)),
        };
        rows.push((*slot, answer, fuel));
    }
    rows
}

/// The digest of an answer, or the reason of a fault, and the fuel.
fn digested<T: Serialize>(outcome: Result<Answer<T>, Interruption>) -> (String, u64) {
    match outcome {
        Ok(answer) => {
            let text = serde_json::to_string(&answer.value).expect("an answer is JSON");
            (hex::encode(Sha256::digest(text)), answer.fuel)
        }
        Err(Interruption::Fault(fault)) => (fault.reason.code().to_owned(), fault.fuel),
        Err(Interruption::Missing(fact)) => panic!("{fact:?} is gathered"),
    }
}
