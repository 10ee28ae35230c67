//! Brings the components that documents name. What comes over a network is fetched once, and again only where that failed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use trimtab_author::registry;
use trimtab_policy_engine::source::{Credentials, FetchContext, Fetched, Source, fetch};
use trimtab_policy_engine::trust::{TrustRules, Verification};
use trimtab_policy_engine::{BUILTIN, Digest};

use super::documents::{Origin, PolicySpec};
use super::trust::Trust;

/// Wait before something that could not be fetched is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// Longest that one component may take to come: other documents wait for it.
const FETCH_MAX: Duration = Duration::from_secs(20);

/// Namespace of policies that are written as files.
const NAMESPACE: &str = "";

/// A component, and whose it is.
#[derive(Debug, Clone)]
pub(super) struct Component {
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) digest: Digest,
    /// Where it was found, a tag replaced by its digest; empty for the host's own.
    pub(super) resolved: String,
    /// What its signatures say; `None` for the host's own.
    pub(super) verification: Option<Verification>,
}

impl Component {
    /// The host's own.
    pub(super) fn builtin() -> Self {
        let bytes = Arc::new(BUILTIN.to_vec());
        Self { digest: Digest::of(&bytes), bytes, resolved: String::new(), verification: None }
    }
}

/// The bytes follow from the digest.
impl PartialEq for Component {
    fn eq(&self, other: &Self) -> bool {
        (&self.digest, &self.resolved, &self.verification) == (&other.digest, &other.resolved, &other.verification)
    }
}

/// Fetches, and remembers what it has fetched.
#[derive(Debug)]
pub(super) struct Fetching {
    folder: PathBuf,
    rules: TrustRules,
    requires_digest: bool,
    runtime: Handle,
    known: Mutex<BTreeMap<String, Known>>,
}

/// What came of fetching a policy's component, as its spec was then.
#[derive(Debug, Clone)]
struct Known {
    spec: PolicySpec,
    outcome: Result<Component, String>,
    at: Instant,
}

impl Known {
    fn holds(&self, spec: &PolicySpec) -> bool {
        self.spec == *spec && (self.outcome.is_ok() || self.at.elapsed() < RETRY)
    }
}

impl Fetching {
    /// For documents of this folder. Must be made within the runtime that fetches.
    pub(super) fn new(folder: PathBuf, trust: Trust) -> Self {
        let Trust { rules, requires_digest } = trust;
        Self { folder, rules, requires_digest, runtime: Handle::current(), known: Mutex::default() }
    }

    /// The component of a policy; an error is one line. It can take as long as a server takes to answer: keep it off async
    /// workers.
    pub(super) fn component(&self, name: &str, spec: &PolicySpec) -> Result<Component, String> {
        let source = match &spec.source {
            Origin::Builtin => return Ok(Component::builtin()),
            // A file changes without its document: it is read each time.
            Origin::Fetched(source @ Source::File(_)) => return self.fetch(source, spec),
            Origin::Fetched(source) => source,
        };
        let known = self.known().get(name).filter(|known| known.holds(spec)).cloned();
        if let Some(known) = known {
            return known.outcome;
        }
        let outcome = self.fetch(source, spec);
        let known = Known { spec: spec.clone(), outcome: outcome.clone(), at: Instant::now() };
        self.known().insert(name.to_owned(), known);
        outcome
    }

    fn fetch(&self, source: &Source, spec: &PolicySpec) -> Result<Component, String> {
        let credentials = credentials(source)?;
        let context = FetchContext {
            folder: Some(&self.folder),
            component_bytes: spec.limits.component_bytes,
            requires_digest: self.requires_digest,
            ..FetchContext::with(&credentials)
        };
        let fetched = async { tokio::time::timeout(FETCH_MAX, fetch(source, &context)).await };
        let fetched = tokio::task::block_in_place(|| self.runtime.block_on(fetched));
        let late = || format!("it was not there within {} s: the server is too slow", FETCH_MAX.as_secs());
        let fetched = fetched.map_err(|_| late())?.map_err(|error| error.to_string())?;
        let verification = self.rules.judge(&fetched, NAMESPACE).map_err(|fault| fault.to_string())?;
        let Fetched { bytes, digest, resolved, .. } = fetched;
        Ok(Component { bytes: Arc::new(bytes), digest, resolved, verification: Some(verification) })
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Users and passwords, where the source may ask for one.
fn credentials(source: &Source) -> Result<Credentials, String> {
    match source {
        Source::Oci(_) => registry::credentials().map_err(|error| error.to_string()),
        Source::File(_) | Source::Http(_) | Source::ConfigMap(_) => Ok(Credentials::default()),
    }
}
