//! Logs for ever: cut by the limit of the log, ended by the fuel that host functions charge.

use trimtab_policy_sdk::{Explanation, Facts, Observation, log};

fn misbehave<F: Facts>(_: &F, observation: &Observation) -> Explanation {
    loop {
        log::line(log::Level::Warn, &observation.name);
    }
}

trimtab_test_guests::guest!("log-flood", "Logs for ever.");
