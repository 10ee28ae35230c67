//! Calls itself until the stack in its memory is used up.

use trimtab_policy_sdk::{Explanation, Facts, Observation};

#[expect(unconditional_recursion, reason = "that is its misbehaviour")]
fn deeper(number: u64) -> u64 {
    let frame = std::hint::black_box([number; 32]);
    deeper(frame[0].wrapping_add(1)).wrapping_add(frame[31])
}

fn misbehave<F: Facts>(_: &F, observation: &Observation) -> Explanation {
    std::hint::black_box(deeper(observation.now));
    trimtab_test_guests::harmless()
}

trimtab_test_guests::guest!("deep-recursion", "Calls itself without an end.");
