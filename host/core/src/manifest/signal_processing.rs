//! The `SignalProcessing` of a remediation.

use serde_json::{Map, Value, json};

use crate::json::copy_present;
use crate::manifest::{Manifest, remediation_reference, target_object};
use crate::observation::{ChildKind, Observation};
use crate::time::Timestamp;

/// Names in the remediation's spec and in the signal's.
const MEMBERS: [(&str, &str); 11] = [
    ("signalFingerprint", "fingerprint"),
    ("signalName", "name"),
    ("severity", "severity"),
    ("signalType", "type"),
    ("signalSource", "source"),
    ("clusterID", "clusterID"),
    ("targetType", "targetType"),
    ("signalLabels", "labels"),
    ("signalAnnotations", "annotations"),
    ("firingTime", "firingTime"),
    ("receivedTime", "receivedTime"),
];

/// Builds it; `times_out_at` is the deadline that it is told.
pub fn manifest(observation: &Observation, times_out_at: Option<Timestamp>) -> Manifest {
    let spec = &observation.object["spec"];
    let mut signal = Map::new();
    for (theirs, ours) in MEMBERS {
        let mut one = Map::new();
        copy_present(spec, &[theirs], &mut one);
        if let Some(value) = one.remove(theirs) {
            signal.insert(ours.to_owned(), value);
        }
    }
    copy_present(spec, &["providerData"], &mut signal);
    signal.insert("targetResource".into(), target_object(&observation.target, false));
    let mut body = json!({
        "enrichmentConfig": {},
        "remediationRequestRef": remediation_reference(observation),
        "signal": Value::Object(signal),
    });
    if let Some(deadline) = times_out_at {
        crate::json::set(&mut body, &["timesOutAt"], deadline.to_string().into());
    }
    Manifest::child(observation, ChildKind::SignalProcessing, &body)
}
