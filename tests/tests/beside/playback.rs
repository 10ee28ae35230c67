//! Recordings of Kubernaut's orchestrator, played as the writes of another manager.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject};
use kube::api::{Api, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use trimtab_api::Kind;
use trimtab_core::time::{Span, Timestamp};
use trimtab_tests::cluster::{Cluster, ClusterKind};
use trimtab_tests::process::{PATIENCE, Trimtab};
use trimtab_tests::scenario::model::read_yaml;

/// The other manager, as `managedFields` name it.
pub(crate) const MANAGER: &str = "remediationorchestrator";

/// Between two writes, about as long as in the recordings.
const PACE: Duration = Duration::from_millis(300);

/// Namespace of the targets in the recordings.
const TARGETS: &str = "demo";

/// Namespace of the remediations in the recordings.
const HOME: &str = "kubernaut-system";

/// Somebody whose rights end at one namespace.
const READER: &str = "trimtab-of-one-namespace";

/// A recording.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Recording {
    pub(crate) name: String,
    /// When the remediation was created: every time in the recording is moved by as much as this one.
    recorded_at: String,
    spec: Value,
    /// Objects that are there before, with their status.
    #[serde(default)]
    given: Vec<Value>,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Step {
    /// The other writes the remediation's status.
    Status(Value),
    /// The other creates an object.
    Create(Value),
    /// Another service reports.
    Report(Value),
    /// A person edits the remediation's status.
    Person(Value),
    /// Seconds pass.
    Pass(u64),
}

impl Recording {
    pub(crate) fn read(name: &str) -> Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("beside/{name}.yaml"));
        let read = serde_json::from_value(read_yaml(&path)?);
        read.with_context(|| path.display().to_string())
    }

    /// The remediation, on a stage.
    pub(crate) fn remediation(&self, stage: &Stage) -> Result<DynamicObject> {
        object(&json!({
            "kind": "RemediationRequest", "metadata": {"name": self.name},
            "spec": stage.moved(&self.spec, self.moved_by()?, is_managed(&self.name)),
        }))
    }

    /// How far its times have to be moved, in milliseconds.
    fn moved_by(&self) -> Result<u64> {
        let recorded = Timestamp::parse(&self.recorded_at).context("recordedAt is no time")?;
        let by = i128::from(now().as_millis()) - i128::from(recorded.as_millis());
        // Whole seconds: times in a status have no others.
        let seconds = by.div_euclid(1000);
        u64::try_from(seconds * 1000).context("the recording lies in the future; move its times into the past")
    }
}

/// Whether the target of a recording is under management.
fn is_managed(name: &str) -> bool {
    !name.contains("unmanaged")
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or_default())
}

fn object(value: &Value) -> Result<DynamicObject> {
    let mut value = value.clone();
    value["apiVersion"] = json!("kubernaut.ai/v1alpha1");
    Ok(serde_json::from_value(value)?)
}

fn kind_of(value: &Value) -> Result<Kind> {
    let kind = value["kind"].as_str().unwrap_or_default();
    Kind::from_kind(kind).with_context(|| format!("no kind is called {kind:?}"))
}

/// A cluster with a namespace for remediations, and one for targets of either sort.
pub(crate) struct Stage {
    cluster: Option<Cluster>,
    kubeconfig: PathBuf,
    client: Client,
    namespace: String,
    managed: String,
    unmanaged: String,
}

impl Stage {
    /// Sets it on a cluster of its own, as far as there can be one.
    pub(crate) async fn set(kind: ClusterKind) -> Result<Self> {
        let cluster = Cluster::start(kind).await?;
        let stage = Self::within(&cluster).await?;
        Ok(Self { cluster: Some(cluster), ..stage })
    }

    /// Sets it in namespaces of its own.
    pub(crate) async fn within(cluster: &Cluster) -> Result<Self> {
        let client = cluster.client()?;
        let (namespace, managed, unmanaged) =
            (cluster.namespace().await?, cluster.namespace().await?, cluster.namespace().await?);
        let label = json!({"metadata": {"labels": {"kubernaut.ai/managed": "true"}}});
        let namespaces: Api<Namespace> = Api::all(client.clone());
        namespaces.patch(&managed, &PatchParams::default(), &Patch::Merge(label)).await?;
        let kubeconfig = cluster.kubeconfig().to_owned();
        Ok(Self { cluster: None, kubeconfig, client, namespace, managed, unmanaged })
    }

    pub(crate) fn kubeconfig(&self) -> &Path {
        self.cluster.as_ref().map_or(&self.kubeconfig, Cluster::kubeconfig)
    }

    /// Starts the program for the namespace of this stage.
    pub(crate) fn run(&self, data: &Path, more: &[&str]) -> Result<Trimtab> {
        start(self.kubeconfig(), data, &[&["--namespace", self.name()], more].concat())
    }

    pub(crate) fn name(&self) -> &str {
        &self.namespace
    }

    /// Whether a log line is about a remediation of this stage.
    pub(crate) fn has(&self, line: &Value) -> bool {
        line["namespace"] == self.namespace.as_str()
    }

