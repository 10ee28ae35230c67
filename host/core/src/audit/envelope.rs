//! The envelope of an audit event, as `DataStorage` takes it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::catalogue::Row;
use super::payload::{Payload, bounded, cut};
use super::step::StepView;
use crate::observation::ChildKind;

/// Version of the envelope.
pub const VERSION: &str = "1.0";

/// Category of every event of a remediation.
pub const CATEGORY: &str = "orchestration";

/// Who acts where no person does. Kubernaut's name, by which consumers select.
pub const ACTOR: &str = "remediationorchestrator-controller";

/// Kind of the resource that most events are about.
pub const RESOURCE: &str = "RemediationRequest";

/// Most bytes of a correlation id and of the names of actors, resources, namespaces and clusters.
pub const NAME_BYTES_MAX: usize = 255;

/// One event as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// [`VERSION`].
    pub version: String,
    /// Type, at most 100 characters.
    pub event_type: String,
    /// RFC 3339 in UTC, whole seconds.
    pub event_timestamp: String,
    /// [`CATEGORY`].
    pub event_category: String,
    /// What was done, at most 50 characters.
    pub event_action: String,
    /// "success", "failure" or "pending".
    pub event_outcome: String,
    /// "service" or "user".
    pub actor_type: String,
    /// Who acted.
    pub actor_id: String,
    /// Kind of the object that it is about.
    pub resource_type: String,
    /// Name of that object.
    pub resource_id: String,
    /// Groups the events of one remediation: its name, 1 to 255 characters.
    pub correlation_id: String,
    /// Namespace of the remediation.
    pub namespace: String,
    /// Cluster that raised the signal, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// How long the remediation lasted, in milliseconds, where it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The payload.
    pub event_data: Payload,
}

impl Envelope {
    /// An event of a step: by the orchestrator, about the remediation.
    pub(super) fn new(step: &StepView<'_>, row: &Row, payload: Payload) -> Self {
        let name = cut(step.name(), NAME_BYTES_MAX);
        let namespace = cut(step.namespace(), NAME_BYTES_MAX);
        Self {
            version: VERSION.to_owned(),
            event_type: row.event_type.to_owned(),
            event_timestamp: step.at().to_string(),
            event_category: CATEGORY.to_owned(),
            event_action: row.action.to_owned(),
            event_outcome: row.outcome.to_owned(),
            actor_type: "service".to_owned(),
            actor_id: ACTOR.to_owned(),
            resource_type: RESOURCE.to_owned(),
            resource_id: name.to_owned(),
            correlation_id: name.to_owned(),
            namespace: namespace.to_owned(),
            cluster_id: bounded(cut(step.spec("/clusterID"), NAME_BYTES_MAX)),
            duration_ms: None,
            event_data: Payload {
                event_type: row.event_type.to_owned(),
                rr_name: name.to_owned(),
                namespace: namespace.to_owned(),
                ..payload
            },
        }
    }

    /// The same event about a child.
    #[must_use]
    pub(super) fn about(mut self, kind: ChildKind, name: &str) -> Self {
        kind.name().clone_into(&mut self.resource_type);
        cut(name, NAME_BYTES_MAX).clone_into(&mut self.resource_id);
        self
    }

    /// The same event by a person.
    #[must_use]
    pub(super) fn by_person(mut self, person: &str) -> Self {
        "user".clone_into(&mut self.actor_type);
        cut(person, NAME_BYTES_MAX).clone_into(&mut self.actor_id);
        self
    }

    /// The same event with the payload's duration in the envelope too.
    #[must_use]
    pub(super) fn timed(mut self) -> Self {
        self.duration_ms = self.event_data.duration_ms;
        self
    }

    /// The body that is sent.
    pub(super) fn into_body(self) -> Value {
        // INVARIANT: texts, numbers and truth values under text keys can always be written as JSON.
        serde_json::to_value(self).unwrap_or_default()
    }
}
