//! The `EffectivenessAssessment` of a remediation.

use serde_json::json;

use crate::json::{is_true, set, some_text};
use crate::manifest::{Manifest, set_cluster, target_object};
use crate::observation::{ChildKind, Observation, Target};
use crate::settings::Settings;
use crate::time::Span;

/// API groups whose objects settle by themselves; every other kind is taken to have an operator behind it.
const BUILT_IN_GROUPS: [&str; 12] = [
    "apps",
    "batch",
    "autoscaling",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "scheduling.k8s.io",
    "discovery.k8s.io",
    "admissionregistration.k8s.io",
];

/// Builds it.
pub fn manifest(observation: &Observation, settings: &Settings) -> Manifest {
    let target = observation.remediation_target();
    let mut spec = json!({
        "correlationID": observation.name,
        "remediationRequestPhase": "Verifying",
        "signalTarget": target_object(&observation.target, true),
        "remediationTarget": target_object(target, true),
        "config": {"stabilizationWindow": settings.stabilization_window.to_string()},
        "signalName": observation.signal_name,
    });
    let delay = hash_delay(observation, target, settings);
    if delay > Span::default() {
        set(&mut spec, &["config", "hashComputeDelay"], delay.to_string().into());
    }
    let is_proactive = observation.facts.classification.as_ref().is_some_and(|c| c.signal_mode == "proactive");
    if is_proactive && settings.proactive_alert_delay > Span::default() {
        set(&mut spec, &["config", "alertCheckDelay"], settings.proactive_alert_delay.to_string().into());
    }
    if let Some(created) = some_text(&observation.object, "/metadata/creationTimestamp") {
        set(&mut spec, &["remediationCreatedAt"], created.into());
    }
    if let Some(hash) = some_text(&observation.object, "/status/operatorAudit/preRemediationSpecHash") {
        set(&mut spec, &["preRemediationSpecHash"], hash.into());
    }
    set_cluster(observation, &mut spec);
    Manifest::child(observation, ChildKind::EffectivenessAssessment, &spec)
}

fn hash_delay(observation: &Observation, target: &Target, settings: &Settings) -> Span {
    let is_git_ops = observation
        .child(ChildKind::AIAnalysis)
        .is_some_and(|child| is_true(&child.object, "/status/postRCAContext/detectedLabels/gitOpsManaged"));
    let mut delay = 0;
    if is_git_ops {
        delay += settings.git_ops_sync_delay.as_millis();
    }
    if has_operator(target.api_version.as_deref(), observation.facts.target_group.as_deref()) {
        delay += settings.operator_reconcile_delay.as_millis();
    }
    Span::from_millis(delay)
}

/// Whether objects of this API group settle by themselves, because they come with Kubernetes.
pub fn is_built_in_group(group: &str) -> bool {
    group.is_empty() || BUILT_IN_GROUPS.contains(&group)
}

/// Whether an operator manages a target: its group is none of the built-in ones. `group` is what is known of its kind
/// where it has no API version; a kind that nobody knows counts as built in.
pub(crate) fn has_operator(api_version: Option<&str>, group: Option<&str>) -> bool {
    let group = match api_version {
        Some(version) if !version.is_empty() => version.split_once('/').map(|(group, _)| group),
        _ => group,
    };
    group.is_some_and(|group| !is_built_in_group(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_is_behind_every_kind_that_does_not_come_with_kubernetes() {
        for (api_version, group, expected) in [
            (Some("v1"), None, false),
            (Some("apps/v1"), None, false),
            (Some("apps/v1"), Some("cert-manager.io"), false),
            (Some("cert-manager.io/v1"), None, true),
            (None, Some("cert-manager.io"), true),
            (Some(""), Some("cert-manager.io"), true),
            (None, Some("apps"), false),
            (None, Some(""), false),
            (None, None, false),
        ] {
            assert_eq!(has_operator(api_version, group), expected, "{api_version:?} {group:?}");
        }
    }
}
