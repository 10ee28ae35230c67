//! Brings the components that documents name. What comes over a network is fetched once, and again only where that failed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use trimtab_author::registry;
use trimtab_policy_engine::source::{Credentials, FetchContext, OciSource, PullSecret, Reference, Source, fetch};
use trimtab_policy_engine::trust::{TrustRules, Verification};
use trimtab_policy_engine::{BUILTIN, Digest};

use super::cluster::ClusterReader;
use super::documents::{Origin, PolicySpec};
use super::stage::{Refusal, Stage};
use super::trust::Trust;

/// Wait before something that could not be fetched is tried again, and before a `ConfigMap` is read again.
const RETRY: Duration = Duration::from_secs(30);
const CONFIG_MAP_PERIOD: Duration = Duration::from_secs(5);

/// Longest that a component may take to come: other documents wait for it.
const FETCH_MAX: Duration = Duration::from_secs(20);

/// The bytes of a component, and whose they are.
#[derive(Debug, Clone)]
pub(super) struct Fetched {
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) digest: Digest,
    /// Where they were found, a tag replaced by its digest; empty for the host's own.
    pub(super) resolved: String,
    /// What the signatures say; `None` for the host's own.
    pub(super) verification: Option<Verification>,
}

impl Fetched {
    /// The host's own.
    pub(super) fn builtin() -> Self {
        let bytes = Arc::new(BUILTIN.to_vec());
        Self { digest: Digest::of(&bytes), bytes, resolved: String::new(), verification: None }
    }

    pub(super) const fn is_builtin(&self) -> bool {
        self.verification.is_none()
    }
}

/// The bytes follow from the digest.
impl PartialEq for Fetched {
    fn eq(&self, other: &Self) -> bool {
        (&self.digest, &self.resolved, &self.verification) == (&other.digest, &other.resolved, &other.verification)
    }
}

/// Where sources of documents are looked for.
#[derive(Debug)]
pub(super) struct Places {
    /// Folder of file sources; without one there are none.
    pub(super) folder: Option<PathBuf>,
    /// Namespace of the documents: of their `ConfigMap`s and Secrets where they name none.
    pub(super) namespace: String,
    /// Reads `ConfigMap`s and Secrets.
    pub(super) cluster: ClusterReader,
}

/// Fetches, and remembers what it has fetched.
#[derive(Debug, Clone)]
pub(super) struct Fetching(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    places: Places,
    rules: TrustRules,
    requires_digest: bool,
    runtime: Handle,
    known: Mutex<BTreeMap<String, Known>>,
    resolved: Mutex<BTreeMap<String, String>>,
}

/// What came of fetching a policy's component, as its spec was then.
#[derive(Debug, Clone)]
struct Known {
    spec: PolicySpec,
    outcome: Result<Fetched, Refusal>,
    at: Instant,
}

/// What is known of a policy's component without asking.
enum Remembered {
    Nothing,
    /// It holds.
    Fresh(Result<Fetched, Refusal>),
    /// A failure that has perhaps passed: it is tried again, and nobody waits for that.
    Stale(Result<Fetched, Refusal>),
}

