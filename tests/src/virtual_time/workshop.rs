//! What virtual runs share: one engine, and the built-in policy compiled once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use trimtab_controller::{Policies, Responsible};
use trimtab_core::observation::Observation;
use trimtab_core::ports::{DecisionRecord, LedgerFailure};
use trimtab_core::proposal::Slot;
use trimtab_core::record::SetRevision;
use trimtab_policy_engine::{BUILTIN, Component, ConfiguredPolicy, Engine, EngineConfig, Limits, PolicySet, WallClock};

/// Instances that can live at once.
const INSTANCES: u32 = 64;

/// The policies of every run, by config.
#[derive(Debug)]
pub struct Workshop {
    policy: Arc<Component>,
    crds: Vec<CustomResourceDefinition>,
    configured: Mutex<BTreeMap<String, Arc<ConfiguredPolicy>>>,
}

impl Workshop {
    /// Sets up an engine without a wall clock and compiles the built-in policy.
    pub fn open() -> anyhow::Result<Self> {
        let config = EngineConfig { wall_clock: WallClock::Stopped, instances: INSTANCES, ..EngineConfig::default() };
        let engine = Engine::new(config)?;
        let policy = engine.load(BUILTIN, Limits::default())?;
        Ok(Self { policy, crds: trimtab_api::crds(), configured: Mutex::default() })
    }

    /// Kubernaut's definitions, parsed once.
    pub fn crds(&self) -> Vec<CustomResourceDefinition> {
        self.crds.clone()
    }

    fn configured(&self, config: &str) -> anyhow::Result<Arc<ConfiguredPolicy>> {
        let mut configured = self.configured.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = configured.get(config) {
            return Ok(Arc::clone(policy));
        }
        let policy = self.policy.configure(config)?;
        configured.insert(config.to_owned(), Arc::clone(&policy));
        Ok(policy)
    }

    /// A policy set of one's own: the built-in policy with this config in every slot.
    pub fn policies(&self, config: &str) -> anyhow::Result<Inline> {
        let set = PolicySet::new(self.configured("")?)?;
        let policy = self.configured(config)?;
        set.swap_all(&Slot::ALL.map(|slot| (slot, Arc::clone(&policy))))?;
        Ok(Inline(Arc::new(set)))
    }
}

/// The policies in force in one run of a controller that the tests hold in their own process.
#[derive(Debug, Clone)]
pub struct Inline(pub Arc<PolicySet>);

impl Policies for Inline {
    fn responsible(&self, _: &Observation) -> Result<Responsible, LedgerFailure> {
        Ok(Responsible { judge: Box::new(self.0.session()), basis: None })
    }

    fn found(&self, _: &str, _: &SetRevision) {}

    fn forget(&self, _: &str) {}

    fn tidy(&self, _: &dyn Fn(&str) -> bool) {}

    fn settle(&self, record: &DecisionRecord) {
        for evaluation in &record.decision.evaluations {
            if let Some(revision) = &evaluation.revision {
                self.0.settle(evaluation.seat(), revision, evaluation.fault.is_none());
            }
        }
    }
}
