//! The policies in force: loaded from files, reloaded when a file changes, asked by the controller.
//!
//! A slot that the built-in policy fills has the config file's values beneath its own config.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::watch;
use trimtab_author::environment::Environment;
use trimtab_controller::{Policies, Responsible};
use trimtab_core::observation::Observation;
use trimtab_core::ports::{DecisionRecord, LedgerFailure};
use trimtab_core::proposal::Slot;
use trimtab_core::record::SetRevision;
use trimtab_core::settings::Settings;
use trimtab_ledger::{BlobKind, SqliteLedger};
use trimtab_policy_engine::sets::{SetError, SetView};
use trimtab_policy_engine::{
    BUILTIN, ConfiguredPolicy, Digest, Engine, EngineConfig, EvaluationTimes, Limits, PolicySet,
};

use crate::cli::PolicyArguments;
use crate::{bad_input, config};
use documents::Documents;
use fetching::{Fetching, Places};
use files::{Files, Seen, Source, parse, seen};
use sets::{Look, Sets};

pub(crate) use book::Book;
pub(crate) use cluster::ClusterReader;
pub(crate) use metrics::SetMetrics;
pub(crate) use report::SetsReport;
pub(crate) use trust::Trust;

mod archive;
mod book;
mod cluster;
mod documents;
mod fetching;
mod files;
mod metrics;
mod report;
mod sets;
mod stage;
mod trust;

/// How often the files are looked at. By content: a mounted `ConfigMap` changes without its files being written.
const POLL: Duration = Duration::from_millis(250);

/// Wait before what failed is tried again, where it may pass by itself.
const AGAIN: Duration = Duration::from_secs(10);

/// The slots and the files that fill them.
#[derive(Debug)]
pub(crate) struct Slotted {
    engine: Engine,
    set: PolicySet,
    sources: Vec<Source>,
    ledger: Arc<SqliteLedger>,
    /// The sets that go before these slots.
    sets: Sets,
    /// Folder of their documents; without one they come from the cluster.
    folder: Option<PathBuf>,
    below: Mutex<Below>,
}

/// What lies beneath the files of the slots. Held while anything is put in force, so that nothing is put on what is
/// about to change.
#[derive(Debug)]
struct Below {
    /// Config of the built-in policy, as the config file has it.
    config: serde_json::Value,
    settings: Settings,
    /// What the documents of the sets have shown last.
    look: Option<Look>,
    /// When that is tried once more, where something of it failed that may pass by itself.
    again_at: Option<Instant>,
}

/// Where the documents of the sets come from, and what they may name.
#[derive(Debug)]
pub(crate) struct Origins {
    /// Folder of the documents, and of their files; without one they are objects of the cluster.
    pub(crate) documents: Option<PathBuf>,
    /// Folder of the files that objects name.
    pub(crate) files: Option<PathBuf>,
    /// Namespace of the objects.
    pub(crate) namespace: String,
    /// The cluster.
    pub(crate) cluster: ClusterReader,
    /// Whose components may run.
    pub(crate) trust: Trust,
}

impl Slotted {
    /// Loads every slot; a policy that cannot be used is the caller's to mend.
    pub(crate) fn load(
        (arguments, origins): (&PolicyArguments, Origins),
        engine: EngineConfig,
        (config, settings): (serde_json::Value, Settings),
        ledger: Arc<SqliteLedger>,
    ) -> anyhow::Result<Self> {
        let engine = Engine::new(engine)?;
        let builtin = engine.load(BUILTIN, Limits::default()).context("the built-in policy cannot be loaded")?;
        let builtin = builtin.configure("").context("the built-in policy cannot be configured")?;
        keep(&ledger, &builtin, BUILTIN)?;
        let Origins { documents: folder, files, namespace, cluster, trust } = origins;
        let places = Places { folder: folder.clone().or(files), namespace, cluster };
        let sets = Sets::new(Fetching::new(places, trust), &engine, &builtin, &ledger, &settings);
        let set = PolicySet::new(builtin).context("the built-in policy does not fill every slot")?;
        let sources = Slot::ALL.into_iter().map(|slot| Source::of(slot, arguments)).collect();
        let below = Mutex::new(Below { config, settings, look: None, again_at: None });
        let slotted = Self { engine, set, sources, ledger, sets, folder, below };
        {
            let below = slotted.below();
            let stands_on_file = |source: &Source| source.component.is_none() && !is_nothing(&below.config);
            for source in slotted.sources.iter().filter(|source| source.is_given() || stands_on_file(source)) {
                let files = source.read().map_err(bad_input)?;
                slotted.put(source, &files, &below.config).with_context(|| source.describe()).map_err(bad_input)?;
            }
        }
        for asked in &arguments.strategies {
            for slot in Slot::ALL.into_iter().filter(|slot| asked.slots.covers(*slot)) {
                slotted.set.set_strategy(slot, asked.strategy);
            }
        }
        slotted.record_environment(&slotted.below().settings)?;
        slotted.announce();
        if let Some(folder) = &slotted.folder {
            let look = slotted.sets.look(Documents::read(folder).map_err(bad_input)?, true);
            slotted.put_in_force(&look);
        }
        Ok(slotted)
    }

