//! Watches.

use std::sync::Arc;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::target::{Target, text};

pub(crate) async fn a_watch_resumes_where_it_was(target: Arc<Target>) -> Result<()> {
    let first = target.create("a").await?;
    let version = text(&first["metadata"]["resourceVersion"]);
    target.create("b").await?;
    target
        .merge(&format!("{}/status", target.remediation("a")), &json!({"status": {"overallPhase": "Pending"}}))
        .await?;
    target.delete(&target.remediation("b"), &json!({})).await?;
    let mut watch =
        target.watch(&format!("{}?watch=true&resourceVersion={version}", target.path("remediationrequests"))).await?;
    for expected in [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")] {
        let (kind, name) = watch.next_name().await?;
        ensure!((kind.as_str(), name.as_str()) == expected, "{kind} {name}, expected {expected:?}");
    }
    // It goes on with what happens now, and a selector turns a change into the object's going and coming.
    target.create("c").await?;
    ensure!(watch.next_name().await? == ("ADDED".to_owned(), "c".to_owned()));
    let path = format!("{}?watch=true&labelSelector=team%3Dred", target.path("remediationrequests"));
    let mut selected = target.watch(&path).await?;
    for (labels, expected) in [(json!({"team": "red"}), "ADDED"), (json!({"team": "blue"}), "DELETED")] {
        target.merge(&target.remediation("c"), &json!({"metadata": {"labels": labels}})).await?;
        let (kind, name) = selected.next_name().await?;
        ensure!((kind.as_str(), name.as_str()) == (expected, "c"), "{kind} {name}");
    }
    Ok(())
}

pub(crate) async fn a_watch_has_bookmarks(target: Arc<Target>) -> Result<()> {
    target.create("a").await?;
    let path = format!("{}?watch=true&allowWatchBookmarks=true&timeoutSeconds=4", target.path("remediationrequests"));
    let mut watch = target.watch(&path).await?;
    // The server sends one before the watch ends by its timeout.
    let bookmark = watch.until(|event| event["type"] == "BOOKMARK").await?;
    let object = &bookmark["object"];
    ensure!(object["kind"] == "RemediationRequest", "{bookmark}");
    ensure!(text(&object["metadata"]["resourceVersion"]).parse::<u64>().is_ok_and(|version| version > 0), "{bookmark}");
    ensure!(watch.until(|_| false).await.is_err_and(|error| error.to_string() == "the watch ended"));
    Ok(())
}

pub(crate) async fn a_watch_from_too_long_ago_is_told_so(target: Arc<Target>) -> Result<()> {
    target.create("a").await?;
    let path = format!("{}?watch=true&resourceVersion=1", target.path("remediationrequests"));
    // The real server's history begins after its start, the embedded one keeps thousands of changes.
    if target.kind == trimtab_tests::cluster::ClusterKind::Real {
        let event = target.watch(&path).await?.next().await?;
        return expect_expired(&event);
    }
    let short = trimtab_embedded_cluster::ClusterConfig {
        crds: trimtab_api::crds(),
        watch_history: 4,
        ..trimtab_embedded_cluster::ClusterConfig::default()
    };
    let cluster = trimtab_embedded_cluster::EmbeddedCluster::open(short)?;
    let target = Target { client: cluster.client(), namespace: "default".to_owned(), kind: target.kind };
    for name in ["a", "b", "c", "d", "e", "f"] {
        target.create(name).await?;
    }
    let path = format!("{}?watch=true&resourceVersion=1", target.path("remediationrequests"));
    expect_expired(&target.watch(&path).await?.next().await?)
}

fn expect_expired(event: &serde_json::Value) -> Result<()> {
    let object = &event["object"];
    ensure!(event["type"] == "ERROR" && object["code"] == 410 && object["reason"] == "Expired", "{event}");
    ensure!(text(&object["message"]).starts_with("too old resource version"), "{event}");
    Ok(())
}

pub(crate) async fn a_watch_can_send_the_initial_events(target: Arc<Target>) -> Result<()> {
    for name in ["a", "b"] {
        target.create(name).await?;
    }
    let query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = target.watch(&format!("{}?{query}", target.path("remediationrequests"))).await?;
    let mut first = vec![watch.next_name().await?, watch.next_name().await?];
    first.sort();
    ensure!(first == [("ADDED".to_owned(), "a".to_owned()), ("ADDED".to_owned(), "b".to_owned())], "{first:?}");
    let end = watch.next().await?;
    let annotation = &end["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"];
    ensure!(end["type"] == "BOOKMARK" && annotation == "true", "{end}");
    target.create("c").await?;
    // A server may send a bookmark at any time.
    let event = watch.until(|event| event["type"] != "BOOKMARK").await?;
    ensure!(event["type"] == "ADDED" && event["object"]["metadata"]["name"] == "c", "{event}");
    let (status, failure) =
        target.get(&format!("{}?watch=true&sendInitialEvents=true", target.path("remediationrequests"))).await?;
    ensure!(status == 422 && failure["reason"] == "Invalid", "{status} {failure}");
    Ok(())
}
