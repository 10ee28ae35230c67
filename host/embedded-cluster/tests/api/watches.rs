//! Watches: raw events, kube-runtime's watchers, and clients that fall behind.

use crate::common::{PATIENCE, open, widget, widgets};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::json;
use tokio::time::timeout;
use trimtab_embedded_cluster::ClusterConfig;

fn red() -> serde_json::Value {
    json!({"colour": "red"})
}

fn said(event: &WatchEvent<DynamicObject>) -> String {
    match event {
        WatchEvent::Added(object) => format!("added {}", object.name_any()),
        WatchEvent::Modified(object) => format!("modified {}", object.name_any()),
        WatchEvent::Deleted(object) => format!("deleted {}", object.name_any()),
        WatchEvent::Bookmark(mark) => format!("bookmark {:?}", mark.metadata.annotations),
        WatchEvent::Error(status) => format!("error {} {}", status.code, status.reason),
    }
}

async fn take(api: &Api<DynamicObject>, params: &WatchParams, from: &str, count: usize) -> Vec<String> {
    let stream = api.watch(params, from).await.unwrap();
    let events = stream.take(count).map_ok(|event| said(&event)).try_collect();
    timeout(PATIENCE, events).await.expect("events in time").unwrap()
}

#[tokio::test]
async fn a_watch_resumes_after_the_named_version() {
    let api = widgets(&open(ClusterConfig::default()).client());
    let first = api.create(&PostParams::default(), &widget("a", &red())).await.unwrap();
    api.create(&PostParams::default(), &widget("b", &red())).await.unwrap();
    api.patch_status("b", &PatchParams::default(), &Patch::Merge(json!({"status": {"phase": "On"}}))).await.unwrap();
    api.delete("a", &DeleteParams::default()).await.unwrap();
    let from = first.resource_version().unwrap();
    let events = take(&api, &WatchParams::default(), &from, 3).await;
    assert_eq!(events, ["added b", "modified b", "deleted a"]);
    let events = take(&api, &WatchParams::default(), "0", 1).await;
    assert_eq!(events, ["added b"]);
}

#[tokio::test]
async fn a_removed_definition_ends_its_watches_after_the_last_object() {
    let client = open(ClusterConfig::default()).client();
    let api = widgets(&client);
    let made = api.create(&PostParams::default(), &widget("a", &red())).await.unwrap();
    let from = made.resource_version().unwrap();
    let mut watch = api.watch(&WatchParams::default(), &from).await.unwrap().boxed();
    let definitions: Api<CustomResourceDefinition> = Api::all(client);
    definitions.delete("widgets.example.test", &DeleteParams::default()).await.unwrap();
    let mut events = Vec::new();
    let all = async {
        while let Some(event) = watch.next().await {
            events.push(said(&event.unwrap()));
        }
    };
    timeout(PATIENCE, all).await.expect("the watch ends");
    assert_eq!(events.last().map(String::as_str), Some("deleted a"));
}

#[tokio::test]
async fn objects_enter_and_leave_a_selection() {
    let api = widgets(&open(ClusterConfig::default()).client());
    let made = api.create(&PostParams::default(), &widget("a", &red())).await.unwrap();
    for colour in ["blue", "green"] {
        let patch = Patch::Merge(json!({"spec": {"colour": colour}}));
        api.patch("a", &PatchParams::default(), &patch).await.unwrap();
    }
    let from = made.resource_version().unwrap();
    let params = WatchParams::default().fields("spec.colour=blue");
    assert_eq!(take(&api, &params, &from, 2).await, ["added a", "deleted a"]);
}

#[tokio::test]
async fn a_version_before_the_history_is_gone() {
    let api = widgets(&open(ClusterConfig { watch_history: 3, ..ClusterConfig::default() }).client());
    for at in 0..8 {
        api.create(&PostParams::default(), &widget(&format!("w{at}"), &red())).await.unwrap();
    }
    assert_eq!(take(&api, &WatchParams::default(), "2", 1).await, ["error 410 Expired"]);
}

#[tokio::test]
async fn a_watch_that_falls_behind_ends_with_gone() {
    let api = widgets(&open(ClusterConfig { watch_history: 4, ..ClusterConfig::default() }).client());
    let first = api.create(&PostParams::default(), &widget("first", &red())).await.unwrap();
    let stream = api.watch(&WatchParams::default(), &first.resource_version().unwrap()).await.unwrap();
    for at in 0..8 {
        api.create(&PostParams::default(), &widget(&format!("w{at}"), &red())).await.unwrap();
    }
    let events: Vec<String> =
        timeout(PATIENCE, stream.map_ok(|event| said(&event)).try_collect()).await.unwrap().unwrap();
    assert_eq!(events, ["error 410 Expired"]);
}

#[tokio::test(start_paused = true)]
async fn bookmarks_come_on_a_quiet_watch_and_the_timeout_ends_it() {
    let api = widgets(&open(ClusterConfig::default()).client());
    let params = WatchParams::default().timeout(90);
    let stream = api.watch(&params, "0").await.unwrap();
    let events: Vec<String> = stream.map_ok(|event| said(&event)).try_collect().await.unwrap();
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(events.iter().all(|event| event.starts_with("bookmark")));
}

