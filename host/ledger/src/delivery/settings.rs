//! Settings of the delivery, and their bounds.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

/// Most events of a request that may be set.
const BATCH_EVENTS_CEILING: usize = 10_000;

/// Bounds of a request's bytes that may be set.
const BATCH_BYTES: std::ops::RangeInclusive<usize> = 1024..=64 * 1024 * 1024;

/// Longest time that may be set anywhere.
const TIME_CEILING: Duration = Duration::from_hours(1);

/// Whose event ids the receiver keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// Ours: it stores an id once, so a resend is harmless.
    Ours,
    /// Its own, as Kubernaut's `DataStorage`: a resend would be a double, so it is asked first.
    Theirs,
}

/// How audit events reach `DataStorage`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverySettings {
    /// Address of `DataStorage` up to, and without, `/api/v1`.
    pub url: String,
    /// File with the bearer token, read again for every request; none is sent where absent.
    pub token_file: Option<PathBuf>,
    /// PEM file with the only authorities to trust; the machine's where absent.
    pub ca_file: Option<PathBuf>,
    /// Most events of a request, 1 to 10,000. A receiver that takes fewer lowers it by itself.
    pub batch_events_max: usize,
    /// Most bytes of a request with more than one event, 1 KiB to 64 MiB.
    pub batch_bytes_max: usize,
    /// Longest time for a request and its answer.
    pub request_timeout: Duration,
    /// First bound of the wait after a failure; it doubles with each failure in a row.
    pub backoff_min: Duration,
    /// Largest bound of the wait after a failure.
    pub backoff_max: Duration,
    /// Longest wait that the receiver may ask for with `Retry-After`.
    pub retry_after_max: Duration,
    /// How long the delivery goes on after it was told to stop.
    pub drain_limit: Duration,
    /// After so many failed questions whether an event has arrived, it counts as unknowable, and is sent again.
    pub ask_attempts_max: u32,
    /// Whose event ids the receiver keeps.
    pub ids: Ids,
}

impl DeliverySettings {
    /// The defaults for a receiver: 500 events and 1 MiB a request, 30 s for each, waits of 1 s to 30 s, and 30 s to
    /// drain.
    pub fn to(url: impl Into<String>, ids: Ids) -> Self {
        Self {
            url: url.into(),
            token_file: None,
            ca_file: None,
            batch_events_max: 500,
            batch_bytes_max: 1024 * 1024,
            request_timeout: Duration::from_secs(30),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(30),
            retry_after_max: Duration::from_mins(5),
            drain_limit: Duration::from_secs(30),
            ask_attempts_max: 20,
            ids,
        }
    }

    /// Checks every bound and reads the address.
    pub(super) fn check(&self) -> Result<Url, DeliveryFailure> {
        let bound = |name, is_kept, allowed| {
            if is_kept { Ok(()) } else { Err(DeliveryFailure::Bound { name, allowed }) }
        };
        let time = |name, length: Duration, least: Duration| {
            bound(name, (least..=TIME_CEILING).contains(&length), "at most 1 hour, and more than nothing")
        };
        let tick = Duration::from_millis(1);
        bound("batch_events_max", (1..=BATCH_EVENTS_CEILING).contains(&self.batch_events_max), "1 to 10000 events")?;
        bound("batch_bytes_max", BATCH_BYTES.contains(&self.batch_bytes_max), "1024 to 67108864 bytes")?;
        time("request_timeout", self.request_timeout, tick)?;
        time("backoff_min", self.backoff_min, tick)?;
        time("backoff_max", self.backoff_max, tick)?;
        bound("backoff_max", self.backoff_min <= self.backoff_max, "at least backoff_min")?;
        time("retry_after_max", self.retry_after_max, Duration::ZERO)?;
        time("drain_limit", self.drain_limit, Duration::ZERO)?;
        bound("ask_attempts_max", self.ask_attempts_max >= 1, "at least 1 attempt")?;
        address(&self.url)
    }
}

fn address(text: &str) -> Result<Url, DeliveryFailure> {
    let refuse = |why: &str| Err(DeliveryFailure::Address { url: text.to_owned(), why: why.to_owned() });
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return refuse(&error.to_string()),
    };
    // A password belongs into no log line, so it is refused without being quoted.
    if !url.username().is_empty() || url.password().is_some() {
        let why = "it has a user or password in it; use token_file".to_owned();
        return Err(DeliveryFailure::Address { url: url.host_str().unwrap_or_default().to_owned(), why });
    }
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return refuse("it must begin with http:// or https:// and a host");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("it must have no query and no fragment");
    }
    Ok(url)
}

/// Why a delivery cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryFailure {
    /// The address cannot be used.
    #[error("the address of DataStorage \"{url}\" cannot be used: {why}")]
    Address {
        /// As given.
        url: String,
        /// Cause and mend.
        why: String,
    },
    /// A setting is out of bounds.
    #[error("the setting {name} of the delivery must be {allowed}")]
    Bound {
        /// Name of the setting.
        name: &'static str,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The file of authorities cannot be used.
    #[error("the file of authorities {} cannot be used: {why}; give a PEM file with at least one certificate", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Cause.
        why: String,
    },
    /// The process has not chosen its cryptography.
    #[error("the delivery needs a rustls provider that the process installs before")]
    NoCryptography,
    /// The client cannot be built.
    #[error(
        "the client for DataStorage cannot be made: {source}; see whether the machine has certificates, or give a file of them"
    )]
    Client {
        /// Cause.
        #[source]
        source: reqwest::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut DeliverySettings)) -> Result<Url, DeliveryFailure> {
        let mut settings = DeliverySettings::to("http://127.0.0.1:8080", Ids::Theirs);
        change(&mut settings);
        settings.check()
    }

    type Change = fn(&mut DeliverySettings);

    #[test]
    fn the_defaults_pass() {
        assert!(with(|_| {}).is_ok());
        assert!(with(|settings| settings.url = "https://data-storage.example/prefix/".to_owned()).is_ok());
    }

    #[test]
    fn each_bound_is_kept_and_named() {
        let cases: [(&str, Change); 9] = [
            ("batch_events_max", |settings| settings.batch_events_max = 0),
            ("batch_events_max", |settings| settings.batch_events_max = 10_001),
            ("batch_bytes_max", |settings| settings.batch_bytes_max = 1023),
            ("request_timeout", |settings| settings.request_timeout = Duration::ZERO),
            ("backoff_min", |settings| settings.backoff_min = Duration::ZERO),
            ("backoff_max", |settings| settings.backoff_max = Duration::from_millis(1)),
            ("retry_after_max", |settings| settings.retry_after_max = Duration::from_secs(3601)),
            ("drain_limit", |settings| settings.drain_limit = Duration::from_secs(3601)),
            ("ask_attempts_max", |settings| settings.ask_attempts_max = 0),
        ];
        for (name, change) in cases {
            let refused = with(change).unwrap_err().to_string();
            assert!(refused.contains(name), "{name}: {refused}");
        }
    }

    #[test]
    fn an_address_that_cannot_work_is_refused_without_quoting_a_password() {
        for url in ["data-storage:8080", "ftp://a", "http://a?x=1", "http://a#x", "", "http://"] {
            assert!(with(|settings| settings.url = url.to_owned()).is_err(), "{url}");
        }
        let refused = with(|settings| settings.url = "http://me:secret@a".to_owned()).unwrap_err().to_string();
        assert!(!refused.contains("secret") && refused.contains("token_file"), "{refused}");
    }
}
