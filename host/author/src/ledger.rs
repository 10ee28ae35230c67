//! The ledger as the tools read it: opened read-only, remediations found by name, policies named by digest.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use trimtab_core::ports::LedgerFailure;
use trimtab_ledger::BlobKind;
use trimtab_ledger::reader::{LedgerReader, RemediationFilter, StoredEntry, StoredRemediation};
use trimtab_policy_engine::{BUILTIN, Digest, Engine, EngineConfig, Limits, WallClock};

use crate::Surroundings;
use crate::environment::Environment;
use crate::error::AuthorError;

/// Most remediations whose names are compared with one that is not known.
const NAMES_MAX: u32 = 10_000;
/// Most names that are suggested.
const SUGGESTIONS_MAX: usize = 3;
/// Hexadecimal digits of a digest that people are shown.
const DIGITS: usize = 12;

/// A ledger, and what is known of the policies that it names.
#[derive(Debug)]
pub(crate) struct Source {
    reader: LedgerReader,
    engine: EngineConfig,
    loaded: RefCell<Option<Engine>>,
    /// Names and versions by digest; `None` where the component is not known.
    names: RefCell<BTreeMap<String, Option<String>>>,
    environments: RefCell<BTreeMap<String, Option<Arc<Environment>>>>,
}

impl Source {
    /// Opens the ledger of the data folder.
    pub(crate) fn open(surroundings: &Surroundings<'_>) -> Result<Self, AuthorError> {
        let folder = surroundings.data.as_ref().map_err(|why| AuthorError::Input(why.clone()))?;
        let reader = LedgerReader::open(folder).map_err(|failure| AuthorError::Input(failure.to_string()))?;
        Ok(Self {
            reader,
            // Only names are asked for: a slow machine is no reason not to give them.
            engine: EngineConfig { wall_clock: WallClock::Stopped, ..surroundings.engine.clone() },
            loaded: RefCell::new(None),
            names: RefCell::new(BTreeMap::new()),
            environments: RefCell::new(BTreeMap::new()),
        })
    }

    pub(crate) fn reader(&self) -> &LedgerReader {
        &self.reader
    }

    /// Remediations, the latest first.
    pub(crate) fn remediations(&self, filter: &RemediationFilter) -> Result<Vec<StoredRemediation>, AuthorError> {
        self.reader.remediations(filter).map_err(|failure| failed(&failure))
    }

    /// Every entry of a remediation, in the order in which they were recorded.
    pub(crate) fn entries(&self, uid: &str) -> Result<Vec<StoredEntry>, AuthorError> {
        self.reader.decisions(uid).map_err(|failure| failed(&failure))
    }

    /// The bytes behind a digest; the host's own component and the empty config are known without the ledger.
    pub(crate) fn blob(&self, kind: BlobKind, digest: &str) -> Result<Option<Vec<u8>>, AuthorError> {
        let kept = self.reader.blob(kind, digest).map_err(|failure| failed(&failure))?;
        Ok(kept.or_else(|| carried(kind, digest)))
    }

    /// The environment of this digest; `None` where it is not kept or cannot be understood.
    pub(crate) fn environment(&self, digest: &str) -> Result<Option<Arc<Environment>>, AuthorError> {
        if let Some(known) = self.environments.borrow().get(digest) {
            return Ok(known.clone());
        }
        let bytes = self.blob(BlobKind::Environment, digest)?;
        let read = bytes.and_then(|bytes| Environment::parse(&bytes).ok()).map(Arc::new);
        self.environments.borrow_mut().insert(digest.to_owned(), read.clone());
        Ok(read)
    }

    /// Name and version that the component of this digest gives itself; `None` where it is not known.
    pub(crate) fn policy(&self, digest: &str) -> Option<String> {
        if let Some(known) = self.names.borrow().get(digest) {
            return known.clone();
        }
        let name = self.describe(digest);
        self.names.borrow_mut().insert(digest.to_owned(), name.clone());
        name
    }

    fn describe(&self, digest: &str) -> Option<String> {
        let bytes = self.blob(BlobKind::Component, digest).ok().flatten()?;
        let mut loaded = self.loaded.borrow_mut();
        let engine = match &mut *loaded {
            Some(engine) => engine,
            none => none.insert(Engine::new(self.engine.clone()).ok()?),
        };
        // Whatever limits it was run with, it could be loaded.
        let limits =
            Limits { memory_bytes: self.engine.memory_bytes_max.min(Limits::CEILING.memory_bytes), ..Limits::CEILING };
        let component = engine.load(&bytes, limits).ok()?;
        let description = component.description();
        Some(format!("{} {}", description.name, description.version))
    }

