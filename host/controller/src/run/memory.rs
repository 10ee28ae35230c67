//! What is remembered of remediations, and what is done with it when an object changes or is gone.

use std::sync::Arc;

use kube::ResourceExt as _;
use kube_runtime::watcher;
use trimtab_api::Kind;
use trimtab_core::phase::Phase;
use trimtab_core::plan::Plan;
use trimtab_core::ports::{Clock, Ledger, Settlement};

use super::ControllerConfig;
use super::swaps::Ended;
use crate::backoff::Backoff;
use crate::beside::Standing;
use crate::brakes::Gate;
use crate::cache::Cache;
use crate::finish::Finishing;
use crate::object::Object;
use crate::offload::Offload;
use crate::ports::Policies;
use crate::routing::Routing;
use crate::tries::Tries;
use crate::written::{self, Written};

/// What is remembered of remediations, to be forgotten when they are gone.
#[derive(Clone)]
pub(super) struct Memory {
    pub(super) gate: Arc<Gate>,
    pub(super) routing: Arc<Routing>,
    pub(super) written: Arc<Written>,
    pub(super) backoff: Arc<Backoff>,
    pub(super) tries: Arc<Tries>,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) finishing: Arc<Finishing>,
    pub(super) offload: Offload,
    pub(super) beside: Arc<Standing>,
    pub(super) policies: Arc<dyn Policies>,
    pub(super) ended: Arc<Ended>,
}

impl Memory {
    pub(super) fn new(gate: Arc<Gate>, routing: Arc<Routing>, config: &ControllerConfig) -> Self {
        Self {
            gate,
            routing,
            written: Arc::default(),
            backoff: Arc::default(),
            tries: Arc::default(),
            ledger: Arc::clone(&config.ledger),
            clock: Arc::clone(&config.clock),
            finishing: Arc::default(),
            offload: config.offload,
            beside: Arc::new(Standing::new(config.beside.clone())),
            policies: Arc::clone(&config.policies),
            ended: Arc::default(),
        }
    }

    /// A change of an object, before its cache has it.
    pub(super) fn hear(&self, kind: Kind, change: &watcher::Event<Object>, cache: &Cache) {
        if kind == Kind::RemediationRequest {
            self.beside.hear(change, cache, self.clock.now());
        }
    }

    /// A change of an object that its cache has; whether it tells of anything but what this process has written: whoever
    /// wrote it has gone on from there.
    pub(super) fn heard(&self, kind: Kind, change: &watcher::Event<Object>) -> bool {
        self.gate.changed(kind, change);
        self.routing.changed(kind, change);
        if kind == Kind::RemediationRequest {
            self.ended.hear(change);
        }
        match change {
            watcher::Event::Apply(object) => self.written.shown(&key_of(kind, object), object.json()),
            watcher::Event::Delete(object) => {
                self.forget(kind, object);
                true
            }
            watcher::Event::InitApply(object) => {
                self.found(kind, object);
                true
            }
            watcher::Event::Init | watcher::Event::InitDone => true,
        }
    }

    /// An object was there before this process.
    fn found(&self, kind: Kind, object: &Object) {
        let is_running = || object.phase(kind).parse().is_ok_and(|phase: Phase| !phase.is_terminal());
        if kind == Kind::RemediationRequest
            && is_running()
            && let Some(revision) =
                trimtab_api::mapping::record(object.json()).ok().and_then(|record| record.set_revision)
        {
            self.policies.found(&object.uid().unwrap_or_default(), &revision);
        }
    }

    /// An object is gone. What a remediation had open in the ledger cannot be known any more.
    fn forget(&self, kind: Kind, object: &Object) {
        self.written.gone(&key_of(kind, object), object.json());
        if kind == Kind::RemediationRequest {
            let uid = object.uid().unwrap_or_default();
            self.backoff.forget(&uid);
            self.tries.forget(&uid);
            self.gate.forget(&uid);
            self.routing.forget(&uid);
            self.beside.forget(&uid);
            self.policies.forget(&uid);
            let is_shown = |plan: Arc<Plan>| {
                trimtab_api::mapping::record(object.json()).is_ok_and(|record| plan.is_shown_by(&record))
            };
            let is_done = self.ledger.unsettled(&uid).is_some_and(is_shown);
            self.conclude(&uid, if is_done { Settlement::Confirmed } else { Settlement::Unknown });
        }
    }

    /// Settles what was left open of a remediation that is gone.
    pub(super) fn conclude(&self, uid: &str, settlement: Settlement) {
        let (ledger, at, uid) = (Arc::clone(&self.ledger), self.clock.now(), uid.to_owned());
        // Not on the watch's task: a slow disk must not hold it up.
        self.offload.spawn(move || {
            // One that was to be deleted is: its absence is what the step leaves behind.
            let is_removed = ledger.unsettled(&uid).is_some_and(|open| open.is_removal());
            let settlement = if is_removed { Settlement::Confirmed } else { settlement };
            // The second one finds nothing open, and says that the remediation is gone.
            let settled =
                ledger.settle(&uid, &settlement, at).and_then(|()| ledger.settle(&uid, &Settlement::Unknown, at));
            if let Err(error) = settled {
                tracing::warn!(uid, %error, "an open step of a deleted remediation could not be settled");
            }
        });
    }
}

fn key_of(kind: Kind, object: &Object) -> written::Key {
    (kind, object.namespace().unwrap_or_default(), object.name_any())
}
