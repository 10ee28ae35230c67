//! Creating, replacing and patching.

use std::sync::Arc;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::target::{Target, assessment, notification, remediation, text};

const PLURAL: &str = "effectivenessassessments";

pub(crate) async fn create_fills_what_is_the_servers(target: Arc<Target>) -> Result<()> {
    let mut object = remediation("made");
    object["status"] = json!({"overallPhase": "Completed"});
    object["metadata"]["generateName"] = json!("ignored-");
    let (status, made) = target.post(&target.path("remediationrequests"), &object).await?;
    ensure!(status == 201, "{made}");
    let metadata = &made["metadata"];
    ensure!(
        metadata["name"] == "made" && metadata["namespace"] == target.namespace.as_str() && metadata["generation"] == 1
    );
    ensure!(text(&metadata["uid"]).len() == 36 && !text(&metadata["creationTimestamp"]).is_empty(), "{metadata}");
    ensure!(text(&metadata["resourceVersion"]).parse::<u64>().is_ok(), "{metadata}");
    ensure!(made.get("status").is_none(), "a status at creation is dropped: {made}");
    let mut nameless = remediation("");
    nameless["metadata"] = json!({"generateName": "some-"});
    let (_, generated) = target.post(&target.path("remediationrequests"), &nameless).await?;
    let name = text(&generated["metadata"]["name"]);
    ensure!(name.len() == "some-".len() + 5 && name.starts_with("some-"), "{name}");
    Ok(())
}

pub(crate) async fn put_replaces_and_needs_the_version(target: Arc<Target>) -> Result<()> {
    let path = format!("{}/one", target.path(PLURAL));
    let (_, mut object) = target.post(&target.path(PLURAL), &assessment("one")).await?;
    object["spec"]["signalName"] = json!("Alert");
    object["metadata"]["labels"] = json!({"a": "b"});
    let (status, replaced) = target.put(&path, &object).await?;
    ensure!(
        status == 200 && replaced["spec"]["signalName"] == "Alert" && replaced["metadata"]["labels"]["a"] == "b",
        "{replaced}"
    );
    object["metadata"]["resourceVersion"] = Value::Null;
    let (status, failure) = target.put(&path, &object).await?;
    ensure!(status == 422 && text(&failure["message"]).contains("metadata.resourceVersion"), "{failure}");
    object["metadata"]["name"] = json!("other");
    let (status, _) = target.put(&path, &object).await?;
    ensure!(status == 400, "another name: {status}");
    Ok(())
}

pub(crate) async fn merge_patches_change_and_remove(target: Arc<Target>) -> Result<()> {
    let path = format!("{}/one", target.path(PLURAL));
    target.post(&target.path(PLURAL), &assessment("one")).await?;
    target.merge(&path, &json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"signalName": "x"}})).await?;
    let (status, patched) =
        target.merge(&path, &json!({"metadata": {"labels": {"a": null}}, "spec": {"signalName": null}})).await?;
    ensure!(status == 200 && patched["metadata"]["labels"] == json!({"b": "2"}), "{patched}");
    ensure!(patched["spec"].get("signalName").is_none(), "{patched}");
    let (status, failure) = target.merge(&format!("{}/none", target.path(PLURAL)), &json!({})).await?;
    ensure!(status == 404 && failure["reason"] == "NotFound", "{failure}");
    let strategic = ("application/json", "application/strategic-merge-patch+json");
    let (status, failure) = target.send("PATCH", &path, strategic, &json!({})).await?;
    ensure!(status == 415 && failure["reason"] == "UnsupportedMediaType", "{failure}");
    Ok(())
}

pub(crate) async fn json_patches_are_applied_in_order(target: Arc<Target>) -> Result<()> {
    let one = format!("{}/one", target.path(PLURAL));
    target.post(&target.path(PLURAL), &assessment("one")).await?;
    let media = ("application/json", "application/json-patch+json");
    let patch = json!([
        {"op": "test", "path": "/spec/correlationID", "value": "rr"},
        {"op": "add", "path": "/spec/signalName", "value": "first"},
        {"op": "replace", "path": "/spec/signalName", "value": "second"},
    ]);
    let (status, patched) = target.send("PATCH", &one, media, &patch).await?;
    ensure!(status == 200 && patched["spec"]["signalName"] == "second", "{patched}");
    for (patch, code) in [
        (json!([{"op": "test", "path": "/spec/signalName", "value": "first"}]), 422),
        (json!([{"op": "remove", "path": "/spec/nowhere"}]), 422),
        (json!({"op": "add"}), 400),
    ] {
        let (status, failure) = target.send("PATCH", &one, media, &patch).await?;
        ensure!(status == code, "{patch}: {status} {failure}");
    }
    Ok(())
}

