//! The object that a remediation waits for, as it stands now.

use trimtab_api::Kind;
use trimtab_core::json::{some_text, text};
use trimtab_core::observation::{AwaitedObject, Observation};
use trimtab_core::phase::Phase;

/// Whom a remediation waits for: the original of a duplicate, the execution on its target, or the one that stands for
/// its own.
pub(crate) fn named(observation: &Observation) -> Option<(Kind, String)> {
    let member = |name| some_text(&observation.object, &format!("/status/routingStatus/{name}")).map(str::to_owned);
    match (observation.phase, observation.facts.routing.block_reason.as_str()) {
        (Some(Phase::Blocked), "DuplicateInProgress") => Some((Kind::RemediationRequest, member("duplicateOf")?)),
        (Some(Phase::Blocked), "ResourceBusy") => Some((Kind::WorkflowExecution, member("blockingWorkflowExecution")?)),
        (Some(Phase::Executing), _) => {
            let own = observation.facts.execution.as_ref();
            let other = own.filter(|own| own.phase == "Failed" && own.failure_code == "Deduplicated")?;
            let name = Some(other.deduplicated_by.clone()).filter(|name| !name.is_empty());
            Some((Kind::WorkflowExecution, name?))
        }
        _ => None,
    }
}

/// What is seen of it; `None` for an object that is not there.
pub(crate) fn seen(kind: Kind, name: String, object: Option<&serde_json::Value>) -> AwaitedObject {
    let phase = if kind == Kind::RemediationRequest { "/status/overallPhase" } else { "/status/phase" };
    let outcome = if kind == Kind::RemediationRequest { "/status/completionStatus/outcome" } else { "" };
    let member = |pointer: &str| object.map_or("", |object| text(object, pointer)).to_owned();
    AwaitedObject {
        kind: kind.kind().to_owned(),
        name,
        found: object.is_some(),
        phase: member(phase),
        outcome: if outcome.is_empty() { String::new() } else { member(outcome) },
    }
}
