//! Perform: carries out a plan. Its only branch: a precondition failed, so stop and observe again.

use futures::future::join_all;
use trimtab_api::Kind;
use trimtab_api::mapping::is_owned_by;
use trimtab_core::json::text;
use trimtab_core::manifest::Manifest;
use trimtab_core::plan::{Action, Plan};

use crate::cluster::{Cluster, ClusterError};
use crate::tries::Tries;

/// How a plan ended.
#[derive(Debug)]
pub(crate) enum Performed {
    /// Every required effect is there.
    Done {
        /// Whether an effect that the step can do without failed.
        is_partial: bool,
    },
    /// A precondition failed: somebody else has written.
    Stale,
}

/// Why a plan could not be carried out now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PerformError {
    /// A request failed.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// An object of a child's name belongs to somebody else.
    #[error("{kind} {namespace}/{name} exists and belongs to another owner; delete it, or wait until it is collected")]
    Foreign { kind: String, namespace: String, name: String },
    /// The plan names a kind that does not exist.
    #[error("the plan names the unknown kind {0}")]
    UnknownKind(String),
}

/// Carries out the actions in order, then the status write. Those that the step can do without do not wait for each
/// other.
pub(crate) async fn perform(cluster: &Cluster, tries: &Tries, plan: &Plan) -> Result<Performed, PerformError> {
    if !plan.actions.is_empty() && !is_as_planned(cluster, plan).await? {
        return Ok(Performed::Stale);
    }
    let mut is_partial = false;
    for together in plan.actions.chunk_by(|one, next| !is_required(one) && !is_required(next)) {
        let ended = join_all(together.iter().map(|action| act(cluster, tries, plan, action))).await;
        for (action, ended) in together.iter().zip(ended) {
            match ended {
                Ok(()) => {}
                Err(error) if is_required(action) => return stale_or(error),
                Err(error) => {
                    tracing::warn!(%error, "an effect that the step can do without failed");
                    is_partial = true;
                }
            }
        }
    }
    if let Some(status) = &plan.status {
        let version = Some(plan.resource_version.as_str());
        let written =
            cluster.patch_status(Kind::RemediationRequest, &plan.namespace, &plan.name, status, version).await;
        if let Err(error) = written {
            return stale_or(error.into());
        }
    }
    Ok(Performed::Done { is_partial })
}

/// Whether the remediation is still the one that was planned on: nothing is created for one that has moved on.
async fn is_as_planned(cluster: &Cluster, plan: &Plan) -> Result<bool, PerformError> {
    if cluster.is_vouched(Kind::RemediationRequest, &plan.namespace, &plan.name, &plan.resource_version) {
        return Ok(true);
    }
    let found = cluster.read_live(Kind::RemediationRequest, &plan.namespace, &plan.name).await?;
    Ok(found.is_some_and(|object| {
        text(&object, "/metadata/uid") == plan.uid
            && text(&object, "/metadata/resourceVersion") == plan.resource_version
    }))
}

/// 409: somebody else has written meanwhile.
fn stale_or(error: PerformError) -> Result<Performed, PerformError> {
    match &error {
        PerformError::Cluster(failed) if matches!(failed.code(), Some(409)) => Ok(Performed::Stale),
        PerformError::Cluster(_) | PerformError::Foreign { .. } | PerformError::UnknownKind(_) => Err(error),
    }
}

const fn is_required(action: &Action) -> bool {
    match action {
        Action::Create(manifest) => manifest.is_required,
        Action::PatchStatus { is_required, .. } => *is_required,
        Action::Delete { .. } => true,
    }
}

async fn act(cluster: &Cluster, tries: &Tries, plan: &Plan, action: &Action) -> Result<(), PerformError> {
    match action {
        Action::Create(manifest) => {
            let created = create(cluster, plan, manifest).await;
            match &created {
                Ok(()) => tries.made(&plan.uid, manifest),
                Err(error) => tries.failed(&plan.uid, manifest, &error.to_string()),
            }
            created
        }
        Action::PatchStatus { kind, name, status, resource_version, .. } => {
            let kind = parse(kind)?;
            cluster.patch_status(kind, &plan.namespace, name, status, resource_version.as_deref()).await?;
            Ok(())
        }
        Action::Delete { kind, name, uid, resource_version } => {
            cluster.delete(parse(kind)?, &plan.namespace, name, uid, resource_version).await?;
            tracing::info!(kind, name, rule = plan.why.rule, why = plan.why.text, "deleted");
            Ok(())
        }
    }
}

async fn create(cluster: &Cluster, plan: &Plan, manifest: &Manifest) -> Result<(), PerformError> {
    let kind = parse(&manifest.kind)?;
    if cluster.create(kind, &plan.namespace, &manifest.name, &manifest.object).await?.is_some() {
        tracing::debug!(kind = manifest.kind, name = manifest.name, "created");
        return Ok(());
    }
    // It is there already. Ours from an earlier try: taken as created. Another's: left alone.
    let found = cluster.read_live(kind, &plan.namespace, &manifest.name).await?;
    match found {
        Some(object) if is_owned_by(&object, &plan.uid) && text(&object, "/metadata/deletionTimestamp").is_empty() => {
            Ok(())
        }
        _ => Err(PerformError::Foreign {
            kind: manifest.kind.clone(),
            namespace: plan.namespace.clone(),
            name: manifest.name.clone(),
        }),
    }
}

fn parse(kind: &str) -> Result<Kind, PerformError> {
    Kind::from_kind(kind).ok_or_else(|| PerformError::UnknownKind(kind.to_owned()))
}
