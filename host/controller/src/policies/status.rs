//! Writes what came of an object into its status, and holds it while it is needed.

use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use trimtab_api::policy::POLICY_FINALIZER;
use trimtab_core::time::Timestamp;

use super::PolicyVerdict;
use crate::cluster::{FIELD_MANAGER, REQUEST_TIMEOUT};
use crate::errors::answer;

/// Writes what has changed: the object as it is then, or nothing. `is_settled` tells that it is known who needs it.
pub(super) async fn write(
    api: &Api<DynamicObject>,
    object: &DynamicObject,
    verdict: &PolicyVerdict,
    (now, is_settled): (Timestamp, bool),
) -> Result<Option<DynamicObject>, WriteError> {
    let mut written = None;
    if let Some(finalizers) = finalizers(object, verdict.is_held, is_settled) {
        let version = object.metadata.resource_version.as_deref();
        let patch = json!({"metadata": {"finalizers": finalizers, "resourceVersion": version}});
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patched = within(api.patch(&verdict.name, &parameters, &Patch::Merge(patch))).await?;
        let is_gone = patched.metadata.deletion_timestamp.is_some() && patched.finalizers().is_empty();
        written = Some(patched);
        if is_gone {
            return Ok(written);
        }
    }
    let present = written.as_ref().unwrap_or(object);
    let status = filled(verdict.status.clone(), present, now);
    if status != present.data["status"] {
        let mut next = present.clone();
        next.data["status"] = status;
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        written = Some(within(api.replace_status(&verdict.name, &parameters, &next)).await?);
    }
    Ok(written)
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    /// The API server refused, or could not be reached.
    #[error("{0}")]
    Request(#[from] kube::Error),
    /// It did not answer.
    #[error("no answer within 10 s")]
    Late,
}

impl WriteError {
    /// Somebody else was faster: the watch shows what, and then comes the next try.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Request(error) if answer(error).is_some_and(|status| matches!(status.code, 404 | 409)))
    }
}

async fn within<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, WriteError> {
    tokio::time::timeout(REQUEST_TIMEOUT, request).await.map_err(|_| WriteError::Late)?.map_err(WriteError::Request)
}

/// The finalizers that an object should have, where it has others.
fn finalizers(object: &DynamicObject, is_held: bool, is_settled: bool) -> Option<Vec<String>> {
    let has = object.finalizers().iter().any(|one| one == POLICY_FINALIZER);
    let is_leaving = object.metadata.deletion_timestamp.is_some();
    let others = || object.finalizers().iter().filter(|one| *one != POLICY_FINALIZER).cloned();
    match (has, is_held) {
        // The API server takes no new one where deletion has begun.
        (false, true) if !is_leaving => Some(others().chain([POLICY_FINALIZER.to_owned()]).collect()),
        (true, false) if is_settled => Some(others().collect()),
        _ => None,
    }
}

/// A status with its generation, and with the time at which each condition last changed.
fn filled(mut status: Value, object: &DynamicObject, now: Timestamp) -> Value {
    let generation = object.metadata.generation;
    let before = &object.data["status"]["conditions"];
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        let is_same = |known: &&Value| known["type"] == condition["type"] && known["status"] == condition["status"];
        let known = before.as_array().into_iter().flatten().find(is_same);
        let since =
            known.map_or_else(|| json!(now.whole_seconds().to_string()), |known| known["lastTransitionTime"].clone());
        condition["lastTransitionTime"] = since;
        if let Some(generation) = generation {
            condition["observedGeneration"] = json!(generation);
        }
    }
    if let Some(generation) = generation {
        status["observedGeneration"] = json!(generation);
    }
    status
}

#[cfg(test)]
mod tests {
    use trimtab_api::PolicyKind;

    use super::*;
    use crate::fake::Store;

    const PATH: &str = "/apis/trimtab.dev/v1alpha1/namespaces/ns/policies/p";

    struct Stage {
        store: Store,
        api: Api<DynamicObject>,
    }

    impl Stage {
        fn set() -> Self {
            let store = Store::default();
            store.put(
                PATH,
                json!({"apiVersion": "trimtab.dev/v1alpha1", "kind": "Policy", "spec": {},
                "metadata": {"name": "p", "namespace": "ns", "generation": 3}}),
            );
            let api = Api::namespaced_with(store.client(), "ns", &PolicyKind::Policy.api_resource());
            Self { store, api }
        }

        async fn write(&self, verdict: &PolicyVerdict, second: u64) -> bool {
            let object: DynamicObject = serde_json::from_value(self.object()).unwrap();
            let now = Timestamp::from_millis(second * 1000);
            write(&self.api, &object, verdict, (now, true)).await.unwrap().is_some()
        }

        fn object(&self) -> Value {
            self.store.object(PATH).unwrap()
        }
    }

    fn verdict(status: &str, is_held: bool) -> PolicyVerdict {
        let condition =
            json!({"type": "Active", "status": status, "reason": "Some", "message": "", "lastTransitionTime": ""});
        let status = json!({"conditions": [condition]});
        PolicyVerdict { kind: PolicyKind::Policy, name: "p".into(), status, is_held }
    }

    #[tokio::test]
    async fn a_condition_keeps_its_time_until_it_changes_and_nothing_is_written_twice() {
        let stage = Stage::set();
        let condition = || stage.object()["status"]["conditions"][0].clone();
        assert!(stage.write(&verdict("True", false), 1).await);
        assert_eq!(condition()["lastTransitionTime"], "1970-01-01T00:00:01Z");
        assert_eq!(condition()["observedGeneration"], 3);
        assert!(!stage.write(&verdict("True", false), 2).await, "it was written again");
        assert!(stage.write(&verdict("False", false), 3).await);
        assert_eq!(condition()["lastTransitionTime"], "1970-01-01T00:00:03Z");
    }

    #[test]
    fn an_object_is_held_while_it_is_needed_and_let_go_once_that_is_known() {
        let object = |finalizers: &[&str], is_leaving: bool| {
            let mut object = DynamicObject::new("p", &PolicyKind::Policy.api_resource());
            object.metadata.finalizers = Some(finalizers.iter().map(|one| (*one).to_owned()).collect());
            object.metadata.deletion_timestamp =
                is_leaving.then(|| serde_json::from_str("\"2026-01-01T00:00:00Z\"").unwrap());
            object
        };
        let own = POLICY_FINALIZER;
        let held = |found: &[&str]| Some(found.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
        assert_eq!(finalizers(&object(&["other"], false), true, false), held(&["other", own]));
        assert_eq!(finalizers(&object(&[own], false), true, true), None);
        assert_eq!(finalizers(&object(&[], true), true, true), None, "the API server would refuse it");
        assert_eq!(finalizers(&object(&["other", own], true), false, true), held(&["other"]));
        assert_eq!(finalizers(&object(&[own], true), false, false), None, "who needs it is not known yet");
    }
}
