//! Answers of guests.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab_fuzz::answers;

// libFuzzer's own hook would end the process at a panic that the product catches; one that it does not still ends it.
fuzz_target!(init: drop(std::panic::take_hook()), |bytes: &[u8]| answers::run(bytes));
