//! What a policy implements.

use std::borrow::Cow;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;

use crate::{ConfigFault, Creations, Facts, Failure, Intent, Observation, Schedule};

/// What every policy says of itself.
pub trait Policy {
    /// The config document. Derive `Deserialize` with `deny_unknown_fields` and `default`.
    type Config: DeserializeOwned + JsonSchema + Default;
    /// Lower-case words joined by hyphens; at most 63 characters.
    const NAME: &'static str;
    /// Semantic version of the policy.
    const VERSION: &'static str;
    /// One sentence.
    const SUMMARY: &'static str;

    /// Reads a config document that says something, as serde derives it. One that is read by a
    /// [`Table`](crate::Table) makes a component smaller: answer [`read_table`](crate::read_table).
    ///
    /// # Errors
    /// The first fault and its place.
    fn read_config(text: &str) -> Result<Self::Config, ConfigFault> {
        crate::config::derived::<Self>(text)
    }

    /// Checks what the schema cannot say. Answer every fault, not only the first.
    fn validate(_config: &Self::Config) -> Vec<ConfigFault> {
        Vec::new()
    }

    /// JSON Schema (2020-12) of the config document. A checked-in text instead of the generated one makes a component
    /// smaller; a native test then compares it with [`generated_schema`].
    fn config_schema() -> Cow<'static, str> {
        generated_schema::<Self>().into()
    }
}

/// The JSON Schema (2020-12) that the config type's derive makes, indented, with a line's end.
pub fn generated_schema<P: Policy + ?Sized>() -> String {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<P::Config>();
    format!("{:#}\n", schema.as_value())
}

/// The timeouts slot: until when each phase may last.
pub trait Timeouts: Policy {
    /// Answers for one observation. Must depend on nothing else.
    ///
    /// # Errors
    /// A refusal to answer; the slot's fail strategy applies.
    fn schedule<F: Facts>(facts: &F, observation: &Observation, config: &Self::Config) -> Result<Schedule, Failure>;
}

/// The transitions slot: where the remediation goes from here.
pub trait Transitions: Policy {
    /// Answers for one observation. `expired` names the phases whose "ask" deadline has passed. Must depend on nothing else.
    ///
    /// # Errors
    /// A refusal to answer; the slot's fail strategy applies.
    fn decide<F: Facts>(
        facts: &F,
        observation: &Observation,
        expired: &[String],
        config: &Self::Config,
    ) -> Result<Intent, Failure>;
}

/// The children slot: what is created along with a step.
pub trait Children: Policy {
    /// Answers for one observation and the intent about to be carried out. Must depend on nothing else.
    ///
    /// # Errors
    /// A refusal to answer; the slot's fail strategy applies.
    fn create<F: Facts>(
        facts: &F,
        observation: &Observation,
        intent: &Intent,
        config: &Self::Config,
    ) -> Result<Creations, Failure>;
}
