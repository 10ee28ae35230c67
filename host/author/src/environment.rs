//! What decisions depend on besides their observation and their policies, as the ledger keeps it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use trimtab_core::ports::{Choice, FailStrategy};
use trimtab_core::proposal::Slot;
use trimtab_core::record::SetRevision;
use trimtab_core::settings::Settings;
use trimtab_policy_engine::{Limits, PolicySet};

/// The environment of a decision: written by the controller, read by `explain`, `policy record` and `policy replay`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Environment {
    /// The administrator's settings.
    pub settings: Settings,
    /// What happens when a slot's active policy faults; what is left out has the default.
    pub strategies: BTreeMap<Slot, FailStrategy>,
    /// What each slot's active policy may use; what is left out has the default.
    pub limits: BTreeMap<Slot, Limits>,
    /// The set and revision that they are of; absent where policies are not chosen by sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_revision: Option<SetRevision>,
}

impl Environment {
    /// The environment of decisions that are made with this set from now on, until a policy of it is swapped.
    pub fn of(settings: &Settings, set: &PolicySet) -> Self {
        let limits = |slot| set.policy(slot, Choice::Active).map(|policy| (slot, *policy.component().limits()));
        Self {
            settings: settings.clone(),
            strategies: Slot::ALL.into_iter().map(|slot| (slot, set.view(slot).strategy)).collect(),
            limits: Slot::ALL.into_iter().filter_map(limits).collect(),
            set_revision: set.name(),
        }
    }

    /// As the ledger takes it.
    pub fn to_json(&self) -> Value {
        // INVARIANT: numbers, texts and names of slots can always be written as JSON.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// What was kept under a digest. An error says in a line why it cannot be understood.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| format!("the environment cannot be understood: {error}"))
    }

    /// What a slot does when its active policy faults.
    pub fn strategy(&self, slot: Slot) -> FailStrategy {
        self.strategies.get(&slot).copied().unwrap_or_default()
    }

    /// What a slot's active policy may use.
    pub fn limits(&self, slot: Slot) -> Limits {
        self.limits.get(&slot).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_policy_engine::{BUILTIN, Engine, EngineConfig};

    #[test]
    fn what_is_in_force_is_written_and_read_back() {
        let engine = Engine::new(EngineConfig { pool: false, ..EngineConfig::default() }).unwrap();
        let limits = Limits { fuel: 5_000_000, ..Limits::DEFAULT };
        let builtin = engine.load(BUILTIN, Limits::DEFAULT).unwrap().configure("").unwrap();
        let bounded = engine.load(BUILTIN, limits).unwrap().configure("").unwrap();
        let set = PolicySet::new(builtin).unwrap();
        set.swap(Slot::Children, &bounded).unwrap();
        set.set_strategy(Slot::Timeouts, FailStrategy::Hold);
        let environment = Environment::of(&Settings::default(), &set);
        let json = environment.to_json();
        assert_eq!(json["strategies"]["timeouts"], "Hold");
        assert_eq!(json["limits"]["children"]["fuel"], 5_000_000);
        assert_eq!(json["settings"]["deadlineCeiling"], 86_400_000);
        let read = Environment::parse(json.to_string().as_bytes()).unwrap();
        assert_eq!(read, environment);
        assert_eq!((read.strategy(Slot::Timeouts), read.limits(Slot::Children)), (FailStrategy::Hold, limits));
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let read = Environment::parse(b"{}").unwrap();
        assert_eq!((read.strategy(Slot::Children), read.limits(Slot::Timeouts)), Default::default());
        assert!(Environment::parse(b"[").unwrap_err().contains("cannot be understood"));
    }
}
