//! The policies that decisions were made with, loaded once for each revision and its limits.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use trimtab_core::record::Revision;
use trimtab_ledger::BlobKind;
use trimtab_policy_engine::{
    BUILTIN, Component, ConfiguredPolicy, Digest, Engine, EngineConfig, Limits, PolicySet, Session, WallClock,
};

use crate::bundle::Held;
use crate::error::AuthorError;
use crate::ledger::{carried, short};
use crate::workbench::{ConfigSource, Workbench};

/// A revision and its limits: what shares an instance.
pub(super) type Key = (String, String, Vec<u64>);

/// Loaded policies.
#[derive(Debug)]
pub(super) struct Library {
    bench: Workbench,
    engine: Engine,
    /// Components given beside the file, by digest.
    given: BTreeMap<String, Vec<u8>>,
    sets: BTreeMap<Key, Arc<PolicySet>>,
    builtin: Option<Key>,
}

impl Library {
    /// An engine without a wall clock: what the clock struck is in the record, and what it did not strike, it must not
    /// strike now.
    pub(super) fn new(engine: &EngineConfig, components: &[impl AsRef<Path>]) -> Result<Self, AuthorError> {
        let config = EngineConfig { wall_clock: WallClock::Stopped, ..engine.clone() };
        let mut given = BTreeMap::new();
        for file in components {
            let file = file.as_ref();
            let bytes = std::fs::read(file).map_err(|error| AuthorError::read("component", file, error))?;
            given.insert(Digest::of(&bytes).to_string(), bytes);
        }
        let engine = Engine::new(config)?;
        Ok(Self { bench: Workbench::of(engine.clone()), engine, given, sets: BTreeMap::new(), builtin: None })
    }

    /// Loads what a record names; `why` says for whom, where it is missing.
    pub(super) fn recorded(
        &mut self,
        held: &Held,
        revision: &Revision,
        limits: Limits,
        why: &dyn Fn() -> String,
    ) -> Result<Key, AuthorError> {
        let key = key(revision, limits);
        if self.sets.contains_key(&key) {
            return Ok(key);
        }
        let missing = |what: &str, mend: &str| AuthorError::Input(format!("{}: {what} is missing: {mend}", why()));
        let given = self.given.get(&revision.digest).cloned();
        let kept = given.or_else(|| held.components.get(&revision.digest).map(|bytes| bytes.to_vec()));
        let bytes = kept.or_else(|| carried(BlobKind::Component, &revision.digest)).ok_or_else(|| {
            missing(
                &format!("the component {}", revision.digest),
                "give its file with --component, or record again with it",
            )
        })?;
        let config = held.configs.get(&revision.config).cloned();
        let config = match config {
            Some(config) => config,
            None if carried(BlobKind::Config, &revision.config).is_some() => String::new(),
            None => return Err(missing(&format!("the config {}", revision.config), "record again")),
        };
        let named = || format!("component {}", short(&revision.digest));
        let component = self
            .engine
            .load(&bytes, limits)
            .map_err(|source| AuthorError::Component { file: named(), source: Box::new(source) })?;
        let policy = component.configure(&config).map_err(|source| AuthorError::Config {
            file: format!("{} as recorded", named()),
            source: Box::new(source),
        })?;
        self.put(&policy)
    }

    /// Loads a policy from files; in every slot that is asked it has its slot's limits.
    pub(super) fn read(
        &mut self,
        file: &Path,
        config: Option<&Path>,
        limits: Limits,
    ) -> Result<(Key, Arc<Component>), AuthorError> {
        let (component, _) = self.bench.load(file, limits)?;
        let policy = self.bench.configure(&component, config.map_or(ConfigSource::Default, ConfigSource::File))?;
        Ok((self.put(&policy)?, component))
    }

    /// The host's own policy.
    pub(super) fn builtin(&mut self) -> Result<Key, AuthorError> {
        if let Some(key) = &self.builtin {
            return Ok(key.clone());
        }
        let host = |error: String| AuthorError::Host(format!("the built-in policy cannot be used: {error}"));
        let component = self.engine.load(BUILTIN, Limits::DEFAULT).map_err(|error| host(error.to_string()))?;
        let policy = component.configure("").map_err(|error| host(error.to_string()))?;
        let key = self.put(&policy)?;
        self.builtin = Some(key.clone());
        Ok(key)
    }

    fn put(&mut self, policy: &Arc<ConfiguredPolicy>) -> Result<Key, AuthorError> {
        let key = key(policy.revision(), *policy.component().limits());
        if !self.sets.contains_key(&key) {
            let set = self.bench.set_of(policy)?;
            self.sets.insert(key.clone(), Arc::new(set));
        }
        Ok(key)
    }

    /// A fresh instance for one decision.
    pub(super) fn session(&self, key: &Key) -> Option<Session> {
        self.sets.get(key).map(|set| set.session())
    }
}

fn key(revision: &Revision, limits: Limits) -> Key {
    let Limits { fuel, memory_bytes, wall_clock_millis, answer_bytes, log_bytes, transfer_bytes, component_bytes } =
        limits;
    let limits = vec![fuel, memory_bytes, wall_clock_millis, answer_bytes, log_bytes, transfer_bytes, component_bytes];
    (revision.digest.clone(), revision.config.clone(), limits)
}
