//! Answers of a `DataStorage` on loopback.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use trimtab_core::observation::Target;

use super::*;
use crate::delivery::Ids;

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000)
    }
}

/// Answers one request, and tells its first line.
async fn answered(
    status: &'static str,
    body: Value,
    question: &HistoryQuestion,
) -> (Result<Vec<HistoryEntry>, HistoryFailure>, String) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let body = body.to_string();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap().lines().next().unwrap().to_owned()
    });
    let settings = DeliverySettings::to(url, Ids::Theirs);
    let history = DataStorageHistory::new(&settings, Arc::new(Still)).unwrap();
    let found = history.entries(question).await;
    if question.current_hash.is_empty() {
        server.abort();
        return (found, String::new());
    }
    (found, server.await.unwrap())
}

fn question(hash: &str, cluster: &str) -> HistoryQuestion {
    HistoryQuestion {
        target: Target {
            kind: "Deployment".into(),
            name: "web".into(),
            namespace: Some("shop".into()),
            api_version: None,
        },
        cluster_id: cluster.into(),
        current_hash: hash.into(),
        hours: 4,
        now: Timestamp::from_millis(1_800_000_000_000),
        remediation: "me".into(),
    }
}

#[tokio::test]
async fn the_chain_of_the_first_tier_is_read_and_what_is_no_entry_is_left_out() {
    let chain = json!([
        {
            "remediationUID": "a", "completedAt": "2026-11-22T08:00:00Z", "actionType": "RestartPod",
            "signalResolved": false, "hashMatch": "preRemediation", "preRemediationSpecHash": "sha256:x",
            "postRemediationSpecHash": "sha256:y", "effectivenessScore": 0.5,
        },
        {"remediationUID": "b", "completedAt": "2026-11-22T09:00:00Z", "signalResolved": null, "hashMatch": "new"},
        {"remediationUID": "me", "completedAt": "2026-11-22T09:00:00Z"},
        {"remediationUID": "c"},
        {"completedAt": "2026-11-22T09:00:00Z"},
    ]);
    let answer = json!({"targetResource": "shop/Deployment/web", "tier1": {"window": "4h0m0s", "chain": chain}});
    let (found, asked) = answered("200 OK", answer, &question("sha256:x", "east")).await;
    let found = found.unwrap();
    assert_eq!(found.iter().map(|entry| entry.remediation.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((found[0].signal_resolved, found[0].hash_match.as_str()), (Some(false), "preRemediation"));
    assert_eq!((found[1].signal_resolved, found[1].hash_match.as_str()), (None, "none"));
    assert_eq!(
        asked,
        "GET /api/v1/remediation-history/context?targetKind=Deployment&targetName=web&targetNamespace=shop&\
         currentSpecHash=sha256%3Ax&tier1Window=4h0m0s&clusterId=east HTTP/1.1"
    );
}

#[tokio::test]
async fn an_empty_history_is_one_and_a_refusal_is_a_failure() {
    let nothing = json!({"tier1": {"chain": null}});
    assert_eq!(answered("200 OK", nothing, &question("sha256:x", "")).await.0, Ok(Vec::new()));
    let (found, _) = answered("500 Internal Server Error", json!({}), &question("sha256:x", "")).await;
    let told = found.unwrap_err().to_string();
    assert!(told.starts_with("the history of shop/Deployment/web cannot be read: "), "{told}");
    assert!(answered("200 OK", json!({}), &question("", "")).await.0.is_err(), "without a hash it is not asked");
}
