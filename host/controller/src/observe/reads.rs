//! The reads of one observation, and what they tell of the kinds that may not be read.

use std::sync::Arc;

use serde_json::Value;
use trimtab_api::Kind;

use crate::cluster::{Cluster, ClusterError};
use crate::errors::ErrorClass;

/// Reads the objects of one namespace.
///
/// What may not be read is not there, as far as anybody can see; that it may not be read is noted. Only the API server can
/// say that it may be again: what a cache holds tells nothing of rights. So a kind with such a note is read live.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reads<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) namespace: &'a str,
    /// Whether everything is read live.
    pub(super) is_live: bool,
}

impl Reads<'_> {
    /// The newest known state of an object.
    pub(super) async fn known(&self, kind: Kind, name: &str) -> Result<Option<Arc<Value>>, ClusterError> {
        if self.reads_live(kind) { self.live(kind, name).await } else { self.cached(kind, name).await }
    }

    /// The newest known state of an object that is the right one: an object of its name can be another's. Much hangs on its
    /// absence, and a cache can lag behind: only the cluster itself is believed.
    pub(super) async fn sure(
        &self,
        kind: Kind,
        name: &str,
        is_right: impl Fn(&Value) -> bool,
    ) -> Result<Option<Arc<Value>>, ClusterError> {
        if !self.reads_live(kind)
            && let Some(found) = self.cached(kind, name).await?.filter(|found| is_right(found))
        {
            return Ok(Some(found));
        }
        Ok(self.live(kind, name).await?.filter(|found| is_right(found)))
    }

    /// The object as the API server has it now.
    pub(super) async fn live(&self, kind: Kind, name: &str) -> Result<Option<Arc<Value>>, ClusterError> {
        let read = self.cluster.read_live(kind, self.namespace, name).await;
        if read.is_ok() {
            self.cluster.discovery().read(kind, self.namespace, None);
        }
        self.permitted(kind, read)
    }

    fn reads_live(&self, kind: Kind) -> bool {
        self.is_live || self.cluster.discovery().is_unread(kind, self.namespace)
    }

    async fn cached(&self, kind: Kind, name: &str) -> Result<Option<Arc<Value>>, ClusterError> {
        self.permitted(kind, self.cluster.read(kind, self.namespace, name).await)
    }

    fn permitted(
        &self,
        kind: Kind,
        read: Result<Option<Arc<Value>>, ClusterError>,
    ) -> Result<Option<Arc<Value>>, ClusterError> {
        let refused = read.as_ref().err().and_then(ClusterError::answer);
        let refused = refused
            .filter(|status| kind != Kind::RemediationRequest && ErrorClass::of(status) == ErrorClass::Forbidden);
        let Some(status) = refused else { return read };
        self.cluster.discovery().read(kind, self.namespace, Some(status.message.clone()));
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
