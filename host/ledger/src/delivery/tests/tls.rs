//! Delivery over TLS: to a server that the file of authorities vouches for, and to none other.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::support::{World, events, install_cryptography, until_failing};
use crate::delivery::{Drained, Ids};

/// An authority, and a certificate of its for this address.
struct Issued {
    authority: String,
    acceptor: TlsAcceptor,
}

fn issue(name: &str) -> Issued {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    Issued { authority: authority.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) }
}

/// Ends TLS in front of a server, for as long as the runtime lives.
async fn in_front_of(server: SocketAddr, acceptor: TlsAcceptor) -> SocketAddr {
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
    address
}

#[tokio::test]
async fn events_go_over_tls_to_a_server_that_the_authority_vouches_for() {
    install_cryptography();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let mut world = World::new(Ids::Ours, events(5, 2)).await;
    let issued = issue("127.0.0.1");
    std::fs::write(&file, &issued.authority).unwrap();
    let address = in_front_of(world.fake.address(), issued.acceptor).await;
    world.settings.url = format!("https://{address}");
    world.settings.ca_file = Some(file);
    world.drain().await;
    assert_eq!(world.stored(), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_told_nothing() {
    install_cryptography();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    // Another authority than the server's; then the right one, and a certificate for another name.
    let foreign = (issue("127.0.0.1").authority, issue("127.0.0.1").acceptor);
    let misnamed = issue("data-storage.example");
    for (authority, acceptor) in [foreign, (misnamed.authority, misnamed.acceptor)] {
        std::fs::write(&file, authority).unwrap();
        let mut world = World::new(Ids::Ours, events(2, 1)).await;
        let address = in_front_of(world.fake.address(), acceptor).await;
        world.settings.url = format!("https://{address}");
        world.settings.ca_file = Some(file.clone());
        world.settings.drain_limit = std::time::Duration::from_millis(50);
        let delivery = world.delivery();
        let report = delivery.report();
        assert_eq!(delivery.run(until_failing(report)).await, Drained { remaining: Some(2) });
        assert!(world.fake.requests().is_empty());
    }
}
