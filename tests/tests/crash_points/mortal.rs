//! A ledger and a client that die together after a number of effects: what was done stays, nothing is done any more.

use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Method, Request};
use tokio::sync::watch;
use tower::{Layer, Service};
use trimtab_core::plan::Plan;
use trimtab_core::ports::{DecisionRecord, ForeignStep, Ledger, LedgerFailure, Settlement};
use trimtab_core::time::Timestamp;
use trimtab_ledger::SqliteLedger;

/// Counts effects, and ends everything after the fatal one.
#[derive(Debug)]
pub(crate) struct Fate {
    fatal: Option<u64>,
    effects: AtomicU64,
    is_dead: watch::Sender<bool>,
}

impl Fate {
    pub(crate) fn new(fatal: Option<u64>) -> Arc<Self> {
        Arc::new(Self { fatal, effects: AtomicU64::new(0), is_dead: watch::Sender::new(false) })
    }

    pub(crate) fn effects(&self) -> u64 {
        self.effects.load(Ordering::SeqCst)
    }

    /// Resolves with the death; never where there is none.
    pub(crate) async fn died(&self) {
        let _ = self.is_dead.subscribe().wait_for(|is_dead| *is_dead).await;
    }

    pub(crate) fn is_dead(&self) -> bool {
        *self.is_dead.borrow()
    }

    /// One more effect is done. The result is whether its maker lives to hear of it.
    fn survives_effect(&self) -> bool {
        let effect = self.effects.fetch_add(1, Ordering::SeqCst) + 1;
        if self.fatal == Some(effect) {
            self.is_dead.send_replace(true);
        }
        !self.is_dead()
    }
}

/// The ledger of one life.
#[derive(Debug)]
pub(crate) struct MortalLedger {
    inner: RwLock<Option<Arc<SqliteLedger>>>,
    fate: Arc<Fate>,
}

impl MortalLedger {
    pub(crate) fn new(inner: SqliteLedger, fate: Arc<Fate>) -> Self {
        Self { inner: RwLock::new(Some(Arc::new(inner))), fate }
    }

    /// Lets go of the file.
    pub(crate) fn bury(&self) {
        self.inner.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn alive(&self) -> Result<Arc<SqliteLedger>, LedgerFailure> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner).clone();
        inner.filter(|_| !self.fate.is_dead()).ok_or_else(dead)
    }

    fn effect(&self, done: Result<(), LedgerFailure>) -> Result<(), LedgerFailure> {
        done?;
        if self.fate.survives_effect() { Ok(()) } else { Err(dead()) }
    }
}

fn dead() -> LedgerFailure {
    LedgerFailure { what: "do anything for", thing: "a dead process".into(), why: "it died in this test".into() }
}

impl Ledger for MortalLedger {
    fn prepare(&self, record: &DecisionRecord, plan: &Plan) -> Result<(), LedgerFailure> {
        self.effect(self.alive()?.prepare(record, plan))
    }

    fn settle(&self, uid: &str, settlement: &Settlement, at: Timestamp) -> Result<(), LedgerFailure> {
        let inner = self.alive()?;
        // Without an open step nothing is written.
        if inner.unsettled(uid).is_none() {
            return inner.settle(uid, settlement, at);
        }
        self.effect(inner.settle(uid, settlement, at))
    }

    fn unsettled(&self, uid: &str) -> Option<Plan> {
        self.alive().ok()?.unsettled(uid)
    }

    fn open_remediations(&self) -> Vec<String> {
        self.alive().map_or_else(|_| Vec::new(), |inner| inner.open_remediations())
    }

    fn note(&self, record: &DecisionRecord) -> Result<(), LedgerFailure> {
        self.alive()?.note(record)
    }

    fn knows(&self, uid: &str, sequence: u64) -> bool {
        self.alive().is_ok_and(|inner| inner.knows(uid, sequence))
    }

    fn tidy(&self, now: Timestamp, exists: &dyn Fn(&str) -> bool) -> Result<(), LedgerFailure> {
        self.alive()?.tidy(now, exists)
    }

    fn adopt(&self, step: &ForeignStep) -> Result<(), LedgerFailure> {
        self.effect(self.alive()?.adopt(step))
    }
}

/// Makes a client mortal.
#[derive(Debug, Clone)]
pub(crate) struct MortalLayer(pub(crate) Arc<Fate>);

impl<S> Layer<S> for MortalLayer {
    type Service = MortalService<S>;

    fn layer(&self, inner: S) -> MortalService<S> {
        MortalService { inner, fate: Arc::clone(&self.0) }
    }
}

/// A client of one life.
#[derive(Debug)]
pub(crate) struct MortalService<S> {
    inner: S,
    fate: Arc<Fate>,
}

impl<S, B> Service<Request<B>> for MortalService<S>
where
    S: Service<Request<B>>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if self.fate.is_dead() {
            return Box::pin(pending());
        }
        let writes = request.method() != Method::GET;
        let (answer, fate) = (self.inner.call(request), Arc::clone(&self.fate));
        Box::pin(async move {
            let answer = answer.await;
            if (writes && !fate.survives_effect()) || fate.is_dead() {
                // The effect is done; nobody is there any more to hear the answer.
                return pending().await;
            }
            answer
        })
    }
}
