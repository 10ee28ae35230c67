//! A namespace in which replicas work, with Kubernaut's other services played, and a referee who watches the executions.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::StreamExt as _;
use futures::TryStreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;
use trimtab_api::Kind;
use trimtab_tests::cluster::{Cluster, ClusterKind};
use trimtab_tests::process::{PATIENCE, Trimtab, read_page};
use trimtab_tests::scenario::model::read_yaml;
use trimtab_tests::scenario::template::Names;
use trimtab_tests::scenario::{folder, remediation};

/// How long an execution runs: a second one on its target would be seen.
const AT_WORK: Duration = Duration::from_millis(250);

/// How often a holder is killed at most until one leaves its lock behind.
const KILLS_MAX: usize = 8;

/// How often is looked where no watch tells.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What the Lease of a target is called.
const LOCK: &str = "ro-lock-";

/// A process of the controller, with a ledger of its own.
#[derive(Debug)]
pub(crate) struct Replica {
    process: Trimtab,
    // Removed after the process has ended.
    _data: TempDir,
}

impl Replica {
    /// Starts it for the arena's namespace, and waits until it is ready.
    pub(crate) async fn start(arena: &Arena) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let kubeconfig = arena.cluster.kubeconfig().to_str().context("the path of a kubeconfig is not UTF-8")?;
        let folder = data.path().to_str().context("a path is not UTF-8")?;
        let process = Trimtab::start([
            "run",
            "--kubeconfig",
            kubeconfig,
            "--data",
            folder,
            "--namespace",
            &arena.namespace,
            "--metrics-address",
            "127.0.0.1:0",
            "--health-address",
            "127.0.0.1:0",
        ])?;
        let health = process.address(1).await?;
        until("a replica is ready", async || Ok(read_page(health, "/readyz").await.is_ok().then_some(())))
            .await
            .with_context(|| process.tail())?;
        Ok(Self { process, _data: data })
    }

    /// How often it has changed a phase.
    pub(crate) fn steps(&self) -> usize {
        self.process.count_log(|line| line["message"] == "phase changed")
    }

    pub(crate) fn tail(&self) -> String {
        self.process.tail()
    }
}

/// A holder that was killed under its lock, before its execution was there.
#[derive(Debug)]
pub(crate) struct Killed {
    /// Name of its remediation.
    pub(crate) holder: String,
    /// Name of the one that waits for the same target.
    pub(crate) other: String,
    /// When it wrote the lock last.
    pub(crate) renewed: Timestamp,
}

/// The namespace, its services and its referee.
pub(crate) struct Arena {
    cluster: Cluster,
    client: Client,
    namespace: String,
    statuses: Arc<Value>,
    tasks: JoinSet<Result<()>>,
}

impl Arena {
    /// Opens it; every service but the analysis is at work.
    pub(crate) async fn open(kind: ClusterKind) -> Result<Self> {
        let cluster = Cluster::start(kind).await?;
        let (client, namespace) = (cluster.client()?, cluster.namespace().await?);
        let statuses = Arc::new(read_yaml(&folder().join("statuses.yaml"))?);
        let mut arena = Self { cluster, client, namespace, statuses, tasks: JoinSet::new() };
        arena.tasks.spawn(referee(arena.api(Kind::WorkflowExecution)));
        arena.serve(Kind::SignalProcessing, "signalProcessed", Duration::ZERO)?;
        arena.serve(Kind::WorkflowExecution, "executionCompleted", AT_WORK)?;
        arena.serve(Kind::EffectivenessAssessment, "assessmentFull", Duration::ZERO)?;
        Ok(arena)
    }

    /// From now on analyses end: each with a workflow of its own, on the target of its signal.
    pub(crate) fn analyse(&mut self) -> Result<()> {
        self.serve(Kind::AIAnalysis, "analysisSelected", Duration::ZERO)
    }

    fn serve(&mut self, kind: Kind, entry: &str, after: Duration) -> Result<()> {
        let status = self.statuses.get(entry).with_context(|| format!("no status {entry}"))?.clone();
        self.tasks.spawn(serve(self.api(kind), status, after));
        Ok(())
    }