    /// The remediation that is meant; what else could have been is told.
    pub(crate) fn find(&self, named: &Named<'_>, tell: &mut dyn FnMut(&str)) -> Result<StoredRemediation, AuthorError> {
        let called = |name: Option<&str>, namespace: Option<&str>| RemediationFilter {
            name: name.map(str::to_owned),
            namespace: namespace.map(str::to_owned),
            ..RemediationFilter::default()
        };
        let mut found = self.remediations(&called(Some(named.name), None))?;
        if found.is_empty() {
            let all = self.remediations(&called(None, None))?;
            match all.into_iter().find(|one| one.uid == named.name) {
                Some(one) => return Ok(one),
                None => return Err(self.unknown(named.name)?),
            }
        }
        let known = found.clone();
        found.retain(|one| named.namespace.is_none_or(|namespace| one.namespace == namespace));
        found.retain(|one| named.uid.is_none_or(|uid| one.uid == uid));
        let Some(latest) = found.first().cloned() else {
            let places: Vec<_> = known.iter().map(|one| format!("{} (uid {})", one.namespace, one.uid)).collect();
            let text = format!("{} is not there; it is in {}", asked(named), places.join(", "));
            return Err(AuthorError::Input(text));
        };
        if let Some(other) = found.iter().find(|one| one.namespace != latest.namespace) {
            let text = format!(
                "several namespaces have a remediation called \"{}\", such as {} and {}: name one with --namespace, or with --uid",
                named.name, latest.namespace, other.namespace
            );
            return Err(AuthorError::Input(text));
        }
        if let Some(earlier) = found.get(1) {
            let others = found.len() - 1;
            tell(&format!(
                "{} was the name of {others} more before; the latest is meant, the one before it is --uid {}",
                named.name, earlier.uid
            ));
        }
        Ok(latest)
    }

    fn unknown(&self, name: &str) -> Result<AuthorError, AuthorError> {
        let filter = RemediationFilter { limit: Some(NAMES_MAX), ..RemediationFilter::default() };
        let mut known: Vec<String> = self.remediations(&filter)?.into_iter().map(|one| one.name).collect();
        let latest = known.first().cloned();
        known.sort();
        known.dedup();
        known.sort_by_cached_key(|other| distance(name, other));
        let nearest = |other: &&String| distance(name, other) <= name.chars().count().div_ceil(2);
        let near: Vec<&str> = known.iter().filter(nearest).take(SUGGESTIONS_MAX).map(String::as_str).collect();
        let hint = match (near.is_empty(), latest) {
            (false, _) => format!("did you mean {}", near.join(", ")),
            (true, Some(latest)) => format!("the latest is {latest}; trimtab history lists them"),
            (true, None) => "the ledger holds none yet".to_owned(),
        };
        Ok(AuthorError::Input(format!("no remediation is called \"{name}\": {hint}")))
    }
}

/// A remediation as a person names it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    /// Name or uid.
    pub(crate) name: &'a str,
    /// Its namespace.
    pub(crate) namespace: Option<&'a str>,
    /// Its uid.
    pub(crate) uid: Option<&'a str>,
}

fn asked(named: &Named<'_>) -> String {
    let place = named.namespace.map_or_else(String::new, |namespace| format!(" in {namespace}"));
    let uid = named.uid.map_or_else(String::new, |uid| format!(" with uid {uid}"));
    format!("a remediation \"{}\"{place}{uid}", named.name)
}

/// A ledger that cannot be read is no fault of the caller's.
pub(crate) fn failed(failure: &LedgerFailure) -> AuthorError {
    AuthorError::Host(failure.to_string())
}

/// What this program itself carries: its default policy, and the config that says nothing.
pub(crate) fn carried(kind: BlobKind, digest: &str) -> Option<Vec<u8>> {
    match kind {
        BlobKind::Component if Digest::of(BUILTIN).to_string() == digest => Some(BUILTIN.to_vec()),
        BlobKind::Config if Digest::of(b"{}").hexadecimal().starts_with(digest) && !digest.is_empty() => {
            Some(b"{}".to_vec())
        }
        BlobKind::Component | BlobKind::Config | BlobKind::Environment => None,
    }
}

/// The first digits of a digest, as people are shown it.
pub(crate) fn short(digest: &str) -> &str {
    let digits = digest.strip_prefix("sha256:").unwrap_or(digest);
    digits.get(..DIGITS).unwrap_or(digits)
}

/// How many characters have to be put in, taken out or replaced.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (place, character) in one.chars().enumerate() {
        let mut diagonal = place;
        let mut left = place + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (known, cell) in other.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(*known != character);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_far_apart_as_they_read() {
        assert_eq!([distance("", "abc"), distance("rr-a", "rr-a"), distance("rr-ab", "rr-b")], [3, 0, 1]);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn what_this_program_carries_needs_no_ledger() {
        let builtin = Digest::of(BUILTIN).to_string();
        assert_eq!(carried(BlobKind::Component, &builtin).map(|bytes| bytes.len()), Some(BUILTIN.len()));
        assert_eq!(carried(BlobKind::Config, "44136fa355b3678a"), Some(b"{}".to_vec()));
        assert_eq!(carried(BlobKind::Config, ""), None);
        assert_eq!(short(&builtin).len(), DIGITS);
    }
}
