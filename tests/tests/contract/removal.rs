//! Deleting, finalizers, and the other kinds that a controller uses.

use std::sync::Arc;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::target::{Target, notification, text};

fn owned(name: &str, owner: &Value) -> Value {
    let mut object = notification(name);
    object["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "kubernaut.ai/v1alpha1", "kind": "RemediationRequest", "controller": true, "blockOwnerDeletion": true,
        "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
    }]);
    object
}

pub(crate) async fn children_are_collected_in_the_background(target: Arc<Target>) -> Result<()> {
    let plural = target.path("notificationrequests");
    let (kept, gone) = (target.create("kept").await?, target.create("gone").await?);
    for (name, owner) in [("of-kept", &kept), ("of-gone", &gone)] {
        let (status, made) = target.post(&plural, &owned(name, owner)).await?;
        ensure!(status == 201, "{made}");
    }
    let version = text(&target.get(&plural).await?.1["metadata"]["resourceVersion"]);
    let mut watch = target.watch(&format!("{plural}?watch=true&resourceVersion={version}")).await?;
    let (status, _) = target.delete(&target.remediation("gone"), &json!({"propagationPolicy": "Background"})).await?;
    ensure!(status == 200, "{status}");
    let event = watch.until(|event| event["type"] == "DELETED").await?;
    ensure!(event["object"]["metadata"]["name"] == "of-gone", "{event}");
    ensure!(target.get(&format!("{plural}/of-kept")).await?.0 == 200);
    // A child whose owner is gone already, such as one created a moment too late, goes as well.
    target.post(&plural, &owned("late", &gone)).await?;
    let event = watch.until(|event| event["type"] == "DELETED").await?;
    ensure!(event["object"]["metadata"]["name"] == "late", "{event}");
    Ok(())
}

pub(crate) async fn a_finalizer_keeps_an_object(target: Arc<Target>) -> Result<()> {
    let path = target.remediation("held");
    let made = target.create("held").await?;
    target.merge(&path, &json!({"metadata": {"finalizers": ["example.test/hold"]}})).await?;
    let (status, deleted) = target.delete(&path, &json!({})).await?;
    ensure!(status == 200 && !text(&deleted["metadata"]["deletionTimestamp"]).is_empty(), "{deleted}");
    let (status, read) = target.get(&path).await?;
    ensure!(status == 200 && read["metadata"]["uid"] == made["metadata"]["uid"], "{read}");
    let (status, refused) =
        target.merge(&path, &json!({"metadata": {"finalizers": ["example.test/hold", "example.test/new"]}})).await?;
    ensure!(status == 422, "a finalizer was added to an object that is being deleted: {refused}");
    target.merge(&path, &json!({"metadata": {"finalizers": null}})).await?;
    ensure!(target.get(&path).await?.0 == 404, "it is still there");
    let wrong = json!({"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}});
    target.create("other").await?;
    let (status, _) = target.delete(&target.remediation("other"), &wrong).await?;
    ensure!(status == 409, "another uid: {status}");
    Ok(())
}

pub(crate) async fn events_and_leases_are_served(target: Arc<Target>) -> Result<()> {
    let events = format!("/apis/events.k8s.io/v1/namespaces/{}/events", target.namespace);
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "told.1"},
        "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "tests", "reportingInstance": "one",
        "action": "Test", "reason": "Told", "type": "Normal", "note": "a note",
        "regarding": {"apiVersion": "kubernaut.ai/v1alpha1", "kind": "RemediationRequest", "name": "rr", "namespace": target.namespace},
    });
    let (status, made) = target.post(&events, &event).await?;
    ensure!(status == 201 && made["note"] == "a note", "{status} {made}");
    let (status, patched) = target
        .merge(
            &format!("{events}/told.1"),
            &json!({"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}}),
        )
        .await?;
    ensure!(status == 200 && patched["series"]["count"] == 2, "{status} {patched}");
    let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", target.namespace);
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "lock"},
        "spec": {"holderIdentity": "one", "leaseDurationSeconds": 30, "renewTime": "2026-01-01T00:00:00.000000Z"},
    });
    let (status, made) = target.post(&leases, &lease).await?;
    ensure!(status == 201, "{made}");
    let mut taken = made.clone();
    taken["spec"]["holderIdentity"] = json!("two");
    ensure!(target.put(&format!("{leases}/lock"), &taken).await?.0 == 200);
    taken["spec"]["holderIdentity"] = json!("three");
    ensure!(target.put(&format!("{leases}/lock"), &taken).await?.0 == 409, "two holders at once");
    ensure!(target.delete(&format!("{leases}/lock"), &json!({})).await?.0 == 200);
    Ok(())
}