    pub(crate) fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind.api_resource())
    }

    pub(crate) async fn list(&self, kind: Kind) -> Result<Vec<DynamicObject>> {
        Ok(self.api(kind).list(&ListParams::default()).await?.items)
    }

    fn app(&self, target: usize) -> String {
        format!("{}-{target}", self.namespace)
    }

    /// Creates a remediation of a signal of its own.
    pub(crate) async fn create(&self, name: &str, target: usize) -> Result<()> {
        let object = remediation(name, &self.app(target), &json!({}))?;
        self.api(Kind::RemediationRequest).create(&PostParams::default(), &object).await?;
        Ok(())
    }

    /// Waits until these remediations are in this phase; the referee may end it.
    pub(crate) async fn until_all(&mut self, phase: &str, names: &[String]) -> Result<()> {
        let api = self.api(Kind::RemediationRequest);
        let all = until(format!("every remediation is {phase}"), async || {
            let found = api.list(&ListParams::default()).await?.items;
            let is_there = |name: &String| {
                found.iter().any(|one| one.name_any() == *name && one.data["status"]["overallPhase"] == phase)
            };
            Ok(names.iter().all(is_there).then_some(()))
        });
        tokio::select! {
            done = all => done,
            failure = self.tasks.join_next() => failed(failure),
        }
    }

    /// Waits until the execution of a remediation is there; the referee may end it.
    pub(crate) async fn until_started(&mut self, remediation: &str) -> Result<()> {
        let (api, name) = (self.api(Kind::WorkflowExecution), format!("we-{remediation}"));
        let started = until(format!("{name} is there"), async || Ok(api.get_opt(&name).await?.map(drop)));
        tokio::select! {
            done = started => done,
            failure = self.tasks.join_next() => failed(failure),
        }
    }

    /// Lets two analyses end at once on a target, and kills the controller as soon as it has taken the target's lock, until
    /// one has left its lock behind and no execution. From then on analyses end.
    pub(crate) async fn killed_holder(&mut self) -> Result<Killed> {
        for nth in 0..KILLS_MAX {
            let mut replica = Replica::start(self).await?;
            let rivals = ["a", "b"].map(|rival| format!("rr-{nth}-{rival}"));
            for rival in &rivals {
                self.create(rival, nth).await?;
            }
            self.until_all("Analyzing", &rivals).await.with_context(|| replica.tail())?;
            let leases: Api<Lease> = Api::namespaced(self.client.clone(), &self.namespace);
            let known = leases.list(&ListParams::default()).await?;
            let from = known.metadata.resource_version.unwrap_or_default();
            let mut changes = leases.watch(&kube::api::WatchParams::default(), &from).await?.boxed();
            for rival in &rivals {
                self.finish_analysis(rival).await?;
            }
            let taken = async {
                loop {
                    let change = changes.try_next().await?.context("the watch of leases ended")?;
                    if let kube::core::WatchEvent::Added(lease) = change
                        && lease.name_any().starts_with(LOCK)
                    {
                        return anyhow::Ok(lease.name_any());
                    }
                }
            };
            let name = tokio::time::timeout(PATIENCE, taken).await.with_context(|| replica.tail())??;
            replica.process.kill()?;
            if let Some(killed) = self.left_behind(&leases, &name, &rivals).await? {
                self.analyse()?;
                return Ok(killed);
            }
            // It was faster. These end first, so that nothing of them is in the way.
            let heir = Replica::start(self).await?;
            self.until_all("Completed", &rivals).await.with_context(|| heir.tail())?;
        }
        bail!("{KILLS_MAX} holders were killed, and none under its lock")
    }

    async fn finish_analysis(&self, remediation: &str) -> Result<()> {
        let api = self.api(Kind::AIAnalysis);
        let analysis = api.get(&format!("ai-{remediation}")).await?;
        let status = self.statuses.get("analysisSelected").context("no status analysisSelected")?;
        let patch = Patch::Merge(json!({"status": told(status, &analysis)?}));
        api.patch_status(&analysis.name_any(), &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// What a killed holder has left behind, if it is its lock and no execution.
    async fn left_behind(&self, leases: &Api<Lease>, name: &str, rivals: &[String; 2]) -> Result<Option<Killed>> {
        let Some(lease) = leases.get_opt(name).await? else { return Ok(None) };
        let spec = lease.spec.unwrap_or_default();
        ensure!(spec.lease_duration_seconds == Some(30), "a lock says how long it holds: {spec:?}");
        let mut uids = BTreeMap::new();
        for rival in rivals {
            uids.insert(self.api(Kind::RemediationRequest).get(rival).await?.uid().unwrap_or_default(), rival.clone());
        }
        let holder = spec.holder_identity.and_then(|uid| uids.remove(&uid)).context("the lock names its holder")?;
        let other = uids.into_values().next().context("there are two")?;
        if self.api(Kind::WorkflowExecution).get_opt(&format!("we-{holder}")).await?.is_some() {
            return Ok(None);
        }
        let renewed = spec.renew_time.context("a lock says when it was renewed")?.0;
        let renewed = Timestamp::from_microsecond(renewed.as_microsecond())?;
        Ok(Some(Killed { holder, other, renewed }))
    }

    /// Fails where the referee or a service has ended.
    pub(crate) fn close(mut self) -> Result<()> {
        match self.tasks.try_join_next() {
            None => Ok(()),
            ended => failed(ended),
        }
    }
}

/// Nobody but who has failed ends.
fn failed(ended: Option<std::result::Result<Result<()>, tokio::task::JoinError>>) -> Result<()> {
    ended.context("nobody is at work")??.context("a watch")?;
    bail!("a watch has ended")
}

/// Watches executions: of one target at most one may be unfinished.
async fn referee(api: Api<DynamicObject>) -> Result<()> {
    let mut at_work: BTreeMap<String, String> = BTreeMap::new();
    let mut changes = watcher(api, watcher::Config::default()).default_backoff().boxed();
    while let Some(change) = changes.next().await {
        let execution = match change {
            Ok(watcher::Event::Apply(execution) | watcher::Event::InitApply(execution)) => execution,
            // All of them are told anew.
            Ok(watcher::Event::Init) => {
                at_work.clear();
                continue;
            }
            Ok(watcher::Event::InitDone | watcher::Event::Delete(_)) | Err(_) => continue,
        };
        let name = execution.name_any();
        let target = execution.data["spec"]["targetResource"].as_str().unwrap_or_default().to_owned();
        let has_ended = matches!(execution.data["status"]["phase"].as_str(), Some("Completed" | "Failed"));
        match at_work.get(&target) {
            Some(other) if *other != name => {
                ensure!(has_ended, "{name} began on {target} while {other} was at work");
            }
            Some(_) if has_ended => drop(at_work.remove(&target)),
            None if !has_ended => drop(at_work.insert(target, name)),
            Some(_) | None => {}
        }
    }
    Ok(())
}

/// Plays a service: every object of its kind gets this status some time after it is seen first.
async fn serve(api: Api<DynamicObject>, status: Value, after: Duration) -> Result<()> {
    let changes = watcher(api.clone(), watcher::Config::default()).default_backoff().applied_objects();
    let open = changes.filter_map(|change| {
        let is_open = |object: &DynamicObject| object.data["status"]["phase"].as_str().is_none_or(str::is_empty);
        futures::future::ready(change.ok().filter(is_open))
    });
    let answered = open.map(anyhow::Ok).try_for_each_concurrent(None, |object| {
        let (api, status) = (api.clone(), status.clone());
        async move {
            tokio::time::sleep(after).await;
            let patch = Patch::Merge(json!({"status": told(&status, &object)?}));
            match api.patch_status(&object.name_any(), &PatchParams::default(), &patch).await {
                Err(kube::Error::Api(status)) if status.code == 404 => anyhow::Ok(()),
                patched => Ok(patched.map(drop)?),
            }
        }
    });
    answered.await
}

/// What a service says of this object: an analysis names the target of its signal, and a workflow of its own, so that none
/// was done on the target a moment ago.
fn told(status: &Value, object: &DynamicObject) -> Result<Value> {
    let app = object.data.pointer("/spec/analysisRequest/signalContext/targetResource/name");
    let app = app.and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut status = Names::new([("app", app)]).fill(status)?;
    if let Some(workflow) = status.pointer_mut("/rcaResult/selectedWorkflow/workflowId") {
        *workflow = json!(format!("wf-{}", object.name_any()));
    }
    Ok(status)
}

/// Looks until something is there.
async fn until<T>(what: impl Display, mut look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let looking = async {
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.with_context(|| format!("{what}: not within {PATIENCE:?}"))?
}
