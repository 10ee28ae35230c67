//! What is written on a remediation about its way so far.

use serde_json::Value;
use trimtab_core::block::BlockReason;
use trimtab_core::json::text;
use trimtab_core::observation::{Child, ChildKind, Routing};
use trimtab_core::phase::Phase;

use super::time;

/// What the status says; whom the remediation waits for is not looked up here.
pub(super) fn observe(remediation: &Value, phase: Option<Phase>, children: &[Child]) -> Routing {
    let member = |name: &str| text(remediation, &format!("/status/routingStatus/{name}")).to_owned();
    let moment = |name: &str| time(remediation, &format!("/status/routingStatus/{name}"));
    let block_reason = member("blockReason");
    let blocked_from = match phase {
        Some(Phase::Blocked) => blocked_from(&block_reason, children).name().to_owned(),
        _ => String::new(),
    };
    Routing {
        block_message: member("blockMessage"),
        blocked_until: moment("blockedUntil"),
        blocked_from,
        next_allowed_at: moment("nextAllowedExecution"),
        awaited: None,
        block_reason,
    }
}

/// The phase to which a blocked remediation goes back. Kubernaut's status does not say it, and what it shows is enough:
/// what has an analysis, or is blocked by what only an analysis can know, was being analyzed.
fn blocked_from(reason: &str, children: &[Child]) -> Phase {
    let has_analysis = children.iter().any(|child| child.kind == ChildKind::AIAnalysis);
    let needs_analysis = BlockReason::parse(reason).is_some_and(BlockReason::follows_analysis);
    if has_analysis || needs_analysis { Phase::Analyzing } else { Phase::Pending }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use trimtab_core::observation::Observation;
    use trimtab_core::time::Timestamp;

    use super::super::{Objects, observe};

    fn seen(status: &serde_json::Value) -> Observation {
        let remediation = Arc::new(json!({
            "metadata": {"name": "rr", "namespace": "ns", "uid": "u", "resourceVersion": "1"},
            "spec": {}, "status": status,
        }));
        observe(Timestamp::from_millis(0), false, &Objects { remediation, ..Objects::default() }).unwrap()
    }

    #[test]
    fn the_status_says_why_and_until_when_it_is_blocked() {
        let routing = seen(&json!({"overallPhase": "Blocked", "routingStatus": {
            "blockReason": "ExponentialBackoff", "blockMessage": "too soon", "blockedUntil": "2026-01-01T00:00:00Z",
            "nextAllowedExecution": "2026-01-01T00:00:00Z",
        }}))
        .facts
        .routing;
        let at = Timestamp::parse("2026-01-01T00:00:00Z");
        assert_eq!((routing.block_reason.as_str(), routing.block_message.as_str()), ("ExponentialBackoff", "too soon"));
        assert_eq!((routing.blocked_until, routing.next_allowed_at, routing.awaited), (at, at, None));
    }

    #[test]
    fn a_remediation_on_which_nothing_is_written_has_no_routing() {
        assert!(seen(&json!({"overallPhase": "Pending"})).facts.routing.is_empty());
    }

    #[test]
    fn a_block_goes_back_to_the_analysis_where_there_is_one_or_must_have_been_one() {
        let from = |status| seen(&status).facts.routing.blocked_from;
        let blocked = |reason: &str| json!({"overallPhase": "Blocked", "routingStatus": {"blockReason": reason}});
        for reason in ["ResourceBusy", "RecentlyRemediated", "IneffectiveChain"] {
            assert_eq!(from(blocked(reason)), "Analyzing", "{reason}");
        }
        for reason in ["UnmanagedResource", "ConsecutiveFailures", "DuplicateInProgress", "ExponentialBackoff", "Other"]
        {
            assert_eq!(from(blocked(reason)), "Pending", "{reason}");
            let mut analyzed = blocked(reason);
            analyzed["phaseProgress"] = json!({"aiAnalysisRef": {"name": "ai-rr"}});
            assert_eq!(from(analyzed), "Analyzing", "{reason}");
        }
        assert_eq!(from(json!({"overallPhase": "Pending", "routingStatus": {"blockReason": "ResourceBusy"}})), "");
    }
}
