//! HTTPS: to whom the bundle vouches for, and to nobody else.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::routing::get;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use trimtab_fake_registry::{Door, Fault};
use trimtab_policy_engine::source::{
    ComponentNote, Credential, Credentials, FetchContext, Fetched, HttpSource, OciSource, Source, SourceError, fetch,
    push,
};
use trimtab_policy_engine::{BUILTIN, Class};

use crate::http::{server, source};
use crate::support::{behind, pushed, refused, registry};

/// Ends TLS in front of a server, for as long as the runtime lives; its address, and the authority that vouches for it.
async fn in_front_of(server: SocketAddr) -> (SocketAddr, String) {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust us goes away in the middle.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut behind = TcpStream::connect(server).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
            });
        }
    });
    (address, authority.pem())
}

async fn bring(source: Source) -> Result<Fetched, SourceError> {
    let credentials = Credentials::default();
    fetch(&source, &FetchContext::with(&credentials)).await
}

#[tokio::test]
async fn a_server_and_a_registry_are_reached_where_the_bundle_vouches_for_them() {
    let (address, authority) = in_front_of(server().await).await;
    let http = HttpSource { ca_bundle: Some(authority), ..source(format!("https://{address}/p.wasm")) };
    assert_eq!(bring(Source::Http(http)).await.unwrap().bytes, BUILTIN);
    let behind = registry().await;
    pushed(&behind).await;
    let (address, authority) = in_front_of(behind.address()).await;
    let oci = OciSource { ca_bundle: Some(authority), ..OciSource::of(format!("{address}/policies/p:1")) };
    assert_eq!(bring(Source::Oci(oci)).await.unwrap().bytes, BUILTIN);
}

#[tokio::test]
async fn nobody_else_is_trusted() {
    let server = server().await;
    let ((address, _), (_, foreign)) = (in_front_of(server).await, in_front_of(server).await);
    let http = HttpSource { ca_bundle: Some(foreign.clone()), ..source(format!("https://{address}/p.wasm")) };
    let untrusted = bring(Source::Http(http)).await;
    assert_eq!(untrusted.as_ref().unwrap_err().class(), Class::Permanent);
    refused(untrusted, "CertificateUntrusted", &[&address.to_string(), "caBundle"]);
    let oci = OciSource { ca_bundle: Some(foreign), ..OciSource::of(format!("{address}/policies/p:1")) };
    refused(bring(Source::Oci(oci)).await, "CertificateUntrusted", &[&address.to_string()]);
}

/// A server that keeps what lets a client in, if a client sends it.
async fn storage(seen: Arc<Mutex<Vec<bool>>>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let give = move |headers: HeaderMap| async move {
        seen.lock().unwrap().push(headers.contains_key(AUTHORIZATION));
        BUILTIN
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/blob", get(give))).await.unwrap() });
    address
}

#[tokio::test]
async fn a_blob_is_brought_from_another_server_which_never_sees_our_password() {
    let registry = behind(Door::Basic("ann".into(), "open".into())).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (front, authority) = in_front_of(registry.address()).await;
    let (store, other) = in_front_of(storage(Arc::clone(&seen)).await).await;
    let target = OciSource { ca_bundle: Some(authority + &other), ..OciSource::of(format!("{front}/policies/p:1")) };
    let credential = Credential { user: "ann".to_owned(), password: "open".to_owned() };
    let credentials = Credentials::default().and(&front.to_string(), credential);
    push(&target, &credentials, BUILTIN, &ComponentNote::default()).await.unwrap();
    registry.fail(Fault::BlobElsewhere(format!("https://{store}/blob")));
    let fetched = fetch(&Source::Oci(target), &FetchContext::with(&credentials)).await.unwrap();
    assert_eq!(fetched.bytes, BUILTIN);
    assert_eq!(*seen.lock().unwrap(), [false]);
}
