//! An object as the controller holds it: its JSON, shared and not copied, and the little metadata that watches go by.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use kube::api::ObjectMeta;
use kube::core::{DynamicResourceScope, Resource};
use kube_runtime::reflector::ObjectRef;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use trimtab_api::Kind;
use trimtab_api::kinds::{API_VERSION, GROUP, VERSION};
use trimtab_core::json::{remove, text};

use crate::beside;

/// A kind, as clients and watches are told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Of(pub(crate) Kind);

/// An object of one of the kinds. A copy shares the JSON.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    /// Name, namespace, uid, version and owners; the rest is in the JSON alone.
    metadata: ObjectMeta,
    json: Arc<Value>,
}

impl Object {
    /// The object without what no policy and no plan reads, and what can be large. Done once, where an object arrives:
    /// from a watch, a live read or a write.
    pub(crate) fn new(mut json: Value) -> Self {
        beside::mark(&mut json);
        for path in [
            &["metadata", "managedFields"][..],
            &["metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"],
            &["spec", "originalPayload"],
            // The text of a notification, and the list of tries to deliver it.
            &["spec", "body"],
            &["spec", "context"],
            &["status", "deliveryAttempts"],
        ] {
            remove(&mut json, path);
        }
        Self::of(Arc::new(json))
    }

    /// An object that has been slimmed before.
    pub(crate) fn of(json: Arc<Value>) -> Self {
        let member = |name: &str| json["metadata"][name].as_str().map(str::to_owned);
        let owners = json["metadata"].get("ownerReferences");
        let metadata = ObjectMeta {
            name: member("name"),
            namespace: member("namespace"),
            uid: member("uid"),
            resource_version: member("resourceVersion"),
            owner_references: owners.and_then(|owners| Deserialize::deserialize(owners).ok()),
            ..ObjectMeta::default()
        };
        Self { metadata, json }
    }

    /// What names an object, without the object.
    pub(crate) fn stub(&self) -> Self {
        static NOTHING: LazyLock<Arc<Value>> = LazyLock::new(Arc::default);
        let ObjectMeta { name, namespace, uid, .. } = self.metadata.clone();
        let metadata = ObjectMeta { name, namespace, uid, ..ObjectMeta::default() };
        Self { metadata, json: Arc::clone(&NOTHING) }
    }

    /// The whole object.
    pub(crate) const fn json(&self) -> &Arc<Value> {
        &self.json
    }

    /// Its phase, whatever the kind calls it; empty before it has one.
    pub(crate) fn phase(&self, kind: Kind) -> &str {
        text(&self.json, if kind == Kind::RemediationRequest { "/status/overallPhase" } else { "/status/phase" })
    }
}

/// Names a remediation to the queue.
pub(crate) fn remediation(namespace: &str, name: &str) -> ObjectRef<Object> {
    ObjectRef::new_with(name, Of(Kind::RemediationRequest)).within(namespace)
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::new)
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

impl Resource for Object {
    type DynamicType = Of;
    type Scope = DynamicResourceScope;

    fn kind(of: &Of) -> Cow<'_, str> {
        of.0.kind().into()
    }

    fn group(_: &Of) -> Cow<'_, str> {
        GROUP.into()
    }

    fn version(_: &Of) -> Cow<'_, str> {
        VERSION.into()
    }

    fn api_version(_: &Of) -> Cow<'_, str> {
        API_VERSION.into()
    }

    fn plural(of: &Of) -> Cow<'_, str> {
        of.0.plural().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::ResourceExt as _;
    use serde_json::json;

    #[test]
    fn an_object_arrives_slim_and_knows_its_names() {
        let object: Object = serde_json::from_value(json!({
            "metadata": {
                "name": "rr", "namespace": "ns", "uid": "u", "resourceVersion": "7", "managedFields": [{"manager": "m"}],
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "kept": "yes"},
                "ownerReferences": [{"apiVersion": API_VERSION, "kind": "RemediationRequest", "name": "o", "uid": "p"}],
            },
            "spec": {"originalPayload": "large", "signalName": "kept"},
        }))
        .unwrap();
        assert_eq!((object.name_any(), object.uid()), ("rr".to_owned(), Some("u".to_owned())));
        assert_eq!(object.meta().owner_references.as_ref().unwrap()[0].uid, "p");
        let (metadata, spec) = (&object.json()["metadata"], &object.json()["spec"]);
        assert_eq!(metadata["annotations"], json!({"kept": "yes"}));
        assert_eq!((metadata.get("managedFields"), spec), (None, &json!({"signalName": "kept"})));
        let stub = object.stub();
        assert_eq!((stub.uid(), stub.json().is_null()), (Some("u".to_owned()), true));
    }
}
