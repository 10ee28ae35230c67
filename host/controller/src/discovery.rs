//! What the API server serves: where the objects of any kind are, and which of our own kinds cannot be read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use kube::core::ApiResource;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use trimtab_api::Kind;
use trimtab_api::kinds::{API_VERSION, GROUP};
use trimtab_core::observation::{Absence, MissingKind};

use crate::cluster::REQUEST_TIMEOUT;
use crate::errors::{ErrorClass, watch_answer};
use served::Served;

mod served;

/// How often is looked for a kind that is missing.
const LOOK_PERIOD: Duration = Duration::from_secs(2);

/// The shortest time between two looks for kinds that are none of ours.
const RESOLVE_PERIOD: Duration = Duration::from_secs(10);

/// Versions of a group that are looked into for a kind that v1alpha1 lacks.
const VERSIONS_MAX: usize = 8;

/// The kinds that a remediation reads besides itself.
const NEEDED: [Kind; 7] = [
    Kind::SignalProcessing,
    Kind::AIAnalysis,
    Kind::RemediationApprovalRequest,
    Kind::WorkflowExecution,
    Kind::EffectivenessAssessment,
    Kind::NotificationRequest,
    Kind::RemediationWorkflow,
];

/// Why it is not known what is served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscoveryError {
    /// The API server did not say.
    #[error("cannot discover what the API server serves: {0}")]
    Request(#[source] Box<kube::Error>),
    /// It did not answer in time.
    #[error("cannot discover what the API server serves: no answer within 10 s")]
    Late,
    /// It answered in a form of before Kubernetes 1.30.
    #[error("cannot discover what the API server serves: it has no aggregated discovery, so it is older than 1.30")]
    TooOld,
}

/// Where the objects of a kind are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) resource: ApiResource,
    pub(crate) is_namespaced: bool,
}

/// Why one of our kinds cannot be read, by who has found out.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Absences {
    /// By a look at what is served.
    unserved: BTreeMap<Kind, Absence>,
    /// By a watch of a namespace (empty for that of all): the answer that refused it.
    unwatched: BTreeMap<(Kind, String), String>,
    /// By a read in a namespace: the answer that refused it.
    unread: BTreeMap<(Kind, String), String>,
}

/// Knows what is served, as far as it was asked for.
pub(crate) struct Discovery {
    client: Client,
    absences: Mutex<Absences>,
    served: tokio::sync::Mutex<Option<(Instant, Arc<Served>)>>,
    suspected: Notify,
    changes: watch::Sender<u64>,
}

impl std::fmt::Debug for Discovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Discovery").field("absences", &self.absences).finish_non_exhaustive()
    }
}