#[tokio::test]
async fn both_kinds_of_watcher_see_everything() {
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let api = widgets(&open(ClusterConfig::default()).client());
        api.create(&PostParams::default(), &widget("before", &red())).await.unwrap();
        let mut stream = std::pin::pin!(watcher(api.clone(), config));
        let mut seen = Vec::new();
        while seen.last().is_none_or(|last: &String| last != "ready") {
            let event = timeout(PATIENCE, stream.try_next()).await.expect("in time").unwrap().unwrap();
            seen.push(match event {
                watcher::Event::Init => "init".to_owned(),
                watcher::Event::InitApply(object) => object.name_any(),
                watcher::Event::InitDone => "ready".to_owned(),
                other => panic!("unexpected {other:?}"),
            });
        }
        assert_eq!(seen, ["init", "before", "ready"]);
        api.create(&PostParams::default(), &widget("after", &red())).await.unwrap();
        let event = timeout(PATIENCE, stream.try_next()).await.expect("in time").unwrap().unwrap();
        assert!(matches!(event, watcher::Event::Apply(object) if object.name_any() == "after"));
    }
}

#[tokio::test]
async fn a_reflector_recovers_after_its_version_expired() {
    let cluster = open(ClusterConfig { watch_history: 3, ..ClusterConfig::default() });
    let api = widgets(&cluster.client());
    let writer = reflector::store::Writer::<DynamicObject>::new(crate::common::resource());
    let reader = writer.as_reader();
    let stream = watcher(api.clone(), watcher::Config::default()).default_backoff().reflect(writer);
    let mut stream = std::pin::pin!(stream);
    api.create(&PostParams::default(), &widget("first", &red())).await.unwrap();
    let first = async { while !matches!(stream.next().await, Some(Ok(watcher::Event::InitDone))) {} };
    timeout(PATIENCE, first).await.expect("in time");
    assert_eq!(reader.len(), 1);
    for at in 0..10 {
        api.create(&PostParams::default(), &widget(&format!("w{at}"), &red())).await.unwrap();
    }
    let last = ObjectRef::new_with("w9", crate::common::resource()).within("default");
    let caught_up = async {
        while reader.get(&last).is_none() {
            // Errors are part of recovering: the watcher lists again.
            let _ = stream.next().await;
        }
    };
    timeout(PATIENCE, caught_up).await.expect("the reflector catches up");
    assert_eq!(reader.len(), 11);
}

#[tokio::test]
async fn watches_end_when_the_cluster_is_dropped() {
    let cluster = open(ClusterConfig::default());
    let response = {
        let request = http::Request::get("/api/v1/namespaces?watch=1&resourceVersion=1");
        let body: axum::body::Body = axum::body::Body::empty();
        tower::ServiceExt::oneshot(cluster.service(), request.body(body).unwrap()).await.unwrap()
    };
    let reading = tokio::spawn(axum::body::to_bytes(response.into_body(), usize::MAX));
    drop(cluster);
    timeout(PATIENCE, reading).await.expect("the watch ends").unwrap().unwrap();
}

#[tokio::test]
async fn a_controller_runs_unchanged() {
    use kube::runtime::Controller;
    use kube::runtime::controller::Action;
    use std::sync::Arc;

    let cluster = open(ClusterConfig::default());
    let api = widgets(&cluster.client());
    // The owner gets a child of its own kind; the child's change wakes the owner again.
    let reconcile = |object: Arc<DynamicObject>, api: Arc<Api<DynamicObject>>| async move {
        if object.owner_references().is_empty() {
            let name = format!("{}-child", object.name_any());
            match api.get_opt(&name).await? {
                None => {
                    let mut child = widget(&name, &red());
                    let owner = json!([{"apiVersion": "example.test/v1alpha1", "kind": "Widget",
                        "name": object.name_any(), "uid": object.uid(), "controller": true}]);
                    child.metadata.owner_references = serde_json::from_value(owner).ok();
                    api.create(&PostParams::default(), &child).await?;
                }
                Some(child) => {
                    let phase = json!({"status": {"phase": child.data["status"]["phase"]}});
                    api.patch_status(&object.name_any(), &PatchParams::default(), &Patch::Merge(phase)).await?;
                }
            }
        }
        Ok::<_, kube::Error>(Action::await_change())
    };
    let controller = Controller::new_with(api.clone(), watcher::Config::default(), crate::common::resource())
        .owns_with(api.clone(), crate::common::resource(), watcher::Config::default())
        .run(reconcile, |_, _, _| Action::requeue(std::time::Duration::from_millis(50)), Arc::new(api.clone()));
    let running = tokio::spawn(controller.for_each(|_| std::future::ready(())));
    api.create(&PostParams::default(), &widget("a", &red())).await.unwrap();
    let mut events = std::pin::pin!(api.watch(&WatchParams::default(), "0").await.unwrap());
    let reflected = async {
        while let Some(event) = events.try_next().await.unwrap() {
            match event {
                WatchEvent::Added(object) if object.name_any() == "a-child" => {
                    let done = Patch::Merge(json!({"status": {"phase": "Done"}}));
                    api.patch_status("a-child", &PatchParams::default(), &done).await.unwrap();
                }
                WatchEvent::Modified(object)
                    if object.name_any() == "a" && object.data["status"]["phase"] == "Done" =>
                {
                    return;
                }
                _ => {}
            }
        }
    };
    timeout(PATIENCE, reflected).await.expect("the owner shows its child's phase");
    running.abort();
}
