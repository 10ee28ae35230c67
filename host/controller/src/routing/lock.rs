//! The lock of an object to be healed: one Lease for each, held by a remediation while it may start an execution.
//!
//! Whoever holds it reads the executions live, decides, and creates; it is given back once the cache shows the
//! execution, or when none came of the decision. A holder that died loses it after [`TERM`]. The name is the peer's, so
//! that the two exclude each other.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::Client;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use trimtab_core::ports::Clock;

use crate::metrics::Metrics;
use crate::wakes::Wakes;
pub(crate) use lease::LeaseFailure;
use lease::{Leases, Taking};

mod keep;
mod lease;

/// How long a Lease holds without being renewed, in seconds.
pub(crate) const TERM_SECONDS: i32 = 30;

/// After this long without a renewal the holder itself does not count on it any more: requests that began before are
/// over well before others may take the lock.
const TRUSTED_MAX: Duration = Duration::from_secs(5);

/// Namespace and name of an object.
pub(crate) type Key = (String, String);

/// Whether the lock could be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hold {
    /// It is this remediation's.
    Ours,
    /// Somebody else's; by uid, empty where that is not known.
    Others(String),
}

/// What the holder remembers while it holds the lock.
#[derive(Debug)]
struct Tenure<N> {
    uid: String,
    lease: k8s_openapi::api::coordination::v1::Lease,
    renewed_at: Instant,
    /// The execution that has been, or is about to be, created.
    execution: Option<Key>,
    /// Whether another process has held it for this remediation, and may still do so.
    is_shared: bool,
    is_ending: bool,
    notes: Option<N>,
}

#[derive(Debug)]
struct State<N> {
    /// By name of the Lease.
    held: HashMap<String, Tenure<N>>,
    /// Who waits for which Lease, by uid.
    waiting: HashMap<String, (String, Key)>,
}

/// The locks of this process. `N` is what a holder notes for the time that it holds one.
pub(crate) struct Locks<N> {
    leases: Leases,
    metrics: Metrics,
    state: Mutex<State<N>>,
    /// Uids whose locks are to be given back: those kept for this execution, or all.
    over: Wakes<(String, Option<Key>)>,
    woken: Arc<Wakes<Key>>,
}

impl<N> std::fmt::Debug for Locks<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Locks").finish_non_exhaustive()
    }
}

/// Who asks for a lock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker<'a> {
    /// Uid of the remediation.
    pub(crate) uid: &'a str,
    /// Its namespace.
    pub(crate) namespace: &'a str,
    /// Its name.
    pub(crate) name: &'a str,
}

/// Name of the Lease of an object.
pub(crate) fn lease_name(target: &str) -> String {
    let digest = Sha256::digest(target.as_bytes());
    digest.iter().take(8).fold("ro-lock-".to_owned(), |name, byte| format!("{name}{byte:02x}"))
}

impl<N: Clone> Locks<N> {
    /// Locks whose Leases are in this namespace. Those who waited for one are pushed to `woken`.
    pub(crate) fn new(
        client: Client,
        namespace: &str,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        woken: Arc<Wakes<Key>>,
    ) -> Self {
        let state = State { held: HashMap::new(), waiting: HashMap::new() };
        let leases = Leases::new(client, namespace, clock);
        Self { leases, metrics, state: Mutex::new(state), over: Wakes::default(), woken }
    }

    /// Takes the lock of an object, or renews it where it is held already. Whoever does not get it is woken when this
    /// process gives it back.
    pub(crate) async fn take(&self, target: &str, asker: Asker<'_>) -> Result<Hold, LeaseFailure> {
        let name = lease_name(target);
        let known = {
            let state = self.lock();
            match state.held.get(&name) {
                Some(tenure) if tenure.uid != asker.uid || tenure.is_ending => Known::Others(tenure.uid.clone()),
                Some(tenure) if tenure.renewed_at.elapsed() < TRUSTED_MAX => Known::Ours,
                Some(tenure) => Known::Aged(Box::new(tenure.lease.clone())),
                None => Known::Nobodys,
            }
        };
        // Taken before the request: the term counts from what is written into the Lease.
        let now = Instant::now();
        let taking = match known {
            Known::Ours => return Ok(Hold::Ours),
            Known::Others(uid) => {
                self.wait(&name, asker);
                return Ok(Hold::Others(uid));
            }
            Known::Aged(lease) => {
                if let Some(lease) = self.leases.renew(*lease).await? {
                    Taking::Renewed(lease)
                } else {
                    // Somebody has taken it over meanwhile: what was noted under it does not hold any more.
                    self.lock().held.remove(&name);
                    self.metrics.target_lock("lost");
                    self.leases.take(&name, target, asker).await?
                }
            }
            Known::Nobodys => self.leases.take(&name, target, asker).await?,
        };
        let is_shared = matches!(taking, Taking::Joined(_));
        let (lease, result) = match taking {
            Taking::Held(holder) => {
                self.metrics.target_lock("held");
                self.wait(&name, asker);
                return Ok(Hold::Others(holder));
            }
            Taking::Renewed(lease) => {
                if let Some(tenure) = self.lock().held.get_mut(&name) {
                    (tenure.lease, tenure.renewed_at) = (lease, now);
                }
                return Ok(Hold::Ours);
            }
            Taking::Taken(lease) | Taking::Joined(lease) => (lease, "taken"),
            Taking::TakenOver(lease) => (lease, "taken_over"),
        };
        self.metrics.target_lock(result);
        let uid = asker.uid.to_owned();
        let tenure = Tenure { uid, lease, renewed_at: now, execution: None, is_shared, is_ending: false, notes: None };
        let mut state = self.lock();
        state.waiting.remove(asker.uid);
        state.held.insert(name, tenure);
        Ok(Hold::Ours)
    }

