//! Stays, and asks to be asked again at once: now, and for ever.

use std::borrow::Cow;

use trimtab_policy_sdk::{
    Children, Creations, Explanation, Facts, Failure, Intent, Observation, Policy, Schedule, Timeouts, Transitions,
};
use trimtab_test_guests::Config;

/// The guest.
#[allow(unreachable_pub, reason = "public so that a native build, which has no exports, uses it")]
#[derive(Debug)]
pub struct RecheckStorm;

fn why() -> Explanation {
    Explanation::new("AtOnce", "asks to be asked again at once")
}

impl Policy for RecheckStorm {
    type Config = Config;
    const NAME: &'static str = "recheck-storm";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Asks to be asked again at once.";

    fn config_schema() -> Cow<'static, str> {
        include_str!("../config.schema.json").into()
    }
}

impl Timeouts for RecheckStorm {
    fn schedule<F: Facts>(_: &F, observation: &Observation, _: &Config) -> Result<Schedule, Failure> {
        Ok(trimtab_test_guests::schedule(observation, why()))
    }
}

impl Transitions for RecheckStorm {
    fn decide<F: Facts>(_: &F, observation: &Observation, _: &[String], config: &Config) -> Result<Intent, Failure> {
        let stay = trimtab_test_guests::intent(why());
        Ok(if config.strikes(observation) { stay.until(observation.now.saturating_sub(1)) } else { stay })
    }
}

impl Children for RecheckStorm {
    fn create<F: Facts>(_: &F, _: &Observation, _: &Intent, _: &Config) -> Result<Creations, Failure> {
        Ok(trimtab_test_guests::creations(why()))
    }
}

trimtab_policy_sdk::export!(RecheckStorm: timeouts, transitions, children);
