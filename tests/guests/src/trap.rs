//! Panics with a message that names the remediation.

use trimtab_policy_sdk::{Explanation, Facts, Observation};

#[expect(clippy::panic, reason = "that is its misbehaviour")]
fn misbehave<F: Facts>(_: &F, observation: &Observation) -> Explanation {
    panic!("hostile guest: no answer for {}", observation.name)
}

trimtab_test_guests::guest!("trap", "Panics with a message.");
