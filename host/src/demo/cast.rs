//! The 24 incidents of the demo: what each is, how the stand-ins play it, and how it must end.

use kube::api::DynamicObject;
use serde_json::{Value, json};
use trimtab_api::kinds::API_VERSION;

/// Namespace of everything in the demo but the targets.
pub(crate) const NAMESPACE: &str = "kubernaut-system";

/// Namespace of every incident's target.
pub(crate) const TARGETS: &str = "shop";

/// When an incident enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// At the start, one after the other.
    AtOnce,
    /// Once the second timeouts component is in force.
    AfterSwap,
}

/// One incident.
#[derive(Debug, Clone)]
pub(crate) struct Incident {
    pub(crate) name: &'static str,
    signal: &'static str,
    severity: &'static str,
    target: (&'static str, &'static str, &'static str),
    script: Value,
    /// Phase and outcome, or failure phase, that it must end with.
    pub(crate) expected: (&'static str, &'static str),
    pub(crate) entry: Entry,
}

/// The incident that expires under the first timeouts component.
pub(crate) const FIRST_TWIN: &str = "catalog-leak-1";

/// Its twin, whose analysis begins after the swap.
pub(crate) const SECOND_TWIN: &str = "catalog-leak-2";

/// Seconds that both twins' analyses take: more than the first component allows, less than the second.
const TWIN_ANALYSIS_SECONDS: f64 = 8.0;

/// Names of the incidents that complete without approval.
const PLAIN: [&str; 7] =
    ["checkout-oom", "cart-crashloop", "search-latency", "ads-oom", "mail-queue", "billing-5xx", "auth-restarts"];

/// The whole cast.
pub(crate) fn cast() -> Vec<Incident> {
    let mut cast: Vec<_> = PLAIN
        .into_iter()
        .zip(0_u32..)
        .map(|(name, place)| {
            let wait = 0.4 + f64::from(place) * 0.3;
            incident(name, script(wait, "Workflow", wait, "Approved", "Completed"), ("Completed", "Remediated"))
        })
        .collect();
    for name in ["payments-oom", "ledger-crashloop", "orders-disk"] {
        let played = script(1.0, "Approval", 2.0, "Approved", "Completed");
        cast.push(incident(name, played, ("Completed", "Remediated")));
    }
    let mut refused = script(0.5, "Workflow", 1.0, "Approved", "Completed");
    refused["signalProcessing"]["outcome"] = "Failed".into();
    cast.push(incident("edge-unknown", refused, ("Failed", "SignalProcessing")));
    cast.push(incident("dns-flaky", script(0.5, "Failed", 1.0, "Approved", "Completed"), ("Failed", "AIAnalysis")));
    for name in ["batch-stuck", "cache-evicted"] {
        let played = script(0.6, "Workflow", 1.0, "Approved", "Failed");
        cast.push(incident(name, played, ("Failed", "WorkflowExecution")));
    }
    for name in ["prod-db-restart", "prod-scale-down", "prod-rollback"] {
        let played = script(0.6, "Approval", 2.0, "Rejected", "Completed");
        cast.push(incident(name, played, ("Failed", "Approval")));
    }
    for name in ["night-shift-1", "night-shift-2"] {
        let played = script(0.6, "Approval", 1.0, "Never", "Completed");
        cast.push(incident(name, played, ("Failed", "Approval")));
    }
    cast.push(stuck("lost-enrichment", "signalProcessing", "Processing"));
    cast.push(stuck("silent-model", "analysis", "Analyzing"));
    cast.push(stuck("hung-workflow", "execution", "Executing"));
    for (name, ending, entry) in [
        (FIRST_TWIN, ("TimedOut", "Analyzing"), Entry::AtOnce),
        (SECOND_TWIN, ("Completed", "Remediated"), Entry::AfterSwap),
    ] {
        let mut played = script(1.0, "Workflow", 1.0, "Approved", "Completed");
        played["analysis"]["seconds"] = TWIN_ANALYSIS_SECONDS.into();
        cast.push(Incident { entry, ..incident(name, played, ending) });
    }
    cast
}

fn incident(name: &'static str, script: Value, expected: (&'static str, &'static str)) -> Incident {
    let (signal, severity) = match name {
        name if name.contains("oom") || name.contains("leak") => ("KubePodOOMKilled", "critical"),
        name if name.contains("crash") || name.contains("restart") => ("KubePodCrashLooping", "high"),
        _ => ("KubeDeploymentReplicasMismatch", "warning"),
    };
    let target = ("Deployment", name.rsplit_once('-').map_or(name, |(service, _)| service), TARGETS);
    Incident { name, signal, severity, target, script, expected, entry: Entry::AtOnce }
}

/// An incident of which one child never ends.
fn stuck(name: &'static str, step: &str, phase: &'static str) -> Incident {
    let mut played = script(0.6, "Workflow", 1.0, "Approved", "Completed");
    played[step]["outcome"] = "Never".into();
    incident(name, played, ("TimedOut", phase))
}

/// How the stand-ins play an incident; every step is scripted, so nothing is drawn.
fn script(seconds: f64, analysis: &str, later: f64, approval: &str, execution: &str) -> Value {
    json!({
        "signalProcessing": {"seconds": seconds, "outcome": "Completed"},
        "analysis": {"seconds": seconds + 0.4, "outcome": analysis},
        "approval": {"seconds": later, "outcome": approval, "message": approval_message(approval)},
        "execution": {"seconds": later, "outcome": execution},
        "assessment": {"seconds": 1.0, "outcome": "Full"},
    })
}

fn approval_message(outcome: &str) -> &'static str {
    if outcome == "Rejected" { "not during the sale" } else { "go ahead" }
}

impl Incident {
    /// The `RemediationRequest` that raises it at `now` (RFC 3339).
    pub(crate) fn request(&self, now: &str) -> serde_json::Result<DynamicObject> {
        let (kind, name, namespace) = self.target;
        serde_json::from_value(json!({
            "apiVersion": API_VERSION,
            "kind": "RemediationRequest",
            "metadata": {"name": self.name, "namespace": NAMESPACE},
            "spec": {
                "signalFingerprint": fingerprint(self.name),
                "signalName": self.signal,
                "severity": self.severity,
                "signalType": "alert",
                "signalSource": "prometheus-adapter",
                "targetType": "kubernetes",
                "targetResource": {"kind": kind, "name": name, "namespace": namespace, "apiVersion": "apps/v1"},
                "firingTime": now,
                "receivedTime": now,
                "signalLabels": {"alertname": self.signal, "namespace": namespace},
                "signalAnnotations": {"stand-ins.trimtab.dev/script": self.script.to_string()},
            },
        }))
    }
}

fn fingerprint(name: &str) -> String {
    trimtab_policy_engine::Digest::of(name.as_bytes()).hexadecimal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cast_has_the_promised_endings() {
        let cast = cast();
        let count = |phase: &str, what: &str| cast.iter().filter(|one| one.expected == (phase, what)).count();
        assert_eq!(cast.len(), 24);
        assert_eq!(count("Completed", "Remediated"), 10 + 1, "ten, and the saved twin");
        assert_eq!(count("Failed", "SignalProcessing") + count("Failed", "AIAnalysis"), 2);
        assert_eq!(count("Failed", "WorkflowExecution"), 2);
        assert_eq!(count("Failed", "Approval"), 3 + 2, "three rejected, two expired");
        let timed_out = cast.iter().filter(|one| one.expected.0 == "TimedOut").count();
        assert_eq!(timed_out, 3 + 1, "one for each phase, and the lost twin");
    }
}
