//! `DataStorage` over HTTP: one request, one answer, no repetition.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Client, Method, RequestBuilder, Response, StatusCode, Url, redirect, retry};
use serde_json::Value;
use trimtab_core::ports::Clock;

use super::answer::{Answer, Arrival, Trouble, of_write, retry_after, trouble_of};
use super::inquiry::Question;
use super::report::AttemptResult;
use super::settings::{DeliveryFailure, DeliverySettings};

/// Path of batch writes, below the address.
const BATCH_PATH: &str = "api/v1/audit/events/batch";

/// Path of queries, below the address.
const EVENTS_PATH: &str = "api/v1/audit/events";

/// Path of an object's history, below the address.
const HISTORY_PATH: &str = "api/v1/remediation-history/context";

/// Most bytes of an object's history.
const HISTORY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most bytes that are read of an answer to a write.
const WRITE_ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Events of a page of a query.
const PAGE_EVENTS: usize = 200;

/// Most bytes of such a page: `DataStorage` stores at most 256 KiB of payload an event.
const PAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Most pages of one question.
const PAGES_MAX: usize = 50;

/// Most bytes of a token file.
const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// Longest time for a connection to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a question has no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// It may have one later. `is_reached` says whether the receiver was reached at all.
    Later { trouble: Trouble, is_reached: bool },
    /// It will never have one.
    Never(String),
}

/// The client for one `DataStorage`.
#[derive(Debug)]
pub(super) struct Receiver {
    client: Client,
    batch: Url,
    events: Url,
    history: Url,
    token_file: Option<PathBuf>,
    clock: Arc<dyn Clock>,
}

