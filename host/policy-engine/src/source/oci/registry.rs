//! The client of one repository of a registry: requests, tokens, redirects.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde::Deserialize;

use super::challenge::Challenge;
use super::reference::Reference;
use crate::source::credentials::{Credential, Credentials};
use crate::source::error::{Peer, SourceError};
use crate::source::http::{Cut, client, host_of, is_loopback, is_private, lost, portion, redirect_of, refused};
use crate::source::place::OciSource;

mod blobs;
mod manifests;

/// Most redirects that are followed: registries keep blobs elsewhere.
const REDIRECTS_MAX: usize = 5;
/// Most bytes of a token's document.
const TOKEN_BYTES_MAX: u64 = 64 << 10;

const NO_CREDENTIALS: &str = "give a pullSecret, or log in, with a user who may";
const WRONG_CREDENTIALS: &str = "see whether the user's password is right and whether the user may";
const ONLY_HTTPS: &str = "only https is followed; mend the registry";

/// A client for one repository.
pub(super) struct Registry {
    client: Client,
    /// `https://host/v2/repository/`.
    base: Url,
    place: String,
    credential: Option<Credential>,
    authorization: Option<HeaderValue>,
}

/// One request.
pub(super) struct Ask {
    method: Method,
    url: Url,
    accept: Option<&'static str>,
    content: Option<(&'static str, Vec<u8>)>,
}

impl Ask {
    fn to(method: Method, url: Url) -> Self {
        Self { method, url, accept: None, content: None }
    }

    fn accept(self, media_types: &'static str) -> Self {
        Self { accept: Some(media_types), ..self }
    }

    fn content(self, media_type: &'static str, bytes: Vec<u8>) -> Self {
        Self { content: Some((media_type, bytes)), ..self }
    }
}

impl Registry {
    /// Asks nothing yet.
    pub(super) fn open(
        reference: &Reference,
        source: &OciSource,
        credentials: &Credentials,
    ) -> Result<Self, SourceError> {
        let scheme = if source.plain_http { "http" } else { "https" };
        let text = format!("{scheme}://{}/v2/{}/", reference.host(), reference.repository);
        let base = Url::parse(&text)
            .map_err(|error| SourceError::Invalid { why: format!("{} is no address: {error}", reference.registry) })?;
        if source.plain_http && !is_loopback(&base) {
            let why = format!("plainHttp is for registries on this machine, {} is none: leave it out", host_of(&base));
            return Err(SourceError::Invalid { why });
        }
        let credential = credentials.of(&reference.registry, &reference.repository).cloned();
        let client = client(&base, source.ca_bundle.as_deref())?;
        Ok(Self { client, base, place: reference.place(), credential, authorization: None })
    }

    fn below(&self, path: &str) -> Result<Url, SourceError> {
        self.base.join(path).map_err(|error| SourceError::Invalid { why: format!("{path} is no address: {error}") })
    }

    /// Sends a request; where a token or a password is wanted, once more with it.
    async fn send(&mut self, ask: &Ask) -> Result<Response, SourceError> {
        let first = self.follow(ask).await?;
        if first.status() != StatusCode::UNAUTHORIZED || first.url().origin() != self.base.origin() {
            return Ok(first);
        }
        let Some(challenge) = Challenge::of(first.headers()) else { return Ok(first) };
        let Some(answer) = self.meet(challenge).await?.filter(|answer| self.authorization.as_ref() != Some(answer))
        else {
            return Ok(first);
        };
        self.authorization = Some(answer);
        self.follow(ask).await
    }

    /// Sends a request, and what is only read to where it is kept.
    async fn follow(&self, ask: &Ask) -> Result<Response, SourceError> {
        let mut url = ask.url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let response = self.once(ask, &url).await?;
            let Some(to) = redirect_of(&response).filter(|_| ask.method == Method::GET) else { return Ok(response) };
            if to.scheme() != "https" && to.origin() != self.base.origin() {
                return Err(self.redirected(&to));
            }
            url = to;
        }
        let (from, to) = (host_of(&self.base), format!("{} and on and on", host_of(&url)));
        Err(SourceError::Redirected { from, to, mend: "mend the registry" })
    }

