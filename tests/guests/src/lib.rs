//! Hostile guests: policies of all three slots that misbehave, each in one way, on the remediations that their config names.
//!
//! Everything beside the misbehaviour is sound, so a guest passes every check before activation where its config spares
//! the recorded observations, and strikes later. Which slots a guest is used for is up to the test.

use schemars::JsonSchema;
use serde::Deserialize;
use trimtab_policy_sdk::{Budget, Creations, Deadline, Explanation, Intent, Observation, Schedule, phases};

/// On which remediations a guest misbehaves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Config {
    /// Only where the remediation's name starts with this; empty: on every one.
    pub name_prefix: String,
}

impl Config {
    /// Whether the guest is to misbehave on this remediation.
    pub fn strikes(&self, observation: &Observation) -> bool {
        observation.name.starts_with(&self.name_prefix)
    }
}

/// The explanation of the sound answer.
pub fn harmless() -> Explanation {
    Explanation::new("Harmless", "this remediation is spared")
}

/// One hour for the whole.
pub fn schedule(observation: &Observation, why: Explanation) -> Schedule {
    const HOUR: u64 = 3_600_000;
    Schedule {
        deadlines: observation.started_at.map(|at| Deadline::time_out(phases::GLOBAL, at, HOUR)).into_iter().collect(),
        budgets: vec![Budget::new(phases::GLOBAL, HOUR)],
        why,
        attributes: Vec::new(),
    }
}

/// Nothing changes.
pub fn intent(why: Explanation) -> Intent {
    Intent::stay(why)
}

/// Nothing is created.
pub fn creations(why: Explanation) -> Creations {
    Creations { items: Vec::new(), why, attributes: Vec::new() }
}

/// Makes a guest of a function `fn misbehave<F: Facts>(facts: &F, observation: &Observation) -> Explanation`.
#[macro_export]
macro_rules! guest {
    ($name:literal, $summary:literal) => {
        use trimtab_policy_sdk as sdk;

        /// The guest.
        #[allow(unreachable_pub, reason = "public so that a native build, which has no exports, uses it")]
        #[derive(Debug)]
        pub struct Guest;

        impl Guest {
            fn answer<F: sdk::Facts>(facts: &F, observation: &sdk::Observation, config: &$crate::Config) -> sdk::Explanation {
                if config.strikes(observation) { misbehave(facts, observation) } else { $crate::harmless() }
            }
        }

        impl sdk::Policy for Guest {
            type Config = $crate::Config;
            const NAME: &'static str = $name;
            const VERSION: &'static str = env!("CARGO_PKG_VERSION");
            const SUMMARY: &'static str = $summary;

            fn config_schema() -> std::borrow::Cow<'static, str> {
                include_str!("../config.schema.json").into()
            }
        }

        impl sdk::Timeouts for Guest {
            fn schedule<F: sdk::Facts>(
                facts: &F,
                observation: &sdk::Observation,
                config: &$crate::Config,
            ) -> Result<sdk::Schedule, sdk::Failure> {
                Ok($crate::schedule(observation, Self::answer(facts, observation, config)))
            }
        }

        impl sdk::Transitions for Guest {
            fn decide<F: sdk::Facts>(
                facts: &F,
                observation: &sdk::Observation,
                _: &[String],
                config: &$crate::Config,
            ) -> Result<sdk::Intent, sdk::Failure> {
                Ok($crate::intent(Self::answer(facts, observation, config)))
            }
        }

        impl sdk::Children for Guest {
            fn create<F: sdk::Facts>(
                facts: &F,
                observation: &sdk::Observation,
                _: &sdk::Intent,
                config: &$crate::Config,
            ) -> Result<sdk::Creations, sdk::Failure> {
                Ok($crate::creations(Self::answer(facts, observation, config)))
            }
        }

        trimtab_policy_sdk::export!(Guest: timeouts, transitions, children);
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use sdk::testing::check_schema;
    use sdk::{Children as _, Facts, FakeFacts, Policy as _, Timeouts as _, Transitions as _, parse_config};

    fn misbehave<F: Facts>(_: &F, _: &Observation) -> Explanation {
        Explanation::new("Struck", "misbehaved")
    }

    guest!("tests", "Marks the remediations it strikes.");

    fn rules(config: &str, name: &str) -> [String; 3] {
        let observation = Observation { name: name.to_owned(), ..Observation::default() };
        let (facts, config) = (FakeFacts::default(), parse_config::<Guest>(config).expect("a sound config"));
        [
            Guest::schedule(&facts, &observation, &config).expect("an answer").why.rule,
            Guest::decide(&facts, &observation, &[], &config).expect("an answer").why.rule,
            Guest::create(&facts, &observation, &Intent::default(), &config).expect("an answer").why.rule,
        ]
    }

    #[test]
    fn a_guest_strikes_every_remediation_or_those_of_its_prefix_in_every_slot() {
        let prefix = r#"{"namePrefix":"bad-"}"#;
        for (config, name, expected) in
            [("", "rr-1", "Struck"), (prefix, "rr-1", "Harmless"), (prefix, "bad-1", "Struck"), ("{}", "", "Struck")]
        {
            assert_eq!(rules(config, name), [expected; 3], "{config} {name}");
        }
    }

    #[test]
    fn the_checked_in_schema_is_the_generated_one() {
        check_schema::<Guest>(concat!(env!("CARGO_MANIFEST_DIR"), "/config.schema.json"));
        assert_eq!(Guest::NAME, "tests");
    }
}
