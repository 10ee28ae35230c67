//! The cluster that a case runs on, and requests to it.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::{AsyncBufReadExt as _, Stream, StreamExt as _, TryStreamExt as _};
use http::Request;
use kube::Client;
use serde_json::{Value, json};
use trimtab_tests::cluster::{Cluster, ClusterKind};

/// Longest wait for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Path of the group.
pub(crate) const GROUP: &str = "/apis/kubernaut.ai/v1alpha1";

/// A namespace of one case.
pub(crate) struct Target {
    pub(crate) kind: ClusterKind,
    pub(crate) client: Client,
    pub(crate) namespace: String,
}

impl Target {
    pub(crate) async fn new(cluster: &Cluster) -> Result<Self> {
        Ok(Self { kind: cluster.kind(), client: cluster.client()?, namespace: cluster.namespace().await? })
    }

    /// Path of a plural in the namespace of the case.
    pub(crate) fn path(&self, plural: &str) -> String {
        format!("{GROUP}/namespaces/{}/{plural}", self.namespace)
    }

    /// Path of one remediation.
    pub(crate) fn remediation(&self, name: &str) -> String {
        format!("{}/{name}", self.path("remediationrequests"))
    }

    /// Sends a request and returns status and body.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        media: (&str, &str),
        body: &Value,
    ) -> Result<(u16, Value)> {
        let bytes = if body.is_null() { Vec::new() } else { serde_json::to_vec(body)? };
        let request =
            Request::builder().method(method).uri(path).header("accept", media.0).header("content-type", media.1);
        let request = request.body(kube::client::Body::from(bytes))?;
        let answer = self.client.send(request).await.with_context(|| format!("{method} {path}"))?;
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect_bytes().await?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes)))))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<(u16, Value)> {
        self.send("GET", path, ("application/json", "application/json"), &Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        self.send("POST", path, ("application/json", "application/json"), body).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        self.send("PUT", path, ("application/json", "application/json"), body).await
    }

    pub(crate) async fn merge(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        self.send("PATCH", path, ("application/json", "application/merge-patch+json"), body).await
    }

    pub(crate) async fn delete(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        self.send("DELETE", path, ("application/json", "application/json"), body).await
    }

    /// Creates a remediation that must be accepted.
    pub(crate) async fn create(&self, name: &str) -> Result<Value> {
        let (status, made) = self.post(&self.path("remediationrequests"), &remediation(name)).await?;
        ensure!(status == 201, "create {name}: {status} {made}");
        Ok(made)
    }

    /// The events of a watch, one JSON object each.
    pub(crate) async fn watch(&self, path: &str) -> Result<Watch> {
        let request = Request::get(path).body(Vec::new())?;
        let lines = self.client.request_stream(request).await?.lines();
        let events =
            lines.map_err(anyhow::Error::from).and_then(|line| async move { Ok(serde_json::from_str(&line)?) });
        Ok(Watch(events.boxed()))
    }
}

/// A running watch.
pub(crate) struct Watch(std::pin::Pin<Box<dyn Stream<Item = Result<Value>> + Send>>);

impl Watch {
    /// The next event.
    pub(crate) async fn next(&mut self) -> Result<Value> {
        match tokio::time::timeout(PATIENCE, self.0.next()).await {
            Ok(Some(event)) => event,
            Ok(None) => bail!("the watch ended"),
            Err(_) => bail!("no event within {PATIENCE:?}"),
        }
    }

    /// Type and name of the next event.
    pub(crate) async fn next_name(&mut self) -> Result<(String, String)> {
        let event = self.next().await?;
        Ok((text(&event["type"]), text(&event["object"]["metadata"]["name"])))
    }

    /// Reads on until an event is accepted.
    pub(crate) async fn until(&mut self, accept: impl Fn(&Value) -> bool) -> Result<Value> {
        loop {
            let event = self.next().await?;
            if accept(&event) {
                return Ok(event);
            }
        }
    }
}

/// A remediation that every schema accepts.
pub(crate) fn remediation(name: &str) -> Value {
    json!({
        "apiVersion": "kubernaut.ai/v1alpha1", "kind": "RemediationRequest", "metadata": {"name": name},
        "spec": {
            "signalFingerprint": "a".repeat(64), "signalName": "Alert", "severity": "critical", "signalType": "alert",
            "firingTime": "2026-01-01T00:00:00Z", "receivedTime": "2026-01-01T00:00:01Z", "targetType": "kubernetes",
            "targetResource": {"kind": "Deployment", "name": "web"},
        },
    })
}

/// A notification that every schema accepts; its priority and some numbers have defaults.
pub(crate) fn notification(name: &str) -> Value {
    json!({
        "apiVersion": "kubernaut.ai/v1alpha1", "kind": "NotificationRequest", "metadata": {"name": name},
        "spec": {"type": "Simple", "priority": "Low", "subject": "subject", "body": "body"},
    })
}

/// A document whose spec may be changed: an assessment has no rule against it.
pub(crate) fn assessment(name: &str) -> Value {
    let target = json!({"kind": "Deployment", "name": "web"});
    json!({
        "apiVersion": "kubernaut.ai/v1alpha1", "kind": "EffectivenessAssessment", "metadata": {"name": name},
        "spec": {
            "correlationID": "rr", "remediationRequestPhase": "Verifying", "signalTarget": target,
            "remediationTarget": target, "config": {"stabilizationWindow": "5m0s"},
        },
    })
}

/// Text of a member.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Names of the items of a list.
pub(crate) fn names(list: &Value) -> Vec<String> {
    list["items"].as_array().into_iter().flatten().map(|item| text(&item["metadata"]["name"])).collect()
}
