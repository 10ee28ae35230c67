//! Behaves, and asks three facts in every slot.

use trimtab_policy_sdk::{Explanation, Facts, Observation};

trimtab_test_guests::guest!("three-facts", "Asks three facts in every slot.");

fn misbehave<F: Facts>(facts: &F, _: &Observation) -> Explanation {
    let (signal, classification, analysis) = (facts.signal(), facts.classification(), facts.analysis());
    let severity = classification.map(|found| found.severity).unwrap_or_default();
    let workflow = analysis.map(|found| found.workflow_id).unwrap_or_default();
    Explanation::new("Asked", format!("{} {severity} {workflow}", signal.fingerprint))
}
