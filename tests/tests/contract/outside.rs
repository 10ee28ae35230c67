//! Outside of the fence: refused with 501, by name.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::target::{Target, remediation, text};

/// Method, path, accepted and sent media type, body, and the word by which it is refused.
type Refused<'a> = (&'a str, &'a str, (&'a str, &'a str), Value, &'a str);

pub(crate) async fn refused_by_name(target: &Target) -> Result<()> {
    let plain = ("application/json", "application/json");
    let apply = ("application/json", "application/apply-patch+yaml");
    let namespaced = |rest: &str| format!("/api/v1/namespaces/{}/{rest}", target.namespace);
    let path = target.remediation("one");
    let quotas = namespaced("resourcequotas");
    let cases: [Refused<'_>; 6] = [
        ("PATCH", &path, apply, remediation("one"), "server-side apply"),
        ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", plain, json!({}), "token review"),
        (
            "POST",
            "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
            plain,
            json!({}),
            "admission",
        ),
        ("GET", "/apis/apiregistration.k8s.io/v1/apiservices", plain, Value::Null, "aggregation"),
        ("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", plain, converted(), "conversion"),
        ("GET", &quotas, plain, Value::Null, "quota"),
    ];
    let mut wrong = Vec::new();
    for (method, path, media, body, name) in cases {
        let (status, failure) = target.send(method, path, media, &body).await?;
        let message = text(&failure["message"]).to_lowercase();
        if status != 501 || failure["kind"] != "Status" || !message.contains(name) {
            wrong.push(format!("{method} {path}: {status} {failure}; expected 501 that names {name}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// A definition whose versions a webhook converts.
fn converted() -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object"}});
    let url = "https://127.0.0.1:1/convert";
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.test"},
        "spec": {
            "group": "example.test", "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "versions": [
                {"name": "v1", "served": true, "storage": true, "schema": schema},
                {"name": "v2", "served": true, "storage": false, "schema": schema},
            ],
            "conversion": {
                "strategy": "Webhook",
                "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": url}},
            },
        },
    })
}
