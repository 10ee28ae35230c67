//! Observe: gathers the objects of one remediation into one pure observation.

use std::sync::Arc;

use serde_json::Value;
use trimtab_api::Kind;
use trimtab_api::mapping::{self, MappingError, Objects};
use trimtab_core::json::{some_text, text};
use trimtab_core::observation::{ChildKind, LazyFact, Observation, Obstacle, TargetHash};
use trimtab_core::time::Timestamp;

use crate::cluster::{Cluster, ClusterError};
use crate::discovery::DiscoveryError;
use crate::routing::{Routing, RoutingFailure, awaited};
use crate::target;
use reads::Reads;

mod reads;

/// Why nothing could be observed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObserveError {
    /// The cluster could not be read.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// It is not known whether a kind is served of which something is missing.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// What was read is no remediation.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// What routing needs could not be gathered.
    #[error(transparent)]
    Routing(#[from] RoutingFailure),
}

/// What has been asked for beyond the usual.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// Whether everything is read live.
    pub(crate) is_live: bool,
    /// Facts that cost a request.
    pub(crate) facts: Vec<LazyFact>,
    /// What the last try to carry out a step met.
    pub(crate) obstacle: Option<Obstacle>,
    /// The remediation as it is looked at, instead of as the cluster has it.
    pub(crate) remediation: Option<Arc<Value>>,
}

impl Wanted {
    /// Asks for a fact and for what is gathered with it, in that order.
    pub(crate) fn add(&mut self, fact: LazyFact) {
        for one in fact.group() {
            // The past of another time replaces the one that was asked for before.
            if matches!(one, LazyFact::RemediationHistory(_)) {
                self.facts.retain(|known| !matches!(known, LazyFact::RemediationHistory(_)));
            }
            if !self.facts.contains(&one) {
                self.facts.push(one);
            }
        }
    }
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
    routing: &Routing,
    namespace: &str,
    name: &str,
    wanted: &Wanted,
    now: impl Fn() -> Timestamp,
) -> Result<Option<Observation>, ObserveError> {
    let reads = Reads { cluster, namespace, is_live: wanted.is_live };
    let now = now();
    let found = match &wanted.remediation {
        Some(shown) => Some(Arc::clone(shown)),
        None => reads.known(Kind::RemediationRequest, name).await?,
    };
    let Some(remediation) = found else { return Ok(None) };
    let uid = text(&remediation, "/metadata/uid").to_owned();
    let record = mapping::record(&remediation)?;
    let mut objects = Objects { remediation, ..Objects::default() };
    for child in ChildKind::ALL {
        let (kind, object_name) = (kind_of(child), record.object_name(child, name));
        // An object of this name that another remediation owns is a leftover of a deleted namesake.
        let is_own = |object: &Value| mapping::is_owned_by(object, &uid);
        let found = if mapping::is_expected(&objects.remediation, child) {
            reads.sure(kind, &object_name, is_own).await?
        } else {
            reads.known(kind, &object_name).await?.filter(|object| is_own(object))
        };
        if let Some(object) = found {
            objects.children.insert(child, object);
        }
    }
    for name in mapping::notification_names(&objects.remediation) {
        let is_shared = trimtab_core::brakes::is_summary(&name);
        let is_told_by = |object: &Value| is_shared || mapping::is_owned_by(object, &uid);
        let found = reads.sure(Kind::NotificationRequest, &name, is_told_by).await?;
        if found.is_none() && is_shared {
            // It goes with the remediation whose step created it; nobody has deleted it from this one.
            continue;
        }
        objects.notifications.push((name, found));
    }
    for fact in &wanted.facts {
        match fact {
            LazyFact::WorkflowOverride => objects.workflow = Some(workflow(&reads, &objects).await?),
            LazyFact::RelatedRemediations => objects.related = Some(related(cluster, routing, &objects.remediation)),
            // Which objects they are about follows from the rest.
            LazyFact::TargetHash
            | LazyFact::Scope
            | LazyFact::SignalRemediations
            | LazyFact::TargetExecutions
            | LazyFact::RemediationHistory(_) => {}
        }
    }
    let mut observation = mapping::observe(now, wanted.is_live, &objects)?;
    await_other(&reads, &mut observation).await?;
    let mut observation = complete(cluster, wanted, observation).await?;
    // On the heap: these requests are seldom made, and would make every reconcile larger.
    Box::pin(gather(cluster, routing, wanted, &mut observation)).await?;
    Ok(Some(observation))
}

