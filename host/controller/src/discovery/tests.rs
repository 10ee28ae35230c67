//! What is served, as an API server in memory tells it.

use serde_json::{Value, json};

use super::*;
use crate::fake::{Answers, not_found};

const PLURALS: [&str; 7] = [
    "signalprocessings",
    "aianalyses",
    "remediationapprovalrequests",
    "workflowexecutions",
    "effectivenessassessments",
    "notificationrequests",
    "remediationworkflows",
];

/// The list of what a version serves.
fn listed(version: &str, plurals: &[&str], verbs: &[&str]) -> Value {
    let resource =
        |plural: &&str| json!({"name": plural, "singularName": "", "namespaced": true, "kind": "X", "verbs": verbs});
    let resources: Vec<_> = plurals.iter().map(resource).collect();
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": format!("kubernaut.ai/{version}"), "resources": resources})
}

fn groups(versions: &[&str]) -> Value {
    let version = |name: &&str| json!({"groupVersion": format!("kubernaut.ai/{name}"), "version": name});
    let versions: Vec<_> = versions.iter().map(version).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [{"name": "kubernaut.ai", "versions": versions}]})
}

const ALL: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];

fn absences(discovery: &Discovery) -> Vec<(String, Absence)> {
    discovery.missing("").into_iter().map(|missing| (missing.kind, missing.absence)).collect()
}

#[tokio::test]
async fn a_kind_that_is_not_served_is_missing_until_it_is_back() {
    let answers = Answers::default();
    answers.set("/apis/kubernaut.ai/v1alpha1", 200, listed("v1alpha1", &PLURALS[1..], ALL));
    answers.set("/apis", 200, groups(&["v1alpha1"]));
    let discovery = Discovery::new(answers.client());
    let mut changes = discovery.changes();
    assert_eq!(absences(&discovery), []);
    discovery.look().await.unwrap();
    assert_eq!(absences(&discovery), [("SignalProcessing".to_owned(), Absence::NotServed)]);
    assert_eq!(discovery.missing("")[0].definition, "signalprocessings.kubernaut.ai");
    assert!(changes.has_changed().unwrap(), "whoever needs it is woken");
    changes.mark_unchanged();
    discovery.look().await.unwrap();
    assert!(!changes.has_changed().unwrap(), "nobody is woken for nothing");
    answers.set("/apis/kubernaut.ai/v1alpha1", 200, listed("v1alpha1", &PLURALS, ALL));
    discovery.look().await.unwrap();
    assert_eq!(absences(&discovery), []);
    assert!(changes.has_changed().unwrap());
}

#[tokio::test]
async fn other_versions_are_named_and_none_at_all_is_told() {
    let answers = Answers::default();
    answers.set("/apis/kubernaut.ai/v1", 200, listed("v1", &PLURALS, ALL));
    answers.set("/apis/kubernaut.ai/v1beta1", 200, listed("v1beta1", &PLURALS[..1], ALL));
    answers.set("/apis/kubernaut.ai/v1alpha1", 404, not_found());
    answers.set("/apis", 200, groups(&["v1", "v1beta1"]));
    let discovery = Discovery::new(answers.client());
    discovery.look().await.unwrap();
    let versions = |all: &[&str]| Absence::OtherVersions(all.iter().map(|version| (*version).to_owned()).collect());
    let found = absences(&discovery);
    assert_eq!(found[0], ("SignalProcessing".to_owned(), versions(&["v1", "v1beta1"])));
    assert_eq!(found[1], ("AIAnalysis".to_owned(), versions(&["v1"])));
    assert_eq!(found.len(), PLURALS.len());
}

#[tokio::test]
async fn a_definition_that_is_being_deleted_counts_as_missing() {
    let answers = Answers::default();
    answers.set("/apis/kubernaut.ai/v1alpha1", 200, listed("v1alpha1", &PLURALS, &["delete", "get", "list", "watch"]));
    answers.set("/apis", 200, groups(&["v1alpha1"]));
    let discovery = Discovery::new(answers.client());
    discovery.look().await.unwrap();
    assert_eq!(absences(&discovery).len(), PLURALS.len());
}

#[tokio::test]
async fn an_api_server_that_does_not_say_leaves_everything_as_it_was() {
    let answers = Answers::default();
    answers.set("/apis/kubernaut.ai/v1alpha1", 500, json!({"code": 500, "message": "no"}));
    let discovery = Discovery::new(answers.client());
    assert!(discovery.look().await.is_err());
    assert_eq!(absences(&discovery), []);
}

