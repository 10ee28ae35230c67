//! The Leases behind the locks, one request at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, PostParams, Preconditions};
use kube::core::Status;
use trimtab_core::ports::Clock;
use trimtab_core::time::{Span, Timestamp};

use super::{Asker, TERM_SECONDS};
use crate::cluster::{FIELD_MANAGER, REQUEST_TIMEOUT};

/// Says of a Lease that it is a lock of ours.
const LABEL: (&str, &str) = ("app.kubernetes.io/managed-by", "trimtab");

/// Says for a person what is locked.
const TARGET_ANNOTATION: &str = "trimtab.dev/target";

/// Says for a person who holds it.
const REMEDIATION_ANNOTATION: &str = "trimtab.dev/remediation";

/// Most times that others may be faster before the lock counts as theirs.
const TRIES_MAX: usize = 3;

/// Most Leases that are looked at in one sweep.
const SWEPT_MAX: u32 = 500;

/// Why a Lease could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaseFailure {
    /// The API server answered with an error, or not at all.
    #[error("cannot {verb} Lease {namespace}/{name}: {source}")]
    Request {
        verb: &'static str,
        namespace: String,
        name: String,
        #[source]
        source: Box<kube::Error>,
    },
    /// It did not answer in time.
    #[error("cannot {verb} Lease {namespace}/{name}: no answer within 10 s")]
    Late { verb: &'static str, namespace: String, name: String },
}

impl LeaseFailure {
    /// The API server's answer, where there was one.
    pub(crate) fn answer(&self) -> Option<&Status> {
        match self {
            Self::Request { source, .. } => crate::errors::answer(source),
            Self::Late { .. } => None,
        }
    }

    /// What was tried, for a person.
    pub(crate) fn tried(&self) -> String {
        let (Self::Request { verb, namespace, name, .. } | Self::Late { verb, namespace, name }) = self;
        format!("cannot {verb} Lease {namespace}/{name}")
    }

    fn code(&self) -> Option<u16> {
        self.answer().map(|status| status.code)
    }
}

/// How taking a lock went.
pub(super) enum Taking {
    /// Nobody had it.
    Taken(Lease),
    /// This remediation had it, under another process: one that has died, or one that is at work on it now.
    Joined(Lease),
    /// Its holder has let its term pass.
    TakenOver(Lease),
    /// It goes on.
    Renewed(Lease),
    /// Somebody has it; by identity, empty where that is not known.
    Held(String),
}

/// The Leases of one namespace.
pub(super) struct Leases {
    client: Client,
    namespace: String,
    clock: Arc<dyn Clock>,
}

impl Leases {
    pub(super) fn new(client: Client, namespace: &str, clock: Arc<dyn Clock>) -> Self {
        Self { client, namespace: namespace.to_owned(), clock }
    }

    fn api(&self) -> Api<Lease> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Takes a Lease that this process does not hold.
    pub(super) async fn take(&self, name: &str, target: &str, asker: Asker<'_>) -> Result<Taking, LeaseFailure> {
        for _ in 0..TRIES_MAX {
            let lease = self.fresh(name, target, asker);
            match self.within("create", name, self.api().create(&parameters(), &lease)).await {
                Ok(lease) => return Ok(Taking::Taken(lease)),
                Err(error) if error.code() == Some(409) => {}
                Err(error) => return Err(error),
            }
            let Some(found) = self.within("get", name, self.api().get_opt(name)).await? else { continue };
            let holder = holder(&found).to_owned();
            let is_ours = holder == asker.uid;
            if !is_ours && !holder.is_empty() && !self.is_over(&found) {
                return Ok(Taking::Held(holder));
            }
            if let Some(lease) = self.replace(self.claimed(found, target, asker)).await? {
                return Ok(if is_ours { Taking::Joined(lease) } else { Taking::TakenOver(lease) });
            }
        }
        Ok(Taking::Held(String::new()))
    }

    /// Renews one that we hold; `None` where it is not ours any more.
    pub(super) async fn renew(&self, mut lease: Lease) -> Result<Option<Lease>, LeaseFailure> {
        lease.spec.get_or_insert_default().renew_time = Some(self.now());
        self.replace(lease).await
    }

