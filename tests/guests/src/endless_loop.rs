//! Loops for ever without a call of the host: ended by fuel.

use trimtab_policy_sdk::{Explanation, Facts, Observation};

fn misbehave<F: Facts>(_: &F, observation: &Observation) -> Explanation {
    let mut number = observation.now;
    loop {
        number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

trimtab_test_guests::guest!("endless-loop", "Loops for ever.");
