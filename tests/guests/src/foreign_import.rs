//! Imports randomness from WASI: refused before activation, by the name of the import.

use trimtab_policy_sdk::{Explanation, Facts, Observation};

#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated")]
mod foreign {
    wit_bindgen::generate!({
        inline: "
            package trimtab:foreign;
            world foreign {
                import wasi:random/random@0.2.0;
            }
            package wasi:random@0.2.0 {
                interface random {
                    get-random-u64: func() -> u64;
                }
            }
        ",
        world: "trimtab:foreign/foreign",
        generate_all,
    });
}

fn misbehave<F: Facts>(_: &F, observation: &Observation) -> Explanation {
    let number = foreign::wasi::random::random::get_random_u64();
    Explanation::new("Random", "an answer by chance").with("number", number).with("name", &observation.name)
}

trimtab_test_guests::guest!("foreign-import", "Imports a foreign interface.");
