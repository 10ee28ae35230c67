//! A ledger, a client and a clock that are struck together after a number of effects: what was done stays; nothing is
//! done any more, or only later, or at another time of the clock.

use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use http::{Method, Request};
use tokio::sync::watch;
use tower::{Layer, Service};
use trimtab_controller::SystemClock;
use trimtab_core::plan::Plan;
use trimtab_core::ports::{Clock, DecisionRecord, ForeignStep, Ledger, LedgerFailure, Settlement};
use trimtab_core::time::Timestamp;
use trimtab_ledger::SqliteLedger;

/// What befalls a host after its fatal effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    /// It does nothing any more.
    Death,
    /// It stands still until it is woken: a stopped process, a virtual machine on the move.
    Pause,
    /// Its clock steps back by [`CLOCK_STEP_MILLIS`].
    ClockBack,
}

/// How far a clock steps back.
const CLOCK_STEP_MILLIS: u64 = 7000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Well,
    Dead,
    Paused,
    /// Struck, and going on.
    Shaken,
    /// Nothing befalls it any more.
    Over,
}

/// Counts effects, and strikes after the fatal one.
#[derive(Debug)]
pub(crate) struct Fate {
    fatal: Option<u64>,
    blow: Blow,
    effects: AtomicU64,
    state: watch::Sender<State>,
}

impl Fate {
    pub(crate) fn new(fatal: Option<u64>, blow: Blow) -> Arc<Self> {
        Arc::new(Self { fatal, blow, effects: AtomicU64::new(0), state: watch::Sender::new(State::Well) })
    }

    pub(crate) fn effects(&self) -> u64 {
        self.effects.load(Ordering::SeqCst)
    }

    /// Resolves with the blow; never where there is none.
    pub(crate) async fn struck(&self) {
        let _ = self.state.subscribe().wait_for(|state| *state != State::Well).await;
    }

    pub(crate) fn is_struck(&self) -> bool {
        !matches!(*self.state.borrow(), State::Well | State::Over)
    }

    pub(crate) fn is_dead(&self) -> bool {
        *self.state.borrow() == State::Dead
    }

    /// Ends a pause.
    pub(crate) fn wake(&self) {
        self.state.send_if_modified(|state| {
            let is_paused = *state == State::Paused;
            if is_paused {
                *state = State::Shaken;
            }
            is_paused
        });
    }

    /// Ends a pause, and strikes no more: the host is ended, and what it still has under way must not wait for ever.
    pub(crate) fn end(&self) {
        self.state.send_replace(State::Over);
    }

    /// Resolves when it is not paused.
    async fn awake(self: Arc<Self>) {
        let _ = self.state.subscribe().wait_for(|state| *state != State::Paused).await;
    }

    /// One more effect is done. The result is whether its maker lives to hear of it.
    fn survives_effect(&self) -> bool {
        let effect = self.effects.fetch_add(1, Ordering::SeqCst) + 1;
        if self.fatal == Some(effect) {
            self.state.send_if_modified(|state| {
                let is_struck = *state != State::Over;
                if is_struck {
                    *state = match self.blow {
                        Blow::Death => State::Dead,
                        Blow::Pause => State::Paused,
                        Blow::ClockBack => State::Shaken,
                    };
                }
                is_struck
            });
        }
        !self.is_dead()
    }
}

/// The clock of one life.
#[derive(Debug)]
pub(crate) struct MortalClock(pub(crate) Arc<Fate>);

impl Clock for MortalClock {
    fn now(&self) -> Timestamp {
        let now = SystemClock.now().as_millis();
        let is_back = self.0.blow == Blow::ClockBack && self.0.is_struck();
        Timestamp::from_millis(if is_back { now.saturating_sub(CLOCK_STEP_MILLIS) } else { now })
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

    /// For a question, which changes nothing.
    fn alive(&self) -> Result<Arc<SqliteLedger>, LedgerFailure> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner).clone();
        inner.filter(|_| !self.fate.is_dead()).ok_or_else(dead)
    }

    /// For a change; these come on threads that may wait.
    fn awake(&self) -> Result<Arc<SqliteLedger>, LedgerFailure> {
        futures::executor::block_on(Arc::clone(&self.fate).awake());
        self.alive()
    }

    fn effect(&self, done: Result<(), LedgerFailure>) -> Result<(), LedgerFailure> {
        done?;
        let survives = self.fate.survives_effect();
        futures::executor::block_on(Arc::clone(&self.fate).awake());
        if survives { Ok(()) } else { Err(dead()) }
    }
}

fn dead() -> LedgerFailure {
    LedgerFailure { what: "do anything for", thing: "a dead process".into(), why: "it died in this test".into() }
}

impl Ledger for MortalLedger {
    fn prepare(&self, record: &DecisionRecord, plan: &Arc<Plan>) -> Result<(), LedgerFailure> {
        self.effect(self.awake()?.prepare(record, plan))
    }

    fn settle(&self, uid: &str, settlement: &Settlement, at: Timestamp) -> Result<(), LedgerFailure> {
        let inner = self.awake()?;
        // Without an open step nothing is written.
        if inner.unsettled(uid).is_none() {
            return inner.settle(uid, settlement, at);
        }
        self.effect(inner.settle(uid, settlement, at))
    }

    fn unsettled(&self, uid: &str) -> Option<Arc<Plan>> {
        self.alive().ok()?.unsettled(uid)
    }

    fn open_remediations(&self) -> Vec<String> {
        self.alive().map_or_else(|_| Vec::new(), |inner| inner.open_remediations())
    }

    fn note(&self, record: &DecisionRecord) -> Result<(), LedgerFailure> {
        self.awake()?.note(record)
    }

    fn knows(&self, uid: &str, sequence: u64) -> bool {
        self.alive().is_ok_and(|inner| inner.knows(uid, sequence))
    }

    fn tidy(&self, now: Timestamp, exists: &dyn Fn(&str) -> bool) -> Result<(), LedgerFailure> {
        self.awake()?.tidy(now, exists)
    }

    fn adopt(&self, step: &ForeignStep) -> Result<(), LedgerFailure> {
        self.effect(self.awake()?.adopt(step))
    }
}

/// Makes a client mortal.
#[derive(Debug, Clone)]
pub(crate) struct MortalLayer(pub(crate) Arc<Fate>);

impl<S> Layer<S> for MortalLayer {
    type Service = MortalService<S>;

    fn layer(&self, inner: S) -> MortalService<S> {
        MortalService { inner, fate: Arc::clone(&self.0), pause: None }
    }
}

/// A client of one life.
pub(crate) struct MortalService<S> {
    inner: S,
    fate: Arc<Fate>,
    /// Ends with the pause that the next request waits for.
    pause: Option<BoxFuture<'static, ()>>,
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
        let fate = Arc::clone(&self.fate);
        ready!(self.pause.get_or_insert_with(|| Box::pin(fate.awake())).as_mut().poll(context));
        self.pause = None;
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
            fate.awake().await;
            answer
        })
    }
}
