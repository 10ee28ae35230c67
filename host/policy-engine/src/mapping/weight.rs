//! How large a value of the interface is: the bytes of its strings, and a fixed price for each record.

use crate::bindings::exports::trimtab::policy::{children, meta, timeouts};
use crate::bindings::trimtab::policy::{facts, types};

/// Price of a record with its numbers and flags, in bytes.
const RECORD_BYTES: u64 = 32;

/// Something that has a size in bytes.
pub(crate) trait Weigh {
    /// Bytes of all strings, and [`RECORD_BYTES`] for each record.
    fn weigh(&self) -> u64;
}

impl Weigh for String {
    fn weigh(&self) -> u64 {
        self.len() as u64
    }
}

impl<T: Weigh> Weigh for Vec<T> {
    fn weigh(&self) -> u64 {
        self.iter().map(Weigh::weigh).sum()
    }
}

impl<T: Weigh> Weigh for Option<T> {
    fn weigh(&self) -> u64 {
        self.as_ref().map_or(0, Weigh::weigh)
    }
}

/// Lists the fields of a record that can grow.
macro_rules! record {
    ($record:ty: $($field:ident),*) => {
        impl Weigh for $record {
            fn weigh(&self) -> u64 {
                RECORD_BYTES $(+ self.$field.weigh())*
            }
        }
    };
}

record!(types::Attribute: key, value);
record!(types::Explanation: rule, text, attributes);
record!(types::Target: kind, name, namespace, api_version);
record!(types::Budget: phase);
record!(types::Failure: code, message);
record!(types::Intent: kind, target_phase, outcome, failure_phase, reason, message, source, why, attributes);
record!(timeouts::Deadline: phase, on_expiry, notice, attributes);
record!(timeouts::Schedule: deadlines, budgets, why, attributes);
record!(children::Creation: kind, purpose, patch, attributes);
record!(children::Creations: items, why, attributes);
record!(meta::Description: name, version, summary, attributes);
record!(meta::ConfigFault: path, message);
record!(facts::SignalFacts: fingerprint, signal_type, source, labels, annotations);
record!(facts::ClassificationFacts: severity, environment, priority, signal_mode);
record!(
    facts::AnalysisFacts: reason, sub_reason, message, human_review_reason, approval_reason, workflow_id,
    workflow_incomplete, remediation_target
);
record!(facts::ApprovalFacts: decision, decided_by, message);
record!(facts::ExecutionFacts: phase, failure_reason, failure_code, deduplicated_by);
record!(facts::AssessmentFacts: phase, reason);
record!(facts::WorkflowOverrideFacts: workflow_name, incomplete);
record!(facts::RelatedRemediation: name, phase, outcome);
record!(facts::RelatedRemediationsPage: items);
record!(facts::ScopeFacts: verdict, because);
record!(facts::AwaitedObject: kind, name, phase, outcome);
record!(facts::RoutingFacts: block_reason, block_message, blocked_from, awaited);
record!(
    facts::SignalRemediation: name, phase, outcome, failure_phase, block_reason, target_namespace
);
record!(facts::SignalRemediationsPage: items);
record!(facts::TargetExecution: name, workflow_id, phase);
record!(facts::TargetExecutionsPage: holder, items);
record!(facts::HistoryEntry: remediation, action_type, hash_match, pre_hash, post_hash);
record!(facts::RemediationHistoryPage: current_hash, items);

impl<T: Weigh, E: Weigh> Weigh for Result<T, E> {
    fn weigh(&self) -> u64 {
        match self {
            Ok(value) => value.weigh(),
            Err(error) => error.weigh(),
        }
    }
}

impl Weigh for () {
    fn weigh(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_weighs_its_strings_and_a_fixed_price() {
        let attribute = |key: &str| types::Attribute { key: key.into(), value: "v".into() };
        let why = types::Explanation { rule: "R".into(), text: "ab".into(), attributes: vec![attribute("k"); 2] };
        assert_eq!(why.weigh(), 32 + 3 + 2 * (32 + 2));
    }
}
