//! A namespace for each test.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use uuid::Uuid;

use super::ControlPlane;
use super::error::UseError;

/// The label of every namespace made for a test, for cleaning up in a cluster
/// that outlives the tests.
pub const TEST_LABEL: &str = "trimtab.dev/test";

/// How much of a random id is in the name.
const ID_CHARS: usize = 12;

impl ControlPlane {
    /// Makes a namespace that no other test uses and returns its name. It
    /// stays until its control plane ends: in a given cluster, delete it by
    /// [`ControlPlane::delete_namespace`] or by [`TEST_LABEL`].
    pub async fn namespace(&self) -> Result<String, UseError> {
        let name = format!("trimtab-test-{:.ID_CHARS$}", Uuid::new_v4().simple().to_string());
        let wanted = Namespace {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                labels: Some(BTreeMap::from([(TEST_LABEL.to_owned(), "true".to_owned())])),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        let api: Api<Namespace> = Api::all(self.client()?);
        match api.create(&PostParams::default(), &wanted).await {
            Ok(_) => Ok(name),
            Err(source) => Err(UseError::Namespace { action: "create", name, source }),
        }
    }

    /// Asks for a namespace's deletion. It vanishes with its content later,
    /// and never where there is no garbage collector.
    pub async fn delete_namespace(&self, name: &str) -> Result<(), UseError> {
        let api: Api<Namespace> = Api::all(self.client()?);
        let deleted = api.delete(name, &DeleteParams::default()).await;
        deleted.map(|_| ()).map_err(|source| UseError::Namespace { action: "delete", name: name.to_owned(), source })
    }
}
