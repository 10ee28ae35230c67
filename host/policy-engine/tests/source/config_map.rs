//! Components from a `ConfigMap`, through the port.

use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::pin::Pin;

use trimtab_policy_engine::source::{
    ConfigMapFault, ConfigMapSource, ConfigMaps, Credentials, Entries, FetchContext, Fetched, Source, SourceError,
    fetch,
};
use trimtab_policy_engine::{BUILTIN, Class};

use crate::support::refused;

/// A cluster with one `ConfigMap`, `policies/p`.
struct Cluster(Result<Entries, ConfigMapFault>);

impl ConfigMaps for Cluster {
    fn entries<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Entries, ConfigMapFault>> + Send + 'a>> {
        let is_there = (namespace, name) == ("policies", "p");
        Box::pin(ready(if is_there { self.0.clone() } else { Err(ConfigMapFault::Missing) }))
    }
}

fn holding(entries: &[(&str, &[u8])]) -> Cluster {
    let entries = entries.iter().map(|(key, value)| ((*key).to_owned(), value.to_vec()));
    Cluster(Ok(entries.collect::<BTreeMap<_, _>>()))
}

async fn read(cluster: &Cluster, namespace: Option<&str>) -> Result<Fetched, SourceError> {
    let credentials = Credentials::default();
    let context =
        FetchContext { config_maps: Some(cluster), namespace: "policies", ..FetchContext::with(&credentials) };
    fetch(&source(namespace), &context).await
}

fn source(namespace: Option<&str>) -> Source {
    let (namespace, name, key) = (namespace.map(str::to_owned), "p".to_owned(), "p.wasm".to_owned());
    Source::ConfigMap(ConfigMapSource { namespace, name, key, signature: None })
}

#[tokio::test]
async fn a_key_is_read_wherever_the_namespace_comes_from() {
    let cluster = holding(&[("p.wasm", BUILTIN), ("README", b"text")]);
    for namespace in [None, Some("policies")] {
        let fetched = read(&cluster, namespace).await.unwrap();
        assert_eq!((fetched.bytes.as_slice(), fetched.place.as_str()), (BUILTIN, "configMap/policies/p/p.wasm"));
    }
}

#[tokio::test]
async fn a_large_one_is_refused_and_other_sources_are_named() {
    let filling = vec![0; (900 << 10) - BUILTIN.len() + 1];
    let cluster = holding(&[("p.wasm", BUILTIN), ("filling", &filling)]);
    refused(read(&cluster, None).await, "TooLarge", &["921601 bytes", "921600 are allowed", "use oci, http or file"]);
    let whole = holding(&[("p.wasm", BUILTIN), ("filling", &filling[1..])]);
    assert_eq!(read(&whole, None).await.unwrap().bytes, BUILTIN);
    let credentials = Credentials::default();
    let small = FetchContext {
        config_maps: Some(&whole),
        namespace: "policies",
        component_bytes: 10,
        ..FetchContext::with(&credentials)
    };
    refused(fetch(&source(None), &small).await, "TooLarge", &["the key p.wasm", "componentBytes"]);
}

#[tokio::test]
async fn half_a_config_map_is_told_so() {
    let keyless = holding(&[("other.wasm", BUILTIN)]);
    refused(read(&keyless, None).await, "NotFound", &["the key p.wasm of the ConfigMap policies/p", "other.wasm"]);
    refused(read(&holding(&[]), None).await, "NotFound", &["it holds nothing"]);
    let half = holding(&[("p.wasm", &BUILTIN[..BUILTIN.len() / 2])]);
    refused(read(&half, None).await, "ComponentIncomplete", &["no whole component", "--from-file=p.wasm"]);
    for bytes in [b"AGFzbQ==".as_slice(), b"", b"\0as"] {
        refused(read(&holding(&[("p.wasm", bytes)]), None).await, "ComponentIncomplete", &["do not begin"]);
    }
}

#[tokio::test]
async fn what_the_cluster_says_is_told_apart() {
    let cluster = Cluster(Err(ConfigMapFault::Forbidden("no get".to_owned())));
    refused(read(&cluster, None).await, "Unauthorized", &["ConfigMap policies/p", "no get", "service account"]);
    let down = read(&Cluster(Err(ConfigMapFault::Unreachable("refused\nconnection".to_owned()))), None).await;
    assert_eq!(down.as_ref().unwrap_err().class(), Class::Transient);
    refused(down, "ClusterDown", &["refused connection"]);
    refused(read(&holding(&[]), Some("other")).await, "NotFound", &["other/p"]);
    let credentials = Credentials::default();
    let nowhere = FetchContext::with(&credentials);
    refused(fetch(&source(None), &nowhere).await, "SourceUnsupported", &["ConfigMaps", "file, http or oci"]);
}
