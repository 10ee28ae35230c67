//! Takes memory two MiB at a time until the host refuses.

use trimtab_policy_sdk::{Explanation, Facts, Observation};

fn misbehave<F: Facts>(_: &F, _: &Observation) -> Explanation {
    let mut taken = Vec::new();
    loop {
        taken.push(std::hint::black_box(Vec::<u8>::with_capacity(2 << 20)));
    }
}

trimtab_test_guests::guest!("memory-hog", "Takes memory until it is refused.");