    /// The engine that runs them.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Every set that is in force.
    fn sets(&self) -> Vec<SetView> {
        self.sets.view()
    }

    /// How long evaluations took, by revision: first those of the policies outside of the sets, whose name is empty.
    fn evaluation_times(&self) -> Vec<(SetRevision, EvaluationTimes)> {
        let nobodys = SetRevision { set: String::new(), revision: String::new() };
        let of_sets = self.sets.evaluation_times();
        std::iter::once((nobodys, self.set.evaluation_times())).chain(of_sets).collect()
    }

    /// The policies and sets of the documents, for people.
    pub(crate) fn report(&self) -> SetsReport {
        report::of(&self.sets.outcome(), &self.sets.view_with_draining())
    }

    fn below(&self) -> MutexGuard<'_, Below> {
        self.below.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The policy in these files, with the config file's values beneath its config where it is the built-in one.
    fn made(&self, source: &Source, files: &Files, below: &serde_json::Value) -> anyhow::Result<Arc<ConfiguredPolicy>> {
        let limits = source.parse_limits(&files.limits)?;
        let own = source.config.as_ref().map(|file| parse::<serde_json::Value>(file, &files.config)).transpose()?;
        let config = match (own, source.component.is_none() && !is_nothing(below)) {
            (None, false) => String::new(),
            (Some(own), false) => own.to_string(),
            (own, true) => {
                let mut merged = below.clone();
                config::merge(&mut merged, &own.unwrap_or_default());
                merged.to_string()
            }
        };
        Ok(self.engine.load(&files.component, limits)?.configure(&config)?)
    }

    /// Puts the policy in these files in force. Nothing changes where it cannot be used.
    fn put(&self, source: &Source, files: &Files, below: &serde_json::Value) -> anyhow::Result<Arc<ConfiguredPolicy>> {
        let policy = self.made(source, files, below)?;
        // Before any decision of it is recorded: the ledger names it by digest.
        keep(&self.ledger, &policy, &files.component)?;
        self.set.swap(source.slot, &policy)?;
        Ok(policy)
    }

    /// Lets other values of the config file hold, in every slot that the built-in policy fills, and other settings.
    /// Nothing changes where one of them cannot be used.
    pub(crate) fn reconfigure(&self, config: &serde_json::Value, settings: &Settings) -> anyhow::Result<()> {
        let mut below = self.below();
        let mut made = Vec::new();
        for source in self.sources.iter().filter(|source| source.component.is_none() && below.config != *config) {
            let files = source.read()?;
            let policy = self.made(source, &files, config).with_context(|| source.describe())?;
            keep(&self.ledger, &policy, &files.component)?;
            made.push((source.slot, policy));
        }
        for (slot, policy) in made {
            self.set.swap(slot, &policy)?;
            tracing::info!(slot = slot.name(), config = policy.revision().config, "policy configured anew");
        }
        self.sets.set_settings(settings)?;
        if let Some(look) = below.look.as_ref().filter(|_| below.config != *config) {
            self.sets.apply(look, config);
        }
        below.config = config.clone();
        below.settings = settings.clone();
        self.record_environment(settings)
    }

    /// Tells the ledger what decisions depend on besides what was seen and who answered.
    fn record_environment(&self, settings: &Settings) -> anyhow::Result<()> {
        Ok(self.ledger.set_environment(&Environment::of(settings, &self.set).to_json())?)
    }

    fn announce(&self) {
        for slot in Slot::ALL {
            let view = self.set.view(slot);
            let (name, version) = &view.policy;
            tracing::info!(
                slot = slot.name(),
                policy = %format!("{name} {version}"),
                digest = view.active.digest,
                config = view.active.config,
                strategy = ?view.strategy,
                "policy in force"
            );
        }
        tracing::info!(pool = %self.engine.pool(), cache = ?self.engine.cache().state, "engine");
    }

    /// Watches the files until the process ends. What cannot be used is refused with its reason, and what was in
    /// force stays.
    pub(crate) async fn follow(self: Arc<Self>, swapped: watch::Sender<u64>) {
        tokio::join!(Arc::clone(&self).follow_slots(&swapped), Arc::clone(&self).follow_folder(&swapped));
    }

    /// The same for the folder of the sets.
    async fn follow_folder(self: Arc<Self>, swapped: &watch::Sender<u64>) {
        let mut last = None;
        let mut ticks = tokio::time::interval(POLL);
        while self.folder.is_some() {
            ticks.tick().await;
            let this = Arc::clone(&self);
            let before = last.take();
            let looked = tokio::task::spawn_blocking(move || this.look_at_folder(before.as_ref())).await;
            let Ok((now, has_changed)) = looked else { continue };
            last = now;
            if has_changed {
                swapped.send_modify(|count| *count += 1);
            }
        }
    }

