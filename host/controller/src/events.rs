//! Kubernetes events on remediations.

use futures::future::join_all;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, PostParams};
use trimtab_api::kinds::API_VERSION;
use trimtab_core::plan::Plan;

use crate::cluster::REQUEST_TIMEOUT;

/// Reporting controller of every event: the peer's, so that filters keep working.
const REPORTING_CONTROLLER: &str = "remediationorchestrator-controller";

/// Events hold at most 1,024 bytes of text.
const NOTE_BYTES_MAX: usize = 1024;

/// Most bytes of a remediation's name in the name of an event.
const NAME_BYTES_MAX: usize = 200;

/// Publishes the events of steps.
#[derive(Clone)]
pub(crate) struct Events {
    client: kube::Client,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}

impl Events {
    pub(crate) fn new(client: kube::Client) -> Self {
        Self { client }
    }

    /// Publishes a step's events, which are in order by their times. They tell, they do not decide: one that fails is
    /// logged and left.
    ///
    /// Their names follow from the step, so one that a process published before it died is not published again.
    pub(crate) async fn publish(&self, plan: &Plan) {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &plan.namespace);
        join_all(plan.events.iter().enumerate().map(|(nth, told)| publish(&api, event(plan, nth, told)))).await;
    }
}

async fn publish(api: &Api<Event>, event: Event) {
    let failure = match tokio::time::timeout(REQUEST_TIMEOUT, api.create(&PostParams::default(), &event)).await {
        Ok(Ok(_)) => return,
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer within 10 s".to_owned(),
    };
    tracing::warn!(reason = event.reason, failure, "an event could not be published");
}

fn event(plan: &Plan, nth: usize, told: &trimtab_core::plan::Event) -> Event {
    let micros = plan.at.as_millis().saturating_mul(1000).saturating_add(nth as u64);
    let at = Timestamp::from_microsecond(i64::try_from(micros).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX);
    let life = plan.uid.get(..8).unwrap_or(&plan.uid);
    let name = format!("{}.{life}.{}-{nth}", cut(&plan.name, NAME_BYTES_MAX), plan.sequence);
    Event {
        metadata: ObjectMeta { name: Some(name), namespace: Some(plan.namespace.clone()), ..ObjectMeta::default() },
        type_: Some(if told.is_warning { "Warning" } else { "Normal" }.to_owned()),
        reason: Some(told.reason.clone()),
        note: Some(cut(&told.note, NOTE_BYTES_MAX)),
        action: Some(plan.to.map_or("Reconcile", |phase| phase.name()).to_owned()),
        event_time: Some(MicroTime(at)),
        regarding: Some(ObjectReference {
            api_version: Some(API_VERSION.to_owned()),
            kind: Some("RemediationRequest".to_owned()),
            name: Some(plan.name.clone()),
            namespace: Some(plan.namespace.clone()),
            uid: Some(plan.uid.clone()),
            ..ObjectReference::default()
        }),
        reporting_controller: Some(REPORTING_CONTROLLER.to_owned()),
        reporting_instance: Some(REPORTING_CONTROLLER.to_owned()),
        ..Event::default()
    }
}

/// The text, cut at a character.
fn cut(text: &str, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
