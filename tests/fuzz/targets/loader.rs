//! Components.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use trimtab_fuzz::{engine, loader, wasm_mutator};

// libFuzzer's own hook would end the process at a panic that the product catches; one that it does not still ends it.
fuzz_target!(init: drop(std::panic::take_hook()), |bytes: &[u8]| loader::run(bytes));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    engine::mutate(data, size, max_size, |input, raw| wasm_mutator::mutate(input, max_size, seed, raw))
});
