//! What is acknowledged survives a killed process.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::common::{open, widget, widgets};
use futures::TryStreamExt as _;
use kube::ResourceExt;
use kube::api::{ListParams, PostParams, WatchEvent, WatchParams};
use serde_json::json;
use trimtab_embedded_cluster::{ClusterConfig, ClusterError, EmbeddedCluster, WallClock};

/// Names the folder to the child process of the kill test.
const CHILD_FOLDER: &str = "TRIMTAB_TEST_KILLED_FOLDER";

fn at(folder: &std::path::Path) -> ClusterConfig {
    ClusterConfig { data: Some(folder.to_owned()), ..ClusterConfig::default() }
}

/// Not a test of its own: writes until it is killed, when the kill test starts it.
#[tokio::test]
async fn writer_of_the_kill_test() {
    let Some(folder) = std::env::var_os(CHILD_FOLDER) else { return };
    let api = widgets(&open(at(folder.as_ref())).client());
    for number in 0.. {
        let made = api
            .create(&PostParams::default(), &widget(&format!("w{number}"), &json!({"colour": "red"})))
            .await
            .unwrap();
        println!("acknowledged {} {}", made.name_any(), made.resource_version().unwrap());
    }
}

#[tokio::test]
async fn a_killed_process_loses_no_acknowledged_write() {
    let folder = tempfile::tempdir().unwrap();
    let mut newest = 0;
    for round in 1..=3_usize {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "durability::writer_of_the_kill_test", "--nocapture"])
            .env(CHILD_FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut acknowledged = Vec::new();
        for line in lines {
            if let Some((_, rest)) = line.split_once("acknowledged ") {
                let (name, version) = rest.split_once(' ').unwrap();
                acknowledged.push((name.to_owned(), version.parse::<u64>().unwrap()));
                if acknowledged.len() == 20 * round {
                    break;
                }
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let cluster = open(at(folder.path()));
        let api = widgets(&cluster.client());
        for (name, version) in &acknowledged {
            let found = api.get(name).await.unwrap();
            assert_eq!(found.resource_version().unwrap(), version.to_string());
            assert!(*version > newest, "the counter goes on");
        }
        let all = api.list(&ListParams::default()).await.unwrap();
        newest = all.metadata.resource_version.clone().unwrap().parse().unwrap();
        for object in all.items {
            api.delete(&object.name_any(), &kube::api::DeleteParams::default()).await.unwrap();
        }
        cluster.compact().unwrap();
        cluster.close();
    }
}

#[tokio::test]
async fn objects_and_counter_come_back_from_log_and_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let mut versions = Vec::new();
    for name in ["a", "b", "c"] {
        let cluster = open(at(folder.path()));
        let api = widgets(&cluster.client());
        let made = api.create(&PostParams::default(), &widget(name, &json!({"colour": "red"}))).await.unwrap();
        versions.push(made.resource_version().unwrap().parse::<u64>().unwrap());
        if name == "b" {
            cluster.compact().unwrap();
        }
        cluster.close();
    }
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    let api = widgets(&open(at(folder.path())).client());
    let names: Vec<String> =
        api.list(&ListParams::default()).await.unwrap().items.iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_watch_from_before_a_restart_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    {
        let cluster = open(at(folder.path()));
        let api = widgets(&cluster.client());
        for name in ["a", "b"] {
            api.create(&PostParams::default(), &widget(name, &json!({"colour": "red"}))).await.unwrap();
        }
        cluster.close();
    }
    let api = widgets(&open(at(folder.path())).client());
    let events: Vec<_> = api.watch(&WatchParams::default(), "3").await.unwrap().try_collect().await.unwrap();
    assert!(matches!(&events[..], [WatchEvent::Error(status)] if status.code == 410), "{events:?}");
}

#[tokio::test]
async fn a_second_cluster_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(at(folder.path()));
    let refused = EmbeddedCluster::open(at(folder.path())).unwrap_err();
    assert!(matches!(refused, ClusterError::InUse { .. }), "{refused}");
    drop(first);
    EmbeddedCluster::open(at(folder.path())).unwrap();
}

#[tokio::test]
async fn reopening_with_the_same_definitions_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let revision = async |year: &'static str| {
        let clock = WallClock::new(move || format!("{year}-01-01T00:00:00Z").parse().unwrap());
        let cluster = open(ClusterConfig { clock, ..at(folder.path()) });
        let list = widgets(&cluster.client()).list(&ListParams::default()).await.unwrap();
        cluster.close();
        list.metadata.resource_version
    };
    assert_eq!(revision("2026").await, revision("2027").await);
}
