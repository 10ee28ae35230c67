//! The one notification that goes out for many missed expiries.

use serde_json::json;

use super::{Roll, Storm};
use crate::manifest::{Manifest, notification, remediation_reference, set_cluster};
use crate::observation::Observation;
use crate::plan::{Action, Context, Effects, Event};
use crate::status::StatusDraft;

/// First part of the names of summaries; no other notification's name begins like this.
const PREFIX: &str = "nr-missed-deadlines-";

/// Name of the summary that this remediation's step creates.
pub fn summary_name(remediation: &str) -> String {
    format!("{PREFIX}{remediation}")
}

/// Whether this is the name of a summary: it belongs to one remediation, and others refer to it.
pub fn is_summary(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Refers to the storm's summary instead of a notice of its own, and creates it where this step is the one.
pub(crate) fn announce(context: &Context<'_>, storm: &Storm, draft: &mut StatusDraft, effects: &mut Effects) {
    let observation = context.observation;
    draft.notification_created(&storm.summary, &observation.namespace);
    if let Some(roll) = &storm.roll {
        let manifest = manifest(observation, &context.settings.cluster, &storm.summary, roll);
        effects.actions.push(Action::Create(manifest));
        let note = format!("Timeout summary notification created: {}", storm.summary);
        effects.events.push(Event { is_warning: false, reason: "NotificationCreated".to_owned(), note });
    }
}

fn manifest(observation: &Observation, cluster: &str, name: &str, roll: &Roll) -> Manifest {
    let total = roll.total();
    let mut spec = json!({
        "type": "Escalation",
        "priority": "High",
        "subject": format!("Remediation Timeouts: {total} remediations ran out of time while nobody watched"),
        "body": body(cluster, roll),
        "remediationRequestRef": remediation_reference(observation),
    });
    set_cluster(observation, &mut spec);
    let mut manifest = Manifest::owned(observation, notification::KIND, name.to_owned(), &spec);
    // As with the notices that it stands for: a remediation ends without one, too.
    manifest.is_required = false;
    manifest
}

fn body(cluster: &str, roll: &Roll) -> String {
    let total = roll.total();
    let mut lines = vec![
        format!(
            "The deadlines of {total} remediations passed while the orchestrator or the API server was down. They are \
             ended one after the other; this message stands for the notice of each."
        ),
        String::new(),
    ];
    if !cluster.is_empty() {
        lines.extend([format!("**Cluster**: {cluster}"), String::new()]);
    }
    lines.push("**By phase**:".to_owned());
    lines.extend(roll.phases.iter().map(|(phase, count)| format!("- {phase}: {count}")));
    lines.extend([String::new(), "**Remediations**:".to_owned()]);
    lines.extend(roll.names.iter().map(|name| format!("- {name}")));
    let more = total.saturating_sub(u32::try_from(roll.names.len()).unwrap_or(u32::MAX));
    if more > 0 {
        lines.push(format!("- and {more} more"));
    }
    lines.join("\n")
}
