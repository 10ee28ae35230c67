//! Cluster objects.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use trimtab_fuzz::{engine, json_mutator, observation};

// libFuzzer's own hook would end the process at a panic that the product catches; one that it does not still ends it.
fuzz_target!(init: drop(std::panic::take_hook()), |bytes: &[u8]| observation::run(bytes));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    engine::mutate(data, size, max_size, |input, raw| {
        json_mutator::mutate(input, max_size, seed, observation::WORDS, raw)
    })
});
