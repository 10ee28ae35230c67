//! What decisions depend on besides their observation and their policies, as the ledger keeps it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use trimtab_core::members::{Members, Rule, Seat};
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
    /// The policies of the slots that have several; of those the members above tell the first only.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub several: BTreeMap<Slot, Several>,
}

/// Several policies of a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Several {
    /// What makes one answer of theirs.
    pub rule: Rule,
    /// Each of them, in the order in which they are asked.
    pub policies: Vec<OneOfSeveral>,
}

/// One of several policies of a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OneOfSeveral {
    /// What happens when the active revision faults.
    pub strategy: FailStrategy,
    /// What the active revision may use.
    pub limits: Limits,
}

impl Environment {
    /// The environment of decisions that are made with this set from now on, until a policy of it is swapped.
    pub fn of(settings: &Settings, set: &PolicySet) -> Self {
        let limits = |seat: Seat| set.policy(seat, Choice::Active).map(|policy| *policy.component().limits());
        let several = |slot| {
            let members = set.members(slot);
            let one = |seat| Some(OneOfSeveral { strategy: set.strategy(seat), limits: limits(seat)? });
            let policies = members.all().filter_map(|member| one(Seat { slot, member })).collect();
            members.are_several().then_some((slot, Several { rule: members.rule(), policies }))
        };
        Self {
            settings: settings.clone(),
            strategies: Slot::ALL.into_iter().map(|slot| (slot, set.strategy(slot))).collect(),
            limits: Slot::ALL.into_iter().filter_map(|slot| Some((slot, limits(slot.into())?))).collect(),
            set_revision: set.name(),
            several: Slot::ALL.into_iter().filter_map(several).collect(),
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

    /// The policies of a slot.
    pub fn members(&self, slot: Slot) -> Members {
        let several = self.several.get(&slot);
        several.map_or(Members::ONE, |several| Members::new(several.rule, several.policies.len()))
    }

    /// What happens when the active revision of a policy faults; of a slot the first one's.
    pub fn strategy(&self, seat: impl Into<Seat>) -> FailStrategy {
        let seat = seat.into();
        let own = self.one_of_several(seat).map(|one| one.strategy);
        own.or_else(|| self.strategies.get(&seat.slot).copied()).unwrap_or_default()
    }

    /// What the active revision of a policy may use; of a slot the first one's.
    pub fn limits(&self, seat: impl Into<Seat>) -> Limits {
        let seat = seat.into();
        let own = self.one_of_several(seat).map(|one| one.limits);
        own.or_else(|| self.limits.get(&seat.slot).copied()).unwrap_or_default()
    }

    fn one_of_several(&self, Seat { slot, member }: Seat) -> Option<&OneOfSeveral> {
        self.several.get(&slot)?.policies.get(member.place())
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
    fn several_policies_of_a_slot_have_limits_and_strategies_of_their_own() {
        let engine = Engine::new(EngineConfig { pool: false, ..EngineConfig::default() }).unwrap();
        let fuels = [5_000_000, 6_000_000];
        let policies = fuels.map(|fuel| {
            let component = engine.load(BUILTIN, Limits { fuel, ..Limits::DEFAULT }).unwrap();
            (component.configure("").unwrap(), if fuel == fuels[0] { FailStrategy::Hold } else { FailStrategy::Fail })
        });
        let set = PolicySet::new(engine.load(BUILTIN, Limits::DEFAULT).unwrap().configure("").unwrap()).unwrap();
        assert!(Environment::of(&Settings::default(), &set).to_json().get("several").is_none(), "as it always was");
        set.fill(Slot::Timeouts, Rule::Latest, &policies).unwrap();
        let environment = Environment::of(&Settings::default(), &set);
        let read = Environment::parse(environment.to_json().to_string().as_bytes()).unwrap();
        assert_eq!(read, environment);
        assert_eq!(read.members(Slot::Timeouts), Members::new(Rule::Latest, 2));
        let told: Vec<_> = read
            .members(Slot::Timeouts)
            .all()
            .map(|member| Seat { slot: Slot::Timeouts, member })
            .map(|seat| (read.strategy(seat), read.limits(seat).fuel))
            .collect();
        assert_eq!(told, [(FailStrategy::Hold, fuels[0]), (FailStrategy::Fail, fuels[1])]);
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let read = Environment::parse(b"{}").unwrap();
        assert_eq!((read.strategy(Slot::Children), read.limits(Slot::Timeouts)), Default::default());
        assert_eq!(read.members(Slot::Timeouts), Members::ONE);
        assert!(Environment::parse(b"[").unwrap_err().contains("cannot be understood"));
    }
}
