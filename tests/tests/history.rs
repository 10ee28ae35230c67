//! The history that `DataStorage` tells decides whether a target is remediated once more, and it is asked for that target
//! alone.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, PostParams};
use serde_json::{Value, json};
use trimtab_api::Kind;
use trimtab_fake_datastorage::{Conditions, FakeDataStorage, FakeSettings};
use trimtab_tests::cluster::{Cluster, ClusterKind};
use trimtab_tests::process::{PATIENCE, Run};
use trimtab_tests::scenario::remediation;
use trimtab_tests::services::Services;

/// Where history is asked for.
const PATH: &str = "GET /api/v1/remediation-history/context";

/// The object to be healed, one in each of two namespaces.
const APP: &str = "app";

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A remediation that ended so long ago and changed nothing in the end.
fn in_vain(nth: i64) -> Value {
    let ended = Timestamp::now() - SignedDuration::from_mins(10 * (nth + 1));
    json!({
        "remediationUID": format!("uid-{nth}"), "completedAt": ended.to_string(), "actionType": "RestartDeployment",
        "signalResolved": true, "hashMatch": "preRemediation",
    })
}

/// Creates the target in a namespace, and a remediation of it.
async fn create(cluster: &Cluster, home: &str, namespace: &str, name: &str) -> Result<()> {
    let labels = json!({"kubernaut.ai/managed": "true"});
    let target = json!({"metadata": {"name": APP, "labels": labels}, "data": {"limit": "256Mi"}});
    let targets: Api<ConfigMap> = Api::namespaced(cluster.client()?, namespace);
    targets.create(&PostParams::default(), &serde_json::from_value(target)?).await?;
    let spec = json!({"targetResource": {"apiVersion": "v1", "kind": "ConfigMap", "namespace": namespace}});
    api(cluster, home)?.create(&PostParams::default(), &remediation(name, APP, &spec)?).await?;
    Ok(())
}

fn api(cluster: &Cluster, home: &str) -> Result<Api<DynamicObject>> {
    Ok(Api::namespaced_with(cluster.client()?, home, &Kind::RemediationRequest.api_resource()))
}

/// Waits until a remediation is in this phase.
async fn until(api: &Api<DynamicObject>, name: &str, phase: &str) -> Result<DynamicObject> {
    let looking = async {
        loop {
            let found = api.get(name).await?;
            if found.data["status"]["overallPhase"] == phase {
                return Ok(found);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.with_context(|| format!("{name} is not {phase}"))?
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ineffective_chain_blocks_its_own_target_and_no_namesake_in_another_namespace() -> Result<()> {
    let cluster = Cluster::start(ClusterKind::Embedded).await?;
    let (home, here, there) = (cluster.namespace().await?, cluster.namespace().await?, cluster.namespace().await?);
    let history = [(format!("{here}/ConfigMap/{APP}"), (0..3).rev().map(in_vain).collect())];
    let conditions = Conditions { history: history.into(), ..Conditions::default() };
    let datastorage = FakeDataStorage::start(FakeSettings { conditions, ..FakeSettings::default() }).await?;
    let _services = Services::start(&cluster, &home, APP)?;
    let run = Run::start(cluster.kubeconfig(), &["--datastorage-url".to_owned(), datastorage.url()])?;
    create(&cluster, &home, &here, "rr-here").await?;
    create(&cluster, &home, &there, "rr-there").await?;
    let api = api(&cluster, &home)?;
    let blocked = until(&api, "rr-here", "Blocked").await.with_context(|| run.process.tail())?;
    ensure!(blocked.data["status"]["routingStatus"]["blockReason"] == "IneffectiveChain", "{:#}", blocked.data);
    let completed = until(&api, "rr-there", "Completed").await.with_context(|| run.process.tail())?;
    ensure!(completed.name_any() == "rr-there", "another one");
    let requests = datastorage.requests();
    let asked: Vec<_> = requests.iter().filter(|request| request.line == PATH).map(|one| one.query.as_str()).collect();
    let of = |query: &str, name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next().unwrap_or_default()
    };
    ensure!(asked.iter().all(|query| of(query, "clusterId").is_empty()), "they name no cluster: {asked:?}");
    for namespace in [&here, &there] {
        ensure!(asked.iter().any(|query| of(query, "targetNamespace") == **namespace), "{namespace}: {asked:?}");
    }
    let mut hashes: Vec<_> = asked.iter().map(|query| of(query, "currentSpecHash")).collect();
    hashes.dedup();
    ensure!(hashes.len() == 1 && hashes[0].starts_with("sha256"), "the two are in one state: {hashes:?}");
    Ok(())
}