impl Fetching {
    /// Must be made within the runtime that fetches.
    pub(super) fn new(places: Places, trust: Trust) -> Self {
        let Trust { rules, requires_digest } = trust;
        let runtime = Handle::current();
        let (known, resolved) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Shared { places, rules, requires_digest, runtime, known, resolved }))
    }

    /// What the tags of policies were found to be, by the names of the policies: they are not looked up again.
    pub(super) fn set_resolved(&self, resolved: BTreeMap<String, String>) {
        *held(&self.0.resolved) = resolved;
    }

    /// What the tag of this policy was found to be.
    pub(super) fn resolved(&self, name: &str) -> Option<String> {
        held(&self.0.resolved).get(name).cloned()
    }

    /// The component of each policy, or why there is none; all of them are fetched at once. `are_new`: somebody has changed
    /// documents, and perhaps what they name. It can take as long as a server takes to answer: keep it off async workers.
    pub(super) fn components(
        &self,
        policies: &BTreeMap<String, PolicySpec>,
        are_new: bool,
    ) -> BTreeMap<String, Result<Fetched, Refusal>> {
        held(&self.0.known).retain(|name, _| policies.contains_key(name));
        let component = async |(name, spec): (&String, &PolicySpec)| {
            let component = self.component(name, spec, are_new).await;
            (name.clone(), component)
        };
        let components = futures::future::join_all(policies.iter().map(component));
        tokio::task::block_in_place(|| self.0.runtime.block_on(components)).into_iter().collect()
    }

    async fn component(&self, name: &str, spec: &PolicySpec, is_asked_anew: bool) -> Result<Fetched, Refusal> {
        let source = match &spec.source {
            Origin::Builtin => return Ok(Fetched::builtin()),
            // A file changes without its document: it is read each time.
            Origin::Fetched(source @ Source::File(_)) => return self.fetch(source, spec, None).await,
            Origin::Fetched(source) => source,
        };
        match self.remembered(name, (spec, source), is_asked_anew) {
            Remembered::Fresh(outcome) => outcome,
            Remembered::Stale(outcome) => {
                let (this, name, spec, source) = (self.clone(), name.to_owned(), spec.clone(), source.clone());
                self.0.runtime.spawn(async move { this.fetch_and_remember(&name, &spec, &source).await });
                outcome
            }
            Remembered::Nothing => self.fetch_and_remember(name, spec, source).await,
        }
    }

    fn remembered(&self, name: &str, (spec, source): (&PolicySpec, &Source), is_asked_anew: bool) -> Remembered {
        let mut all = held(&self.0.known);
        let Some(known) = all.get_mut(name).filter(|known| known.spec == *spec) else { return Remembered::Nothing };
        let age = known.at.elapsed();
        match (&known.outcome, source) {
            // It changes without its document.
            (_, Source::ConfigMap(_)) if age < CONFIG_MAP_PERIOD && !is_asked_anew => {
                Remembered::Fresh(known.outcome.clone())
            }
            (_, Source::ConfigMap(_)) => Remembered::Nothing,
            (Err(_), _) if age >= RETRY => {
                // Nobody else tries meanwhile.
                known.at = Instant::now();
                Remembered::Stale(known.outcome.clone())
            }
            _ => Remembered::Fresh(known.outcome.clone()),
        }
    }

    async fn fetch_and_remember(&self, name: &str, spec: &PolicySpec, source: &Source) -> Result<Fetched, Refusal> {
        let outcome = self.fetch(source, spec, self.resolved(name)).await;
        let known = Known { spec: spec.clone(), outcome: outcome.clone(), at: Instant::now() };
        held(&self.0.known).insert(name.to_owned(), known);
        outcome
    }

    async fn fetch(&self, source: &Source, spec: &PolicySpec, resolved: Option<String>) -> Result<Fetched, Refusal> {
        // Before anything comes: one of them is how many bytes may.
        let checked = spec.limits.check(u64::MAX);
        checked.map_err(|error| Refusal::new(Stage::Fetched, "LimitOutOfBounds", error))?;
        let source = pinned(source, resolved, self.0.requires_digest);
        let fetched = tokio::time::timeout(FETCH_MAX, self.fetched(&source, spec)).await;
        fetched.unwrap_or_else(|_| {
            let late = format!("it was not there within {} s: the server is too slow", FETCH_MAX.as_secs());
            Err(Refusal::new(Stage::Fetched, "Late", late))
        })
    }

    async fn fetched(&self, source: &Source, spec: &PolicySpec) -> Result<Fetched, Refusal> {
        let Places { folder, namespace, cluster } = &self.0.places;
        let credentials = self.credentials(source).await?;
        let context = FetchContext {
            folder: folder.as_deref(),
            config_maps: Some(cluster),
            namespace,
            component_bytes: spec.limits.component_bytes,
            requires_digest: self.0.requires_digest,
            ..FetchContext::with(&credentials)
        };
        let fetched = fetch(source, &context).await;
        let fetched = fetched.map_err(|error| Refusal::new(Stage::Fetched, error.reason(), error))?;
        let verification = self.0.rules.judge(&fetched, namespace);
        let verification = verification.map_err(|fault| Refusal::new(Stage::Verified, fault.reason(), fault))?;
        let (digest, resolved) = (fetched.digest, fetched.resolved);
        Ok(Fetched { bytes: Arc::new(fetched.bytes), digest, resolved, verification: Some(verification) })
    }

    /// Users and passwords, where the source may ask for one.
    async fn credentials(&self, source: &Source) -> Result<Credentials, Refusal> {
        let Source::Oci(source) = source else { return Ok(Credentials::default()) };
        let unusable = |error: &dyn std::fmt::Display| Refusal::new(Stage::Fetched, "PullSecretUnusable", error);
        let Some(PullSecret { name, namespace }) = &source.pull_secret else {
            return registry::credentials().map_err(|error| unusable(&error));
        };
        let namespace = namespace.as_ref().unwrap_or(&self.0.places.namespace);
        let text = self.0.places.cluster.docker_config(namespace, name).await.map_err(|fault| unusable(&fault))?;
        Credentials::from_docker_config(&text)
            .map_err(|error| unusable(&format!("the Secret {namespace}/{name}: {error}")))
    }
}

/// The source by the digest that its tag was found to have; as it is where it has none, or where tags are not let in.
fn pinned(source: &Source, resolved: Option<String>, requires_digest: bool) -> Source {
    let (Source::Oci(oci), Some(resolved)) = (source, resolved) else { return source.clone() };
    let place = |reference: &str| Some((reference.parse::<Reference>().ok()?.place(), reference.contains('@')));
    match (place(&oci.reference), place(&resolved)) {
        (Some((wanted, false)), Some((found, true))) if wanted == found && !requires_digest => {
            Source::Oci(OciSource { reference: resolved, ..oci.clone() })
        }
        _ => source.clone(),
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