    pub(crate) fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind.api_resource())
    }

    pub(crate) async fn remediation(&self, name: &str) -> Result<DynamicObject> {
        Ok(self.api(Kind::RemediationRequest).get(name).await?)
    }

    pub(crate) async fn is_new(&self, name: &str) -> Result<bool> {
        Ok(self.remediation(name).await?.data["status"]["overallPhase"].as_str().unwrap_or_default().is_empty())
    }

    pub(crate) async fn count(&self, kind: Kind) -> Result<usize> {
        Ok(self.api(kind).list(&ListParams::default()).await?.items.len())
    }

    /// Creates the remediation of a recording, and takes it into its first phase as the other would.
    pub(crate) async fn begin(&self, recording: &Recording) -> Result<()> {
        let api = self.api(Kind::RemediationRequest);
        api.create(&post("gateway"), &recording.remediation(self)?).await?;
        let first = recording.steps.iter().find_map(|step| match step {
            Step::Status(status) => Some(status),
            _ => None,
        });
        let status = self.moved(first.context("no status is written")?, recording.moved_by()?, true);
        self.write(Kind::RemediationRequest, &recording.name, &status, MANAGER).await
    }

    /// Plays a recording; the result is how many steps the other has taken.
    pub(crate) async fn play(&self, recording: &Recording) -> Result<usize> {
        let (by, is_managed) = (recording.moved_by()?, is_managed(&recording.name));
        for given in &recording.given {
            let given = self.moved(given, by, is_managed);
            self.create(&given, None, "driver").await?;
            let name = given["metadata"]["name"].as_str().unwrap_or_default();
            self.write(kind_of(&given)?, name, &given["status"], "driver").await?;
        }
        let api = self.api(Kind::RemediationRequest);
        let created = api.create(&post("gateway"), &recording.remediation(self)?).await?;
        let (mut phase, mut steps) = (String::new(), 0);
        for step in &recording.steps {
            tokio::time::sleep(PACE).await;
            match step {
                Step::Status(status) => {
                    let status = self.moved(status, by, is_managed);
                    let next = status["overallPhase"].as_str().unwrap_or_default().to_owned();
                    steps += usize::from(next != phase);
                    phase = next;
                    self.write(Kind::RemediationRequest, &recording.name, &status, MANAGER).await?;
                }
                Step::Create(made) => self.create(&self.moved(made, by, is_managed), Some(&created), MANAGER).await?,
                Step::Report(report) => {
                    let report = self.moved(report, by, is_managed);
                    let name = report["name"].as_str().unwrap_or_default();
                    self.write(kind_of(&report)?, name, &report["status"], "driver").await?;
                }
                Step::Person(status) => {
                    let parameters = PatchParams { field_manager: Some("person".to_owned()), ..PatchParams::default() };
                    let patch = Patch::Merge(json!({"status": status}));
                    api.patch_status(&recording.name, &parameters, &patch).await?;
                }
                Step::Pass(seconds) => tokio::time::sleep(Duration::from_secs(*seconds)).await,
            }
        }
        Ok(steps)
    }

    async fn create(&self, value: &Value, owner: Option<&DynamicObject>, manager: &str) -> Result<()> {
        let mut made = value.clone();
        if let Some(members) = made.as_object_mut() {
            members.remove("status");
        }
        if let Some(owner) = owner {
            made["metadata"]["ownerReferences"] = json!([{
                "apiVersion": "kubernaut.ai/v1alpha1", "kind": "RemediationRequest", "name": owner.name_any(),
                "uid": owner.uid(), "controller": true, "blockOwnerDeletion": true,
            }]);
        }
        let name = value["metadata"]["name"].to_string();
        let made = self.api(kind_of(value)?).create(&post(manager), &object(&made)?).await;
        made.map(drop).with_context(|| format!("create {name}"))
    }

    /// Replaces a status as a whole: what it lacks is gone.
    async fn write(&self, kind: Kind, name: &str, status: &Value, manager: &str) -> Result<()> {
        let api = self.api(kind);
        let mut known = api.get(name).await.with_context(|| format!("read {name}"))?;
        known.data["status"] = status.clone();
        let written = api.replace_status(name, &post(manager), &known).await;
        written.map(drop).with_context(|| format!("write the status of {name}: {status}"))
    }

    /// A part of a recording with its times moved, and with the namespaces of this stage.
    fn moved(&self, value: &Value, by: u64, is_managed: bool) -> Value {
        match value {
            Value::String(text) => json!(self.text(text, by, is_managed)),
            Value::Array(items) => items.iter().map(|item| self.moved(item, by, is_managed)).collect(),
            Value::Object(members) => {
                members.iter().map(|(key, value)| (key.clone(), self.moved(value, by, is_managed))).collect()
            }
            other => other.clone(),
        }
    }

    fn text(&self, text: &str, by: u64, is_managed: bool) -> String {
        if let Some(rest) = text.strip_prefix("${now").and_then(|rest| rest.strip_suffix('}')) {
            let seconds = rest.trim_start_matches('+').parse().unwrap_or(0);
            return now().plus(Span::from_secs(seconds)).to_string();
        }
        if let Some(time) = Timestamp::parse(text) {
            return time.plus(Span::from_millis(by)).to_string();
        }
        let targets = if is_managed { &self.managed } else { &self.unmanaged };
        if text == TARGETS {
            return targets.clone();
        }
        text.replace(HOME, &self.namespace).replace(&format!("{TARGETS}/"), &format!("{targets}/"))
    }

    /// Fails where anything was written that no recording has.
    pub(crate) async fn is_untouched(&self) -> Result<()> {
        for kind in [Kind::RemediationRequest, Kind::SignalProcessing, Kind::NotificationRequest] {
            for object in self.api(kind).list(&ListParams::default()).await?.items {
                let is_ours = |entry: &_| {
                    let entry: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry = entry;
                    entry.manager.as_deref().is_some_and(|manager| manager.starts_with("trimtab"))
                };
                ensure!(!object.managed_fields().iter().any(is_ours), "{} was written", object.name_any());
            }
        }
        Ok(())
    }

    /// A kubeconfig of somebody with every right in the namespace of this stage, and none in another.
    pub(crate) async fn kubeconfig_with_rights(&self, folder: &Path) -> Result<PathBuf> {
        let metadata = |name: &str| ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        let every = |groups: &[&str]| PolicyRule {
            api_groups: Some(groups.iter().map(|group| (*group).to_owned()).collect()),
            resources: Some(vec!["*".to_owned()]),
            verbs: vec!["*".to_owned()],
            ..PolicyRule::default()
        };
        let reader = format!("{READER}-{}", self.namespace);
        let rules = Some(vec![every(&["kubernaut.ai", "", "coordination.k8s.io", "events.k8s.io"])]);
        let role = Role { metadata: metadata(&reader), rules: rules.clone() };
        let known: Api<Role> = Api::namespaced(self.client.clone(), &self.namespace);
        known.create(&PostParams::default(), &role).await?;
        let binding = RoleBinding {
            metadata: metadata(&reader),
            role_ref: role_ref("Role", &reader),
            subjects: Some(vec![Subject { kind: "User".to_owned(), name: reader.clone(), ..Subject::default() }]),
        };
        let bindings: Api<RoleBinding> = Api::namespaced(self.client.clone(), &self.namespace);
        bindings.create(&PostParams::default(), &binding).await?;
        self.let_see_targets(&reader).await?;
        let mut config: Value = read_yaml(self.kubeconfig())?;
        for user in config["users"].as_array_mut().into_iter().flatten() {
            user["user"]["as"] = json!(reader);
        }
        let file = folder.join("kubeconfig");
        std::fs::write(&file, config.to_string())?;
        Ok(file)
    }

    /// Lets somebody see targets and their namespaces.
    async fn let_see_targets(&self, reader: &str) -> Result<()> {
        let metadata = ObjectMeta { name: Some(reader.to_owned()), ..ObjectMeta::default() };
        let right = PolicyRule {
            api_groups: Some(vec![String::new(), "apps".to_owned()]),
            resources: Some(vec!["namespaces".to_owned(), "deployments".to_owned()]),
            verbs: ["get", "list", "watch"].map(str::to_owned).to_vec(),
            ..PolicyRule::default()
        };
        let role = ClusterRole { metadata: metadata.clone(), rules: Some(vec![right]), ..ClusterRole::default() };
        let known: Api<ClusterRole> = Api::all(self.client.clone());
        known.create(&PostParams::default(), &role).await?;
        let binding = ClusterRoleBinding {
            metadata,
            role_ref: role_ref("ClusterRole", reader),
            subjects: Some(vec![Subject { kind: "User".to_owned(), name: reader.to_owned(), ..Subject::default() }]),
        };
        let bindings: Api<ClusterRoleBinding> = Api::all(self.client.clone());
        bindings.create(&PostParams::default(), &binding).await?;
        Ok(())
    }

    /// Waits until it is so.
    pub(crate) async fn until(&self, what: &str, mut check: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
        let waiting = async {
            while !check().await? {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(())
        };
        tokio::time::timeout(PATIENCE, waiting).await.with_context(|| format!("{what} did not come"))?
    }
}

fn role_ref(kind: &str, name: &str) -> RoleRef {
    let api_group = Some("rbac.authorization.k8s.io".to_owned());
    RoleRef { api_group, kind: kind.to_owned(), name: name.to_owned() }
}

/// Starts the program with its ledger in a folder.
pub(crate) fn start(kubeconfig: &Path, data: &Path, more: &[&str]) -> Result<Trimtab> {
    let text = |path: &Path| path.to_str().map(str::to_owned).context("a path is not UTF-8");
    let fixed = ["run", "--kubeconfig", &text(kubeconfig)?, "--data", &text(data)?].map(str::to_owned);
    let addresses = ["--metrics-address", "127.0.0.1:0", "--health-address", "127.0.0.1:0"].map(str::to_owned);
    Trimtab::start(fixed.into_iter().chain(addresses).chain(more.iter().map(|one| (*one).to_owned())))
}

fn post(manager: &str) -> PostParams {
    PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() }
}
