//! The roles in `deploy/` give the controller, and the observer, what they need and no more, on the real API server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use trimtab_api::{Kind, PolicyKind};
use trimtab_tests::cluster::{Cluster, ClusterKind, leaves_out_real, read_kubeconfig};
use trimtab_tests::process::Run;
use trimtab_tests::scenario::remediation;
use trimtab_tests::services::Services;

/// The controller's own namespace.
const HOME: &str = "kubernaut-system";

/// Each watches every namespace: two of them at once would work on one remediation.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Longest that a remediation may take here.
const PATIENCE: Duration = Duration::from_mins(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_controller_needs_no_more_than_its_roles() -> Result<()> {
    if leaves_out_real("the controller's roles") {
        return Ok(());
    }
    let _turn = ONE_AT_A_TIME.lock().await;
    let cluster = Cluster::start(ClusterKind::Real).await?;
    grant(&cluster.client()?, "rbac.yaml").await?;
    // Every namespace is watched here, which the roles' head says takes this.
    let everywhere = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "trimtab-remediations"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "trimtab-remediations"},
        "subjects": [{"kind": "ServiceAccount", "name": "trimtab", "namespace": HOME}],
    });
    apply(&cluster.client()?, &everywhere).await?;
    let folder = tempfile::tempdir()?;
    let run = Run::start(&kubeconfig_as(&cluster, "trimtab", folder.path())?, &[])?;
    run.process.address(1).await?;
    let phase = one_life(&cluster, "rights").await.with_context(|| run.process.tail())?;
    ensure!(phase == "Completed", "it ended {phase}\n{}", run.process.tail());
    policies_are_told_of(&cluster).await.with_context(|| run.process.tail())?;
    nothing_is_forbidden(&run)
}

