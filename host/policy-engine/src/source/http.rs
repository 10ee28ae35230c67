//! Requests that cannot hold the host up, fill its memory or lead it elsewhere.

use std::error::Error;
use std::time::Duration;

use reqwest::{Certificate, Client, Response, StatusCode, Url, redirect, retry};

use crate::fault::{cut, one_line};
use crate::source::error::{Peer, SourceError};

/// Longest time for a connection to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence within an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time for a request and its whole answer.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(5);
/// Most bytes that are read of an answer which tells of a failure.
const SAID_BYTES_MAX: u64 = 8 << 10;
/// Most bytes of it that are told.
const SAID_SHOWN_MAX: usize = 200;

/// A client for this address. It follows no redirects: who asks decides on each.
pub(super) fn client(address: &Url, ca_bundle: Option<&str>) -> Result<Client, SourceError> {
    // Without one, building the client would end the process.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let why = "the process has installed no rustls provider".to_owned();
        return Err(SourceError::NoClient { why });
    }
    let mut builder = Client::builder()
        .user_agent(concat!("trimtab/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .timeout(REQUEST_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT);
    if is_loopback(address) {
        builder = builder.no_proxy();
    }
    if let Some(pem) = ca_bundle {
        builder = builder.tls_certs_only(authorities(pem)?);
    } else if address.scheme() == "http" {
        // No certificates are needed, and a slim image has none.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| SourceError::NoClient { why: causes(&error) })
}

fn authorities(pem: &str) -> Result<Vec<Certificate>, SourceError> {
    let refused = |why: &str| SourceError::Invalid {
        why: format!("caBundle {why}: give PEM text with at least one certificate"),
    };
    let certificates =
        Certificate::from_pem_bundle(pem.as_bytes()).map_err(|error| refused(&format!("({})", causes(&error))))?;
    if certificates.is_empty() { Err(refused("holds no certificate")) } else { Ok(certificates) }
}

/// Whether the address is this very machine.
pub(super) fn is_loopback(address: &Url) -> bool {
    let host = address.host_str().unwrap_or_default();
    let number = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || number.parse::<std::net::IpAddr>().is_ok_and(|number| number.is_loopback())
}

/// Whether a request there stays secret: TLS, or no network at all.
pub(super) fn is_private(address: &Url) -> bool {
    address.scheme() == "https" || (address.scheme() == "http" && is_loopback(address))
}

/// Name and port of an address.
pub(super) fn host_of(address: &Url) -> String {
    let host = address.host_str().unwrap_or_default();
    address.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Where an answer sends us, if it does.
pub(super) fn redirect_of(response: &Response) -> Option<Url> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(reqwest::header::LOCATION).filter(|_| is_redirect)?;
    response.url().join(location.to_str().ok()?).ok()
}

/// What a request without an answer means.
pub(super) fn lost(peer: Peer, address: &Url, error: &reqwest::Error) -> SourceError {
    let host = host_of(address);
    match certificate_fault(error) {
        Some(why) => SourceError::Untrusted { host, why },
        None => SourceError::Down { peer, host, why: causes(error) },
    }
}

/// What the TLS of ours said of a certificate, if that was it.
fn certificate_fault(error: &reqwest::Error) -> Option<String> {
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = next {
        if let Some(rustls::Error::InvalidCertificate(fault)) = cause.downcast_ref() {
            return Some(one_line(&format!("{fault}")));
        }
        // An I/O error passes over what it was made of when it is asked for its source.
        let inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    None
}

/// What a status that is no success means.
pub(super) async fn refused(peer: Peer, what: &str, mend: &'static str, response: Response) -> SourceError {
    let (host, status) = (host_of(response.url()), response.status());
    let said = said(response).await;
    let what = what.to_owned();
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => SourceError::Unauthorized { host, what, said, mend },
        StatusCode::NOT_FOUND => SourceError::NotFound {
            what: format!("{what} on {host}"),
            mend: "see whether the name is right and it has been pushed".to_owned(),
        },
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            SourceError::Down { peer, host, why: format!("it answers {what} with {status}") }
        }
        _ if status.is_server_error() => {
            let said = if said.is_empty() { said } else { format!(": {said}") };
            SourceError::Down { peer, host, why: format!("it answers {what} with {status}{said}") }
        }
        _ => SourceError::Refused { host, what, status: status.as_u16(), said },
    }
}

/// The message of a registry's error document, else the beginning of the text.
async fn said(mut response: Response) -> String {
    let body = portion(&mut response, SAID_BYTES_MAX).await.unwrap_or_default();
    let told: Option<String> = serde_json::from_slice::<serde_json::Value>(&body).ok().map(|document| {
        let first = &document["errors"][0];
        let words = [&first["code"], &first["message"], &document["details"], &document["message"]];
        words.into_iter().filter_map(serde_json::Value::as_str).collect::<Vec<_>>().join(": ")
    });
    let text = told.unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned());
    let printable: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    cut(&one_line(&printable), SAID_SHOWN_MAX).to_owned()
}

/// Why no whole body came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// It goes on after what is allowed.
    TooLong,
    /// It ended before its end.
    Early(String),
}

/// The body, of at most so many bytes; no more than that is ever held.
pub(super) async fn portion(response: &mut Response, most: u64) -> Result<Vec<u8>, Cut> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if (body.len() + chunk.len()) as u64 > most => return Err(Cut::TooLong),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => return Err(Cut::Early(causes(&error))),
        }
    }
}

/// The error and its causes in one line, without the address, which may hold a signature.
pub(super) fn causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    // reqwest puts the whole address in front.
    if let Some((before, _)) = line.split_once(" for url (") {
        line = before.to_owned();
    }
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        source = cause.source();
    }
    one_line(&line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Class;

    #[test]
    fn without_cryptography_there_is_no_client_and_no_end_of_the_process() {
        let address = Url::parse("https://example.org").unwrap();
        let error = client(&address, None).unwrap_err();
        assert_eq!((error.reason(), error.class()), ("ClientFailed", Class::Bug));
        assert!(error.to_string().contains("rustls provider"), "{error}");
    }

    #[test]
    fn this_machine_is_told_from_others() {
        let is = |text: &str| is_loopback(&Url::parse(text).unwrap());
        assert!(is("http://127.0.0.1:5000/") && is("http://localhost/") && is("http://[::1]:1/"));
        assert!(is("http://127.1/"), "the parser has written it out");
        assert!(!is("http://localhost.example/") && !is("http://10.0.0.1/") && !is("http://127.0.0.1.example/"));
    }

    #[test]
    fn an_address_never_shows_in_a_cause() {
        let error = std::io::Error::other("error sending request for url (https://a/?key=hidden)");
        assert_eq!(causes(&error), "error sending request");
    }
}
