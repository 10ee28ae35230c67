//! Answers with more than half a MiB of explanation.

use trimtab_policy_sdk::{Explanation, Facts, Observation};

fn misbehave<F: Facts>(_: &F, observation: &Observation) -> Explanation {
    Explanation::new("FarTooMuch", "x".repeat(600_000)).with("name", &observation.name)
}

trimtab_test_guests::guest!("huge-answer", "Answers with far too much.");