impl Receiver {
    pub(super) fn new(settings: &DeliverySettings, clock: Arc<dyn Clock>) -> Result<Self, DeliveryFailure> {
        let base = settings.check()?;
        // Without one, building the client would end the process.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(DeliveryFailure::NoCryptography);
        }
        let mut builder = Client::builder()
            .user_agent(concat!("trimtab/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .timeout(settings.request_timeout)
            .connect_timeout(CONNECT_TIMEOUT.min(settings.request_timeout));
        if let Some(path) = &settings.ca_file {
            builder = builder.tls_certs_only(authorities(path)?);
        } else if base.scheme() == "http" {
            // No certificates are needed, and a slim image has none.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|source| DeliveryFailure::Client { source })?;
        let (batch, events) = (below(&base, BATCH_PATH), below(&base, EVENTS_PATH));
        let history = below(&base, HISTORY_PATH);
        Ok(Self { client, batch, events, history, token_file: settings.token_file.clone(), clock })
    }

    /// Sends a JSON array of events.
    pub(super) async fn store(&self, body: Vec<u8>, authorization: Option<HeaderValue>) -> Answer {
        let request = self.request(Method::POST, self.batch.clone(), authorization);
        let request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(body);
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Answer::Failed(lost(&error)),
        };
        let (status, wait) = (response.status(), self.retry_after(&response));
        // The status alone says what became of the events; a body that breaks off takes only words away.
        let body = read(&mut response, WRITE_ANSWER_BYTES_MAX).await.unwrap_or_default();
        of_write(status, wait, &body, &format!("POST {}", self.batch.path()))
    }

    /// Asks for the stored events of a question, page by page.
    pub(super) async fn find(&self, question: &Question) -> Result<Vec<Value>, Unanswered> {
        let (mut rows, mut known) = (Vec::new(), HashSet::new());
        for page in 0..PAGES_MAX {
            let (found, has_more) = self.page(question, page * PAGE_EVENTS).await?;
            let is_empty = found.is_empty();
            // Events that arrive meanwhile push others onto the next page, where they show once more.
            for row in found {
                let id = row["event_id"].as_str().map(str::to_owned);
                if id.is_none_or(|id| known.insert(id)) {
                    rows.push(row);
                }
            }
            if !has_more || is_empty {
                return Ok(rows);
            }
        }
        let most = PAGES_MAX * PAGE_EVENTS;
        Err(Unanswered::Never(format!("{} has more than {most} events within seconds", question.correlation_id)))
    }

    async fn page(&self, question: &Question, offset: usize) -> Result<(Vec<Value>, bool), Unanswered> {
        let mut url = self.events.clone();
        url.query_pairs_mut()
            .append_pair("correlation_id", &question.correlation_id)
            .append_pair("since", &question.since)
            .append_pair("until", &question.until)
            .append_pair("limit", &PAGE_EVENTS.to_string())
            .append_pair("offset", &offset.to_string());
        if let Some(event_type) = &question.event_type {
            url.query_pairs_mut().append_pair("event_type", event_type);
        }
        let later = |trouble, is_reached| Unanswered::Later { trouble, is_reached };
        let authorization = self.authorization().await.map_err(|trouble| later(trouble, false))?;
        let request = self.request(Method::GET, url, authorization);
        let mut response = request.send().await.map_err(|error| later(lost(&error), !error.is_connect()))?;
        let (status, wait) = (response.status(), self.retry_after(&response));
        let body = read(&mut response, PAGE_BYTES_MAX).await.map_err(|trouble| later(trouble, true))?;
        if status != StatusCode::OK {
            let trouble = trouble_of(status, wait, &body, &format!("GET {}", self.events.path()));
            return Err(match status.as_u16() {
                400 | 404 | 405 | 410 | 422 | 501 => Unanswered::Never(trouble.message),
                _ => later(trouble, true),
            });
        }
        let mut page: Value = serde_json::from_slice(&body).map_err(|error| {
            let message = format!("GET {} answers no JSON: {error}", self.events.path());
            later(Trouble::new(AttemptResult::Unexpected, &message, Arrival::Unknown), true)
        })?;
        let has_more = page["pagination"]["has_more"] == true;
        match page["data"].take() {
            Value::Array(found) => Ok((found, has_more)),
            // An empty list is null to some writers of JSON, but only beside its pagination.
            Value::Null if page["pagination"].is_object() => Ok((Vec::new(), false)),
            _ => Err(Unanswered::Never(format!("GET {} answers no page of events", self.events.path()))),
        }
    }

    /// Asks for an object's history.
    pub(super) async fn history(&self, asked: &[(&str, &str)]) -> Result<Value, Trouble> {
        let mut url = self.history.clone();
        url.query_pairs_mut().extend_pairs(asked);
        let authorization = self.authorization().await?;
        let mut response = self.request(Method::GET, url, authorization).send().await.map_err(|error| lost(&error))?;
        let (status, wait) = (response.status(), self.retry_after(&response));
        let body = read(&mut response, HISTORY_BYTES_MAX).await?;
        if status != StatusCode::OK {
            return Err(trouble_of(status, wait, &body, &format!("GET {}", self.history.path())));
        }
        serde_json::from_slice(&body).map_err(|error| {
            let message = format!("GET {} answers no JSON: {error}", self.history.path());
            Trouble::new(AttemptResult::Unexpected, &message, Arrival::No)
        })
    }

    /// The header that lets requests in, where a token is set.
    pub(super) async fn authorization(&self) -> Result<Option<HeaderValue>, Trouble> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let fault = |why: &str| {
            let message = format!("the token file {} cannot be used: {why}", path.display());
            Trouble::new(AttemptResult::Unauthorized, &message, Arrival::No)
        };
        // Tokens are rotated under a running process, and the file is small: it is read for every request.
        let text = tokio::fs::read(path).await.map_err(|error| fault(&error.to_string()))?;
        let token = text.trim_ascii();
        if token.is_empty() || token.len() > TOKEN_BYTES_MAX {
            return Err(fault("it must hold one token of at most 64 KiB"));
        }
        let mut value = HeaderValue::from_bytes(&[b"Bearer ", token].concat())
            .map_err(|_| fault("it holds characters that no token has"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn request(&self, method: Method, url: Url, authorization: Option<HeaderValue>) -> RequestBuilder {
        let request = self.client.request(method, url);
        match authorization {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        }
    }

    fn retry_after(&self, response: &Response) -> Option<Duration> {
        let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
        retry_after(value, self.clock.now())
    }
}

fn authorities(path: &PathBuf) -> Result<Vec<Certificate>, DeliveryFailure> {
    let fault = |why: String| DeliveryFailure::Authorities { path: path.clone(), why };
    let pem = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| fault(causes(&error)))?;
    if certificates.is_empty() { Err(fault("it holds no certificate".to_owned())) } else { Ok(certificates) }
}

fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

/// The body up to a limit of bytes.
async fn read(response: &mut Response, bytes_max: usize) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(&error))? {
        if body.len() + chunk.len() > bytes_max {
            let message = format!("the receiver answers with more than {bytes_max} bytes");
            return Err(Trouble::new(AttemptResult::Unexpected, &message, Arrival::Unknown));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What a request without a whole answer means.
fn lost(error: &reqwest::Error) -> Trouble {
    let (result, arrival) = if error.is_connect() || error.is_builder() {
        (AttemptResult::Unreachable, Arrival::No)
    } else {
        (AttemptResult::AnswerLost, Arrival::Unknown)
    };
    Trouble::new(result, &causes(error), arrival)
}

/// The error and its causes in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        source = cause.source();
    }
    line
}
