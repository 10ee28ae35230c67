//! The roles in `deploy/` give the controller, and the observer, what they need and no more, on the real API server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use trimtab_api::Kind;
use trimtab_tests::cluster::{Cluster, ClusterKind, leaves_out_real};
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
    nothing_is_forbidden(&run)
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
