//! The API over HTTP: kubeconfig, token, addresses, graceful stop.

use std::net::SocketAddr;

use crate::common::{PATIENCE, open, refusal, widget, widgets};
use futures::StreamExt as _;
use kube::api::{ListParams, PostParams, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;
use tokio::time::timeout;
use trimtab_embedded_cluster::{ClusterConfig, ClusterError, Listening};

const FREE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A client of the kubeconfig as it is, or with another token and server path.
async fn client(listening: &Listening, other: Option<(&str, &str)>) -> kube::Client {
    let mut text = listening.kubeconfig();
    if let Some((token, path)) = other {
        let start = text.find("token: ").unwrap();
        text.replace_range(start.., &format!("token: {token}\n"));
        let (from, to) = (text.find("/access/").unwrap(), text.find("\ncontexts").unwrap());
        text.replace_range(from..to, path);
    }
    let config = Kubeconfig::from_yaml(&text).unwrap();
    let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.unwrap();
    kube::Client::try_from(config).unwrap()
}

#[tokio::test]
async fn a_client_works_over_http_with_the_kubeconfig() {
    let listening = open(ClusterConfig::default()).listen(FREE).await.unwrap();
    let api = widgets(&client(&listening, None).await);
    api.create(&PostParams::default(), &widget("a", &json!({"colour": "red"}))).await.unwrap();
    assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), 1);
    assert!(client(&listening, None).await.apiserver_version().await.unwrap().git_version.starts_with("v1.36"));
    listening.shutdown().await;
}

#[tokio::test]
async fn a_wrong_token_is_refused() {
    let listening = open(ClusterConfig::default()).listen(FREE).await.unwrap();
    for path in ["", "/access/wrong", "/access/"] {
        let api = widgets(&client(&listening, Some(("wrong", path))).await);
        let (code, reason, _) = refusal(api.list(&ListParams::default()).await);
        assert_eq!((code, reason.as_str()), (401, "Unauthorized"), "{path}");
    }
    let text = listening.kubeconfig();
    let token = text[text.find("token: ").unwrap() + 7..].trim();
    let api = widgets(&client(&listening, Some((token, ""))).await);
    api.list(&ListParams::default()).await.unwrap();
}

#[tokio::test]
async fn only_free_loopback_addresses_are_taken() {
    let cluster = open(ClusterConfig::default());
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    assert!(matches!(cluster.listen(everywhere).await, Err(ClusterError::NotLoopback { .. })));
    let listening = cluster.listen(FREE).await.unwrap();
    let error = cluster.listen(listening.addr).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "listen on {}: the address is in use; choose another with --listen, or omit it for a free port",
            listening.addr
        )
    );
}

#[tokio::test]
async fn shutdown_ends_open_watches() {
    let listening = open(ClusterConfig::default()).listen(FREE).await.unwrap();
    let api = widgets(&client(&listening, None).await);
    let stream = api.watch(&WatchParams::default(), "0").await.unwrap();
    timeout(PATIENCE, listening.shutdown()).await.expect("shutdown does not wait for watches");
    let rest: Vec<_> = timeout(PATIENCE, stream.collect()).await.expect("the watch ends");
    assert!(rest.iter().all(Result::is_ok), "{rest:?}");
}

#[tokio::test]
async fn the_token_is_kept_with_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let config = || ClusterConfig { data: Some(folder.path().to_owned()), ..ClusterConfig::default() };
    let token = async || {
        let cluster = open(config());
        let listening = cluster.listen(FREE).await.unwrap();
        let text = listening.kubeconfig();
        listening.shutdown().await;
        cluster.close();
        text[text.find("token: ").unwrap()..].to_owned()
    };
    let first = token().await;
    assert!(first.len() > 60);
    assert_eq!(first, token().await);
}
