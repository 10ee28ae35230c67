//! Asks the host for whole objects for ever: ended by the fuel that host functions charge.

use trimtab_policy_sdk::{Explanation, Facts, Observation};

fn misbehave<F: Facts>(facts: &F, _: &Observation) -> Explanation {
    loop {
        std::hint::black_box(facts.object_json("RemediationRequest"));
    }
}

trimtab_test_guests::guest!("endless-host-calls", "Calls the host for ever.");