    /// Looks, and puts in force what two looks in a row agree on; the result is this look, and whether anything has changed.
    fn look_at_folder(&self, before: Option<&Look>) -> (Option<Look>, bool) {
        let Some(folder) = &self.folder else { return (None, false) };
        let documents = match Documents::read(folder) {
            Ok(documents) => documents,
            Err(error) => {
                if before.is_some() {
                    tracing::error!(reason = crate::one_line(&error), "the folder of policies is not looked at");
                }
                return (None, false);
            }
        };
        let now = self.sets.look(documents, false);
        let has_changed = before == Some(&now) && self.put_in_force(&now);
        (Some(now), has_changed)
    }

    /// Puts in force what a look has shown, where it has shown anything new.
    fn put_in_force(&self, look: &Look) -> bool {
        let mut below = self.below();
        let is_due = below.again_at.is_some_and(|at| at <= Instant::now());
        if below.look.as_ref() == Some(look) && !is_due {
            return false;
        }
        self.sets.apply(look, &below.config);
        below.look = Some(look.clone());
        below.again_at = self.sets.outcome().may_pass().then(|| Instant::now() + AGAIN);
        true
    }

    async fn follow_slots(self: Arc<Self>, swapped: &watch::Sender<u64>) {
        let given: Vec<_> = self.sources.iter().filter(|source| source.is_given()).collect();
        let mut settled: Vec<Seen> = given.iter().map(|source| seen(&source.read())).collect();
        let mut last = settled.clone();
        let mut ticks = tokio::time::interval(POLL);
        while !given.is_empty() {
            ticks.tick().await;
            for ((source, settled), last) in given.iter().zip(&mut settled).zip(&mut last) {
                let read = source.read();
                let now = seen(&read);
                // Component and config are two files, and a file may be in the middle of being written: what counts
                // is what two looks in a row agree on.
                let is_steady = std::mem::replace(last, now.clone()) == now;
                if !is_steady || *settled == now {
                    continue;
                }
                *settled = now;
                let (this, source) = (Arc::clone(&self), (*source).clone());
                // Compiling takes tens of milliseconds: off the workers' threads.
                let swap = tokio::task::spawn_blocking(move || this.swap(&source, read)).await;
                if swap.is_ok_and(|is_swapped| is_swapped) {
                    swapped.send_modify(|count| *count += 1);
                }
            }
        }
    }

    /// Puts a changed policy in force, or says why not.
    fn swap(&self, source: &Source, read: anyhow::Result<Files>) -> bool {
        let (slot, before) = (source.slot.name(), self.set.view(source.slot).active.digest);
        let digest = read.as_ref().map_or_else(|_| String::new(), |files| Digest::of(&files.component).to_string());
        let below = self.below();
        match read.and_then(|files| self.put(source, &files, &below.config)) {
            Ok(policy) => {
                if let Err(error) = self.record_environment(&below.settings) {
                    tracing::warn!(%error, "the ledger does not know the new limits, so a replay will use the old ones");
                }
                let revision = policy.revision();
                tracing::info!(slot, before, after = revision.digest, config = revision.config, "policy swapped");
                true
            }
            Err(error) => {
                let reason = crate::one_line(&error);
                tracing::error!(slot, digest, reason, kept = before, "policy refused");
                false
            }
        }
    }
}

/// Whether a config sets nothing.
fn is_nothing(config: &serde_json::Value) -> bool {
    config.as_object().is_none_or(serde_json::Map::is_empty)
}

/// Keeps what a decision's digests stand for.
fn keep(ledger: &SqliteLedger, policy: &ConfiguredPolicy, component: &[u8]) -> anyhow::Result<()> {
    let revision = policy.revision();
    ledger.keep(BlobKind::Component, &revision.digest, component)?;
    ledger.keep(BlobKind::Config, &revision.config, policy.config().as_bytes())?;
    Ok(())
}

impl Policies for Slotted {
    fn responsible(&self, seen: &Observation) -> Result<Responsible, LedgerFailure> {
        let failure = |error: SetError| {
            let thing = format!("the policy revision of {}/{}", seen.namespace, seen.name);
            LedgerFailure { what: "read", thing, why: error.to_string() }
        };
        Ok(match self.sets.responsible(seen).map_err(failure)? {
            Some(revision) => Responsible { judge: Box::new(revision.slots().session()), basis: revision.basis() },
            None => Responsible { judge: Box::new(self.set.session()), basis: None },
        })
    }

    fn tidy(&self, exists: &dyn Fn(&str) -> bool) {
        self.sets.tidy(exists);
    }

    fn found(&self, uid: &str, revision: &SetRevision) {
        self.sets.found(uid, revision);
    }

    fn forget(&self, uid: &str) {
        self.sets.forget(uid);
    }

    fn settle(&self, record: &DecisionRecord) {
        self.sets.settle(record);
        if record.basis.is_some() {
            return;
        }
        for evaluation in &record.decision.evaluations {
            if let Some(revision) = &evaluation.revision {
                self.set.settle(evaluation.seat(), revision, evaluation.fault.is_none());
            }
        }
    }
}
