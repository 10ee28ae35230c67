//! Kinds that may be read, then not, then again.

use std::collections::HashMap;

use kube_runtime::watcher::Event;
use serde_json::json;

use super::*;
use crate::cache::Cache;
use crate::discovery::Discovery;
use crate::fake::{Answers, not_found};

const KIND: Kind = Kind::AIAnalysis;

fn path(name: &str) -> String {
    format!("/apis/kubernaut.ai/v1alpha1/namespaces/ns/aianalyses/{name}")
}

/// The answer names the object, as that of an API server does.
fn refuse(answers: &Answers, name: &str) {
    let message = format!("aianalyses.kubernaut.ai \"{name}\" is forbidden");
    let status = json!({"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden", "message": message});
    answers.set(&path(name), 403, status);
}

/// A cluster whose watch has told that there are no analyses.
fn cluster(answers: &Answers) -> Cluster {
    cluster_showing(answers, None)
}

fn cluster_showing(answers: &Answers, shown: Option<&Value>) -> Cluster {
    let cache = Arc::new(Cache::default());
    cache.apply(&Event::Init);
    if let Some(shown) = shown {
        cache.apply(&Event::InitApply(serde_json::from_value(shown.clone()).unwrap()));
    }
    cache.apply(&Event::InitDone);
    let client = answers.client();
    let discovery = Arc::new(Discovery::new(client.clone()));
    Cluster::new(client, HashMap::from([(KIND, cache)]), Arc::default(), discovery)
}

fn anybodys(_: &Value) -> bool {
    true
}

fn reads(cluster: &Cluster) -> Reads<'_> {
    Reads { cluster, namespace: "ns", is_live: false }
}

#[tokio::test]
async fn what_a_cache_lacks_does_not_say_that_a_kind_may_be_read() {
    let answers = Answers::default();
    let (cluster, names) = (cluster(&answers), ["ai-one", "ai-two"]);
    for name in names {
        refuse(&answers, name);
    }
    assert_eq!(reads(&cluster).sure(KIND, "ai-one", anybodys).await.unwrap(), None);
    assert_eq!(cluster.discovery().missing("ns").len(), 1);
    let changes = cluster.discovery().changes();
    for name in names {
        assert_eq!(reads(&cluster).known(KIND, name).await.unwrap(), None);
        assert_eq!(reads(&cluster).sure(KIND, name, anybodys).await.unwrap(), None);
    }
    assert!(!changes.has_changed().unwrap(), "nobody is woken for what is known");
}

#[tokio::test]
async fn a_right_that_is_granted_again_is_noticed_by_the_next_read() {
    let answers = Answers::default();
    let cluster = cluster(&answers);
    refuse(&answers, "ai-one");
    reads(&cluster).sure(KIND, "ai-one", anybodys).await.unwrap();
    let mut changes = cluster.discovery().changes();
    answers.set(&path("ai-one"), 404, not_found());
    assert_eq!(reads(&cluster).known(KIND, "ai-one").await.unwrap(), None);
    assert_eq!(cluster.discovery().missing("ns"), []);
    assert!(changes.has_changed().unwrap(), "whoever needs it is woken");
    changes.mark_unchanged();
    reads(&cluster).known(KIND, "ai-one").await.unwrap();
    assert!(!changes.has_changed().unwrap());
}

#[tokio::test]
async fn anothers_object_of_the_same_name_is_not_taken_for_the_absence_of_ours() {
    let analysis = |uid: &str, version: &str| {
        let metadata = json!({"name": "ai-one", "namespace": "ns", "uid": uid, "resourceVersion": version});
        json!({"apiVersion": "kubernaut.ai/v1alpha1", "kind": "AIAnalysis", "metadata": metadata})
    };
    let answers = Answers::default();
    answers.set(&path("ai-one"), 200, analysis("ours", "7"));
    let cluster = cluster_showing(&answers, Some(&analysis("leftover", "3")));
    let is_ours = |found: &Value| found["metadata"]["uid"] == "ours";
    let found = reads(&cluster).sure(KIND, "ai-one", is_ours).await.unwrap();
    assert_eq!(found.unwrap()["metadata"]["uid"], "ours");
    let known = reads(&cluster).known(KIND, "ai-one").await.unwrap();
    assert_eq!(known.unwrap()["metadata"]["uid"], "ours", "what was seen is not forgotten for the leftover");
}
