//! Kubernaut's judgement: its phases, timeouts, children and notifications, with the corrections listed in
//! `policies/README.md`. The default policy of every slot.

mod backoff;
mod chain;
mod children;
mod config;
#[cfg(test)]
mod fixtures;
mod on_timeout;
mod timeouts;
mod transitions;

use std::borrow::Cow;

use trimtab_policy_sdk::{
    Children, ConfigFault, Creations, Facts, Failure, Intent, Observation, Policy, Schedule, Timeouts, Transitions,
    include_json, read_table,
};

pub use config::{
    ApprovalConfig, ApprovalRule, Config, NotificationConfig, OnTimeout, OnTimeoutConfig, RoutingConfig, TimeoutConfig,
    VerificationConfig,
};

/// Fills all three slots.
#[derive(Debug)]
pub struct Kubernaut;

impl Policy for Kubernaut {
    type Config = Config;
    const NAME: &'static str = "kubernaut";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str =
        "Phases, timeouts, children and notifications as Kubernaut's RemediationOrchestrator has them.";

    fn read_config(text: &str) -> Result<Config, ConfigFault> {
        read_table(text)
    }

    fn validate(config: &Config) -> Vec<ConfigFault> {
        config.faults()
    }

    fn config_schema() -> Cow<'static, str> {
        include_json!("../config.schema.json").into()
    }
}

impl Timeouts for Kubernaut {
    fn schedule<F: Facts>(facts: &F, observation: &Observation, config: &Config) -> Result<Schedule, Failure> {
        Ok(timeouts::schedule(facts, observation, config))
    }
}

impl Transitions for Kubernaut {
    fn decide<F: Facts>(
        facts: &F,
        observation: &Observation,
        expired: &[String],
        config: &Config,
    ) -> Result<Intent, Failure> {
        Ok(transitions::decide(facts, observation, expired, config))
    }
}

impl Children for Kubernaut {
    fn create<F: Facts>(
        _facts: &F,
        observation: &Observation,
        intent: &Intent,
        config: &Config,
    ) -> Result<Creations, Failure> {
        Ok(children::create(observation, intent, config))
    }
}

trimtab_policy_sdk::export!(Kubernaut: timeouts, transitions, children);