impl Discovery {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            absences: Mutex::default(),
            served: tokio::sync::Mutex::default(),
            suspected: Notify::new(),
            changes: watch::channel(0).0,
        }
    }

    /// Changes whenever another kind cannot be read, or can be again.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The kinds that cannot be read in a namespace, as far as is known.
    pub(crate) fn missing(&self, namespace: &str) -> Vec<MissingKind> {
        let absences = self.absences.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = |kind: &Kind| {
            let (here, everywhere) = ((*kind, namespace.to_owned()), (*kind, String::new()));
            let watched = || absences.unwatched.get(&here).or_else(|| absences.unwatched.get(&everywhere));
            absences.unread.get(&here).or_else(watched)
        };
        let absence = |kind: Kind| {
            let unserved = absences.unserved.get(&kind).cloned();
            let absence = unserved.or_else(|| refused(&kind).cloned().map(Absence::Forbidden))?;
            let definition = format!("{}.{GROUP}", kind.plural());
            Some(MissingKind { kind: kind.kind().to_owned(), definition, absence })
        };
        NEEDED.into_iter().filter_map(absence).collect()
    }

    /// Hears what broke the watch of a namespace, or of all where it is empty.
    pub(crate) fn watch_failed(&self, kind: Kind, namespace: &str, error: &kube_runtime::watcher::Error) {
        match watch_answer(error).map(|status| (ErrorClass::of(status), status)) {
            Some((ErrorClass::NotFound, _)) => self.suspected.notify_one(),
            Some((ErrorClass::Forbidden, status)) => self.update(|absences| {
                // The first answer stays: those of a list and of a watch differ by a word.
                absences.unwatched.entry((kind, namespace.to_owned())).or_insert_with(|| status.message.clone());
            }),
            _ => {}
        }
    }

    /// Hears that the watch of a namespace, or of all where it is empty, tells of objects.
    pub(crate) fn watch_works(&self, kind: Kind, namespace: &str) {
        self.update(|absences| {
            absences.unwatched.remove(&(kind, namespace.to_owned()));
        });
    }

    /// Whether the last live read of this kind in a namespace was refused.
    pub(crate) fn is_unread(&self, kind: Kind, namespace: &str) -> bool {
        let absences = self.absences.lock().unwrap_or_else(PoisonError::into_inner);
        // Almost always nothing is noted, and then no key need be made.
        !absences.unread.is_empty() && absences.unread.contains_key(&(kind, namespace.to_owned()))
    }

    /// Hears how a live read of this kind in a namespace went: the answer that refused it, or nothing.
    pub(crate) fn read(&self, kind: Kind, namespace: &str, refused: Option<String>) {
        let place = (kind, namespace.to_owned());
        self.update(|absences| match refused {
            Some(answer) => {
                // The first answer stays: each names the object that was asked for.
                absences.unread.entry(place).or_insert(answer);
            }
            None => {
                absences.unread.remove(&place);
            }
        });
    }

    fn update(&self, change: impl FnOnce(&mut Absences)) {
        let mut absences = self.absences.lock().unwrap_or_else(PoisonError::into_inner);
        let before = absences.clone();
        change(&mut absences);
        if before != *absences {
            tracing::info!(?before, now = ?*absences, "the kinds that cannot be read have changed");
            drop(absences);
            self.changes.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Looks which of our kinds are served now.
    ///
    /// A kind whose definition is being deleted counts as missing: its objects go with it, and are not gone for any
    /// other reason.
    pub(crate) async fn look(&self) -> Result<(), DiscoveryError> {
        let served = served::kinds_of(&self.client, API_VERSION).await?;
        let lacks = |kind: &Kind| !served.contains(kind.plural());
        let lacking: Vec<_> = NEEDED.into_iter().filter(lacks).collect();
        let mut unserved = BTreeMap::new();
        if !lacking.is_empty() {
            let mut versions = served::versions_of(&self.client, GROUP).await?;
            versions.retain(|version| format!("{GROUP}/{version}") != API_VERSION);
            versions.truncate(VERSIONS_MAX);
            let mut others: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
            for version in versions {
                let known = served::kinds_of(&self.client, &format!("{GROUP}/{version}")).await?;
                for kind in lacking.iter().filter(|kind| known.contains(kind.plural())) {
                    others.entry(*kind).or_default().push(version.clone());
                }
            }
            unserved.extend(
                lacking
                    .into_iter()
                    .map(|kind| (kind, others.remove(&kind).map_or(Absence::NotServed, Absence::OtherVersions))),
            );
        }
        self.update(|absences| absences.unserved = unserved);
        Ok(())
    }

    /// Looks whenever a watch could not find its kind, and on until every kind is there; for ever.
    pub(crate) async fn keep_looking(&self) {
        loop {
            self.suspected.notified().await;
            loop {
                if let Err(error) = self.look().await {
                    tracing::warn!(%error, "it is not known which kinds are served");
                } else if self.is_complete() {
                    break;
                }
                tokio::time::sleep(LOOK_PERIOD).await;
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.absences.lock().unwrap_or_else(PoisonError::into_inner).unserved.is_empty()
    }

    /// Where the objects of a kind are: in the version that is asked for where that is served, else where most would
    /// look. `None` where there is no such kind.
    pub(crate) async fn resolve(&self, kind: &str, api_version: Option<&str>) -> Result<Option<Place>, DiscoveryError> {
        let mut known = self.served.lock().await;
        if let Some((at, served)) = &*known {
            let found = served.find(kind, api_version);
            if found.is_some() || at.elapsed() < RESOLVE_PERIOD {
                return Ok(found);
            }
        }
        let served = Arc::new(Served::ask(&self.client).await?);
        let found = served.find(kind, api_version);
        *known = Some((Instant::now(), served));
        Ok(found)
    }
}

/// Waits for an answer about what is served.
async fn within<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, DiscoveryError> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(|error| DiscoveryError::Request(Box::new(error))),
        Err(_) => Err(DiscoveryError::Late),
    }
}

#[cfg(test)]
mod tests;
