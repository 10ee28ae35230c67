//! Deleting an object under preconditions.

use kube::api::{DeleteParams, Preconditions};
use trimtab_api::Kind;

use super::{Cluster, ClusterError};

impl Cluster {
    /// Deletes an object if it still is the one that was seen, in the background: what it owns is collected after it.
    /// One that is gone is taken as deleted; one that has changed answers 409.
    pub(crate) async fn delete(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        uid: &str,
        resource_version: &str,
    ) -> Result<(), ClusterError> {
        let seen = Preconditions { uid: Some(uid.to_owned()), resource_version: Some(resource_version.to_owned()) };
        let parameters = DeleteParams { preconditions: Some(seen), ..DeleteParams::background() };
        let api = self.api(kind, namespace);
        match self.within("delete", kind, namespace, name, api.delete(name, &parameters)).await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some(404) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