    /// What the holder has noted under this lock since it took it.
    pub(crate) fn notes(&self, target: &str, uid: &str) -> Option<N> {
        let state = self.lock();
        state.held.get(&lease_name(target)).filter(|tenure| tenure.uid == uid).and_then(|tenure| tenure.notes.clone())
    }

    /// Notes something for as long as the lock is held.
    pub(crate) fn note(&self, target: &str, uid: &str, notes: N) {
        if let Some(tenure) = self.lock().held.get_mut(&lease_name(target)).filter(|tenure| tenure.uid == uid) {
            tenure.notes = Some(notes);
        }
    }

    /// An execution is about to be created under this lock: it is kept until the cache shows it.
    pub(crate) fn starts(&self, target: &str, uid: &str, execution: Key) {
        if let Some(tenure) = self.lock().held.get_mut(&lease_name(target)).filter(|tenure| tenure.uid == uid) {
            // From here on what was noted is no longer all there is.
            (tenure.execution, tenure.notes) = (Some(execution), None);
        }
    }

    /// No execution was created after all.
    pub(crate) fn starts_none(&self, uid: &str) {
        for tenure in self.lock().held.values_mut().filter(|tenure| tenure.uid == uid) {
            tenure.execution = None;
        }
    }

    /// A reconcile is over: gives back what it holds, but for what `is_shown` does not show yet.
    pub(crate) async fn finish(&self, uid: &str, is_shown: impl Fn(&Key) -> bool) {
        let is_over = |tenure: &Tenure<N>| tenure.uid == uid && tenure.execution.as_ref().is_none_or(&is_shown);
        self.give_back(is_over).await;
    }

    /// A watch shows this execution.
    pub(crate) fn shown(&self, execution: &Key) {
        let over: Vec<_> = {
            let state = self.lock();
            if state.held.is_empty() {
                return;
            }
            let holders = state.held.values().filter(|tenure| tenure.execution.as_ref() == Some(execution));
            holders.map(|tenure| (tenure.uid.clone(), Some(execution.clone()))).collect()
        };
        self.over.push(over);
    }

    /// A remediation is gone.
    pub(crate) fn forget(&self, uid: &str) {
        let holds = {
            let mut state = self.lock();
            state.waiting.remove(uid);
            state.held.values().any(|tenure| tenure.uid == uid)
        };
        if holds {
            self.over.push([(uid.to_owned(), None)]);
        }
    }

    fn wait(&self, name: &str, asker: Asker<'_>) {
        let key = (asker.namespace.to_owned(), asker.name.to_owned());
        self.lock().waiting.insert(asker.uid.to_owned(), (name.to_owned(), key));
    }

    /// Gives back every lock that `is_over`.
    async fn give_back(&self, is_over: impl Fn(&Tenure<N>) -> bool) {
        let ending: Vec<_> = {
            let mut state = self.lock();
            let over = state.held.iter_mut().filter(|(_, tenure)| !tenure.is_ending && is_over(tenure));
            over.map(|(name, tenure)| {
                tenure.is_ending = true;
                // Another process may be about to start the execution that this one has not started.
                let ends_by_itself = tenure.is_shared && tenure.execution.is_none();
                (name.clone(), (!ends_by_itself).then(|| tenure.lease.clone()))
            })
            .collect()
        };
        for (name, lease) in ending {
            let result = match lease {
                Some(lease) => self.delete(&lease).await,
                None => "abandoned",
            };
            self.metrics.target_lock(result);
            let woken: BTreeSet<_> = {
                let mut state = self.lock();
                state.held.remove(&name);
                let waiting = state.waiting.values().filter(|(waited, _)| *waited == name);
                let woken = waiting.map(|(_, key)| key.clone()).collect();
                state.waiting.retain(|_, (waited, _)| *waited != name);
                woken
            };
            self.woken.push(woken);
        }
    }

    /// Deletes a Lease; the result is a word for it. One that cannot be deleted now ends by itself; the holder does not
    /// count on it any more.
    async fn delete(&self, lease: &k8s_openapi::api::coordination::v1::Lease) -> &'static str {
        match self.leases.give_back(lease).await {
            Ok(true) => "released",
            Ok(false) => "lost",
            Err(error) => {
                tracing::warn!(%error, "a target's lock could not be given back; it ends within {TERM_SECONDS} s");
                "abandoned"
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<N>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What this process knows of a lock.
enum Known {
    Ours,
    Aged(Box<k8s_openapi::api::coordination::v1::Lease>),
    Others(String),
    Nobodys,
}

#[cfg(test)]
mod tests;