pub(crate) async fn status_and_spec_are_written_apart(target: Arc<Target>) -> Result<()> {
    target.post(&target.path(PLURAL), &assessment("one")).await?;
    let path = format!("{}/one", target.path(PLURAL));
    let both =
        json!({"spec": {"signalName": "x"}, "status": {"phase": "Assessing"}, "metadata": {"labels": {"a": "b"}}});
    let (_, by_status) = target.merge(&format!("{path}/status"), &both).await?;
    ensure!(
        by_status["status"]["phase"] == "Assessing" && by_status["spec"].get("signalName").is_none(),
        "{by_status}"
    );
    ensure!(by_status["metadata"].get("labels").is_none(), "{by_status}");
    let both = json!({"spec": {"signalName": "x"}, "status": {"phase": "Completed"}});
    let (_, by_main) = target.merge(&path, &both).await?;
    ensure!(by_main["status"]["phase"] == "Assessing" && by_main["spec"]["signalName"] == "x", "{by_main}");
    let (status, read) = target.get(&format!("{path}/status")).await?;
    ensure!(status == 200 && read["status"]["phase"] == "Assessing", "{read}");
    Ok(())
}

pub(crate) async fn a_stale_version_is_a_conflict(target: Arc<Target>) -> Result<()> {
    let old = target.create("one").await?;
    let path = format!("{}/status", target.remediation("one"));
    target.merge(&path, &json!({"status": {"overallPhase": "Pending"}})).await?;
    let stale = json!({"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}, "status": {"overallPhase": "Failed"}});
    let (status, failure) = target.merge(&path, &stale).await?;
    ensure!(status == 409 && failure["reason"] == "Conflict", "{failure}");
    ensure!(text(&failure["message"]).contains("the object has been modified"), "{failure}");
    let (status, failure) = target.put(&target.remediation("one"), &old).await?;
    ensure!(status == 409, "{failure}");
    let condition = json!({"preconditions": {"resourceVersion": old["metadata"]["resourceVersion"]}});
    let (status, failure) = target.delete(&target.remediation("one"), &condition).await?;
    ensure!(status == 409 && failure["reason"] == "Conflict", "{failure}");
    Ok(())
}

pub(crate) async fn the_generation_counts_changes_of_the_spec(target: Arc<Target>) -> Result<()> {
    let path = format!("{}/one", target.path(PLURAL));
    let (_, made) = target.post(&target.path(PLURAL), &assessment("one")).await?;
    let generation = |object: &Value| object["metadata"]["generation"].as_i64();
    ensure!(generation(&made) == Some(1));
    let (_, labelled) = target.merge(&path, &json!({"metadata": {"labels": {"a": "b"}}})).await?;
    let (_, written) = target.merge(&format!("{path}/status"), &json!({"status": {"phase": "Assessing"}})).await?;
    let (_, changed) = target.merge(&path, &json!({"spec": {"signalName": "x"}})).await?;
    ensure!((generation(&labelled), generation(&written), generation(&changed)) == (Some(1), Some(1), Some(2)));
    let (_, same) = target.merge(&path, &json!({"spec": {"signalName": "x"}})).await?;
    ensure!(same["metadata"]["resourceVersion"] == changed["metadata"]["resourceVersion"], "nothing changed");
    Ok(())
}

pub(crate) async fn unknown_fields_are_pruned_or_refused(target: Arc<Target>) -> Result<()> {
    let mut object = remediation("pruned");
    object["spec"]["odd"] = json!(1);
    object["spec"]["targetResource"]["odder"] = json!({"x": 1});
    let path = target.path("remediationrequests");
    let (status, failure) = target.post(&format!("{path}?fieldValidation=Strict"), &object).await?;
    ensure!(status == 400 && failure["reason"] == "BadRequest", "{failure}");
    let message = text(&failure["message"]);
    ensure!(message.contains("strict decoding error") && message.contains(r#"unknown field "spec.odd""#), "{message}");
    ensure!(message.contains(r#"unknown field "spec.targetResource.odder""#), "{message}");
    let (status, made) = target.post(&format!("{path}?fieldValidation=Ignore"), &object).await?;
    ensure!(
        status == 201 && made["spec"].get("odd").is_none() && made["spec"]["targetResource"].get("odder").is_none(),
        "{made}"
    );
    let status_path = format!("{}/status", target.remediation("pruned"));
    let (_, patched) = target.merge(&status_path, &json!({"status": {"overallPhase": "Pending", "odd": true}})).await?;
    ensure!(patched["status"] == json!({"overallPhase": "Pending"}), "{patched}");
    Ok(())
}

pub(crate) async fn defaults_are_filled_in(target: Arc<Target>) -> Result<()> {
    let mut object = notification("filled");
    object["spec"]["retryPolicy"] = json!({"maxAttempts": 3});
    let (status, made) = target.post(&target.path("notificationrequests"), &object).await?;
    ensure!(status == 201, "{made}");
    let spec = &made["spec"];
    ensure!(spec["retentionDays"] == 7, "{spec}");
    ensure!(spec["retryPolicy"]["maxAttempts"] == 3 && spec["retryPolicy"]["initialBackoffSeconds"] == 30, "{spec}");
    let (_, read) = target.get(&format!("{}/filled", target.path("notificationrequests"))).await?;
    ensure!(read["spec"] == *spec, "{read}");
    Ok(())
}
