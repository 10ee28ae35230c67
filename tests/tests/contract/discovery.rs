//! Discovery, `OpenAPI` and tables.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use trimtab_api::Kind;

use crate::target::{GROUP, PATIENCE, Target, text};

pub(crate) async fn groups_and_kinds_are_discovered(target: Arc<Target>) -> Result<()> {
    let (_, groups) = target.get("/apis").await?;
    let known = groups["groups"].as_array().context("no groups")?;
    for wanted in ["kubernaut.ai", "coordination.k8s.io", "events.k8s.io", "apiextensions.k8s.io"] {
        ensure!(known.iter().any(|group| group["name"] == wanted), "{wanted} is not discovered");
    }
    let (_, list) = target.get(GROUP).await?;
    for kind in Kind::ALL {
        let found = list["resources"].as_array().context("no resources")?;
        let resource =
            found.iter().find(|one| one["name"] == kind.plural()).with_context(|| kind.plural().to_owned())?;
        ensure!(resource["kind"] == kind.kind() && resource["namespaced"] == true, "{resource}");
        let verbs: BTreeSet<_> = resource["verbs"].as_array().into_iter().flatten().map(text).collect();
        for verb in ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"] {
            ensure!(verbs.contains(verb), "{kind} has no verb {verb}");
        }
        ensure!(
            found.iter().any(|one| one["name"] == format!("{}/status", kind.plural()).as_str()),
            "{kind} has no status"
        );
    }
    let (status, version) = target.get("/version").await?;
    ensure!(status == 200 && version["major"] == "1", "{version}");
    for page in ["/healthz", "/livez", "/readyz"] {
        ensure!(target.get(page).await?.0 == 200, "{page}");
    }
    Ok(())
}

pub(crate) async fn the_kinds_are_described(target: Arc<Target>) -> Result<()> {
    // The real server publishes each kind some time after it serves it, and the group with the first of them.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    loop {
        ticks.tick().await;
        match undescribed(&target).await? {
            None => return Ok(()),
            Some(missing) => ensure!(tokio::time::Instant::now() < deadline, "{missing} after {PATIENCE:?}"),
        }
    }
}

/// What the published document still lacks.
async fn undescribed(target: &Target) -> Result<Option<String>> {
    let (_, index) = target.get("/openapi/v3").await?;
    if !index["paths"]["apis/kubernaut.ai/v1alpha1"]["serverRelativeURL"].is_string() {
        return Ok(Some("the group is not in the index".to_owned()));
    }
    let (status, document) = target.get("/openapi/v3/apis/kubernaut.ai/v1alpha1").await?;
    ensure!(status == 200, "{status}");
    let schemas = document["components"]["schemas"].as_object().context("no schemas")?;
    for kind in Kind::ALL {
        let is_it = |schema: &&Value| {
            schema["x-kubernetes-group-version-kind"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|gvk| gvk["kind"] == kind.kind())
        };
        let Some(schema) = schemas.values().find(is_it) else {
            return Ok(Some(format!("{kind} is not described")));
        };
        ensure!(schema["properties"]["spec"].is_object(), "{kind}");
    }
    Ok(None)
}

pub(crate) async fn a_table_has_the_printer_columns(target: Arc<Target>) -> Result<()> {
    target.create("shown").await?;
    target
        .merge(
            &format!("{}/status", target.remediation("shown")),
            &serde_json::json!({"status": {"overallPhase": "Analyzing"}}),
        )
        .await?;
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let (_, table) =
        target.send("GET", &target.path("remediationrequests"), (accept, "application/json"), &Value::Null).await?;
    ensure!(table["kind"] == "Table", "{table}");
    let columns = table["columnDefinitions"].as_array().context("no columns")?;
    let names: Vec<_> = columns.iter().map(|column| text(&column["name"])).collect();
    for wanted in ["Name", "Phase", "Outcome", "Alert", "Age", "Cluster"] {
        ensure!(names.iter().any(|name| name == wanted), "{wanted} is not in {names:?}");
    }
    let priority = |name: &str| columns.iter().find(|one| one["name"] == name).and_then(|one| one["priority"].as_i64());
    ensure!(priority("Phase") == Some(0) && priority("Cluster") == Some(1), "priorities {columns:?}");
    let phase = names.iter().position(|name| name == "Phase").context("no Phase")?;
    ensure!(
        table["rows"][0]["cells"][0] == "shown" && table["rows"][0]["cells"][phase] == "Analyzing",
        "{}",
        table["rows"]
    );
    ensure!(table["rows"][0]["object"]["kind"] == "PartialObjectMetadata", "{}", table["rows"]);
    Ok(())
}
