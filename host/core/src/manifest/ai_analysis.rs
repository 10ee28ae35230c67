//! The `AIAnalysis` of a remediation.

use serde_json::{Map, Value, json};

use crate::json::{copy_present, set, some_text, text};
use crate::manifest::{Manifest, remediation_reference, set_cluster, target_object};
use crate::observation::{ChildKind, Observation};
use crate::time::Timestamp;

/// Builds it from the remediation and its finished `SignalProcessing`; `times_out_at` is the deadline that it is told.
pub fn manifest(observation: &Observation, times_out_at: Option<Timestamp>) -> Manifest {
    let nothing = Value::Null;
    let processed =
        observation.child(ChildKind::SignalProcessing).and_then(|child| child.object.get("status")).unwrap_or(&nothing);
    let remediation = &observation.object["spec"];
    let mut enrichment = Map::new();
    copy_present(processed, &["kubernetesContext", "businessClassification"], &mut enrichment);
    let mut context = json!({
        "fingerprint": text(remediation, "/signalFingerprint"),
        "severity": text(processed, "/signalClassification/severity"),
        "signalName": some_text(processed, "/signalClassification/signalName")
            .unwrap_or_else(|| text(remediation, "/signalName")),
        "environment": some_text(processed, "/environmentClassification/environment").unwrap_or("Unknown"),
        "businessPriority": some_text(processed, "/priorityAssignment/priority").unwrap_or("P2"),
        "targetResource": target_object(&observation.target, true),
        "enrichmentResults": Value::Object(enrichment),
    });
    if let Some(mode) = some_text(processed, "/signalClassification/signalMode") {
        set(&mut context, &["signalMode"], mode.into());
    }
    if let Some(cluster) = some_text(processed, "/signalClassification/clusterClassification") {
        set(&mut context, &["cluster"], cluster.into());
    }
    if let Some(annotations) = remediation.get("signalAnnotations").filter(|value| value.is_object()) {
        set(&mut context, &["signalAnnotations"], annotations.clone());
    }
    let mut spec = json!({
        "analysisRequest": {
            "analysisTypes": ["Investigation", "RootCause", "WorkflowSelection"],
            "signalContext": context,
        },
        "remediationId": observation.name,
        "remediationRequestRef": remediation_reference(observation),
    });
    set_cluster(observation, &mut spec);
    if let Some(deadline) = times_out_at {
        set(&mut spec, &["timesOutAt"], deadline.to_string().into());
    }
    Manifest::child(observation, ChildKind::AIAnalysis, &spec)
}
