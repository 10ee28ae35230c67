//! Refusals: status codes, reasons and causes.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use trimtab_tests::scenario::model::merge;

use crate::target::{GROUP, Target, remediation, text};

/// Reason and field of every cause.
fn causes(failure: &Value) -> BTreeSet<(String, String)> {
    let causes = failure["details"]["causes"].as_array();
    causes.into_iter().flatten().map(|cause| (text(&cause["reason"]), text(&cause["field"]))).collect()
}

pub(crate) async fn enums_patterns_and_types_are_validated(target: Arc<Target>) -> Result<()> {
    for (change, reason, field) in [
        (json!({"targetType": "mainframe"}), "FieldValueNotSupported", "spec.targetType"),
        (json!({"signalFingerprint": "XYZ"}), "FieldValueInvalid", "spec.signalFingerprint"),
        (json!({"severity": ""}), "FieldValueInvalid", "spec.severity"),
        (json!({"severity": "x".repeat(51)}), "FieldValueTooLong", "spec.severity"),
        (json!({"severity": null}), "FieldValueRequired", "spec.severity"),
        (json!({"targetResource": {"name": null}}), "FieldValueRequired", "spec.targetResource.name"),
        (json!({"signalName": 5}), "FieldValueTypeInvalid", "spec.signalName"),
        (json!({"firingTime": "noon"}), "FieldValueTypeInvalid", "spec.firingTime"),
    ] {
        let mut object = remediation("bad");
        merge(&mut object, &json!({"spec": change}));
        let (status, failure) = target.post(&target.path("remediationrequests"), &object).await?;
        ensure!(
            status == 422 && failure["reason"] == "Invalid" && failure["code"] == 422,
            "{change}: {status} {failure}"
        );
        ensure!(causes(&failure).contains(&(reason.to_owned(), field.to_owned())), "{change}: {}", failure["details"]);
        let message = text(&failure["message"]);
        ensure!(message.starts_with(r#"RemediationRequest.kubernaut.ai "bad" is invalid: "#), "{message}");
    }
    target.create("good").await?;
    let patch = json!({"status": {"overallPhase": "Dancing"}});
    let (status, failure) = target.merge(&format!("{}/status", target.remediation("good")), &patch).await?;
    let expected = ("FieldValueNotSupported".to_owned(), "status.overallPhase".to_owned());
    ensure!(status == 422 && causes(&failure).contains(&expected), "{failure}");
    let (status, failure) = target.merge(&target.remediation("good"), &json!({"spec": {"severity": "low"}})).await?;
    ensure!(status == 422 && failure["reason"] == "Invalid", "an immutable spec was changed: {failure}");
    Ok(())
}

pub(crate) async fn what_is_missing_and_what_exists_is_told(target: Arc<Target>) -> Result<()> {
    target.create("one").await?;
    let (status, failure) = target.post(&target.path("remediationrequests"), &remediation("one")).await?;
    ensure!(status == 409 && failure["reason"] == "AlreadyExists", "{failure}");
    ensure!(failure["message"] == r#"remediationrequests.kubernaut.ai "one" already exists"#, "{failure}");
    let (status, failure) = target.get(&target.remediation("none")).await?;
    ensure!(status == 404 && failure["reason"] == "NotFound", "{failure}");
    ensure!(failure["message"] == r#"remediationrequests.kubernaut.ai "none" not found"#, "{failure}");
    let lost = format!("{GROUP}/namespaces/nowhere-at-all/remediationrequests");
    let (status, failure) = target.post(&lost, &remediation("one")).await?;
    ensure!(status == 404 && failure["message"] == r#"namespaces "nowhere-at-all" not found"#, "{failure}");
    let (status, _) = target.get(&target.path("nosuchkinds")).await?;
    ensure!(status == 404, "{status}");
    let (status, failure) = target.post(&target.path("remediationrequests"), &remediation("Bad_Name")).await?;
    ensure!(status == 422 && causes(&failure).iter().any(|(_, field)| field == "metadata.name"), "{failure}");
    let mut other = remediation("two");
    other["metadata"]["namespace"] = json!("default");
    let (status, _) = target.post(&target.path("remediationrequests"), &other).await?;
    ensure!(status == 400, "another namespace in the body: {status}");
    Ok(())
}
