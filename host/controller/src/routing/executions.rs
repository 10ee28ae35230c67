//! The executions on an object to be healed, read live while its lock is held.

use std::cmp::Reverse;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use kube::api::{DynamicObject, ListParams};
use kube::core::{Request, Resource as _};
use serde::Deserialize;
use tokio::time::Instant;
use trimtab_api::Kind;
use trimtab_core::json::text;
use trimtab_core::observation::{ROUTING_ITEMS_MAX, TargetExecution};
use trimtab_core::time::Timestamp;

use crate::cluster::{Cluster, ClusterError, REQUEST_TIMEOUT};

/// The field of an execution that names its target; it can be selected by where the definition says so.
const FIELD: &str = "spec.targetResource";

/// Executions in one page of a list.
const PAGE_SIZE: u32 = 500;

/// Most pages of one list.
const PAGES_MAX: usize = 200;

/// How long it is not tried again whether the API server can select by target, after it could not.
const UNSELECTABLE_FOR: Duration = Duration::from_mins(5);

/// What is read of an execution; the rest, most of it, is skipped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Execution {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: String,
    uid: String,
    creation_timestamp: String,
    owner_references: Vec<Owner>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Owner {
    uid: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    #[serde(rename = "clusterID")]
    cluster_id: String,
    target_resource: String,
    workflow_ref: Workflow,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Workflow {
    workflow_id: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    phase: String,
    completion_time: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Page {
    metadata: PageMetadata,
    items: Vec<Execution>,
}

#[derive(Debug, Deserialize)]
struct PageMetadata {
    #[serde(default)]
    r#continue: Option<String>,
}

/// An execution on a target, and what sorts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    uid: String,
    created: String,
    pub(super) execution: TargetExecution,
}

/// Lists executions.
pub(super) struct Executions {
    client: Client,
    /// Until when the API server is not asked to select by target.
    unselectable_until: Mutex<Option<Instant>>,
}

impl Executions {
    pub(super) fn new(client: Client) -> Self {
        Self { client, unselectable_until: Mutex::default() }
    }

    /// Every execution on a target of a cluster, as the API server has them now; `owner` is the uid of whoever asks.
    pub(super) async fn list(
        &self,
        namespace: &str,
        target: &str,
        cluster_id: &str,
        owner: &str,
    ) -> Result<Vec<Listed>, ClusterError> {
        let selected = if self.can_select() { self.pages(namespace, Some(target)).await } else { Ok(None) };
        let found = match selected {
            Ok(Some(found)) => found,
            // Kubernaut's own definition does not declare the field: everything is listed.
            Ok(None) => self.pages(namespace, None).await?.unwrap_or_default(),
            Err(error) => return Err(error),
        };
        let on_target = |one: &Execution| one.spec.target_resource == target && one.spec.cluster_id == cluster_id;
        Ok(found.into_iter().filter(on_target).map(|one| listed(one, owner)).collect())
    }

    /// The pages of one list; `None` where the API server cannot select by target.
    async fn pages(&self, namespace: &str, target: Option<&str>) -> Result<Option<Vec<Execution>>, ClusterError> {
        let mut parameters = ListParams::default().limit(PAGE_SIZE);
        if let Some(target) = target {
            parameters = parameters.fields(&format!("{FIELD}={}", escaped(target)));
        }
        let mut found = Vec::new();
        for _ in 0..PAGES_MAX {
            let page = match self.page(namespace, &parameters).await {
                Ok(page) => page,
                Err(error) if target.is_some() && error.code() == Some(400) => {
                    self.cannot_select();
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            found.extend(page.items);
            match page.metadata.r#continue.filter(|token| !token.is_empty()) {
                Some(token) => parameters = parameters.continue_token(&token),
                None => return Ok(Some(found)),
            }
        }
        // More than a hundred thousand: what lies beyond would be missed, so nothing is said.
        let too_many = kube::Error::Service("there are too many WorkflowExecutions to be listed".into());
        Err(failed(namespace, too_many))
    }

    async fn page(&self, namespace: &str, parameters: &ListParams) -> Result<Page, ClusterError> {
        let url = DynamicObject::url_path(&Kind::WorkflowExecution.api_resource(), Some(namespace));
        let mut request =
            Request::new(url).list(parameters).map_err(|error| failed(namespace, kube::Error::BuildRequest(error)))?;
        request.extensions_mut().insert("list");
        match tokio::time::timeout(REQUEST_TIMEOUT, self.client.request::<Page>(request)).await {
            Ok(answer) => answer.map_err(|error| failed(namespace, error)),
            Err(_) => Err(ClusterError::Late {
                verb: "list",
                kind: Kind::WorkflowExecution,
                namespace: namespace.to_owned(),
                name: EVERY.to_owned(),
            }),
        }
    }

    fn can_select(&self) -> bool {
        let until = self.unselectable_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_none_or(|until| Instant::now() >= until)
    }

    fn cannot_select(&self) {
        tracing::info!(
            field = FIELD,
            "the definition of WorkflowExecution does not let executions be selected by target; all are listed. The \
             definition of `trimtab crds` does"
        );
        let until = Instant::now() + UNSELECTABLE_FOR;
        *self.unselectable_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }
}

/// Stands for a name where all are meant.
const EVERY: &str = "(all)";

fn failed(namespace: &str, source: kube::Error) -> ClusterError {
    ClusterError::Request {
        verb: "list",
        kind: Kind::WorkflowExecution,
        namespace: namespace.to_owned(),
        name: EVERY.to_owned(),
        source: Box::new(source),
    }
}

/// A value in a field selector.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\=")
}

fn listed(one: Execution, owner: &str) -> Listed {
    Listed {
        uid: one.metadata.uid,
        created: one.metadata.creation_timestamp,
        execution: TargetExecution {
            own: one.metadata.owner_references.iter().any(|owned| owned.uid == owner),
            name: one.metadata.name,
            workflow_id: one.spec.workflow_ref.workflow_id,
            phase: one.status.phase,
            completed_at: one.status.completion_time.as_deref().and_then(Timestamp::parse),
        },
    }
}

/// Brings what was listed a moment ago up to date: under the lock nobody starts another one, but some may have ended.
pub(super) fn refresh(cluster: &Cluster, namespace: &str, known: &mut [Listed]) {
    for one in known.iter_mut().filter(|one| !one.execution.is_finished()) {
        let newest = cluster.glimpse(Kind::WorkflowExecution, namespace, &one.execution.name, |seen| {
            let completed_at = Timestamp::parse(text(seen.data, "/status/completionTime"));
            (seen.uid == one.uid).then(|| (text(seen.data, "/status/phase").to_owned(), completed_at))
        });
        // An older state in the cache never takes back what was read live.
        if let Some((phase, completed_at)) = newest.flatten().filter(|(phase, _)| !phase.is_empty()) {
            (one.execution.phase, one.execution.completed_at) = (phase, completed_at);
        }
    }
}

/// Those that have not ended, then the others, the newest first in both parts; and how many there are.
pub(super) fn page(mut known: Vec<Listed>) -> (u32, Vec<TargetExecution>) {
    let total = u32::try_from(known.len()).unwrap_or(u32::MAX);
    known.sort_by(|one, other| {
        let place = |listed: &Listed| (listed.execution.is_finished(), Reverse(listed.created.clone()));
        place(one).cmp(&place(other)).then_with(|| one.execution.name.cmp(&other.execution.name))
    });
    known.truncate(ROUTING_ITEMS_MAX);
    (total, known.into_iter().map(|listed| listed.execution).collect())
}