    fn redirected(&self, to: &Url) -> SourceError {
        SourceError::Redirected { from: host_of(&self.base), to: host_of(to), mend: ONLY_HTTPS }
    }

    async fn once(&self, ask: &Ask, url: &Url) -> Result<Response, SourceError> {
        let mut request = self.client.request(ask.method.clone(), url.clone());
        if let Some(media_types) = ask.accept {
            request = request.header(ACCEPT, media_types);
        }
        if let Some((media_type, bytes)) = &ask.content {
            request = request.header(CONTENT_TYPE, *media_type).body(bytes.clone());
        }
        // What lets us into the registry is for the registry alone.
        if let Some(value) = self.authorization.as_ref().filter(|_| url.origin() == self.base.origin()) {
            request = request.header(AUTHORIZATION, value.clone());
        }
        request.send().await.map_err(|error| lost(Peer::Registry, url, &error))
    }

    /// The header that meets a challenge, if there is one.
    async fn meet(&self, challenge: Challenge) -> Result<Option<HeaderValue>, SourceError> {
        match challenge {
            Challenge::Basic => Ok(self.credential.as_ref().and_then(basic)),
            Challenge::Bearer { realm, service, scope } => self.token(&realm, service, scope).await.map(Some),
        }
    }

    async fn token(
        &self,
        realm: &str,
        service: Option<String>,
        scope: Option<String>,
    ) -> Result<HeaderValue, SourceError> {
        let what = "the registry's token service";
        let malformed = |why: String| SourceError::Malformed { what: format!("the answer of {what}"), why };
        let mut url = Url::parse(realm).map_err(|error| malformed(format!("its address is none: {error}")))?;
        if !is_private(&url) || (is_loopback(&url) && !is_loopback(&self.base)) {
            return Err(self.redirected(&url));
        }
        let asked = [("service", service), ("scope", scope)];
        let asked = asked.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)));
        url.query_pairs_mut().extend_pairs(asked);
        let mut request = self.client.get(url.clone());
        if let Some(value) = self.credential.as_ref().and_then(basic) {
            request = request.header(AUTHORIZATION, value);
        }
        let mut response = request.send().await.map_err(|error| lost(Peer::Registry, &url, &error))?;
        if response.status() != StatusCode::OK {
            return Err(self.refused(&format!("a token for {}", self.place), response).await);
        }
        let body = portion(&mut response, TOKEN_BYTES_MAX).await.map_err(|cut| match cut {
            Cut::TooLong => malformed(format!("it has more than {TOKEN_BYTES_MAX} bytes")),
            Cut::Early(why) => SourceError::Truncated { host: host_of(&url), what: "the token".to_owned(), why },
        })?;
        let token = read_token(&body).ok_or_else(|| malformed("it holds no token".to_owned()))?;
        header("Bearer", &token).ok_or_else(|| malformed("its token has characters that none has".to_owned()))
    }

    async fn refused(&self, what: &str, response: Response) -> SourceError {
        let mend = if self.credential.is_some() { WRONG_CREDENTIALS } else { NO_CREDENTIALS };
        refused(Peer::Registry, what, mend, response).await
    }
}

fn read_token(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Document {
        token: Option<String>,
        access_token: Option<String>,
    }
    let document: Document = serde_json::from_slice(body).ok()?;
    document.token.or(document.access_token).filter(|token| !token.is_empty())
}

fn basic(credential: &Credential) -> Option<HeaderValue> {
    header("Basic", &STANDARD.encode(format!("{}:{}", credential.user, credential.password)))
}

fn header(scheme: &str, secret: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("{scheme} {secret}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}