/// Adds whom it waits for. Much hangs on its absence.
async fn await_other(reads: &Reads<'_>, observation: &mut Observation) -> Result<(), ObserveError> {
    let Some((kind, name)) = awaited::named(observation) else { return Ok(()) };
    let found = reads.sure(kind, &name, |_| true).await?;
    observation.facts.routing.awaited = Some(awaited::seen(kind, name, found.as_deref()));
    Ok(())
}

/// Adds what the cluster keeps from us, and what is known of the target.
async fn complete(
    cluster: &Cluster,
    wanted: &Wanted,
    mut observation: Observation,
) -> Result<Observation, ObserveError> {
    let discovery = cluster.discovery();
    if lacks_something(&observation) {
        // Much hangs on whether it is gone, or its whole kind is.
        discovery.look().await?;
    }
    observation.missing_kinds = discovery.missing(&observation.namespace);
    if observation.missing_kinds.iter().any(|missing| missing.kind == Kind::NotificationRequest.kind()) {
        // Nobody has deleted one: there are none to be seen.
        observation.notifications.retain(|notification| notification.found);
    }
    observation.obstacle.clone_from(&wanted.obstacle);
    observation.facts.target_group = target::group(discovery, &observation).await;
    Ok(observation)
}

/// Adds the facts that cost requests. The target's state and the executions on it are asked for at the same time: neither
/// needs the other, and both stand in the way of an execution.
async fn gather(
    cluster: &Cluster,
    routing: &Routing,
    wanted: &Wanted,
    observation: &mut Observation,
) -> Result<(), ObserveError> {
    let seen = &*observation;
    let (hash, executions) =
        tokio::join!(target_hash(cluster, wanted, seen), routing.executions(cluster, &wanted.facts, seen));
    observation.facts.target_hash = hash;
    observation.facts.target_executions = executions?;
    Ok(routing.gather(cluster, &wanted.facts, observation).await?)
}

/// The target's state, where it was asked for. One that was noted before is used ever after.
async fn target_hash(cluster: &Cluster, wanted: &Wanted, observation: &Observation) -> Option<TargetHash> {
    if !wanted.facts.contains(&LazyFact::TargetHash) {
        return None;
    }
    match some_text(&observation.object, "/status/operatorAudit/preRemediationSpecHash") {
        Some(noted) => Some(TargetHash::Known(noted.to_owned())),
        None => Some(target::hash(cluster.client(), cluster.discovery(), observation).await),
    }
}

/// Whether something is not there that was, or that somebody has named.
fn lacks_something(observation: &Observation) -> bool {
    let is_told = text(&observation.object, "/status/completionStatus/notificationStatus") == "Cancelled";
    observation.children.iter().any(|child| !child.found)
        || observation.facts.routing.awaited.as_ref().is_some_and(|awaited| !awaited.found)
        || (!is_told && observation.notifications.iter().any(|notification| !notification.found))
        || observation
            .facts
            .workflow_override
            .iter()
            .flatten()
            .any(|named| !named.found && !named.workflow_name.is_empty())
}

async fn workflow(reads: &Reads<'_>, objects: &Objects) -> Result<Option<Arc<Value>>, ClusterError> {
    let named = objects
        .children
        .get(&ChildKind::RemediationApprovalRequest)
        .map_or("", |request| text(request, "/status/workflowOverride/workflowName"));
    if named.is_empty() {
        return Ok(None);
    }
    reads.live(Kind::RemediationWorkflow, named).await
}

fn related(cluster: &Cluster, routing: &Routing, remediation: &Value) -> Vec<Arc<Value>> {
    let fingerprint = text(remediation, "/spec/signalFingerprint");
    let uid = text(remediation, "/metadata/uid");
    let sharing = routing.sharing(text(remediation, "/metadata/namespace"), fingerprint);
    sharing
        .iter()
        .filter_map(|key| cluster.cached(Kind::RemediationRequest, &key.0, &key.1))
        .filter(|other| text(other, "/metadata/uid") != uid && text(other, "/spec/signalFingerprint") == fingerprint)
        .collect()
}