#[tokio::test]
async fn what_may_not_be_watched_or_read_is_missing_until_it_may() {
    let discovery = Discovery::new(Answers::default().client());
    let mut changes = discovery.changes();
    let refused = |message: &str| {
        let status = kube::core::Status::failure(message, "Forbidden").with_code(403);
        kube_runtime::watcher::Error::InitialListFailed(kube::Error::Api(status.boxed()))
    };
    discovery.watch_failed(Kind::AIAnalysis, "", &refused("cannot list"));
    assert_eq!(absences(&discovery), [("AIAnalysis".to_owned(), Absence::Forbidden("cannot list".into()))]);
    changes.mark_unchanged();
    discovery.watch_failed(Kind::AIAnalysis, "", &refused("cannot watch"));
    assert!(!changes.has_changed().unwrap(), "the first answer stays");
    discovery.read(Kind::AIAnalysis, "", Some("cannot get".into()));
    discovery.watch_works(Kind::AIAnalysis, "");
    assert_eq!(absences(&discovery), [("AIAnalysis".to_owned(), Absence::Forbidden("cannot get".into()))]);
    discovery.read(Kind::AIAnalysis, "", None);
    assert_eq!(absences(&discovery), []);
}

#[tokio::test(start_paused = true)]
async fn a_broken_watch_makes_it_look_until_every_kind_is_there() {
    let answers = Answers::default();
    answers.set("/apis/kubernaut.ai/v1alpha1", 404, not_found());
    answers.set("/apis", 200, groups(&[]));
    let discovery = Arc::new(Discovery::new(answers.client()));
    let mut changes = discovery.changes();
    let looking = tokio::spawn({
        let discovery = Arc::clone(&discovery);
        async move { discovery.keep_looking().await }
    });
    let gone = kube::Error::Api(kube::core::Status::failure("404 page not found", "").with_code(404).boxed());
    discovery.watch_failed(Kind::AIAnalysis, "", &kube_runtime::watcher::Error::WatchStartFailed(gone));
    changes.changed().await.unwrap();
    assert_eq!(absences(&discovery).len(), PLURALS.len());
    answers.set("/apis/kubernaut.ai/v1alpha1", 200, listed("v1alpha1", &PLURALS, ALL));
    let before = Instant::now();
    changes.changed().await.unwrap();
    assert_eq!(absences(&discovery), []);
    assert!(before.elapsed() <= LOOK_PERIOD);
    looking.abort();
}

#[tokio::test(start_paused = true)]
async fn kinds_are_found_where_most_would_look_and_looked_for_again_after_a_while() {
    let kind = |plural: &str, kind: &str, scope: &str| json!({"resource": plural, "responseKind": {"kind": kind}, "scope": scope, "verbs": ["get"]});
    let group = |name: &str, version: &str, resources: Vec<Value>| json!({"metadata": {"name": name}, "versions": [{"version": version, "resources": resources}]});
    let list = |items: Vec<Value>| json!({"kind": "APIGroupDiscoveryList", "items": items});
    let answers = Answers::default();
    let nodes = || kind("nodes", "Node", "Cluster");
    answers.set("/api", 200, list(vec![group("", "v1", vec![nodes(), kind("pods", "Pod", "Namespaced")])]));
    let metrics = group("metrics.k8s.io", "v1beta1", vec![nodes()]);
    let apps = group("apps", "v1", vec![kind("deployments", "Deployment", "Namespaced")]);
    let odd = group("a.example", "v1", vec![kind("deployments", "Deployment", "Cluster")]);
    answers.set("/apis", 200, list(vec![metrics.clone(), odd.clone(), apps.clone()]));
    let discovery = Discovery::new(answers.client());
    let node = discovery.resolve("Node", None).await.unwrap().unwrap();
    assert_eq!((node.resource.api_version.as_str(), node.is_namespaced), ("v1", false));
    let found = discovery.resolve("Deployment", None).await.unwrap().unwrap();
    assert_eq!((found.resource.group.as_str(), found.is_namespaced), ("apps", true));
    let asked = discovery.resolve("Deployment", Some("a.example/v1")).await.unwrap().unwrap();
    assert_eq!((asked.resource.group.as_str(), asked.is_namespaced), ("a.example", false));
    let other = discovery.resolve("Deployment", Some("apps/v1beta1")).await.unwrap().unwrap();
    assert_eq!(other.resource.api_version, "apps/v1", "a version that is not served any more");
    assert_eq!(discovery.resolve("Shop", None).await.unwrap(), None);
    let shop = group("shop.example", "v1", vec![kind("shops", "Shop", "Namespaced")]);
    answers.set("/apis", 200, list(vec![metrics, odd, apps, shop]));
    assert_eq!(discovery.resolve("Shop", None).await.unwrap(), None, "asked a moment ago");
    tokio::time::advance(RESOLVE_PERIOD).await;
    assert_eq!(discovery.resolve("Shop", None).await.unwrap().unwrap().resource.plural, "shops");
}
