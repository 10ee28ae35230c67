//! A component from an HTTPS server, whose digest is known before.

use reqwest::{Client, Response, Url};

use crate::digest::Digest;
use crate::source::context::FetchContext;
use crate::source::error::{Peer, SourceError};
use crate::source::fetched::{Evidence, Fetched};
use crate::source::http::{Cut, client, host_of, is_private, lost, portion, redirect_of, refused};
use crate::source::place::HttpSource;

/// Most redirects that are followed, all on one host.
const REDIRECTS_MAX: usize = 5;

const STAY: &str = "write the address that it leads to, if you trust it";
const SMALLER: &str = "make the component smaller, or raise componentBytes";
const NO_LOGIN: &str = "a server that asks for a password is no source, use oci with a pullSecret";

pub(super) async fn fetch(source: &HttpSource, context: &FetchContext<'_>) -> Result<Fetched, SourceError> {
    let evidence = Evidence::beside(source.signature.as_deref())?;
    let address = address(&source.url)?;
    let client = client(&address, source.ca_bundle.as_deref())?;
    let bytes = download(&client, &address, context.component_bytes).await?;
    let digest = Digest::of(&bytes);
    if digest != source.sha256 {
        let what = format!("the component at {}", shown(&address));
        return Err(SourceError::DigestMismatch { what, expected: source.sha256, found: digest });
    }
    let place = shown(&address);
    Ok(Fetched { bytes, digest, manifest: None, resolved: place.clone(), place, evidence })
}

fn address(text: &str) -> Result<Url, SourceError> {
    let refused = |why: String| Err(SourceError::Invalid { why });
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return refused(format!("the url is none ({error}): write https:// and a host")),
    };
    // A password belongs into no message, so it is refused without being quoted.
    if !url.username().is_empty() || url.password().is_some() {
        return refused(format!("the url of {} has a user or password in it: leave them out", host_of(&url)));
    }
    if !is_private(&url) || !url.has_host() {
        return refused(format!("the url {} is no https one: http goes to this machine only", shown(&url)));
    }
    Ok(url)
}

/// The address as it may be shown: a query may hold a signature.
fn shown(address: &Url) -> String {
    let mut shown = address.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    let _ = shown.set_password(None);
    shown.to_string()
}

async fn download(client: &Client, address: &Url, most: u64) -> Result<Vec<u8>, SourceError> {
    let mut response = answer(client, address).await?;
    let what = shown(address);
    let told = response.content_length().filter(|bytes| *bytes > most);
    let too_large = |bytes| SourceError::TooLarge { what: what.clone(), bytes, most, mend: SMALLER };
    if told.is_some() {
        return Err(too_large(told));
    }
    portion(&mut response, most).await.map_err(|cut| match cut {
        Cut::TooLong => too_large(None),
        Cut::Early(why) => SourceError::Truncated { host: host_of(address), what: "the component".to_owned(), why },
    })
}

/// The answer after redirects, which may not leave the host.
async fn answer(client: &Client, address: &Url) -> Result<Response, SourceError> {
    let mut next = address.clone();
    for _ in 0..=REDIRECTS_MAX {
        let response = client.get(next.clone()).send().await.map_err(|error| lost(Peer::Server, &next, &error))?;
        let Some(to) = redirect_of(&response) else {
            let is_whole = response.status() == reqwest::StatusCode::OK;
            let what = shown(&next);
            return if is_whole { Ok(response) } else { Err(refused(Peer::Server, &what, NO_LOGIN, response).await) };
        };
        if to.origin() != address.origin() {
            return Err(SourceError::Redirected { from: shown(address), to: shown(&to), mend: STAY });
        }
        next = to;
    }
    let to = format!("{} and on and on", shown(&next));
    Err(SourceError::Redirected { from: shown(address), to, mend: STAY })
}
