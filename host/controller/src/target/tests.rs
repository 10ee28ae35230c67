//! Hashes of targets that an API server in memory has, or has not.

use std::sync::Arc;

use serde_json::json;
use trimtab_api::mapping::{self, Objects};
use trimtab_core::time::Timestamp;

use super::*;
use crate::fake::Answers;

const PATH: &str = "/apis/apps/v1/namespaces/prod/deployments/shop";

/// A server of Deployments, Nodes and `ConfigMaps`.
fn server() -> Answers {
    let answers = Answers::default();
    let kind = |plural: &str, kind: &str, scope: &str| json!({"resource": plural, "responseKind": {"kind": kind}, "scope": scope, "verbs": ["get"]});
    let group = |name: &str, resources: Value| {
        let version = json!({"version": "v1", "resources": resources});
        json!({"kind": "APIGroupDiscoveryList", "items": [{"metadata": {"name": name}, "versions": [version]}]})
    };
    answers.set("/api", 200, group("", json!([kind("nodes", "Node", "Cluster")])));
    let mut named = group("apps", json!([kind("deployments", "Deployment", "Namespaced")]));
    let shops = group("shop.example", json!([kind("shops", "Shop", "Namespaced")]));
    named["items"].as_array_mut().unwrap().push(shops["items"][0].clone());
    answers.set("/apis", 200, named);
    answers
}

fn deployment(replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop", "namespace": "prod", "resourceVersion": replicas.to_string()},
        "spec": {
            "replicas": replicas,
            "template": {"spec": {"containers": [{"envFrom": [{"configMapRef": {"name": "settings"}}]}]}},
        },
        "status": {"replicas": 0},
    })
}

fn seen(kind: &str, phase: &str, spec: &Value) -> Observation {
    let mut remediation = json!({
        "metadata": {"name": "rr", "namespace": "ns", "uid": "u", "resourceVersion": "1"},
        "spec": {"targetResource": {"kind": kind, "name": "shop", "namespace": "prod"}},
        "status": {"overallPhase": phase},
    });
    trimtab_core::json::merge_apply(&mut remediation, &json!({"spec": spec}));
    let objects = Objects { remediation: Arc::new(remediation), ..Objects::default() };
    mapping::observe(Timestamp::from_millis(0), true, &objects).unwrap()
}

async fn hashed(answers: &Answers, observation: &Observation) -> TargetHash {
    let client = answers.client();
    hash(&client, &Discovery::new(client.clone()), observation).await
}

fn known(hash: TargetHash) -> String {
    match hash {
        TargetHash::Known(hash) => hash,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_target_is_hashed_with_its_config_maps() {
    let answers = server();
    let observation = seen("Deployment", "Analyzing", &json!({}));
    answers.set(PATH, 200, deployment(1));
    let without = known(hashed(&answers, &observation).await);
    let map = "/api/v1/namespaces/prod/configmaps/settings";
    answers.set(map, 403, json!({"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no"}));
    assert_eq!(known(hashed(&answers, &observation).await), without, "unreadable is as absent");
    answers.set(map, 200, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}, "data": {"a": "1"}, "binaryData": {"b": "AAEC"}}));
    let with = known(hashed(&answers, &observation).await);
    assert_ne!(with, without);
    let parts = BTreeMap::from([(
        "settings".to_owned(),
        config_map_hash("settings", Some(&json!({"data": {"a": "1"}, "binaryData": {"b": "AAEC"}}))),
    )]);
    assert_eq!(with, composite(&fingerprint(&deployment(1)).unwrap(), &parts));
    answers.set(PATH, 200, deployment(2));
    assert_ne!(known(hashed(&answers, &observation).await), with);
}

#[tokio::test]
async fn a_target_that_is_not_there_has_no_hash_and_one_that_may_not_be_read_says_why() {
    let answers = server();
    assert_eq!(hashed(&answers, &seen("Deployment", "Analyzing", &json!({}))).await, TargetHash::Absent);
    assert_eq!(hashed(&answers, &seen("Unicorn", "Analyzing", &json!({}))).await, TargetHash::Absent);
    answers.set(
        PATH,
        403,
        json!({"kind": "Status", "code": 403, "reason": "Forbidden", "message": "deployments is forbidden"}),
    );
    let expected = "failed to fetch target resource Deployment/shop: deployments is forbidden";
    let refused = hashed(&answers, &seen("Deployment", "Analyzing", &json!({}))).await;
    assert_eq!(refused, TargetHash::Degraded(expected.to_owned()));
    answers.set(PATH, 200, json!([1, 2]));
    let odd = hashed(&answers, &seen("Deployment", "Analyzing", &json!({}))).await;
    assert!(matches!(odd, TargetHash::Failed(_)), "{odd:?}");
}

#[tokio::test]
async fn a_target_of_another_cluster_is_not_read() {
    let answers = server();
    answers.set(PATH, 200, deployment(1));
    let remote = hashed(&answers, &seen("Deployment", "Analyzing", &json!({"clusterID": "west"}))).await;
    let expected = "the target is in the cluster west, and remote reading is not supported";
    assert_eq!(remote, TargetHash::Degraded(expected.to_owned()));
}

#[tokio::test]
async fn an_object_of_the_cluster_is_read_without_a_namespace() {
    let answers = server();
    answers.set("/api/v1/nodes/shop", 200, json!({"apiVersion": "v1", "kind": "Node", "metadata": {}, "spec": {}}));
    known(hashed(&answers, &seen("Node", "Analyzing", &json!({}))).await);
}

#[tokio::test]
async fn the_group_is_looked_up_only_where_nothing_else_tells_and_it_is_about_to_matter() {
    let answers = server();
    let discovery = Discovery::new(answers.client());
    let told = json!({"targetResource": {"apiVersion": "shop.example/v1"}});
    for (kind, phase, spec, expected) in [
        ("Shop", "Executing", json!({}), Some("shop.example")),
        ("Shop", "Verifying", json!({}), Some("shop.example")),
        ("Deployment", "Executing", json!({}), Some("apps")),
        ("Unicorn", "Executing", json!({}), None),
        ("Shop", "Analyzing", json!({}), None),
        ("Shop", "Executing", told, None),
    ] {
        let found = group(&discovery, &seen(kind, phase, &spec)).await;
        assert_eq!(found.as_deref(), expected, "{kind} {phase}");
    }
}
