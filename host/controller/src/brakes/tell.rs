//! The Kubernetes event on a remediation that is held.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, PostParams};
use trimtab_api::kinds::API_VERSION;
use trimtab_core::brakes::Rule;
use trimtab_core::observation::Observation;

use crate::cluster::REQUEST_TIMEOUT;

/// Reporting controller of every event: the peer's, so that filters keep working.
const REPORTING_CONTROLLER: &str = "remediationorchestrator-controller";

/// Events hold at most 1,024 bytes of text.
const NOTE_CHARACTERS_MAX: usize = 1024 / 4;

/// Most characters of a remediation's name in the name of an event; such names are plain ASCII.
const NAME_CHARACTERS_MAX: usize = 180;

/// Publishes that a remediation is held. It tells, it does not decide: one that fails is logged and left.
pub(super) async fn held(client: &Client, seen: &Observation, rule: Rule, why: &str) {
    let api: Api<Event> = Api::namespaced(client.clone(), &seen.namespace);
    let event = event(seen, rule, why);
    let failure = match tokio::time::timeout(REQUEST_TIMEOUT, api.create(&PostParams::default(), &event)).await {
        Ok(Ok(_)) => return,
        // An earlier process has told of the same hold.
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer within 10 s".to_owned(),
    };
    tracing::warn!(failure, "the event of a hold could not be published");
}

/// Its name follows from the step that is held, so that a restart does not tell again.
fn event(seen: &Observation, rule: Rule, why: &str) -> Event {
    let life: String = seen.uid.chars().take(8).collect();
    let stem: String = seen.name.chars().take(NAME_CHARACTERS_MAX).collect();
    let name = format!("{stem}.{life}.{}-{}", seen.record.sequence.saturating_add(1), rule.code().to_lowercase());
    let micros = i64::try_from(seen.now.as_millis().saturating_mul(1000)).unwrap_or(i64::MAX);
    let at = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX);
    Event {
        metadata: ObjectMeta { name: Some(name), namespace: Some(seen.namespace.clone()), ..ObjectMeta::default() },
        type_: Some("Warning".to_owned()),
        reason: Some(rule.code().to_owned()),
        note: Some(why.chars().take(NOTE_CHARACTERS_MAX).collect()),
        action: Some("Hold".to_owned()),
        event_time: Some(MicroTime(at)),
        regarding: Some(ObjectReference {
            api_version: Some(API_VERSION.to_owned()),
            kind: Some("RemediationRequest".to_owned()),
            name: Some(seen.name.clone()),
            namespace: Some(seen.namespace.clone()),
            uid: Some(seen.uid.clone()),
            ..ObjectReference::default()
        }),
        reporting_controller: Some(REPORTING_CONTROLLER.to_owned()),
        reporting_instance: Some(REPORTING_CONTROLLER.to_owned()),
        ..Event::default()
    }
}
