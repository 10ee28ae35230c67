//! Kubernetes events on remediations.

use kube::runtime::events::{Event as KubernetesEvent, EventType, Recorder, Reporter};
use trimtab_api::kinds::API_VERSION;
use trimtab_core::plan::Plan;

use crate::cluster::REQUEST_TIMEOUT;

/// Reporting controller of every event: the peer's, so that filters keep working.
const REPORTING_CONTROLLER: &str = "remediationorchestrator-controller";

/// Events hold at most 1,024 bytes of text.
const NOTE_BYTES_MAX: usize = 1024;

/// Publishes the events of steps.
#[derive(Clone)]
pub(crate) struct Events {
    recorder: Recorder,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}

impl Events {
    pub(crate) fn new(client: kube::Client) -> Self {
        let reporter = Reporter { controller: REPORTING_CONTROLLER.to_owned(), instance: None };
        Self { recorder: Recorder::new(client, reporter) }
    }

    /// Publishes a step's events in order. They tell, they do not decide: one that fails is logged and left.
    pub(crate) async fn publish(&self, plan: &Plan) {
        let reference = k8s_openapi::api::core::v1::ObjectReference {
            api_version: Some(API_VERSION.to_owned()),
            kind: Some("RemediationRequest".to_owned()),
            name: Some(plan.name.clone()),
            namespace: Some(plan.namespace.clone()),
            uid: Some(plan.uid.clone()),
            ..Default::default()
        };
        for event in &plan.events {
            let body = KubernetesEvent {
                type_: if event.is_warning { EventType::Warning } else { EventType::Normal },
                reason: event.reason.clone(),
                note: Some(cut(&event.note)),
                action: plan.to.map_or("Reconcile", |phase| phase.name()).to_owned(),
                secondary: None,
            };
            let published = tokio::time::timeout(REQUEST_TIMEOUT, self.recorder.publish(&body, &reference)).await;
            let failure = match published {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer within 10 s".to_owned(),
            };
            tracing::warn!(reason = event.reason, failure, "an event could not be published");
        }
    }
}

fn cut(note: &str) -> String {
    let mut end = note.len().min(NOTE_BYTES_MAX);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    note.get(..end).unwrap_or_default().to_owned()
}
