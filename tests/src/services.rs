//! Kubernaut's other services, played: every object that the orchestrator creates for them is answered at once.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use serde_json::{Value, json};
use trimtab_api::Kind;

use crate::cluster::Cluster;
use crate::scenario::folder;
use crate::scenario::model::read_yaml;
use crate::scenario::template::Names;

/// Each service and what it answers, by the name in `statuses.yaml`: the way without an approval to a resolved signal.
const SERVICES: [(Kind, &str); 4] = [
    (Kind::SignalProcessing, "signalProcessed"),
    (Kind::AIAnalysis, "analysisSelected"),
    (Kind::WorkflowExecution, "executionCompleted"),
    (Kind::EffectivenessAssessment, "assessmentFull"),
];

/// Running services; they end with this.
#[derive(Debug)]
pub struct Services {
    tasks: tokio::task::JoinSet<Result<()>>,
    answers: Arc<AtomicU64>,
}

impl Services {
    /// Starts the services of one namespace; `app` is the target that the analysis names.
    pub fn start(cluster: &Cluster, namespace: &str, app: &str) -> Result<Self> {
        Self::start_for(cluster, namespace, app, |_| true)
    }

    /// The same for the objects of these names; the others wait.
    pub fn start_for(cluster: &Cluster, namespace: &str, app: &str, is_served: fn(&str) -> bool) -> Result<Self> {
        let statuses = read_yaml(&folder().join("statuses.yaml"))?;
        let names = Names::new([("rr", String::new()), ("app", app.to_owned()), ("namespace", namespace.to_owned())]);
        let answers = Arc::new(AtomicU64::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for (kind, entry) in SERVICES {
            let status = names.fill(statuses.get(entry).with_context(|| format!("no status {entry}"))?)?;
            let api = Api::namespaced_with(cluster.client()?, namespace, &kind.api_resource());
            tasks.spawn(answer(api, status, Arc::clone(&answers), is_served));
        }
        Ok(Self { tasks, answers })
    }

    /// Status patches that they have sent, one request each.
    pub fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Why a service has ended, if one has: then nothing goes on.
    pub async fn failure(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => error.into(),
            Some(Ok(Ok(()))) | None => anyhow::anyhow!("a service's watch ended"),
        }
    }
}

/// Plays a service: every object of its kind gets this status as soon as it is seen. The analysis answers for the very
/// target of each object's remediation.
async fn answer(
    api: Api<DynamicObject>,
    status: Value,
    answers: Arc<AtomicU64>,
    is_served: fn(&str) -> bool,
) -> Result<()> {
    let mut changes = pin!(watcher(api.clone(), watcher::Config::default()).default_backoff().applied_objects());
    while let Some(change) = changes.next().await {
        let Ok(object) = change else { continue };
        let name = object.metadata.name.clone().unwrap_or_default();
        if is_served(&name) && object.data["status"]["phase"].as_str().is_none_or(str::is_empty) {
            let patch = Patch::Merge(json!({"status": aimed(status.clone(), &object)}));
            api.patch_status(&name, &PatchParams::default(), &patch).await?;
            answers.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// The analysis' answer, for the target of this object's own remediation.
fn aimed(mut status: Value, object: &DynamicObject) -> Value {
    let target = object.data.pointer("/spec/analysisRequest/signalContext/targetResource");
    let named = status.pointer_mut("/rcaResult/rootCauseAnalysis/remediationTarget");
    if let (Some(target), Some(named)) = (target, named) {
        for member in ["apiVersion", "kind", "name", "namespace"] {
            if let Some(value) = target.get(member) {
                named[member] = value.clone();
            }
        }
    }
    status
}
