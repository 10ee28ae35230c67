//! Objects with and without the label, in namespaces with and without it.

use std::sync::Arc;

use serde_json::{Value, json};
use trimtab_api::mapping::{self, Objects};
use trimtab_core::time::Timestamp;

use super::*;
use crate::fake::Store;

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/web";

fn labelled(name: &str, label: Option<&str>) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": name}});
    if let Some(label) = label {
        object["metadata"]["labels"] = json!({LABEL: label});
    }
    object
}

fn seen(kind: &str, namespace: &str, cluster: &str) -> Observation {
    let remediation = json!({
        "metadata": {"name": "rr", "namespace": "ns", "uid": "u", "resourceVersion": "1"},
        "spec": {"clusterID": cluster, "targetResource": {"kind": kind, "name": "web", "namespace": namespace}},
    });
    let objects = Objects { remediation: Arc::new(remediation), ..Objects::default() };
    mapping::observe(Timestamp::from_millis(0), true, &objects).unwrap()
}

async fn verdict(scopes: &Scopes, kind: &str, namespace: &str) -> String {
    scopes.look(&seen(kind, namespace, "")).await.verdict
}

#[tokio::test]
async fn the_objects_own_label_says_so_else_its_namespaces() {
    let table = [
        (Some("true"), Some("false"), "managed"),
        (Some("false"), Some("true"), "unmanaged"),
        (None, Some("true"), "managed"),
        (Some("maybe"), Some("true"), "managed"),
        (None, Some("false"), "unmanaged"),
        (None, Some(""), "unmanaged"),
        (None, None, "unmanaged"),
    ];
    for (own, namespace, expected) in table {
        let store = Store::default();
        store.put(DEPLOYMENT, labelled("web", own));
        store.put("/api/v1/namespaces/shop", labelled("shop", namespace));
        let scopes = Scopes::new(store.client());
        assert_eq!(verdict(&scopes, "Deployment", "shop").await, expected, "{own:?} {namespace:?}");
    }
}

#[tokio::test]
async fn kinds_whose_label_does_not_count_are_not_looked_up() {
    let store = Store::default();
    store.put("/api/v1/namespaces/shop", labelled("shop", Some("true")));
    let scopes = Scopes::new(store.client());
    assert_eq!(verdict(&scopes, "Ingress", "shop").await, "managed");
    assert_eq!(verdict(&scopes, "deployment", "shop").await, "managed");
    let asked = store.requests();
    assert!(asked.iter().all(|request| request == "GET /api/v1/namespaces/shop"), "{asked:?}");
}

#[tokio::test]
async fn an_object_of_the_cluster_has_only_its_own_label() {
    let store = Store::default();
    store.put("/api/v1/nodes/web", labelled("web", Some("true")));
    store.put("/api/v1/persistentvolumes/web", labelled("web", None));
    let scopes = Scopes::new(store.client());
    assert_eq!(verdict(&scopes, "Node", "").await, "managed");
    assert_eq!(verdict(&scopes, "PersistentVolume", "").await, "unmanaged");
    assert_eq!(verdict(&scopes, "ClusterWidget", "").await, "unmanaged");
    store.put("/api/v1/namespaces/web", labelled("web", Some("true")));
    assert_eq!(verdict(&scopes, "Namespace", "").await, "managed");
}

#[tokio::test]
async fn what_cannot_be_read_falls_through_to_the_namespace_and_then_fails_closed() {
    let store = Store::default();
    store.put("/api/v1/namespaces/shop", labelled("shop", Some("true")));
    store.refuse(http::Method::GET, DEPLOYMENT, 403);
    let scopes = Scopes::new(store.client());
    assert_eq!(verdict(&scopes, "Deployment", "shop").await, "managed");
    store.refuse(http::Method::GET, "/api/v1/namespaces", 500);
    let scope = scopes.look(&seen("Deployment", "shop", "")).await;
    assert_eq!((scope.verdict.as_str(), scope.because.as_str()), ("unknown", "namespace shop cannot be read: no"));
    store.refuse_none();
    assert_eq!(verdict(&scopes, "Deployment", "nowhere").await, "unknown");
    let elsewhere = scopes.look(&seen("Deployment", "shop", "east")).await;
    assert_eq!(elsewhere.verdict, "managed", "without a fleet, as at the peer, this cluster's labels speak for all");
}

#[tokio::test(start_paused = true)]
async fn a_managed_object_is_not_looked_up_again_for_a_while_and_an_unmanaged_one_each_time() {
    let store = Store::default();
    store.put("/api/v1/namespaces/shop", labelled("shop", Some("true")));
    let scopes = Scopes::new(store.client());
    for expected in [1, 0] {
        store.requests();
        assert_eq!(verdict(&scopes, "Deployment", "shop").await, "managed");
        let asked = store.requests().iter().filter(|request| request.ends_with(DEPLOYMENT)).count();
        assert_eq!(asked, expected);
    }
    // A namespace that is not managed any more counts at once.
    store.put("/api/v1/namespaces/shop", labelled("shop", None));
    assert_eq!(verdict(&scopes, "Deployment", "shop").await, "unmanaged");
    tokio::time::advance(KNOWN_FOR).await;
    store.put(DEPLOYMENT, labelled("web", Some("true")));
    assert_eq!(verdict(&scopes, "Deployment", "shop").await, "managed");
    tokio::time::advance(KNOWN_FOR).await;
    store.put(DEPLOYMENT, labelled("web", Some("false")));
    for _ in 0..2 {
        store.requests();
        assert_eq!(verdict(&scopes, "Deployment", "shop").await, "unmanaged");
        assert_eq!(store.requests(), [format!("GET {DEPLOYMENT}")]);
    }
}

#[tokio::test]
async fn a_namespace_that_the_watch_shows_costs_no_request() {
    let store = Store::default();
    store.put("/api/v1/namespaces/shop", labelled("shop", Some("true")));
    let namespaces = Namespaces::new(store.client());
    let filled = async {
        loop {
            let label = namespaces.label("shop").await;
            assert_eq!(label, Ok(Some(Some(true))));
            store.requests();
            let _ = namespaces.label("shop").await;
            if store.requests().is_empty() {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = namespaces.follow() => {}
        () = filled => {}
    }
    assert_eq!(namespaces.label("elsewhere").await, Ok(None), "what it does not show is asked for");
}
