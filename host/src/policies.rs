//! The policies in force: loaded from files, reloaded when a file changes, asked by the controller.
//!
//! A slot that the built-in policy fills has the config file's values beneath its own config.

use std::collections::BTreeMap;
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
use trimtab_policy_engine::sets::SetError;
use trimtab_policy_engine::{
    BUILTIN, ConfiguredPolicy, Digest, Engine, EngineConfig, EvaluationTimes, Limits, PolicySet,
};

use crate::cli::PolicyArguments;
use crate::{bad_input, config};
use again::Again;
use documents::Documents;
use fetching::{Fetching, Places};
use files::{Files, Seen, Source, parse, seen};
use sets::{Look, Sets};

pub(crate) use book::Book;
pub(crate) use cluster::ClusterReader;
pub(crate) use metrics::SetMetrics;
pub(crate) use report::SetsReport;
pub(crate) use trust::Trust;

mod again;
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
    /// Told of each change of what answers.
    swaps: watch::Sender<u64>,
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
    again: Option<Again>,
    /// The files that each slot was filled from, or that were refused.
    files: BTreeMap<Slot, Seen>,
    /// When a slot's are tried once more.
    files_again: BTreeMap<Slot, Again>,
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
        let (files, files_again) = (BTreeMap::new(), BTreeMap::new());
        let below = Mutex::new(Below { config, settings, look: None, again: None, files, files_again });
        let swaps = watch::Sender::new(0);
        let slotted = Self { engine, set, sources, ledger, sets, folder, below, swaps };
        {
            let mut below = slotted.below();
            let has_config = !is_nothing(&below.config);
            let stands_on_file = |source: &Source| source.component.is_none() && has_config;
            for source in slotted.sources.iter().filter(|source| source.is_given() || stands_on_file(source)) {
                let files = source.read().map_err(bad_input)?;
                slotted.put(source, &files, &below.config).with_context(|| source.describe()).map_err(bad_input)?;
                below.files.insert(source.slot, seen(&Ok(files)));
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

    /// Told of each change of what answers.
    pub(crate) const fn swaps(&self) -> &watch::Sender<u64> {
        &self.swaps
    }

    /// Everybody who waits may have another answer now.
    fn announce_swap(&self) {
        self.swaps.send_modify(|count| *count += 1);
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
        if below.config != *config {
            below.config = config.clone();
            self.apply_look(&mut below, false);
        }
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
    pub(crate) async fn follow(self: Arc<Self>) {
        tokio::join!(Arc::clone(&self).follow_slots(), Arc::clone(&self).follow_folder(),);
    }

    /// Looks at the files of the slots.
    async fn follow_slots(self: Arc<Self>) {
        let mut last = BTreeMap::new();
        let mut ticks = tokio::time::interval(POLL);
        while self.sources.iter().any(Source::is_given) {
            ticks.tick().await;
            let (this, before) = (Arc::clone(&self), std::mem::take(&mut last));
            // Reading takes its time, and compiling tens of milliseconds: off the workers' threads.
            let looked = tokio::task::spawn_blocking(move || this.look_at_files(&before));
            last = looked.await.unwrap_or_default();
        }
    }

    /// Looks at the folder of the sets.
    async fn follow_folder(self: Arc<Self>) {
        let mut last = None;
        let mut ticks = tokio::time::interval(POLL);
        while self.folder.is_some() {
            ticks.tick().await;
            let (this, before) = (Arc::clone(&self), last.take());
            let looked = tokio::task::spawn_blocking(move || this.look_at_folder(before.as_ref()));
            last = looked.await.unwrap_or_default();
        }
    }

    /// Looks, and puts in force what two looks in a row agree on: component and config are two files, and a file may be in the
    /// middle of being written. The result is this look.
    fn look_at_files(&self, before: &BTreeMap<Slot, Seen>) -> BTreeMap<Slot, Seen> {
        let mut looked = BTreeMap::new();
        for source in self.sources.iter().filter(|source| source.is_given()) {
            let read = source.read();
            let now = seen(&read);
            if before.get(&source.slot) == Some(&now) && self.swap(source, read, &now) {
                self.announce_swap();
            }
            looked.insert(source.slot, now);
        }
        looked
    }

    /// The same for the folder of the sets.
    fn look_at_folder(&self, before: Option<&Look>) -> Option<Look> {
        let folder = self.folder.as_ref()?;
        let documents = match Documents::read(folder) {
            Ok(documents) => documents,
            Err(error) => {
                if before.is_some() {
                    tracing::error!(reason = crate::one_line(&error), "the folder of policies is not looked at");
                }
                return None;
            }
        };
        let now = self.sets.look(documents, false);
        if before == Some(&now) && self.put_in_force(&now) {
            self.announce_swap();
        }
        Some(now)
    }

    /// Puts in force what a look has shown, where it has shown anything new or is to be tried once more; the result is whether
    /// anything came of it.
    fn put_in_force(&self, look: &Look) -> bool {
        let mut below = self.below();
        if below.look.as_ref() != Some(look) {
            below.look = Some(look.clone());
            below.again = None;
            self.apply_look(&mut below, false);
            return true;
        }
        if !below.again.is_some_and(|again| again.is_due(Instant::now())) {
            return false;
        }
        let before = self.sets.outcome();
        self.apply_look(&mut below, true);
        !before.refusals().eq(self.sets.outcome().refusals())
    }

    /// Puts the last look in force.
    fn apply_look(&self, below: &mut Below, is_again: bool) {
        let Some(look) = &below.look else { return };
        self.sets.apply(look, &below.config, is_again);
        let may_pass = self.sets.outcome().refusals().any(|refusal| refusal.is_passing);
        below.again = may_pass.then(|| Again::after(below.again.filter(|_| is_again), Instant::now()));
    }

    /// Puts the policy in changed files in force, or says why not; the result is whether it is. What failed and may pass by
    /// itself is tried once more later.
    fn swap(&self, source: &Source, read: anyhow::Result<Files>, now: &Seen) -> bool {
        let mut below = self.below();
        let is_known = below.files.get(&source.slot) == Some(now);
        let again = below.files_again.get(&source.slot).copied();
        if is_known && !again.is_some_and(|again| again.is_due(Instant::now())) {
            return false;
        }
        below.files.insert(source.slot, now.clone());
        below.files_again.remove(&source.slot);
        let (slot, before) = (source.slot.name(), self.set.view(source.slot).active.digest);
        let digest = read.as_ref().map_or_else(|_| String::new(), |files| Digest::of(&files.component).to_string());
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
                if stage::may_pass(&error) {
                    let again = Again::after(again.filter(|_| is_known), Instant::now());
                    below.files_again.insert(source.slot, again);
                }
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
        if self.sets.settle(record) {
            self.announce_swap();
        }
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
