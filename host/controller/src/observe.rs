//! Observe: gathers the objects of one remediation into one pure observation.

use std::sync::Arc;

use serde_json::Value;
use trimtab_api::Kind;
use trimtab_api::mapping::{self, MappingError, Objects};
use trimtab_core::json::text;
use trimtab_core::observation::{ChildKind, LazyFact, Observation};
use trimtab_core::time::Timestamp;

use crate::cluster::{Cluster, ClusterError, as_value};

/// Why nothing could be observed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObserveError {
    /// The cluster could not be read.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// What was read is no remediation.
    #[error(transparent)]
    Mapping(#[from] MappingError),
}

/// What has been asked for beyond the usual.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// Whether everything is read live.
    pub(crate) is_live: bool,
    /// Facts that cost a request.
    pub(crate) facts: Vec<LazyFact>,
}

/// The kind of the cluster's objects behind a child.
pub(crate) const fn kind_of(child: ChildKind) -> Kind {
    match child {
        ChildKind::SignalProcessing => Kind::SignalProcessing,
        ChildKind::AIAnalysis => Kind::AIAnalysis,
        ChildKind::RemediationApprovalRequest => Kind::RemediationApprovalRequest,
        ChildKind::WorkflowExecution => Kind::WorkflowExecution,
        ChildKind::EffectivenessAssessment => Kind::EffectivenessAssessment,
    }
}

/// Observes a remediation; `None` where it is gone.
///
/// `now` is taken before the first read: what the reads find finished counts, and a limit that passes while they run is
/// looked at by the next observation.
pub(crate) async fn observe(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    wanted: &Wanted,
    now: impl Fn() -> Timestamp,
) -> Result<Option<Observation>, ObserveError> {
    let read = |kind: Kind, name: String| async move {
        if wanted.is_live {
            cluster.read_live(kind, namespace, &name).await
        } else {
            cluster.read(kind, namespace, &name).await
        }
    };
    let now = now();
    let Some(remediation) = read(Kind::RemediationRequest, name.to_owned()).await? else { return Ok(None) };
    let uid = text(&remediation, "/metadata/uid").to_owned();
    let attempt = mapping::record(&remediation)?.attempt;
    let mut objects = Objects { remediation, ..Objects::default() };
    for child in ChildKind::ALL {
        let object_name = child.object_name(name, attempt);
        let mut found = read(kind_of(child), object_name.clone()).await?;
        if found.is_none() && !wanted.is_live && mapping::is_expected(&objects.remediation, child) {
            // Much hangs on its absence, and a cache can lag behind: only the cluster itself is believed.
            found = cluster.read_live(kind_of(child), namespace, &object_name).await?;
        }
        // An object of this name that another remediation owns is a leftover of a deleted namesake.
        if let Some(object) = found.filter(|object| mapping::is_owned_by(object, &uid)) {
            objects.children.insert(child, object);
        }
    }
    for fact in &wanted.facts {
        match fact {
            LazyFact::WorkflowOverride => objects.workflow = Some(workflow(cluster, namespace, &objects).await?),
            LazyFact::RelatedRemediations => objects.related = Some(related(cluster, namespace, &objects.remediation)),
        }
    }
    Ok(Some(mapping::observe(now, wanted.is_live, &objects)?))
}

async fn workflow(cluster: &Cluster, namespace: &str, objects: &Objects) -> Result<Option<Arc<Value>>, ClusterError> {
    let named = objects
        .children
        .get(&ChildKind::RemediationApprovalRequest)
        .map_or("", |request| text(request, "/status/workflowOverride/workflowName"));
    if named.is_empty() { Ok(None) } else { cluster.read_live(Kind::RemediationWorkflow, namespace, named).await }
}

fn related(cluster: &Cluster, namespace: &str, remediation: &Value) -> Vec<Arc<Value>> {
    let fingerprint = text(remediation, "/spec/signalFingerprint");
    let uid = text(remediation, "/metadata/uid");
    cluster
        .list(Kind::RemediationRequest, namespace)
        .into_iter()
        .filter(|other| {
            other.metadata.uid.as_deref() != Some(uid) && text(&other.data, "/spec/signalFingerprint") == fingerprint
        })
        .map(|other| Arc::new(as_value(&other)))
        .collect()
}