/// A policy and a set for nobody: held, told of, let go.
async fn policies_are_told_of(cluster: &Cluster) -> Result<()> {
    let policy = json!({"apiVersion": "trimtab.dev/v1alpha1", "kind": "Policy",
        "metadata": {"name": "held", "namespace": HOME}, "spec": {"source": {"builtin": {}}}});
    let set = policy_set("told", &json!(["nobody"]));
    for document in [&policy, &set] {
        apply(&cluster.client()?, document).await?;
    }
    let objects = |kind: PolicyKind| -> Result<Api<DynamicObject>> {
        Ok(Api::namespaced_with(cluster.client()?, HOME, &kind.api_resource()))
    };
    let (policies, sets) = (objects(PolicyKind::Policy)?, objects(PolicyKind::PolicySet)?);
    let answers = |object: &DynamicObject| {
        let conditions = object.data["status"]["conditions"].as_array().into_iter().flatten();
        conditions.filter(|one| one["type"] == "Active" && one["status"] == "True").count() == 1
    };
    until("the policy is held", async || {
        let (policy, set) = (policies.get("held").await?, sets.get("told").await?);
        Ok(answers(&set) && answers(&policy) && !policy.finalizers().is_empty())
    })
    .await?;
    sets.delete("told", &DeleteParams::default()).await?;
    policies.delete("held", &DeleteParams::default()).await?;
    until("the policy is let go", async || Ok(policies.get_opt("held").await?.is_none())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_team_writes_policy_sets_for_its_own_namespaces_and_for_no_others() -> Result<()> {
    if leaves_out_real("who may write policy sets") {
        return Ok(());
    }
    let _turn = ONE_AT_A_TIME.lock().await;
    let cluster = Cluster::start(ClusterKind::Real).await?;
    grant(&cluster.client()?, "policy-admission.yaml").await?;
    let (own, other) = (cluster.namespace().await?, cluster.namespace().await?);
    let_a_team_select(&cluster.client()?, &own).await?;
    let folder = tempfile::tempdir()?;
    let config = read_kubeconfig(&kubeconfig_as(&cluster, "team", folder.path())?).await?;
    let resource = PolicyKind::PolicySet.api_resource();
    let team: Api<DynamicObject> = Api::namespaced_with(Client::try_from(config)?, HOME, &resource);
    let full: Api<DynamicObject> = Api::namespaced_with(cluster.client()?, HOME, &resource);
    let create = async |namespaces: Value| -> Result<(), String> {
        let object = serde_json::from_value(policy_set("team", &namespaces)).map_err(|error| error.to_string())?;
        team.create(&PostParams::default(), &object).await.map(drop).map_err(|error| error.to_string())
    };
    let refused = async |namespaces: Value, words: &str| -> Result<bool> {
        match create(namespaces).await {
            Ok(()) => {
                // By whom nothing is refused: the rules may have been taken up meanwhile.
                full.delete("team", &DeleteParams::default()).await?;
                Ok(false)
            }
            Err(line) => Ok(line.contains(words)),
        }
    };
    // The API server takes up rules and rights a moment after they are written.
    until("another's namespace is refused", async || {
        refused(json!([own, other]), &format!("in each of the namespaces {own}, {other}")).await
    })
    .await?;
    until("its own namespace is let in", async || Ok(create(json!([own])).await.is_ok())).await?;
    ensure!(refused(json!([]), "is for every namespace").await?, "a set for every namespace was let in");
    // What is there cannot be bent to another namespace, nor can what is another's be taken over or away.
    let widen = Patch::Merge(json!({"spec": {"selector": {"namespaces": [own, other]}}}));
    ensure!(team.patch("team", &PatchParams::default(), &widen).await.is_err(), "it was bent to another namespace");
    let theirs = serde_json::from_value(policy_set("theirs", &json!([other])))?;
    full.create(&PostParams::default(), &theirs).await?;
    let take = Patch::Merge(json!({"spec": {"selector": {"namespaces": [own]}}}));
    ensure!(team.patch("theirs", &PatchParams::default(), &take).await.is_err(), "another's set was taken over");
    ensure!(team.delete("theirs", &DeleteParams::default()).await.is_err(), "another's set was deleted");
    let many: Vec<String> = (0..9).map(|number| format!("{own}-{number}")).collect();
    team.delete("team", &DeleteParams::default()).await?;
    ensure!(refused(json!(many), "more than 8 namespaces").await?, "nine namespaces were let in");
    full.delete("theirs", &DeleteParams::default()).await?;
    Ok(())
}

/// Grants a team what the head of `policy-admission.yaml` says, for one namespace.
async fn let_a_team_select(client: &Client, namespace: &str) -> Result<()> {
    let group = "rbac.authorization.k8s.io";
    for (name, verbs, place) in [
        ("policysets", json!(["get", "list", "create", "update", "patch", "delete"]), HOME),
        ("select-policysets", json!(["select"]), namespace),
    ] {
        let rules = json!([{"apiGroups": ["trimtab.dev"], "resources": ["policysets"], "verbs": verbs}]);
        let role = json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": name},
            "rules": rules});
        let binding = json!({"apiVersion": format!("{group}/v1"), "kind": "RoleBinding",
            "metadata": {"name": format!("team-{name}"), "namespace": place},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": "team", "namespace": HOME}]});
        apply(client, &role).await?;
        apply(client, &binding).await?;
    }
    Ok(())
}

/// A set of the built-in policies for these namespaces, all where there are none.
fn policy_set(name: &str, namespaces: &Value) -> Value {
    json!({"apiVersion": "trimtab.dev/v1alpha1", "kind": "PolicySet", "metadata": {"name": name, "namespace": HOME},
        "spec": {"selector": {"namespaces": namespaces}, "slots": {"timeouts": {"policy": "held"}}}})
}

/// Waits until something holds.
async fn until(what: &str, holds: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let wait = async {
        while !holds().await? {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, wait).await.with_context(|| format!("{what} within {PATIENCE:?}"))?
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_observer_reads_and_may_write_nothing() -> Result<()> {
    if leaves_out_real("the observer's role") {
        return Ok(());
    }
    let rules = documents("rbac-observe.yaml")?
        .into_iter()
        .flat_map(|document| document["rules"].as_array().cloned().unwrap_or_default());
    for rule in rules {
        let verbs = rule["verbs"].as_array().context("a rule has verbs")?;
        ensure!(
            verbs.iter().all(|verb| ["get", "list", "watch"].contains(&verb.as_str().unwrap_or_default())),
            "{rule}"
        );
    }
    let _turn = ONE_AT_A_TIME.lock().await;
    let cluster = Cluster::start(ClusterKind::Real).await?;
    grant(&cluster.client()?, "rbac-observe.yaml").await?;
    let folder = tempfile::tempdir()?;
    let kubeconfig = kubeconfig_as(&cluster, "trimtab-observe", folder.path())?;
    let observer = Run::start(&kubeconfig, &["--observe".to_owned()])?;
    observer.process.address(1).await?;
    // The other orchestrator is this very program, under another name than the observer's.
    let acting = Run::start(cluster.kubeconfig(), &[])?;
    acting.process.address(1).await?;
    let phase = one_life(&cluster, "watched").await.with_context(|| acting.process.tail())?;
    ensure!(phase == "Completed", "it ended {phase}\n{}", acting.process.tail());
    nothing_is_forbidden(&observer)
}

/// Takes one remediation through all phases; the last of them.
async fn one_life(cluster: &Cluster, name: &str) -> Result<String> {
    let namespace = cluster.namespace().await?;
    let mut services = Services::start(cluster, &namespace, name)?;
    let api: Api<DynamicObject> =
        Api::namespaced_with(cluster.client()?, &namespace, &Kind::RemediationRequest.api_resource());
    api.create(&PostParams::default(), &remediation(name, name, &json!({}))?).await?;
    let ends = async {
        loop {
            let phase = api.get(name).await?.data["status"]["overallPhase"].as_str().unwrap_or_default().to_owned();
            if ["Completed", "Failed", "TimedOut"].contains(&phase.as_str()) {
                return anyhow::Ok(phase);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let phase = tokio::select! {
        phase = tokio::time::timeout(PATIENCE, ends) => phase.context("it does not end")??,
        error = services.failure() => return Err(error),
    };
    let events: Api<k8s_openapi::api::events::v1::Event> = Api::namespaced(cluster.client()?, &namespace);
    ensure!(!events.list(&ListParams::default()).await?.items.is_empty(), "no event was published");
    Ok(phase)
}

fn nothing_is_forbidden(run: &Run) -> Result<()> {
    let refused = |line: &Value| line.to_string().to_lowercase().contains("forbidden");
    ensure!(run.process.count_log(refused) == 0, "{}", run.process.tail_of("forbidden"));
    Ok(())
}

/// The documents of a file in `deploy/`.
fn documents(file: &str) -> Result<Vec<Value>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(file);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    text.split("\n---\n").map(|one| serde_saphyr::from_str(one).with_context(|| one.to_owned())).collect()
}

/// Applies a file of `deploy/`, in the namespace that it names.
async fn grant(client: &Client, file: &str) -> Result<()> {
    let home = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}});
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.patch(HOME, &PatchParams::apply("rights"), &Patch::Apply(&home)).await?;
    for document in documents(file)? {
        apply(client, &document).await?;
    }
    Ok(())
}

async fn apply(client: &Client, document: &Value) -> Result<()> {
    let object: DynamicObject = serde_json::from_value(document.clone())?;
    let kind: &TypeMeta = object.types.as_ref().context("a document has a kind")?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(kind)?);
    let api: Api<DynamicObject> = match object.namespace() {
        Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    api.patch(&object.name_any(), &PatchParams::apply("rights"), &Patch::Apply(&object)).await?;
    Ok(())
}

/// The cluster's kubeconfig, acting as a service account.
fn kubeconfig_as(cluster: &Cluster, account: &str, folder: &Path) -> Result<PathBuf> {
    let mut config: Value = serde_saphyr::from_str(&std::fs::read_to_string(cluster.kubeconfig())?)?;
    let users = config["users"].as_array_mut().context("a kubeconfig has users")?;
    for user in users {
        user["user"]["as"] = json!(format!("system:serviceaccount:{HOME}:{account}"));
    }
    let file = folder.join("kubeconfig");
    std::fs::write(&file, config.to_string())?;
    Ok(file)
}
