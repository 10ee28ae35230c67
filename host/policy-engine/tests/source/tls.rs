//! HTTPS: to whom the bundle vouches for, and to nobody else.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use trimtab_policy_engine::source::{
    Credentials, FetchContext, Fetched, HttpSource, OciSource, Source, SourceError, fetch,
};
use trimtab_policy_engine::{BUILTIN, Class};

use crate::http::{server, source};
use crate::support::{pushed, refused, registry};

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
