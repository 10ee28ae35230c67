//! Lists: pages and selectors.

use std::sync::Arc;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::target::{Target, names, remediation, text};

pub(crate) async fn a_list_is_cut_into_pages(target: Arc<Target>) -> Result<()> {
    for name in ["a", "b", "c", "d", "e"] {
        target.create(name).await?;
    }
    let path = target.path("remediationrequests");
    let (_, first) = target.get(&format!("{path}?limit=2")).await?;
    ensure!(names(&first) == ["a", "b"] && first["metadata"]["remainingItemCount"] == 3, "{}", first["metadata"]);
    // What comes after the first page does not belong to it.
    target.create("f").await?;
    let mut seen = names(&first);
    let mut next = text(&first["metadata"]["continue"]);
    while !next.is_empty() {
        let (_, page) = target.get(&format!("{path}?limit=2&continue={next}")).await?;
        ensure!(page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"], "another version");
        seen.extend(names(&page));
        next = text(&page["metadata"]["continue"]);
    }
    ensure!(seen == ["a", "b", "c", "d", "e"], "{seen:?}");
    let (status, failure) = target.get(&format!("{path}?limit=2&continue=nonsense")).await?;
    ensure!(status == 400 && failure["reason"] == "BadRequest", "{failure}");
    Ok(())
}

pub(crate) async fn labels_select(target: Arc<Target>) -> Result<()> {
    for (name, team) in [("a", Some("red")), ("b", Some("blue")), ("c", None)] {
        let mut object = remediation(name);
        if let Some(team) = team {
            object["metadata"]["labels"] = json!({"team": team});
        }
        target.post(&target.path("remediationrequests"), &object).await?;
    }
    for (selector, expected) in [
        ("team=red", vec!["a"]),
        ("team!=red", vec!["b", "c"]),
        ("team", vec!["a", "b"]),
        ("!team", vec!["c"]),
        ("team%20in%20(red,blue)", vec!["a", "b"]),
        ("team%20notin%20(red)", vec!["b", "c"]),
    ] {
        let (_, list) = target.get(&format!("{}?labelSelector={selector}", target.path("remediationrequests"))).await?;
        ensure!(names(&list) == expected, "{selector}: {:?}", names(&list));
    }
    let (status, _) = target.get(&format!("{}?labelSelector=a%20b%20c", target.path("remediationrequests"))).await?;
    ensure!(status == 400, "{status}");
    Ok(())
}

pub(crate) async fn declared_fields_select_and_others_are_refused(target: Arc<Target>) -> Result<()> {
    for (name, severity) in [("a", "critical"), ("b", "warning")] {
        let mut object = remediation(name);
        object["spec"]["severity"] = json!(severity);
        object["spec"]["signalFingerprint"] = json!(name.repeat(64));
        target.post(&target.path("remediationrequests"), &object).await?;
    }
    let fingerprint = format!("spec.signalFingerprint={}", "a".repeat(64));
    for (selector, expected) in [
        (fingerprint.as_str(), vec!["a"]),
        ("spec.severity=warning", vec!["b"]),
        ("spec.severity!=warning", vec!["a"]),
        ("metadata.name=a", vec!["a"]),
        ("metadata.name=a,spec.severity=warning", vec![]),
    ] {
        let (_, list) = target.get(&format!("{}?fieldSelector={selector}", target.path("remediationrequests"))).await?;
        ensure!(names(&list) == expected, "{selector}: {list}");
    }
    let (status, failure) =
        target.get(&format!("{}?fieldSelector=spec.signalName=x", target.path("remediationrequests"))).await?;
    ensure!(status == 400 && failure["reason"] == "BadRequest", "{failure}");
    ensure!(text(&failure["message"]).contains("spec.signalName"), "{failure}");
    Ok(())
}
