//! Components from a web server.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, LOCATION};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures::stream::{self, StreamExt as _};
use tokio::net::TcpListener;
use trimtab_policy_engine::source::{Credentials, FetchContext, Fetched, HttpSource, Source, SourceError, fetch};
use trimtab_policy_engine::{BUILTIN, Class, Digest};

use crate::support::{install_cryptography, refused};

pub(crate) fn source(url: String) -> HttpSource {
    HttpSource { url, sha256: Digest::of(BUILTIN), ca_bundle: None, signature: None }
}

async fn download(url: String) -> Result<Fetched, SourceError> {
    let credentials = Credentials::default();
    fetch(&Source::Http(source(url)), &FetchContext::with(&credentials)).await
}

fn redirect(place: String) -> Response {
    (StatusCode::FOUND, [(LOCATION, place)]).into_response()
}

fn pieces(count: usize) -> Body {
    Body::from_stream(stream::iter((0..count).map(|_| Ok::<_, std::io::Error>(vec![0_u8; 1 << 20]))))
}

async fn breaks_off() -> Response {
    // The beginning has to be on its way before the end of it all.
    let end = stream::once(async {
        tokio::task::yield_now().await;
        Err(std::io::Error::other("gone"))
    });
    let broken = stream::iter([Ok(BUILTIN[..100].to_vec())]).chain(end);
    ([(CONTENT_LENGTH, BUILTIN.len().to_string())], Body::from_stream(broken)).into_response()
}

pub(crate) async fn server() -> SocketAddr {
    install_cryptography();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let elsewhere = format!("http://localhost:{}/p.wasm", address.port());
    let router = Router::new()
        .route("/p.wasm", get(|| async { BUILTIN }))
        .route("/other.wasm", get(|| async { "other bytes" }))
        .route("/here", get(|| async { redirect("/p.wasm?token=hidden".to_owned()) }))
        .route("/there", get(move || async move { redirect(elsewhere) }))
        .route("/round", get(|| async { redirect("/round".to_owned()) }))
        .route("/large", get(|| async { vec![0_u8; 65 << 20] }))
        .route("/endless", get(|| async { pieces(66) }))
        .route("/broken", get(breaks_off))
        .route("/busy", get(|| async { (StatusCode::SERVICE_UNAVAILABLE, "come back") }))
        .route("/many", get(|| async { StatusCode::TOO_MANY_REQUESTS }))
        .route("/secret", get(|| async { (StatusCode::FORBIDDEN, "not you") }))
        .route("/teapot", get(|| async { (StatusCode::IM_A_TEAPOT, "short and\nstout") }))
        .route("/part", get(|| async { (StatusCode::PARTIAL_CONTENT, BUILTIN) }));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

#[tokio::test]
async fn a_file_with_the_right_digest_is_brought_also_by_a_redirect_on_its_host() {
    let address = server().await;
    for path in ["p.wasm", "here"] {
        let fetched = download(format!("http://{address}/{path}?key=hidden")).await.unwrap();
        assert_eq!((fetched.bytes.as_slice(), fetched.digest), (BUILTIN, Digest::of(BUILTIN)));
        assert_eq!(fetched.place, format!("http://{address}/{path}"));
    }
}

#[tokio::test]
async fn other_bytes_are_refused() {
    let address = server().await;
    let expected = Digest::of(BUILTIN).to_string();
    refused(download(format!("http://{address}/other.wasm")).await, "DigestMismatch", &[&expected, "/other.wasm"]);
}

#[tokio::test]
async fn no_redirect_to_another_host_and_no_endless_one_is_followed() {
    let address = server().await;
    refused(download(format!("http://{address}/there")).await, "RedirectRefused", &["http://localhost:"]);
    refused(download(format!("http://{address}/round")).await, "RedirectRefused", &["on and on"]);
}

#[tokio::test]
async fn more_than_is_allowed_is_refused_before_and_during_the_download() {
    let address = server().await;
    refused(download(format!("http://{address}/large")).await, "TooLarge", &["68157440 bytes", "67108864 are allowed"]);
    refused(download(format!("http://{address}/endless")).await, "TooLarge", &["more than 67108864 bytes"]);
}

#[tokio::test]
async fn what_passes_is_told_from_what_does_not() {
    let address = server().await;
    let at = |path: &str| download(format!("http://{address}/{path}"));
    let rows = [
        (at("broken").await, "Truncated", Class::Transient, "broke off"),
        (at("busy").await, "ServerDown", Class::Transient, "come back"),
        (at("many").await, "ServerDown", Class::Transient, "429"),
        (at("missing").await, "NotFound", Class::Transient, "/missing"),
        (at("secret").await, "Unauthorized", Class::Permanent, "not you"),
        (at("teapot").await, "Refused", Class::Permanent, "short and stout"),
        (at("part").await, "Refused", Class::Permanent, "206"),
    ];
    for (result, reason, class, word) in rows {
        assert_eq!(result.as_ref().unwrap_err().class(), class, "{reason}");
        refused(result, reason, &[word]);
    }
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let nobody = free.local_addr().unwrap();
    drop(free);
    refused(download(format!("http://{nobody}/p.wasm")).await, "ServerDown", &[&nobody.to_string()]);
}

#[tokio::test]
async fn an_address_that_is_no_https_one_or_has_a_password_is_refused() {
    install_cryptography();
    for url in ["http://example.org/p.wasm", "ftp://127.0.0.1/p", "file:///etc/passwd", "p.wasm"] {
        refused(download(url.to_owned()).await, "SourceInvalid", &["http"]);
    }
    let secret = download("https://ann:hidden@example.org/p.wasm".to_owned()).await;
    assert!(!secret.as_ref().unwrap_err().to_string().contains("hidden"));
    refused(secret, "SourceInvalid", &["user or password"]);
}

#[tokio::test]
async fn an_unusable_bundle_or_signature_is_refused() {
    let address = server().await;
    let credentials = Credentials::default();
    let context = FetchContext::with(&credentials);
    for bundle in ["no pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
        let source = HttpSource { ca_bundle: Some(bundle.to_owned()), ..source(format!("https://{address}/p.wasm")) };
        refused(fetch(&Source::Http(source), &context).await, "SourceInvalid", &["caBundle"]);
    }
    for signature in ["*".to_owned(), "A".repeat(1025)] {
        let source = HttpSource { signature: Some(signature), ..source(format!("http://{address}/p.wasm")) };
        refused(fetch(&Source::Http(source), &context).await, "SourceInvalid", &["signature"]);
    }
}