    /// Deletes one that we hold; false where it is not ours any more.
    pub(super) async fn give_back(&self, lease: &Lease) -> Result<bool, LeaseFailure> {
        let name = lease.metadata.name.as_deref().unwrap_or_default();
        let ours = Preconditions {
            uid: lease.metadata.uid.clone(),
            resource_version: lease.metadata.resource_version.clone(),
        };
        let parameters = DeleteParams { preconditions: Some(ours), ..DeleteParams::default() };
        match self.within("delete", name, self.api().delete(name, &parameters)).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.code(), Some(404 | 409)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Deletes our Leases whose term has passed: what processes that died have left behind.
    pub(super) async fn sweep(&self) -> Result<usize, LeaseFailure> {
        let ours = ListParams::default().labels(&format!("{}={}", LABEL.0, LABEL.1)).limit(SWEPT_MAX);
        let found = self.within("list", "(all)", self.api().list(&ours)).await?;
        let mut swept = 0;
        for lease in found.items.iter().filter(|lease| self.is_over(lease)) {
            swept += usize::from(self.give_back(lease).await?);
        }
        Ok(swept)
    }

    /// Whether its holder has let its term pass. One that does not say when it was renewed is held.
    fn is_over(&self, lease: &Lease) -> bool {
        let Some(spec) = &lease.spec else { return false };
        let Some(renewed) = spec.renew_time.as_ref().or(spec.acquire_time.as_ref()) else { return false };
        let renewed = Timestamp::from_millis(u64::try_from(renewed.0.as_millisecond()).unwrap_or(0));
        let term = u64::try_from(spec.lease_duration_seconds.unwrap_or(TERM_SECONDS)).unwrap_or(0);
        renewed.plus(Span::from_secs(term)) < self.clock.now()
    }

    fn fresh(&self, name: &str, target: &str, asker: Asker<'_>) -> Lease {
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.namespace.clone()),
            ..ObjectMeta::default()
        };
        self.claimed(Lease { metadata, spec: None }, target, asker)
    }

    /// The Lease as this remediation's.
    fn claimed(&self, mut lease: Lease, target: &str, asker: Asker<'_>) -> Lease {
        let now = self.now();
        let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions);
        let is_new = lease.metadata.resource_version.is_none();
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(asker.uid.to_owned()),
            lease_duration_seconds: Some(TERM_SECONDS),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: Some(if is_new { 0 } else { transitions.unwrap_or(0).saturating_add(1) }),
            ..LeaseSpec::default()
        });
        let labels = lease.metadata.labels.get_or_insert_default();
        labels.insert(LABEL.0.to_owned(), LABEL.1.to_owned());
        let told: BTreeMap<_, _> = [
            (TARGET_ANNOTATION.to_owned(), target.to_owned()),
            (REMEDIATION_ANNOTATION.to_owned(), format!("{}/{}", asker.namespace, asker.name)),
        ]
        .into();
        lease.metadata.annotations.get_or_insert_default().extend(told);
        lease
    }

    /// Replaces it if nobody has written since it was read.
    async fn replace(&self, lease: Lease) -> Result<Option<Lease>, LeaseFailure> {
        let name = lease.metadata.name.clone().unwrap_or_default();
        match self.within("renew", &name, self.api().replace(&name, &parameters(), &lease)).await {
            Ok(lease) => Ok(Some(lease)),
            Err(error) if matches!(error.code(), Some(404 | 409)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn now(&self) -> MicroTime {
        let millis = i64::try_from(self.clock.now().as_millis()).unwrap_or(i64::MAX);
        MicroTime(k8s_openapi::jiff::Timestamp::from_millisecond(millis).unwrap_or(k8s_openapi::jiff::Timestamp::MAX))
    }

    async fn within<T>(
        &self,
        verb: &'static str,
        name: &str,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, LeaseFailure> {
        let (namespace, name) = (self.namespace.clone(), name.to_owned());
        match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
            Ok(answer) => {
                answer.map_err(|source| LeaseFailure::Request { verb, namespace, name, source: Box::new(source) })
            }
            Err(_) => Err(LeaseFailure::Late { verb, namespace, name }),
        }
    }
}

fn parameters() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

fn holder(lease: &Lease) -> &str {
    lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default()
}
