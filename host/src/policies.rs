//! The policies in force: loaded from files, reloaded when a file changes, asked by the controller.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use trimtab_controller::Policies;
use trimtab_core::decide::Evaluation;
use trimtab_core::ports::Judge;
use trimtab_core::proposal::Slot;
use trimtab_policy_engine::{BUILTIN, ConfiguredPolicy, Digest, Engine, EngineConfig, Limits, PolicySet};

use crate::bad_input;
use crate::cli::PolicyArguments;
use crate::paths;

/// How often the files are looked at. By content: a mounted `ConfigMap` changes without its files being written.
const POLL: Duration = Duration::from_millis(250);

/// The slots and the files that fill them.
#[derive(Debug)]
pub(crate) struct Slotted {
    engine: Engine,
    set: PolicySet,
    sources: Vec<Source>,
}

/// Where a slot's policy comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    slot: Slot,
    component: Option<PathBuf>,
    config: Option<PathBuf>,
}

/// What a source held when it was last read, by digest: a component and its config.
type Seen = (Digest, Digest);

impl Slotted {
    /// Loads every slot; a policy that cannot be used is the caller's to mend.
    pub(crate) fn load(arguments: &PolicyArguments, engine: EngineConfig) -> anyhow::Result<Self> {
        let engine = Engine::new(engine)?;
        let builtin = engine.load(BUILTIN, Limits::default()).context("the built-in policy cannot be loaded")?;
        let builtin = builtin.configure("").context("the built-in policy cannot be configured")?;
        let set = PolicySet::new(builtin).context("the built-in policy does not fill every slot")?;
        let sources = Slot::ALL.into_iter().map(|slot| Source::of(slot, arguments)).collect();
        let slotted = Self { engine, set, sources };
        for source in slotted.sources.iter().filter(|source| source.is_given()) {
            let (component, config) = source.read().map_err(bad_input)?;
            let policy =
                slotted.configure(&component, &config).with_context(|| source.describe()).map_err(bad_input)?;
            slotted.set.swap(source.slot, &policy).with_context(|| source.describe()).map_err(bad_input)?;
        }
        for asked in &arguments.strategies {
            for slot in Slot::ALL.into_iter().filter(|slot| asked.slots.covers(*slot)) {
                slotted.set.set_strategy(slot, asked.strategy);
            }
        }
        slotted.announce();
        Ok(slotted)
    }

    fn configure(&self, component: &[u8], config: &str) -> anyhow::Result<Arc<ConfiguredPolicy>> {
        Ok(self.engine.load(component, Limits::default())?.configure(config)?)
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
        let mut seen: Vec<Option<Seen>> = self.sources.iter().map(|source| source.read().ok().map(digests)).collect();
        let mut last = seen.clone();
        if self.sources.iter().all(|source| !source.is_given()) {
            return;
        }
        let mut ticks = tokio::time::interval(POLL);
        loop {
            ticks.tick().await;
            for ((source, seen), last) in self.sources.iter().zip(&mut seen).zip(&mut last) {
                let Ok(read) = source.read() else { continue };
                let digests = Some(digests((read.0.clone(), read.1.clone())));
                // Component and config are two files, and a file may be in the middle of being written: what counts
                // is what two looks in a row agree on.
                let is_settled = std::mem::replace(last, digests) == digests;
                if !is_settled || *seen == digests {
                    continue;
                }
                *seen = digests;
                let (this, source) = (Arc::clone(&self), source.clone());
                // Compiling takes tens of milliseconds: off the workers' threads.
                let swap = tokio::task::spawn_blocking(move || this.swap(&source, &read)).await;
                if swap.is_ok_and(|is_swapped| is_swapped) {
                    swapped.send_modify(|count| *count += 1);
                }
            }
        }
    }

    /// Puts a changed policy in force, or says why not.
    fn swap(&self, source: &Source, (component, config): &(Vec<u8>, String)) -> bool {
        let before = self.set.view(source.slot).active.digest;
        let result = self.configure(component, config).and_then(|policy| {
            self.set.swap(source.slot, &policy)?;
            Ok(policy)
        });
        match result {
            Ok(policy) => {
                let after = policy.revision().digest.clone();
                tracing::info!(
                    slot = source.slot.name(),
                    before,
                    after,
                    config = policy.revision().config,
                    "policy swapped"
                );
                true
            }
            Err(error) => {
                let digest = Digest::of(component).to_string();
                let reason = crate::one_line(&error);
                tracing::error!(slot = source.slot.name(), digest, reason, kept = before, "policy refused");
                false
            }
        }
    }
}

fn digests((component, config): (Vec<u8>, String)) -> Seen {
    (Digest::of(&component), Digest::of(config.as_bytes()))
}

impl Source {
    /// The last argument that names the slot counts.
    fn of(slot: Slot, arguments: &PolicyArguments) -> Self {
        let last = |files: &[crate::cli::SlotFile]| {
            files.iter().rfind(|given| given.slots.covers(slot)).map(|given| given.file.clone())
        };
        Self { slot, component: last(&arguments.policies), config: last(&arguments.configs) }
    }

    fn is_given(&self) -> bool {
        self.component.is_some() || self.config.is_some()
    }

    /// The component's bytes and the config as JSON.
    fn read(&self) -> anyhow::Result<(Vec<u8>, String)> {
        let component = match &self.component {
            None => BUILTIN.to_vec(),
            Some(file) => std::fs::read(file)
                .with_context(|| format!("cannot read the {} policy {}", self.slot, file.display()))?,
        };
        let config = match &self.config {
            None => String::new(),
            Some(file) => as_json(file)?,
        };
        Ok((component, config))
    }

    fn describe(&self) -> String {
        let file =
            |file: &Option<PathBuf>| file.as_deref().map_or("built in".to_owned(), |file| file.display().to_string());
        match &self.config {
            Some(_) => format!("the {} policy {} with config {}", self.slot, file(&self.component), file(&self.config)),
            None => format!("the {} policy {}", self.slot, file(&self.component)),
        }
    }
}

fn as_json(file: &Path) -> anyhow::Result<String> {
    let document: serde_json::Value = paths::read_document(file)?;
    Ok(document.to_string())
}

impl Policies for Slotted {
    fn session(&self) -> Box<dyn Judge + Send> {
        Box::new(self.set.session())
    }

    fn settle(&self, evaluations: &[Evaluation]) {
        for evaluation in evaluations {
            if let Some(revision) = &evaluation.revision {
                self.set.settle(evaluation.slot, revision, evaluation.fault.is_none());
            }
        }
    }
}
